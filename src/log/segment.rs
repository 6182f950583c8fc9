//! One segment: a file of batches with its two indexes.
//!
//! The three files bear the segment's base offset in twenty digits: `….log` holds the batches end
//! to end, `….index` and `….timeindex` the sparse indexes. An index entry is written *before* a
//! batch is counted, when more than `index.interval.bytes` lie between it and the last entry; so
//! the first batch of a segment is never indexed.
//!
//! Invariants: batches lie in ascending order of offsets; every index entry points to the start of
//! a batch. What a segment knows of its files is what has been written as a whole: a write that
//! fails changes nothing of it. It may leave a tail on the disk, which nobody reads and the next
//! write cuts.

use super::config::LogConfig;
use super::error::LogError;
use super::offset_index::{IndexEntry, OffsetIndex};
use super::time_index::{TimeIndex, TimeIndexEntry};
use crate::record::{RecordBatch, check_base_offset};
use crate::storage::{Disk, DiskError, FileId, Piece};
use crate::types::{LeaderEpoch, Offset, Rope, Timestamp};

/// As much of a batch's header as tells its extent: up to the largest timestamp.
const HEADER: usize = 43;

/// A segment of a log.
#[derive(Clone, Debug)]
pub struct LogSegment {
    pub(super) base_offset: Offset,
    pub(super) file: FileId,
    pub(super) size: u32,
    pub(super) offset_index: OffsetIndex,
    pub(super) time_index: TimeIndex,
    pub(super) bytes_since_index_entry: u32,
    created: Timestamp,
    /// The largest timestamp of the first batch: from it the segment's age is counted.
    pub(super) first_timestamp: Option<Timestamp>,
    pub(super) largest: TimeIndexEntry,
    /// Whether there may be bytes behind the end of a file: of a write that has failed, or of what
    /// was dropped.
    has_tail: bool,
}

/// A batch found by scanning headers.
#[derive(Clone, Copy, Debug)]
pub(super) struct FoundBatch {
    pub position: u32,
    pub size: u32,
    pub last_offset: Offset,
    pub max_timestamp: Timestamp,
}

impl FoundBatch {
    /// Where the batch after it begins, and what that ends at or behind.
    fn next(&self) -> IndexEntry {
        IndexEntry { offset: self.last_offset + 1, position: self.position + self.size }
    }
}

/// What the names of a segment's files end in: the batches, and the two indexes.
const EXTENSIONS: [&str; 3] = ["log", "index", "timeindex"];

/// The path of one of a segment's files.
pub(super) fn path(dir: &str, base: Offset, extension: &str) -> String {
    format!("{dir}/{:020}.{extension}", base.0)
}

/// Creates a file; one that an attempt to roll has left behind gives way, as in Kafka.
pub(super) fn create_anew(disk: &mut dyn Disk, path: &str) -> Result<FileId, DiskError> {
    match disk.create(path) {
        Err(DiskError::AlreadyExists { .. }) => {
            disk.remove(path)?;
            disk.create(path)
        }
        created => created,
    }
}

impl LogSegment {
    /// Creates the files of an empty segment.
    pub(super) fn create(
        disk: &mut dyn Disk,
        dir: &str,
        base: Offset,
        now: Timestamp,
    ) -> Result<Self, LogError> {
        LogSegment::create_as(disk, dir, base, "", now)
    }

    /// Creates the files of an empty segment with a suffix to their names.
    pub(super) fn create_as(
        disk: &mut dyn Disk,
        dir: &str,
        base: Offset,
        suffix: &str,
        now: Timestamp,
    ) -> Result<Self, LogError> {
        let mut file = |extension| create_anew(disk, &(path(dir, base, extension) + suffix));
        let [log, index, time_index] = EXTENSIONS;
        let (log, index, time_index) = (file(log)?, file(index)?, file(time_index)?);
        let indexes = (OffsetIndex::new(base, index), TimeIndex::new(base, time_index));
        Ok(LogSegment::from_files(base, log, 0, indexes, now))
    }

    /// Gives the segment's files other suffixes to their names.
    pub(super) fn rename(
        &self,
        disk: &mut dyn Disk,
        dir: &str,
        from: &str,
        to: &str,
    ) -> Result<(), LogError> {
        for extension in EXTENSIONS {
            let name = path(dir, self.base_offset, extension);
            disk.rename(&format!("{name}{from}"), &format!("{name}{to}"))?;
        }
        Ok(())
    }

