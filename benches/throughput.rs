//! The cases of the `throughput` example under criterion: `cargo bench`.
#![allow(clippy::unwrap_used, missing_docs)]

#[path = "../examples/throughput/cases.rs"]
mod cases;
#[path = "../examples/throughput/groups.rs"]
mod groups;
#[path = "../examples/throughput/limit.rs"]
#[allow(dead_code, reason = "the log's own cases are measured by the example")]
mod limit;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use kafkarium::Cluster;

const RECORDS: usize = 200_000;

fn throughput(criterion: &mut Criterion) {
    criterion.bench_function("first_record", |bench| bench.iter(|| cases::first_record().unwrap()));
    criterion.bench_function("first_record_group", |bench| {
        bench.iter(|| groups::first_record_group().unwrap());
    });
    for assignor in ["range", "cooperative-sticky"] {
        let mut group = criterion.benchmark_group(format!("rebalance_{assignor}"));
        group.sample_size(10);
        // A member leaves with each time, so that they are as many as there are times and more.
        group.bench_function("1000_members", |bench| {
            bench.iter_custom(|times| {
                let members = 1000 + times as usize;
                let mut baristas = groups::Group::new(members, 10_000, assignor).unwrap();
                (0..times).map(|_| baristas.rebalance().unwrap()).sum()
            });
        });
        group.finish();
    }
    for len in [100, 1000] {
        let mut group = criterion.benchmark_group(format!("{len}b"));
        group.sample_size(10).throughput(Throughput::Elements(RECORDS as u64));
        group.bench_function("limit", |bench| bench.iter(|| limit::seconds(RECORDS, len)));
        group.bench_function("end_to_end", |bench| {
            bench.iter(|| cases::end_to_end(Cluster::builder(), RECORDS, len).unwrap());
        });
        group.bench_function("trace_off", |bench| {
            bench
                .iter(|| cases::end_to_end(Cluster::builder().trace(false), RECORDS, len).unwrap());
        });
        group.bench_function("two_threads", |bench| {
            bench.iter(|| cases::two_threads(RECORDS, len).unwrap());
        });
        group.finish();
    }
    let (cluster, _) = cases::filled(1_000_000, 100).unwrap();
    criterion.bench_function("snapshot_restore", |bench| {
        bench.iter_custom(|times| {
            (0..times).map(|_| cases::snapshot_restore(&cluster).unwrap()).sum()
        });
    });
    criterion.bench_function("fork", |bench| bench.iter(|| cluster.fork().unwrap()));
}

criterion_group!(benches, throughput);
criterion_main!(benches);
