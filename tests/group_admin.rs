//! Groups as an administrator sees them, and sets their offsets. The tables and the rules are those
//! of `kafka-consumer-groups` of Kafka 4.3.1, run against a broker of that version; the clamping
//! and falling back are told there by warnings.
#![allow(clippy::unwrap_used)]

mod common;

use std::time::Duration;

use common::{send, with_topic};
use kafkarium::{
    Admin, ApiKey, BrokerId, Cluster, DEFAULTS, Error, ErrorCode, Fault, GroupState, Offset,
    OffsetReset, OffsetSpec, OffsetWarning, Record, ResetPlan, ResetTo, Time, Timestamp,
    TopicPartition, TopicSpec,
};

const BROKER: BrokerId = BrokerId(1);

fn at(offset: i64) -> ResetTo {
    ResetTo::Offset(Offset(offset))
}

fn topic(to: ResetTo) -> OffsetReset {
    OffsetReset::new().topic("orders", to)
}

/// Three partitions of which the second one has 14 records, a second apart from each other.
fn shop() -> (Cluster, Admin) {
    let cluster = with_topic(Cluster::builder(), 3);
    let producer = cluster.producer(DEFAULTS).unwrap();
    for i in 0..14 {
        producer.send(Record::to("orders").partition(1).value(format!("v{i}"))).unwrap();
        producer.flush().unwrap();
        cluster.run_until(Time::VIRTUAL_START.after(Duration::from_secs(i + 1))).unwrap();
    }
    let admin = cluster.admin();
    (cluster, admin)
}

fn offsets(plan: &ResetPlan) -> Vec<i64> {
    plan.offsets.iter().map(|new| new.offset.0).collect()
}

/// What a group has committed, by partition of `orders`.
fn committed(admin: &Admin, group: &str) -> Vec<(i32, i64)> {
    let committed = admin.group_offsets(group).unwrap();
    committed.iter().map(|(partition, at)| (partition.partition, at.offset.0)).collect()
}

#[test]
fn lesson_offsets_of_a_new_group() {
    let (_, admin) = shop();
    assert!(admin.list_groups().unwrap().is_empty());
    // A dry run, also of a group that does not exist, only tells.
    let plan = admin.plan_group_offsets("shop", &topic(ResetTo::Earliest)).unwrap();
    let table = "\
GROUP           TOPIC           PARTITION  NEW-OFFSET
shop            orders          0          0
shop            orders          1          0
shop            orders          2          0";
    assert_eq!(plan.to_string(), table);
    assert!(admin.list_groups().unwrap().is_empty());
    let missing = admin.describe_group("shop").unwrap_err();
    assert_eq!(missing.code(), Some(ErrorCode::GroupIdNotFound));
    // Done in earnest, it makes the group.
    assert_eq!(admin.alter_group_offsets("shop", &topic(ResetTo::Earliest)).unwrap(), plan);
    let [listed] = &admin.list_groups().unwrap()[..] else { panic!("one group") };
    assert_eq!((&*listed.group_id, listed.state), ("shop", GroupState::Empty));
    assert_eq!(listed.protocol_type, "");
    assert_eq!(admin.list_groups_in_states(&[GroupState::Empty]).unwrap().len(), 1);
    assert!(admin.list_groups_in_states(&[GroupState::Stable]).unwrap().is_empty());
    let group = admin.describe_group("shop").unwrap();
    assert_eq!((group.state, group.coordinator), (GroupState::Empty, BROKER));
    assert_eq!((&*group.protocol, group.members.len()), ("", 0));
    // The end of the log stands there as 14; nobody reads it, and the last column is not padded.
    let lag = admin.group_lag("shop").unwrap();
    let table = "\
GROUP           TOPIC           PARTITION  CURRENT-OFFSET  LOG-END-OFFSET  LAG             \
CONSUMER-ID     HOST            CLIENT-ID
shop            orders          0          0               0               0               \
-               -               -
shop            orders          1          0               14              14              \
-               -               -
shop            orders          2          0               0               0               \
-               -               -";
    assert_eq!(lag.to_string(), table);
    let at = &admin.group_offsets("shop").unwrap()[&TopicPartition::new("orders", 1)];
    assert_eq!((at.offset, at.leader_epoch.0, &*at.metadata), (Offset(0), -1, ""));
}

