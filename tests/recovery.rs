//! A log is opened from its files: after a clean end, after a crash, and after damage.
#![allow(clippy::unwrap_used)]

use kafkarium::log::{
    Log, LogConfig, LogStart, ProducerState, RecoveryStep, encode_producer_snapshot,
};
use kafkarium::record::{BatchBuilder, BatchOptions, RecordBatch};
use kafkarium::storage::{Disk, MemoryDisk};
use kafkarium::types::{LeaderEpoch, Offset, ProducerEpoch, ProducerId, Timestamp};

const DIR: &str = "orders-0";
const NOW: Timestamp = Timestamp(1_000_000);
const BATCHES: i64 = 9;

fn batch(timestamp: i64) -> RecordBatch {
    let mut builder = BatchBuilder::new(BatchOptions::default());
    for value in ["a", "b"] {
        builder.append(Timestamp(timestamp), None, Some(value.as_bytes()), &[]);
    }
    builder.build()
}

/// Every second batch is indexed, and each segment holds four.
fn config() -> LogConfig {
    let size = batch(0).size_in_bytes() as u32;
    LogConfig { segment_bytes: 4 * size, index_interval_bytes: size, ..LogConfig::default() }
}

fn start(clean: bool, recovery_point: i64) -> LogStart {
    let recovery_point = Offset(recovery_point);
    LogStart { clean, recovery_point, log_start_offset: Offset::ZERO, now: NOW }
}

/// Nine batches in three segments, of leader epochs 0 and 3.
fn written() -> (MemoryDisk, Log) {
    let mut disk = MemoryDisk::new();
    let mut log = Log::create(&mut disk, DIR, config(), NOW).unwrap();
    for i in 0..BATCHES {
        let epoch = LeaderEpoch(if i < 5 { 0 } else { 3 });
        log.append(&mut disk, NOW, batch(100 + i), epoch).unwrap();
    }
    (disk, log)
}

fn open(disk: &mut MemoryDisk, start: LogStart) -> (Log, Vec<String>) {
    let (log, steps) = Log::open(disk, DIR, config(), start).unwrap();
    (log, steps.iter().map(RecoveryStep::to_string).collect())
}

/// What can be seen of a log: its ends, its epochs, its segments with their indexes, its bytes.
fn seen(log: &Log, disk: &dyn Disk) -> String {
    let (from, to) = (log.log_start_offset(), log.log_end_offset());
    let mut seen = format!("{from}..{to} {:?}", log.leader_epochs().entries());
    for segment in log.segments() {
        let offsets = segment.offset_index().entries(disk).unwrap();
        let base = segment.base_offset();
        let read = log.read(disk, base.max(from), usize::MAX, to, true).unwrap();
        let (size, largest) = (segment.size_in_bytes(), segment.largest_timestamp());
        seen += &format!("\n{base} {size} {offsets:?} {largest:?} {:?}", read.records.into_bytes());
    }
    seen
}

fn file(disk: &mut MemoryDisk, name: &str) -> Vec<u8> {
    let file = disk.open(&format!("{DIR}/{name}")).unwrap();
    disk.read(file, 0, usize::MAX).unwrap().into_bytes().to_vec()
}

fn overwrite(disk: &mut MemoryDisk, name: &str, bytes: &[u8]) {
    let path = format!("{DIR}/{name}");
    let _ = disk.remove(&path);
    let file = disk.create(&path).unwrap();
    disk.append_bytes(file, bytes).unwrap();
}

const LAST: &str = "00000000000000000016";
const MIDDLE: &str = "00000000000000000008";

#[test]
fn a_log_that_was_closed_opens_without_a_scan() {
    let (mut disk, mut log) = written();
    log.close(&mut disk).unwrap();
    assert_eq!(log.recovery_point(), 18);
    let before = seen(&log, &disk);
    let (mut opened, steps) = open(&mut disk, start(true, 18));
    assert_eq!((seen(&opened, &disk), steps.len()), (before, 0));
    // It goes on where it ended, and its index as if it had never been closed.
    let mut disks = [disk.clone(), disk];
    for (log, disk) in [&mut log, &mut opened].into_iter().zip(&mut disks) {
        for i in 0..3 {
            log.append(disk, NOW, batch(200 + i), LeaderEpoch(3)).unwrap();
        }
    }
    assert_eq!(seen(&opened, &disks[1]), seen(&log, &disks[0]));
}

