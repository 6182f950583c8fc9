//! What a log answers to the batches of idempotent producers, and what it writes down of them.
#![allow(clippy::unwrap_used)]

use kafkarium::log::{
    Log, LogConfig, LogError, ProducerState, RollReason, SequenceCheck, SnapshotError,
    decode_producer_snapshot, encode_producer_snapshot,
};
use kafkarium::record::{BatchBuilder, BatchOptions, ControlRecord, ControlType, RecordBatch};
use kafkarium::storage::MemoryDisk;
use kafkarium::types::{LeaderEpoch, Offset, ProducerEpoch, ProducerId, Timestamp};

const PRODUCER: ProducerId = ProducerId(7);
const DAY_MS: i64 = 86_400_000;

/// A batch of a producer: epoch, first sequence number, number of records, timestamp.
fn batch_of(id: ProducerId, epoch: i16, sequence: i32, records: i32, at: i64) -> RecordBatch {
    let mut builder = BatchBuilder::new(BatchOptions {
        producer_id: id,
        producer_epoch: ProducerEpoch(epoch),
        base_sequence: sequence,
        ..BatchOptions::default()
    });
    for _ in 0..records {
        builder.append(Timestamp(at), None, Some(b"v"), &[]);
    }
    builder.build()
}

fn batch(epoch: i16, sequence: i32, records: i32) -> RecordBatch {
    batch_of(PRODUCER, epoch, sequence, records, i64::from(sequence))
}

fn log_of(disk: &mut MemoryDisk, batches: &[RecordBatch]) -> Log {
    let mut log = Log::new("orders-0", LogConfig::default());
    for batch in batches {
        append(disk, &mut log, batch, 0).unwrap();
    }
    log
}

/// What an append says: the offset at which the batch lies, and whether it lay there before.
fn append(
    disk: &mut MemoryDisk,
    log: &mut Log,
    batch: &RecordBatch,
    now: i64,
) -> Result<(i64, bool), i16> {
    let info = log.append(disk, Timestamp(now), batch.clone(), LeaderEpoch(0));
    info.map(|info| (info.base_offset.0, info.duplicate_of.is_some()))
        .map_err(|error| error.code().code())
}

/// Six batches of two records, in epoch 3: sequences 0 to 11 at the same offsets.
fn six() -> Vec<RecordBatch> {
    (0..6).map(|i| batch(3, 2 * i, 2)).collect()
}

#[test]
fn each_batch_gets_the_answer_of_its_place() {
    let table: &[(&str, RecordBatch, Result<(i64, bool), i16>)] = &[
        ("the last one again", batch(3, 10, 2), Ok((10, true))),
        ("the one before", batch(3, 8, 2), Ok((8, true))),
        ("the third", batch(3, 6, 2), Ok((6, true))),
        ("the fourth", batch(3, 4, 2), Ok((4, true))),
        ("the fifth", batch(3, 2, 2), Ok((2, true))),
        ("the sixth is forgotten", batch(3, 0, 2), Err(45)),
        ("the next one", batch(3, 12, 2), Ok((12, false))),
        ("a gap", batch(3, 13, 2), Err(45)),
        ("a part of one that is there", batch(3, 10, 1), Err(45)),
        ("two that are there as one", batch(3, 8, 4), Err(45)),
        ("an old epoch", batch(2, 12, 2), Err(47)),
        ("an old epoch, its numbers are there", batch(2, 10, 2), Err(47)),
        ("a new epoch from 0 on", batch(4, 0, 2), Ok((12, false))),
        ("a new epoch from elsewhere", batch(4, 12, 2), Err(45)),
        ("a new epoch, its numbers are there", batch(4, 10, 2), Err(45)),
        ("an unknown producer", batch_of(ProducerId(8), 5, 77, 2, 0), Ok((12, false))),
        ("no producer", batch_of(ProducerId::NONE, -1, -1, 2, 0), Ok((12, false))),
    ];
    let mut disk = MemoryDisk::new();
    let log = log_of(&mut disk, &six());
    for (what, batch, expected) in table {
        let (mut disk, mut log) = (disk.clone(), log.clone());
        let before = (log.log_end_offset(), log.producer_state().clone());
        assert_eq!(append(&mut disk, &mut log, batch, 0), *expected, "{what}");
        let appended = matches!(expected, Ok((_, false)));
        let has_changed = (log.log_end_offset(), log.producer_state().clone()) != before;
        assert_eq!(has_changed, appended, "{what}");
    }
}

