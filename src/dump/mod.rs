//! The files of a partition as text, in the words of Kafka's own dump tool.
//!
//! | file | what is printed |
//! |---|---|
//! | `.log`, `.checkpoint` | batches; with deep iteration their records; control records |
//! | `.index` | entries, each held against the batch that it points at |
//! | `.timeindex` | entries, each held against the timestamps of its batch |
//! | `.snapshot` | the producers that a log knew |
//! | `.txnindex` | aborted transactions |
//!
//! A [`Dump`] takes one file after the other ([`Dump::file`]) and says at the end what it has found
//! wrong beyond single lines ([`Dump::finish`]): entries that do not fit the log, offsets that do
//! not follow each other. Files are read batch by batch, through the [`Files`] trait.
//!
//! Each line is the one that the tool prints, with one exception: where the tool ends with an
//! exception, a line `Stopped at position …` says where and why, and the next file is taken.
//!
//! # Simplifications versus Kafka
//!
//! Records of packed batches are counted, not printed. Batches before format 2 stop a file. Of
//! `__consumer_offsets` the records of groups and offsets are decoded, in the versions that the
//! coordinator reads. Names of headers that are not UTF-8 stop a file, as bytes behind a control
//! record of the quorum do. Batches behind the one that a time index asks for are not looked at, so
//! that damage there does not end the check; the timestamps of packed batches are taken from their
//! headers. Each list of findings is sorted by file; the tool's follows hash order. Files are named
//! as they were given, where the tool makes some paths absolute. The tool cuts an index to whole
//! entries when it has dumped it; nothing is written here.

mod control;
mod fields;
mod header;
mod index;
mod json;
mod log_file;
mod metadata;
mod offsets;
mod producers;
mod records;
mod source;
mod stop;
mod time_index;

use std::collections::BTreeMap;
use std::fmt::{self, Write};

pub use source::{DiskFiles, Files, Source};
use stop::Stop;

/// What is printed, and how records are read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DumpOptions {
    /// Records, not batches alone; implied by the next two.
    pub deep_iteration: bool,
    /// Keys and values of records.
    pub print_data_log: bool,
    /// How keys and values are read.
    pub decoder: Decoder,
    /// Of indexes only whether they pass the check that a broker makes when it starts.
    pub index_sanity_check: bool,
}

/// How keys and values are read. All but text imply that they are printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Decoder {
    /// As text.
    #[default]
    Text,
    /// As records of `__consumer_offsets`.
    Offsets,
    /// As records of `__cluster_metadata`.
    ClusterMetadata,
}

impl DumpOptions {
    fn prints_contents(&self) -> bool {
        self.print_data_log || self.decoder != Decoder::Text
    }

    fn is_deep(&self) -> bool {
        self.deep_iteration || self.prints_contents()
    }
}

/// Pairs of numbers that do not fit, by the file that they are in.
type Findings = BTreeMap<String, Vec<(i64, i64)>>;

/// What was found wrong in the files so far.
#[derive(Clone, Debug, Default)]
struct Found {
    /// The offset of an index entry, and that of the batch it points at.
    index_mismatches: BTreeMap<String, BTreeMap<i64, i64>>,
    /// The timestamp of an index entry, and that of its batch.
    timestamp_mismatches: Findings,
    /// The timestamp of an index entry, and the larger one before it.
    timestamps_out_of_order: Findings,
    /// The offset of an index entry, and that of the batch that was found, or −1.
    offsets_not_found: Findings,
    /// An offset, and the one that follows it in the log.
    gaps: BTreeMap<String, BTreeMap<i64, i64>>,
}

/// Prints files, and remembers what does not fit together.
///
/// ```
/// use kafkarium::dump::{Dump, DumpOptions};
///
/// let files = std::collections::BTreeMap::from([("a-0/00000000000000000000.log", [0; 7])]);
/// let (mut dump, mut out) = (Dump::new(DumpOptions::default()), String::new());
/// dump.file("a-0/00000000000000000000.log", &files, &mut out).unwrap();
/// dump.finish(&mut out).unwrap();
/// let expected = "Dumping a-0/00000000000000000000.log\n\
///     Log starting offset: 0\n\
///     Found 7 invalid bytes at the end of 00000000000000000000.log\n";
/// assert_eq!(out, expected);
/// ```
#[derive(Clone, Debug)]
pub struct Dump {
    options: DumpOptions,
    found: Found,
}