/// Nothing was flushed, nothing was lost: the process died and the operating system went on.
#[test]
fn a_log_that_was_not_closed_is_read_from_its_recovery_point_on() {
    let (mut disk, mut log) = written();
    let before = seen(&log, &disk);
    log.flush_below(&mut disk, Offset(8)).unwrap();
    for (recovery_point, scanned) in [(0, 3), (7, 3), (8, 2), (15, 2), (16, 1), (18, 1)] {
        let (opened, steps) = open(&mut disk.clone(), start(false, recovery_point));
        assert_eq!(steps.len(), scanned, "{steps:?}");
        assert!(steps.iter().all(|step| step.starts_with("reads segment")), "{steps:?}");
        assert_eq!(seen(&opened, &disk), before);
    }
}

/// A batch that was being written when the power went off is cut, wherever it was torn.
#[test]
fn a_torn_tail_is_cut_at_the_last_whole_batch() {
    let (mut disk, _) = written();
    let size = batch(0).size_in_bytes();
    let whole = file(&mut disk, &format!("{MIDDLE}.log"));
    for len in 0..whole.len() {
        let mut disk = disk.clone();
        overwrite(&mut disk, &format!("{MIDDLE}.log"), &whole[..len]);
        let (log, steps) = open(&mut disk, start(false, 8));
        let batches = len / size;
        assert_eq!(log.log_end_offset(), 8 + 2 * batches as i64, "{len} bytes: {steps:?}");
        // What lay behind it goes, too: there would be a hole.
        assert_eq!(steps.last().unwrap(), "drops segment 16");
        assert_eq!(log.segments().len(), 2);
        let kept = file(&mut disk, &format!("{MIDDLE}.log"));
        assert_eq!(kept, whole[..batches * size]);
        assert_eq!(file(&mut disk, &format!("{MIDDLE}.index")).len(), 8 * (batches / 3));
    }
}

#[test]
fn a_flipped_bit_is_found_behind_the_recovery_point() {
    let (mut disk, _) = written();
    let size = batch(0).size_in_bytes();
    let whole = file(&mut disk, &format!("{MIDDLE}.log"));
    for byte in 0..whole.len() {
        let mut disk = disk.clone();
        let mut bytes = whole.clone();
        bytes[byte] ^= 0x10;
        overwrite(&mut disk, &format!("{MIDDLE}.log"), &bytes);
        let (log, steps) = open(&mut disk, start(false, 8));
        // The checksum does not cover base offset and leader epoch.
        let place = byte % size;
        let end = if (12..16).contains(&place) { 18 } else { 8 + 2 * (byte / size) as i64 };
        assert_eq!(log.log_end_offset(), end, "byte {byte}: {steps:?}");
    }
}

#[test]
fn indexes_that_are_missing_or_cannot_be_right_are_built_anew() {
    let (mut disk, mut log) = written();
    log.close(&mut disk).unwrap();
    let before = seen(&log, &disk);
    for (name, bytes) in [
        (".index", None),
        (".timeindex", None),
        (".index", Some(&[1, 2, 3][..])),
        (".index", Some(&[0, 0, 0, 1, 0, 0x10, 0, 0][..])),
        (".timeindex", Some(&[0xff; 12][..])),
        (".timeindex", Some(&[0; 13][..])),
    ] {
        let mut disk = disk.clone();
        let name = format!("{MIDDLE}{name}");
        match bytes {
            None => disk.remove(&format!("{DIR}/{name}")).unwrap(),
            Some(bytes) => overwrite(&mut disk, &name, bytes),
        }
        let (opened, steps) = open(&mut disk, start(true, 18));
        assert_eq!(steps[0], "builds the indexes of segment 8 anew", "{name}");
        assert_eq!(seen(&opened, &disk), before, "{name}");
    }
}

/// An index that was missing had its whole segment read; a flipped bit in it then cut records that
/// had been durable for long, and dropped every segment behind them.
#[test]
fn damage_below_the_recovery_point_cuts_nothing() {
    let (mut disk, mut log) = written();
    log.close(&mut disk).unwrap();
    disk.remove(&format!("{DIR}/{MIDDLE}.index")).unwrap();
    let mut bytes = file(&mut disk, &format!("{MIDDLE}.log"));
    let place = batch(0).size_in_bytes() + 70;
    bytes[place] ^= 1;
    overwrite(&mut disk, &format!("{MIDDLE}.log"), &bytes);
    let error = Log::open(&mut disk, DIR, config(), start(true, 18)).unwrap_err();
    assert!(error.to_string().starts_with("segment 8, position 77: checksum "), "{error}");
    assert_eq!(file(&mut disk, &format!("{MIDDLE}.log")), bytes);
    assert!(!file(&mut disk, &format!("{LAST}.log")).is_empty());
}

