//! The log's rules, one by one, and properties that hold for any log.
#![allow(clippy::unwrap_used)]

mod common;

use common::batches::{BASE_OFFSET, LAST_OFFSET_DELTA, LENGTH, MAX_TIMESTAMP, put};
use kafkarium::ErrorCode;
use kafkarium::log::{IndexEntry, Log, LogConfig, LogError, RollReason};
use kafkarium::record::{BatchBuilder, BatchOptions, RecordBatch};
use kafkarium::storage::{Disk, MemoryDisk};
use kafkarium::types::{LeaderEpoch, Offset, Rope, Timestamp};
use proptest::prelude::*;

const NOW: Timestamp = Timestamp(1_000_000);

/// A batch of records with these timestamps, each with a value of `len` bytes.
fn batch_of(timestamps: &[i64], len: usize) -> RecordBatch {
    let mut builder = BatchBuilder::new(BatchOptions::default());
    for timestamp in timestamps {
        builder.append(Timestamp(*timestamp), None, Some(&vec![7; len]), &[]);
    }
    builder.build()
}

#[derive(Debug)]
struct Fixture {
    disk: MemoryDisk,
    log: Log,
}

impl Fixture {
    fn new(config: LogConfig) -> Self {
        Fixture { disk: MemoryDisk::new(), log: Log::new("orders-0", config) }
    }

    fn append(&mut self, timestamps: &[i64], len: usize) -> Result<Option<RollReason>, LogError> {
        let batch = batch_of(timestamps, len);
        let appended = self.log.append(&mut self.disk, NOW, batch, LeaderEpoch(0))?;
        Ok(appended.rolled.map(|roll| roll.reason))
    }

    /// The offsets of all records from an offset on, read as a consumer does.
    fn read_from(&self, from: i64, max_bytes: usize) -> Vec<i64> {
        let (mut next, mut offsets) = (Offset(from), Vec::new());
        while next < self.log.log_end_offset() {
            let end = self.log.log_end_offset();
            let read = self.log.read(&self.disk, next, max_bytes, end, true).unwrap();
            let batches = whole_batches(read.records);
            assert!(!batches.is_empty(), "a read makes progress");
            for batch in batches {
                let records = batch.records().map(|record| record.unwrap().offset);
                offsets.extend(records.filter(|offset| *offset >= next).map(|offset| offset.0));
                next = batch.next_offset();
            }
        }
        offsets
    }
}

fn whole_batches(mut rope: Rope) -> Vec<RecordBatch> {
    std::iter::from_fn(|| RecordBatch::split_from(&mut rope).unwrap()).collect()
}

#[test]
fn a_segment_may_be_filled_exactly() {
    let size = batch_of(&[0], 100).size_in_bytes() as u32;
    let mut f = Fixture::new(LogConfig { segment_bytes: 2 * size, ..LogConfig::default() });
    assert_eq!(f.append(&[0], 100), Ok(None));
    assert_eq!(f.append(&[0], 100), Ok(None));
    assert_eq!(f.append(&[0], 0), Ok(Some(RollReason::Size)));
    let names = f.disk.list("orders-0").unwrap();
    let files = ["index", "log", "timeindex"];
    let expected: Vec<String> = ["00000000000000000000", "00000000000000000002"]
        .iter()
        .flat_map(|base| files.map(|file| format!("{base}.{file}")))
        .collect();
    assert_eq!(names, expected);
}

#[test]
fn a_batch_that_no_segment_can_hold_is_refused() {
    let mut f = Fixture::new(LogConfig { segment_bytes: 100, ..LogConfig::default() });
    assert!(matches!(f.append(&[0], 100), Err(LogError::RecordListTooLarge { limit: 100, .. })));
    let mut f = Fixture::new(LogConfig { max_message_bytes: 100, ..LogConfig::default() });
    assert!(matches!(f.append(&[0], 100), Err(LogError::MessageTooLarge { limit: 100, .. })));
    assert_eq!((f.log.log_end_offset(), f.disk.bytes()), (Offset(0), 0));
}

#[test]
fn time_is_counted_between_first_and_incoming_timestamp() {
    let mut f = Fixture::new(LogConfig { segment_ms: 1000, ..LogConfig::default() });
    assert_eq!(f.append(&[5000, 5500], 1), Ok(None));
    // 6500 lies 1000 behind the first batch's largest timestamp: not more than segment.ms.
    assert_eq!(f.append(&[6500], 1), Ok(None));
    assert_eq!(f.append(&[6501], 1), Ok(Some(RollReason::Time)));
    assert_eq!(f.append(&[7501], 1), Ok(None));
}

