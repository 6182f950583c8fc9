//! A web server's access log goes through Kafka:
//! `cargo run --release --example access_log -- [FILE] [--crash-after N]`.
//!
//! Each line is a record, keyed by the client's address, so that all lines of one client come to
//! lie in one of six partitions, in their order. A group of three consumers shares the partitions,
//! counts, and commits what it has counted. One of them crashes when it has counted N lines, 10
//! unless told otherwise, and has not committed the last of them. Its session expires, a new one
//! takes its place, and those lines come again: whoever counts has to know a line by its offset.

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::time::Duration;

use kafkarium::{Cluster, Consumer, ConsumerRecord, Record, TopicSpec};

const PARTITIONS: i32 = 6;

/// What has been counted.
#[derive(Default)]
struct Counts {
    lines: BTreeSet<(i32, i64)>,
    redelivered: usize,
    statuses: BTreeMap<Vec<u8>, usize>,
    clients: BTreeMap<Vec<u8>, usize>,
}

impl Counts {
    fn count(&mut self, record: &ConsumerRecord) {
        if !self.lines.insert((record.partition(), record.offset().0)) {
            self.redelivered += 1;
            return;
        }
        let line = record.value().unwrap_or_default();
        *self.statuses.entry(status(line).to_vec()).or_default() += 1;
        *self.clients.entry(client(line).to_vec()).or_default() += 1;
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let sample = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/data/access.log");
    let (mut path, mut crash_after) = (sample.to_owned(), 10);
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match &*argument {
            "--crash-after" => {
                crash_after = arguments.next().ok_or("--crash-after: after how many?")?.parse()?;
            }
            _ => path = argument,
        }
    }
    let log = std::fs::read(&path).map_err(|error| format!("{path}: {error}"))?;

    let cluster = Cluster::builder().build()?;
    cluster.admin().create_topic("access", TopicSpec::partitions(PARTITIONS))?;
    let produced = produce(&cluster, &log)?;
    let counts = consume(&cluster, &produced, crash_after)?;

    println!("lines {}", counts.lines.len());
    for (code, count) in &counts.statuses {
        println!("status {} {count}", code.escape_ascii());
    }
    // Of clients with equal counts the first one by address is named.
    if let Some((address, count)) = counts.clients.iter().rev().max_by_key(|(_, count)| **count) {
        println!("busiest {} {count}", address.escape_ascii());
    }
    println!("redelivered {}", counts.redelivered);
    println!("lost {}", produced.difference(&counts.lines).count());
    Ok(())
}

/// Sends each line; gives where they came to lie.
fn produce(cluster: &Cluster, log: &[u8]) -> Result<BTreeSet<(i32, i64)>, Box<dyn Error>> {
    let producer = cluster.producer([("acks", "all")])?;
    let mut deliveries = Vec::new();
    for line in log.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
        deliveries.push(producer.send(Record::to("access").key(client(line)).value(line))?);
    }
    producer.flush()?;
    let mut produced = BTreeSet::new();
    for delivery in &deliveries {
        let delivered = delivery.wait()?;
        produced.insert((delivered.partition, delivered.offset.0));
    }
    Ok(produced)
}

fn join(cluster: &Cluster) -> Result<Consumer, Box<dyn Error>> {
    let mut consumer = cluster.consumer([
        ("group.id", "counters"),
        ("auto.offset.reset", "earliest"),
        ("enable.auto.commit", "false"),
    ])?;
    consumer.subscribe(["access"])?;
    Ok(consumer)
}

/// Counts until every line has been, or none has come for two minutes. The first consumer that has
/// counted so many crashes.
fn consume(
    cluster: &Cluster,
    produced: &BTreeSet<(i32, i64)>,
    crash_after: usize,
) -> Result<Counts, Box<dyn Error>> {
    let mut counts = Counts::default();
    let mut consumers = vec![join(cluster)?, join(cluster)?, join(cluster)?];
    let (mut counted, mut has_crashed) = ([0; 3], false);
    while !produced.is_subset(&counts.lines) {
        let mut all: Vec<&mut Consumer> = consumers.iter_mut().collect();
        let polled = cluster.poll_all(&mut all, Duration::from_secs(120))?;
        let polled = polled.into_iter().collect::<Result<Vec<_>, _>>()?;
        if polled.iter().all(Vec::is_empty) {
            break;
        }
        for (member, records) in polled.iter().enumerate().filter(|(_, some)| !some.is_empty()) {
            let left = crash_after.saturating_sub(counted[member]);
            let dies = !has_crashed && left <= records.len();
            let records = if dies { &records[..left] } else { &records[..] };
            records.iter().for_each(|record| counts.count(record));
            counted[member] += records.len();
            if dies {
                has_crashed = true;
                cluster.crash(consumers[member].id())?;
                consumers[member] = join(cluster)?;
            } else {
                consumers[member].commit_sync()?;
            }
        }
    }
    for consumer in &mut consumers {
        consumer.close()?;
    }
    Ok(counts)
}

/// The client's address: what stands before the first blank.
fn client(line: &[u8]) -> &[u8] {
    line.split(|byte| *byte == b' ').next().unwrap_or_default()
}

/// The status code: three digits between blanks, behind the quoted request.
fn status(line: &[u8]) -> &[u8] {
    let is_code = |window: &&[u8]| {
        window.starts_with(b"\" ")
            && window[2..5].iter().all(u8::is_ascii_digit)
            && window[5] == b' '
    };
    line.windows(6).find(is_code).map_or(b"none", |window| &window[2..5])
}
