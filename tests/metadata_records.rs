//! The metadata logs and snapshots of a real Kafka, and what its tools print of them: see
//! `tests/referee/metadata`.
#![allow(clippy::unwrap_used)]

use std::path::{Path, PathBuf};

use kafkarium::metadata::records::PartitionRecord;
use kafkarium::metadata::{
    Message, MetadataError, Record, Uuid, control_to_json, decode, decode_control, encode,
    encode_control, to_json,
};
use kafkarium::record::RecordBatch;
use kafkarium::types::Rope;

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/referee/metadata").join(name)
}

const LOGS: [&str; 7] = [
    "one/__cluster_metadata-0/00000000000000000000.log",
    "one/bootstrap.checkpoint",
    "three/00000000000000000000.log",
    "voters/00000000000000000000-0000000000.checkpoint",
    "voters/00000000000000000000.log",
    "voters/00000000000000000024-0000000001.checkpoint",
    "voters/bootstrap.checkpoint",
];

/// The batches of a file, each of them sound, up to its end.
fn batches(name: &str) -> Vec<RecordBatch> {
    let mut rope = Rope::from(bytes::Bytes::from(std::fs::read(golden(name)).unwrap()));
    let mut batches = Vec::new();
    while let Some(batch) = RecordBatch::split_from(&mut rope).unwrap() {
        batch.validate().unwrap();
        batches.push(batch);
    }
    assert!(rope.is_empty(), "{name}");
    batches
}

/// All values of all logs that are no control records.
fn values() -> Vec<Vec<u8>> {
    let batches = LOGS.iter().flat_map(|name| batches(name)).filter(|batch| !batch.is_control());
    let values = |batch: RecordBatch| -> Vec<Vec<u8>> {
        batch.records().map(|record| record.unwrap().value.unwrap().to_vec()).collect()
    };
    batches.flat_map(values).chain(cases().into_iter().map(|(value, _)| value)).collect()
}

/// Bytes and JSON of records that no broker wrote, as Kafka's classes have them.
fn cases() -> Vec<(Vec<u8>, String)> {
    let text = std::fs::read_to_string(golden("records.txt")).unwrap();
    let byte = |two: &[u8]| u8::from_str_radix(std::str::from_utf8(two).unwrap(), 16).unwrap();
    let case = |line: &str| {
        let (hex, json) = line.split_once(' ').unwrap();
        (hex.as_bytes().chunks(2).map(byte).collect(), json.to_owned())
    };
    text.lines().map(case).collect()
}

#[test]
fn logs_of_a_real_kafka_are_read_as_its_tool_reads_them() {
    for name in LOGS {
        let dump = std::fs::read_to_string(golden(&format!("{name}.txt"))).unwrap();
        let mut lines = dump.lines().filter(|line| line.starts_with("| "));
        for batch in batches(name) {
            for record in batch.records() {
                let record = record.unwrap();
                let len = |bytes: Option<&[u8]>| bytes.map_or(-1, |bytes| bytes.len() as i64);
                let said = if batch.is_control() {
                    let message = decode_control(record.key, record.value).unwrap().unwrap();
                    message.to_string()
                } else {
                    format!("payload: {}", to_json(&decode(record.value.unwrap()).unwrap()))
                };
                let line = format!(
                    "| offset: {} CreateTime: {} keySize: {} valueSize: {} sequence: -1 \
                     headerKeys: [] {said}",
                    record.offset,
                    record.timestamp.0,
                    len(record.key),
                    len(record.value)
                );
                assert_eq!(lines.next(), Some(&*line), "{name}");
            }
        }
        assert_eq!(lines.next(), None, "{name}");
    }
}

#[test]
fn each_record_of_a_real_kafka_is_encoded_to_the_same_bytes() {
    for name in LOGS {
        for batch in batches(name) {
            for record in batch.records() {
                let record = record.unwrap();
                if batch.is_control() {
                    let message = decode_control(record.key, record.value).unwrap().unwrap();
                    let (key, value) = encode_control(&message);
                    assert_eq!((record.key, record.value), (Some(&key[..]), Some(&value[..])));
                    assert!(control_to_json(&message).starts_with("{\"version\":0"));
                } else {
                    let value = record.value.unwrap();
                    assert_eq!((record.key, &*encode(&decode(value).unwrap())), (None, value));
                }
            }
        }
    }
}

#[test]
fn all_types_in_all_versions() {
    let cases = cases();
    for (value, json) in &cases {
        let record = decode(value).unwrap();
        assert!(!matches!(record.message, Message::Other { .. }), "{json}");
        assert_eq!((to_json(&record), encode(&record)), (json.clone(), value.clone()));
    }
    let types: std::collections::BTreeSet<(i16, i16)> = cases
        .iter()
        .map(|(value, _)| decode(value).unwrap())
        .map(|record| (record.message.api_key(), record.version))
        .collect();
    assert_eq!(types.len(), 26 + 4 + 2 + 2 + 3, "{types:?}");
}

