//! Directories that a real broker wrote are opened, and everything in them is what a consumer of the
//! real broker read: `tests/fixtures` says how they were made.
#![allow(clippy::unwrap_used)]

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

use kafkarium::record::TimestampType;
use kafkarium::{Cluster, TopicPartition};

/// A copy of a directory that is there as long as the test runs.
struct Copied(PathBuf);

impl Copied {
    fn of(name: &str) -> Self {
        let to = std::env::temp_dir().join(format!("kafkarium-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&to);
        copy(&Path::new("tests/fixtures").join(name).join("data"), &to);
        Copied(to)
    }
}

impl Drop for Copied {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let (path, name) = entry.map(|entry| (entry.path(), entry.file_name())).unwrap();
        match path.is_dir() {
            true => copy(&path, &to.join(name)),
            false => {
                fs::copy(&path, to.join(name)).unwrap();
            }
        }
    }
}

/// Bytes as the expected files show them.
fn shown(bytes: Option<&[u8]>) -> String {
    let Some(bytes) = bytes else { return "null".to_owned() };
    let mut text = "\"".to_owned();
    for &byte in bytes {
        match byte {
            b'"' | b'\\' => write!(text, "\\x{byte:02x}").unwrap(),
            b' '..=b'~' => text.push(char::from(byte)),
            _ => write!(text, "\\x{byte:02x}").unwrap(),
        }
    }
    text + "\""
}

/// What lies in the partitions, a line each.
fn held(cluster: &Cluster, names: &[TopicPartition]) -> Vec<String> {
    let mut lines = Vec::new();
    for name in names {
        let TopicPartition { topic, partition } = name;
        cluster.view(|view| {
            let log = view.partition(name).unwrap().log();
            let (start, end) = (log.log_start_offset(), log.log_end_offset());
            lines.push(format!("log\t{topic}\t{partition}\t{start}\t{end}"));
            for batch in view.batches(name, start) {
                for record in batch.records().map(Result::unwrap) {
                    if record.offset < start {
                        continue;
                    }
                    let kind = match batch.timestamp_type() {
                        TimestampType::CreateTime => "CreateTime",
                        TimestampType::LogAppendTime => "LogAppendTime",
                    };
                    let headers: Vec<String> = record
                        .headers()
                        .map(Result::unwrap)
                        .map(|(key, value)| {
                            format!("{}={}", shown(Some(key.as_bytes())), shown(value))
                        })
                        .collect();
                    lines.push(format!(
                        "record\t{topic}\t{partition}\t{}\t{kind}\t{}\t{}\t{}\t[{}]",
                        record.offset,
                        record.timestamp,
                        shown(record.key),
                        shown(record.value),
                        headers.join(",")
                    ));
                }
            }
        });
    }
    lines
}

/// The lines of an expected file, the committed offsets apart.
fn expected(name: &str) -> (Vec<String>, Vec<String>) {
    let text = fs::read_to_string(format!("tests/fixtures/{name}/expected.txt")).unwrap();
    text.lines().map(str::to_owned).partition(|line| !line.starts_with("committed"))
}

fn compare(name: &str) -> Cluster {
    let copied = Copied::of(name);
    let (records, committed) = expected(name);
    let names: Vec<TopicPartition> = records
        .iter()
        .filter_map(|line| line.strip_prefix("log\t"))
        .map(|line| {
            let mut words = line.split('\t');
            let topic = words.next().unwrap();
            TopicPartition::new(topic, words.next().unwrap().parse().unwrap())
        })
        .collect();
    let cluster = Cluster::builder().data_dir(&copied.0).build().unwrap();
    let found = held(&cluster, &names);
    for (found, expected) in found.iter().zip(&records) {
        assert_eq!(found, expected);
    }
    assert_eq!(found.len(), records.len());
    for line in committed {
        let words: Vec<&str> = line.split('\t').collect();
        let [_, group, topic, partition, offset, _, metadata] = words[..] else { panic!("{line}") };
        let consumer = cluster.consumer([("group.id", group)]).unwrap();
        let partition = TopicPartition::new(topic, partition.parse().unwrap());
        let mut consumer = consumer;
        let found = consumer.committed([partition.clone()]).unwrap();
        let found = &found[&partition];
        assert_eq!(
            (found.offset.0.to_string(), shown(Some(found.metadata.as_bytes()))),
            (offset.to_owned(), metadata.to_owned()),
            "{line}"
        );
    }
    cluster
}

#[test]
fn a_directory_that_was_closed_cleanly() {
    let cluster = compare("clean");
    assert_eq!(cluster.recovery(), []);
}

#[test]
fn a_directory_of_a_broker_that_was_killed() {
    let cluster = compare("unclean");
    assert!(!cluster.recovery().is_empty());
}