#[test]
fn sequence_numbers_go_on_at_0_behind_the_largest() {
    let mut disk = MemoryDisk::new();
    // Three records: i32::MAX − 1, i32::MAX, 0.
    let across = batch(0, i32::MAX - 1, 3);
    let up_to = batch_of(ProducerId(8), 0, i32::MAX - 1, 2, 0);
    let mut log = log_of(&mut disk, &[across.clone(), up_to.clone()]);
    let stored = log.producer_state().producer(PRODUCER).unwrap().batches[0];
    assert_eq!((stored.first_sequence(), stored.last_sequence), (i32::MAX - 1, 0));
    assert_eq!(append(&mut disk, &mut log, &across, 0), Ok((0, true)));
    assert_eq!(append(&mut disk, &mut log, &up_to, 0), Ok((3, true)));
    assert_eq!(append(&mut disk, &mut log, &batch(0, 2, 1), 0), Err(45));
    assert_eq!(append(&mut disk, &mut log, &batch(0, 1, 1), 0), Ok((5, false)));
    assert_eq!(
        append(&mut disk, &mut log, &batch_of(ProducerId(8), 0, 0, 1, 0), 0),
        Ok((6, false))
    );
}

#[test]
fn a_producer_that_was_silent_for_long_is_forgotten() {
    let mut disk = MemoryDisk::new();
    let log = log_of(&mut disk, &[batch_of(PRODUCER, 5, 0, 2, 1000)]);
    // Late numbers and old epochs alike are those of somebody unknown, and so is the same again.
    for late in [batch(5, 90, 1), batch(4, 0, 1), batch_of(PRODUCER, 5, 0, 2, 1000)] {
        let (mut disk, mut log) = (disk.clone(), log.clone());
        let in_time = append(&mut disk, &mut log, &late, 1000 + DAY_MS - 1);
        assert_ne!(in_time, Ok((2, false)));
        assert_eq!(append(&mut disk, &mut log, &late, 1000 + DAY_MS), Ok((2, false)));
        assert_eq!(log.producer_state().producer(PRODUCER).unwrap().batches.len(), 1);
    }
}

#[test]
fn the_errors_tell_the_numbers() {
    let mut disk = MemoryDisk::new();
    let mut log = log_of(&mut disk, &six());
    let mut refuse =
        |batch| log.append(&mut disk, Timestamp(0), batch, LeaderEpoch(0)).unwrap_err().to_string();
    let gap = refuse(batch(3, 20, 1));
    assert_eq!(gap, "sequence 20 of producer 7 in epoch 3, where 12 is due");
    let old = refuse(batch(1, 12, 1));
    assert_eq!(old, "epoch 1 of producer 7 is over: the log has seen epoch 3");
}

/// A segment that has no room for the duplicate is followed by a new one all the same.
#[test]
fn a_duplicate_rolls_a_full_segment_as_in_kafka() {
    let mut disk = MemoryDisk::new();
    let size = batch(0, 0, 1).size_in_bytes() as u32;
    let config = LogConfig { segment_bytes: 2 * size, ..LogConfig::default() };
    let mut log = Log::new("orders-0", config);
    for i in 0..2 {
        append(&mut disk, &mut log, &batch(0, i, 1), 0).unwrap();
    }
    let info = log.append(&mut disk, Timestamp(0), batch(0, 1, 1), LeaderEpoch(0)).unwrap();
    assert_eq!(info.rolled.map(|roll| (roll.new_base.0, roll.reason)), Some((2, RollReason::Size)));
    assert_eq!((info.base_offset.0, info.duplicate_of.unwrap().timestamp.0), (1, 1));
    let info = log.append(&mut disk, Timestamp(0), batch(0, 1, 1), LeaderEpoch(0)).unwrap();
    assert_eq!(info.rolled, None);
    assert_eq!(append(&mut disk, &mut log, &batch(0, 2, 1), 0), Ok((2, false)));
    assert_eq!(log.segments().map(|s| s.base_offset().0).collect::<Vec<_>>(), [0, 2]);
}

#[test]
fn a_marker_raises_the_epoch_and_a_coordinator_has_no_sequence() {
    let mut state = ProducerState::default();
    for batch in six() {
        state.update(&batch);
    }
    let marker = |epoch| {
        let record = ControlRecord { control_type: ControlType::Abort, coordinator_epoch: 9 };
        record.batch(Timestamp(50), PRODUCER, ProducerEpoch(epoch))
    };
    assert!(matches!(state.check(&marker(2), false), Err(LogError::InvalidProducerEpoch { .. })));
    // One of the same epoch leaves the batches as they are.
    state.update(&marker(3));
    assert_eq!(state.producer(PRODUCER).unwrap().batches.len(), 5);
    assert_eq!(state.check(&marker(4), false), Ok(SequenceCheck::Append));
    state.update(&marker(4));
    let entry = state.producer(PRODUCER).unwrap();
    assert_eq!((entry.epoch.0, entry.batches.len(), entry.coordinator_epoch), (4, 0, 9));
    assert_eq!(entry.last_timestamp, Timestamp(50));
    assert!(state.check(&batch(4, 12, 2), true).is_err());
    assert_eq!(state.check(&batch(4, 0, 2), true), Ok(SequenceCheck::Append));
    assert_eq!(state.check(&batch(4, -1, 2), false), Ok(SequenceCheck::Append));
}

