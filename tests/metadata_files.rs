//! The small files of a real Kafka's directory, read and written again: see
//! `tests/referee/metadata`.
#![allow(clippy::unwrap_used)]

use std::path::Path;

use bytes::Bytes;
use kafkarium::log::EpochEntry;
use kafkarium::log::checkpoint::{
    encode_leader_epochs, encode_offsets, parse_leader_epochs, parse_offsets,
};
use kafkarium::metadata::Uuid;
use kafkarium::metadata::files::{
    BatchContent, CleanShutdown, MetaProperties, MetadataBatch, PartitionMetadata, QuorumState,
    QuorumStateForm, Snapshot, encode_batches, parse_batches, parse_snapshot_file_name,
    snapshot_file_name,
};
use kafkarium::types::{LeaderEpoch, Offset, Timestamp};

fn golden(name: &str) -> Bytes {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/referee/metadata");
    std::fs::read(folder.join(name)).unwrap().into()
}

#[test]
fn meta_properties() {
    // When they were written stands in them in whole seconds.
    let table = [
        ("one", "EW26tTZtTxygZ_2aL4AM2g", "pZxD0BG36pART3l_eNEFbA", 1_795_593_828),
        ("voters", "CW2oIaIUTZSb8JYG4yYWXg", "Ahi0nVuwQj6V1bVOUGJgAA", 1_795_593_849),
    ];
    for (folder, cluster_id, directory_id, seconds) in table {
        let file = golden(&format!("{folder}/meta.properties"));
        let read = MetaProperties::parse(&file).unwrap();
        let expected = MetaProperties {
            cluster_id: cluster_id.to_owned(),
            node_id: 1,
            directory_id: Some(directory_id.parse().unwrap()),
        };
        assert_eq!(read, expected);
        assert_eq!(read.encode(Timestamp(seconds * 1000 + 7)).as_bytes(), file, "{folder}");
    }
}

#[test]
fn meta_properties_that_are_wrong() {
    let table = [
        ("", "line 1: version is missing"),
        ("version=1\nnode.id=1\n", "line 2: cluster.id is missing"),
        ("version=1\ncluster.id=a\n", "line 2: node.id is missing"),
        ("cluster.id=a\nversion=0\nbroker.id=1\n", "line 2: version 0 is not known"),
        ("version=1\ncluster.id=a\n\nnode.id=x\n", "line 4: no node.id"),
        ("version=one\n", "line 1: no version"),
        ("version=1\ncluster.id=a\nnode.id=1\ndirectory.id=a\n", "line 4: no directory.id"),
        ("version=1\ncluster.id=\\u00\n", "line 2: no \\uXXXX of four digits"),
    ];
    for (text, expected) in table {
        let error = MetaProperties::parse(text.as_bytes()).unwrap_err();
        assert_eq!(error.to_string(), expected, "{text:?}");
    }
}

#[test]
fn partition_metadata() {
    for (name, id) in [("__cluster_metadata-0", Uuid::METADATA_TOPIC_ID), ("orders-0", orders())] {
        let file = golden(&format!("one/{name}/partition.metadata"));
        let read = PartitionMetadata::parse(&file).unwrap();
        assert_eq!(read, PartitionMetadata::new(id));
        assert_eq!(read.to_string().as_bytes(), file);
    }
    let table: &[(&[u8], &str)] = &[
        (b"", "line 1: version is missing"),
        (b"0", "line 1: no version"),
        (b"version:0", "line 1: no version"),
        (b"version: x", "line 1: no version"),
        (b"version: -1", "line 1: version -1 is not known"),
        (b"version: 0\n", "line 2: topic_id is missing"),
        (b"version: 0\ntopic_id: AAAAAAAAAAAAAAAAAAAAAA", "line 2: no topic_id"),
        (b"version: 0\ntopic_id: \xff", "line 2: no UTF-8"),
    ];
    for (bytes, expected) in table {
        assert_eq!(PartitionMetadata::parse(bytes).unwrap_err().to_string(), *expected);
    }
}

