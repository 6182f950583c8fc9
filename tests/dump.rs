//! What is printed of a real broker's files is what Kafka's own tool prints of them.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use kafkarium::dump::{Decoder, Dump, DumpOptions};

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures")
}

/// All files below a directory, by their paths from there.
fn read_all(root: &Path) -> BTreeMap<String, Vec<u8>> {
    let (mut files, mut dirs) = (BTreeMap::new(), vec![root.to_owned()]);
    while let Some(dir) = dirs.pop() {
        for entry in std::fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                dirs.push(path);
            } else {
                let name = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
                files.insert(name, std::fs::read(&path).unwrap());
            }
        }
    }
    files
}

/// The options with which a text was recorded, and the file that it is about.
fn options(recorded: &str) -> (&str, DumpOptions) {
    let none = DumpOptions::default();
    let path = recorded.strip_suffix(".txt").unwrap();
    if let Some(path) = path.strip_suffix(".sanity") {
        return (path, DumpOptions { index_sanity_check: true, ..none });
    }
    if let Some(path) = path.strip_suffix(".deep") {
        return (path, DumpOptions { deep_iteration: true, ..none });
    }
    if let Some(path) = path.strip_suffix(".shallow") {
        return (path, none);
    }
    let decoder = if path.starts_with("__consumer_offsets") {
        Decoder::Offsets
    } else if path.starts_with("__cluster_metadata") || path.ends_with(".checkpoint") {
        Decoder::ClusterMetadata
    } else {
        Decoder::Text
    };
    let print_data_log = !path.starts_with("packed");
    (path, DumpOptions { print_data_log, decoder, ..none })
}

fn dump(path: &str, files: &BTreeMap<String, Vec<u8>>, options: DumpOptions) -> String {
    let (mut dump, mut out) = (Dump::new(options), String::new());
    dump.file(path, files, &mut out).unwrap();
    dump.finish(&mut out).unwrap();
    out
}

/// Where the tool throws, it says nothing of what it has found before; we do.
fn compare(name: &str, ours: &str, recorded: &str) {
    let Some((printed, _)) = recorded.split_once("Threw ") else {
        assert_eq!(ours, recorded, "{name}");
        return;
    };
    let (before, behind) = ours.split_once("Stopped at position ").unwrap();
    assert_eq!(before, printed, "{name}");
    assert!(behind.lines().next().unwrap().contains(": "), "{name}: {behind}");
}

/// The records of the metadata are not decoded; all else of them is compared.
fn without_payloads(text: &str) -> String {
    let line = |line: &str| format!("{}\n", line.split(" payload: ").next().unwrap());
    text.lines().map(line).collect()
}

/// Compares all files of a fixture; says how many there are.
fn check(fixture: &str) -> usize {
    let files = read_all(&fixtures().join(fixture).join("data"));
    let recorded = read_all(&fixtures().join(format!("{fixture}.dump")));
    for (name, text) in &recorded {
        let (path, options) = options(name);
        let ours = dump(path, &files, options);
        let recorded = std::str::from_utf8(text).unwrap();
        if options.decoder == Decoder::ClusterMetadata {
            compare(name, &without_payloads(&ours), &without_payloads(recorded));
        } else {
            compare(name, &ours, recorded);
        }
    }
    recorded.len()
}

#[test]
fn a_clean_directory() {
    assert!(check("clean") > 100);
}

#[test]
fn preallocated_indexes() {
    assert!(check("unclean") > 30);
}

#[test]
fn transactions_and_packed_batches() {
    assert!(check("transactions") > 15);
}

#[test]
fn the_voters_of_a_dynamic_quorum() {
    assert_eq!(check("quorum"), 1);
}

#[test]
fn damaged_files() {
    assert!(check("damaged") > 50);
}
