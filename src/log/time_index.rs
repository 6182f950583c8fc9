//! The sparse index from timestamps to offsets: `.timeindex`.
//!
//! | bytes | what |
//! |---|---|
//! | 8 | the largest timestamp in the segment so far, in milliseconds, big-endian |
//! | 4 | relative to the segment's base, the last offset of the batch that holds it, big-endian |
//!
//! An entry says: every record up to this offset has this timestamp or a smaller one. Both columns
//! are sorted, the timestamps without repetition. One place is always kept free for the entry that
//! a segment gets when it is closed.
//!
//! # Simplifications versus Kafka
//!
//! The file is not preallocated and not memory-mapped.

use super::append_vec::AppendVec;
use crate::storage::{Disk, DiskError, FileId};
use crate::types::{Offset, Timestamp};

/// The size of an entry in bytes.
const ENTRY_SIZE: usize = 12;

/// An entry of a time index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeIndexEntry {
    /// The largest timestamp in the segment up to the offset.
    pub timestamp: Timestamp,
    /// The last offset of the batch that holds the timestamp.
    pub offset: Offset,
}

/// The time index of one segment.
#[derive(Clone, Debug)]
pub struct TimeIndex {
    base: Offset,
    file: FileId,
    /// Timestamp and relative offset.
    entries: AppendVec<(i64, u32)>,
}

impl TimeIndex {
    /// An index without entries, for a segment that begins at `base`; `file` is empty.
    pub(super) fn new(base: Offset, file: FileId) -> Self {
        TimeIndex { base, file, entries: AppendVec::default() }
    }

    /// How many entries there are.
    #[must_use]
    pub fn entry_count(&self) -> usize {
        self.entries.len()
    }

    /// The entries, in order.
    pub fn entries(&self) -> impl Iterator<Item = TimeIndexEntry> + '_ {
        self.entries.iter().map(|entry| self.entry(entry))
    }

    /// The last entry whose timestamp is at or before `timestamp`; `None` means that a reader
    /// begins at the segment's start.
    #[must_use]
    pub fn lookup(&self, timestamp: Timestamp) -> Option<TimeIndexEntry> {
        self.entries.floor(|entry| entry.0 <= timestamp.0).map(|entry| self.entry(entry))
    }

    /// The last entry; without one, no timestamp at the segment's base.
    pub(super) fn last(&self) -> TimeIndexEntry {
        match self.entries.last() {
            Some(entry) => self.entry(entry),
            None => TimeIndexEntry { timestamp: Timestamp::NONE, offset: self.base },
        }
    }

    /// Whether a file of `index_bytes` has room for the closing entry only.
    pub(super) fn is_full(&self, index_bytes: u32) -> bool {
        self.entries.len() + 1 >= index_bytes as usize / ENTRY_SIZE
    }

    /// Writes an entry to the file, if it is [due](TimeIndex::is_due). It counts from
    /// [`push`](TimeIndex::push) on.
    pub(super) fn write(
        &self,
        disk: &mut dyn Disk,
        entry: TimeIndexEntry,
    ) -> Result<(), DiskError> {
        if !self.is_due(entry) {
            return Ok(());
        }
        assert!(
            entry.offset >= self.last().offset,
            "a larger timestamp before the one that was indexed"
        );
        let mut bytes = [0; ENTRY_SIZE];
        bytes[..8].copy_from_slice(&entry.timestamp.0.to_be_bytes());
        bytes[8..].copy_from_slice(&self.relative(entry.offset).to_be_bytes());
        disk.append_bytes(self.file, &bytes).map(drop)
    }

    /// Takes an entry that has been written, if it is due.
    pub(super) fn push(&mut self, entry: TimeIndexEntry) {
        if self.is_due(entry) {
            let relative = self.relative(entry.offset);
            self.entries.push((entry.timestamp.0, relative));
        }
    }

    /// Whether the entry's timestamp is larger than the last one's; another one is no entry.
    fn is_due(&self, entry: TimeIndexEntry) -> bool {
        entry.timestamp > self.last().timestamp
    }

    /// Cuts what a failed write has left behind the last entry.
    pub(super) fn cut_tail(&self, disk: &mut dyn Disk) -> Result<(), DiskError> {
        disk.truncate(self.file, (self.entries.len() * ENTRY_SIZE) as u64)
    }

    fn relative(&self, offset: Offset) -> u32 {
        u32::try_from(offset - self.base).expect("a segment spans an int32")
    }

    /// Drops the entries at and after `offset`.
    pub(super) fn truncate_to(&mut self, offset: Offset) {
        let relative = offset - self.base;
        self.entries.truncate(self.entries.partition_point(|entry| i64::from(entry.1) < relative));
    }

    fn entry(&self, (timestamp, relative): (i64, u32)) -> TimeIndexEntry {
        TimeIndexEntry { timestamp: Timestamp(timestamp), offset: self.base + i64::from(relative) }
    }
}
