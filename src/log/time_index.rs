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

use super::index_file::{Entry, IndexFile};
use crate::storage::{Disk, DiskError, FileId};
use crate::types::{Offset, Timestamp};

/// An entry of a time index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeIndexEntry {
    /// The largest timestamp in the segment up to the offset.
    pub timestamp: Timestamp,
    /// The last offset of the batch that holds the timestamp.
    pub offset: Offset,
}

/// An entry as it is written: the offset relative to the segment's base.
#[derive(Clone, Copy, Debug)]
pub(super) struct Relative {
    timestamp: i64,
    offset: u32,
}

impl Entry for Relative {
    const SIZE: usize = 12;

    fn encode(self, out: &mut [u8]) {
        out[..8].copy_from_slice(&self.timestamp.to_be_bytes());
        out[8..].copy_from_slice(&self.offset.to_be_bytes());
    }

    fn decode(bytes: &[u8]) -> Self {
        Relative {
            timestamp: i64::from_be_bytes(std::array::from_fn(|i| bytes[i])),
            offset: u32::from_be_bytes(std::array::from_fn(|i| bytes[8 + i])),
        }
    }
}

/// The time index of one segment.
#[derive(Clone, Debug)]
pub struct TimeIndex {
    base: Offset,
    /// The file, for what is done alike with every index.
    pub(super) entries: IndexFile<Relative>,
}

impl TimeIndex {
    /// An index without entries, for a segment that begins at `base`; `file` is empty.
    pub(super) fn new(base: Offset, file: FileId) -> Self {
        TimeIndex { base, entries: IndexFile::new(file) }
    }

    /// The index that a file holds; `None` when it cannot be one: a cut entry, or ends that are out
    /// of order.
    pub(super) fn open(
        disk: &dyn Disk,
        base: Offset,
        file: FileId,
    ) -> Result<Option<Self>, DiskError> {
        let entries = IndexFile::<Relative>::open(disk, file)?;
        let whole = disk.len(file)? % Relative::SIZE as u64 == 0;
        let sound = match (entries.get(disk, 0)?, entries.last()) {
            (Some(first), Some(last)) => {
                let sorted = first.timestamp < last.timestamp && first.offset <= last.offset;
                (sorted || entries.len() == 1) && first.timestamp >= 0
            }
            _ => true,
        };
        Ok((whole && sound).then_some(TimeIndex { base, entries }))
    }

    /// How many entries there are.
    #[must_use]
    pub fn entry_count(&self) -> usize {
        self.entries.len()
    }

    /// The entries, in order.
    ///
    /// # Errors
    /// What the disk answered.
    pub fn entries(&self, disk: &dyn Disk) -> Result<Vec<TimeIndexEntry>, DiskError> {
        Ok(self.entries.all(disk)?.into_iter().map(|entry| self.entry(entry)).collect())
    }

    /// The last entry whose timestamp is at or before `timestamp`; `None` means that a reader
    /// begins at the segment's start.
    ///
    /// # Errors
    /// What the disk answered.
    pub fn lookup(
        &self,
        disk: &dyn Disk,
        timestamp: Timestamp,
    ) -> Result<Option<TimeIndexEntry>, DiskError> {
        let found = self.entries.floor(disk, |entry| entry.timestamp <= timestamp.0)?;
        Ok(found.map(|entry| self.entry(entry)))
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
        self.entries.len() + 1 >= index_bytes as usize / Relative::SIZE
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
        self.entries.write(disk, self.relative(entry))
    }

    /// Takes an entry that has been written, if it is due.
    pub(super) fn push(&mut self, entry: TimeIndexEntry) {
        if self.is_due(entry) {
            self.entries.push(self.relative(entry));
        }
    }

    /// Whether the entry's timestamp is larger than the last one's; another one is no entry.
    fn is_due(&self, entry: TimeIndexEntry) -> bool {
        entry.timestamp > self.last().timestamp
    }

    /// Drops the entries at and after `offset`.
    pub(super) fn truncate_to(&mut self, disk: &dyn Disk, offset: Offset) -> Result<(), DiskError> {
        let relative = offset - self.base;
        self.entries.retain_front(disk, |entry| i64::from(entry.offset) < relative)
    }

    fn relative(&self, entry: TimeIndexEntry) -> Relative {
        let offset = u32::try_from(entry.offset - self.base).expect("a segment spans an int32");
        Relative { timestamp: entry.timestamp.0, offset }
    }

    fn entry(&self, entry: Relative) -> TimeIndexEntry {
        let offset = self.base + i64::from(entry.offset);
        TimeIndexEntry { timestamp: Timestamp(entry.timestamp), offset }
    }
}