#[test]
fn what_was_interrupted_is_finished_or_undone() {
    let (mut disk, mut log) = written();
    log.close(&mut disk).unwrap();
    let bytes = file(&mut disk, &format!("{MIDDLE}.log"));
    for name in ["00000000000000000000.log.deleted", "00000000000000000020.log.cleaned"] {
        overwrite(&mut disk, name, b"x");
    }
    overwrite(&mut disk, "00000000000000000099.index", b"");
    overwrite(&mut disk, "leader-epoch-checkpoint.tmp", b"");
    // A cleaned segment of everything up to 16 takes the place of two.
    let first = file(&mut disk, "00000000000000000000.log");
    overwrite(&mut disk, "00000000000000000000.log.swap", &[first, bytes].concat());
    let (opened, steps) = open(&mut disk, start(true, 18));
    let expected = [
        "removes 00000000000000000000.log.deleted",
        "removes 00000000000000000020.log.cleaned",
        "removes leader-epoch-checkpoint.tmp",
        "finishes the swap of 0",
        "removes 00000000000000000099.index",
    ];
    assert_eq!(steps[..5], expected);
    let bases: Vec<_> = opened.segments().map(|segment| segment.base_offset().0).collect();
    assert_eq!((bases, opened.log_end_offset().0), (vec![0, 16], 18));
    let read = opened.read(&disk, Offset(9), 1, Offset(18), true).unwrap().records.into_bytes();
    assert_eq!(RecordBatch::parse(read).unwrap().base_offset(), 8);
    assert!(disk.list(DIR).unwrap().iter().all(|name| !name.ends_with("swap")));
}

#[test]
fn a_log_that_ends_before_it_starts_is_emptied() {
    let (mut disk, mut log) = written();
    log.close(&mut disk).unwrap();
    let start = LogStart { log_start_offset: Offset(40), ..start(true, 18) };
    let (log, steps) = open(&mut disk, start);
    assert_eq!((log.log_start_offset().0, log.log_end_offset().0), (40, 40));
    assert_eq!(steps.len(), 3);
    assert_eq!(disk.list(DIR).unwrap(), ["leader-epoch-checkpoint"]);
}

#[test]
fn damaged_checkpoints_and_segments_are_errors_that_name_the_file() {
    let (mut disk, mut log) = written();
    log.close(&mut disk).unwrap();
    overwrite(&mut disk, "leader-epoch-checkpoint", b"0\n1\nx y\n");
    let error = Log::open(&mut disk, DIR, config(), start(true, 18)).unwrap_err().to_string();
    assert!(error.starts_with("orders-0/leader-epoch-checkpoint: "), "{error}");
    // Below the recovery point no crash leaves anything behind that is not whole.
    let (mut disk, mut log) = written();
    log.close(&mut disk).unwrap();
    overwrite(&mut disk, &format!("{LAST}.log"), &[7; 80]);
    let error = Log::open(&mut disk, DIR, config(), start(true, 18)).unwrap_err().to_string();
    assert!(error.starts_with("segment 16, position 0: "), "{error}");
}

/// Nine batches in three segments by two producers in turn.
fn produced() -> (MemoryDisk, Log) {
    let mut disk = MemoryDisk::new();
    let mut log = Log::create(&mut disk, DIR, config(), NOW).unwrap();
    for i in 0..BATCHES {
        let mut builder = BatchBuilder::new(BatchOptions {
            producer_id: ProducerId(i % 2),
            producer_epoch: ProducerEpoch(0),
            base_sequence: 2 * (i / 2) as i32,
            ..BatchOptions::default()
        });
        for value in ["a", "b"] {
            builder.append(Timestamp(100 + i), None, Some(value.as_bytes()), &[]);
        }
        log.append(&mut disk, NOW, builder.build(), LeaderEpoch(0)).unwrap();
    }
    (disk, log)
}

/// What is known of producers by the batches that lie in a log.
fn by_batches(log: &Log, disk: &dyn Disk) -> ProducerState {
    let mut state = ProducerState::default();
    let (mut next, end) = (log.log_start_offset(), log.log_end_offset());
    while next < end {
        let mut records = log.read(disk, next, usize::MAX, end, true).unwrap().records;
        while let Some(batch) = RecordBatch::split_from(&mut records).unwrap() {
            state.update(&batch);
            next = batch.next_offset();
        }
    }
    state
}

fn snapshots(disk: &MemoryDisk) -> Vec<i64> {
    let names = disk.list(DIR).unwrap();
    let snapshots = names.iter().filter_map(|name| name.strip_suffix(".snapshot"));
    snapshots.map(|digits| digits.parse().unwrap()).collect()
}

