//! What a log keeps of its producers: `.snapshot` and `.txnindex`.
//!
//! ```text
//! .snapshot  version int16 = 1 · checksum of what follows uint32 · producers [
//!                id int64 · epoch int16 · last sequence int32 · last offset int64 ·
//!                offset delta int32 · timestamp int64 · coordinator epoch int32 ·
//!                first offset of the open transaction int64 ]
//! .txnindex  { version int16 = 0 · producer id · first offset · last offset · last stable offset }
//! ```

use std::fmt::Write;

use super::base_offset;
use super::fields::Fields;
use super::header::add_sequence;
use super::log_file::optional;
use super::source::{Files, Open};
use super::stop::Stop;
use crate::record::crc32c;

/// The version of a snapshot.
const VERSION: i16 = 1;
/// Where what the checksum of a snapshot covers begins.
const PRODUCERS: usize = 6;
/// The size of a producer in a snapshot, in bytes.
const PRODUCER_SIZE: usize = 46;
/// The size of an aborted transaction, in bytes.
const ABORTED_SIZE: u64 = 34;

/// A producer, as it was when the snapshot was taken.
struct Producer {
    id: i64,
    epoch: i16,
    last_sequence: i32,
    last_offset: i64,
    offset_delta: i32,
    timestamp: i64,
    coordinator_epoch: i32,
    transaction: i64,
}

impl Producer {
    fn read(fields: &mut Fields<'_>) -> Option<Producer> {
        Some(Producer {
            id: fields.i64()?,
            epoch: fields.i16()?,
            last_sequence: fields.i32()?,
            last_offset: fields.i64()?,
            offset_delta: fields.i32()?,
            timestamp: fields.i64()?,
            coordinator_epoch: fields.i32()?,
            transaction: fields.i64()?,
        })
    }

    fn print(&self, out: &mut dyn Write) -> Result<(), Stop> {
        let transaction = Some(self.transaction).filter(|offset| *offset >= 0);
        write!(
            out,
            "producerId: {} producerEpoch: {} coordinatorEpoch: {} currentTxnFirstOffset: {} \
             lastTimestamp: {}",
            self.id,
            self.epoch,
            self.coordinator_epoch,
            optional(transaction),
            self.timestamp,
        )?;
        if self.last_offset >= 0 {
            write!(
                out,
                " firstSequence: {} lastSequence: {} lastOffset: {} offsetDelta: {} timestamp: {}",
                add_sequence(self.last_sequence, self.offset_delta.wrapping_neg()),
                self.last_sequence,
                self.last_offset,
                self.offset_delta,
                self.timestamp,
            )?;
        }
        writeln!(out)?;
        Ok(())
    }
}

pub(super) fn dump_snapshot(
    path: &str,
    files: &dyn Files,
    out: &mut dyn Write,
) -> Result<(), Stop> {
    let file = Open::new(path, files)?;
    let mut bytes = vec![0; file.len() as usize];
    file.read(0, &mut bytes)?;
    match parse(&bytes) {
        Ok(producers) => producers.iter().try_for_each(|producer| producer.print(out)),
        Err(what) => Ok(writeln!(out, "{what}")?),
    }
}

/// Reads a snapshot; what is wrong is told in the tool's words.
fn parse(bytes: &[u8]) -> Result<Vec<Producer>, String> {
    let invalid = |what: &str| format!("Snapshot failed schema validation: {what}");
    let too_short = || invalid("null");
    let mut fields = Fields::new(bytes);
    let version = fields.i16().ok_or_else(too_short)?;
    if version != VERSION {
        return Err(invalid(&format!("Snapshot contained an unknown file version {version}")));
    }
    let stored = fields.u32().ok_or_else(too_short)?;
    let count = fields.i32().ok_or_else(too_short)?;
    let count = usize::try_from(count)
        .map_err(|_| invalid("non-nullable field producerEntries was serialized as null"))?;
    let left = fields.remaining();
    if count > left {
        return Err(invalid(&format!(
            "Tried to allocate a collection of size {count}, but there are only {left} bytes \
             remaining."
        )));
    }
    let mut producers = Vec::with_capacity(count.min(left / PRODUCER_SIZE));
    for _ in 0..count {
        producers.push(Producer::read(&mut fields).ok_or_else(too_short)?);
    }
    let computed = crc32c(&bytes[PRODUCERS..]);
    if stored != computed {
        return Err(format!(
            "Snapshot is corrupt (CRC is no longer valid). Stored crc: {stored}. Computed crc: \
             {computed}"
        ));
    }
    Ok(producers)
}

pub(super) fn dump_aborted(path: &str, files: &dyn Files, out: &mut dyn Write) -> Result<(), Stop> {
    base_offset(path)?;
    let file = Open::new(path, files)?;
    let mut lines = String::new();
    for number in 0..file.len() / ABORTED_SIZE {
        let position = number * ABORTED_SIZE;
        let mut bytes = [0; ABORTED_SIZE as usize];
        file.read(position, &mut bytes)?;
        // The tool looks at the first byte of the version alone.
        let version = bytes[0] as i8;
        if version > 0 {
            return Err(file.stop(position, format!("version {version} of a transaction")));
        }
        let mut fields = Fields::new(&bytes[2..]);
        let mut next = || fields.i64().unwrap_or_default();
        writeln!(
            lines,
            "version: {version} producerId: {} firstOffset: {} lastOffset: {} lastStableOffset: {}",
            next(),
            next(),
            next(),
            next(),
        )?;
    }
    // The tool reads all before it prints any.
    Ok(write!(out, "{lines}")?)
}
