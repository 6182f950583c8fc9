//! Exactly once and in order: what an idempotent producer promises under any mix of connections
//! that break, requests and replies that are lost or late, brokers and producers that stand still,
//! and brokers that crash and come back. Many seeds, each run twice; a failing one prints the
//! command that replays it.
//!
//! Some producers give up early, and some records are too large for the topic: then sequences are
//! missing in the log, and the producer has to begin a new epoch. What it has given up may be in the
//! log, but once; and still in its turn.
//!
//! A broker that knows nothing of a producer takes any sequence as its first one. So each producer
//! has a record in each partition before one of its batches is refused for its size.
#![allow(clippy::unwrap_used)]

mod common;

use std::collections::BTreeMap;
use std::time::Duration;

use common::Draw;
use kafkarium::trace::{BrokerEvent, ClientEvent, TraceEvent};
use kafkarium::{
    ApiKey, BrokerId, Cluster, Delivery, Error, ErrorCode, EventId, Fault, Producer, RandomFaults,
    Record, TopicSpec,
};

const PARTITIONS: i32 = 2;
const PRODUCERS: usize = 2;
/// How many records each producer sends.
const RECORDS: usize = 60;
/// In the log, a batch of at most so many bytes; the producers' are larger at times.
const MAX_MESSAGE_BYTES: usize = 300;

/// A record that was sent.
struct Sent {
    producer: usize,
    partition: i32,
    value: String,
    /// It fits into no batch that the topic takes.
    too_large: bool,
    delivery: Delivery,
}

/// How often what the checks are about has happened: a check of what never happens checks nothing.
#[derive(Debug, Default, PartialEq, Eq)]
struct Met {
    acknowledged: usize,
    given_up: usize,
    given_up_but_there: usize,
    too_large: usize,
    deduplicated: usize,
    bumped: usize,
    split: usize,
}

/// One run; gives the trace's fingerprint, and what was found wrong.
fn run(seed: u64) -> (u32, Result<Met, String>) {
    let mut draw = Draw::new(seed);
    let rates = RandomFaults {
        lose_permille: draw.one_of(&[0, 5, 20]),
        reset_permille: draw.one_of(&[0, 20, 100]),
        delay_permille: draw.one_of(&[0, 50, 200]),
        max_delay: draw.millis(1, 3000),
    };
    let latency = (Duration::from_micros(100), draw.millis(1, 40));
    let cluster = Cluster::builder().seed(seed).latency(latency.0, latency.1).faults(rates);
    let cluster = cluster.build().unwrap();
    let result = produce_and_check(&cluster, &mut draw).map_err(|error| error.to_string());
    if let (Err(why), true) = (&result, std::env::var_os("SHOW").is_some()) {
        println!("{}\n{why}", cluster.trace());
    }
    (cluster.trace().fingerprint(), result)
}

fn produce_and_check(
    cluster: &Cluster,
    draw: &mut Draw,
) -> Result<Met, Box<dyn std::error::Error>> {
    let limit = MAX_MESSAGE_BYTES.to_string();
    let spec = TopicSpec::partitions(PARTITIONS).config("max.message.bytes", limit);
    loop {
        match cluster.admin().create_topic("orders", spec.clone()) {
            Err(error) if error.is_retriable() => {}
            // When the reply to the first attempt is lost, the second one finds the topic.
            Err(error) if error.code() == Some(ErrorCode::TopicAlreadyExists) => break,
            created => {
                created?;
                break;
            }
        }
    }
    let gives_up = draw.one_in(2);
    let mut producers = Vec::new();
    for _ in 0..PRODUCERS {
        let patience =
            if gives_up { draw.millis(3_000, 20_000) } else { draw.millis(3_600_000, 3_600_000) };
        let patience = patience.as_millis().to_string();
        let in_flight = (1 + draw.below(5)).to_string();
        producers.push(cluster.producer([
            ("linger.ms", draw.one_of(&["0", "1", "5"])),
            ("batch.size", draw.one_of(&["0", "150", "400"])),
            ("max.in.flight.requests.per.connection", &in_flight),
            ("request.timeout.ms", draw.one_of(&["500", "2000"])),
            ("delivery.timeout.ms", &patience),
        ])?);
    }
    let sent = produce(cluster, &producers, draw)?;
    let values = read_to_the_end(cluster)?;
    let mut met = Met::default();
    check(&sent, &values, gives_up, &mut met)?;
    count(cluster, &mut met)?;
    Ok(met)
}

