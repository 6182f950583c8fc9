//! Bytes that nobody can trust: whatever stands in them, reading a batch gives data or
//! an error, and never panics.
#![allow(clippy::unwrap_used)]

mod common;

use bytes::Bytes;
use common::batches::{
    BASE_OFFSET, COUNT, FIELDS, GOLDEN, LAST_OFFSET_DELTA, LENGTH, MAGIC, PLAIN, bytes, fit_crc,
    put,
};
use kafkarium::ErrorCode;
use kafkarium::record::{BATCH_OVERHEAD, BatchError, ControlRecord, RecordBatch, varint};
use kafkarium::types::{LeaderEpoch, Offset, Timestamp};
use proptest::prelude::*;

/// `validate`, `last_offset`, `next_offset` and `{:?}` added the last offset delta to a base offset
/// near the end of all offsets, which the checksum does not cover, and overflowed.
#[test]
fn a_base_offset_near_the_end_overflowed() {
    let at = |offset: i64, delta: i32| {
        let mut batch = bytes(PLAIN).to_vec();
        put(&mut batch, BASE_OFFSET, offset);
        put(&mut batch, LAST_OFFSET_DELTA, i64::from(delta));
        fit_crc(&mut batch);
        RecordBatch::parse(batch.into())
    };
    // Behind the last base offset that may be, the widest batch just ends before i64::MAX.
    let last_base = i64::MAX - (1 << 31);
    for offset in [0, 1, last_base] {
        assert_eq!(at(offset, 2).unwrap().validate(), Ok(()));
        assert_eq!(at(offset, i32::MAX).unwrap().next_offset(), offset + (1 << 31));
        read_all(&at(offset, i32::MIN).unwrap());
    }
    for offset in [i64::MIN, -1, last_base + 1, i64::MAX] {
        let error = BatchError::BaseOffset(offset);
        assert_eq!(at(offset, 2), Err(error));
        assert_eq!(error.code(), ErrorCode::InvalidRecord);
        let batch = RecordBatch::parse(bytes(PLAIN)).unwrap();
        assert_eq!(batch.with_base_offset(Offset(offset), LeaderEpoch(0)), Err(error));
    }
}

#[test]
fn every_field_may_be_extreme() {
    for (golden, field) in GOLDEN.iter().flat_map(|golden| FIELDS.map(|field| (golden, field))) {
        for value in EXTREMES {
            let mut hostile = bytes(golden).to_vec();
            put(&mut hostile, field, value);
            look_at(&hostile);
            fit_crc(&mut hostile);
            look_at(&hostile);
        }
    }
}

proptest! {
    #[test]
    fn hostile_bytes_are_refused_without_panic(
        sound in prop::sample::select(&GOLDEN[..]),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
        fields in prop::collection::vec((prop::sample::select(&FIELDS[..]), extreme()), 0..4),
        cut in any::<prop::sample::Index>(),
        forge in any::<bool>(),
    ) {
        let mut hostile = bytes(sound).to_vec();
        for (at, value) in &changes {
            let at = at.index(hostile.len());
            hostile[at] = *value;
        }
        for (field, value) in fields {
            put(&mut hostile, field, value);
        }
        if forge {
            fit_crc(&mut hostile);
        }
        look_at(&hostile);
        hostile.truncate(cut.index(hostile.len()));
        look_at(&hostile);
    }

    #[test]
    fn hostile_records_are_refused_without_panic(
        records in prop::collection::vec(hostile_record(), 1..4),
        fields in prop::collection::vec((prop::sample::select(&FIELDS[..]), extreme()), 0..2),
    ) {
        let mut hostile = bytes(PLAIN)[..BATCH_OVERHEAD].to_vec();
        hostile.extend(records.concat());
        let length = hostile.len() as i64 - 12;
        put(&mut hostile, LENGTH, length);
        put(&mut hostile, LAST_OFFSET_DELTA, records.len() as i64 - 1);
        put(&mut hostile, COUNT, records.len() as i64);
        for (field, value) in fields {
            put(&mut hostile, field, value);
        }
        fit_crc(&mut hostile);
        look_at(&hostile);
    }

    #[test]
    fn noise_is_refused_without_panic(noise in prop::collection::vec(any::<u8>(), 0..300)) {
        let mut noise = noise;
        look_at(&noise);
        // With the length, the magic and the checksum of a batch it goes further, and not far.
        if let Some(length) = noise.len().checked_sub(12).filter(|_| noise.len() > BATCH_OVERHEAD) {
            put(&mut noise, LENGTH, length as i64);
            put(&mut noise, MAGIC, 2);
            put(&mut noise, BASE_OFFSET, 0);
            fit_crc(&mut noise);
            let batch = RecordBatch::parse(Bytes::from(noise.clone())).unwrap();
            prop_assert!(batch.validate().is_err());
            look_at(&noise);
        }
    }
}

