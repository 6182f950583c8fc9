//! OffsetCommit (8), OffsetFetch (9) and OffsetDelete (47): how far groups have come.

use crate::error::ErrorCode;
use crate::types::{LeaderEpoch, Offset, TopicPartition};

/// Notes how far a group has come.
#[derive(Clone, Debug)]
pub struct OffsetCommitRequest {
    /// The version that the client speaks: below 9 a group that does not exist is called an old
    /// generation.
    pub version: i16,
    /// The group.
    pub group_id: String,
    /// The generation; −1 without membership.
    pub generation_id: i32,
    /// Who commits; empty without membership.
    pub member_id: String,
    /// Its `group.instance.id`, if it is static.
    pub group_instance_id: Option<String>,
    /// How long the offsets are kept, in milliseconds from now on, in place of
    /// `offsets.retention.minutes`; −1 for that. Only versions 2 to 4 have it.
    pub retention_time_ms: i64,
    /// How far it has come in each partition.
    pub partitions: Vec<OffsetCommitPartition>,
}

/// How far a group has come in a partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OffsetCommitPartition {
    /// The partition.
    pub partition: TopicPartition,
    /// The offset of the *next* record.
    pub committed_offset: Offset,
    /// The leader epoch of the last record read; −1 if it is not known.
    pub committed_leader_epoch: LeaderEpoch,
    /// What the client wants to remember, up to `offset.metadata.max.bytes`.
    pub committed_metadata: Option<String>,
}

/// What became of each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OffsetCommitResponse {
    /// Those that do not exist, then the others in the order of the request.
    pub partitions: Vec<CommittedPartition>,
}

/// What became of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommittedPartition {
    /// The partition.
    pub partition: TopicPartition,
    /// What went wrong.
    pub error_code: ErrorCode,
}

/// Asks how far groups have come.
#[derive(Clone, Debug)]
pub struct OffsetFetchRequest {
    /// The groups.
    pub groups: Vec<OffsetFetchGroup>,
}

/// A group, and where.
#[derive(Clone, Debug)]
pub struct OffsetFetchGroup {
    /// The group.
    pub group_id: String,
    /// The partitions; `None` for all that it has committed for.
    pub partitions: Option<Vec<TopicPartition>>,
}

/// How far they have come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OffsetFetchResponse {
    /// In the order of the request.
    pub groups: Vec<OffsetFetchResponseGroup>,
}

/// How far one has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OffsetFetchResponseGroup {
    /// The group.
    pub group_id: String,
    /// What went wrong.
    pub error_code: ErrorCode,
    /// In the order of the request, or by partition.
    pub partitions: Vec<OffsetFetchResponsePartition>,
}

/// How far it has come in a partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OffsetFetchResponsePartition {
    /// The partition.
    pub partition: TopicPartition,
    /// The offset of the next record; −1 when nothing has been committed.
    pub committed_offset: Offset,
    /// The leader epoch that was committed with it; −1 without.
    pub committed_leader_epoch: LeaderEpoch,
    /// What the client wanted to remember.
    pub metadata: Option<String>,
    /// What went wrong.
    pub error_code: ErrorCode,
}

/// Forgets how far a group has come in some partitions.
#[derive(Clone, Debug)]
pub struct OffsetDeleteRequest {
    /// The group.
    pub group_id: String,
    /// The partitions.
    pub partitions: Vec<TopicPartition>,
}

/// What became of each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OffsetDeleteResponse {
    /// What went wrong with the group; no partition is named then.
    pub error_code: ErrorCode,
    /// Those that do not exist, then the others in the order of the request.
    pub partitions: Vec<DeletedOffset>,
}

/// What became of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeletedOffset {
    /// The partition.
    pub partition: TopicPartition,
    /// `GROUP_SUBSCRIBED_TO_TOPIC` while members want to read it. That there was no offset is no
    /// error.
    pub error_code: ErrorCode,
}

impl OffsetDeleteResponse {
    /// The answer when nothing could be done.
    #[must_use]
    pub fn failed(error_code: ErrorCode) -> Self {
        OffsetDeleteResponse { error_code, partitions: Vec::new() }
    }
}
