//! The sparse index from offsets to positions: `.index`.
//!
//! | bytes | what |
//! |---|---|
//! | 4 | offset relative to the segment's base, the **last** one of a batch, big-endian |
//! | 4 | position of that batch's **first** byte in the segment, big-endian |
//!
//! Entries are sorted by both. A lookup finds the last entry at or before an offset, and a reader
//! goes on from there over the batches.
//!
//! # Simplifications versus Kafka
//!
//! The file is not preallocated and not memory-mapped.

use super::index_file::{Entry, IndexFile};
use crate::storage::{Disk, DiskError, FileId};
use crate::types::Offset;

/// An entry of an offset index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IndexEntry {
    /// The last offset of a batch.
    pub offset: Offset,
    /// Where that batch begins, in bytes from the segment's start.
    pub position: u32,
}

/// An entry as it is written: the offset relative to the segment's base.
#[derive(Clone, Copy, Debug)]
pub(super) struct Relative {
    offset: u32,
    position: u32,
}

impl Entry for Relative {
    const SIZE: usize = 8;

    fn encode(self, out: &mut [u8]) {
        out[..4].copy_from_slice(&self.offset.to_be_bytes());
        out[4..].copy_from_slice(&self.position.to_be_bytes());
    }

    fn decode(bytes: &[u8]) -> Self {
        let at = |at: usize| u32::from_be_bytes(std::array::from_fn(|i| bytes[at + i]));
        Relative { offset: at(0), position: at(4) }
    }
}

/// The offset index of one segment.
#[derive(Clone, Debug)]
pub struct OffsetIndex {
    base: Offset,
    /// The file, for what is done alike with every index.
    pub(super) entries: IndexFile<Relative>,
}

impl OffsetIndex {
    /// An index without entries, for a segment that begins at `base`; `file` is empty.
    pub(super) fn new(base: Offset, file: FileId) -> Self {
        OffsetIndex { base, entries: IndexFile::new(file) }
    }

    /// The index that a file holds, for a segment of `size` bytes; `None` when it cannot be one:
    /// a cut entry, or ends that are out of order.
    pub(super) fn open(
        disk: &dyn Disk,
        base: Offset,
        file: FileId,
        size: u32,
    ) -> Result<Option<Self>, DiskError> {
        let entries = IndexFile::<Relative>::open(disk, file)?;
        let whole = disk.len(file)? % Relative::SIZE as u64 == 0;
        let ends = (entries.get(disk, 0)?, entries.last());
        let sound = match ends {
            (Some(first), Some(last)) => {
                let sorted = first.offset < last.offset && first.position < last.position;
                (sorted || entries.len() == 1) && last.position < size
            }
            _ => true,
        };
        Ok((whole && sound).then_some(OffsetIndex { base, entries }))
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
    pub fn entries(&self, disk: &dyn Disk) -> Result<Vec<IndexEntry>, DiskError> {
        Ok(self.entries.all(disk)?.into_iter().map(|entry| self.entry(entry)).collect())
    }

    /// The last entry at or before `offset`; `None` means that a reader begins at the segment's
    /// start.
    ///
    /// # Errors
    /// What the disk answered.
    pub fn lookup(&self, disk: &dyn Disk, offset: Offset) -> Result<Option<IndexEntry>, DiskError> {
        let relative = offset - self.base;
        let found = self.entries.floor(disk, |entry| i64::from(entry.offset) <= relative)?;
        Ok(found.map(|entry| self.entry(entry)))
    }

    /// The last entry.
    pub(super) fn last(&self) -> Option<IndexEntry> {
        self.entries.last().map(|entry| self.entry(entry))
    }

    /// Whether a file of `index_bytes` has no room for another entry.
    pub(super) fn is_full(&self, index_bytes: u32) -> bool {
        self.entries.len() >= index_bytes as usize / Relative::SIZE
    }

    /// Writes an entry, whose offset lies after the last one's, to the file. It counts from
    /// [`push`](OffsetIndex::push) on.
    pub(super) fn write(&self, disk: &mut dyn Disk, entry: IndexEntry) -> Result<(), DiskError> {
        let relative = self.relative(entry);
        assert!(
            self.entries.last().is_none_or(|last| last.offset < relative.offset),
            "an index entry for offset {} after one that is not smaller",
            entry.offset
        );
        self.entries.write(disk, relative)
    }

    /// Takes an entry that has been written.
    pub(super) fn push(&mut self, entry: IndexEntry) {
        self.entries.push(self.relative(entry));
    }

    /// Drops the entries at and after `offset`.
    pub(super) fn truncate_to(&mut self, disk: &dyn Disk, offset: Offset) -> Result<(), DiskError> {
        let relative = offset - self.base;
        self.entries.retain_front(disk, |entry| i64::from(entry.offset) < relative)
    }

    fn relative(&self, entry: IndexEntry) -> Relative {
        let offset = u32::try_from(entry.offset - self.base).expect("a segment spans an int32");
        Relative { offset, position: entry.position }
    }

    fn entry(&self, entry: Relative) -> IndexEntry {
        IndexEntry { offset: self.base + i64::from(entry.offset), position: entry.position }
    }
}
