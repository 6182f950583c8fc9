//! Kafkarium is Apache Kafka in a glass box: an in-process, deterministic Kafka whose every event
//! can be stepped, copied, rewound and replayed.
//!
//! Begin with [`Cluster::builder`]; its handles are [`Producer`], [`Consumer`] and [`Admin`]. What
//! happened stands in the [`trace`](Cluster::trace), what there is in a [`View`].
#![forbid(unsafe_code)]

pub mod api;
pub mod config;
pub mod dump;
pub mod error;
pub mod hash;
pub mod log;
pub mod metadata;
pub mod record;
pub mod storage;
pub mod types;

mod broker;
mod client;
mod cluster;
mod coordinator;
mod partition;
mod random;
mod sim;
mod topic;

pub use api::ApiKey;
pub use client::ClientId;
pub use client::consumer::OffsetAndMetadata;
pub use client::record::{Payload, Record};
pub use cluster::{
    Admin, Cluster, ClusterBuilder, Consumer, ConsumerGroupMetadata, ConsumerRecord, Delivery,
    GroupDescription, GroupLag, GroupListing, GroupMember, NewOffset, OffsetReset, OffsetSpec,
    OffsetWarning, Operation, PartitionDescription, PartitionLag, PartitionOffset, Producer,
    RebalanceListener, RecordMetadata, ResetPlan, ResetTo, Snapshot, TopicDescription, TopicSpec,
};
pub use coordinator::GroupState;
pub use error::{Error, ErrorCode};
pub use log::RecoveryStep;
pub use partition::Partition;
pub use sim::{
    DiskFault, Fault, GroupView, Journal, MemberView, Node, Pending, RandomFaults, StateDiff, View,
};
pub use types::{BrokerId, EventId, Offset, Time, Timestamp, TopicName, TopicPartition};

/// No configs: Kafka's defaults for everything.
///
/// ```
/// # fn main() -> Result<(), kafkarium::Error> {
/// let cluster = kafkarium::Cluster::builder().build()?;
/// let producer = cluster.producer(kafkarium::DEFAULTS)?;
/// # Ok(())
/// # }
/// ```
pub const DEFAULTS: [(&str, &str); 0] = [];

/// Who reads what in a group: Kafka's assignors, and the trait for one's own.
///
/// ```
/// use kafkarium::assignor::{Member, by_name};
/// # fn main() -> Result<(), kafkarium::Error> {
/// let mut member = Member::default();
/// member.subscription.topics = vec!["orders".into()];
/// let members = ["a", "b"].map(|id| (id.to_owned(), member.clone())).into();
/// let partitions = [("orders".into(), 3)].into();
///
/// let assignments = by_name("range")?.assign(&partitions, &members);
/// assert_eq!(assignments["a"].partitions, [("orders", 0).into(), ("orders", 1).into()]);
/// assert_eq!(assignments["b"].partitions, [("orders", 2).into()]);
/// # Ok(())
/// # }
/// ```
pub mod assignor {
    pub use crate::client::assignor::{
        Assignor, CooperativeStickyAssignor, LastAssignment, Member, RangeAssignor,
        RebalanceProtocol, RoundRobinAssignor, StickyAssignor, by_name,
    };
}

/// What the trace holds: entries, their actors and events.
pub mod trace {
    pub use crate::broker::{BrokerEvent, ConnectionId};
    pub use crate::client::consumer::MemberState;
    pub use crate::client::{ClientEvent, SealReason};
    pub use crate::coordinator::GroupState;
    pub use crate::sim::group_timeline::{
        GroupSpan, GroupTimeline, MemberHas, MemberSpan, PartitionSpan,
    };
    pub use crate::sim::{Actor, Direction, FaultKind, Trace, TraceEntry, TraceEvent};
}

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
mod readme {}

#[cfg(doctest)]
#[doc = include_str!("../docs/simulation.md")]
mod simulation {}
