//! A group over time: who had which partitions, and for how long nobody did.
//!
//! | file | holds |
//! |---|---|
//! | `mod.rs` | what a [`GroupTimeline`] is, what it measures, and cutting it |
//! | `read.rs` | reading it out of the trace |
//! | `select.rs` | which entries of the trace belong into the picture |
//! | `text.rs` | the timeline as text |

mod read;
mod select;
mod text;

use std::collections::BTreeMap;
use std::time::Duration;

use super::mermaid;
use super::trace::{Actor, Trace, TraceEntry};
use crate::coordinator::GroupState;
use crate::types::{BrokerId, Time, TopicPartition};

/// A group over time. `Display` gives it as text; [`to_mermaid`](GroupTimeline::to_mermaid) draws
/// how its rebalances went.
///
/// # What is measured
///
/// A consumer *has* a partition from the moment when it is told of its assignment
/// (`PartitionsAssigned`) until it gives the partition up (`PartitionsRevoked`, `PartitionsLost`)
/// or crashes. What it believes counts, not what the coordinator knows: a member that was thrown
/// out, and has not noticed, has its partitions still, while others may have them as well.
///
/// A member *stands still* while it has no partition at all and waits for an assignment: from the
/// moment when it gave up the last one, or set about joining, until its next assignment. A member
/// whose assignment was empty is *idle*; it stands still again as soon as the coordinator begins
/// another rebalance. Whoever is not in the group does neither.
///
/// A partition is *without an owner* from the moment when its last owner gave it up until the next
/// one is assigned. It counts from its first owner on, since before nobody missed it.
///
/// Three more costs of a rebalance lie outside of these numbers: with auto commit an eager member
/// gives out nothing from the beginning of its commit on, a moment before it gives up; after the
/// assignment the committed offset is asked for; and then the first fetch takes its time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupTimeline {
    /// The group.
    pub group_id: String,
    /// Where it begins.
    pub from: Time,
    /// Where it ends.
    pub to: Time,
    /// What the group was at for its coordinator, in order; nothing before its first member.
    pub states: Vec<GroupSpan>,
    /// What each consumer had that was a member, in order. While it was not in the group and had
    /// nothing, there is no span.
    pub members: BTreeMap<Actor, Vec<MemberSpan>>,
    /// Who had each partition, in order, from its first owner on.
    pub partitions: BTreeMap<TopicPartition, Vec<PartitionSpan>>,
    /// What the picture shows.
    picture: Vec<TraceEntry>,
}

/// A time in which the coordinator's state stays the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupSpan {
    /// Its beginning.
    pub from: Time,
    /// Its end.
    pub to: Time,
    /// The coordinator.
    pub broker: BrokerId,
    /// What the group was at.
    pub state: GroupState,
    /// The generation.
    pub generation: i32,
}

/// A time in which a member has the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemberSpan {
    /// Its beginning.
    pub from: Time,
    /// Its end.
    pub to: Time,
    /// What it has.
    pub has: MemberHas,
}

/// What a member has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MemberHas {
    /// Partitions.
    Partitions {
        /// Which.
        partitions: Vec<TopicPartition>,
        /// The generation that gave them.
        generation: i32,
    },
    /// Nothing: it waits for an assignment.
    StandsStill,
    /// Nothing, for there was nothing for it.
    Idle,
}

/// A time in which the same consumers have a partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartitionSpan {
    /// Its beginning.
    pub from: Time,
    /// Its end.
    pub to: Time,
    /// Who: nobody in a rebalance, more than one when a consumer has not noticed its loss.
    pub owners: Vec<Actor>,
}

