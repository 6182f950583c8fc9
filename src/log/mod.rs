//! A partition's log: record batches in segments, found by offset and by time.
//!
//! ```text
//! orders-0/00000000000000000000.log         batches 0 … 41
//!          00000000000000000000.index       last offset of some batches → position
//!          00000000000000000000.timeindex   largest timestamp so far → offset
//!          00000000000000000042.log         batches 42 … (the active segment)
//!          00000000000000000042.snapshot    producers as they are at offset 42, if the log is durable
//!          …
//! ```
//!
//! An append goes to the active segment; a new one is *rolled* when a rule of [`RollReason`] says
//! so. A read finds the segment by its base offset, a position by the sparse index, and the batch
//! by going over headers from there; what it returns are the very bytes that were appended.
//!
//! Invariants: offsets rise within and across segments; `log_start_offset` ≤ `log_end_offset`; the
//! base offset of the first segment is at or before the log's start. The high watermark is not
//! the log's business: a reader brings its own upper limit.
//!
//! A log is *durable* when it is to be opened again from its files: then it keeps leader epochs and
//! snapshots of producers beside its segments, and knows below which offset it has been synced.
//!
//! # Simplifications versus Kafka
//!
//! An append that fails leaves the log as it was; whether it is tried again is its owner's business.
//! In memory, files come into being with the first batch. Indexes are neither preallocated nor
//! mapped. Jitter of the roll time follows from the segment's name instead of a random draw.

mod append_vec;
pub mod checkpoint;
mod config;
mod durable;
mod error;
mod index_file;
mod leader_epochs;
#[allow(clippy::module_inception)]
mod log;
mod offset_index;
mod producer_snapshot;
mod producer_state;
mod producers;
mod recovery;
mod replace;
mod segment;
mod segment_recovery;
mod time_index;

pub use config::LogConfig;
pub use error::LogError;
pub use leader_epochs::{EpochEntry, LeaderEpochs};
pub use log::{Log, LogAppendInfo, LogRead, Roll, RollReason};
pub use offset_index::{IndexEntry, OffsetIndex};
pub use producer_snapshot::{
    SnapshotError, decode as decode_producer_snapshot, encode as encode_producer_snapshot,
};
pub use producer_state::{
    ProducerEntry, ProducerState, REMEMBERED_BATCHES, SequenceCheck, StoredBatch,
};
pub use recovery::{LogStart, RecoveryStep};
pub use segment::LogSegment;
pub use time_index::{TimeIndex, TimeIndexEntry};