#[test]
fn lesson_where_offsets_may_be_set_to() {
    let (cluster, admin) = shop();
    let start = Time::VIRTUAL_START.timestamp().0;
    let clamped = |plan: &ResetPlan, partition: usize| plan.offsets[partition].warning;
    let plan = |reset: &OffsetReset| admin.plan_group_offsets("shop", reset).unwrap();
    let partition = |to| OffsetReset::new().partition(("orders", 1), to);

    assert_eq!(offsets(&plan(&topic(ResetTo::Latest))), [0, 14, 0]);
    // Nothing is committed: the end.
    assert_eq!(offsets(&plan(&topic(ResetTo::Current))), [0, 14, 0]);
    // What is outside the log is moved to its nearest end.
    let above = plan(&partition(at(100)));
    assert_eq!(offsets(&above), [14]);
    assert_eq!(clamped(&above, 0), Some(OffsetWarning::AboveEnd(Offset(100))));
    let below = plan(&partition(at(-5)));
    assert_eq!(offsets(&below), [0]);
    assert_eq!(clamped(&below, 0), Some(OffsetWarning::BelowStart(Offset(-5))));
    // The first record at or after a time; the record of second 5 was written a little before it.
    let fifth = plan(&topic(ResetTo::Time(Timestamp(start + 4_500))));
    assert_eq!(offsets(&fifth), [0, 5, 0]);
    let none = Some(OffsetWarning::NoRecordSince(Timestamp(start + 4_500)));
    assert_eq!((clamped(&fifth, 0), clamped(&fifth, 1)), (none, None));
    // A time in the future: the end.
    let future = plan(&partition(ResetTo::Time(Timestamp(start + 86_400_000))));
    assert_eq!(offsets(&future), [14]);
    assert!(clamped(&future, 0).is_some());
    assert!(cluster.now().since(Time::VIRTUAL_START) < Duration::from_millis(14_500));
    let back = ResetTo::ByDuration(Duration::from_millis(3_500));
    assert_eq!(offsets(&plan(&partition(back))), [11]);
    assert_eq!(offsets(&plan(&partition(ResetTo::ByDuration(Duration::MAX)))), [0]);
    // The last one that names a partition counts.
    let mixed = topic(ResetTo::Latest).partition(("orders", 1), at(3));
    assert_eq!(offsets(&plan(&mixed)), [0, 3, 0]);
    assert!(admin.list_groups().unwrap().is_empty(), "plans have changed nothing");
}

#[test]
fn lesson_shifts_and_all_topics() {
    let (_, admin) = shop();
    let unknown = admin.alter_group_offsets("shop", &topic(ResetTo::ShiftBy(1))).unwrap_err();
    assert_eq!(
        unknown.to_string(),
        "invalid argument: group 'shop' has no offset of orders-0 to shift"
    );
    admin.alter_group_offsets("shop", &topic(ResetTo::Earliest)).unwrap();
    let on = admin.alter_group_offsets("shop", &topic(ResetTo::ShiftBy(3))).unwrap();
    assert_eq!(offsets(&on), [0, 3, 0]);
    assert_eq!(on.offsets[0].warning, Some(OffsetWarning::AboveEnd(Offset(3))));
    let all = OffsetReset::new().all_topics(ResetTo::ShiftBy(-2));
    assert_eq!(offsets(&admin.alter_group_offsets("shop", &all).unwrap()), [0, 1, 0]);
    let far = OffsetReset::new().all_topics(ResetTo::ShiftBy(i64::MAX));
    assert_eq!(offsets(&admin.plan_group_offsets("shop", &far).unwrap()), [0, 14, 0]);
    let current = OffsetReset::new().all_topics(ResetTo::Current);
    assert_eq!(offsets(&admin.plan_group_offsets("shop", &current).unwrap()), [0, 1, 0]);
    assert_eq!(committed(&admin, "shop"), [(0, 0), (1, 1), (2, 0)]);
    // All topics of a group without commits are none; the tool prints the head of the table.
    let nothing = admin.alter_group_offsets("new", &current).unwrap();
    assert_eq!(nothing.to_string(), "GROUP           TOPIC           PARTITION  NEW-OFFSET");
    assert_eq!(admin.list_groups().unwrap().len(), 1);
}