/// Sends, while the seed breaks what it likes.
fn produce(cluster: &Cluster, producers: &[Producer], draw: &mut Draw) -> Result<Vec<Sent>, Error> {
    let mut all = Vec::new();
    for (producer, handle) in producers.iter().enumerate() {
        for partition in 0..PARTITIONS {
            introduce(producer, handle, partition, &mut all)?;
        }
    }
    let large_ones = draw.one_in(3);
    for i in 0..RECORDS {
        for (producer, handle) in producers.iter().enumerate() {
            let too_large = large_ones && draw.one_in(15);
            let len = if too_large { MAX_MESSAGE_BYTES } else { draw.below(60) as usize };
            let value = format!("{producer}-{i}-{}", "x".repeat(len));
            let partition = draw.below(PARTITIONS as u64) as i32;
            let record = Record::to("orders").partition(partition).value(&value);
            let delivery = handle.send(record)?;
            all.push(Sent { producer, partition, value, too_large, delivery });
        }
        if draw.one_in(4) {
            disturb(cluster, producers, draw)?;
        }
        cluster.advance(draw.one_of(&[0, 0, 1, 10, 100, 1000]).millis())?;
    }
    cluster.restart(BrokerId(1))?;
    producers.iter().try_for_each(Producer::flush)?;
    Ok(all)
}

/// Sends small records until one is in the log.
fn introduce(
    producer: usize,
    handle: &Producer,
    partition: i32,
    all: &mut Vec<Sent>,
) -> Result<(), Error> {
    loop {
        let value = format!("{producer}-first-{}", all.len());
        let record = Record::to("orders").partition(partition).value(&value);
        let delivery = handle.send(record)?;
        let done = delivery.wait().is_ok();
        all.push(Sent { producer, partition, value, too_large: false, delivery });
        if done {
            return Ok(());
        }
    }
}

trait Millis {
    fn millis(self) -> Duration;
}

impl Millis for u64 {
    fn millis(self) -> Duration {
        Duration::from_millis(self)
    }
}

fn disturb(cluster: &Cluster, producers: &[Producer], draw: &mut Draw) -> Result<(), Error> {
    let api =
        draw.one_of(&[ApiKey::Produce, ApiKey::Produce, ApiKey::Metadata, ApiKey::InitProducerId]);
    let late = draw.millis(1, 4000);
    let id = draw.one_of(producers).id();
    let fault = match draw.below(10) {
        0 => Fault::lose_request(api),
        1 => Fault::lose_response(api),
        2 => Fault::reset_before(api),
        3 => Fault::reset_after(api),
        4 => Fault::delay_request(api, late),
        5 => Fault::delay_response(api, late),
        6 => Fault::duplicate_request_after(ApiKey::Produce, late),
        7 => return cluster.pause(BrokerId(1), late),
        8 => return cluster.pause(id, late),
        _ => {
            cluster.crash(BrokerId(1))?;
            cluster.advance(draw.millis(0, 1500))?;
            return cluster.restart(BrokerId(1));
        }
    };
    cluster.inject(fault.of(id).skip(draw.below(3) as u32))
}

/// What was read of each partition, however many polls the faults make of it.
fn read_to_the_end(cluster: &Cluster) -> Result<Vec<Vec<String>>, Box<dyn std::error::Error>> {
    // What is still under way has to arrive first.
    cluster.advance(Duration::from_secs(60))?;
    let mut consumer = cluster.consumer([("auto.offset.reset", "earliest")])?;
    consumer.assign((0..PARTITIONS).map(|p| ("orders", p)))?;
    let mut values = vec![Vec::new(); PARTITIONS as usize];
    for _ in 0..100 {
        for record in consumer.poll(Duration::from_secs(60))? {
            let value = String::from_utf8(record.value().unwrap_or_default().to_vec())?;
            values[record.partition() as usize].push(value);
        }
        let is_end = |p: i32| {
            let end = cluster.view(|view| view.partition(("orders", p)).unwrap().high_watermark());
            end.0 == values[p as usize].len() as i64
        };
        if (0..PARTITIONS).all(is_end) {
            return Ok(values);
        }
    }
    Err("the consumer has not come to the end in 100 minutes".into())
}

