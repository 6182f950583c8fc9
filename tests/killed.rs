//! A process that appends is killed, 200 times, and nothing that it was told is appended is lost.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use kafkarium::{Cluster, Offset, Record, TopicPartition, TopicSpec};

const KILLS: u32 = 200;
const PARTITIONS: i32 = 3;
/// Where the process that is to be killed finds the directory.
const DIRECTORY: &str = "KAFKARIUM_KILLED_DIRECTORY";

/// A directory that is there as long as the test runs.
struct Scratch(PathBuf);

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn open(path: &Path) -> Cluster {
    Cluster::builder().data_dir(path).build().unwrap()
}

/// The process that is killed: it appends, and says what it was told.
#[test]
fn the_process_that_is_killed() {
    let Ok(path) = std::env::var(DIRECTORY) else { return };
    let cluster = open(Path::new(&path));
    let producer = cluster.producer([("linger.ms", "0")]).unwrap();
    let mut out = std::io::stdout();
    for number in 0.. {
        let partition = number % PARTITIONS;
        let value = format!("{} {number}", std::process::id());
        let record = Record::to("orders").partition(partition).value(value.as_str());
        let offset = producer.send(record).unwrap().wait().unwrap().offset;
        writeln!(out, "acked {partition} {offset} {value}").unwrap();
        if number % 50 == 0 {
            cluster.flush_logs(kafkarium::BrokerId(1)).unwrap();
        }
    }
}

#[test]
fn nothing_acknowledged_is_lost_by_sigkill() {
    // The system goes on when a process is killed: where files lie in memory, syncs cost nothing.
    let memory = Path::new("/dev/shm");
    let base = if memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() };
    let path = base.join(format!("kafkarium-killed-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&path);
    let scratch = Scratch(path);
    let cluster = open(&scratch.0);
    let spec = TopicSpec::partitions(PARTITIONS).config("internal.segment.bytes", "4096");
    cluster.admin().create_topic("orders", spec).unwrap();
    cluster.close().unwrap();
    let mut acknowledged = 0;
    for round in 0..KILLS {
        let acked = kill_one(&scratch.0, Duration::from_micros(u64::from(round % 40) * 250));
        acknowledged += acked.len();
        let cluster = open(&scratch.0);
        check(&cluster, &acked);
        if round % 2 == 0 {
            cluster.close().unwrap();
        }
    }
    assert!(acknowledged > 10 * KILLS as usize, "only {acknowledged} records in all");
    println!("{acknowledged} records acknowledged in {KILLS} lives");
}

/// Lets a process append for a while after its first acknowledgement, and kills it; gives what it
/// was told.
fn kill_one(path: &Path, life: Duration) -> BTreeMap<(i32, i64), String> {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["the_process_that_is_killed", "--exact", "--nocapture"])
        .env(DIRECTORY, path)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut acked = BTreeMap::new();
    let mut note = |line: &str| {
        // The last line may be cut.
        let mut words = line.splitn(4, ' ');
        let _acked = words.next();
        let place = words.next().zip(words.next());
        let place = place.and_then(|(p, o)| Some((p.parse().ok()?, o.parse().ok()?)));
        if let Some((place, value)) = place.zip(words.next()) {
            acked.insert(place, value.to_owned());
        }
    };
    let first = lines.by_ref().map(Result::unwrap).find(|line| line.starts_with("acked "));
    note(&first.expect("the process has died by itself"));
    std::thread::sleep(life);
    child.kill().unwrap();
    let rest: Vec<String> = lines.map_while(Result::ok).collect();
    for line in rest.iter().take(rest.len().saturating_sub(1)) {
        note(line);
    }
    child.wait().unwrap();
    acked
}

fn check(cluster: &Cluster, acked: &BTreeMap<(i32, i64), String>) {
    for partition in 0..PARTITIONS {
        let of_partition = acked.range((partition, 0)..(partition + 1, 0));
        let Some(((_, first), _)) = of_partition.clone().next() else { continue };
        let name = TopicPartition::new("orders", partition);
        let batches = cluster.view(|view| view.batches(&name, Offset(*first)));
        let mut found = BTreeMap::new();
        for batch in &batches {
            for record in batch.records().map(Result::unwrap) {
                found.insert(record.offset.0, record.value.unwrap().to_vec());
            }
        }
        for ((_, offset), value) in of_partition {
            let held = found.get(offset).map(Vec::as_slice);
            assert_eq!(held, Some(value.as_bytes()), "{name} at {offset}");
        }
    }
}