/// What a member has read counts when it is committed; as long as there are members, nobody else
/// sets offsets.
#[test]
fn lesson_a_live_group() {
    let (cluster, admin) = shop();
    let configs = [
        ("group.id", "shop"),
        ("client.id", "app"),
        ("auto.offset.reset", "earliest"),
        ("enable.auto.commit", "false"),
    ];
    let mut consumer = cluster.consumer(configs).unwrap();
    consumer.subscribe(["orders"]).unwrap();
    while consumer.poll(Duration::from_secs(1)).unwrap().is_empty() {}
    let lag = |partition: usize| {
        let lag = admin.group_lag("shop").unwrap();
        (lag.partitions[partition].current_offset, lag.partitions[partition].lag)
    };
    // Uncommitted is none, not 0.
    assert_eq!(lag(1), (None, None));
    consumer.commit_sync().unwrap();
    assert_eq!(lag(1), (Some(Offset(14)), Some(0)));
    let group = admin.describe_group("shop").unwrap();
    assert_eq!((group.state, &*group.protocol), (GroupState::Stable, "range"));
    assert_eq!(group.members[0].assignment.len(), 3);
    let refused = admin.alter_group_offsets("shop", &topic(ResetTo::Earliest)).unwrap_err();
    assert_eq!(refused.code(), Some(ErrorCode::NonEmptyGroup));
    assert_eq!(admin.delete_group("shop").unwrap_err().code(), Some(ErrorCode::NonEmptyGroup));
    // When the members have left, the offsets may be set, and who comes next begins there.
    consumer.close().unwrap();
    admin.alter_group_offsets("shop", &topic(ResetTo::ShiftBy(-2))).unwrap();
    let mut next = cluster.consumer(configs).unwrap();
    next.subscribe(["orders"]).unwrap();
    let records = loop {
        let records = next.poll(Duration::from_secs(1)).unwrap();
        if !records.is_empty() {
            break records;
        }
    };
    assert_eq!(records[0].offset(), Offset(12));
}

#[test]
fn lesson_deletion() {
    let (_, admin) = shop();
    admin.alter_group_offsets("shop", &topic(ResetTo::Latest)).unwrap();
    admin.alter_group_offsets("other", &topic(at(1))).unwrap();
    admin.delete_group("shop").unwrap();
    let ids: Vec<String> =
        admin.list_groups().unwrap().into_iter().map(|group| group.group_id).collect();
    assert_eq!(ids, ["other"]);
    assert!(admin.group_offsets("shop").unwrap().is_empty());
    let again = admin.delete_group("shop").unwrap_err();
    assert_eq!(again.to_string(), "GROUP_ID_NOT_FOUND (69): group 'shop'");
}

/// Offsets are deleted with their topic.
#[test]
fn a_topic_takes_the_offsets_with_it() {
    let (_, admin) = shop();
    admin.alter_group_offsets("shop", &topic(at(2))).unwrap();
    admin.create_topic("more", TopicSpec::partitions(1)).unwrap();
    let more = OffsetReset::new().topic("more", ResetTo::Latest);
    admin.alter_group_offsets("shop", &more).unwrap();
    admin.delete_topic("orders").unwrap();
    let lag = admin.group_lag("shop").unwrap();
    let rows: Vec<_> = lag.partitions.iter().map(|row| (row.log_end_offset, row.lag)).collect();
    assert_eq!(rows, [(Some(Offset(0)), Some(0))]);
    let gone = admin.alter_group_offsets("shop", &topic(ResetTo::Latest)).unwrap_err();
    assert_eq!(gone.to_string(), "UNKNOWN_TOPIC_OR_PARTITION (3): topic 'orders'");
}

