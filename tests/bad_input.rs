//! Bad input gets a clear error and changes nothing. (Topics and configs: `lessons/32_bad_topics`,
//! oversized records: `lessons/15` and `16`, reset policies: `lessons/18`, rewound handles and
//! second threads: `world.rs`.)
#![allow(clippy::unwrap_used)]

mod common;

use std::time::Duration;

use bytes::Bytes;
use common::batches::fit_crc;
use common::{SECOND, reader, send, with_topic};
use kafkarium::config::{Overrides, TopicConfig, parse_topic_overrides};
use kafkarium::record::{BatchBuilder, BatchOptions, RecordBatch};
use kafkarium::storage::MemoryDisk;
use kafkarium::types::{LeaderEpoch, TopicId};
use kafkarium::{
    BrokerId, Cluster, DEFAULTS, Error, ErrorCode, Offset, Partition, RandomFaults, Record, Time,
    Timestamp, TopicPartition,
};

#[test]
fn unknown_topics_and_partitions() {
    let cluster = with_topic(Cluster::builder().config("auto.create.topics.enable", "false"), 2);
    let producer = cluster.producer([("max.block.ms", "1000")]).unwrap();
    for (record, words) in [
        (Record::to("none").value("x"), "topic 'none' is not in the metadata"),
        (Record::to("orders").partition(2).value("x"), "partition 2 of 'orders', which has 2"),
    ] {
        let error = producer.send(record).unwrap_err();
        assert!(matches!(error, Error::Timeout { .. }), "{error}");
        assert!(error.to_string().contains(words), "{error}");
    }
    let negative = producer.send(Record::to("orders").partition(-1).value("x")).unwrap_err();
    assert!(matches!(negative, Error::InvalidArgument(_)));
    let illegal = producer.send(Record::to("or/ders").value("x")).unwrap_err();
    assert_eq!(illegal.code(), Some(ErrorCode::InvalidTopicException));
    let early = producer.send(Record::to("orders").timestamp(Timestamp(-5))).unwrap_err();
    assert!(matches!(early, Error::InvalidArgument(_)));

    let mut consumer = reader(&cluster, 2);
    consumer.assign([("none", 0)]).unwrap();
    assert_eq!(consumer.poll(SECOND).unwrap().len(), 0);
    assert!(matches!(consumer.end_offsets([("orders", 7)]), Err(Error::Timeout { .. })));
    let elsewhere = TopicPartition::new("orders", 0);
    assert_eq!(consumer.seek(&elsewhere, 0), Err(Error::NotAssigned(elsewhere.clone())));
    assert_eq!(consumer.position(&elsewhere), Err(Error::NotAssigned(elsewhere.clone())));
    assert_eq!(consumer.pause([&elsewhere]), Err(Error::NotAssigned(elsewhere)));
    assert!(matches!(consumer.assign([("orders", -1)]), Err(Error::InvalidArgument(_))));
    assert_eq!(consumer.assignment(), [TopicPartition::new("none", 0)]);
    let admin = cluster.admin();
    let unknown = admin.describe_topic("none").unwrap_err();
    assert_eq!(unknown.code(), Some(ErrorCode::UnknownTopicOrPartition));
    let unknown = admin.describe_broker_configs(BrokerId(9)).unwrap_err();
    assert_eq!(unknown.code(), Some(ErrorCode::InvalidRequest));
    assert_eq!(admin.list_topics().unwrap(), ["orders"]);
}

#[test]
fn polls_and_seeks_that_make_no_sense() {
    let cluster = with_topic(Cluster::builder(), 1);
    let mut consumer = cluster.consumer(DEFAULTS).unwrap();
    assert!(matches!(consumer.poll(SECOND), Err(Error::InvalidArgument(_))));
    consumer.assign([("orders", 0)]).unwrap();
    assert!(matches!(consumer.seek(("orders", 0), -1), Err(Error::InvalidArgument(_))));
    let negative = consumer.offsets_for_times([(("orders", 0), Timestamp(-7))]);
    assert!(matches!(negative, Err(Error::InvalidArgument(_))));
    let first = consumer.begin_poll(SECOND).unwrap();
    assert!(matches!(consumer.poll(SECOND), Err(Error::InvalidArgument(_))));
    drop(first);
    assert_eq!(consumer.poll(SECOND).unwrap().len(), 0);
}

#[test]
fn use_after_close() {
    let cluster = with_topic(Cluster::builder(), 1);
    let producer = cluster.producer(DEFAULTS).unwrap();
    send(&producer, &["a"]);
    producer.close(SECOND).unwrap();
    producer.close(SECOND).unwrap();
    assert_eq!(producer.send(Record::to("orders").value("b")).unwrap_err(), Error::Closed);
    assert_eq!(producer.flush(), Err(Error::Closed));

    let mut consumer = reader(&cluster, 1);
    consumer.close().unwrap();
    consumer.close().unwrap();
    assert_eq!(consumer.poll(SECOND).unwrap_err(), Error::Closed);
    assert_eq!(consumer.assign([("orders", 0)]), Err(Error::Closed));
    assert_eq!(consumer.position(("orders", 0)), Err(Error::Closed));
    assert_eq!(consumer.end_offsets([("orders", 0)]), Err(Error::Closed));

    let admin = cluster.admin();
    admin.close().unwrap();
    assert_eq!(admin.list_topics(), Err(Error::Closed));
}

