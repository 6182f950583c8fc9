//! `roundrobin`: all partitions of all topics in turn.
//!
//! The partitions are taken by topic and number, the members stand in a ring, static ones first by
//! instance id, others by member id. Each partition goes to the next member in the ring that
//! subscribes to its topic; the one after it is next.
//!
//! With equal subscriptions nobody has more than one partition more than another. With unequal ones
//! it may be far from even: `a` subscribes to `t u`, `b` to `u` alone; `t` has three partitions,
//! `u` two. `a` gets all of `t`, then the ring stands at `b`: `a: t0 t1 t2 u1`, `b: u0`.

use std::collections::BTreeMap;

use super::group::Group;
use super::{Assignor, Member};
use crate::api::Assignment;
use crate::types::TopicName;

/// To each member the next partition.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RoundRobinAssignor;

impl Assignor for RoundRobinAssignor {
    fn name(&self) -> &str {
        "roundrobin"
    }

    fn assign(
        &self,
        partitions: &BTreeMap<TopicName, i32>,
        members: &BTreeMap<String, Member>,
    ) -> BTreeMap<String, Assignment> {
        let group = Group::new(partitions, members);
        let places = group.places();
        let mut lists = group.empty_lists();
        let mut next_place = 0;
        for topic in &group.topics {
            // Whoever does not subscribe is passed over, so the ring of a topic has its subscribers
            // alone, and begins with the first one from where the last topic ended.
            let mut ring = topic.subscribers.clone();
            ring.sort_unstable_by_key(|&member| places[member]);
            let begin = ring.partition_point(|&member| places[member] < next_place);
            ring.rotate_left(begin % topic.subscribers.len());
            for (partition, &member) in topic.partitions().zip(ring.iter().cycle()) {
                lists[member].push(partition);
                next_place = places[member] + 1;
            }
        }
        group.assignments(lists)
    }
}