#[test]
fn offsets_of_partitions() {
    let (_, admin) = shop();
    let start = Time::VIRTUAL_START.timestamp().0;
    let one = TopicPartition::new("orders", 1);
    let ask = |spec| admin.list_offsets([(&one, spec)]).map(|found| found[&one]);
    let earliest = ask(OffsetSpec::Earliest).unwrap();
    assert_eq!((earliest.offset, earliest.timestamp), (Some(Offset(0)), None));
    assert_eq!(ask(OffsetSpec::Latest).unwrap().offset, Some(Offset(14)));
    let youngest = ask(OffsetSpec::MaxTimestamp).unwrap();
    assert_eq!((youngest.offset, youngest.leader_epoch.is_some()), (Some(Offset(13)), true));
    assert!(youngest.timestamp.unwrap().0 >= start + 13_000);
    let fifth = ask(OffsetSpec::Timestamp(Timestamp(start + 4_500))).unwrap();
    assert_eq!(fifth.offset, Some(Offset(5)));
    let future = ask(OffsetSpec::Timestamp(Timestamp(start + 86_400_000))).unwrap();
    assert_eq!((future.offset, future.timestamp, future.leader_epoch), (None, None, None));
    // An empty partition has no largest timestamp.
    let empty = TopicPartition::new("orders", 0);
    let none = admin.list_offsets([(&empty, OffsetSpec::MaxTimestamp)]).unwrap()[&empty];
    assert_eq!(none.offset, None);
    assert!(matches!(ask(OffsetSpec::Timestamp(Timestamp(-1))), Err(Error::InvalidArgument(_))));
    let nowhere: [(TopicPartition, OffsetSpec); 0] = [];
    assert!(admin.list_offsets(nowhere).unwrap().is_empty());
    let unknown = admin.list_offsets([(("none", 0), OffsetSpec::Latest)]).unwrap_err();
    assert_eq!(unknown.to_string(), "UNKNOWN_TOPIC_OR_PARTITION (3): topic 'none'");
    // As in Kafka, a partition may still come into being.
    let missing = admin.list_offsets([(("orders", 7), OffsetSpec::Latest)]).unwrap_err();
    assert_eq!(missing.to_string(), "timed out after 60000 ms: the leader of orders-7");
}

#[test]
fn a_partition_comes_into_being_while_it_is_waited_for() {
    let (cluster, admin) = shop();
    let second = cluster.admin();
    cluster.inject(Fault::delay_request(ApiKey::Metadata, Duration::from_secs(1))).unwrap();
    second.create_partitions("orders", 8).unwrap();
    let seven = TopicPartition::new("orders", 7);
    let found = admin.list_offsets([(&seven, OffsetSpec::Latest)]).unwrap();
    assert_eq!(found[&seven].offset, Some(Offset(0)));
}

/// Errors name what and where, and change nothing.
#[test]
fn bad_input() {
    let (cluster, admin) = shop();
    admin.alter_group_offsets("shop", &topic(at(1))).unwrap();
    let described = || {
        let mut state = cluster.describe();
        state.remove("clock");
        state
    };
    let before = described();
    let alter = |group: &str, reset: OffsetReset| admin.alter_group_offsets(group, &reset);
    let partition = |p, to| OffsetReset::new().partition(("orders", p), to);
    let table = [
        // An empty id is one that old clients had: there is no such group, but there might be.
        (admin.describe_group("").unwrap_err(), "GROUP_ID_NOT_FOUND (69): group ''"),
        (admin.delete_group("").unwrap_err(), "GROUP_ID_NOT_FOUND (69): group ''"),
        (admin.describe_group("no").unwrap_err(), "GROUP_ID_NOT_FOUND (69): group 'no'"),
        (admin.group_lag("no").unwrap_err(), "GROUP_ID_NOT_FOUND (69): group 'no'"),
        (
            alter("shop", OffsetReset::new().topic("none", at(0))).unwrap_err(),
            "UNKNOWN_TOPIC_OR_PARTITION (3): topic 'none'",
        ),
        (
            alter("shop", topic(at(0)).partition(("orders", 7), at(0))).unwrap_err(),
            "UNKNOWN_TOPIC_OR_PARTITION (3): orders-7",
        ),
        (
            alter("shop", partition(-1, at(0))).unwrap_err(),
            "UNKNOWN_TOPIC_OR_PARTITION (3): orders--1",
        ),
        (
            alter("shop", partition(0, ResetTo::Time(Timestamp(-2)))).unwrap_err(),
            "invalid argument: timestamp -2 is negative",
        ),
        (
            alter("shop", OffsetReset::new()).unwrap_err(),
            "invalid argument: an OffsetReset names no partition, no topic and not all topics",
        ),
    ];
    for (error, text) in table {
        assert_eq!(error.to_string(), text);
    }
    assert_eq!(committed(&admin, "shop"), [(0, 0), (1, 1), (2, 0)]);
    assert_eq!(described(), before);
    admin.close().unwrap();
    assert_eq!(admin.list_groups(), Err(Error::Closed));
    assert_eq!(admin.describe_group("shop"), Err(Error::Closed));
}

