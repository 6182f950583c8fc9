//! What once went wrong with a member, and what other clients may do to it.

use super::*;
use crate::client::consumer::{Assigned, SeekTo};

/// A member of generation 1 is told by a heartbeat that it is out, while its JoinGroup is under
/// way. It joined once more at once; the answer to the first one was taken for the second one's,
/// and a third one followed, by which a static member fenced itself. Kafka's client waits for the
/// answer.
#[test]
fn a_member_that_is_out_does_not_join_twice_at_once() {
    for answer in [
        joined(Code::UnknownMemberId, -1, "m"),
        joined(Code::None, 2, "m"),
        joined(Code::RebalanceInProgress, -1, "m"),
    ] {
        let (mut bench, poll) = Bench::stable(&[("group.instance.id", "i")], false);
        bench.pass(3000);
        drop(bench.consumer.enforce_rebalance());
        bench.pass(0);
        assert_eq!(bench.waiting(), ["Heartbeat", "JoinGroup"]);
        bench.answer("Heartbeat", beaten(Code::UnknownMemberId));
        assert_eq!((bench.who().as_str(), bench.waiting()), ("Unjoined -1 ''", vec!["JoinGroup"]));
        bench.answer("JoinGroup", answer);
        assert_eq!(bench.waiting(), ["JoinGroup"]);
        assert_eq!(bench.who(), "PreparingRebalance -1 ''");
        bench.answer("JoinGroup", joined(Code::None, 3, "n"));
        bench.sync(&[0]);
        assert_eq!((bench.who().as_str(), bench.assignment()), ("Stable 3 'n'", vec![0]));
        assert_eq!(bench.result(poll), "waits");
    }
}

/// When the connection is lost, so is the answer that it waits for.
#[test]
fn an_old_join_group_that_is_lost_is_waited_for_no_more() {
    let (mut bench, _) = Bench::stable(&[], false);
    bench.pass(3000);
    drop(bench.consumer.enforce_rebalance());
    bench.pass(0);
    bench.answer("Heartbeat", beaten(Code::UnknownMemberId));
    bench.lose_connection();
    bench.pass(300);
    bench.find_coordinator();
    assert_eq!(bench.waiting(), ["JoinGroup"]);
}

/// While the listener was told that one partition was revoked, a heartbeat told that the member was
/// out of its generation: all its partitions were gone then, and nobody was told of the others.
/// Kafka's client keeps them until it has its next assignment.
#[test]
fn just_what_was_told_is_given_up() {
    let configs = [("partition.assignment.strategy", "cooperative-sticky")];
    let (mut bench, poll) = Bench::stable(&configs, true);
    bench.consumer.abandon(|op| op == poll);
    let both = Topics::Names([TopicName::from("orders"), TopicName::from("returns")].into());
    drop(bench.consumer.subscribe(bench.now, both, true));
    bench.consumer.assigned.insert(TopicPartition::new("returns", 0), Assigned::new());
    let only = Topics::Names([TopicName::from("orders")].into());
    drop(bench.consumer.subscribe(bench.now, only, true));
    drop(bench.consumer.enforce_rebalance());
    let poll = bench.poll();
    assert_eq!(bench.result(poll), "revoked 1");
    bench.pass(3000);
    bench.answer("Heartbeat", beaten(Code::UnknownMemberId));
    bench.answer_user(true);
    assert_eq!(
        (bench.who().as_str(), bench.assignment()),
        ("PreparingRebalance -1 ''", vec![0, 1])
    );
}

/// The coordinator was lost while the listener ran. What it was told to be revoked went only when
/// another one was known: until then records of it were given out, and a close told the listener
/// once more.
#[test]
fn what_was_revoked_is_gone_when_the_listener_is_done() {
    for goes_on in [true, false] {
        let (mut bench, poll) = Bench::stable(&[], true);
        bench.consumer.abandon(|op| op == poll);
        drop(bench.consumer.enforce_rebalance());
        let poll = bench.poll();
        assert_eq!(bench.result(poll), "revoked 2");
        bench.lose_connection();
        bench.answer_user(goes_on);
        assert_eq!(bench.assignment(), [0; 0]);
    }
}

