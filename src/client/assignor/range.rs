//! `range`: each topic apart, in ranges.
//!
//! The members that subscribe to a topic stand in a row, static ones first by instance id, others
//! by member id. Each gets `partitions / members` consecutive partitions, the first
//! `partitions % members` of them one more: seven for three are `0 1 2`, `3 4`, `5 6`.
//!
//! Since it begins anew with each topic, topics with equally many partitions and the same
//! subscribers are divided alike: who reads `orders-3` reads `payments-3`, so that what has the
//! same key can be joined. The price is that the first members get the one more of every topic.
//!
//! # Simplifications versus Kafka
//! No racks, see [the assignors](super).

use std::collections::BTreeMap;

use super::group::Group;
use super::{Assignor, Member};
use crate::api::Assignment;
use crate::types::TopicName;

/// To each member a range of the partitions of each topic.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RangeAssignor;

impl Assignor for RangeAssignor {
    fn name(&self) -> &str {
        "range"
    }

    fn assign(
        &self,
        partitions: &BTreeMap<TopicName, i32>,
        members: &BTreeMap<String, Member>,
    ) -> BTreeMap<String, Assignment> {
        let group = Group::new(partitions, members);
        let places = group.places();
        let mut lists = group.empty_lists();
        for topic in &group.topics {
            let mut subscribers = topic.subscribers.clone();
            subscribers.sort_unstable_by_key(|&member| places[member]);
            let each = topic.count / subscribers.len();
            let one_more = topic.count % subscribers.len();
            let mut next = topic.first;
            for (place, member) in subscribers.into_iter().enumerate() {
                let end = next + each + usize::from(place < one_more);
                lists[member].extend(next..end);
                next = end;
            }
        }
        group.assignments(lists)
    }
}