/// A connection is lost in the middle of each kind of call, to a coordinator that has restarted: it
/// is found again, and what was committed is still there. (A restart in the middle of a call:
/// `src/cluster/group_admin/tests.rs`.)
#[test]
fn requests_and_replies_that_are_lost() {
    for api in [ApiKey::FindCoordinator, ApiKey::OffsetCommit, ApiKey::OffsetFetch] {
        for lost in [Fault::reset_before(api), Fault::reset_after(api), Fault::lose_response(api)] {
            let (cluster, admin) = shop();
            admin.alter_group_offsets("shop", &topic(at(2))).unwrap();
            cluster.inject(lost.clone()).unwrap();
            cluster.crash(BROKER).unwrap();
            cluster.restart(BROKER).unwrap();
            let all = OffsetReset::new().all_topics(ResetTo::ShiftBy(1));
            let plan = admin.alter_group_offsets("shop", &all).unwrap();
            assert_eq!(offsets(&plan), [0, 3, 0], "{lost:?}");
            assert_eq!(committed(&admin, "shop"), [(0, 0), (1, 3), (2, 0)], "{lost:?}");
        }
    }
}

/// The answer to a deletion is lost; the second attempt finds no such group, as in Kafka.
#[test]
fn a_deletion_whose_answer_is_lost() {
    let (cluster, admin) = shop();
    admin.alter_group_offsets("shop", &topic(at(2))).unwrap();
    cluster.inject(Fault::reset_after(ApiKey::DeleteGroups)).unwrap();
    let error = admin.delete_group("shop").unwrap_err();
    assert_eq!(error.code(), Some(ErrorCode::GroupIdNotFound));
    assert!(admin.list_groups().unwrap().is_empty());
}

#[test]
fn a_broker_that_is_down() {
    let (cluster, admin) = shop();
    admin.alter_group_offsets("shop", &topic(at(2))).unwrap();
    cluster.crash(BROKER).unwrap();
    let errors = [
        (admin.describe_group("shop").unwrap_err(), "the coordinator of group 'shop'"),
        (admin.list_groups().unwrap_err(), "the list of brokers"),
        (
            admin.list_offsets([(("orders", 0), OffsetSpec::Latest)]).unwrap_err(),
            "the leader of orders-0",
        ),
    ];
    for (error, what) in errors {
        assert_eq!(error.to_string(), format!("timed out after 60000 ms: {what}"));
    }
    cluster.restart(BROKER).unwrap();
    assert_eq!(committed(&admin, "shop"), [(0, 0), (1, 2), (2, 0)]);
}

/// The first search for a coordinator makes `__consumer_offsets`, and is answered
/// `COORDINATOR_NOT_AVAILABLE`; the next one, after `retry.backoff.ms`, finds it.
#[test]
fn lesson_the_first_group_of_a_cluster() {
    let cluster = with_topic(Cluster::builder(), 1);
    let producer = cluster.producer(DEFAULTS).unwrap();
    send(&producer, &["a"]);
    producer.flush().unwrap();
    let admin = cluster.admin();
    let before = cluster.trace().last();
    let then = cluster.now();
    assert!(admin.group_offsets("shop").unwrap().is_empty());
    let waited = cluster.now().since(then);
    assert!(
        waited > Duration::from_millis(80) && waited < Duration::from_millis(130),
        "{waited:?}"
    );
    let trace = cluster.trace();
    let lines: Vec<String> = trace
        .entries()
        .filter(|entry| entry.id > before)
        .map(|entry| format!("{} {}", entry.actor, entry.event))
        .filter(|line| line.contains("request") && line.starts_with("admin"))
        .collect();
    assert_eq!(lines.len(), 3, "{lines:#?}");
    assert!(lines[1].contains("FindCoordinator") && lines[2].contains("OffsetFetch"), "{lines:?}");
}

/// The same calls make the same trace.
#[test]
fn runs_are_repeatable() {
    let run = || {
        let (cluster, admin) = shop();
        cluster.inject(Fault::reset_before(ApiKey::OffsetCommit)).unwrap();
        admin.alter_group_offsets("shop", &topic(at(2))).unwrap();
        drop(admin.group_lag("shop").unwrap());
        cluster.trace().fingerprint()
    };
    assert_eq!(run(), run());
}
