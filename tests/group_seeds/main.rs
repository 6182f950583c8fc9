//! Groups over many seeds, each run twice: whatever joins, leaves, crashes, pauses, polls, commits,
//! restarts and faults the seed draws, and in whatever order,
//!
//! - no two members of a generation have one partition, and in the end each partition is read by
//!   exactly one living member of one generation;
//! - each member has what it was told to have, and its listener is told of all that goes;
//! - no commit is taken from a stale generation or a stranger, none goes beyond what was given out,
//!   and nothing but a commit moves a committed offset;
//! - what a restart of the broker brings back is what was written: the last assigned generation,
//!   and all committed offsets;
//! - in the end every record has been given out.
//!
//! Each check was seen to fail on a fault that was put in for it: a commit that is taken whoever
//! sends it, or from a stranger while the group has members, a partition that is assigned to two
//! members, one that stays after it was revoked, or lost, a commit of more than was given out,
//! offsets that a restart forgets, a silent member that stays. What they found by themselves stands
//! as regression tests in the consumer's unit tests and in `group_code.rs`.
//!
//! A failing seed prints the command that replays it, and that prints its steps; with GROUP_TRACE=1
//! the trace, too. GROUP_SEEDS=2000 runs more of them.
#![allow(clippy::unwrap_used)]

#[path = "../common/mod.rs"]
mod common;
mod members;
mod scenario;
mod watch;

use std::collections::BTreeMap;

use kafkarium::trace::{BrokerEvent, ClientEvent, GroupState, TraceEvent};
use kafkarium::{Cluster, Error};
use scenario::Scenario;

const GROUP: &str = "baristas";

/// How often what the checks are about has happened: a check of what never happens checks nothing.
type Met = BTreeMap<&'static str, usize>;

/// One run; gives the trace's fingerprint, and what was found wrong.
fn run(seed: u64, tells: bool) -> (u32, Result<Met, String>) {
    let mut scenario = Scenario::new(seed, tells);
    let mut result = scenario.run();
    if let Ok(met) = &mut result {
        count_events(&scenario.cluster, met);
    }
    if tells && std::env::var("GROUP_TRACE").is_ok() {
        println!("{}", scenario.cluster.trace());
    }
    (scenario.cluster.trace().fingerprint(), result)
}

/// A call may fail in these tests; what broke an invariant may not be passed over.
fn may_fail<T>(result: Result<T, Error>) -> Result<Option<T>, Error> {
    match result {
        Err(error @ Error::InvariantBroken { .. }) => Err(error),
        result => Ok(result.ok()),
    }
}

fn count_events(cluster: &Cluster, met: &mut Met) {
    for entry in cluster.trace().entries() {
        let what = match &entry.event {
            TraceEvent::Broker(BrokerEvent::GroupChanged { to: GroupState::Stable, .. }) => {
                "generations"
            }
            TraceEvent::Broker(BrokerEvent::GroupChanged { to: GroupState::Empty, .. }) => {
                "times empty"
            }
            TraceEvent::Client(ClientEvent::OffsetsCommitted { .. }) => "commits done",
            TraceEvent::Client(ClientEvent::CommitFailed { .. }) => "commits failed",
            TraceEvent::Client(ClientEvent::PartitionsRevoked { .. }) => "revocations",
            TraceEvent::Client(ClientEvent::PartitionsLost { .. }) => "losses",
            TraceEvent::Client(ClientEvent::PollIntervalExceeded) => "poll intervals exceeded",
            TraceEvent::Fault(_) => "faults",
            _ => continue,
        };
        *met.entry(what).or_default() += 1;
    }
}

#[test]
fn groups_come_to_rest_and_every_seed_runs_the_same_twice() {
    let only = std::env::var("GROUP_SEED").ok().map(|seed| seed.parse().expect("a number"));
    let count = std::env::var("GROUP_SEEDS").map_or(200, |count| count.parse().expect("a number"));
    let seeds = only.map_or(1..=count, |seed: u64| seed..=seed);
    let mut sum = Met::new();
    for seed in seeds {
        let first = run(seed, only.is_some());
        let replay = format!("replay it with: GROUP_SEED={seed} cargo test --test group_seeds");
        let met =
            first.1.as_ref().unwrap_or_else(|why| panic!("seed {seed} fails: {why}; {replay}"));
        for (what, count) in met {
            *sum.entry(what).or_default() += count;
        }
        assert_eq!(run(seed, false), first, "seed {seed} differs when it is run again; {replay}");
    }
    println!("{sum:#?}");
    let all = [
        "generations",
        "times empty",
        "commits done",
        "commits failed",
        "commits by simple consumers",
        "commits refused to simple consumers",
        "revocations",
        "losses",
        "fenced",
        "poll intervals exceeded",
        "faults",
        "records read twice",
        "restarts compared",
        "restarts in a rebalance",
    ];
    if only.is_none() {
        let missing: Vec<_> = all.iter().filter(|what| !sum.contains_key(*what)).collect();
        assert!(missing.is_empty(), "never happened: {missing:?}");
    }
}