/// However a log is opened, it knows of each producer the last batch that it holds. Batches behind
/// the snapshot that it began with are known as well as if it had never been closed.
#[test]
fn producers_are_known_after_each_kind_of_opening() {
    let (mut closed_disk, mut closed) = produced();
    closed.close(&mut closed_disk).unwrap();
    assert_eq!(snapshots(&closed_disk), [8, 16, 18]);
    let snapshot = |at: i64| format!("{at:020}.snapshot");
    let whole = file(&mut closed_disk.clone(), &format!("{LAST}.log"));
    // A crash with this recovery point, or a clean end; files to damage, files to remove; how many
    // batches of producer 0, which wrote the last one, are remembered; the snapshots afterwards.
    type Case = (Option<i64>, Vec<(String, Vec<u8>)>, Vec<String>, usize, Vec<i64>);
    let table: Vec<Case> = vec![
        (None, vec![], vec![], 1, vec![8, 16, 18]),
        (Some(0), vec![], vec![], 1, vec![8, 16, 18]),
        (Some(18), vec![], vec![snapshot(18)], 2, vec![8, 16, 18]),
        (None, vec![], vec![snapshot(16), snapshot(18)], 4, vec![8, 18]),
        (Some(8), vec![], vec![snapshot(8), snapshot(16), snapshot(18)], 5, vec![18]),
        (None, vec![(snapshot(18), vec![1; 102])], vec![], 2, vec![8, 16, 18]),
        (Some(16), vec![(format!("{LAST}.log"), whole[..70].to_vec())], vec![], 1, vec![8, 16]),
        (Some(8), vec![(format!("{MIDDLE}.log"), vec![])], vec![], 1, vec![8]),
        (None, vec![(snapshot(99), vec![1]), (snapshot(5), vec![1])], vec![], 1, vec![8, 16, 18]),
    ];
    for (crash, damage, removed, remembered, kept) in table {
        let mut disk = closed_disk.clone();
        for (name, bytes) in &damage {
            overwrite(&mut disk, name, bytes);
        }
        for name in &removed {
            disk.remove(&format!("{DIR}/{name}")).unwrap();
        }
        let what = format!("{crash:?} {damage:?} {removed:?}");
        let recovery_point = crash.unwrap_or(18);
        let (log, _) = open(&mut disk, start(crash.is_none(), recovery_point));
        let (known, expected) = (log.producer_state(), by_batches(&log, &disk));
        let last = encode_producer_snapshot(known);
        assert_eq!(last, encode_producer_snapshot(&expected), "{what}");
        let entry = known.producer(ProducerId(0)).unwrap();
        assert_eq!(entry.batches.len(), remembered, "{what}");
        let all = &expected.producer(ProducerId(0)).unwrap().batches;
        assert!(all.ends_with(&entry.batches), "{what}");
        assert_eq!(snapshots(&disk), kept, "{what}");
    }
}

#[test]
fn a_damaged_snapshot_gives_way_to_the_one_before() {
    let (mut disk, mut log) = produced();
    log.close(&mut disk).unwrap();
    for at in [16, 18] {
        overwrite(&mut disk, &format!("{at:020}.snapshot"), b"damaged");
    }
    let (_, steps) = open(&mut disk, start(true, 18));
    let removed = [18, 16].map(|at| format!("removes {at:020}.snapshot"));
    assert_eq!(steps, removed);
}

#[test]
fn snapshots_go_with_what_they_tell_of() {
    let (disk, log) = produced();
    let after = |act: &dyn Fn(&mut Log, &mut MemoryDisk)| {
        let (mut disk, mut log) = (disk.clone(), log.clone());
        act(&mut log, &mut disk);
        snapshots(&disk)
    };
    assert_eq!(after(&|_, _| {}), [8, 16]);
    assert_eq!(after(&|log, disk| log.truncate_to(disk, Offset(12), NOW).unwrap()), [8]);
    assert_eq!(after(&|log, disk| log.advance_log_start(disk, Offset(17)).unwrap()), [16]);
    let anew = |log: &mut Log, disk: &mut MemoryDisk| {
        log.truncate_fully_and_start_at(disk, Offset(3)).unwrap();
    };
    assert_eq!(after(&anew), [] as [i64; 0]);
    assert_eq!(after(&|log, disk| log.clone().remove(disk).unwrap()), [] as [i64; 0]);
}

/// A producer of a snapshot that has been silent for a day is not known after the opening.
#[test]
fn an_opening_forgets_who_has_expired() {
    let (mut disk, mut log) = produced();
    log.close(&mut disk).unwrap();
    let last = 100 + BATCHES - 1;
    for (now, known) in [(last - 2, 2), (last - 1, 1), (last, 0)] {
        let now = Timestamp(now + 86_400_000);
        let (log, _) = open(&mut disk.clone(), LogStart { now, ..start(true, 18) });
        assert_eq!(log.producer_state().producers().len(), known);
    }
}
