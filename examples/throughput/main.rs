//! How fast it is: `cargo run --release --example throughput [CASE…]`, one line a case.
//!
//! What a figure is measured against, its limit, is measured in the same run.

mod limit;

use std::error::Error;
use std::process::Command;
use std::time::{Duration, Instant};

use kafkarium::{Cluster, Record, TopicSpec};

type Case = fn() -> Result<String, Box<dyn Error>>;

const CASES: [(&str, Case); 7] = [
    ("first_record", first_record),
    ("end_to_end_100b", || end_to_end("end_to_end_100b", 3_000_000, 100)),
    ("end_to_end_1000b", || end_to_end("end_to_end_1000b", 600_000, 1000)),
    ("trace_off_100b", || end_to_end("trace_off_100b", 3_000_000, 100)),
    ("held_10m_100b", held),
    ("snapshot_restore", snapshot_restore),
    ("small_fork", small_fork),
];

/// The first argument of an inner process.
const MEASURE: &str = "--measure";

fn main() -> Result<(), Box<dyn Error>> {
    let wanted: Vec<String> = std::env::args().skip(1).collect();
    if wanted.first().is_some_and(|first| first == MEASURE) {
        return measure(&wanted[1..]);
    }
    if let Some(unknown) = wanted.iter().find(|w| CASES.iter().all(|(name, _)| name != w)) {
        let names: Vec<&str> = CASES.iter().map(|(name, _)| *name).collect();
        return Err(format!("no case '{unknown}'; there are {}", names.join(", ")).into());
    }
    for (name, case) in CASES {
        if wanted.is_empty() || wanted.iter().any(|w| w == name) {
            println!("{}", case()?);
        }
    }
    Ok(())
}

fn line(name: &str, records: usize, bytes: usize, took: Duration, limit: Duration) -> String {
    let seconds = took.as_secs_f64();
    format!(
        "case={name} records_per_s={:.0} mb_per_s={:.0} limit_ratio={:.2} seconds={seconds:.6}",
        records as f64 / seconds,
        (records * bytes) as f64 / seconds / 1e6,
        limit.as_secs_f64() / seconds,
    )
}

/// From nothing to one record produced and read, and everything dropped again.
fn first_record() -> Result<String, Box<dyn Error>> {
    let mut times = Vec::new();
    for _ in 0..1001 {
        let start = Instant::now();
        {
            let cluster = Cluster::builder().build()?;
            cluster.admin().create_topic("orders", TopicSpec::partitions(1))?;
            let producer = cluster.producer([("linger.ms", "0")])?;
            producer.send(Record::to("orders").value("espresso"))?.wait()?;
            let mut consumer = cluster.consumer([("auto.offset.reset", "earliest")])?;
            consumer.assign([("orders", 0)])?;
            assert_eq!(consumer.poll(Duration::from_secs(1))?.len(), 1);
        }
        times.push(start.elapsed());
    }
    times.sort();
    let median = times[times.len() / 2].as_secs_f64();
    Ok(format!("case=first_record records_per_s={:.0} seconds={median:.6}", 1.0 / median))
}

/// One thread, default configs: each record through `send`, and out of what `poll` returned.
///
/// Cluster and limit are measured in turn, each time in a process of its own: so both touch fresh
/// memory, and neither profits from what the other has left behind.
fn end_to_end(name: &str, records: usize, len: usize) -> Result<String, Box<dyn Error>> {
    let mut rounds = Vec::new();
    for _ in 0..5 {
        let limit = in_a_fresh_process("limit", records, len)?;
        rounds.push((in_a_fresh_process(name, records, len)?, limit));
    }
    let ratio = |(took, limit): &(Duration, Duration)| took.as_secs_f64() / limit.as_secs_f64();
    rounds.sort_by(|a, b| ratio(a).total_cmp(&ratio(b)));
    let (took, limit) = rounds[rounds.len() / 2];
    Ok(line(name, records, len, took, limit))
}

