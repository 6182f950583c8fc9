//! Record batches, format v2: built once, then stored, fetched and sent as the very same bytes.
//!
//! ```text
//! offset  size  field
//!      0     8  baseOffset              ┐
//!      8     4  batchLength             │ the prefix: written at the edge (socket, file)
//!     12     4  partitionLeaderEpoch    ┘
//!     16     1  magic = 2               ┐
//!     17     4  crc (CRC-32C of all from attributes on)
//!     21     2  attributes              │
//!     23     4  lastOffsetDelta         │
//!     27     8  baseTimestamp           │ the body: one shared piece of memory,
//!     35     8  maxTimestamp            │ never changed after the batch is sealed
//!     43     8  producerId              │
//!     51     2  producerEpoch           │
//!     53     4  baseSequence            │
//!     57     4  record count            │
//!     61     …  records                 ┘
//! ```
//!
//! Attributes: bits 0–2 codec, 3 timestamp type (0 create, 1 append), 4 transactional, 5 control,
//! 6 delete horizon (baseTimestamp then holds the horizon). A record is a varint length and then
//! attributes (1 byte, unused), timestamp delta, offset delta, key length and key, value length and
//! value, header count and headers; lengths and deltas are zigzag varints, and a length of −1 is
//! null.

mod batch;
mod builder;
mod control;
mod error;
mod stamp;
mod validate;
pub mod varint;
mod view;

pub use batch::{BATCH_OVERHEAD, Compression, RecordBatch, TimestampType, crc32c};
pub use builder::{BatchBuilder, BatchOptions, batch_size_bound};
pub use control::{ControlRecord, ControlType};
pub use error::BatchError;
pub use validate::check_base_offset;
pub use view::{Headers, RecordRef, Records};
