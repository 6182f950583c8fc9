//! How fast it is: `cargo run --release --example throughput [CASE…]`, one line a case.
//!
//! What a figure is measured against, its limit, is measured in the same run.

mod cases;
mod groups;
mod limit;
mod log_cases;

use std::error::Error;
use std::process::Command;
use std::time::{Duration, Instant};

use kafkarium::Cluster;

type Case = fn() -> Result<String, Box<dyn Error>>;

const CASES: [(&str, Case); 12] = [
    ("first_record", || first("first_record", cases::first_record)),
    ("first_record_group", || first("first_record_group", groups::first_record_group)),
    ("rebalance_range", || rebalance("rebalance_range", "range")),
    ("rebalance_cooperative_sticky", || {
        rebalance("rebalance_cooperative_sticky", "cooperative-sticky")
    }),
    ("end_to_end_100b", || compared("end_to_end_100b", 10_000_000, 100)),
    ("end_to_end_1000b", || compared("end_to_end_1000b", 1_000_000, 1000)),
    ("wall_clock_100b", || compared("wall_clock_100b", 10_000_000, 100)),
    ("two_threads_100b", || compared("two_threads_100b", 10_000_000, 100)),
    ("trace_off_100b", || compared("trace_off_100b", 10_000_000, 100)),
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
    if let Some(unknown) = wanted.iter().find(|w| {
        CASES.iter().all(|(name, _)| name != w) && LOG_CASES.iter().all(|(name, _)| name != w)
    }) {
        let names: Vec<&str> = CASES.iter().map(|(name, _)| *name).collect();
        return Err(format!("no case '{unknown}'; there are {}", names.join(", ")).into());
    }
    for (name, case) in CASES {
        if wanted.is_empty() || wanted.iter().any(|w| w == name) {
            println!("{}", case()?);
        }
    }
    for (name, case) in LOG_CASES {
        if wanted.is_empty() || wanted.iter().any(|w| w == name) {
            println!("{}", beside_its_limit(name, &case)?);
        }
    }
    Ok(())
}

/// One of the log's own cases: how many records of which length, how long they take, and the limit.
struct LogCase {
    records: usize,
    len: usize,
    run: fn(&LogCase) -> log_cases::Outcome,
    limit: fn(&LogCase) -> Duration,
}

const fn case(
    records: usize,
    len: usize,
    run: fn(&LogCase) -> log_cases::Outcome,
    limit: fn(&LogCase) -> Duration,
) -> LogCase {
    LogCase { records, len, run, limit }
}

const LOG_CASES: [(&str, LogCase); 4] = [
    (
        "append_single_100b_memory",
        case(
            2_000_000,
            100,
            |c| log_cases::append(log_cases::memory(), c.records, c.len, 1),
            |c| limit::encode_only(c.records, c.len, 1),
        ),
    ),
    (
        "append_16k_100b_memory",
        case(
            10_000_000,
            100,
            |c| {
                log_cases::append(
                    log_cases::memory(),
                    c.records,
                    c.len,
                    log_cases::records_in(16 << 10, c.len),
                )
            },
            |c| limit::encode_only(c.records, c.len, log_cases::records_in(16 << 10, c.len)),
        ),
    ),
    (
        "append_sealed_16k_memory",
        case(
            20_000_000,
            100,
            |c| log_cases::append_sealed(log_cases::memory(), c.records, c.len, 16 << 10),
            |c| limit::verify_and_copy(c.records, c.len, log_cases::records_in(16 << 10, c.len)),
        ),
    ),
    (
        "read_100b_memory",
        case(
            5_000_000,
            100,
            |c| log_cases::read(log_cases::memory(), c.records, c.len),
            |c| limit::decode_only(c.records, c.len, log_cases::records_in(16 << 10, c.len)),
        ),
    ),
];

