//! What is committed: how far a group has come.

use std::collections::BTreeMap;

use crate::types::{LeaderEpoch, Offset, TopicPartition};

/// How far a group has come in a partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OffsetAndMetadata {
    /// The offset of the *next* record to read.
    pub offset: Offset,
    /// The leader epoch of the last record that was read; −1 if it is not known.
    pub leader_epoch: LeaderEpoch,
    /// What the application wants to remember, up to `offset.metadata.max.bytes`; often empty.
    pub metadata: String,
}

impl From<Offset> for OffsetAndMetadata {
    fn from(offset: Offset) -> Self {
        let (leader_epoch, metadata) = (LeaderEpoch::UNKNOWN, String::new());
        OffsetAndMetadata { offset, leader_epoch, metadata }
    }
}

impl From<i64> for OffsetAndMetadata {
    fn from(offset: i64) -> Self {
        Offset(offset).into()
    }
}

/// What is to be committed, by partition.
pub type Offsets = BTreeMap<TopicPartition, OffsetAndMetadata>;
