//! A segment of files that exist: opened as it is, or read from the first byte to the last.
//!
//! A segment that was closed cleanly, or that lies below the recovery point, is *opened*: its files
//! are what they should be, and only the ends of its indexes are looked at. Another one is
//! *recovered*: each batch is read and its checksum verified, the file is cut behind the last batch
//! that is whole, and both indexes are written anew.

use super::config::LogConfig;
use super::error::LogError;
use super::offset_index::{IndexEntry, OffsetIndex};
use super::segment::{FoundBatch, LogSegment, create_anew, path};
use super::time_index::{TimeIndex, TimeIndexEntry};
use crate::record::RecordBatch;
use crate::storage::{Disk, DiskError, FileId};
use crate::types::{Offset, Rope, Timestamp};

/// How much of a segment is read at once.
const READ_BYTES: usize = 1 << 20;

/// What a recovery has cut off a segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Damage {
    pub position: u32,
    pub bytes: u32,
    pub reason: String,
}

impl LogSegment {
    /// Opens the files of a segment; says whether its indexes can be what they should be. Those
    /// that cannot are empty.
    pub(super) fn open(
        disk: &mut dyn Disk,
        dir: &str,
        base: Offset,
        now: Timestamp,
    ) -> Result<(Self, bool), LogError> {
        let log = path(dir, base, "log");
        let file = disk.open(&log)?;
        let len = disk.len(file)?;
        let Some(size) = u32::try_from(len).ok().filter(|&size| size <= i32::MAX as u32) else {
            let reason = format!("a segment of {len} bytes, which no position can reach");
            return Err(LogError::Corrupt { segment: base, position: i32::MAX as u32, reason });
        };
        let (index, time_index) = (path(dir, base, "index"), path(dir, base, "timeindex"));
        let offset_index = match open_file(disk, &index)? {
            Some(file) => OffsetIndex::open(disk, base, file, size)?,
            None => None,
        };
        let times = match open_file(disk, &time_index)? {
            Some(file) => TimeIndex::open(disk, base, file)?,
            None => None,
        };
        let indexes = match (offset_index, times) {
            (Some(offset_index), Some(times)) => (offset_index, times),
            _ => {
                let offset_index = OffsetIndex::new(base, create_anew(disk, &index)?);
                let times = TimeIndex::new(base, create_anew(disk, &time_index)?);
                return Ok((
                    LogSegment::from_files(base, file, size, (offset_index, times), now),
                    false,
                ));
            }
        };
        Ok((LogSegment::from_files(base, file, size, indexes, now), true))
    }

    /// Where the batches of a file end that is not opened as a segment. It is one that was made
    /// durable, so that all of them are whole.
    pub(super) fn end_of_file(
        disk: &dyn Disk,
        base: Offset,
        file: FileId,
    ) -> Result<Offset, LogError> {
        let size = u32::try_from(disk.len(file)?).unwrap_or(u32::MAX);
        // No index is written to or read from.
        let indexes = (OffsetIndex::new(base, file), TimeIndex::new(base, file));
        LogSegment::from_files(base, file, size, indexes, Timestamp::NONE).read_end(disk)
    }

    /// Gets ready to take batches: the indexes are taken into memory, and what the segment knows of
    /// its last batches is read again.
    pub(super) fn activate(&mut self, disk: &dyn Disk) -> Result<(), LogError> {
        self.offset_index.entries.load(disk)?;
        self.time_index.entries.load(disk)?;
        if self.size > 0 && self.first_timestamp.is_none() {
            let start = IndexEntry { offset: self.base_offset, position: 0 };
            let first = self.scan(disk, start, |_| true)?;
            self.first_timestamp = first.map(|first| first.max_timestamp);
        }
        Ok(())
    }

    /// The offset behind the last batch; the segment's base without one. Takes note of what the
    /// batches behind the last index entry say.
    pub(super) fn read_end(&mut self, disk: &dyn Disk) -> Result<Offset, LogError> {
        let last_entry = self.offset_index.last();
        let (mut end, mut largest) = (self.base_offset, self.largest);
        self.scan(disk, self.place(last_entry), |found| {
            end = found.last_offset.next();
            if found.max_timestamp > largest.timestamp {
                largest = entry_of(found);
            }
            false
        })?;
        self.largest = largest;
        self.bytes_since_index_entry = self.size - last_entry.map_or(0, |entry| entry.position);
        Ok(end)
    }