#[test]
fn a_full_index_rolls() {
    // Every batch but a segment's first is indexed; an offset index has four places here.
    let config =
        LogConfig { segment_index_bytes: 36, index_interval_bytes: 0, ..LogConfig::default() };
    let mut f = Fixture::new(config);
    for _ in 0..5 {
        assert_eq!(f.append(&[5], 1), Ok(None));
    }
    assert_eq!(f.append(&[5], 1), Ok(Some(RollReason::OffsetIndexFull)));
    // Rising timestamps fill the time index, of which one place is kept free.
    let config =
        LogConfig { segment_index_bytes: 36, index_interval_bytes: 0, ..LogConfig::default() };
    let mut f = Fixture::new(config);
    for timestamp in 0..3 {
        assert_eq!(f.append(&[timestamp], 1), Ok(None));
    }
    assert_eq!(f.append(&[3], 1), Ok(Some(RollReason::TimeIndexFull)));
}

#[test]
fn a_segment_spans_an_int32_of_offsets() {
    let mut f = Fixture::new(LogConfig::default());
    f.append(&[0], 1).unwrap();
    // A log cannot jump; so the batch does, with a last offset delta at the limit.
    let mut builder = BatchBuilder::new(BatchOptions::default());
    builder.append_at(i32::MAX - 1, NOW, None, None, &[]);
    let wide = builder.build();
    let mut append = |batch| {
        let appended = f.log.append(&mut f.disk, NOW, batch, LeaderEpoch(0)).unwrap();
        appended.rolled.map(|roll| roll.reason)
    };
    assert_eq!(append(wide), None);
    assert_eq!(append(batch_of(&[0], 1)), Some(RollReason::OffsetOverflow));
}

/// The log gave a batch its end offset whatever that was, and the sum with the batch's last offset
/// delta overflowed where too few offsets were left.
#[test]
fn a_batch_at_the_end_of_all_offsets_overflowed() {
    let last_base = i64::MAX - (1 << 31);
    for log_end in [-1, last_base + 1, i64::MAX] {
        let mut f = Fixture::new(LogConfig::default());
        f.log.truncate_fully_and_start_at(&mut f.disk, Offset(log_end)).unwrap();
        let log_end = Offset(log_end);
        let refusal = f.append(&[0], 1).unwrap_err();
        assert_eq!(refusal, LogError::NoOffsetsLeft { log_end });
        assert_eq!(refusal.code(), ErrorCode::UnknownServerError);
        assert_eq!((f.log.log_end_offset(), f.disk.bytes()), (log_end, 0));
    }
    let mut f = Fixture::new(LogConfig::default());
    f.log.truncate_fully_and_start_at(&mut f.disk, Offset(last_base)).unwrap();
    let mut builder = BatchBuilder::new(BatchOptions::default());
    builder.append_at(i32::MAX, NOW, None, None, &[]);
    f.log.append(&mut f.disk, NOW, builder.build(), LeaderEpoch(0)).unwrap();
    let log_end = Offset(i64::MAX);
    assert_eq!(f.log.log_end_offset(), log_end);
    assert_eq!(f.append(&[0], 1), Err(LogError::NoOffsetsLeft { log_end }));
    assert_eq!(f.read_from(last_base, 1 << 20), [i64::MAX - 1]);
}

