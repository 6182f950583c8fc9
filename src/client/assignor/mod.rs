//! Assignors: which member of a group reads which partitions.
//!
//! The leader of a group decides, not the broker: JoinGroup brings it what every member wants and
//! has, it asks the assignor that all members know, and SyncGroup carries the answer to them.
//!
//! | assignor | rule | on a change |
//! |---|---|---|
//! | [`RangeAssignor`] | each topic apart, in ranges | may move anything |
//! | [`RoundRobinAssignor`] | all partitions in turn | may move anything |
//! | [`StickyAssignor`] | as even as can be | all let go of all, little moves |
//! | [`CooperativeStickyAssignor`] | as even as can be | what moves is let go of, in two rounds |
//!
//! Three members and two topics with two partitions each, `t` and `u`, show why range is not always
//! a good choice: `a: t0 u0`, `b: t1 u1`, `c: nothing`, where each other gives `a: t0 u1`, `b: t1`,
//! `c: u0`.
//!
//! An assignor is a pure function. What Java's keep in fields between two rebalances, the last
//! assignment and its generation, is an argument here ([`LastAssignment`]), since the consumer that
//! asks is a value that can be copied and wound back.
//!
//! # Invariants
//! - Each partition of a topic that exists and that a member subscribes to goes to exactly one
//!   member, which subscribes to it. The cooperative assignor holds it back for a round while
//!   another member has to let go of it.
//! - Every member of the group has its place in the answer, if only with nothing.
//! - Equal arguments give equal results: members, topics and partitions are taken by name.
//!
//! # Simplifications versus Kafka
//! - There are no racks: `client.rack` is not looked at, as Java's assignors do not look at it
//!   where brokers have none. Range then also has no rule of its own for topics with equally many
//!   partitions; what lies in one range of the one lies in the same of the other anyway.
//! - Where Java takes members, topics or partitions in the order of their hashes, they are taken by
//!   name: who of several keeps one partition more, in which order topics stand in a range.
//! - Names are ordered as bytes, Java's as UTF-16, which differs beyond U+FFFF alone.
//! - A topic that a member names twice counts once, and an assignor has no version.

mod group;
mod range;
mod round_robin;
mod sticky;
mod strategy;

#[cfg(test)]
mod golden;
#[cfg(test)]
mod properties;
#[cfg(test)]
mod speed;

use std::collections::BTreeMap;
use std::fmt;

use bytes::Bytes;

use crate::api::{Assignment, Subscription};
use crate::types::TopicName;

pub use range::RangeAssignor;
pub use round_robin::RoundRobinAssignor;
pub use sticky::{CooperativeStickyAssignor, StickyAssignor};
pub use strategy::{RebalanceProtocol, by_name, parse};

/// Decides which member reads what; the consumer's `partition.assignment.strategy`.
pub trait Assignor: fmt::Debug + Send + Sync {
    /// What JoinGroup calls it. All members of a group need one with this name.
    fn name(&self) -> &str;

    /// How members may let go of partitions when it is used.
    fn supported_protocols(&self) -> &[RebalanceProtocol] {
        &[RebalanceProtocol::Eager]
    }

    /// What a member that joins has to tell the leader's assignor, beside its subscription to these
    /// topics. `last` is what it was given last, if anything ever was.
    fn user_data(&self, topics: &[TopicName], last: Option<&LastAssignment>) -> Option<Bytes> {
        let _ = (topics, last);
        None
    }

    /// Divides the partitions among the members, whose ids are the keys. `partitions` says how many
    /// a topic has; topics that do not exist are missing, others than the subscribed ones may be
    /// there.
    fn assign(
        &self,
        partitions: &BTreeMap<TopicName, i32>,
        members: &BTreeMap<String, Member>,
    ) -> BTreeMap<String, Assignment>;
}

/// A member of a group, as JoinGroup tells the leader of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Member {
    /// `group.instance.id`, if it is a static member.
    pub group_instance_id: Option<String>,
    /// What it wants, and what it has.
    pub subscription: Subscription,
}

/// What a member was given last. It keeps this until it is given something else, even when it has
/// to let go of the partitions meanwhile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LastAssignment {
    /// The partitions, and the words of the leader's assignor.
    pub assignment: Assignment,
    /// The generation in which it got them.
    pub generation_id: i32,
}
