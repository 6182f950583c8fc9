//! Kafkarium is Apache Kafka in a glass box: an in-process, deterministic Kafka whose every event
//! can be stepped, copied, rewound and replayed.
#![forbid(unsafe_code)]

pub mod api;
pub mod broker;
pub mod client;
pub mod cluster;
pub mod config;
pub mod error;
pub mod hash;
pub mod log;
pub mod partition;
pub mod random;
pub mod record;
pub mod sim;
pub mod storage;
pub mod topic;
pub mod types;

pub use client::record::{Payload, Record};
pub use cluster::{
    Admin, Cluster, ClusterBuilder, Consumer, ConsumerRecord, Delivered, Delivery, Producer,
    Snapshot, TopicSpec,
};
pub use error::{Error, ErrorCode};
pub use types::{Offset, Time, Timestamp, TopicPartition};
