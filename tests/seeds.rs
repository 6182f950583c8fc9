//! Many seeds, each run twice: what the seed draws (latencies, losses, resets, delays, backoffs) must
//! never break what acks=all promises. A failing seed prints the command that replays it.
#![allow(clippy::unwrap_used)]

mod common;

use std::collections::BTreeMap;
use std::time::Duration;

use common::{reader, with_topic};
use kafkarium::{Cluster, RandomFaults, Record};

/// How many records each producer sends.
const RECORDS: usize = 30;

/// One run; gives the trace's fingerprint, and what was found wrong.
fn run(seed: u64) -> (u32, Result<(), String>) {
    let faults = RandomFaults {
        lose_permille: 10,
        reset_permille: 30,
        delay_permille: 100,
        max_delay: Duration::from_secs(2),
    };
    let latency = (Duration::from_micros(100), Duration::from_millis(30));
    let builder = Cluster::builder().seed(seed).latency(latency.0, latency.1).faults(faults);
    let cluster = with_topic(builder, 2);
    cluster
        .always("consumers see no more than what is replicated", |view| {
            let ok = view.replicas().all(|replica| {
                let log = replica.log();
                log.log_start_offset() <= replica.high_watermark()
                    && replica.high_watermark() <= log.log_end_offset()
            });
            if ok { Ok(()) } else { Err(format!("at {}", view.now())) }
        })
        .unwrap();
    let result = produce_and_check(&cluster, seed);
    (cluster.trace().fingerprint(), result)
}

fn produce_and_check(cluster: &Cluster, seed: u64) -> Result<(), String> {
    let text = |error: kafkarium::Error| error.to_string();
    let producers =
        [cluster.producer([("linger.ms", "2")]), cluster.producer([("linger.ms", "0")])];
    let mut deliveries = Vec::new();
    for i in 0..RECORDS {
        for (who, producer) in producers.iter().enumerate() {
            let producer = producer.as_ref().map_err(|error| error.to_string())?;
            let value = format!("{who}-{i}");
            let partition = i32::from((i as u64 ^ seed).is_multiple_of(3));
            let record = Record::to("orders").partition(partition).value(&value);
            deliveries.push((value.clone(), producer.send(record).map_err(text)?));
        }
        cluster.advance(Duration::from_millis(seed % 7)).map_err(text)?;
    }
    for producer in producers.iter().flatten() {
        producer.flush().map_err(text)?;
    }
    let read = read_to_the_end(cluster)?;
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for value in &read {
        *counts.entry(value).or_default() += 1;
    }
    for (value, delivery) in &deliveries {
        let count = counts.get(value.as_str()).copied().unwrap_or(0);
        match delivery.try_result() {
            None => return Err(format!("{value} is still open after a flush")),
            Some(Ok(_)) if count == 0 => return Err(format!("{value} was acknowledged and lost")),
            Some(_) => {}
        }
    }
    let sent = deliveries.len();
    (counts.len() <= sent).then_some(()).ok_or("there are records that nobody sent".to_owned())
}

/// Reads every record, however many polls the faults make of it.
fn read_to_the_end(cluster: &Cluster) -> Result<Vec<String>, String> {
    let end: i64 = cluster.view(|view| view.replicas().map(|r| r.high_watermark().0).sum());
    let mut consumer = reader(cluster, 2);
    let mut values = Vec::new();
    for _ in 0..100 {
        for record in consumer.poll(Duration::from_secs(60)).map_err(|error| error.to_string())? {
            values.push(String::from_utf8_lossy(record.value().unwrap_or_default()).into_owned());
        }
        if values.len() as i64 >= end {
            return Ok(values);
        }
    }
    Err(format!("only {} of {end} records were read in 100 minutes", values.len()))
}

#[test]
fn acknowledged_records_are_never_lost_and_every_seed_runs_the_same_twice() {
    let only = std::env::var("SEED").ok().and_then(|seed| seed.parse().ok());
    let seeds = only.map_or(1..=200, |seed: u64| seed..=seed);
    for seed in seeds {
        let (fingerprint, result) = run(seed);
        let replay = format!("replay it with: SEED={seed} cargo test --test seeds");
        assert_eq!(result, Ok(()), "seed {seed} fails; {replay}");
        assert_eq!(run(seed).0, fingerprint, "seed {seed} differs when it is run again; {replay}");
    }
}
