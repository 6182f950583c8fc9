//! Batches are built, and read, as Apache Kafka 4.3.1 does.
#![allow(clippy::unwrap_used)]

mod common;

use common::batches::{ABORT, APPEND_TIME, COMMIT, HORIZON, PLAIN, TRANSACTIONAL, bytes, fit_crc};
use kafkarium::record::{
    BatchBuilder, BatchError, BatchOptions, Compression, ControlRecord, ControlType, RecordBatch,
    TimestampType, crc32c,
};
use kafkarium::types::{LeaderEpoch, Offset, ProducerEpoch, ProducerId, Timestamp};
use proptest::prelude::*;

const START: Timestamp = Timestamp(1_767_225_600_000);

/// What we build is Kafka's bytes, and Kafka's bytes are found sound.
fn check(built: &RecordBatch, hex: &str) -> RecordBatch {
    assert_eq!(built.encode(), bytes(hex));
    let parsed = RecordBatch::parse(bytes(hex)).unwrap();
    parsed.validate().unwrap();
    assert_eq!(parsed, *built);
    parsed
}

fn transactional() -> BatchOptions {
    BatchOptions {
        producer_id: ProducerId(4711),
        producer_epoch: ProducerEpoch(5),
        base_sequence: 42,
        transactional: true,
        ..BatchOptions::default()
    }
}

#[test]
fn a_plain_batch_with_nulls_and_headers() {
    let mut builder = BatchBuilder::new(BatchOptions::default());
    let headers: [(&str, Option<&[u8]>); 2] = [("till", Some(b"3")), ("void", None)];
    builder.append(START, Some(b"alice"), Some(b"espresso"), &headers);
    builder.append(Timestamp(START.0 + 250), None, Some(b"no key"), &[]);
    builder.append(Timestamp(START.0 - 1000), Some(b"tombstone"), None, &[]);
    let batch = check(&builder.build(), PLAIN);
    let records: Vec<_> = batch.records().map(Result::unwrap).collect();
    assert_eq!(records[0].key, Some(&b"alice"[..]));
    assert_eq!(records[0].headers().map(Result::unwrap).collect::<Vec<_>>(), headers);
    assert_eq!((records[1].key, records[1].offset), (None, Offset(1)));
    assert_eq!((records[2].value, records[2].timestamp.0), (None, START.0 - 1000));
    assert_eq!(batch.max_timestamp().0, START.0 + 250);
    batch.validate_from_producer().unwrap();
}

#[test]
fn the_brokers_clock_and_leader_epoch() {
    let mut builder = BatchBuilder::new(BatchOptions::default());
    builder.append(START, Some(b"k"), Some(b"v"), &[]);
    let created = builder.build();
    let appended = created.with_log_append_time(Timestamp(START.0 + 999));
    let batch = check(&appended.with_base_offset(Offset(7), LeaderEpoch(3)).unwrap(), APPEND_TIME);
    assert_eq!(batch.timestamp_type(), TimestampType::LogAppendTime);
    assert_eq!(batch.records().next().unwrap().unwrap().timestamp.0, START.0 + 999);
    assert_eq!(created.records().next().unwrap().unwrap().timestamp, START);
}

#[test]
fn producer_id_epoch_and_sequence() {
    let mut builder = BatchBuilder::new(transactional());
    builder.append(START, Some(b"k"), Some(b"v"), &[]);
    builder.append(START, Some(b"k"), Some(b"w"), &[]);
    let batch = check(&builder.build(), TRANSACTIONAL);
    assert_eq!((batch.producer_id(), batch.producer_epoch()), (ProducerId(4711), ProducerEpoch(5)));
    assert_eq!((batch.base_sequence(), batch.last_sequence()), (42, 43));
    assert!(batch.is_transactional() && !batch.is_control());
}

#[test]
fn markers_end_transactions() {
    for (control_type, hex) in [(ControlType::Commit, COMMIT), (ControlType::Abort, ABORT)] {
        let marker = ControlRecord { control_type, coordinator_epoch: 8 };
        let built = marker.batch(START, ProducerId(4711), ProducerEpoch(5));
        let batch = check(&built.with_base_offset(Offset(9), LeaderEpoch(3)).unwrap(), hex);
        assert!(batch.is_control());
        let record = batch.records().next().unwrap().unwrap();
        assert_eq!(ControlRecord::parse(&record), Ok(Some(marker)));
        let batch = batch.with_base_offset(Offset(0), LeaderEpoch(-1)).unwrap();
        assert!(matches!(batch.validate_from_producer(), Err(BatchError::NotFromProducer(_))));
    }
}

#[test]
fn a_delete_horizon_takes_the_place_of_the_base_timestamp() {
    let horizon = Timestamp(START.0 + 86_400_000);
    let options = BatchOptions { delete_horizon: Some(horizon), ..BatchOptions::default() };
    let mut builder = BatchBuilder::new(options);
    builder.append(START, Some(b"gone"), None, &[]);
    let built = builder.build().with_base_offset(Offset(20), LeaderEpoch(3)).unwrap();
    let batch = check(&built, HORIZON);
    assert_eq!(batch.delete_horizon(), Some(horizon));
    assert_eq!(batch.records().next().unwrap().unwrap().timestamp, START);
}