impl Dump {
    /// Nothing has been printed yet.
    #[must_use]
    pub fn new(options: DumpOptions) -> Self {
        Dump { options, found: Found::default() }
    }

    /// From the next file on, prints with these options.
    pub fn set_options(&mut self, options: DumpOptions) {
        self.options = options;
    }

    /// Prints a file. An index needs its log beside it, a time index both.
    ///
    /// # Errors
    /// Those of `out`. What is wrong with the file is printed.
    pub fn file(&mut self, path: &str, files: &dyn Files, out: &mut dyn Write) -> fmt::Result {
        writeln!(out, "Dumping {path}")?;
        let name = path.rsplit('/').next().unwrap_or_default();
        let Dump { options, found } = self;
        let stop = match name.rsplit_once('.').map(|(_, suffix)| suffix) {
            Some("log" | "checkpoint") => log_file::dump(path, files, options, found, out),
            Some("index") => index::dump(path, files, options, found, out),
            Some("timeindex") => time_index::dump(path, files, options, found, out),
            Some("snapshot") => producers::dump_snapshot(path, files, out),
            Some("txnindex") => producers::dump_aborted(path, files, out),
            _ => return writeln!(out, "Ignoring unknown file {path}"),
        };
        match stop {
            Ok(()) => Ok(()),
            Err(Stop::Out) => Err(fmt::Error),
            Err(Stop::At { path, position, what }) => {
                writeln!(out, "Stopped at position {position} of {path}: {what}")
            }
        }
    }

    /// Prints what does not fit together in the files so far, and forgets it.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn finish(&mut self, out: &mut dyn Write) -> fmt::Result {
        let found = std::mem::take(&mut self.found);
        for (path, mismatches) in &found.index_mismatches {
            writeln!(out, "Mismatches in :{path}")?;
            for (index, log) in mismatches.iter().rev() {
                writeln!(out, "  Index offset: {index}, log offset: {log}")?;
            }
        }
        for (path, pairs) in &found.timestamp_mismatches {
            writeln!(out, "Found timestamp mismatch in :{path}")?;
            for (index, log) in pairs {
                writeln!(out, "  Index timestamp: {index}, log timestamp: {log}")?;
            }
        }
        for (path, pairs) in &found.timestamps_out_of_order {
            writeln!(out, "Found out of order timestamp in :{path}")?;
            for (index, before) in pairs {
                writeln!(
                    out,
                    "  Index timestamp: {index}, Previously indexed timestamp: {before}"
                )?;
            }
        }
        for (path, pairs) in &found.offsets_not_found {
            writeln!(out, "The following indexed offsets are not found in :{path}")?;
            for (index, log) in pairs {
                writeln!(out, "Indexed offset: {index}, found log offset: {log}")?;
            }
        }
        for (path, gaps) in &found.gaps {
            writeln!(out, "Non-consecutive offsets in {path}")?;
            for (before, after) in gaps {
                writeln!(out, "  {before} is followed by {after}")?;
            }
        }
        Ok(())
    }
}

/// The offset that a file is named after: what stands before the first point of its name.
fn base_offset(path: &str) -> Result<i64, Stop> {
    let name = path.rsplit('/').next().unwrap_or_default();
    let digits = name.split('.').next().unwrap_or_default();
    digits.parse().map_err(|_| Stop::new(path, 0, "its name does not begin with an offset"))
}

/// The file of the same segment with another suffix.
fn sibling(path: &str, suffix: &str) -> String {
    let (dir, name) = path.rsplit_once('/').map_or(("", path), |(dir, name)| (dir, name));
    let stem = name.split('.').next().unwrap_or_default();
    let slash = if dir.is_empty() && !path.starts_with('/') { "" } else { "/" };
    format!("{dir}{slash}{stem}.{suffix}")
}