    /// Reads every batch, shows each that is whole to `visit`, cuts what follows the last of them,
    /// and builds the indexes anew. From the offset `dense_from` on no offset may be missing. Gives
    /// the offset behind the last batch, and what was cut.
    ///
    /// Where nothing may be cut, since all of it is durable, damage is no crash's doing and an
    /// error; the file of batches stays as it is.
    pub(super) fn recover(
        &mut self,
        disk: &mut dyn Disk,
        config: &LogConfig,
        (may_cut, dense_from): (bool, Option<Offset>),
        mut visit: impl FnMut(&RecordBatch),
    ) -> Result<(Offset, Option<Damage>), LogError> {
        self.offset_index.entries.clear(disk)?;
        self.time_index.entries.clear(disk)?;
        self.largest = self.time_index.last();
        self.first_timestamp = None;
        self.bytes_since_index_entry = 0;
        let size = std::mem::replace(&mut self.size, 0);
        let mut end = self.base_offset;
        let mut window = Rope::new();
        let damage = loop {
            if self.size == size {
                break None;
            }
            let found = self.next_batch(disk, &mut window, size)?;
            let dense = dense_from.is_some_and(|from| end >= from);
            let checked = found.and_then(|batch| {
                self.check_recovered(&batch, end, dense)?;
                Ok(batch)
            });
            let batch = match checked {
                Ok(batch) => batch,
                Err(reason) => break Some(reason),
            };
            self.index_recovered(disk, &batch, config)?;
            visit(&batch);
            end = batch.next_offset();
        };
        let Some(reason) = damage else { return Ok((end, None)) };
        if !may_cut {
            return Err(self.corrupt(self.size, reason));
        }
        // What is cut must not come back behind what is written in its place.
        disk.truncate(self.file, u64::from(self.size))?;
        disk.sync(self.file)?;
        Ok((end, Some(Damage { position: self.size, bytes: size - self.size, reason })))
    }

    /// The next batch of a segment of `size` bytes, or why there is none.
    fn next_batch(
        &self,
        disk: &dyn Disk,
        window: &mut Rope,
        size: u32,
    ) -> Result<Result<RecordBatch, String>, LogError> {
        let left = (size - self.size) as usize;
        for attempt in 0..3 {
            match RecordBatch::split_from(window) {
                Ok(None) => {}
                Ok(Some(batch)) => return Ok(Ok(batch)),
                Err(error) => return Ok(Err(error.to_string())),
            }
            // First the window is moved, then widened as far as the batch says that it reaches.
            let stated = window.peek::<12>().map_or(0, |head| stated_size(&head));
            let wanted = if attempt == 0 { READ_BYTES } else { stated.max(READ_BYTES) };
            if stated > left {
                break;
            }
            *window = disk.read(self.file, u64::from(self.size), left.min(wanted))?;
        }
        Ok(Err("the batch is cut".to_owned()))
    }

    fn check_recovered(&self, batch: &RecordBatch, end: Offset, dense: bool) -> Result<(), String> {
        batch.verify_crc().map_err(|error| error.to_string())?;
        let (first, last) = (batch.base_offset(), batch.last_offset());
        let in_order = if dense { first == end } else { first >= end };
        if !in_order || last < first || last - self.base_offset > i64::from(i32::MAX) {
            return Err(format!("a batch of offsets {first}..={last}, where {end} was due"));
        }
        Ok(())
    }

    /// Takes a batch that was found into account, with its index entries.
    fn index_recovered(
        &mut self,
        disk: &mut dyn Disk,
        batch: &RecordBatch,
        config: &LogConfig,
    ) -> Result<(), LogError> {
        let (position, size) = (self.size, batch.size_in_bytes() as u32);
        let newest =
            TimeIndexEntry { timestamp: batch.max_timestamp(), offset: batch.last_offset() };
        if newest.timestamp > self.largest.timestamp {
            self.largest = newest;
        }
        if self.bytes_since_index_entry > config.index_interval_bytes {
            let entry = IndexEntry { offset: batch.last_offset(), position };
            self.offset_index.write(disk, entry)?;
            self.offset_index.push(entry);
            self.time_index.write(disk, self.largest)?;
            self.time_index.push(self.largest);
            self.bytes_since_index_entry = 0;
        }
        self.first_timestamp.get_or_insert(batch.max_timestamp());
        self.bytes_since_index_entry += size;
        self.size += size;
        Ok(())
    }
}

/// How long a batch is, by its first twelve bytes.
fn stated_size(head: &[u8; 12]) -> usize {
    let length = i32::from_be_bytes(std::array::from_fn(|i| head[8 + i]));
    usize::try_from(length).map_or(0, |length| length + 12)
}

fn entry_of(found: &FoundBatch) -> TimeIndexEntry {
    TimeIndexEntry { timestamp: found.max_timestamp, offset: found.last_offset }
}

/// Opens a file; `None` when there is none.
fn open_file(disk: &mut dyn Disk, path: &str) -> Result<Option<FileId>, DiskError> {
    match disk.open(path) {
        Ok(file) => Ok(Some(file)),
        Err(DiskError::NotFound { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}
