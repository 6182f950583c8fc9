//! Kafkarium's log beside other crates' logs, on one core: `cargo run --release`, one line a case,
//! then how many times as fast Kafkarium's is as each.
//!
//! Cases that are compared are measured in turn, nine times. A case's line has its median time, and
//! a ratio is the median of the ratios of the nine rounds.

mod commitlog_cases;
mod nano_wal_cases;
mod scratch;

// The very cases of the `throughput` example, of which some are not needed here.
#[allow(dead_code)]
#[path = "../../../examples/throughput/limit.rs"]
mod limit;
#[allow(dead_code)]
#[path = "../../../examples/throughput/log_cases.rs"]
mod log_cases;

use std::error::Error;
use std::time::Duration;

use log_cases::Outcome;

const ROUNDS: usize = 9;

/// A case of one log.
struct Case {
    name: String,
    run: Box<dyn Fn() -> Outcome>,
}

fn case(name: String, run: impl Fn() -> Outcome + 'static) -> Case {
    Case { name, run: Box::new(run) }
}

/// Cases that do the same with as many records: Kafkarium's, on each of its disks, and the others'.
struct Contest {
    records: usize,
    ours: Vec<Case>,
    others: Vec<Case>,
}

/// Appends of one record at a time.
fn append_single(records: usize, len: usize) -> Contest {
    Contest {
        records,
        ours: vec![case(format!("append_single_{len}b_memory"), move || {
            log_cases::append(log_cases::memory(), records, len, 1)
        })],
        others: vec![
            case(format!("commitlog_append_single_{len}b"), move || {
                commitlog_cases::append(records, len, 1)
            }),
            case(format!("nano_wal_append_single_{len}b"), move || {
                nano_wal_cases::append_single(records, len)
            }),
        ],
    }
}

/// Appends of many records at a time.
fn append_many(records: usize, len: usize) -> Contest {
    let in_batch = log_cases::records_in(16 << 10, len);
    Contest {
        records,
        ours: vec![case(format!("append_16k_{len}b_memory"), move || {
            log_cases::append(log_cases::memory(), records, len, in_batch)
        })],
        others: vec![
            case(format!("commitlog_append_by_1000_{len}b"), move || {
                commitlog_cases::append(records, len, 1000)
            }),
            case(format!("nano_wal_append_by_100_{len}b"), move || {
                nano_wal_cases::append_many(records, len)
            }),
        ],
    }
}

/// Everything is read back, which was appended many records at a time.
fn read(records: usize, len: usize) -> Contest {
    Contest {
        records,
        ours: vec![case(format!("read_{len}b_memory"), move || {
            log_cases::read(log_cases::memory(), records, len)
        })],
        others: vec![
            case(format!("commitlog_read_{len}b"), move || commitlog_cases::read(records, len)),
            case(format!("nano_wal_read_{len}b"), move || nano_wal_cases::read(records, len)),
        ],
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    // No file grows beyond 360 MB. At 1 GB the kernel makes writers wait for the device every now
    // and then, and the same appends take up to five times as long.
    let contests = [
        append_single(1_000_000, 100),
        append_single(300_000, 1000),
        append_many(3_000_000, 100),
        append_many(300_000, 1000),
        read(3_000_000, 100),
        read(300_000, 1000),
    ];
    let mut ratios = Vec::new();
    for contest in contests {
        ratios.extend(hold(&contest)?);
    }
    for ratio in ratios {
        println!("{ratio}");
    }
    Ok(())
}

/// Measures the cases in turn and prints them; returns the lines of their ratios.
fn hold(contest: &Contest) -> Result<Vec<String>, Box<dyn Error>> {
    let ours = contest.ours.iter().map(|case| (case, Vec::new()));
    let others = contest.others.iter().map(|case| (case, Vec::new()));
    let mut measured: Vec<(&Case, Vec<Duration>)> = ours.chain(others).collect();
    for _ in 0..ROUNDS {
        for (case, times) in &mut measured {
            times.push((case.run)().map_err(|error| format!("{}: {error}", case.name))?);
        }
    }
    for (case, times) in &measured {
        let seconds = median(times.iter().map(Duration::as_secs_f64));
        println!(
            "case={} records_per_s={:.0} seconds={seconds:.6}",
            case.name,
            contest.records as f64 / seconds,
        );
    }
    let (ours, others) = measured.split_at(contest.ours.len());
    let mut ratios = Vec::new();
    for (our, our_times) in ours {
        for (other, other_times) in others {
            let rounds = our_times.iter().zip(other_times);
            let ratio = median(rounds.map(|(our, other)| other.as_secs_f64() / our.as_secs_f64()));
            ratios.push(format!("ratio={}:{} times={ratio:.2}", our.name, other.name));
        }
    }
    Ok(ratios)
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