fn in_a_fresh_process(what: &str, records: usize, len: usize) -> Result<Duration, Box<dyn Error>> {
    let arguments = [MEASURE, what, &records.to_string(), &len.to_string()];
    let output = Command::new(std::env::current_exe()?).args(arguments).output()?;
    let printed = String::from_utf8(output.stdout)?;
    let nanos = printed.trim().parse();
    let failed = |_| format!("{what}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(Duration::from_nanos(nanos.map_err(failed)?))
}

/// The inner process: prints how many nanoseconds one round took.
fn measure(arguments: &[String]) -> Result<(), Box<dyn Error>> {
    let [what, records, len] = arguments else { return Err("what, records, length".into()) };
    let (records, len) = (records.parse()?, len.parse()?);
    let took = match what.as_str() {
        "limit" => limit::seconds(records, len),
        what => produce_and_consume(records, len, !what.starts_with("trace_off"))?,
    };
    println!("{}", took.as_nanos());
    Ok(())
}

fn produce_and_consume(
    records: usize,
    len: usize,
    trace: bool,
) -> Result<Duration, Box<dyn Error>> {
    let value = vec![b'v'; len];
    let start = Instant::now();
    let cluster = Cluster::builder().trace(trace).build()?;
    cluster.admin().create_topic("orders", TopicSpec::partitions(1))?;
    let none: [(&str, &str); 0] = [];
    let producer = cluster.producer(none)?;
    for _ in 0..records {
        producer.send(Record::to("orders").value(&value[..]))?;
    }
    producer.flush()?;
    let mut consumer = cluster.consumer([("auto.offset.reset", "earliest")])?;
    consumer.assign([("orders", 0)])?;
    let (mut read, mut bytes) = (0, 0);
    while read < records {
        for record in consumer.poll(Duration::from_secs(1))? {
            read += 1;
            bytes += record.value().map_or(0, <[u8]>::len);
        }
    }
    let took = start.elapsed();
    assert_eq!((read, bytes), (records, records * len), "every record came out");
    Ok(took)
}

/// A cluster that holds so many records, and the length of its log in bytes.
fn filled(records: usize, len: usize) -> Result<(Cluster, u64), Box<dyn Error>> {
    let value = vec![b'v'; len];
    let cluster = Cluster::builder().build()?;
    cluster.admin().create_topic("orders", TopicSpec::partitions(1))?;
    let none: [(&str, &str); 0] = [];
    let producer = cluster.producer(none)?;
    for _ in 0..records {
        producer.send(Record::to("orders").value(&value[..]))?;
    }
    producer.flush()?;
    let bytes = cluster.view(|view| view.partition(("orders", 0)).map(|p| p.log().size_in_bytes()));
    Ok((cluster, bytes.ok_or("the partition is gone")?))
}

/// Ten million records held: the peak of this process's memory beside the length of their batches.
fn held() -> Result<String, Box<dyn Error>> {
    let start = Instant::now();
    let (_cluster, bytes) = filled(10_000_000, 100)?;
    let seconds = start.elapsed().as_secs_f64();
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let peak = peak.and_then(|kib| kib.trim().trim_end_matches(" kB").parse::<f64>().ok());
    let ratio = peak.map_or_else(String::new, |kib| {
        format!(
            " peak_mb={:.0} memory_ratio={:.3}",
            kib * 1024.0 / 1e6,
            kib * 1024.0 / bytes as f64
        )
    });
    Ok(format!("case=held_10m_100b batch_mb={:.0}{ratio} seconds={seconds:.6}", bytes as f64 / 1e6))
}

/// With ten million records held: a snapshot, one record more, and back.
fn snapshot_restore() -> Result<String, Box<dyn Error>> {
    let (cluster, _) = filled(10_000_000, 100)?;
    let producer = cluster.producer([("linger.ms", "0")])?;
    let mut times = Vec::new();
    for _ in 0..101 {
        producer.send(Record::to("orders").value("one more"))?;
        let start = Instant::now();
        let snapshot = cluster.snapshot();
        cluster.restore(&snapshot)?;
        times.push(start.elapsed());
    }
    times.sort();
    let median = times[times.len() / 2].as_secs_f64();
    Ok(format!("case=snapshot_restore seconds={median:.6}"))
}

/// How often a second a world with a few clients and records can be copied.
fn small_fork() -> Result<String, Box<dyn Error>> {
    let (cluster, _) = filled(10, 100)?;
    let (start, forks) = (Instant::now(), 20_000);
    for _ in 0..forks {
        std::hint::black_box(cluster.snapshot());
    }
    let seconds = start.elapsed().as_secs_f64();
    Ok(format!(
        "case=small_fork forks_per_s={:.0} seconds={seconds:.6}",
        f64::from(forks) / seconds
    ))
}
