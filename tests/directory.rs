//! A cluster in a directory: it is found again, by this crate and by whoever reads Kafka's files.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use kafkarium::{BrokerId, Cluster, Error, Offset, Record, TopicPartition, TopicSpec};

/// A directory that is there as long as the test runs.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("kafkarium-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        Scratch(path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn open(path: &Path) -> Cluster {
    Cluster::builder().data_dir(path).build().unwrap()
}

/// All values of a topic, read from the beginning.
fn values(cluster: &Cluster, topic: &str, partitions: i32) -> BTreeMap<i32, Vec<String>> {
    let mut consumer = cluster.consumer([("auto.offset.reset", "earliest")]).unwrap();
    consumer.assign((0..partitions).map(|partition| (topic, partition))).unwrap();
    let mut values: BTreeMap<i32, Vec<String>> = BTreeMap::new();
    loop {
        let records = consumer.poll(Duration::from_secs(1)).unwrap();
        if records.is_empty() {
            return values;
        }
        for record in records {
            let value = String::from_utf8(record.value().unwrap().to_vec()).unwrap();
            values.entry(record.partition()).or_default().push(value);
        }
    }
}

fn send(cluster: &Cluster, topic: &str, values: impl IntoIterator<Item = String>) {
    let producer = cluster.producer([("linger.ms", "0")]).unwrap();
    for (i, value) in values.into_iter().enumerate() {
        producer.send(Record::to(topic).partition(i as i32 % 2).value(value)).unwrap();
    }
    producer.flush().unwrap();
}

fn commit(cluster: &Cluster, offset: i64) {
    let mut consumer = cluster.consumer([("group.id", "baristas")]).unwrap();
    consumer.assign([("orders", 0)]).unwrap();
    let partition = TopicPartition::new("orders", 0);
    consumer.commit_sync_offsets([(partition, Offset(offset))]).unwrap();
}

fn committed(cluster: &Cluster) -> Option<i64> {
    let mut consumer = cluster.consumer([("group.id", "baristas")]).unwrap();
    let partition = TopicPartition::new("orders", 0);
    let found = consumer.committed([partition.clone()]).unwrap();
    found.get(&partition).map(|committed| committed.offset.0)
}

#[test]
fn everything_comes_back_after_a_clean_end_and_after_a_crash() {
    let scratch = Scratch::new("comes-back");
    let cluster = open(&scratch.0);
    let admin = cluster.admin();
    let spec = TopicSpec::partitions(2).config("internal.segment.bytes", "500");
    admin.create_topic("orders", spec).unwrap();
    admin.create_topic("gone", TopicSpec::partitions(1)).unwrap();
    admin.delete_topic("gone").unwrap();
    send(&cluster, "orders", (0..20).map(|i| format!("order {i}")));
    commit(&cluster, 7);
    cluster.advance(Duration::from_secs(3600)).unwrap();
    let (before, now) = (values(&cluster, "orders", 2), cluster.now());
    assert_eq!(before[&0].len() + before[&1].len(), 20);
    cluster.close().unwrap();

    let cluster = open(&scratch.0);
    assert_eq!(cluster.recovery(), []);
    // Virtual time goes on where it ended, to the millisecond that a record can tell.
    assert!(
        cluster.now().since(now) < Duration::from_secs(2)
            && now.since(cluster.now()) < Duration::from_millis(1)
    );
    let admin = cluster.admin();
    assert_eq!(admin.list_topics().unwrap(), ["__consumer_offsets", "orders"]);
    assert_eq!(values(&cluster, "orders", 2), before);
    assert_eq!(committed(&cluster), Some(7));
    let configs = admin.describe_topic_configs("orders").unwrap();
    let segment = configs.iter().find(|entry| entry.name == "internal.segment.bytes").unwrap();
    assert_eq!(segment.value.as_deref(), Some("500"));
    send(&cluster, "orders", (20..22).map(|i| format!("order {i}")));
    let before = values(&cluster, "orders", 2);
    // It dies: nothing was flushed, and the operating system goes on.
    cluster.crash(BrokerId(1)).unwrap();
    cluster.close().unwrap();

    let cluster = open(&scratch.0);
    assert!(!cluster.recovery().is_empty());
    assert_eq!(values(&cluster, "orders", 2), before);
    assert_eq!(committed(&cluster), Some(7));
}

#[test]
fn a_directory_is_refused_that_is_in_use_or_belongs_to_others() {
    let scratch = Scratch::new("refused");
    let build = || Cluster::builder().data_dir(&scratch.0);
    let cluster = build().cluster_id("first").build().unwrap();
    let why = |result: Result<Cluster, Error>| match result {
        Err(Error::Storage(why)) => why,
        other => panic!("{other:?}"),
    };
    let in_use = why(build().build());
    assert!(in_use.ends_with(".lock: is locked: the directory is in use"), "{in_use}");
    cluster.close().unwrap();
    let foreign = why(build().cluster_id("second").build());
    assert_eq!(foreign, "meta.properties: cluster.id is 'first', not 'second'");
    fs::write(scratch.0.join("meta.properties"), "version=1\ncluster.id=a\nnode.id=x\n").unwrap();
    let damaged = why(build().build());
    assert!(damaged.starts_with("meta.properties: line 3: "), "{damaged}");
    fs::write(scratch.0.join("meta.properties"), "version=1\nnode.id=7\ncluster.id=a\n").unwrap();
    assert_eq!(why(build().build()), "meta.properties: node.id is 7, not 1");
}

#[test]
fn a_directory_is_not_copied() {
    let scratch = Scratch::new("not-copied");
    let cluster = open(&scratch.0);
    let why = "a cluster in a directory cannot be copied: two cannot write to the same files";
    let refused = Error::InvalidArgument(why.to_owned());
    assert_eq!(cluster.snapshot().unwrap_err(), refused);
    assert_eq!(cluster.fork().unwrap_err(), refused);
    let journal = Cluster::builder().data_dir(&scratch.0).journal(true).build();
    assert!(matches!(journal, Err(Error::InvalidArgument(_))));
}
