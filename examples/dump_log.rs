//! Prints the files of a log, as Kafka's dump tool does:
//! `cargo run --example dump_log -- [OPTION…] PATH…`.
//!
//! A path is a `.log`, `.index`, `.timeindex`, `.snapshot`, `.txnindex` or `.checkpoint` file, or a
//! directory, which stands for all of these in it and below. Without options batches are printed
//! with their records, those of internal topics decoded, and indexes are held against their logs;
//! with options, what Kafka's tool prints with them.

use std::error::Error;
use std::fmt;
use std::fs::File;
use std::io::{self, BufWriter, Seek, SeekFrom, Write};
use std::path::Path;

use kafkarium::dump::{Decoder, Dump, DumpOptions, Files, Source};

const USAGE: &str = "dump_log [--deep-iteration] [--print-data-log] [--index-sanity-check] \
    [--offsets-decoder] [--cluster-metadata-decoder] PATH…";

/// The suffixes of what can be printed.
const SUFFIXES: [&str; 6] = ["log", "index", "timeindex", "snapshot", "txnindex", "checkpoint"];

fn main() -> Result<(), Box<dyn Error>> {
    let (mut options, mut paths) = (DumpOptions::default(), Vec::new());
    for argument in std::env::args().skip(1) {
        match argument.as_str() {
            "--deep-iteration" => options.deep_iteration = true,
            "--print-data-log" => options.print_data_log = true,
            "--index-sanity-check" => options.index_sanity_check = true,
            "--offsets-decoder" => options.decoder = Decoder::Offsets,
            "--cluster-metadata-decoder" => options.decoder = Decoder::ClusterMetadata,
            option if option.starts_with("--") => return Err(USAGE.into()),
            path => collect(Path::new(path), &mut paths)?,
        }
    }
    if paths.is_empty() {
        return Err(USAGE.into());
    }
    let given = (options != DumpOptions::default()).then_some(options);
    match print(&paths, given) {
        // Whoever reads the output may stop, as `head` does.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        printed => Ok(printed?),
    }
}

/// A file, or all that can be printed in a directory, in order.
fn collect(path: &Path, paths: &mut Vec<String>) -> io::Result<()> {
    if !path.is_dir() {
        paths.push(path.to_string_lossy().into_owned());
        return Ok(());
    }
    let mut entries =
        std::fs::read_dir(path)?.map(|entry| Ok(entry?.path())).collect::<io::Result<Vec<_>>>()?;
    entries.sort();
    for entry in entries {
        let suffix = entry.extension().unwrap_or_default().to_string_lossy();
        if entry.is_dir() || SUFFIXES.contains(&&*suffix) {
            collect(&entry, paths)?;
        }
    }
    Ok(())
}

/// The options for who has given none.
fn options_for(path: &str) -> DumpOptions {
    let decoder = if path.contains("__consumer_offsets-") {
        Decoder::Offsets
    } else if path.contains("__cluster_metadata-") || path.ends_with(".checkpoint") {
        Decoder::ClusterMetadata
    } else {
        Decoder::Text
    };
    DumpOptions { print_data_log: true, decoder, ..DumpOptions::default() }
}

fn print(paths: &[String], given: Option<DumpOptions>) -> io::Result<()> {
    let mut out = Out { to: BufWriter::new(io::stdout().lock()), error: None };
    let mut dump = Dump::new(DumpOptions::default());
    let printed = paths.iter().try_for_each(|path| {
        dump.set_options(given.unwrap_or_else(|| options_for(path)));
        dump.file(path, &Os, &mut out)
    });
    let printed = printed.and_then(|()| dump.finish(&mut out));
    match (printed, out.error) {
        (_, Some(error)) => Err(error),
        (Err(error), None) => Err(io::Error::other(error)),
        (Ok(()), None) => out.to.flush(),
    }
}

/// Text that goes to the standard output; keeps the first error of it.
struct Out<W> {
    to: W,
    error: Option<io::Error>,
}

impl<W: Write> fmt::Write for Out<W> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.to.write_all(text.as_bytes()).map_err(|error| {
            self.error.get_or_insert(error);
            fmt::Error
        })
    }
}

/// The files of this machine.
struct Os;

struct OsFile {
    file: File,
    len: u64,
}

impl Files for Os {
    fn open(&self, path: &str) -> io::Result<Box<dyn Source + '_>> {
        let file = File::open(path)?;
        let len = file.metadata()?.len();
        Ok(Box::new(OsFile { file, len }))
    }
}

impl Source for OsFile {
    fn len(&self) -> u64 {
        self.len
    }

    fn read_exact_at(&self, position: u64, buffer: &mut [u8]) -> io::Result<()> {
        let mut file = &self.file;
        file.seek(SeekFrom::Start(position))?;
        io::Read::read_exact(&mut file, buffer)
    }
}
