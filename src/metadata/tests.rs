//! Records and files as Kafka 4.3.1 wrote them, and as its dump tool shows them.

use bytes::Bytes;

use super::files::{CleanShutdown, MetaProperties, PartitionMetadata, QuorumState};
use super::*;
use crate::record::RecordBatch;
use crate::types::{BrokerId, LeaderEpoch, Rope, TopicId};

/// Every record of a real log of metadata is read, shown as the tool shows it, and written again.
#[test]
fn a_real_log_of_metadata() {
    let mut log = Rope::from(Bytes::from_static(include_bytes!(
        "../../tests/referee/metadata/00000000000000000000.log"
    )));
    let shown = include_str!("../../tests/referee/metadata/payloads.txt");
    let mut expected = shown.lines().map(|line| line.split_once(' ').expect("offset, payload"));
    let mut next = expected.next();
    let (mut records, mut compared) = (0, 0);
    while let Some(batch) = RecordBatch::split_from(&mut log).expect("a sound log") {
        batch.validate().expect("a sound batch");
        if batch.is_control() {
            continue;
        }
        for record in batch.records() {
            let record = record.expect("a record");
            let value = record.value.expect("a value");
            let message = Message::decode(value).expect("a metadata record");
            assert_eq!(message.encode(), value, "{}", message.to_json());
            records += 1;
            match next.filter(|(offset, _)| *offset == record.offset.to_string()) {
                Some((_, json)) => {
                    assert_eq!(message.to_json(), json);
                    next = expected.next();
                    compared += 1;
                }
                None => assert_eq!(message.name(), Some("NO_OP_RECORD"), "{}", message.to_json()),
            }
        }
    }
    assert!(next.is_none() && compared > 30, "{compared} of {records}");
}

#[test]
fn damaged_records_are_errors_wherever_they_are_cut_or_changed() {
    let topic = Message::new("PARTITION_RECORD")
        .with("replicas", Value::Array(vec![Value::Int(1), Value::Int(2)]))
        .with("eligibleLeaderReplicas", Value::Array(vec![Value::Int(7)]));
    let bytes = topic.encode();
    assert_eq!(Message::decode(&bytes), Ok(topic));
    for len in 0..bytes.len() {
        assert!(Message::decode(&bytes[..len]).is_err(), "{len} bytes");
    }
    for place in 0..bytes.len() {
        for value in [0, 1, 0x7f, 0x80, 0xff] {
            let mut bytes = bytes.clone();
            bytes[place] = value;
            if let Ok(message) = Message::decode(&bytes) {
                assert!(message.encode().len() <= bytes.len() + 64);
            }
        }
    }
    let unknown = [1, 99, 0, 5, 6];
    let message = Message::decode(&unknown).expect("a record of another time");
    assert_eq!((message.name(), message.encode()), (None, unknown.to_vec()));
}

#[test]
fn the_small_files() {
    let real = b"#\n#Wed Nov 25 07:45:43 UTC 2026\nnode.id=1\n\
                 directory.id=lS_65ZxiQ-Hn5UGlZdonUg\nversion=1\ncluster.id=pHLRvSiNRf-RRcYnaC7iEA\n";
    let properties = MetaProperties::parse(real).expect("real properties");
    assert_eq!(properties.cluster_id, "pHLRvSiNRf-RRcYnaC7iEA");
    assert_eq!(properties.node_id, BrokerId(1));
    assert_eq!(properties.directory_id.to_string(), "lS_65ZxiQ-Hn5UGlZdonUg");
    assert_eq!(properties.to_text().as_bytes(), &real[real.len() - properties.to_text().len()..]);
    let wrong: [(&[u8], &str); 6] = [
        (b"version=1\nnode.id=x", "line 2 is not a node.id"),
        (b"version=2\n", "has version '2'"),
        (b"node.id=1", "has no version"),
        (b"version=1\nnode.id=1\n", "has no cluster.id"),
        (b"version", "line 1 is not a property"),
        (b"\xff", "is not UTF-8"),
    ];
    for (bytes, expected) in wrong {
        assert_eq!(
            MetaProperties::parse(bytes).map_err(|e| e.to_string()),
            Err(expected.to_owned())
        );
    }
    let partition = PartitionMetadata { topic_id: TopicId(1) };
    let real = "version: 0\ntopic_id: AAAAAAAAAAAAAAAAAAAAAQ";
    assert_eq!(partition.to_text(), real);
    assert_eq!(PartitionMetadata::parse(real.as_bytes()), Ok(partition));
    for wrong in ["", "version: 1\n", "version: 0\n", "version: 0\ntopic_id: AAA", "version: 0\nx"]
    {
        assert!(PartitionMetadata::parse(wrong.as_bytes()).is_err(), "{wrong}");
    }
    let shutdown = CleanShutdown { broker_epoch: 321 };
    assert_eq!(shutdown.to_text(), r#"{"version":0,"brokerEpoch":321}"#);
    let quorum = QuorumState { leader: BrokerId(1), leader_epoch: LeaderEpoch(2) };
    let real = "{\"clusterId\":\"\",\"leaderId\":1,\"leaderEpoch\":2,\"votedId\":-1,\
                \"appliedOffset\":0,\"currentVoters\":[{\"voterId\":1}],\"data_version\":0}";
    assert_eq!(quorum.to_text(), real);
}
