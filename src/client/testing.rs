//! What the tests of the clients have in common: a cluster of one broker, as its metadata tells of
//! it.

use std::sync::Arc;

use crate::api::{MetadataBroker, MetadataPartition, MetadataResponse, MetadataTopic};
use crate::error::ErrorCode;
use crate::types::{BrokerId, LeaderEpoch, Time, TopicId, TopicName};

pub const BROKER: BrokerId = BrokerId(1);
pub const NOW: Time = Time(1_000_000);

/// What the broker says of topics, each with so many partitions, which it leads; one without any is
/// unknown to it.
pub fn metadata(topics: impl IntoIterator<Item = (TopicName, i32)>) -> MetadataResponse {
    let partition = |partition_index| MetadataPartition {
        error_code: ErrorCode::None,
        partition_index,
        leader_id: BROKER,
        leader_epoch: LeaderEpoch(0),
        replica_nodes: vec![BROKER],
        isr_nodes: vec![BROKER],
    };
    let topic = |(name, partitions)| MetadataTopic {
        error_code: match partitions {
            0 => ErrorCode::UnknownTopicOrPartition,
            _ => ErrorCode::None,
        },
        name,
        topic_id: TopicId(0),
        is_internal: false,
        partitions: (0..partitions).map(partition).collect(),
    };
    MetadataResponse {
        brokers: vec![MetadataBroker { node_id: BROKER, host: String::new(), port: 0 }],
        cluster_id: String::new(),
        controller_id: BROKER,
        topics: topics.into_iter().map(|one| Arc::new(topic(one))).collect(),
    }
}
