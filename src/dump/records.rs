//! The records of a batch.

use std::fmt::Write;

use bytes::Bytes;

use super::header::{Header, add_sequence};
use super::source::Open;
use super::stop::Stop;
use super::{Decoder, DumpOptions, Found, control, metadata, offsets};
use crate::record::{BatchError, Compression, RecordBatch, RecordRef};

/// The offset of the last record that was seen; −1 before the first one.
#[derive(Debug)]
pub(super) struct LastOffset(i64);

impl Default for LastOffset {
    fn default() -> Self {
        LastOffset(-1)
    }
}

impl LastOffset {
    fn advance(&mut self, path: &str, offset: i64, found: &mut Found) {
        if offset != self.0.wrapping_add(1) {
            found.gaps.entry(path.to_owned()).or_default().insert(self.0, offset);
        }
        self.0 = offset;
    }
}

/// The batch, made such that its records can be read whatever its magic and its place in the log:
/// the offsets in it count from 0.
pub(super) fn batch_at_zero(
    file: &Open<'_>,
    header: &Header,
    mut bytes: Vec<u8>,
) -> Result<RecordBatch, Stop> {
    bytes[..8].fill(0);
    bytes[16] = 2;
    let batch = RecordBatch::parse(Bytes::from(bytes));
    batch.map_err(|error| file.stop(header.position, error))
}

/// The records one by one. The last one counts only if nothing follows it, as in Kafka.
pub(super) fn each(
    file: &Open<'_>,
    header: &Header,
    batch: &RecordBatch,
    mut take: impl FnMut(i64, &RecordRef<'_>) -> Result<(), Stop>,
) -> Result<(), Stop> {
    let stop = |error: BatchError| file.stop(header.position, error);
    let count = header.count();
    if count < 0 {
        return Err(file.stop(header.position, format!("record count {count} is negative")));
    }
    let mut records = batch.records();
    for number in 1..=count {
        let Some(record) = records.next() else { break };
        let record = record.map_err(stop)?;
        if number == count {
            records.finish().map_err(stop)?;
        }
        take(header.base_offset().wrapping_add(record.offset.0), &record)?;
    }
    Ok(())
}

pub(super) fn dump(
    file: &Open<'_>,
    header: &Header,
    bytes: Vec<u8>,
    options: &DumpOptions,
    last: &mut LastOffset,
    found: &mut Found,
    out: &mut dyn Write,
) -> Result<(), Stop> {
    if let Some(codec) = header.compression().ok().filter(|codec| *codec != Compression::None) {
        last.advance(file.path, header.base_offset(), found);
        last.0 = header.last_offset();
        let (count, codec) = (header.count(), format!("{codec:?}").to_lowercase());
        writeln!(out, "| {count} records, packed with {codec}, are not unpacked")?;
        return Ok(());
    }
    let batch = batch_at_zero(file, header, bytes)?;
    each(file, header, &batch, |offset, record| {
        last.advance(file.path, offset, found);
        print_metadata(header, offset, record, out)?;
        let printed = if header.is_control() {
            control::print(file, header, record, out)
        } else if options.prints_contents() {
            print_contents(file, header, options, offset, record, out)
        } else {
            Ok(())
        };
        // The line ends, whether or not it is whole.
        writeln!(out)?;
        printed
    })
}

fn print_metadata(
    header: &Header,
    offset: i64,
    record: &RecordRef<'_>,
    out: &mut dyn Write,
) -> Result<(), Stop> {
    let size = |bytes: Option<&[u8]>| bytes.map_or(-1, |bytes| bytes.len() as i64);
    let delta = offset.wrapping_sub(header.base_offset()) as i32;
    let sequence = match header.base_sequence() {
        base @ 0.. => add_sequence(base, delta),
        _ => -1,
    };
    write!(
        out,
        "| offset: {offset} {}: {} keySize: {} valueSize: {} sequence: {sequence} headerKeys: [",
        header.timestamp_type(),
        record.timestamp.0,
        size(record.key),
        size(record.value),
    )?;
    // Each header has been read once already, with the record.
    for (at, (key, _)) in record.headers().flatten().enumerate() {
        let comma = if at == 0 { "" } else { "," };
        write!(out, "{comma}{key}")?;
    }
    write!(out, "]")?;
    Ok(())
}

fn print_contents(
    file: &Open<'_>,
    header: &Header,
    options: &DumpOptions,
    offset: i64,
    record: &RecordRef<'_>,
    out: &mut dyn Write,
) -> Result<(), Stop> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (key, payload) = match options.decoder {
        Decoder::Text => (record.key.map(text), record.value.map(text)),
        Decoder::Offsets => {
            let no_key = || file.stop(header.position, format!("no key at offset {offset}"));
            offsets::decode(offset, record.key.ok_or_else(no_key)?, record.value)
        }
        Decoder::ClusterMetadata => (None, Some(metadata::decode(offset, record.value))),
    };
    if let Some(key) = key {
        write!(out, " key: {key}")?;
    }
    if let Some(payload) = payload {
        write!(out, " payload: {payload}")?;
    }
    Ok(())
}
