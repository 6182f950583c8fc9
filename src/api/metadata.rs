//! Metadata (3): which brokers and topics there are, and who leads what.

use std::sync::Arc;

use crate::error::ErrorCode;
use crate::types::{BrokerId, LeaderEpoch, TopicId, TopicName};

/// Which topics to describe.
#[derive(Clone, Debug)]
pub struct MetadataRequest {
    /// The topics; `None` for all, an empty list for the brokers alone.
    pub topics: Option<Vec<TopicName>>,
    /// Whether a missing topic may be created, if the broker's configuration allows it.
    pub allow_auto_topic_creation: bool,
}

/// The cluster as the answering broker knows it.
#[derive(Clone, Debug)]
pub struct MetadataResponse {
    /// The brokers.
    pub brokers: Vec<MetadataBroker>,
    /// The cluster's id.
    pub cluster_id: String,
    /// The broker that serves as controller.
    pub controller_id: BrokerId,
    /// The topics asked for; what thousands of clients are told is there once.
    pub topics: Vec<Arc<MetadataTopic>>,
}

/// One broker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MetadataBroker {
    /// Its id.
    pub node_id: BrokerId,
    /// The host that clients connect to.
    pub host: String,
    /// The port that clients connect to.
    pub port: u16,
}

/// One topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MetadataTopic {
    /// `NONE`, or why the topic is not described.
    pub error_code: ErrorCode,
    /// Its name.
    pub name: TopicName,
    /// Its id.
    pub topic_id: TopicId,
    /// Whether Kafka itself owns it.
    pub is_internal: bool,
    /// Its partitions, from 0.
    pub partitions: Vec<MetadataPartition>,
}

/// One partition of a topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MetadataPartition {
    /// `NONE`, or `LEADER_NOT_AVAILABLE`.
    pub error_code: ErrorCode,
    /// Its number.
    pub partition_index: i32,
    /// The broker that leads it; −1 for none.
    pub leader_id: BrokerId,
    /// The epoch of that leadership.
    pub leader_epoch: LeaderEpoch,
    /// The brokers that hold it, the preferred leader first.
    pub replica_nodes: Vec<BrokerId>,
    /// Those of them that are in sync.
    pub isr_nodes: Vec<BrokerId>,
}