/// A segment that looks for an offset adds up what the headers on the disk say, before anything has
/// checked them: sums overflowed, and an index got entries that it cannot hold. Here a header of
/// the second batch of four is overwritten.
#[test]
fn a_header_on_the_disk_overflowed() {
    const FILE: &str = "orders-0/00000000000000000010.log";
    let table = [
        (BASE_OFFSET, -1),
        (BASE_OFFSET, i64::MAX),
        (BASE_OFFSET, i64::MAX - (1 << 32)),
        (BASE_OFFSET, 1 << 33),
        (BASE_OFFSET, 0),
        (BASE_OFFSET, 10),
        (LAST_OFFSET_DELTA, -1),
        (LAST_OFFSET_DELTA, i64::from(i32::MIN)),
        (LAST_OFFSET_DELTA, i64::from(i32::MAX)),
        (LENGTH, 0),
        (LENGTH, i64::from(i32::MAX)),
    ];
    for (field, value) in table {
        let mut f = Fixture::new(LogConfig { index_interval_bytes: 1000, ..LogConfig::default() });
        f.log.truncate_fully_and_start_at(&mut f.disk, Offset(10)).unwrap();
        for timestamp in 1..=4 {
            f.append(&[timestamp], 1).unwrap();
        }
        let file = f.disk.open(FILE).unwrap();
        let mut bytes = f.disk.read(file, 0, usize::MAX).unwrap().into_bytes().to_vec();
        let position = bytes.len() / 4;
        put(&mut bytes[position..], field, value);
        put(&mut bytes[position..], MAX_TIMESTAMP, 99);
        f.disk.truncate(file, 0).unwrap();
        f.disk.append_bytes(file, &bytes).unwrap();
        let error = f.log.read(&f.disk, Offset(12), 100, Offset(14), true).unwrap_err();
        let LogError::Corrupt { segment, position: at, .. } = error else { panic!("{error}") };
        assert_eq!((segment, at as usize), (Offset(10), position), "{field:?} {value}");
        assert_eq!(error.code(), ErrorCode::CorruptMessage);
        // It cannot be cut either, and stays as it was; what is appended lies behind it.
        let refused = f.log.truncate_to(&mut f.disk, Offset(13), NOW).unwrap_err();
        assert!(matches!(refused, LogError::Corrupt { .. }), "{refused}");
        assert_eq!(f.log.log_end_offset(), Offset(14));
        for timestamp in 5..=9 {
            f.append(&[timestamp], 500).unwrap();
        }
        let largest = f.log.max_timestamp_offset(&f.disk).unwrap();
        assert_eq!(largest.map(|(_, offset, _)| offset), Some(Offset(18)));
    }
}

/// A batch that has been parsed, not validated, moved the log's end back, or had no place in an
/// index.
#[test]
fn a_batch_without_offsets_moved_the_end_back() {
    let mut f = Fixture::new(LogConfig { index_interval_bytes: 0, ..LogConfig::default() });
    f.append(&[1, 2], 1).unwrap();
    for delta in [-1, -2, i64::from(i32::MIN)] {
        let mut bytes = batch_of(&[3], 1).encode().to_vec();
        put(&mut bytes, LAST_OFFSET_DELTA, delta);
        let batch = RecordBatch::parse(bytes.into()).unwrap();
        let refused = f.log.append(&mut f.disk, NOW, batch, LeaderEpoch(0)).unwrap_err();
        assert_eq!((&refused, refused.code()), (&LogError::NoRecords, ErrorCode::InvalidRecord));
    }
    assert_eq!(f.append(&[], 0), Err(LogError::NoRecords));
    assert_eq!(f.log.log_end_offset(), Offset(2));
    f.append(&[4], 1).unwrap();
    assert_eq!(f.read_from(0, 1000), [0, 1, 2]);
}

#[test]
fn an_entry_names_last_offset_and_first_byte() {
    let mut f = Fixture::new(LogConfig { index_interval_bytes: 150, ..LogConfig::default() });
    let size = batch_of(&[1, 1], 10).size_in_bytes() as u32;
    assert!(size < 150 && 2 * size > 150);
    for timestamp in [10, 30, 20, 40, 5] {
        f.append(&[timestamp, 1], 10).unwrap();
    }
    let segment = f.log.segments().next().unwrap();
    let entries: Vec<IndexEntry> = segment.offset_index().entries(&f.disk).unwrap();
    let expected = [(5, 2 * size), (9, 4 * size)]
        .map(|(offset, position)| IndexEntry { offset: Offset(offset), position });
    assert_eq!(entries, expected);
    // Of the batches up to the entry the largest timestamp counts: 30, from the second batch.
    let times: Vec<_> = segment
        .time_index()
        .entries(&f.disk)
        .unwrap()
        .iter()
        .map(|e| (e.timestamp.0, e.offset.0))
        .collect();
    assert_eq!(times, [(30, 3), (40, 7)]);
}

