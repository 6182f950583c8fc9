//! What must hold for any group, however odd its members are.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;

use super::{Assignor, LastAssignment, Member, by_name, parse};
use crate::api::Assignment;
use crate::types::{TopicName, TopicPartition};

type Topics = BTreeMap<TopicName, i32>;
type Members = BTreeMap<String, Member>;
type Lists = BTreeMap<String, Vec<TopicPartition>>;

/// Topics that may be subscribed to; not all of them exist.
const NAMES: [&str; 5] = ["orders", "payments", "stock", "audit", "returns"];

fn topics() -> impl Strategy<Value = Topics> {
    btree_map(0..4_usize, -1..9, 0..4)
        .prop_map(|topics| topics.into_iter().map(|(name, n)| (NAMES[name].into(), n)).collect())
}

/// A member that claims anything, in any generation, and whose user data may be anything.
fn member(equal: bool) -> impl Strategy<Value = Member> {
    let topics = vec(0..5_usize, 0..5);
    let owned = vec((0..5_usize, -1..10), 0..12);
    let raw = proptest::option::weighted(0.1, vec(any::<u8>(), 0..40));
    (topics, owned, -2..4, -2..4, raw, proptest::option::of("[a-c]")).prop_map(
        move |(topics, owned, generation, subscribed, raw, instance)| {
            let mut member = Member { group_instance_id: instance, ..Member::default() };
            let all = 0..NAMES.len();
            let topics = if equal { all.collect() } else { topics };
            member.subscription.topics = topics.iter().map(|&name| NAMES[name].into()).collect();
            let named = |(name, number): (usize, i32)| TopicPartition::new(NAMES[name], number);
            give(&mut member, owned.into_iter().map(named).collect(), generation);
            member.subscription.generation_id = subscribed;
            member.subscription.user_data =
                raw.map_or(member.subscription.user_data, |raw| Some(raw.into()));
            member
        },
    )
}

fn members(equal: bool, count: std::ops::Range<usize>) -> impl Strategy<Value = Members> {
    vec(member(equal), count)
        .prop_map(|members| (0..).map(|id: u32| format!("m{id}")).zip(members).collect())
}

fn group(least: usize) -> impl Strategy<Value = (Topics, Members)> {
    let members = any::<bool>().prop_flat_map(move |equal| members(equal, least..8));
    (topics(), members)
}

fn equal_group() -> impl Strategy<Value = (Topics, Members)> {
    (topics(), members(true, 2..8))
}

/// Lets a member have these partitions since this generation.
fn give(member: &mut Member, partitions: Vec<TopicPartition>, generation_id: i32) {
    let assignment = Assignment { partitions: partitions.clone(), user_data: None };
    let last = LastAssignment { assignment, generation_id };
    let sticky = by_name("sticky").unwrap();
    member.subscription.user_data = sticky.user_data(&[], Some(&last));
    member.subscription.owned_partitions = partitions;
    member.subscription.generation_id = generation_id;
}

fn give_all(members: &mut Members, lists: &Lists, generation: i32) {
    for (id, member) in members {
        give(member, lists[id].clone(), generation);
    }
}

/// Members that have nothing.
fn fresh(mut members: Members) -> Members {
    for member in members.values_mut() {
        give(member, Vec::new(), -1);
    }
    members
}

fn assign(assignor: &dyn Assignor, topics: &Topics, members: &Members) -> Lists {
    let assignments = assignor.assign(topics, members);
    assignments.into_iter().map(|(id, assignment)| (id, assignment.partitions)).collect()
}

/// Assigns until nobody has to let go of anything; says how many rounds it took.
fn settle(assignor: &dyn Assignor, topics: &Topics, members: &mut Members) -> (Lists, usize) {
    for round in 1.. {
        let lists = assign(assignor, topics, members);
        assert!(round < 20, "it takes too many rounds");
        give_all(members, &lists, 10 + round as i32);
        if lists.values().map(Vec::len).sum::<usize>() == wanted(topics, members) {
            return (lists, round);
        }
    }
    unreachable!("rounds are without end")
}

/// How many partitions there are of topics that somebody subscribes to.
fn wanted(topics: &Topics, members: &Members) -> usize {
    let subscribed: BTreeSet<&TopicName> =
        members.values().flat_map(|member| &member.subscription.topics).collect();
    let counts = topics.iter().filter(|(name, _)| subscribed.contains(name));
    counts.map(|(_, &count)| usize::try_from(count).unwrap_or(0)).sum()
}

