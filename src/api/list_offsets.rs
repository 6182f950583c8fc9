//! ListOffsets (2): the offset at the start, at the end, or at a time.

use super::IsolationLevel;
use crate::error::ErrorCode;
use crate::types::{LeaderEpoch, Offset, Timestamp, TopicPartition};

/// Asks for the end: the high watermark, or the last stable offset under `read_committed`.
pub const LATEST_TIMESTAMP: Timestamp = Timestamp(-1);
/// Asks for the first offset that the log still holds.
pub const EARLIEST_TIMESTAMP: Timestamp = Timestamp(-2);
/// Asks for the first record that has the largest timestamp of all.
pub const MAX_TIMESTAMP: Timestamp = Timestamp(-3);

/// Which offsets are wanted.
#[derive(Clone, Debug)]
pub struct ListOffsetsRequest {
    /// What *latest* means.
    pub isolation_level: IsolationLevel,
    /// The partitions.
    pub partitions: Vec<ListOffsetsPartition>,
}

/// Which offset of one partition is wanted.
#[derive(Clone, Debug)]
pub struct ListOffsetsPartition {
    /// The partition.
    pub partition: TopicPartition,
    /// The leader epoch that the client knows; −1 skips the check.
    pub current_leader_epoch: LeaderEpoch,
    /// A time in milliseconds, or one of the constants of this module: the first record at or
    /// after it.
    pub timestamp: Timestamp,
}

/// The offsets found.
#[derive(Clone, Debug)]
pub struct ListOffsetsResponse {
    /// One answer for each partition of the request, in its order.
    pub partitions: Vec<ListedOffset>,
}

/// The offset found in one partition.
#[derive(Clone, Debug)]
pub struct ListedOffset {
    /// The partition.
    pub partition: TopicPartition,
    /// `NONE`, or why there is no answer.
    pub error_code: ErrorCode,
    /// The timestamp of the record found; −1 for earliest, latest, and when there is none.
    pub timestamp: Timestamp,
    /// The offset; −1 when there is no such record.
    pub offset: Offset,
    /// The epoch of the leader that wrote the record; −1 when there is none.
    pub leader_epoch: LeaderEpoch,
}