#[test]
fn reads_obey_their_limits() {
    let mut f = Fixture::new(LogConfig::default());
    let size = batch_of(&[0, 0], 50).size_in_bytes();
    for _ in 0..4 {
        f.append(&[0, 0], 50).unwrap();
    }
    let read = |from: i64, max, upper, min_one| {
        f.log
            .read(&f.disk, Offset(from), max, Offset(upper), min_one)
            .map(|read| read.records.len())
    };
    assert_eq!(read(0, 10 * size, 8, true), Ok(4 * size));
    // In the middle of a batch the whole batch is returned.
    assert_eq!(read(3, 10 * size, 8, true), Ok(3 * size));
    // The last batch may be cut; the first one never is.
    assert_eq!(read(0, size + 5, 8, true), Ok(size + 5));
    assert_eq!(read(0, 5, 8, true), Ok(size));
    assert_eq!(read(0, 5, 8, false), Ok(0));
    // Nothing at or above the upper limit.
    assert_eq!(read(0, 10 * size, 4, true), Ok(2 * size));
    assert_eq!(read(4, 10 * size, 4, true), Ok(0));
    assert_eq!(read(8, 10 * size, 8, true), Ok(0));
    for outside in [-1, 9] {
        let (offset, log_start, log_end) = (Offset(outside), Offset(0), Offset(8));
        let error = LogError::OffsetOutOfRange { offset, log_start, log_end };
        assert_eq!(read(outside, 10, 8, true), Err(error));
    }
}

#[test]
fn the_largest_timestamp_is_found_at_its_first_record() {
    let size = batch_of(&[0, 0], 9).size_in_bytes() as u32;
    let mut f = Fixture::new(LogConfig { segment_bytes: 2 * size, ..LogConfig::default() });
    assert_eq!(f.log.max_timestamp_offset(&f.disk), Ok(None));
    for timestamps in [[5, 9], [9, 1], [3, 9], [2, 2]] {
        f.append(&timestamps, 9).unwrap();
    }
    let found = f.log.max_timestamp_offset(&f.disk).unwrap();
    assert_eq!(found, Some((Timestamp(9), Offset(1), LeaderEpoch(0))));
}

#[test]
fn truncation_drops_whole_batches_and_segments() {
    let size = batch_of(&[0, 0], 9).size_in_bytes() as u32;
    let config =
        LogConfig { segment_bytes: 2 * size, index_interval_bytes: 0, ..LogConfig::default() };
    let mut f = Fixture::new(config);
    for timestamp in 0..6 {
        f.append(&[timestamp, timestamp], 9).unwrap();
    }
    let before = f.log.clone();
    let disk_before = f.disk.clone();
    // Offset 7 lies in the batch 6..=7, the second one of the segment at 4.
    f.log.truncate_to(&mut f.disk, Offset(7), NOW).unwrap();
    let bases: Vec<i64> = f.log.segments().map(|segment| segment.base_offset().0).collect();
    assert_eq!((bases, f.log.log_end_offset()), (vec![0, 4], Offset(7)));
    assert_eq!(f.log.segments().last().unwrap().size_in_bytes(), size);
    assert_eq!(f.log.segments().last().unwrap().offset_index().entry_count(), 0);
    assert_eq!(f.disk.bytes(), u64::from(3 * size) + 8 + 12);
    assert_eq!(f.append(&[9, 9], 9), Ok(None));
    assert_eq!(f.read_from(0, 1 << 20), [0, 1, 2, 3, 4, 5, 7, 8]);
    // The clone has kept everything.
    let old = Fixture { disk: disk_before, log: before };
    assert_eq!(old.read_from(0, 1 << 20), (0..12).collect::<Vec<_>>());

    f.log.advance_log_start(&mut f.disk, Offset(5)).unwrap();
    assert_eq!(f.log.segments().next().unwrap().base_offset(), Offset(4));
    assert_eq!(f.disk.list("orders-0").unwrap().len(), 3);
    f.log.truncate_to(&mut f.disk, Offset(2), NOW).unwrap();
    assert_eq!((f.log.log_start_offset(), f.log.log_end_offset()), (Offset(2), Offset(2)));
    assert_eq!((f.disk.bytes(), f.disk.list("orders-0").unwrap().len()), (0, 0));
    f.append(&[1], 1).unwrap();
    assert_eq!(f.log.segments().next().unwrap().base_offset(), Offset(2));
}

