//! Produce (0): append one record batch to each of several partitions.

use crate::error::ErrorCode;
use crate::record::RecordBatch;
use crate::types::{Offset, Timestamp, TopicPartition};

/// Batches to append, at most one a partition.
#[derive(Clone, Debug)]
pub struct ProduceRequest {
    /// How many replicas must have the batches before the answer: 0 (no answer at all), 1 (the
    /// leader), −1 (all in-sync replicas). Anything else is `INVALID_REQUIRED_ACKS`.
    pub acks: i16,
    /// How long the broker may wait for the replicas, in milliseconds.
    pub timeout_ms: i32,
    /// The batches.
    pub partitions: Vec<ProducePartition>,
}

/// The batch for one partition.
#[derive(Clone, Debug)]
pub struct ProducePartition {
    /// Where to append it.
    pub partition: TopicPartition,
    /// The batch, its base offset 0 as every producer writes it.
    pub records: RecordBatch,
}

/// What became of each batch.
#[derive(Clone, Debug)]
pub struct ProduceResponse {
    /// One result for each partition of the request, in its order.
    pub partitions: Vec<ProducedPartition>,
}

/// What became of one batch.
#[derive(Clone, Debug)]
pub struct ProducedPartition {
    /// The partition.
    pub partition: TopicPartition,
    /// `NONE`, or why nothing was appended.
    pub error_code: ErrorCode,
    /// The offset of the batch's first record; −1 with an error.
    pub base_offset: Offset,
    /// When the broker appended it, for topics with `LogAppendTime`; else −1.
    pub log_append_time: Timestamp,
    /// The first offset that the log still holds; −1 with an error.
    pub log_start_offset: Offset,
    /// More about an error.
    pub error_message: Option<String>,
}

impl ProducedPartition {
    /// The answer to a batch that was refused.
    #[must_use]
    pub fn failed(
        partition: TopicPartition,
        error_code: ErrorCode,
        error_message: Option<String>,
    ) -> Self {
        ProducedPartition {
            partition,
            error_code,
            base_offset: Offset(-1),
            log_append_time: Timestamp::NONE,
            log_start_offset: Offset(-1),
            error_message,
        }
    }
}