/// Each partition has at most one member, which subscribes to it; returns how many have one.
fn check(topics: &Topics, members: &Members, lists: &Lists) -> usize {
    assert!(lists.keys().eq(members.keys()), "{lists:?}");
    let mut given = BTreeSet::new();
    for (id, list) in lists {
        for partition in list {
            assert!(members[id].subscription.topics.contains(&partition.topic), "{partition}");
            assert!((0..topics[&partition.topic]).contains(&partition.partition), "{partition}");
            assert!(given.insert(partition), "{partition} is given twice");
        }
    }
    given.len()
}

fn differ_by_one_at_most(lists: &Lists) -> bool {
    let counts = || lists.values().map(Vec::len);
    counts().max() <= counts().min().map(|least| least + 1)
}

fn sets(lists: &Lists) -> BTreeMap<&str, BTreeSet<&TopicPartition>> {
    lists.iter().map(|(id, list)| (id.as_str(), list.iter().collect())).collect()
}

proptest! {
    #[test]
    fn each_partition_goes_to_one_member_that_wants_it((topics, members) in group(0)) {
        for assignor in parse("range,roundrobin,sticky,cooperative-sticky", &[]).unwrap() {
            let lists = assign(&*assignor, &topics, &members);
            let given = check(&topics, &members, &lists);
            if assignor.name() != "cooperative-sticky" && !members.is_empty() {
                prop_assert_eq!(given, wanted(&topics, &members), "{:?}", assignor);
            }
        }
    }

    #[test]
    fn what_is_held_back_is_given_in_a_later_round((topics, mut members) in group(1)) {
        let cooperative = by_name("cooperative-sticky").unwrap();
        let (lists, _) = settle(&*cooperative, &topics, &mut members);
        check(&topics, &members, &lists);
    }

    #[test]
    fn equal_members_get_equal_shares_in_two_rounds((topics, mut members) in equal_group()) {
        for name in ["roundrobin", "sticky"] {
            let lists = assign(&*by_name(name).unwrap(), &topics, &members);
            prop_assert!(differ_by_one_at_most(&lists), "{} {:?}", name, lists);
        }
        let cooperative = by_name("cooperative-sticky").unwrap();
        let (lists, rounds) = settle(&*cooperative, &topics, &mut members);
        prop_assert!(rounds <= 2 && differ_by_one_at_most(&lists), "{:?}", lists);
    }

    #[test]
    fn nothing_moves_when_nothing_changes((topics, members) in group(1), changed in group(1)) {
        for name in ["sticky", "cooperative-sticky"] {
            let assignor = by_name(name).unwrap();
            let mut members = fresh(members.clone());
            let (lists, rounds) = settle(&*assignor, &topics, &mut members);
            prop_assert_eq!(rounds, 1);
            let again = assign(&*assignor, &topics, &members);
            prop_assert_eq!(sets(&again), sets(&lists));
            // The same where they have come from another group to where they are.
            let (topics, mut members) = changed.clone();
            let (lists, _) = settle(&*assignor, &topics, &mut members);
            let again = assign(&*assignor, &topics, &members);
            prop_assert_eq!(sets(&again), sets(&lists));
        }
    }

    #[test]
    fn only_what_a_member_leaves_behind_moves(
        (topics, members) in equal_group(),
        who in 0..7_usize,
    ) {
        for name in ["sticky", "cooperative-sticky"] {
            let assignor = by_name(name).unwrap();
            let mut members = fresh(members.clone());
            let (before, _) = settle(&*assignor, &topics, &mut members);
            let leaver = members.keys().nth(who % members.len()).unwrap().clone();
            members.remove(&leaver);
            let after = assign(&*assignor, &topics, &members);
            prop_assert_eq!(check(&topics, &members, &after), wanted(&topics, &members));
            for (id, kept) in sets(&after) {
                prop_assert!(before[id].iter().all(|partition| kept.contains(partition)));
            }
        }
    }

    #[test]
    fn damaged_user_data_is_survived(bytes in vec(any::<u8>(), 0..60), cut in 0..60_usize) {
        let sticky = by_name("sticky").unwrap();
        let topics = Topics::from([("orders".into(), 3)]);
        let mut member = Member::default();
        member.subscription.topics = vec!["orders".into()];
        give(&mut member, vec![("orders", 0).into(), ("stock", 1).into()], 4);
        let good = member.subscription.user_data.take().unwrap();
        for damaged in [Bytes::from(bytes), good.slice(..cut.min(good.len()))] {
            member.subscription.user_data = Some(damaged);
            let members = Members::from([("m".to_owned(), member.clone())]);
            prop_assert_eq!(check(&topics, &members, &assign(&*sticky, &topics, &members)), 3);
        }
    }
}