/// Each record lies in the log once, where its delivery says, and behind those that its producer
/// sent to the partition before it. One that was given up is there once at most.
fn check(
    sent: &[Sent],
    values: &[Vec<String>],
    gives_up: bool,
    met: &mut Met,
) -> Result<(), String> {
    let mut last: BTreeMap<(usize, i32), usize> = BTreeMap::new();
    let mut found = 0;
    for Sent { producer, partition, value, too_large, delivery } in sent {
        let read = values[*partition as usize].iter().enumerate();
        let places: Vec<usize> =
            read.filter(|(_, read)| *read == value).map(|(place, _)| place).collect();
        let Some(result) = delivery.try_result() else {
            return Err(format!("{value} is still open after a flush"));
        };
        match &result {
            Ok(delivered) if places == [delivered.offset.0 as usize] => met.acknowledged += 1,
            Err(error)
                if *too_large
                    && places.is_empty()
                    && error.code() == Some(ErrorCode::MessageTooLarge) =>
            {
                met.too_large += 1;
            }
            Err(_) if gives_up && places.is_empty() => met.given_up += 1,
            Err(_) if gives_up && places.len() == 1 => met.given_up_but_there += 1,
            _ => return Err(format!("{value}: {result:?}, and it lies at {places:?}")),
        }
        found += places.len();
        if let [place] = places[..]
            && let Some(before) = last.insert((*producer, *partition), place)
            && before > place
        {
            return Err(format!("{value} lies at {place}, one sent before it at {before}"));
        }
    }
    let there: usize = values.iter().map(Vec::len).sum();
    if found != there {
        return Err(format!("{there} records are in the log, {found} of them were sent"));
    }
    Ok(())
}

/// Counts what the trace tells; it must not have forgotten any.
fn count(cluster: &Cluster, met: &mut Met) -> Result<(), String> {
    let trace = cluster.trace();
    if trace.entry(EventId(1)).is_none() {
        return Err("the trace has forgotten its beginning".to_owned());
    }
    for entry in trace.entries() {
        match &entry.event {
            TraceEvent::Broker(BrokerEvent::Deduplicated { .. }) => met.deduplicated += 1,
            TraceEvent::Client(ClientEvent::EpochBumped { .. }) => met.bumped += 1,
            TraceEvent::Client(ClientEvent::Split { .. }) => met.split += 1,
            _ => {}
        }
    }
    Ok(())
}

#[test]
fn every_record_lies_in_the_log_once_and_in_its_turn() {
    let number = |name: &str| std::env::var(name).ok().map(|text| text.parse().expect(name));
    let only: Option<u64> = number("SEED");
    let seeds = only.map_or(1..=number("SEEDS").unwrap_or(100), |seed| seed..=seed);
    let mut sum = Met::default();
    for seed in seeds {
        let first = run(seed);
        let replay = format!("replay it with: SEED={seed} cargo test --test idempotence");
        let met =
            first.1.as_ref().unwrap_or_else(|why| panic!("seed {seed} fails: {why}; {replay}"));
        sum.acknowledged += met.acknowledged;
        sum.given_up += met.given_up;
        sum.given_up_but_there += met.given_up_but_there;
        sum.too_large += met.too_large;
        sum.deduplicated += met.deduplicated;
        sum.bumped += met.bumped;
        sum.split += met.split;
        assert_eq!(run(seed), first, "seed {seed} differs when it is run again; {replay}");
    }
    if only.is_none() {
        println!("{sum:?}");
        let Met { acknowledged, given_up, given_up_but_there, too_large, .. } = sum;
        let Met { deduplicated, bumped, split, .. } = sum;
        let counts =
            [acknowledged, given_up, given_up_but_there, too_large, deduplicated, bumped, split];
        assert!(counts.iter().all(|&n| n > 0), "{sum:?}");
    }
}
