//! Time indexes, read as they lie in the file.
//!
//! An entry is a timestamp, an int64, and a relative offset, an int32.

use std::fmt::Write;

use super::header::Header;
use super::index::{OffsetIndex, batch_at};
use super::source::{Files, Open};
use super::stop::Stop;
use super::{DumpOptions, Findings, Found, base_offset, records, sibling};
use crate::record::Compression;

/// The size of an entry in bytes.
const ENTRY_SIZE: u64 = 12;
/// What is less than every timestamp.
const NO_TIMESTAMP: i64 = -1;

/// A time index in a file.
struct TimeIndex<'a> {
    file: Open<'a>,
    base: i64,
}

impl TimeIndex<'_> {
    fn entry_count(&self) -> u64 {
        self.file.len() / ENTRY_SIZE
    }

    /// Timestamp and offset.
    fn entry(&self, number: u64) -> Result<(i64, i64), Stop> {
        let mut bytes = [0; ENTRY_SIZE as usize];
        self.file.read(number * ENTRY_SIZE, &mut bytes)?;
        let [a, b, c, d, e, f, g, h, relative @ ..] = bytes;
        let timestamp = i64::from_be_bytes([a, b, c, d, e, f, g, h]);
        let relative = i64::from(i32::from_be_bytes(relative));
        Ok((timestamp, self.base.wrapping_add(relative)))
    }

    /// What a broker checks when it starts.
    fn check(&self) -> Result<(), Stop> {
        if let Some(last) = self.entry_count().checked_sub(1) {
            let (at, first) = (last * ENTRY_SIZE, self.entry(0)?.0);
            let (timestamp, offset) = self.entry(last)?;
            if timestamp < first {
                let what =
                    format!("the last timestamp, {timestamp}, is less than the first, {first}");
                return Err(self.file.stop(at, what));
            }
            if offset < self.base {
                let base = self.base;
                let what = format!("the last offset, {offset}, is less than the first, {base}");
                return Err(self.file.stop(at, what));
            }
        }
        match self.file.len() % ENTRY_SIZE {
            0 => Ok(()),
            rest => Err(self.file.stop(self.file.len() - rest, "half an entry")),
        }
    }
}

pub(super) fn dump(
    path: &str,
    files: &dyn Files,
    options: &DumpOptions,
    found: &mut Found,
    out: &mut dyn Write,
) -> Result<(), Stop> {
    let (log, offsets) = (sibling(path, "log"), sibling(path, "index"));
    let base = base_offset(path)?;
    let log = Open::new(&log, files)?;
    let offsets = OffsetIndex::open(&offsets, base, files)?;
    let index = TimeIndex { file: Open::new(path, files)?, base };
    if options.index_sanity_check {
        index.check()?;
        writeln!(out, "{path} passed sanity check.")?;
        return Ok(());
    }
    let mut before = NO_TIMESTAMP;
    for number in 0..index.entry_count() {
        let (timestamp, offset) = index.entry(number)?;
        if offset == base && number > 0 {
            return Ok(());
        }
        let add = |findings: &mut Findings, pair| {
            findings.entry(path.to_owned()).or_default().push(pair);
        };
        match batch_up_to(&log, offsets.lookup(offset)?, offset)? {
            Some(batch) if batch.last_offset() == offset => {
                let largest = largest_timestamp(&log, &batch)?;
                if largest != timestamp {
                    add(&mut found.timestamp_mismatches, (timestamp, largest));
                }
                if before >= timestamp {
                    add(&mut found.timestamps_out_of_order, (timestamp, before));
                }
            }
            other => {
                let last = other.map_or(-1, |batch| batch.last_offset());
                add(&mut found.offsets_not_found, (offset, last));
            }
        }
        writeln!(out, "timestamp: {timestamp} offset: {offset}")?;
        before = timestamp;
    }
    Ok(())
}

/// The first batch from a position on that ends at `offset` or behind it.
fn batch_up_to(log: &Open<'_>, position: i32, offset: i64) -> Result<Option<Header>, Stop> {
    let mut next = batch_at(log, position, u64::MAX)?;
    while let Some(batch) = next.filter(|batch| batch.last_offset() < offset) {
        next = Header::read(log, batch.next(), log.len().min(i32::MAX as u64))?;
    }
    Ok(next)
}

/// The largest timestamp of a batch's records; of a packed batch, what its header says.
fn largest_timestamp(log: &Open<'_>, header: &Header) -> Result<i64, Stop> {
    if header.compression() != Ok(Compression::None) {
        return Ok(header.max_timestamp());
    }
    let batch = records::batch_at_zero(log, header, header.read_batch(log)?)?;
    let mut largest = NO_TIMESTAMP;
    records::each(log, header, &batch, |_, record| {
        largest = largest.max(record.timestamp.0);
        Ok(())
    })?;
    Ok(largest)
}
