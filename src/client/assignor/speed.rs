//! How long large groups take, for reading, not for judging:
//! `cargo test --release --lib assignor::speed -- --ignored --nocapture`.

use std::collections::BTreeMap;
use std::time::Instant;

use super::{Assignor, LastAssignment, Member, parse};
use crate::types::TopicName;

/// The topics that a member subscribes to, by its number.
type Wants = fn(usize, usize) -> bool;

fn run(assignor: &dyn Assignor, members: usize, topics: usize, each: i32, wants: Wants) {
    let names: Vec<TopicName> = (0..topics).map(|n| format!("topic-{n:02}").into()).collect();
    let partitions: BTreeMap<_, _> = names.iter().map(|name| (name.clone(), each)).collect();
    let mut group: BTreeMap<String, Member> = BTreeMap::new();
    for number in 0..members {
        let mut member = Member::default();
        let wanted = names.iter().enumerate().filter(|&(topic, _)| wants(number, topic));
        member.subscription.topics = wanted.map(|(_, name)| name.clone()).collect();
        member.subscription.generation_id = -1;
        group.insert(format!("consumer-{:08x}", number.wrapping_mul(0x9e37_79b1)), member);
    }
    let mut figures = Vec::new();
    for generation_id in 1..=3 {
        let begin = Instant::now();
        let assignments = assignor.assign(&partitions, &group);
        figures.push(begin.elapsed().as_micros() as f64 / 1000.0);
        for (id, assignment) in assignments {
            let member = group.get_mut(&id).unwrap();
            member.subscription.generation_id = generation_id;
            member.subscription.owned_partitions.clone_from(&assignment.partitions);
            let last = LastAssignment { assignment, generation_id };
            member.subscription.user_data = assignor.user_data(&[], Some(&last));
        }
        if generation_id == 1 {
            group.pop_first();
        } else {
            let (id, member) = group.pop_last().unwrap();
            group.insert(format!("new-{id}"), Member { group_instance_id: None, ..member });
        }
    }
    let total = topics * each as usize;
    let [first, left, changed] = figures[..] else { unreachable!("three rounds") };
    println!(
        "{:>18} {members} members, {total} partitions: \
         first {first:.1} ms, one left {left:.1} ms, one changed {changed:.1} ms",
        assignor.name()
    );
}

#[test]
#[ignore = "prints figures"]
fn speed() {
    let equal: Wants = |_, _| true;
    let unequal: Wants = |member, topic| !(member + topic).is_multiple_of(3);
    // Half of the members read one topic alone.
    let skewed: Wants = |member, topic| member % 2 == 0 || topic == 0;
    for (how, wants) in [("equal", equal), ("unequal", unequal), ("skewed", skewed)] {
        println!("{how} subscriptions");
        for assignor in parse("range,roundrobin,sticky,cooperative-sticky", &[]).unwrap() {
            run(&*assignor, 1000, 10, 1000, wants);
            run(&*assignor, 5000, 10, 5000, wants);
            run(&*assignor, 5000, 500, 100, wants);
        }
    }
}
