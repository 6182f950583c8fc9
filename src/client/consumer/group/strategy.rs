//! The assignors of a consumer: those of Kafka, and the user's own.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;

use super::assignment::GroupAssignment;
use crate::client::assignor::{Assignor, LastAssignment, Member, RebalanceProtocol, parse};
use crate::error::Error;
use crate::types::{TopicName, TopicPartition};

/// An assignor of `partition.assignment.strategy`.
#[derive(Clone, Debug)]
pub enum Choice {
    /// Kafka's, a pure function.
    BuiltIn(Arc<dyn Assignor>),
    /// The user's own by its name, which is asked outside the world.
    Own(String),
}

impl Choice {
    fn name(&self) -> &str {
        match self {
            Choice::BuiltIn(assignor) => assignor.name(),
            Choice::Own(name) => name,
        }
    }
}

/// The assignors of a consumer, the best first, and the protocol that follows from them.
#[derive(Clone, Debug)]
pub struct Assignors {
    choices: Vec<Choice>,
    protocol: RebalanceProtocol,
}

impl Assignors {
    /// Those of `partition.assignment.strategy`; a name that stands among `own` is the user's.
    ///
    /// # Errors
    /// [`Error::Config`] for an unknown name, one that stands there twice, and when there is no
    /// protocol that all support.
    pub fn new(strategy: &str, own: &[Arc<dyn Assignor>]) -> Result<Self, Error> {
        let all = parse(strategy, own)?;
        let protocol = RebalanceProtocol::common(&all)?;
        let is_own =
            |assignor: &Arc<dyn Assignor>| own.iter().any(|own| Arc::ptr_eq(own, assignor));
        let choose = |assignor: Arc<dyn Assignor>| match is_own(&assignor) {
            true => Choice::Own(assignor.name().to_owned()),
            false => Choice::BuiltIn(assignor),
        };
        Ok(Assignors { choices: all.into_iter().map(choose).collect(), protocol })
    }

    /// The most advanced protocol that all of them support.
    pub fn protocol(&self) -> RebalanceProtocol {
        self.protocol
    }

    pub fn by_name(&self, name: &str) -> Option<&Choice> {
        self.choices.iter().find(|choice| choice.name() == name)
    }

    /// The name of each, and what it has to tell the leader's.
    pub fn user_data(
        &self,
        topics: &[TopicName],
        last: Option<&LastAssignment>,
    ) -> impl Iterator<Item = (String, Option<Bytes>)> {
        self.choices.iter().map(move |choice| match choice {
            Choice::BuiltIn(assignor) => {
                (assignor.name().to_owned(), assignor.user_data(topics, last))
            }
            Choice::Own(name) => (name.clone(), None),
        })
    }
}

/// Whether an assignor of the user's own has given each partition to one member that wants it.
pub(super) fn check_assignment(
    partitions: &BTreeMap<TopicName, i32>,
    members: &BTreeMap<String, Member>,
    assignment: &GroupAssignment,
    is_cooperative: bool,
) -> Result<(), String> {
    let mut owners: BTreeMap<&TopicPartition, &String> = BTreeMap::new();
    for (member_id, given) in assignment {
        let Some(member) = members.get(member_id) else {
            return Err(format!("'{member_id}' is no member of the group"));
        };
        let wanted: BTreeSet<&TopicName> = member.subscription.topics.iter().collect();
        for partition in &given.partitions {
            let count = partitions.get(&partition.topic).copied().unwrap_or(0);
            if !(0..count).contains(&partition.partition) {
                return Err(format!("there is no partition {partition}"));
            }
            if !wanted.contains(&partition.topic) {
                return Err(format!(
                    "{partition} for '{member_id}', which has not subscribed to its topic"
                ));
            }
            if let Some(other) = owners.insert(partition, member_id) {
                return Err(format!("{partition} for both '{other}' and '{member_id}'"));
            }
        }
    }
    if is_cooperative {
        for (member_id, member) in members {
            for partition in &member.subscription.owned_partitions {
                let is_others =
                    |owner: &&&String| **owner != member_id && !claims(members, owner, partition);
                if let Some(owner) = owners.get(partition).filter(is_others) {
                    return Err(format!(
                        "{partition} for '{owner}' while '{member_id}' has it: in the cooperative \
                         protocol it has to be given up first"
                    ));
                }
            }
        }
    }
    Ok(())
}

/// Whether a member says that it has a partition.
fn claims(members: &BTreeMap<String, Member>, id: &str, partition: &TopicPartition) -> bool {
    members.get(id).is_some_and(|one| one.subscription.owned_partitions.contains(partition))
}