/// The id of a topic of the same broker, from its metadata log.
fn orders() -> Uuid {
    let log = parse_batches(&golden("one/__cluster_metadata-0/00000000000000000000.log")).unwrap();
    let records = log.into_iter().filter_map(|batch| match batch.content {
        BatchContent::Records(records) => Some(records),
        BatchContent::Control(_) => None,
    });
    let ids = records.flatten().filter_map(|record| match record.message {
        kafkarium::metadata::Message::TopicRecord(topic) if topic.name == "orders" => {
            Some(topic.topic_id)
        }
        _ => None,
    });
    ids.last().unwrap()
}

#[test]
fn clean_shutdown() {
    let file = golden("one/.kafka_cleanshutdown");
    let read = CleanShutdown::parse(&file).unwrap();
    assert_eq!(read, CleanShutdown::new(55));
    assert_eq!(read.to_string().as_bytes(), file);
    let odd = br#"{"brokerEpoch":1,"later":[{}]}"#;
    assert_eq!(CleanShutdown::parse(odd), Ok(CleanShutdown::new(1)));
    let table: &[(&[u8], &str)] = &[
        (b"", "line 1: no JSON value"),
        (b"[]", "line 1: no JSON object"),
        (b"{}", "line 1: brokerEpoch is missing"),
        (b"{\n\"brokerEpoch\":1.5}", "line 2: no brokerEpoch"),
    ];
    for (bytes, expected) in table {
        assert_eq!(CleanShutdown::parse(bytes).unwrap_err().to_string(), *expected);
    }
}