/// Numbers at which arithmetic goes wrong. The last offset at which a batch may begin lies 2³¹
/// below the largest number.
const EXTREMES: [i64; 15] = [
    i64::MIN,
    i64::MIN + 1,
    i32::MIN as i64 - 1,
    i32::MIN as i64,
    i32::MIN as i64 + 1,
    -2,
    -1,
    0,
    1,
    i32::MAX as i64 - 1,
    i32::MAX as i64,
    i32::MAX as i64 + 1,
    i64::MAX - (1 << 31),
    i64::MAX - (1 << 31) + 1,
    i64::MAX,
];

fn extreme() -> impl Strategy<Value = i64> {
    prop::sample::select(&EXTREMES[..])
}

/// A record each of whose numbers may be extreme: timestamp and offset delta, the lengths of key
/// and value, the count of headers, the lengths of a header, and its own length.
fn hostile_record() -> impl Strategy<Value = Vec<u8>> {
    let or_extreme = |sound: i64| prop_oneof![4 => Just(sound), 1 => extreme()];
    let without_header = [0, 0, -1, -1, 0].map(or_extreme);
    let with_header = [0, 0, -1, -1, 1, 0, -1].map(or_extreme);
    let fields = prop_oneof![
        without_header.prop_map(|fields| fields.to_vec()),
        with_header.prop_map(|fields| fields.to_vec()),
    ];
    (fields, prop::option::weighted(0.1, extreme())).prop_map(|(fields, length)| {
        let mut body = vec![0];
        fields.iter().for_each(|&field| put_varint(&mut body, field));
        let mut record = Vec::new();
        put_varint(&mut record, length.unwrap_or(body.len() as i64));
        record.extend(body);
        record
    })
}

fn put_varint(out: &mut Vec<u8>, value: i64) {
    let mut encoded = [0; 10];
    let len = varint::write(&mut encoded, value);
    out.extend_from_slice(&encoded[..len]);
}

/// Bytes that parse give themselves back, and nothing that can be asked of them panics.
fn look_at(hostile: &[u8]) {
    let Ok(batch) = RecordBatch::parse(Bytes::copy_from_slice(hostile)) else { return };
    assert_eq!(batch.encode(), hostile);
    read_all(&batch);
    read_all(&batch.with_log_append_time(Timestamp(i64::MIN)));
    read_all(&batch.with_log_append_time(Timestamp(i64::MAX)));
}

/// Calls every reader of a batch; whatever is yielded lies within it.
fn read_all(batch: &RecordBatch) {
    assert!(Offset(0) <= batch.base_offset() && batch.last_offset() < batch.next_offset());
    let _ = (batch.validate(), batch.validate_from_producer(), batch.verify_crc());
    let _ = (batch.crc(), batch.attributes(), batch.compression(), batch.timestamp_type());
    let _ = (batch.is_transactional(), batch.is_control(), batch.delete_horizon());
    let _ = (batch.base_timestamp(), batch.max_timestamp(), batch.leader_epoch());
    let _ = (batch.producer_id(), batch.producer_epoch(), batch.is_dense());
    let _ = (batch.last_offset_delta(), batch.record_count(), batch.prefix());
    assert!(batch.base_sequence() < 0 || batch.last_sequence() >= 0);
    assert!(!format!("{batch:?} {:?}", batch.records()).is_empty());
    let size = batch.size_in_bytes();
    assert!(batch.records().finish().is_ok() == (size == BATCH_OVERHEAD));
    for start in [i32::MIN, -1, 0, 1, i32::MAX] {
        let mut seen = 0;
        for record in batch.records().starting_at(start) {
            let Ok(record) = record else { break };
            seen += 1;
            let headers = record.headers().take_while(Result::is_ok).count();
            assert!(seen <= size && headers <= size);
            assert!(i32::try_from(record.offset - batch.base_offset()).is_ok());
            assert!(!format!("{record:?} {:?}", record.headers()).is_empty());
            let _ = ControlRecord::parse(&record);
        }
    }
}