impl Trace {
    /// A group over the time of the kept entries. It ends with the newest one. Where older entries
    /// have been dropped, beyond the newest 65,536, a member counts as one without partitions until
    /// it is assigned some: what stands there before its first rebalance is not to be relied on.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use kafkarium::{Cluster, TopicSpec};
    /// # fn main() -> Result<(), kafkarium::Error> {
    /// # let cluster = Cluster::builder().config("group.initial.rebalance.delay.ms", "0").build()?;
    /// # cluster.admin().create_topic("orders", TopicSpec::partitions(2))?;
    /// let mut barista = cluster.consumer([("group.id", "baristas")])?;
    /// barista.subscribe(["orders"])?;
    /// barista.poll(Duration::from_secs(1))?;
    /// let timeline = cluster.trace().group_timeline("baristas");
    /// println!("{timeline}");
    /// println!("{}", timeline.to_mermaid());
    /// let waits: Vec<Duration> = timeline.stood_still().into_values().collect();
    /// assert_eq!(waits, [Duration::from_millis(3)]); // until it had its partitions
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn group_timeline(&self, group_id: &str) -> GroupTimeline {
        read::read(self, group_id)
    }
}

impl GroupTimeline {
    /// What of it lies between two moments.
    #[must_use]
    pub fn between(mut self, from: Time, to: Time) -> GroupTimeline {
        let (from, to) = (from.max(self.from), to.min(self.to));
        cut(&mut self.states, from, to);
        self.members.values_mut().for_each(|spans| cut(spans, from, to));
        self.partitions.values_mut().for_each(|spans| cut(spans, from, to));
        self.members.retain(|_, spans| !spans.is_empty());
        self.partitions.retain(|_, spans| !spans.is_empty());
        self.picture.retain(|entry| (from..=to).contains(&entry.time));
        GroupTimeline { from, to, ..self }
    }

    /// For how long each member had nothing and waited for an assignment.
    #[must_use]
    pub fn stood_still(&self) -> BTreeMap<Actor, Duration> {
        let still = |span: &&MemberSpan| span.has == MemberHas::StandsStill;
        let sum = |spans: &[MemberSpan]| total(spans.iter().filter(still));
        self.members.iter().map(|(member, spans)| (*member, sum(spans))).collect()
    }

    /// For how long each partition was nobody's.
    #[must_use]
    pub fn without_owner(&self) -> BTreeMap<TopicPartition, Duration> {
        self.while_owned(|owners| owners == 0)
    }

    /// For how long each partition belonged to several consumers, of which at most one knew it
    /// rightly.
    #[must_use]
    pub fn with_several_owners(&self) -> BTreeMap<TopicPartition, Duration> {
        self.while_owned(|owners| owners > 1)
    }

    fn while_owned(&self, holds: impl Fn(usize) -> bool) -> BTreeMap<TopicPartition, Duration> {
        let counts = |span: &&PartitionSpan| holds(span.owners.len());
        let sum = |spans: &[PartitionSpan]| total(spans.iter().filter(counts));
        self.partitions.iter().map(|(name, spans)| (name.clone(), sum(spans))).collect()
    }

    /// How its rebalances went, as a Mermaid `sequenceDiagram`: an arrow for each of the group's
    /// messages that arrived, a crossed one for each that was lost, notes for the transitions of
    /// the coordinator, and for what members give up and get. What says nothing new is left out:
    /// heartbeats while nothing happens, commits that no rebalance waits for, and the members'
    /// states, which the arrows tell.
    #[must_use]
    pub fn to_mermaid(&self) -> String {
        mermaid::draw(self.picture.iter(), false)
    }
}

/// Something that lasts.
trait Lasts {
    fn ends(&mut self) -> (&mut Time, &mut Time);
    fn lasts(&self) -> Duration;
}

macro_rules! lasts {
    ($($span:ident)*) => {
        $(impl Lasts for $span {
            fn ends(&mut self) -> (&mut Time, &mut Time) {
                (&mut self.from, &mut self.to)
            }

            fn lasts(&self) -> Duration {
                self.to.since(self.from)
            }
        })*
    };
}

lasts! { GroupSpan MemberSpan PartitionSpan }

fn total<'a, S: Lasts + 'a>(spans: impl Iterator<Item = &'a S>) -> Duration {
    spans.map(S::lasts).sum()
}

fn cut<S: Lasts>(spans: &mut Vec<S>, from: Time, to: Time) {
    spans.retain_mut(|span| {
        let (begin, end) = span.ends();
        (*begin, *end) = (from.max(*begin), to.min(*end));
        begin < end
    });
}