/// Measures a case and its limit in turn, five times; prints the round with the median ratio.
fn beside_its_limit(name: &str, case: &LogCase) -> Result<String, Box<dyn Error>> {
    let mut rounds = Vec::new();
    for _ in 0..5 {
        let limit = (case.limit)(case);
        rounds.push(((case.run)(case)?, limit));
    }
    let ratio = |(took, limit): &(Duration, Duration)| took.as_secs_f64() / limit.as_secs_f64();
    rounds.sort_by(|a, b| ratio(a).total_cmp(&ratio(b)));
    let (took, limit) = rounds[rounds.len() / 2];
    Ok(line(name, case.records, case.len, took, limit))
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

/// From nothing to one record: the median of many runs, nothing warmed or kept between them.
fn first(name: &str, record: fn() -> Result<(), Box<dyn Error>>) -> Result<String, Box<dyn Error>> {
    let mut times = Vec::new();
    for _ in 0..1001 {
        let start = Instant::now();
        record()?;
        times.push(start.elapsed());
    }
    times.sort();
    let median = times[times.len() / 2].as_secs_f64();
    Ok(format!("case={name} records_per_s={:.0} seconds={median:.6}", 1.0 / median))
}

/// A member of a large group leaves: how long the others take until each partition is read again.
fn rebalance(name: &str, assignor: &str) -> Result<String, Box<dyn Error>> {
    let mut lines = Vec::new();
    for (members, partitions) in [(100, 1000), (1000, 10_000), (5000, 50_000)] {
        let mut group = groups::Group::new(members, partitions, assignor)?;
        let mut times = [group.rebalance()?, group.rebalance()?, group.rebalance()?];
        times.sort();
        let seconds = times[1].as_secs_f64();
        let each = seconds * 1e6 / (members + partitions) as f64;
        lines.push(format!(
            "case={name} members={members} partitions={partitions} micros_each={each:.1} \
             seconds={seconds:.6}"
        ));
    }
    Ok(lines.join("\n"))
}

/// Measures a case and its limit in turn, each time in a process of its own: so both touch fresh
/// memory, and neither profits from what the other has left behind. Prints the median ratio's
/// round.
fn compared(name: &str, records: usize, len: usize) -> Result<String, Box<dyn Error>> {
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
        "two_threads_100b" => cases::two_threads(records, len)?,
        "wall_clock_100b" => cases::end_to_end(Cluster::builder().real_time(), records, len)?,
        "trace_off_100b" => cases::end_to_end(Cluster::builder().trace(false), records, len)?,
        _ => cases::end_to_end(Cluster::builder(), records, len)?,
    };
    println!("{}", took.as_nanos());
    Ok(())
}

/// Ten million records held: the peak of this process's memory beside the length of their batches.
fn held() -> Result<String, Box<dyn Error>> {
    let start = Instant::now();
    let (_cluster, bytes) = cases::filled(10_000_000, 100)?;
    let seconds = start.elapsed().as_secs_f64();
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let peak = peak.and_then(|kib| kib.trim().trim_end_matches(" kB").parse::<f64>().ok());
    let ratio = peak.map_or_else(String::new, |kib| {
        let peak = kib * 1024.0;
        format!(" peak_mb={:.0} memory_ratio={:.3}", peak / 1e6, peak / bytes as f64)
    });
    let batches = bytes as f64 / 1e6;
    Ok(format!("case=held_10m_100b batch_mb={batches:.0}{ratio} seconds={seconds:.6}"))
}

/// With ten million records held: a snapshot, and back to it. The median, and the longest.
fn snapshot_restore() -> Result<String, Box<dyn Error>> {
    let (cluster, _) = cases::filled(10_000_000, 100)?;
    let mut times = Vec::new();
    for _ in 0..101 {
        times.push(cases::snapshot_restore(&cluster)?);
    }
    times.sort();
    let (median, longest) = (times[50].as_secs_f64(), times[100].as_secs_f64());
    Ok(format!("case=snapshot_restore seconds={median:.6} longest={longest:.6}"))
}

/// How often a second a world with a few clients and records can be forked.
fn small_fork() -> Result<String, Box<dyn Error>> {
    let (cluster, _) = cases::filled(10, 100)?;
    let (start, forks) = (Instant::now(), 20_000);
    for _ in 0..forks {
        std::hint::black_box(cluster.fork()?);
    }
    let seconds = start.elapsed().as_secs_f64();
    Ok(format!(
        "case=small_fork forks_per_s={:.0} seconds={seconds:.6}",
        f64::from(forks) / seconds
    ))
}
