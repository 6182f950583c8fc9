//! What a disk that fails on purpose keeps, and what it may lose.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;

use kafkarium::storage::{Disk, DiskFaults, FaultyDisk};

/// What is left of a file after power failures with many seeds; `None` for no file.
fn left(path: &str, write: impl Fn(&mut FaultyDisk)) -> BTreeSet<Option<Vec<u8>>> {
    let after = |seed| {
        let mut disk = FaultyDisk::new(DiskFaults::default(), seed);
        write(&mut disk);
        disk.power_off();
        assert!(disk.list("").is_err());
        disk.power_on();
        let file = disk.open(path).ok()?;
        Some(disk.read(file, 0, usize::MAX).unwrap().into_bytes().to_vec())
    };
    (0..400).map(after).collect()
}

fn strings(left: &BTreeSet<Option<Vec<u8>>>) -> Vec<String> {
    let text = |bytes: &Option<Vec<u8>>| match bytes {
        None => "gone".to_owned(),
        Some(bytes) => String::from_utf8(bytes.clone()).unwrap().replace('\0', "_"),
    };
    left.iter().map(text).collect()
}

#[test]
fn what_was_synced_with_its_directories_is_there() {
    let written = left("d/a", |disk| {
        let file = disk.create("d/a").unwrap();
        disk.append_bytes(file, b"abc").unwrap();
        disk.sync(file).unwrap();
        disk.sync_dir("d").unwrap();
        disk.sync_dir("").unwrap();
    });
    assert_eq!(strings(&written), ["abc"]);
}

#[test]
fn a_file_is_gone_whose_directory_was_not_synced() {
    for synced in ["", "d"] {
        let written = left("d/a", |disk| {
            let file = disk.create("d/a").unwrap();
            disk.append_bytes(file, b"abc").unwrap();
            disk.sync(file).unwrap();
            disk.sync_dir(synced).unwrap();
        });
        assert_eq!(strings(&written), ["gone", "abc"], "{synced}");
    }
}

#[test]
fn unsynced_writes_are_lost_whole_or_torn_each_by_itself() {
    let written = left("a", |disk| {
        let file = disk.create("a").unwrap();
        disk.sync_dir("").unwrap();
        disk.append_bytes(file, b"ab").unwrap();
        disk.sync(file).unwrap();
        disk.append_bytes(file, b"cd").unwrap();
        disk.append_bytes(file, b"ef").unwrap();
    });
    let all = ["ab", "ab__e", "ab__ef", "abc", "abc_e", "abc_ef", "abcd", "abcde", "abcdef"];
    assert_eq!(strings(&written), all);
}

#[test]
fn a_truncation_that_was_not_synced_may_come_undone() {
    let written = left("a", |disk| {
        let file = disk.create("a").unwrap();
        disk.append_bytes(file, b"abcd").unwrap();
        disk.sync(file).unwrap();
        disk.sync_dir("").unwrap();
        disk.truncate(file, 1).unwrap();
        disk.append_bytes(file, b"X").unwrap();
    });
    assert_eq!(strings(&written), ["a", "aX", "aXcd", "abcd"]);
}

#[test]
fn renames_survive_as_a_prefix() {
    let written = |path| {
        let write = |disk: &mut FaultyDisk| {
            for name in ["old", "new"] {
                let file = disk.create(name).unwrap();
                disk.append_bytes(file, name.as_bytes()).unwrap();
                disk.sync(file).unwrap();
            }
            disk.rename("old", "older").unwrap();
            disk.sync_dir("").unwrap();
            disk.rename("new", "newer").unwrap();
            disk.rename("older", "new").unwrap();
        };
        strings(&left(path, write))
    };
    assert_eq!(written("newer"), ["gone", "new"]);
    assert_eq!(written("new"), ["gone", "new", "old"]);
}

/// As on Linux: the pages count as clean after a failed fsync, and the next one says that all is
/// well.
#[test]
fn a_sync_after_a_failed_one_makes_nothing_durable_of_what_that_lost() {
    let written = left("a", |disk| {
        let file = disk.create("a").unwrap();
        disk.sync_dir("").unwrap();
        disk.append_bytes(file, b"ab").unwrap();
        disk.fail_sync(0);
        assert!(disk.sync(file).is_err());
        disk.append_bytes(file, b"cd").unwrap();
        disk.sync(file).unwrap();
    });
    assert_eq!(strings(&written), ["__cd", "a_cd", "abcd"]);
}

#[test]
fn the_power_fails_inside_an_operation() {
    let mut lengths = BTreeSet::new();
    for seed in 0..100 {
        let mut disk = FaultyDisk::new(DiskFaults::default(), seed);
        let file = disk.create("a").unwrap();
        disk.sync_dir("").unwrap();
        disk.fail_power_at(2);
        assert!(disk.append_bytes(file, b"abc").unwrap_err().to_string().contains("power is off"));
        assert!(disk.is_off() && disk.sync(file).is_err());
        disk.power_on();
        let file = disk.open("a").unwrap();
        lengths.insert(disk.len(file).unwrap());
    }
    assert_eq!(lengths, BTreeSet::from([0, 1, 2, 3]));
}

#[test]
fn writes_fail_in_part_disks_fill_up_and_bits_turn_over() {
    let mut disk = FaultyDisk::new(DiskFaults::default(), 7);
    let file = disk.create("a").unwrap();
    disk.fail_write(1);
    disk.append_bytes(file, b"abc").unwrap();
    assert!(disk.append_bytes(file, b"defgh").is_err());
    assert!(disk.len(file).unwrap() < 8);
    disk.truncate(file, 3).unwrap();
    disk.set_limit(4);
    let full = disk.append_bytes(file, b"de").unwrap_err();
    assert_eq!(full.to_string(), "a: the disk is full at position 3");
    disk.flip_bit("a", 1, 0).unwrap();
    assert_eq!(disk.read(file, 0, 9).unwrap().into_bytes(), "acc");
    assert!(disk.flip_bit("a", 3, 0).is_err() && disk.flip_bit("b", 0, 0).is_err());
    let rates = DiskFaults { write_permille: 300, sync_permille: 300 };
    let failures = |seed| {
        let mut disk = FaultyDisk::new(rates, seed);
        (0..100).filter(|i| disk.create(&i.to_string()).is_err()).collect::<Vec<_>>()
    };
    assert!((15..45).contains(&failures(1).len()));
    assert_eq!(failures(1), failures(1));
    assert_ne!(failures(1), failures(2));
}