/// The same batches went through Kafka 4.3.1's own `LogSegment`, which wrote these index files and
/// gave these answers about timestamps.
#[test]
fn indexes_are_kafkas_to_the_byte() {
    const INDEX: &str =
        "000000050000022d00000007000003b50000000a0000080000000011000009f60000001500000bfc";
    const TIME_INDEX: &str = "00000000000005dc0000000500000000000007d00000000900000000\
                              00000a28000000110000000000000a2900000015";
    let batches = [
        (10, 1, 1000),
        (200, 2, 900),
        (30, 3, 1500),
        (150, 1, 1500),
        (150, 1, 1400),
        (400, 2, 2000),
        (5, 1, 1999),
        (5, 4, 2500),
        (250, 1, 100),
        (90, 2, 2600),
        (90, 2, 2600),
        (90, 2, 2601),
    ];
    let mut f = Fixture::new(LogConfig { index_interval_bytes: 300, ..LogConfig::default() });
    f.log.truncate_fully_and_start_at(&mut f.disk, Offset(100)).unwrap();
    for (len, count, timestamp) in batches {
        let timestamps: Vec<i64> = (0..count).map(|record| timestamp - record).collect();
        f.append(&timestamps, len).unwrap();
    }
    let mut file = |extension: &str| {
        let file = f.disk.open(&format!("orders-0/00000000000000000100.{extension}")).unwrap();
        f.disk.read(file, 0, usize::MAX).unwrap().into_bytes()
    };
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    assert_eq!(file("log").len(), 3327);
    assert_eq!(hex(&file("index")), INDEX);
    assert_eq!(hex(&file("timeindex")), TIME_INDEX);
    let table = [
        (0, Some((1000, 100))),
        (950, Some((1000, 100))),
        (1000, Some((1000, 100))),
        (1450, Some((1500, 103))),
        (1600, Some((2000, 108))),
        (2400, Some((2500, 111))),
        (2601, Some((2601, 120))),
        (2602, None),
    ];
    for (target, expected) in table {
        let found = f.log.offset_for_timestamp(&f.disk, Timestamp(target)).unwrap();
        assert_eq!(found.map(|(at, offset, _)| (at.0, offset.0)), expected, "{target}");
    }
}

/// A log from batches of any size and any timestamps, with small segments and a dense index.
fn logs() -> impl Strategy<Value = (Fixture, Vec<Vec<i64>>)> {
    let batches = prop::collection::vec(prop::collection::vec(0..500_i64, 1..6), 1..40);
    (batches, 300..2000_u32, 0..400_u32).prop_map(|(batches, segment_bytes, interval)| {
        let config = LogConfig {
            segment_bytes,
            index_interval_bytes: interval,
            segment_ms: 300,
            ..LogConfig::default()
        };
        let mut f = Fixture::new(config);
        for timestamps in &batches {
            f.append(timestamps, timestamps.len() * 7).unwrap();
        }
        (f, batches)
    })
}

proptest! {
    #[test]
    fn reading_on_and_on_gives_every_record_once((f, batches) in logs(), max in 1..3000_usize) {
        let count = batches.iter().map(Vec::len).sum::<usize>() as i64;
        for from in [0, count / 3, count - 1] {
            prop_assert_eq!(f.read_from(from, max), (from..count).collect::<Vec<_>>());
        }
    }

    #[test]
    fn the_time_index_finds_what_a_scan_finds((f, batches) in logs(), target in 0..520_i64) {
        let all = batches.iter().flatten().copied().zip(0_i64..);
        let scanned = all.clone().find(|(timestamp, _)| *timestamp >= target);
        let found = f.log.offset_for_timestamp(&f.disk, Timestamp(target)).unwrap();
        prop_assert_eq!(found.map(|(timestamp, offset, _)| (timestamp.0, offset.0)), scanned);
        let largest = all.clone().map(|(timestamp, _)| timestamp).max().unwrap();
        let first = all.clone().find(|(timestamp, _)| *timestamp == largest).unwrap();
        let found = f.log.max_timestamp_offset(&f.disk).unwrap().unwrap();
        prop_assert_eq!((found.0.0, found.1.0), first);
    }

    #[test]
    fn the_offset_index_finds_what_a_scan_finds((f, _) in logs()) {
        for segment in f.log.segments() {
            let base = segment.base_offset();
            let upper = f.log.log_end_offset();
            let read = f.log.read(&f.disk, base, usize::MAX, upper, true).unwrap();
            let mut position = 0;
            let places: Vec<IndexEntry> = whole_batches(read.records)
                .iter()
                .map(|batch| {
                    let place = IndexEntry { offset: batch.last_offset(), position };
                    position += batch.size_in_bytes() as u32;
                    place
                })
                .collect();
            prop_assert_eq!(position, segment.size_in_bytes());
            let entries: Vec<IndexEntry> = segment.offset_index().entries(&f.disk).unwrap();
            prop_assert!(entries.iter().all(|entry| places.contains(entry)));
            for offset in base.0..base.0 + 30 {
                let scanned = entries.iter().rfind(|entry| entry.offset <= Offset(offset)).copied();
                let found = segment.offset_index().lookup(&f.disk, Offset(offset)).unwrap();
                prop_assert_eq!(found, scanned);
            }
        }
    }
}