    /// A segment of files that exist, with what their opening has found out of them.
    pub(super) fn from_files(
        base_offset: Offset,
        file: FileId,
        size: u32,
        (offset_index, time_index): (OffsetIndex, TimeIndex),
        now: Timestamp,
    ) -> Self {
        LogSegment {
            base_offset,
            file,
            size,
            largest: time_index.last(),
            offset_index,
            time_index,
            bytes_since_index_entry: 0,
            created: now,
            first_timestamp: None,
            has_tail: false,
        }
    }

    /// Removes the segment's files.
    pub(super) fn remove(&self, disk: &mut dyn Disk, dir: &str) -> Result<(), LogError> {
        LogSegment::remove_files(disk, dir, self.base_offset)
    }

    /// Removes the files of the segment that begins at `base`; those that are not there are gone.
    pub(super) fn remove_files(
        disk: &mut dyn Disk,
        dir: &str,
        base: Offset,
    ) -> Result<(), LogError> {
        LogSegment::remove_files_as(disk, dir, base, "")
    }

    /// Removes the files of a segment that have this suffix to their names.
    pub(super) fn remove_files_as(
        disk: &mut dyn Disk,
        dir: &str,
        base: Offset,
        suffix: &str,
    ) -> Result<(), LogError> {
        for extension in EXTENSIONS {
            match disk.remove(&(path(dir, base, extension) + suffix)) {
                Ok(()) | Err(DiskError::NotFound { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// The first offset that a record of this segment can have: the name of its files.
    #[must_use]
    pub fn base_offset(&self) -> Offset {
        self.base_offset
    }

    /// The length of the file of batches, in bytes.
    #[must_use]
    pub fn size_in_bytes(&self) -> u32 {
        self.size
    }

    /// The index from offsets to positions.
    #[must_use]
    pub fn offset_index(&self) -> &OffsetIndex {
        &self.offset_index
    }

    /// The index from timestamps to offsets.
    #[must_use]
    pub fn time_index(&self) -> &TimeIndex {
        &self.time_index
    }

    /// The largest timestamp in the segment, and the last offset of the batch that brought it; no
    /// timestamp while there is none.
    #[must_use]
    pub fn largest_timestamp(&self) -> TimeIndexEntry {
        self.largest
    }

    /// How long the segment has waited to be rolled when a batch with this timestamp comes, in
    /// milliseconds.
    pub(super) fn age(&self, incoming: Timestamp, now: Timestamp) -> i64 {
        match self.first_timestamp {
            Some(first) if first.0 >= 0 => incoming.0.saturating_sub(first.0),
            _ => now.0.saturating_sub(self.created.0),
        }
    }

    /// Appends a batch, and an index entry before it if one is due. First all of it goes to the
    /// disk, then it counts.
    pub(super) fn append(
        &mut self,
        disk: &mut dyn Disk,
        batch: &RecordBatch,
        config: &LogConfig,
    ) -> Result<Option<IndexEntry>, LogError> {
        let (position, size) = (self.size, batch.size_in_bytes() as u32);
        let newest =
            TimeIndexEntry { timestamp: batch.max_timestamp(), offset: batch.last_offset() };
        let largest = if newest.timestamp > self.largest.timestamp { newest } else { self.largest };
        let due = self.bytes_since_index_entry > config.index_interval_bytes;
        let indexed = due.then(|| IndexEntry { offset: batch.last_offset(), position });
        self.write(disk, |segment, disk| {
            let pieces = [Piece::Copied(&batch.prefix()), Piece::Shared(batch.body())];
            disk.append(segment.file, &pieces)?;
            if let Some(entry) = indexed {
                segment.offset_index.write(disk, entry)?;
                segment.time_index.write(disk, largest)?;
            }
            Ok(())
        })?;
        self.size += size;
        self.first_timestamp.get_or_insert(batch.max_timestamp());
        self.largest = largest;
        if let Some(entry) = indexed {
            self.offset_index.push(entry);
            self.time_index.push(largest);
            self.bytes_since_index_entry = 0;
        }
        self.bytes_since_index_entry += size;
        Ok(indexed)
    }

    /// Makes everything that was appended durable.
    pub(super) fn flush(&mut self, disk: &mut dyn Disk) -> Result<(), LogError> {
        self.cut_tail(disk)?;
        disk.sync(self.file)?;
        self.offset_index.entries.sync(disk)?;
        Ok(self.time_index.entries.sync(disk)?)
    }

    /// Writes the last time index entry: no batch will follow.
    pub(super) fn close(&mut self, disk: &mut dyn Disk) -> Result<(), LogError> {
        let largest = self.largest;
        self.write(disk, |segment, disk| segment.time_index.write(disk, largest))?;
        self.time_index.push(largest);
        Ok(())
    }

    /// Writes to the files, behind what counts of them.
    fn write(
        &mut self,
        disk: &mut dyn Disk,
        write: impl FnOnce(&Self, &mut dyn Disk) -> Result<(), DiskError>,
    ) -> Result<(), LogError> {
        self.cut_tail(disk)?;
        let written = write(self, disk);
        self.has_tail = written.is_err();
        Ok(written?)
    }

    /// Cuts what may lie behind the end of a file.
    pub(super) fn cut_tail(&mut self, disk: &mut dyn Disk) -> Result<(), LogError> {
        if self.has_tail {
            disk.truncate(self.file, u64::from(self.size))?;
            self.offset_index.entries.cut_tail(disk)?;
            self.time_index.entries.cut_tail(disk)?;
            self.has_tail = false;
        }
        Ok(())
    }

    /// The bytes from `position` on, at most `len`.
    pub(super) fn read(
        &self,
        disk: &dyn Disk,
        position: u32,
        len: usize,
    ) -> Result<Rope, LogError> {
        Ok(disk.read(self.file, u64::from(position), len)?)
    }

    /// The batch that begins at `position`, whole.
    pub(super) fn read_batch(
        &self,
        disk: &dyn Disk,
        found: FoundBatch,
    ) -> Result<RecordBatch, LogError> {
        let mut rope = self.read(disk, found.position, found.size as usize)?;
        let corrupt = |reason| self.corrupt(found.position, reason);
        let batch = RecordBatch::split_from(&mut rope).map_err(|e| corrupt(e.to_string()))?;
        batch.ok_or_else(|| corrupt("the batch is cut".to_owned()))
    }

    /// The first batch that ends at or after `offset`; `None` when all end before it.
    ///
    /// The offset index gives a position at or before it; from there the headers are read one
    /// after the other.
    pub(super) fn find(
        &self,
        disk: &dyn Disk,
        offset: Offset,
    ) -> Result<Option<FoundBatch>, LogError> {
        let start = self.offset_index.lookup(disk, offset)?;
        self.scan(disk, self.place(start), |found| found.last_offset >= offset)
    }

    /// The first record at or after both `offset` and `timestamp`.
    pub(super) fn find_timestamp(
        &self,
        disk: &dyn Disk,
        timestamp: Timestamp,
        offset: Offset,
    ) -> Result<Option<(Timestamp, Offset, LeaderEpoch)>, LogError> {
        let indexed = self.time_index.lookup(disk, timestamp)?;
        let indexed = indexed.map_or(self.base_offset, |entry| entry.offset);
        let mut place = self.place(self.offset_index.lookup(disk, indexed.max(offset))?);
        let wanted =
            |found: &FoundBatch| found.max_timestamp >= timestamp && found.last_offset >= offset;
        while let Some(found) = self.scan(disk, place, wanted)? {
            let batch = self.read_batch(disk, found)?;
            let matches =
                |at: Timestamp, record: Offset| at >= timestamp && record >= offset && at.0 >= 0;
            if let Some((at, record)) = first_record(&batch, matches) {
                return Ok(Some((at, record, batch.leader_epoch())));
            }
            place = found.next();
        }
        Ok(None)
    }

    /// The first record that has the segment's largest timestamp.
    pub(super) fn find_largest_timestamp(
        &self,
        disk: &dyn Disk,
    ) -> Result<Option<(Timestamp, Offset, LeaderEpoch)>, LogError> {
        let Some(found) = self.find(disk, self.largest.offset)? else { return Ok(None) };
        let batch = self.read_batch(disk, found)?;
        let largest = self.largest.timestamp;
        let record = first_record(&batch, |at, _| at == largest);
        Ok(record.map(|(at, place)| (at, place, batch.leader_epoch())))
    }

    /// Drops the batch that holds `offset` and all that follow, and takes batches from then on. The
    /// files are cut afterwards, by [`cut_tail`](LogSegment::cut_tail); an error leaves the segment
    /// as it was.
    pub(super) fn truncate_to(
        &mut self,
        disk: &dyn Disk,
        offset: Offset,
        now: Timestamp,
    ) -> Result<(), LogError> {
        self.activate(disk)?;
        let Some(cut) = self.find(disk, offset)? else { return Ok(()) };
        let (mut offset_index, mut time_index) =
            (self.offset_index.clone(), self.time_index.clone());
        offset_index.truncate_to(disk, offset)?;
        time_index.truncate_to(disk, offset)?;
        let mut largest = time_index.last();
        let indexed = self.offset_index.lookup(disk, largest.offset)?;
        self.scan(disk, self.place(indexed), |found| {
            let kept = found.position < cut.position;
            if kept && found.max_timestamp > largest.timestamp {
                largest =
                    TimeIndexEntry { timestamp: found.max_timestamp, offset: found.last_offset };
            }
            !kept
        })?;
        self.offset_index = offset_index;
        self.time_index = time_index;
        self.size = cut.position;
        self.bytes_since_index_entry = 0;
        if self.size == 0 {
            self.created = now;
            self.first_timestamp = None;
        }
        self.largest = largest;
        self.has_tail = true;
        Ok(())
    }

    /// Where to begin to look: at an index entry, or at the start.
    pub(super) fn place(&self, indexed: Option<IndexEntry>) -> IndexEntry {
        indexed.unwrap_or(IndexEntry { offset: self.base_offset, position: 0 })
    }

    /// Goes over the batches from `from` on until one is wanted. Each has to end at its offset or
    /// behind it.
    pub(super) fn scan(
        &self,
        disk: &dyn Disk,
        from: IndexEntry,
        mut wanted: impl FnMut(&FoundBatch) -> bool,
    ) -> Result<Option<FoundBatch>, LogError> {
        let IndexEntry { mut offset, mut position } = from;
        while position < self.size {
            let found = self.header(disk, position)?;
            if found.last_offset < offset {
                let reason = format!("a batch ends at {}, below {offset}", found.last_offset);
                return Err(self.corrupt(position, reason));
            }
            if wanted(&found) {
                return Ok(Some(found));
            }
            IndexEntry { offset, position } = found.next();
        }
        Ok(None)
    }

    fn header(&self, disk: &dyn Disk, position: u32) -> Result<FoundBatch, LogError> {
        let mut header = [0; HEADER];
        let len = disk.read_into(self.file, u64::from(position), &mut header)?;
        if len < HEADER {
            return Err(self.corrupt(position, "the header is cut".to_owned()));
        }
        let i64_at = |at: usize| i64::from_be_bytes(std::array::from_fn(|i| header[at + i]));
        let i32_at = |at: usize| i32::from_be_bytes(std::array::from_fn(|i| header[at + i]));
        let size = i64::from(i32_at(8)) + 12;
        if size < HEADER as i64 || size > i64::from(self.size - position) {
            return Err(self.corrupt(position, format!("a batch of {size} bytes")));
        }
        let base_offset = Offset(i64_at(0));
        check_base_offset(base_offset).map_err(|e| self.corrupt(position, e.to_string()))?;
        let (delta, first) = (i64::from(i32_at(23)), base_offset - self.base_offset);
        if delta < 0 || first < 0 || first + delta > i64::from(i32::MAX) {
            let reason = format!("a batch of offsets {base_offset}..={}", base_offset + delta);
            return Err(self.corrupt(position, reason));
        }
        Ok(FoundBatch {
            position,
            size: size as u32,
            last_offset: base_offset + delta,
            max_timestamp: Timestamp(i64_at(35)),
        })
    }

    pub(super) fn corrupt(&self, position: u32, reason: String) -> LogError {
        LogError::Corrupt { segment: self.base_offset, position, reason }
    }
}

fn first_record(
    batch: &RecordBatch,
    wanted: impl Fn(Timestamp, Offset) -> bool,
) -> Option<(Timestamp, Offset)> {
    let records = batch.records().map_while(Result::ok);
    records.map(|record| (record.timestamp, record.offset)).find(|(at, place)| wanted(*at, *place))
}
