//! A group by numbers, in which assignors calculate.
//!
//! Members, topics and partitions are numbered in the order of their names. The partitions of the
//! topics stand in one row: `t` with three partitions and `u` with two are 0 1 2 and 3 4. Only
//! topics are counted that exist, have partitions, and that somebody subscribes to. So comparing
//! numbers compares names, and no name is copied before the result is told.

use std::collections::{BTreeMap, BTreeSet};

use super::Member;
use crate::api::Assignment;
use crate::types::{TopicName, TopicPartition};

/// The members and what there is to divide among them.
#[derive(Debug)]
pub(super) struct Group<'a> {
    /// By id.
    pub(super) members: Vec<(&'a str, &'a Member)>,
    /// By name.
    pub(super) topics: Vec<Topic<'a>>,
    /// The topics of each member, ascending.
    pub(super) topics_of: Vec<Vec<usize>>,
    /// How many partitions there are.
    pub(super) partition_count: usize,
}

/// A topic that is subscribed to.
#[derive(Debug)]
pub(super) struct Topic<'a> {
    name: &'a TopicName,
    /// The number of its partition 0.
    pub(super) first: usize,
    /// How many partitions it has.
    pub(super) count: usize,
    /// The members that subscribe to it, ascending; there is at least one.
    pub(super) subscribers: Vec<usize>,
}

impl Topic<'_> {
    /// Its partitions.
    pub(super) fn partitions(&self) -> std::ops::Range<usize> {
        self.first..self.first + self.count
    }
}

impl<'a> Group<'a> {
    /// Numbers everything.
    pub(super) fn new(
        partitions: &'a BTreeMap<TopicName, i32>,
        members: &'a BTreeMap<String, Member>,
    ) -> Self {
        let mut subscribed: BTreeSet<&TopicName> = BTreeSet::new();
        let mut before: Option<&[TopicName]> = None;
        for member in members.values() {
            let topics = &member.subscription.topics[..];
            if before != Some(topics) {
                subscribed.extend(topics);
            }
            before = Some(topics);
        }
        let mut group = Group {
            members: members.iter().map(|(id, member)| (id.as_str(), member)).collect(),
            topics: Vec::new(),
            topics_of: Vec::with_capacity(members.len()),
            partition_count: 0,
        };
        for (name, &count) in partitions {
            let count = usize::try_from(count).unwrap_or(0);
            if count > 0 && subscribed.contains(name) {
                let (first, subscribers) = (group.partition_count, Vec::new());
                group.topics.push(Topic { name, first, count, subscribers });
                group.partition_count += count;
            }
        }
        for member in 0..group.members.len() {
            let topics = group.find_topics(member);
            for &topic in &topics {
                group.topics[topic].subscribers.push(member);
            }
            group.topics_of.push(topics);
        }
        group
    }

    /// The topics of a member. Most want what the one before them wants, which saves looking for
    /// the names.
    fn find_topics(&self, member: usize) -> Vec<usize> {
        let names = |member: usize| &self.members[member].1.subscription.topics;
        if let Some(before) = member.checked_sub(1).filter(|&before| names(before) == names(member))
        {
            return self.topics_of[before].clone();
        }
        let found = names(member).iter().filter_map(|name| self.topic(name));
        let mut topics: Vec<usize> = found.collect();
        topics.sort_unstable();
        topics.dedup();
        topics
    }

    fn topic(&self, name: &TopicName) -> Option<usize> {
        self.topics.binary_search_by(|topic| topic.name.cmp(name)).ok()
    }

    /// The number of a partition, if it exists and somebody subscribes to its topic.
    pub(super) fn partition(&self, named: &TopicPartition) -> Option<usize> {
        let topic = &self.topics[self.topic(&named.topic)?];
        let number = usize::try_from(named.partition).ok()?;
        (number < topic.count).then_some(topic.first + number)
    }

    /// The topic to which a partition belongs.
    pub(super) fn topic_of(&self, partition: usize) -> usize {
        self.topics.partition_point(|topic| topic.first <= partition) - 1
    }

    /// Whether a member subscribes to a topic.
    pub(super) fn subscribes(&self, member: usize, topic: usize) -> bool {
        self.topics_of[member].binary_search(&topic).is_ok()
    }

    /// The place of each member where static ones come first, by `group.instance.id`: they keep
    /// theirs over a restart, which gives them a new member id.
    pub(super) fn places(&self) -> Vec<usize> {
        let mut order: Vec<usize> = (0..self.members.len()).collect();
        order.sort_by_key(|&member| {
            let instance = self.members[member].1.group_instance_id.as_deref();
            (instance.is_none(), instance)
        });
        let mut places = vec![0; order.len()];
        for (place, member) in order.into_iter().enumerate() {
            places[member] = place;
        }
        places
    }

    /// A list for each member, with nothing in it.
    pub(super) fn empty_lists(&self) -> Vec<Vec<usize>> {
        vec![Vec::new(); self.members.len()]
    }

    /// The lists of the members by name.
    pub(super) fn assignments(&self, lists: Vec<Vec<usize>>) -> BTreeMap<String, Assignment> {
        let named = |partition: usize| {
            let topic = &self.topics[self.topic_of(partition)];
            TopicPartition::new(topic.name, (partition - topic.first) as i32)
        };
        let assignment = |list: Vec<usize>| Assignment {
            partitions: list.into_iter().map(named).collect(),
            user_data: None,
        };
        let ids = self.members.iter().map(|&(id, _)| id.to_owned());
        ids.zip(lists.into_iter().map(assignment)).collect()
    }
}