#[test]
fn quorum_state() {
    let v0 = |voters: &[i32]| QuorumStateForm::V0 {
        cluster_id: String::new(),
        applied_offset: 0,
        current_voters: Some(voters.to_vec()),
    };
    let v1 = QuorumStateForm::V1 { voted_directory_id: Uuid::ZERO };
    let table = [
        ("one/__cluster_metadata-0", 1, 2, v0(&[1])),
        ("three", -1, 2, v0(&[1, 2, 3])),
        ("voters", 1, 1, v1),
    ];
    for (folder, leader_id, leader_epoch, form) in table {
        let file = golden(&format!("{folder}/quorum-state"));
        let read = QuorumState::parse(&file).unwrap();
        assert_eq!(read, QuorumState { leader_id, leader_epoch, voted_id: -1, form });
        assert_eq!(read.encode().as_bytes(), file, "{folder}");
    }
    let none = QuorumState {
        leader_id: -1,
        leader_epoch: 0,
        voted_id: -1,
        form: QuorumStateForm::V0 {
            cluster_id: String::new(),
            applied_offset: 0,
            current_voters: None,
        },
    };
    assert_eq!(QuorumState::parse(none.encode().as_bytes()), Ok(none));
    let table = [
        ("", "line 1: no JSON value"),
        ("{}", "line 1: data_version is missing"),
        (r#"{"data_version":2}"#, "line 1: version 2 is not known"),
        (r#"{"data_version":1,"votedDirectoryId":"x"}"#, "line 1: no votedDirectoryId"),
        (r#"{"data_version":0,"currentVoters":[1]}"#, "line 1: no JSON object"),
        (r#"{"data_version":0,"currentVoters":[{"voterId":-1e3}]}"#, "line 1: no voterId"),
    ];
    for (text, expected) in table {
        let error = QuorumState::parse(text.as_bytes()).unwrap_err();
        assert_eq!(error.to_string(), expected, "{text}");
    }
}

#[test]
fn checkpoints_of_offsets() {
    let table = [("recovery-point", 10), ("replication", 10), ("log-start", 0), ("cleaner", 0)];
    for (name, count) in table {
        let file = golden(&format!("one/{name}-offset-checkpoint"));
        let read = parse_offsets(&file).unwrap();
        assert_eq!(read.len(), count, "{name}");
        let text = encode_offsets(read.iter().map(|(place, offset)| (place, *offset)));
        assert_eq!(text.as_bytes(), file, "{name}");
        let orders = |(place, _): &&(_, _)| *place == ("orders", 1).into();
        let known = read.iter().find(orders).map(|(_, offset)| *offset);
        assert_eq!(known, (count > 0).then_some(Offset(2)), "{name}");
    }
}

#[test]
fn checkpoints_of_leader_epochs() {
    let entry =
        |(epoch, start)| EpochEntry { epoch: LeaderEpoch(epoch), start_offset: Offset(start) };
    let table = [("__cluster_metadata-0", [(1, 0), (2, 53)]), ("orders-0", [(0, 0), (2, 2)])];
    for (name, expected) in table {
        let file = golden(&format!("one/{name}/leader-epoch-checkpoint"));
        let read = parse_leader_epochs(&file).unwrap();
        assert_eq!(read, expected.map(entry), "{name}");
        assert_eq!(encode_leader_epochs(&read).as_bytes(), file, "{name}");
    }
}

const SNAPSHOTS: [&str; 4] = [
    "one/bootstrap.checkpoint",
    "voters/bootstrap.checkpoint",
    "voters/00000000000000000000-0000000000.checkpoint",
    "voters/00000000000000000024-0000000001.checkpoint",
];

#[test]
fn metadata_logs_and_snapshots() {
    let logs = ["one/__cluster_metadata-0", "three", "voters"];
    let logs = logs.map(|folder| format!("{folder}/00000000000000000000.log"));
    for name in logs.into_iter().chain(SNAPSHOTS.map(str::to_owned)) {
        let file = golden(&name);
        let batches = parse_batches(&file).unwrap();
        assert_eq!(encode_batches(&batches).unwrap(), file, "{name}");
    }
}

/// Kafka looks at the clock for header, records and footer.
fn without_time(file: &Bytes) -> Vec<MetadataBatch> {
    let mut batches = parse_batches(file).unwrap();
    for batch in &mut batches {
        batch.timestamp = Timestamp(0);
    }
    batches
}

#[test]
fn snapshots_are_written_as_kafka_writes_them() {
    for (name, (quorum, records)) in SNAPSHOTS.into_iter().zip([(0, 6), (0, 6), (2, 0), (2, 14)]) {
        let file = golden(name);
        let snapshot = Snapshot::parse(&file).unwrap();
        assert_eq!((snapshot.quorum.len(), snapshot.records.len()), (quorum, records), "{name}");
        let written = snapshot.encode();
        assert_eq!(without_time(&written), without_time(&file), "{name}");
        assert_eq!(Snapshot::parse(&written), Ok(snapshot));
    }
}

#[test]
fn snapshots_that_are_wrong() {
    let whole = golden("voters/00000000000000000024-0000000001.checkpoint");
    let last = 1208;
    let mut damaged = whole.to_vec();
    damaged[300] ^= 1;
    let twice = [&whole[..], &whole[last..]].concat();
    let table: Vec<(Bytes, &str)> = vec![
        (Bytes::new(), "position 0: no header of a snapshot"),
        (whole.slice(166..), "position 0: no header of a snapshot"),
        (whole.slice(..last), "position 1208: no footer of a snapshot"),
        (whole.slice(..whole.len() - 1), "position 1208: the file ends within a batch"),
        (twice.into(), "position 1358: more behind the footer of a snapshot"),
    ];
    for (bytes, expected) in table {
        assert_eq!(Snapshot::parse(&bytes).unwrap_err().to_string(), expected);
    }
    let error = Snapshot::parse(&damaged.into()).unwrap_err().to_string();
    assert!(error.starts_with("position 166: "), "{error}");
    for cut in 0..whole.len() {
        assert!(Snapshot::parse(&whole.slice(..cut)).is_err(), "{cut}");
    }
}

#[test]
fn names_of_snapshots() {
    let name = "00000000000000000024-0000000001.checkpoint";
    assert_eq!(snapshot_file_name(Offset(24), LeaderEpoch(1)), name);
    assert_eq!(parse_snapshot_file_name(name), Some((Offset(24), LeaderEpoch(1))));
    for other in [
        "bootstrap.checkpoint",
        "00000000000000000024-0000000001.checkpoint.deleted",
        "00000000000000000024.log",
        "24-1.checkpoint",
        "99999999999999999999-0000000001.checkpoint",
        "00000000000000000024-9999999999.checkpoint",
        "0000000000000000+024-0000000001.checkpoint",
    ] {
        assert_eq!(parse_snapshot_file_name(other), None, "{other}");
    }
}
