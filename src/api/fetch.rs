//! Fetch (1): read batches from several partitions, or wait until there are enough.

pub use crate::config::IsolationLevel;
use crate::error::ErrorCode;
use crate::types::{LeaderEpoch, Offset, Rope, TopicPartition};

/// Where to read, how much, and how long to wait for it.
#[derive(Clone, Debug)]
pub struct FetchRequest {
    /// How long the broker may hold the request, in milliseconds, while fewer than `min_bytes` are
    /// there.
    pub max_wait_ms: i32,
    /// The number of bytes worth answering for.
    pub min_bytes: i32,
    /// The most bytes to return; the first batch is returned even when it is larger.
    pub max_bytes: i32,
    /// Up to where to read.
    pub isolation_level: IsolationLevel,
    /// The partitions, served in this order.
    pub partitions: Vec<FetchPartition>,
}

/// Where to read in one partition.
#[derive(Clone, Debug)]
pub struct FetchPartition {
    /// The partition.
    pub partition: TopicPartition,
    /// The leader epoch that the client knows, checked against the broker's; −1 skips the check.
    pub current_leader_epoch: LeaderEpoch,
    /// The offset of the first record wanted.
    pub fetch_offset: Offset,
    /// The most bytes to return for this partition.
    pub partition_max_bytes: i32,
}

/// What was read.
#[derive(Clone, Debug)]
pub struct FetchResponse {
    /// An error of the whole request.
    pub error_code: ErrorCode,
    /// One answer for each partition of the request, in its order.
    pub partitions: Vec<FetchedPartition>,
}

/// What was read from one partition.
#[derive(Clone, Debug)]
pub struct FetchedPartition {
    /// The partition.
    pub partition: TopicPartition,
    /// `NONE`, or why there are no records.
    pub error_code: ErrorCode,
    /// The offset below which every in-sync replica has the log; −1 with an error.
    pub high_watermark: Offset,
    /// The offset below which every transaction is decided; −1 with an error.
    pub last_stable_offset: Offset,
    /// The first offset that the log still holds; −1 with an error.
    pub log_start_offset: Offset,
    /// Whole batches as they are stored, from the one that holds the fetch offset; the last one may
    /// be cut.
    pub records: Rope,
}

impl FetchedPartition {
    /// The answer for a partition that cannot be read.
    #[must_use]
    pub fn failed(partition: TopicPartition, error_code: ErrorCode) -> Self {
        FetchedPartition {
            partition,
            error_code,
            high_watermark: Offset(-1),
            last_stable_offset: Offset(-1),
            log_start_offset: Offset(-1),
            records: Rope::new(),
        }
    }
}
