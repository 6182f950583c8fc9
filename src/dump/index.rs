//! Offset indexes, read as they lie in the file.
//!
//! An entry is a relative offset and a position, an int32 each, both with a sign here: a damaged
//! index shows what stands in it. A file that was not closed has zeros behind its entries, which
//! count as entries for the lookup and end the dump.

use std::fmt::Write;

use super::header::Header;
use super::source::{Files, Open};
use super::stop::Stop;
use super::{DumpOptions, Found, base_offset, sibling};

/// The size of an entry in bytes.
const ENTRY_SIZE: u64 = 8;
/// How many entries at the end a lookup searches first.
const WARM_ENTRIES: u64 = 8192 / ENTRY_SIZE;
/// The largest batch that the tool looks for behind an entry.
const MAX_MESSAGE_SIZE: u64 = 5 * 1024 * 1024;

/// An entry of an offset index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) offset: i64,
    pub(super) position: i32,
}

/// An offset index in a file.
pub(super) struct OffsetIndex<'a> {
    file: Open<'a>,
    base: i64,
}

impl<'a> OffsetIndex<'a> {
    pub(super) fn open(path: &'a str, base: i64, files: &'a dyn Files) -> Result<Self, Stop> {
        Ok(OffsetIndex { file: Open::new(path, files)?, base })
    }

    fn entry_count(&self) -> u64 {
        self.file.len() / ENTRY_SIZE
    }

    fn entry(&self, number: u64) -> Result<Entry, Stop> {
        let mut bytes = [0; ENTRY_SIZE as usize];
        self.file.read(number * ENTRY_SIZE, &mut bytes)?;
        let [a, b, c, d, position @ ..] = bytes;
        let relative = i64::from(i32::from_be_bytes([a, b, c, d]));
        let offset = self.base.wrapping_add(relative);
        Ok(Entry { offset, position: i32::from_be_bytes(position) })
    }

    /// The position from which a reader of `offset` goes on: found as Kafka finds it, which matters
    /// where the entries are not sorted.
    pub(super) fn lookup(&self, offset: i64) -> Result<i32, Stop> {
        let Some(last) = self.entry_count().checked_sub(1) else { return Ok(0) };
        let first_warm = last.saturating_sub(WARM_ENTRIES);
        if self.entry(first_warm)?.offset < offset {
            return self.search(offset, first_warm, last);
        }
        if self.entry(0)?.offset > offset {
            return Ok(0);
        }
        self.search(offset, 0, first_warm)
    }

    fn search(&self, offset: i64, mut low: u64, mut high: u64) -> Result<i32, Stop> {
        while low < high {
            let middle = (low + high).div_ceil(2);
            let entry = self.entry(middle)?;
            if entry.offset > offset {
                high = middle - 1;
            } else if entry.offset < offset {
                low = middle;
            } else {
                return Ok(entry.position);
            }
        }
        Ok(self.entry(low)?.position)
    }

    /// What a broker checks when it starts.
    fn check(&self) -> Result<(), Stop> {
        let Some(last) = self.entry_count().checked_sub(1) else { return Ok(()) };
        let (at, last) = (last * ENTRY_SIZE, self.entry(last)?.offset);
        if last < self.base {
            let what = format!("the last offset, {last}, is less than the first, {}", self.base);
            return Err(self.file.stop(at, what));
        }
        match self.file.len() % ENTRY_SIZE {
            0 => Ok(()),
            rest => Err(self.file.stop(self.file.len() - rest, "half an entry")),
        }
    }
}

/// The batch that an index's position points at.
pub(super) fn batch_at(log: &Open<'_>, position: i32, limit: u64) -> Result<Option<Header>, Stop> {
    let end = log.len().min(i32::MAX as u64);
    let at = u64::try_from(position).ok().filter(|at| *at <= end);
    let Some(at) = at else {
        let what = format!("position {position} of an index entry is not in the log");
        return Err(log.stop(end, what));
    };
    Header::read(log, at, end.min(at.saturating_add(limit)))
}

pub(super) fn dump(
    path: &str,
    files: &dyn Files,
    options: &DumpOptions,
    found: &mut Found,
    out: &mut dyn Write,
) -> Result<(), Stop> {
    let (base, log) = (base_offset(path)?, sibling(path, "log"));
    let log = Open::new(&log, files)?;
    let index = OffsetIndex::open(path, base, files)?;
    if index.entry_count() == 0 {
        writeln!(out, "{path} is empty.")?;
        return Ok(());
    }
    if options.index_sanity_check {
        index.check()?;
        writeln!(out, "{path} passed sanity check.")?;
        return Ok(());
    }
    for number in 0..index.entry_count() {
        let Entry { offset, position } = index.entry(number)?;
        if offset == base && number > 0 {
            return Ok(());
        }
        let Some(batch) = batch_at(&log, position, MAX_MESSAGE_SIZE)? else {
            return Err(log.stop(position as u64, "no batch where an index entry points at"));
        };
        if batch.last_offset() != offset {
            let mismatches = found.index_mismatches.entry(path.to_owned()).or_default();
            mismatches.insert(offset, batch.last_offset());
        }
        writeln!(out, "offset: {offset} position: {position}")?;
    }
    Ok(())
}