#[test]
fn illegal_settings_of_a_cluster_and_its_clients() {
    let broker = Cluster::builder().config("num.partitons", "3").build().unwrap_err();
    assert!(broker.to_string().contains("did you mean 'num.partitions'?"), "{broker}");
    let faults =
        RandomFaults { lose_permille: 600, reset_permille: 500, ..RandomFaults::default() };
    assert!(matches!(Cluster::builder().faults(faults).build(), Err(Error::InvalidArgument(_))));
    let cluster = Cluster::builder().build().unwrap();
    let consumer = cluster.consumer([("auto.offset.reset", "smallest")]).unwrap_err();
    assert_eq!(consumer.code(), Some(ErrorCode::InvalidConfig));
    assert!(cluster.admin_with([("default.api.timeout.ms", "1")]).is_err());
    assert_eq!(cluster.trace().entries().count(), 0);
}

#[test]
fn a_partitioner_that_chooses_what_is_not_there() {
    let cluster = with_topic(Cluster::builder(), 3);
    let wild = cluster.producer_with_partitioner(DEFAULTS, |_, count| count).unwrap();
    let error = wild.send(Record::to("orders").value("x")).unwrap_err();
    assert_eq!(error.to_string(), "invalid argument: the partitioner chose 3 of 3 partitions");
    let tame = cluster
        .producer_with_partitioner(DEFAULTS, |record, _| i32::from(record.key_bytes().is_some()))
        .unwrap();
    assert_eq!(tame.send(Record::to("orders").key("k")).unwrap().partition(), 1);
    assert_eq!(tame.send(Record::to("orders").value("v")).unwrap().partition(), 0);
}

/// A partition that leads, and its disk.
fn partition(configs: &[(&str, &str)]) -> (Partition, MemoryDisk) {
    let none = Overrides::new();
    let overrides = parse_topic_overrides(configs.iter().copied()).unwrap();
    let config = TopicConfig::effective(&overrides, &none, &none);
    let name = TopicPartition::new("orders", 0);
    let mut partition = Partition::new(name, TopicId(1), BrokerId(1), config);
    partition.set_leader(BrokerId(1), LeaderEpoch(0), vec![BrokerId(1)]);
    (partition, MemoryDisk::new())
}

fn sound() -> Vec<u8> {
    let mut builder = BatchBuilder::new(BatchOptions::default());
    for value in ["a", "b"] {
        builder.append(Time::VIRTUAL_START.timestamp(), None, Some(value.as_bytes()), &[]);
    }
    builder.build().encode().to_vec()
}

#[test]
fn corrupt_batches_are_refused_by_the_partition() {
    let forged = |at: usize, value: u8| {
        let mut bytes = sound();
        bytes[at] = value;
        fit_crc(&mut bytes);
        bytes
    };
    let mut flipped = sound();
    flipped[64] ^= 1;
    let table = [
        ("a flipped bit", flipped, ErrorCode::CorruptMessage),
        ("three records stated", forged(60, 3), ErrorCode::InvalidRecord),
        ("a control batch", forged(22, 0x20), ErrorCode::InvalidRecord),
        ("an unknown codec", forged(22, 6), ErrorCode::UnsupportedCompressionType),
        ("a base offset", forged(7, 1), ErrorCode::InvalidRecord),
        ("another largest timestamp", forged(42, 1), ErrorCode::InvalidRecord),
    ];
    let (mut partition, mut disk) = partition(&[]);
    for (what, bytes, code) in table {
        let batch = RecordBatch::parse(Bytes::from(bytes)).unwrap();
        let refusal = partition.append(&mut disk, Time::VIRTUAL_START, batch).unwrap_err();
        assert_eq!(refusal.0, code, "{what}: {refusal:?}");
        assert_eq!((partition.log().log_end_offset(), disk.bytes()), (Offset(0), 0), "{what}");
    }
    assert!(RecordBatch::parse(Bytes::from(sound()).slice(..70)).is_err());
}

#[test]
fn a_compacted_topic_takes_no_record_without_a_key() {
    let (mut partition, mut disk) = partition(&[("cleanup.policy", "compact")]);
    let batch = RecordBatch::parse(sound().into()).unwrap();
    let refusal = partition.append(&mut disk, Time::VIRTUAL_START, batch).unwrap_err();
    assert_eq!(refusal.0, ErrorCode::InvalidRecord);
}

#[test]
fn time_does_not_go_back() {
    let cluster = with_topic(Cluster::builder(), 1);
    let before = cluster.now();
    cluster.run_until(Time(before.0 - 1)).unwrap();
    assert_eq!(cluster.now(), before);
    cluster.advance(Duration::ZERO).unwrap();
    assert_eq!(cluster.now(), before);
}
