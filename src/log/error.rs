//! What a log can refuse.

use std::fmt;

use crate::error::ErrorCode;
use crate::storage::DiskError;
use crate::types::{Offset, ProducerEpoch, ProducerId};

/// Why a log refused an operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LogError {
    /// The disk failed; what could not be written as a whole does not count.
    Disk(DiskError),
    /// A batch is larger than `max.message.bytes`.
    MessageTooLarge {
        /// The batch's size in bytes.
        size: usize,
        /// The setting, in bytes.
        limit: u32,
    },
    /// A batch is larger than a whole segment.
    RecordListTooLarge {
        /// The batch's size in bytes.
        size: usize,
        /// The setting `segment.bytes`.
        limit: u32,
    },
    /// A batch takes no offset: its last offset delta is negative.
    NoRecords,
    /// An offset outside the log.
    OffsetOutOfRange {
        /// The offset that was asked for.
        offset: Offset,
        /// The first offset of the log.
        log_start: Offset,
        /// The offset that the next record will get.
        log_end: Offset,
    },
    /// No batch may begin at the log's end: too few offsets follow, or it is negative.
    NoOffsetsLeft {
        /// The offset that the next record would get.
        log_end: Offset,
    },
    /// A batch of an idempotent producer does not follow on the ones before.
    OutOfOrderSequence {
        /// The producer.
        producer_id: ProducerId,
        /// The epoch of the batch.
        epoch: ProducerEpoch,
        /// The sequence number of its first record.
        sequence: i32,
        /// The sequence number that is due.
        due: i32,
    },
    /// A batch of an idempotent producer is of an epoch that is over.
    InvalidProducerEpoch {
        /// The producer.
        producer_id: ProducerId,
        /// The epoch of the batch.
        epoch: ProducerEpoch,
        /// The epoch that the log has seen.
        current: ProducerEpoch,
    },
    /// What lies in a segment is no record batch.
    Corrupt {
        /// The base offset of the segment.
        segment: Offset,
        /// Where the batch should begin, in bytes from the segment's start.
        position: u32,
        /// What is wrong with it.
        reason: String,
    },
    /// A checkpoint of the log cannot be read.
    Checkpoint {
        /// The file's path.
        path: String,
        /// What is wrong with it, and in which line.
        reason: String,
    },
}

impl LogError {
    /// The error that a broker answers with.
    #[must_use]
    pub fn code(&self) -> ErrorCode {
        match self {
            LogError::Disk(_) | LogError::Checkpoint { .. } => ErrorCode::KafkaStorageError,
            LogError::MessageTooLarge { .. } => ErrorCode::MessageTooLarge,
            LogError::RecordListTooLarge { .. } => ErrorCode::RecordListTooLarge,
            LogError::NoRecords => ErrorCode::InvalidRecord,
            LogError::OffsetOutOfRange { .. } => ErrorCode::OffsetOutOfRange,
            // Kafka has no code for it. As trying again would not help, it is no retriable one.
            LogError::NoOffsetsLeft { .. } => ErrorCode::UnknownServerError,
            LogError::OutOfOrderSequence { .. } => ErrorCode::OutOfOrderSequenceNumber,
            LogError::InvalidProducerEpoch { .. } => ErrorCode::InvalidProducerEpoch,
            LogError::Corrupt { .. } => ErrorCode::CorruptMessage,
        }
    }
}

impl From<DiskError> for LogError {
    fn from(error: DiskError) -> Self {
        LogError::Disk(error)
    }
}

impl fmt::Display for LogError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LogError::Disk(error) => error.fmt(f),
            LogError::MessageTooLarge { size, limit } => {
                write!(f, "a batch of {size} bytes exceeds max.message.bytes, {limit}")
            }
            LogError::RecordListTooLarge { size, limit } => {
                write!(f, "a batch of {size} bytes exceeds segment.bytes, {limit}")
            }
            LogError::NoRecords => f.write_str("a batch without a record"),
            LogError::OffsetOutOfRange { offset, log_start, log_end } => {
                write!(f, "offset {offset} is not within {log_start}..={log_end}")
            }
            LogError::NoOffsetsLeft { log_end } => {
                write!(f, "no batch may begin at the log's end, {log_end}")
            }
            LogError::OutOfOrderSequence { producer_id, epoch, sequence, due } => write!(
                f,
                "sequence {sequence} of producer {} in epoch {}, where {due} is due",
                producer_id.0, epoch.0
            ),
            LogError::InvalidProducerEpoch { producer_id, epoch, current } => write!(
                f,
                "epoch {} of producer {} is over: the log has seen epoch {}",
                epoch.0, producer_id.0, current.0
            ),
            LogError::Checkpoint { path, reason } => write!(f, "{path}: {reason}"),
            LogError::Corrupt { segment, position, reason } => {
                write!(f, "segment {segment}, position {position}: {reason}")
            }
        }
    }
}

impl std::error::Error for LogError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            LogError::Disk(error) => Some(error),
            _ => None,
        }
    }
}