#[test]
fn check_values() {
    assert_eq!(crc32c(b"123456789"), 0xe306_9283);
    assert_eq!(kafkarium::hash::crc32(b"123456789"), 0xcbf4_3926);
    let table = [
        ("", 275_646_681),
        ("foobar", -790_332_482),
        ("a-little-bit-long-string", -985_981_536),
        ("a-little-bit-longer-string", -1_486_304_829),
    ];
    for (text, hash) in table {
        assert_eq!(kafkarium::hash::murmur2(text.as_bytes()), hash, "{text}");
    }
    let groups = [("my-group", 12), ("order-processor", 23), ("g1", 42), ("polygenelubricants", 0)];
    for (group, partition) in groups {
        assert_eq!(kafkarium::hash::group_partition(group, 50), partition, "{group}");
    }
}

#[test]
fn each_fault_has_its_error() {
    let sound = bytes(PLAIN);
    let with = |at: usize, value: u8| {
        let mut changed = sound.to_vec();
        changed[at] = value;
        RecordBatch::parse(changed.into()).and_then(|batch| batch.validate())
    };
    assert!(matches!(with(16, 1), Err(BatchError::Magic(1))));
    assert!(matches!(with(17, 0), Err(BatchError::Crc { .. })));
    assert!(matches!(with(70, 0), Err(BatchError::Crc { .. })));
    assert!(matches!(with(8, 0x80), Err(BatchError::Length(_))));
    assert!(matches!(with(11, 0x70), Err(BatchError::Trailing(1))));
    let cut = RecordBatch::parse(sound.slice(..40));
    assert!(matches!(cut, Err(BatchError::TooShort { len: 40, .. })));
    // With the checksum made to fit, what lies behind it is looked at.
    let forged = |at: usize, value: u8| {
        let mut changed = sound.to_vec();
        changed[at] = value;
        fit_crc(&mut changed);
        RecordBatch::parse(changed.into()).unwrap().validate_from_producer()
    };
    // As in Kafka, the count is compared with the offsets before a record is read.
    assert_eq!(forged(60, 4), Err(BatchError::Count { stated: 4, found: 3 }));
    assert!(matches!(forged(57, 0x80), Err(BatchError::Count { .. })));
    assert!(matches!(forged(22, 7), Err(BatchError::UnknownCodec(7))));
    // Kafka unpacks a batch to validate it, and takes none that it cannot unpack.
    assert_eq!(forged(22, 1), Err(BatchError::UnsupportedCodec(Compression::Gzip)));
    assert!(matches!(forged(61, 0xff), Err(BatchError::Malformed { record: 0, .. })));
    assert!(matches!(forged(42, 9), Err(BatchError::MaxTimestamp)));
}

type Parts = (i64, Option<Vec<u8>>, Option<Vec<u8>>, Vec<(String, Option<Vec<u8>>)>);

fn record() -> impl Strategy<Value = Parts> {
    let payload = || prop::option::of(prop::collection::vec(any::<u8>(), 0..200));
    let headers = prop::collection::vec(("[a-z]{0,8}", payload()), 0..4);
    (-5000_i64..5000, payload(), payload(), headers)
}

proptest! {
    #[test]
    fn what_is_built_is_read(records in prop::collection::vec(record(), 1..40)) {
        let mut builder = BatchBuilder::new(BatchOptions::default());
        for (delta, key, value, headers) in &records {
            let headers: Vec<_> =
                headers.iter().map(|(k, v)| (k.as_str(), v.as_deref())).collect();
            let timestamp = Timestamp(START.0 + delta);
            builder.append(timestamp, key.as_deref(), value.as_deref(), &headers);
        }
        let size = builder.size_in_bytes();
        let batch = RecordBatch::parse(builder.build().encode()).unwrap();
        prop_assert_eq!(batch.size_in_bytes(), size);
        batch.validate_from_producer().unwrap();
        let read: Vec<Parts> = batch
            .records()
            .map(|record| {
                let record = record.unwrap();
                let header = |h: Result<(&str, Option<&[u8]>), BatchError>| {
                    let (key, value) = h.unwrap();
                    (key.to_owned(), value.map(<[u8]>::to_vec))
                };
                let headers = record.headers().map(header).collect();
                let (key, value) = (record.key, record.value);
                let (key, value) = (key.map(<[u8]>::to_vec), value.map(<[u8]>::to_vec));
                (record.timestamp.0 - START.0, key, value, headers)
            })
            .collect();
        prop_assert_eq!(read, records);
    }

    #[test]
    fn one_changed_bit_behind_the_checksum_is_noticed(at in 21_usize..125, bit in 0..8_u8) {
        let mut changed = bytes(PLAIN).to_vec();
        changed[at] ^= 1 << bit;
        let batch = RecordBatch::parse(changed.into()).unwrap();
        let noticed = matches!(batch.validate(), Err(BatchError::Crc { .. }));
        prop_assert!(noticed);
    }
}