#[test]
fn a_truncation_takes_back_what_it_cuts() {
    let mut disk = MemoryDisk::new();
    let mut batches = six();
    batches.insert(3, batch_of(ProducerId(8), 0, 5, 2, 0));
    let mut log = log_of(&mut disk, &batches);
    log.truncate_to(&mut disk, Offset(6), Timestamp(0)).unwrap();
    assert_eq!(
        log.producer_state(),
        log_of(&mut MemoryDisk::new(), &batches[..3]).producer_state()
    );
    assert_eq!(append(&mut disk, &mut log, &batch(3, 6, 2), 0), Ok((6, false)));
    // Where nothing is left of a producer that had been there before the log's start, it is known.
    let mut log = log_of(&mut disk, &batches);
    log.advance_log_start(&mut disk, Offset(8)).unwrap();
    log.truncate_to(&mut disk, Offset(10), Timestamp(0)).unwrap();
    let sequences = |id| log.producer_state().producer(ProducerId(id)).unwrap().last_sequence();
    assert_eq!((sequences(7), sequences(8)), (7, 6));
    log.truncate_fully_and_start_at(&mut disk, Offset(4)).unwrap();
    assert!(log.producer_state().is_empty());
}

fn bytes(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> = hex.bytes().filter(u8::is_ascii_hexdigit).collect();
    digits
        .chunks(2)
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect()
}

/// Written by Kafka 4.3.1 when it was stopped, of a partition of three batches by three producers,
/// of 60 records each.
const THREE: &str = "
    0001e212871c00000003000000000000000100000000003b000000000000003b0000003b000001a211dea403
    ffffffffffffffffffffffff000000000000000200000000003b00000000000000770000003b000001a211deaa8d
    ffffffffffffffffffffffff000000000000000300000000003b00000000000000b30000003b000001a211deb098
    ffffffffffffffffffffffff";

/// Written by Kafka 4.3.1: a producer in its third epoch, and one of a transaction that was
/// committed, its marker being of a new epoch.
const MARKER: &str = "
    00018fa5d3c9000000020000000000000000000200000030000000000000003e00000015000001a211de9d9e
    ffffffffffffffffffffffff00000000000000040001ffffffffffffffffffffffff00000000000001a211debc0b
    00000000ffffffffffffffff";

#[test]
fn snapshots_are_what_kafka_writes() {
    for snapshot in [bytes(THREE), bytes(MARKER)] {
        let state = decode_producer_snapshot(&snapshot).unwrap();
        assert_eq!(encode_producer_snapshot(&state), snapshot);
    }
    // The same batches leave the same state behind.
    let times = [1_795_596_133_379, 1_795_596_135_053, 1_795_596_136_600];
    let batches = (1..).zip(times).map(|(id, at)| batch_of(ProducerId(id), 0, 0, 60, at));
    let log = log_of(&mut MemoryDisk::new(), &batches.collect::<Vec<_>>());
    assert_eq!(encode_producer_snapshot(log.producer_state()), bytes(THREE));
    assert_eq!(log.producer_state(), &decode_producer_snapshot(&bytes(THREE)).unwrap());

    let state = decode_producer_snapshot(&bytes(MARKER)).unwrap();
    let mut written = ProducerState::default();
    let id = ProducerId(4);
    written.update(&batch_of(id, 0, 0, 30, 0));
    let record = ControlRecord { control_type: ControlType::Commit, coordinator_epoch: 0 };
    written.update(&record.batch(Timestamp(0x1a2_11de_bc0b), id, ProducerEpoch(1)));
    assert_eq!(state.producer(id), written.producer(id));
    let empty = encode_producer_snapshot(&ProducerState::default());
    assert_eq!(empty, bytes("000148674bc700000000"), "as Kafka writes it without producers");
}

#[test]
fn a_damaged_snapshot_is_refused() {
    let snapshot = bytes(THREE);
    for len in 0..snapshot.len() {
        assert!(decode_producer_snapshot(&snapshot[..len]).is_err(), "{len} bytes");
    }
    for byte in 0..snapshot.len() {
        let mut damaged = snapshot.clone();
        damaged[byte] ^= 1;
        assert!(decode_producer_snapshot(&damaged).is_err(), "byte {byte}");
    }
    // A count that nothing stands behind, its checksum right.
    let with_crc = |mut bytes: Vec<u8>| {
        let crc = kafkarium::record::crc32c(&bytes[6..]);
        bytes[2..6].copy_from_slice(&crc.to_be_bytes());
        bytes
    };
    for count in [-1, 2, 4, i32::MAX] {
        let mut wrong = snapshot.clone();
        wrong[6..10].copy_from_slice(&i32::to_be_bytes(count));
        let error = decode_producer_snapshot(&with_crc(wrong)).unwrap_err();
        assert_eq!(error, SnapshotError::Length { count, len: snapshot.len() });
    }
    let mut early = snapshot.clone();
    early[32..36].copy_from_slice(&i32::MAX.to_be_bytes());
    let error = decode_producer_snapshot(&with_crc(early)).unwrap_err();
    assert_eq!(error.to_string(), "producer 0: its last batch begins before offset 0");
    assert_eq!(decode_producer_snapshot(&[0, 1]), Err(SnapshotError::TooShort { len: 2 }));
}