/// The listener failed when it was told what was revoked, and the application unsubscribed. What
/// the member had been about to take over it took over when it subscribed again.
#[test]
fn an_assignment_is_forgotten_with_the_subscription() {
    let configs = [("partition.assignment.strategy", "cooperative-sticky")];
    let (mut bench, poll) = Bench::stable(&configs, true);
    bench.consumer.abandon(|op| op == poll);
    drop(bench.consumer.enforce_rebalance());
    let poll = bench.poll();
    bench.join(2);
    bench.sync(&[0]);
    assert_eq!(bench.result(poll), "revoked 1");
    bench.answer_user(false);
    let leave = bench.call(|consumer, now, op, effects| consumer.unsubscribe(now, op, effects));
    assert_eq!(bench.result(leave), "revoked 1");
    bench.call(|consumer, now, op, effects| {
        consumer.answer_user(now, op, UserAnswer::Done, true, effects)
    });
    assert_eq!((bench.who().as_str(), bench.assignment()), ("Unjoined -1 ''", vec![]));
    let again = Topics::Names([TopicName::from("returns")].into());
    drop(bench.consumer.subscribe(bench.now, again, true));
    let poll = bench.poll();
    assert_eq!((bench.result(poll).as_str(), bench.assignment()), ("waits", vec![]));
    assert!(bench.waiting().contains(&"JoinGroup"), "{:?}", bench.waiting());
}

/// An auto commit that waited for the coordinator was sent after the member had unsubscribed, in
/// the name of nobody; the group was empty, and took it.
#[test]
fn no_auto_commit_waits_for_a_coordinator() {
    let (mut bench, _) = Bench::stable(&[("enable.auto.commit", "true")], false);
    for partition in [0, 1] {
        drop(bench.consumer.seek(&at(partition), SeekTo::Offset(Offset(3))));
    }
    bench.pass(0);
    bench.lose_connection();
    bench.pass(20_000);
    bench.requests.retain(|(_, request)| name(request) != "data");
    let unsent = bench.group().commits.len();
    assert_eq!((bench.waiting(), unsent), (vec!["FindCoordinator"], 0));
}

/// The session ended without an answer to any heartbeat, and the member went on with the connection
/// on which they were lost, until request.timeout.ms. Kafka's client opens another one.
#[test]
fn a_connection_without_answers_is_closed_when_the_session_ends() {
    let (mut bench, _) = Bench::stable(&[("session.timeout.ms", "6000")], false);
    bench.pass(5900);
    assert_eq!(bench.waiting(), ["Heartbeat"]);
    bench.pass(200);
    assert_eq!(bench.waiting(), ["FindCoordinator"]);
}

/// While the listener runs, only its own calls are served.
#[test]
fn a_poll_from_inside_of_a_listener_is_refused() {
    let mut bench = Bench::new(&[], true);
    let poll = bench.poll();
    bench.find_coordinator();
    bench.join(1);
    bench.sync(&[0, 1]);
    assert_eq!(bench.result(poll), "assigned 2");
    let inner = bench.poll();
    let why = "invalid argument: the listener runs: poll when it is done";
    assert_eq!(bench.result(inner), why);
    let close = bench.call(|consumer, now, op, effects| consumer.close(now, op, effects));
    assert!(bench.result(close).contains("close when it is done"));
    let commit = bench.commit(true);
    bench.answer("OffsetCommit", committed(Code::None));
    assert_eq!(bench.result(commit), "done");
}

/// The call that the listener was to run for has been given up: a later poll tells it.
#[test]
fn a_listener_that_nobody_has_run_is_told_again() {
    let mut bench = Bench::new(&[], true);
    let poll = bench.poll();
    bench.find_coordinator();
    bench.join(1);
    bench.sync(&[0, 1]);
    assert_eq!(bench.result(poll), "assigned 2");
    bench.consumer.abandon(|op| op == poll);
    let poll = bench.poll();
    assert_eq!(bench.result(poll), "assigned 2");
}

/// What the phases let happen, in the order of a rebalance.
#[test]
fn a_rebalance_goes_through_its_states() {
    let mut bench = Bench::new(&[], true);
    let poll = bench.poll();
    assert_eq!(bench.who(), "Unjoined -1 ''");
    bench.find_coordinator();
    assert_eq!(
        (bench.who().as_str(), bench.waiting()),
        ("PreparingRebalance -1 ''", vec!["JoinGroup"])
    );
    bench.join(1);
    assert_eq!(
        (bench.who().as_str(), bench.waiting()),
        ("CompletingRebalance 1 'm'", vec!["SyncGroup"])
    );
    bench.sync(&[1]);
    assert_eq!((bench.who().as_str(), bench.assignment()), ("Stable 1 'm'", vec![1]));
    assert_eq!(bench.result(poll), "assigned 1");
}

/// A commit before a rebalance was refused until the rebalance went on without it. It was tried
/// again in the next generation, and took back what others had committed meanwhile, for ever.
#[test]
fn a_commit_for_a_rebalance_ends_with_its_time() {
    let configs = [("enable.auto.commit", "true"), ("max.poll.interval.ms", "5000")];
    let (mut bench, _) = Bench::stable(&configs, false);
    for partition in [0, 1] {
        drop(bench.consumer.seek(&at(partition), SeekTo::Offset(Offset(3))));
    }
    drop(bench.consumer.enforce_rebalance());
    bench.pass(0);
    let begun = bench.now;
    while !bench.waiting().contains(&"JoinGroup") {
        assert!(bench.now <= begun.after_ms(5000), "it joins without the commit in the end");
        if bench.waiting().contains(&"OffsetCommit") {
            bench.answer("OffsetCommit", committed(Code::UnknownTopicOrPartition));
        }
        bench.pass(100);
    }
    assert!(bench.group().commits.is_empty());
    bench.requests.retain(|(_, request)| name(request) == "JoinGroup");
    bench.join(2);
    bench.sync(&[0]);
    bench.pass(2000);
    assert_eq!((bench.who().as_str(), bench.waiting()), ("Stable 2 'm'", vec![]));
}

