//! The coordinator alone: when it wants to be woken, and what becomes of appends that fail. How it
//! answers is compared with recordings, in `broker/recordings`.
#![allow(clippy::unwrap_used)]

use super::*;
use crate::api::OffsetCommitPartition;
use crate::types::{LeaderEpoch, Offset, Timestamp};

const MINUTE_MS: i64 = 60_000;
const DAY_MS: i64 = 24 * 60 * MINUTE_MS;
const START: Time = Time::VIRTUAL_START;

fn coordinator() -> GroupCoordinator {
    let config = GroupConfig {
        initial_rebalance_delay_ms: 0,
        min_session_timeout_ms: 6000,
        max_session_timeout_ms: 1_800_000,
        max_size: usize::MAX,
        offset_metadata_max_bytes: 4096,
        offsets_retention_ms: 7 * DAY_MS,
        offsets_retention_check_interval_ms: 10 * MINUTE_MS,
    };
    GroupCoordinator::new(config, START, Random::stream(1, "member ids"))
}

/// Carries out what the coordinator wants; appends end as `result` says. Gives what was appended.
fn carry_out(
    one: &mut GroupCoordinator,
    now: Time,
    effects: Vec<GroupEffect>,
    result: Result<(), ErrorCode>,
) -> Vec<GroupRecord> {
    let mut appended = Vec::new();
    for effect in effects {
        if let GroupEffect::Append { records, then } = effect {
            appended.extend(records.clone());
            one.appended(now, records, then, result);
        }
    }
    appended
}

/// Asks for a commit of offset 5 in a topic.
fn ask_to_commit(
    one: &mut GroupCoordinator,
    now: Time,
    group_id: &str,
    topic: &str,
    ids: &[(&str, u128)],
) -> Vec<GroupEffect> {
    let request = OffsetCommitRequest {
        version: 9,
        group_id: group_id.to_owned(),
        generation_id: -1,
        member_id: String::new(),
        group_instance_id: None,
        retention_time_ms: -1,
        partitions: vec![OffsetCommitPartition {
            partition: TopicPartition::new(topic, 0),
            committed_offset: Offset(5),
            committed_leader_epoch: LeaderEpoch(-1),
            committed_metadata: None,
        }],
    };
    let ids = ids.iter().map(|(name, id)| ((*name).into(), TopicId(*id))).collect();
    let caller = Caller { connection: 1, correlation_id: 1 };
    let context = Context { now, caller, client_id: "a", client_host: "/127.0.0.1" };
    one.handle(context, GroupRequest::OffsetCommit(request, ids))
}

fn commit(one: &mut GroupCoordinator, now: Time, topic: &str, ids: &[(&str, u128)]) {
    let effects = ask_to_commit(one, now, "baristas", topic, ids);
    carry_out(one, now, effects, Ok(()));
}

fn tombstones(topics: &[&str]) -> Vec<GroupRecord> {
    let group_id = || "baristas".to_owned();
    let partition = |topic: &&str| TopicPartition::new(*topic, 0);
    let of =
        |topic| GroupRecord::OffsetTombstone { group_id: group_id(), partition: partition(topic) };
    topics.iter().map(of).collect()
}

fn group_tombstone() -> GroupRecord {
    GroupRecord::GroupTombstone { group_id: "baristas".to_owned() }
}

/// Looks are on a grid of ten minutes that begins with the coordinator; but who has nothing to look
/// for sleeps.
#[test]
fn nobody_is_woken_while_nothing_can_expire() {
    let mut one = coordinator();
    assert_eq!(one.next_deadline(), None);
    for topic in ["orders", "stock"] {
        commit(&mut one, START.after_ms(1), topic, &[]);
    }
    let week = START.after_ms(7 * DAY_MS + 10 * MINUTE_MS);
    assert_eq!(one.next_deadline(), Some(week));
    // Commits a day later leave the timer where it is.
    let day = START.after_ms(DAY_MS);
    for topic in ["orders", "stock"] {
        commit(&mut one, day, topic, &[]);
    }
    assert_eq!(one.next_deadline(), Some(week));
    let effects = one.on_deadline(week);
    assert!(effects.is_empty(), "{effects:?}");
    let last = START.after_ms(8 * DAY_MS);
    assert_eq!(one.next_deadline(), Some(last));
    let effects = one.on_deadline(last);
    let appended = carry_out(&mut one, last, effects, Ok(()));
    assert_eq!(appended, [tombstones(&["orders", "stock"]), vec![group_tombstone()]].concat());
    assert_eq!((one.next_deadline(), one.state("baristas")), (None, None));
}

/// Of an Empty group whose record does not say since when it is, the commit's time counts, as in
/// Kafka (`ClassicGroup.offsetExpirationCondition`).
#[test]
fn an_empty_group_without_a_time_counts_from_commits() {
    for (since, days) in [(Timestamp::NONE, 7), (START.after_ms(DAY_MS).timestamp(), 8)] {
        let mut one = coordinator();
        let group = GroupMetadata {
            protocol_type: "consumer".to_owned(),
            ..GroupMetadata::empty("baristas", since)
        };
        one.load(START, [GroupRecord::Group(group)]);
        commit(&mut one, START, "orders", &[]);
        assert_eq!(one.next_deadline(), Some(START.after_ms(days * DAY_MS)));
    }
}

/// What could not be written away is there still, and is tried again at the next look.
#[test]
fn an_expiry_that_fails_is_tried_again() {
    let mut one = coordinator();
    commit(&mut one, START, "orders", &[]);
    let week = START.after_ms(7 * DAY_MS);
    let effects = one.on_deadline(week);
    let failed = carry_out(&mut one, week, effects, Err(ErrorCode::KafkaStorageError));
    assert_eq!(one.state("baristas"), Some(GroupState::Empty));
    let next = week.after_ms(10 * MINUTE_MS);
    assert_eq!(one.next_deadline(), Some(next));
    let effects = one.on_deadline(next);
    assert_eq!(carry_out(&mut one, next, effects, Ok(())), failed);
    assert_eq!((one.next_deadline(), one.state("baristas")), (None, None));
}

/// The id tells a topic from a later one of its name. Offsets without an id, as versions before 4.1
/// wrote them and those with a time of their own, go by the name.
#[test]
fn offsets_go_with_the_topic_that_they_were_committed_for() {
    let mut one = coordinator();
    commit(&mut one, START, "orders", &[("orders", 2)]);
    commit(&mut one, START, "stock", &[]);
    let topics = |id| [("orders".into(), TopicId(id)), ("stock".into(), TopicId(9))];
    let effects = one.on_topics_deleted(&topics(1));
    assert_eq!(carry_out(&mut one, START, effects, Ok(())), tombstones(&["stock"]));
    let effects = one.on_topics_deleted(&topics(2));
    assert_eq!(carry_out(&mut one, START, effects, Ok(())), tombstones(&["orders"]));
    // Without offsets the group is Empty for nothing, and goes at the next look.
    assert_eq!(one.next_deadline(), Some(START.after_ms(10 * MINUTE_MS)));
}

/// A commit whose record cannot be written left a simple group behind that nobody could delete,
/// since its tombstone cannot be written either.
#[test]
fn a_commit_that_failed_left_a_group_behind() {
    let mut one = coordinator();
    let group_id = "g".repeat(32_768);
    let effects = ask_to_commit(&mut one, START, &group_id, "orders", &[]);
    carry_out(&mut one, START, effects, Err(ErrorCode::UnknownServerError));
    assert_eq!((one.next_deadline(), one.state(&group_id)), (None, None));
}
