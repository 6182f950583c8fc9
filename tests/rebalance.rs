//! The rebalance of `examples/rebalance.rs`: over many seeds members join in many orders, each seed
//! gives the same every time, and the README shows what the example draws.
#![allow(clippy::unwrap_used)]

#[allow(dead_code)]
#[path = "../examples/rebalance.rs"]
mod example;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use kafkarium::trace::{
    Actor, Direction, GroupState, GroupTimeline, MemberHas, MemberSpan, Trace, TraceEvent,
};
use kafkarium::{ApiKey, Cluster, Time, TopicSpec};

const SEEDS: std::ops::RangeInclusive<u64> = 1..=100;
const COOPERATIVE: &str = "cooperative-sticky";

/// Who asked to join, in the order in which the coordinator was asked. The ids that it gives are
/// drawn from the seed as well; they do not count.
fn order_of_joins(trace: &Trace) -> Vec<Actor> {
    let joins = trace.entries().filter_map(|entry| match entry.event {
        TraceEvent::Delivered {
            from,
            direction: Direction::Request,
            api: ApiKey::JoinGroup,
            ..
        } => Some(from),
        _ => None,
    });
    joins.collect()
}

/// For how long members stood still that had had partitions before; newcomers wait in any case.
fn interrupted(timeline: &GroupTimeline) -> Duration {
    let stands = |span: &&MemberSpan| span.has == MemberHas::StandsStill;
    let has = |span: &MemberSpan| matches!(span.has, MemberHas::Partitions { .. });
    let of_member = |spans: &Vec<MemberSpan>| -> Duration {
        let after = spans.iter().skip_while(|span| !has(span));
        after.filter(stands).map(|span| span.to.since(span.from)).sum()
    };
    timeline.members.values().map(of_member).sum()
}

/// What must hold of every run: each partition has one owner at a time, and all have one in the end.
fn check(seed: u64, timeline: &GroupTimeline) {
    assert_eq!(timeline.partitions.len(), 6, "seed {seed}");
    for (partition, spans) in &timeline.partitions {
        assert!(spans.iter().all(|span| span.owners.len() <= 1), "seed {seed}: {partition}");
        assert_eq!(spans.last().unwrap().owners.len(), 1, "seed {seed}: {partition}");
    }
    assert_eq!(timeline.states.last().unwrap().state, GroupState::Stable, "seed {seed}");
}

#[test]
fn members_join_in_many_orders_and_each_seed_gives_the_same_twice() {
    for assignors in [example::DEFAULT, COOPERATIVE] {
        let (mut orders, mut fingerprints) = (BTreeSet::new(), BTreeSet::new());
        for seed in SEEDS {
            let trace = example::play(seed, assignors).unwrap();
            let again = example::play(seed, assignors).unwrap();
            assert_eq!(trace.to_string(), again.to_string(), "seed {seed}, {assignors}");
            assert_eq!(trace.fingerprint(), again.fingerprint(), "seed {seed}, {assignors}");
            check(seed, &trace.group_timeline("baristas"));
            fingerprints.insert(trace.fingerprint());
            orders.insert(order_of_joins(&trace));
        }
        println!("{assignors}: {} orders of joins over seeds 1 to 100", orders.len());
        assert!(orders.len() >= 20, "{assignors}: {} orders", orders.len());
        assert_eq!(fingerprints.len(), 100, "{assignors}");
    }
}

#[test]
fn cooperative_members_never_stand_still_and_eager_ones_do_in_each_rebalance() {
    let mut sums: BTreeMap<&str, Duration> = BTreeMap::new();
    for seed in SEEDS {
        for assignors in [example::DEFAULT, COOPERATIVE] {
            let trace = example::play(seed, assignors).unwrap();
            let interrupted = interrupted(&trace.group_timeline("baristas"));
            let is_cooperative = assignors == COOPERATIVE;
            assert_eq!(interrupted.is_zero(), is_cooperative, "seed {seed}: {interrupted:?}");
            *sums.entry(assignors).or_default() += interrupted;
        }
    }
    println!("members that had partitions stood still, over seeds 1 to 100: {sums:?}");
}

/// `UPDATE_README=1 cargo test --test rebalance` brings the README up to date.
#[test]
fn the_picture_of_the_readme_is_what_the_example_draws_when_a_member_leaves() {
    let trace = example::play(1, example::DEFAULT).unwrap();
    let closes = trace.entries().find(|entry| {
        matches!(entry.actor, Actor::Consumer(_)) && entry.event == TraceEvent::Called("close")
    });
    let timeline = trace.group_timeline("baristas").between(closes.unwrap().time, Time::NEVER);
    let drawn = timeline.to_mermaid();
    assert!(drawn.lines().count() <= 40, "too much for a README:\n{drawn}");

    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/README.md");
    let readme = std::fs::read_to_string(path).unwrap();
    let (before, rest) = readme.split_once("```mermaid\n").unwrap();
    let (shown, after) = rest.split_once("```").unwrap();
    if std::env::var_os("UPDATE_README").is_some() {
        std::fs::write(path, format!("{before}```mermaid\n{drawn}```{after}")).unwrap();
    } else {
        assert_eq!(shown, drawn, "UPDATE_README=1 cargo test --test rebalance");
    }
}

#[test]
fn who_sleeps_through_its_session_has_partitions_that_others_have_as_well() {
    let seconds = Duration::from_secs;
    let cluster = Cluster::builder().config("group.initial.rebalance.delay.ms", "0");
    let cluster = cluster.build().unwrap();
    cluster.admin().create_topic("orders", TopicSpec::partitions(2)).unwrap();
    let member = || {
        let mut member = cluster.consumer([("group.id", "baristas")]).unwrap();
        member.subscribe(["orders"]).unwrap();
        member
    };
    let (mut awake, mut asleep) = (member(), member());
    cluster.poll_all(&mut [&mut awake, &mut asleep], seconds(10)).unwrap();
    let theirs = asleep.assignment();
    cluster.pause(asleep.id(), seconds(60)).unwrap();
    cluster.poll_all(&mut [&mut awake], seconds(55)).unwrap();
    cluster.poll_all(&mut [&mut awake, &mut asleep], seconds(20)).unwrap();
    let timeline = cluster.trace().group_timeline("baristas");
    let shared = timeline.with_several_owners();
    for (partition, shared) in shared {
        assert_eq!(shared > seconds(5), theirs.contains(&partition), "{partition}: {timeline}");
    }
    // It notices when it wakes: it has lost what it had, and joins.
    assert!(timeline.to_mermaid().contains("lost: "), "{timeline}");
    assert!(timeline.partitions.values().all(|spans| spans.last().unwrap().owners.len() == 1));
}