#[test]
fn a_record_that_ends_early_or_late_is_refused() {
    for value in values() {
        for cut in 0..value.len() {
            assert!(decode(&value[..cut]).is_err(), "{value:?} up to {cut}");
        }
        let longer = [&value[..], b"!"].concat();
        assert!(matches!(decode(&longer), Err(MetadataError::Trailing { bytes: 1, .. })));
    }
}

/// What can still be read means something, and what it means can be written.
#[test]
fn a_changed_byte_does_no_harm() {
    for value in values() {
        for at in 0..value.len() {
            for change in [1, 0x7f, 0x80, 0xff] {
                let mut changed = value.clone();
                changed[at] ^= change;
                if let Ok(record) = decode(&changed) {
                    let again = decode(&encode(&record)).unwrap();
                    assert_eq!(to_json(&again), to_json(&record));
                }
            }
        }
    }
}

#[test]
fn what_nobody_knows_is_kept() {
    // A message of type 99, version 3.
    let value = [1, 99, 3, 0xde, 0xad];
    let record = decode(&value).unwrap();
    assert_eq!(record.message.api_key(), 99);
    assert_eq!((encode(&record), record.version), (value.to_vec(), 3));
    assert_eq!(to_json(&record), r#"{"apiKey":99,"version":3,"data":"3q0="}"#);
    // A broker is fenced; then a tagged field 7, which has two bytes.
    let value = [1, 7, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 2, 1, 7, 2, 5, 6];
    let record = decode(&value).unwrap();
    assert_eq!(encode(&record), value);
    assert_eq!(
        to_json(&record),
        r#"{"type":"FENCE_BROKER_RECORD","version":0,"data":{"id":1,"epoch":2}}"#
    );
}

#[test]
fn what_is_wrong_is_said() {
    let table: &[(&[u8], &str)] = &[
        (b"", "frame: no frame version at byte 0"),
        (&[2, 2, 0], "a frame of version 2, where only 1 is known"),
        (&[1, 0xff, 0xff, 3, 0], "65535 is no api key"),
        (&[1, 2, 1], "version 1 of TopicRecord, where 0 is the highest known"),
        (&[1, 2, 0, 0], "TopicRecord: no name at byte 3"),
        (&[1, 2, 0, 3, 0xff, 0xff], "TopicRecord: no name at byte 4"),
        (&[1, 2, 0, 1, 0], "TopicRecord: no topicId at byte 4"),
        (&[1, 4, 0, 4, 2, b'a'], "ConfigRecord: no name at byte 6"),
        // Four thousand million items, of which none is there.
        (&[1, 14, 0, 0xff, 0xff, 0xff, 0xff, 0x0f, 0], "ClientQuotaRecord: no entity at byte 8"),
        (&[1, 20, 0, 1, 0, 5], "NoOpRecord: no tagged field at byte 4"),
        (&[1, 20, 0, 2, 1, 0, 1, 0], "NoOpRecord: no tagged field at byte 6"),
        (&[1, 23, 0, 1, 0, 3, 2, b'a', b'b'], "BeginTransactionRecord: no tagged field at byte 4"),
        (&[1, 20, 0, 0, 9, 9], "NoOpRecord: 2 bytes follow it"),
    ];
    for (value, expected) in table {
        assert_eq!(decode(value).unwrap_err().to_string(), *expected);
    }
    let header = [0, 0, 0, 3];
    let control = |key, value| decode_control(key, value).unwrap_err().to_string();
    assert_eq!(control(None, None), "a record without key");
    assert_eq!(control(Some(&[0, 0, 0]), None), "key of a control record: no type at byte 2");
    assert_eq!(control(Some(&header), None), "SnapshotHeaderRecord: no version at byte 0");
    assert_eq!(decode_control(Some(&[0, 0, 0, 1]), None), Ok(None));
    assert_eq!(decode_control(Some(&[0, 0, 0, 7]), None), Ok(None));
}

/// What a version does not have is not written.
#[test]
fn a_field_comes_with_its_version() {
    let record = |version| {
        let message = PartitionRecord {
            directories: vec![Uuid(9)],
            eligible_leader_replicas: Some(vec![1]),
            ..Default::default()
        };
        Record { version, message: message.into() }
    };
    let lens = [0, 1, 2].map(|version| encode(&record(version)).len());
    assert_eq!(lens, [40, 57, 64]);
}
