//! A web server's access log goes through Kafka: `cargo run --release --example access_log [FILE]`.
//!
//! Each line is a record, keyed by the client's address, so that all lines of one client come to
//! lie in one of six partitions, in their order. Three consumers take two partitions each and
//! count. At the end the offsets that they have read are compared with those that the producer was
//! told of.

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::time::Duration;

use kafkarium::{Cluster, Consumer, Record, TopicSpec};

const PARTITIONS: i32 = 6;

fn main() -> Result<(), Box<dyn Error>> {
    let sample = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/data/access.log");
    let path = std::env::args().nth(1).unwrap_or_else(|| sample.to_owned());
    let log = std::fs::read(&path).map_err(|error| format!("{path}: {error}"))?;

    let cluster = Cluster::builder().build()?;
    cluster.admin().create_topic("access", TopicSpec::partitions(PARTITIONS))?;
    let producer = cluster.producer([("acks", "all")])?;
    let mut deliveries = Vec::new();
    for line in log.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
        deliveries.push(producer.send(Record::to("access").key(client(line)).value(line))?);
    }
    producer.flush()?;
    let mut produced = BTreeSet::new();
    for delivery in &deliveries {
        let delivered = delivery.wait()?;
        produced.insert((delivered.partition, delivered.offset));
    }

    let mut consumers = Vec::new();
    for first in (0..PARTITIONS).step_by(2) {
        let mut consumer = cluster.consumer([("auto.offset.reset", "earliest")])?;
        consumer.assign([("access", first), ("access", first + 1)])?;
        consumers.push(consumer);
    }
    let (mut statuses, mut clients) = (BTreeMap::new(), BTreeMap::new());
    let mut consumed = BTreeSet::new();
    loop {
        let mut all: Vec<&mut Consumer> = consumers.iter_mut().collect();
        let polled = cluster.poll_all(&mut all, Duration::from_secs(1))?;
        let records = polled.into_iter().collect::<Result<Vec<_>, _>>()?.concat();
        if records.is_empty() {
            break;
        }
        for record in &records {
            let line = record.value().unwrap_or_default();
            *statuses.entry(status(line).to_owned()).or_insert(0) += 1;
            *clients.entry(client(line).to_owned()).or_insert(0) += 1;
            consumed.insert((record.partition(), record.offset()));
        }
    }

    println!("lines {}", consumed.len());
    for (code, count) in &statuses {
        println!("status {} {count}", code.escape_ascii());
    }
    // Of clients with equal counts the first one by address is named.
    if let Some((address, count)) = clients.iter().rev().max_by_key(|(_, count)| **count) {
        println!("busiest {} {count}", address.escape_ascii());
    }
    println!("lost {}", produced.difference(&consumed).count());
    Ok(())
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