/// Who is fenced as he commits is fenced for good: another one has his instance id. He went on
/// until a heartbeat, joined again, and fenced the other one.
#[test]
fn a_fenced_commit_that_nobody_waited_for_ends_the_consumer() {
    let (mut bench, poll) = Bench::stable(&[("group.instance.id", "i")], false);
    bench.consumer.abandon(|op| op == poll);
    let commit = bench.commit(false);
    bench.answer("OffsetCommit", committed(Code::FencedInstanceId));
    assert_eq!(bench.result(commit), "FENCED_INSTANCE_ID (82)");
    let poll = bench.poll();
    assert_eq!(bench.result(poll), "FENCED_INSTANCE_ID (82)");
    let commit = bench.commit(true);
    assert_eq!(bench.result(commit), "FENCED_INSTANCE_ID (82)");
}

/// `a)|(b` is no regular expression by itself, but was one in brackets, and matched without anchors.
#[test]
fn a_pattern_broke_out_of_its_brackets() {
    assert!(SubscriptionPattern::new("a)|(b").is_err());
    assert!(SubscriptionPattern::new("").is_err());
    assert!(SubscriptionPattern::new("a|b").is_ok());
}

fn leads(members: Vec<(&str, &'static [u8])>) -> Response {
    let member = |(member_id, metadata): (&str, &'static [u8])| JoinGroupResponseMember {
        member_id: member_id.to_owned(),
        group_instance_id: None,
        metadata: Bytes::from_static(metadata),
    };
    let mut response = JoinGroupResponse::failed(Code::None, "m");
    response.generation_id = 1;
    response.protocol_type = Some("consumer".to_owned());
    response.protocol_name = Some("range".to_owned());
    response.leader = "m".to_owned();
    response.members = members.into_iter().map(member).collect();
    Response::JoinGroup(response)
}

/// Another member's client sends what is no subscription: the leader's poll says whose it is, and
/// it joins again.
#[test]
fn damaged_subscriptions_are_an_error_of_the_leaders_poll() {
    const GOOD: &[u8] = b"\0\0\0\0\0\x01\0\x06orders\xff\xff\xff\xff";
    for damaged in [&b""[..], b"\0", b"\0\0\x7f\xff\xff\xff", &GOOD[..13], b"\xff\xff\0\0\0\0"] {
        let (mut bench, poll) = Bench::joining(&[]);
        bench.answer("JoinGroup", leads(vec![("m", GOOD), ("other", damaged)]));
        let Some(Err(error)) = bench.results.get(&poll) else { panic!("{:?}", bench.result(poll)) };
        let text = error.to_string();
        assert!(text.contains("the subscription of member 'other': "), "{text}");
        let poll = bench.poll();
        bench.pass(300);
        assert_eq!((bench.result(poll).as_str(), bench.waiting()), ("waits", vec!["JoinGroup"]));
        // Without the other one, all is well; fresh metadata are waited for.
        bench.answer("JoinGroup", leads(vec![("m", GOOD)]));
        bench.answer("Metadata", Response::Metadata(metadata([("orders".into(), 2)])));
        bench.sync(&[0, 1]);
        assert_eq!(bench.assignment(), [0, 1]);
    }
}

/// The leader's client sends what is no assignment: each poll says so, as in Kafka, and the member
/// stays in its group without partitions.
#[test]
fn damaged_assignments_are_an_error_of_each_poll() {
    for damaged in [&b""[..], b"\0", b"\0\x03\0\0\0\x01\0\x06ord", b"\0\x03\x7f\xff\xff\xff"] {
        let (mut bench, mut poll) = Bench::joining(&[]);
        bench.join(1);
        let mut response = SyncGroupResponse::failed(Code::None);
        response.assignment = Bytes::from_static(damaged);
        bench.answer("SyncGroup", Response::SyncGroup(response));
        for _ in 0..2 {
            let Some(Err(error)) = bench.results.get(&poll) else { panic!("{damaged:?} is read") };
            assert!(matches!(error, Error::InvalidArgument(_)), "{error}");
            poll = bench.poll();
        }
        assert_eq!((bench.who().as_str(), bench.assignment()), ("Stable 1 'm'", vec![]));
    }
}
