//! A log, or a snapshot of the metadata, which has the same form.

use std::fmt::Write;

use super::header::Header;
use super::records::{self, LastOffset};
use super::source::{Files, Open};
use super::stop::Stop;
use super::{DumpOptions, Found, base_offset};

/// The snapshot that the tool for formatting writes beside the partitions.
const BOOTSTRAP: &str = "bootstrap.checkpoint";

/// The longest file whose positions an int32 can tell; the tool looks no further.
const MAX_BYTES: u64 = i32::MAX as u64;

pub(super) fn dump(
    path: &str,
    files: &dyn Files,
    options: &DumpOptions,
    found: &mut Found,
    out: &mut dyn Write,
) -> Result<(), Stop> {
    let name = path.rsplit('/').next().unwrap_or_default();
    if name.ends_with(".log") {
        writeln!(out, "Log starting offset: {}", base_offset(path)?)?;
    } else if name == BOOTSTRAP {
        writeln!(out, "KRaft bootstrap snapshot")?;
    } else {
        let (offset, epoch) = snapshot_id(name)
            .ok_or_else(|| Stop::new(path, 0, "its name is not that of a snapshot"))?;
        writeln!(out, "Snapshot end offset: {offset}, epoch: {epoch}")?;
    }
    let file = Open::new(path, files)?;
    let end = file.len().min(MAX_BYTES);
    let (mut position, mut last) = (0, LastOffset::default());
    while let Some(header) = Header::read(&file, position, end)? {
        let batch = header.read_batch(&file)?;
        print_batch(&file, &header, &batch, out)?;
        if options.is_deep() {
            records::dump(&file, &header, batch, options, &mut last, found, out)?;
        }
        position = header.next();
    }
    if end > position {
        writeln!(out, "Found {} invalid bytes at the end of {name}", end - position)?;
    }
    Ok(())
}

/// The offset and the epoch that a snapshot is named after, of 20 and 10 digits.
fn snapshot_id(name: &str) -> Option<(i64, i32)> {
    let (offset, epoch) = (name.get(..20)?, name.get(21..31)?);
    Some((offset.parse().ok()?, epoch.parse().ok()?))
}

fn print_batch(
    file: &Open<'_>,
    header: &Header,
    batch: &[u8],
    out: &mut dyn Write,
) -> Result<(), Stop> {
    write!(
        out,
        "baseOffset: {} lastOffset: {} count: {} baseSequence: {} lastSequence: {} producerId: {} \
         producerEpoch: {} partitionLeaderEpoch: {} isTransactional: {} isControl: {} \
         deleteHorizonMs: {}",
        header.base_offset(),
        header.last_offset(),
        header.count(),
        header.base_sequence(),
        header.last_sequence(),
        header.producer_id(),
        header.producer_epoch(),
        header.partition_leader_epoch(),
        header.is_transactional(),
        header.is_control(),
        optional(header.delete_horizon()),
    )?;
    let codec = match header.compression() {
        Ok(codec) => format!("{codec:?}").to_lowercase(),
        Err(bits) => {
            writeln!(out)?;
            return Err(file.stop(header.position, format!("codec {bits} is unknown")));
        }
    };
    writeln!(
        out,
        " position: {} {}: {} size: {} magic: {} compresscodec: {codec} crc: {} isvalid: {}",
        header.position,
        header.timestamp_type(),
        header.max_timestamp(),
        header.size(),
        header.magic(),
        header.crc(),
        header.is_valid(batch),
    )?;
    Ok(())
}

/// A number that may be missing, as Java prints it.
pub(super) fn optional(number: Option<i64>) -> String {
    match number {
        Some(number) => format!("OptionalLong[{number}]"),
        None => "OptionalLong.empty".to_owned(),
    }
}
