//! The file `….snapshot`: the producers of a log as they were at the offset that names it.
//!
//! ```text
//! int16 version = 1, uint32 CRC-32C of all that follows it, int32 count, then each producer:
//! int64 producer id, int16 epoch, int32 last sequence, int64 last offset, int32 offset delta,
//! int64 timestamp, int32 coordinator epoch, int64 start of the open transaction or −1
//! ```
//!
//! Of a producer's batches only the last one is written; a last offset of −1 stands for none.
//! Producers stand in the order of their ids; Kafka writes them as its hash map has them.

use std::fmt;

use super::producer_state::{ProducerEntry, ProducerState, StoredBatch};
use crate::record::crc32c;
use crate::types::{Offset, ProducerEpoch, ProducerId, Timestamp};

const VERSION: i16 = 1;
/// Version, checksum and count.
const HEADER: usize = 10;
/// From here on the checksum counts.
const CHECKED: usize = 6;
const ENTRY: usize = 46;

/// Why a file is no snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SnapshotError {
    /// It is shorter than a header.
    TooShort {
        /// Its length in bytes.
        len: usize,
    },
    /// It is of another version.
    Version(i16),
    /// The checksum is not that of the contents.
    Crc {
        /// What the file says.
        stored: u32,
        /// What it should say.
        computed: u32,
    },
    /// It has not the length that the number of producers asks for.
    Length {
        /// The number of producers.
        count: i32,
        /// The file's length in bytes.
        len: usize,
    },
    /// A producer's last batch cannot have been one.
    Entry {
        /// Its place in the file, from 0.
        place: usize,
        /// What is wrong.
        what: &'static str,
    },
}

impl fmt::Display for SnapshotError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SnapshotError::TooShort { len } => write!(f, "{len} bytes, which is no header"),
            SnapshotError::Version(version) => write!(f, "version {version}, not {VERSION}"),
            SnapshotError::Crc { stored, computed } => {
                write!(f, "checksum {stored:08x}, but the contents give {computed:08x}")
            }
            SnapshotError::Length { count, len } => {
                write!(f, "{len} bytes for {count} producers")
            }
            SnapshotError::Entry { place, what } => write!(f, "producer {place}: {what}"),
        }
    }
}

impl std::error::Error for SnapshotError {}

/// The file's contents.
#[must_use]
pub fn encode(state: &ProducerState) -> Vec<u8> {
    let producers = state.producers();
    let mut out = Vec::with_capacity(HEADER + ENTRY * producers.len());
    out.extend(VERSION.to_be_bytes());
    out.extend([0; 4]);
    out.extend((producers.len() as i32).to_be_bytes());
    for (id, entry) in producers {
        let last = entry.batches.last();
        out.extend(id.0.to_be_bytes());
        out.extend(entry.epoch.0.to_be_bytes());
        out.extend(entry.last_sequence().to_be_bytes());
        out.extend(last.map_or(-1, |last| last.last_offset.0).to_be_bytes());
        out.extend(last.map_or(0, |last| last.offset_delta).to_be_bytes());
        out.extend(entry.last_timestamp.0.to_be_bytes());
        out.extend(entry.coordinator_epoch.to_be_bytes());
        out.extend(entry.transaction_start.map_or(-1, |start| start.0).to_be_bytes());
    }
    let crc = crc32c(&out[CHECKED..]);
    out[2..CHECKED].copy_from_slice(&crc.to_be_bytes());
    out
}

/// Reads a file's contents.
///
/// # Errors
/// The first fault found.
pub fn decode(bytes: &[u8]) -> Result<ProducerState, SnapshotError> {
    let mut fields = Fields(bytes);
    let header = (fields.i16(), fields.i32(), fields.i32());
    let (Some(version), Some(crc), Some(count)) = header else {
        return Err(SnapshotError::TooShort { len: bytes.len() });
    };
    if version != VERSION {
        return Err(SnapshotError::Version(version));
    }
    let (stored, computed) = (crc as u32, crc32c(&bytes[CHECKED..]));
    if stored != computed {
        return Err(SnapshotError::Crc { stored, computed });
    }
    let length = SnapshotError::Length { count, len: bytes.len() };
    let entries = usize::try_from(count).map_err(|_| length)?;
    if entries.checked_mul(ENTRY) != Some(bytes.len() - HEADER) {
        return Err(length);
    }
    let mut state = ProducerState::default();
    for place in 0..entries {
        let (id, entry) = fields.entry().ok_or(length)?;
        check(&entry).map_err(|what| SnapshotError::Entry { place, what })?;
        state.insert(id, entry);
    }
    Ok(state)
}

fn check(entry: &ProducerEntry) -> Result<(), &'static str> {
    let Some(last) = entry.batches.last() else { return Ok(()) };
    if last.offset_delta < 0 || i64::from(last.offset_delta) > last.last_offset.0 {
        return Err("its last batch begins before offset 0");
    }
    if last.last_sequence < -1 {
        return Err("a negative sequence number");
    }
    Ok(())
}

struct Fields<'a>(&'a [u8]);

impl Fields<'_> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (taken, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*taken)
    }

    fn i16(&mut self) -> Option<i16> {
        self.take().map(i16::from_be_bytes)
    }

    fn i32(&mut self) -> Option<i32> {
        self.take().map(i32::from_be_bytes)
    }

    fn i64(&mut self) -> Option<i64> {
        self.take().map(i64::from_be_bytes)
    }

    fn entry(&mut self) -> Option<(ProducerId, ProducerEntry)> {
        let (id, epoch) = (ProducerId(self.i64()?), ProducerEpoch(self.i16()?));
        let (last_sequence, last_offset) = (self.i32()?, Offset(self.i64()?));
        let (offset_delta, timestamp) = (self.i32()?, Timestamp(self.i64()?));
        let (coordinator_epoch, start) = (self.i32()?, self.i64()?);
        let last = StoredBatch { last_sequence, last_offset, offset_delta, timestamp };
        let entry = ProducerEntry {
            epoch,
            batches: if last_offset.0 >= 0 { vec![last] } else { Vec::new() },
            last_timestamp: timestamp,
            coordinator_epoch,
            transaction_start: (start >= 0).then_some(Offset(start)),
        };
        Some((id, entry))
    }
}
