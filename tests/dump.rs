//! What is printed of a real broker's files is what Kafka's own tool prints of them.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use kafkarium::dump::{Decoder, DiskFiles, Dump, DumpOptions, Files};
use kafkarium::storage::{Disk, MemoryDisk};

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

fn dump(path: &str, files: &dyn Files, options: DumpOptions) -> String {
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
    // The exception may have come in the middle of a line.
    let before = if printed.ends_with('\n') { before } else { before.trim_end() };
    assert_eq!(before, printed, "{name}");
    assert!(behind.lines().next().unwrap().contains(": "), "{name}: {behind}");
}

/// Compares all files of a fixture; says how many there are.
fn check(fixture: &str) -> usize {
    let files = read_all(&fixtures().join(fixture).join("data"));
    let recorded = read_all(&fixtures().join(format!("{fixture}.dump")));
    for (name, text) in &recorded {
        let (path, options) = options(name);
        let ours = dump(path, &files, options);
        compare(name, &ours, std::str::from_utf8(text).unwrap());
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

#[test]
fn records_that_brokers_write_rarely() {
    assert_eq!(check("odd"), 3);
}

#[test]
fn the_place_and_the_fault_are_named() {
    let files = read_all(&fixtures().join("damaged/data"));
    let last_line = |name: &str, suffix: &str, index_sanity_check| {
        let path = format!("{name}/00000000000000000031.{suffix}");
        let options =
            DumpOptions { deep_iteration: true, index_sanity_check, ..DumpOptions::default() };
        let (mut dump, mut out) = (Dump::new(options), String::new());
        dump.file(&path, &files, &mut out).unwrap();
        out.lines().last().unwrap().replace("00000000000000000031", "31")
    };
    let table = [
        (
            ("zeros-at-the-end", "log", false),
            "Stopped at position 2042 of zeros-at-the-end/31.log: batch length 0 is less than 14",
        ),
        (
            ("a-changed-length", "log", false),
            "Stopped at position 0 of a-changed-length/31.log: record 0: bad length",
        ),
        (
            ("index-beyond-the-log", "index", false),
            "Stopped at position 2042 of index-beyond-the-log/31.log: position 16778356 of an \
             index entry is not in the log",
        ),
        (
            ("index-without-log", "timeindex", false),
            "Stopped at position 0 of index-without-log/31.log: entity not found",
        ),
        (
            ("index-size", "index", true),
            "Stopped at position 16 of index-size/31.index: half an entry",
        ),
        (
            ("index-below-the-base", "timeindex", true),
            "Stopped at position 24 of index-below-the-base/31.timeindex: the last offset, \
             -16777158, is less than the first, 31",
        ),
    ];
    for ((name, suffix, sanity), expected) in table {
        assert_eq!(last_line(name, suffix, sanity), expected);
    }
}

#[test]
fn files_of_a_disk() {
    let files = read_all(&fixtures().join("clean/data"));
    let mut disk = MemoryDisk::default();
    for (path, bytes) in &files {
        let file = disk.create(path).unwrap();
        disk.append_bytes(file, bytes).unwrap();
    }
    let disk = DiskFiles::new(&mut disk);
    for path in files.keys() {
        let options = DumpOptions { print_data_log: true, ..DumpOptions::default() };
        assert_eq!(dump(path, &disk, options), dump(path, &files, options));
    }
}

/// Whatever stands in a file, the dump ends, and has said something.
#[test]
fn any_byte_may_be_wrong() {
    let mut files = BTreeMap::new();
    for fixture in ["odd", "transactions", "quorum"] {
        files.extend(read_all(&fixtures().join(fixture).join("data")));
    }
    let segment = "orders-0/00000000000000000031";
    let unclean = read_all(&fixtures().join("unclean/data"));
    files.extend(unclean.into_iter().filter(|(path, _)| path.starts_with(segment)));
    for path in files.keys() {
        let (_, options) = options(&format!("{path}.txt"));
        let bytes = &files[path];
        for at in (0..bytes.len()).step_by(1 + bytes.len() / 700) {
            for value in [0, 1, 0x7f, 0x80, 0xff] {
                let mut changed = files.clone();
                changed.get_mut(path).unwrap()[at] = value;
                assert!(!dump(path, &changed, options).is_empty());
                let sanity = DumpOptions { index_sanity_check: true, ..options };
                assert!(!dump(path, &changed, sanity).is_empty());
            }
            let mut cut = files.clone();
            cut.get_mut(path).unwrap().truncate(at);
            assert!(!dump(path, &cut, options).is_empty());
        }
    }
}
