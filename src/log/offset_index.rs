//! The sparse index from offsets to positions: `.index`.
//!
//! | bytes | what |
//! |---|---|
//! | 4 | offset relative to the segment's base, the **last** one of a batch, big-endian |
//! | 4 | position of that batch's **first** byte in the segment, big-endian |
//!
//! Entries are sorted by both. A lookup finds the last entry at or before an offset, and a reader
//! goes on from there over the batches. The entries in memory decide; the file is written with
//! them and never read.
//!
//! # Simplifications versus Kafka
//!
//! The file is not preallocated and not memory-mapped.

use super::append_vec::AppendVec;
use crate::storage::{Disk, DiskError, FileId};
use crate::types::Offset;

/// The size of an entry in bytes.
const ENTRY_SIZE: usize = 8;

/// An entry of an offset index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IndexEntry {
    /// The last offset of a batch.
    pub offset: Offset,
    /// Where that batch begins, in bytes from the segment's start.
    pub position: u32,
}

/// The offset index of one segment.
#[derive(Clone, Debug)]
pub struct OffsetIndex {
    base: Offset,
    file: FileId,
    /// Relative offset and position.
    entries: AppendVec<(u32, u32)>,
}

impl OffsetIndex {
    /// An index without entries, for a segment that begins at `base`; `file` is empty.
    pub(super) fn new(base: Offset, file: FileId) -> Self {
        OffsetIndex { base, file, entries: AppendVec::default() }
    }

    /// How many entries there are.
    #[must_use]
    pub fn entry_count(&self) -> usize {
        self.entries.len()
    }

    /// The entries, in order.
    pub fn entries(&self) -> impl Iterator<Item = IndexEntry> + '_ {
        self.entries.iter().map(|entry| self.entry(entry))
    }

    /// The last entry at or before `offset`; `None` means that a reader begins at the segment's
    /// start.
    #[must_use]
    pub fn lookup(&self, offset: Offset) -> Option<IndexEntry> {
        let relative = offset - self.base;
        self.entries.floor(|entry| i64::from(entry.0) <= relative).map(|entry| self.entry(entry))
    }

    /// Whether a file of `index_bytes` has no room for another entry.
    pub(super) fn is_full(&self, index_bytes: u32) -> bool {
        self.entries.len() >= index_bytes as usize / ENTRY_SIZE
    }

    /// Writes an entry, whose offset lies after the last one's, to the file. It counts from
    /// [`push`](OffsetIndex::push) on.
    pub(super) fn write(&self, disk: &mut dyn Disk, entry: IndexEntry) -> Result<(), DiskError> {
        let relative = self.relative(entry.offset);
        assert!(
            self.entries.last().is_none_or(|last| last.0 < relative),
            "an index entry for offset {} after one that is not smaller",
            entry.offset
        );
        let mut bytes = [0; ENTRY_SIZE];
        bytes[..4].copy_from_slice(&relative.to_be_bytes());
        bytes[4..].copy_from_slice(&entry.position.to_be_bytes());
        disk.append_bytes(self.file, &bytes).map(drop)
    }

    /// Takes an entry that has been written.
    pub(super) fn push(&mut self, entry: IndexEntry) {
        let relative = self.relative(entry.offset);
        self.entries.push((relative, entry.position));
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
        self.entries.truncate(self.entries.partition_point(|entry| i64::from(entry.0) < relative));
    }

    fn entry(&self, (relative, position): (u32, u32)) -> IndexEntry {
        IndexEntry { offset: self.base + i64::from(relative), position }
    }
}
