//! Groups with members, step by step: these send the requests of the classic protocol themselves,
//! to stop between them and to send bytes that no consumer would.
#![allow(clippy::unwrap_used)]

use bytes::Bytes;

use super::*;
use crate::api::{
    HeartbeatRequest, JoinGroupProtocol, JoinGroupRequest, JoinGroupResponse, Subscription,
    SyncGroupAssignment, SyncGroupRequest,
};
use crate::client::record::Record;
use crate::cluster::{Cluster, GroupLag, OffsetReset, Operation, ResetTo, TopicSpec};
use crate::types::Time;

/// A cluster with two topics, 14 records in `orders-1` and 5 in the other topic.
fn cluster() -> (Cluster, Admin) {
    let cluster =
        Cluster::builder().config("group.initial.rebalance.delay.ms", "0").build().unwrap();
    let admin = cluster.admin();
    admin.create_topic("orders", TopicSpec::partitions(3)).unwrap();
    admin.create_topic(LONG, TopicSpec::partitions(1)).unwrap();
    let producer = cluster.producer(crate::DEFAULTS).unwrap();
    for i in 0..14 {
        producer.send(Record::to("orders").partition(1).value(i.to_string())).unwrap();
    }
    for i in 0..5 {
        producer.send(Record::to(LONG).partition(0).value(i.to_string())).unwrap();
    }
    producer.flush().unwrap();
    (cluster, admin)
}

const LONG: &str = "a-topic-with-a-long-name";

fn join(protocol_type: &str, member_id: &str) -> Request {
    let subscription = Subscription { topics: vec!["orders".into()], ..Subscription::default() };
    let protocol =
        JoinGroupProtocol { name: "range".to_owned(), metadata: subscription.encode().unwrap() };
    Request::JoinGroup(JoinGroupRequest {
        version: 9,
        group_id: "shop".to_owned(),
        session_timeout_ms: 45_000,
        rebalance_timeout_ms: 300_000,
        member_id: member_id.to_owned(),
        group_instance_id: None,
        protocol_type: protocol_type.to_owned(),
        protocols: vec![protocol],
    })
}

fn joined(response: Response) -> JoinGroupResponse {
    let Response::JoinGroup(joined) = response else { panic!("{response:?}") };
    joined
}

/// A member that has joined alone: the group waits for its assignment.
fn first_member(admin: &Admin, protocol_type: &str) -> JoinGroupResponse {
    // The group's coordinator is there once somebody has asked for it.
    admin.group_offsets("shop").unwrap();
    let id = joined(admin.call(join(protocol_type, "")).unwrap()).member_id;
    let member = joined(admin.call(join(protocol_type, &id)).unwrap());
    assert_eq!(member.error_code, ErrorCode::None);
    member
}

fn sync(admin: &Admin, member: &JoinGroupResponse, protocol_type: &str, assignment: Bytes) {
    let member_id = member.member_id.clone();
    let assignments = vec![SyncGroupAssignment { member_id: member_id.clone(), assignment }];
    let request = SyncGroupRequest {
        version: 5,
        group_id: "shop".to_owned(),
        generation_id: member.generation_id,
        member_id,
        group_instance_id: None,
        protocol_type: Some(protocol_type.to_owned()),
        protocol_name: Some("range".to_owned()),
        assignments,
    };
    let response = admin.call(Request::SyncGroup(request)).unwrap();
    let Response::SyncGroup(synced) = response else { panic!("{response:?}") };
    assert_eq!(synced.error_code, ErrorCode::None);
}

fn orders(partitions: impl IntoIterator<Item = i32>) -> Vec<TopicPartition> {
    partitions.into_iter().map(|p| TopicPartition::new("orders", p)).collect()
}

fn assignment(partitions: Vec<TopicPartition>) -> Bytes {
    Assignment { partitions, user_data: None }.encode().unwrap()
}

#[test]
fn a_live_group_is_described_and_left_alone() {
    let (_, admin) = cluster();
    let reset = OffsetReset::new().topic("orders", ResetTo::Offset(Offset(4)));
    admin.alter_group_offsets("shop", &reset).unwrap();
    let member = first_member(&admin, "consumer");
    let group = admin.describe_group("shop").unwrap();
    assert_eq!((group.state, &*group.protocol), (GroupState::CompletingRebalance, ""));
    assert_eq!(group.members[0].assignment, []);

    sync(&admin, &member, "consumer", assignment(orders([2, 1])));
    let group = admin.describe_group("shop").unwrap();
    assert_eq!((group.state, &*group.protocol), (GroupState::Stable, "range"));
    assert_eq!(group.protocol_type, "consumer");
    let [only] = &group.members[..] else { panic!("{group:?}") };
    assert_eq!((&*only.member_id, &*only.host), (&*member.member_id, "/127.0.0.1"));
    assert_eq!(only.assignment, orders([1, 2]));
    // The member's rows first, then what was committed and is nobody's.
    let rows: Vec<_> = admin.group_lag("shop").unwrap().partitions;
    let shown: Vec<_> = rows
        .iter()
        .map(|row| (row.partition.partition, row.lag, row.member_id.is_some()))
        .collect();
    assert_eq!(shown, [(1, Some(10), true), (2, Some(0), true), (0, Some(0), false)]);

    // The tool looks at the state first, also when the topic does not exist. The broker would have
    // answered a commit with UNKNOWN_MEMBER_ID.
    for topic in ["orders", "none"] {
        let reset = OffsetReset::new().topic(topic, ResetTo::Earliest);
        let error = admin.alter_group_offsets("shop", &reset).unwrap_err();
        let text = "NON_EMPTY_GROUP (68): offsets of group 'shop' can be reset while it is Empty \
                    or Dead; it is Stable";
        assert_eq!(error.to_string(), text);
    }
    let error = admin.delete_group("shop").unwrap_err();
    assert_eq!(error.to_string(), "NON_EMPTY_GROUP (68): group 'shop'");
    assert_eq!(admin.group_offsets("shop").unwrap().len(), 3);
    let listed = admin.list_groups_in_states(&[GroupState::Stable]).unwrap();
    assert_eq!(listed[0].protocol_type, "consumer");
}

#[test]
fn bytes_that_make_no_sense_fail_the_description() {
    let (_, admin) = cluster();
    let member = first_member(&admin, "consumer");
    sync(&admin, &member, "consumer", Bytes::from_static(&[0, 3, 0, 0, 0, 9]));
    let error = admin.describe_group("shop").unwrap_err();
    assert_eq!(error.code(), Some(ErrorCode::UnknownServerError));
    assert!(error.to_string().contains(&format!("'{}'", member.member_id)), "{error}");
    assert_eq!(admin.list_groups().unwrap().len(), 1);
}

#[test]
fn groups_of_others_than_consumers_are_listed_only() {
    let (_, admin) = cluster();
    let member = first_member(&admin, "connect");
    sync(&admin, &member, "connect", Bytes::from_static(b"whatever"));
    assert_eq!(admin.list_groups().unwrap()[0].protocol_type, "connect");
    let error = admin.describe_group("shop").unwrap_err();
    let text = "invalid argument: group 'shop' is not a consumer group (connect)";
    assert_eq!(error.to_string(), text);
}

/// The table of a group of two members, of which one has committed nothing: as the tool of Kafka
/// 4.3.1 printed it, but for the ids after the client's.
#[test]
fn the_table_of_a_live_group() {
    let member = |id: &str, client: &str, assignment| GroupMember {
        member_id: id.to_owned(),
        group_instance_id: None,
        client_id: client.to_owned(),
        host: "/127.0.0.1".to_owned(),
        assignment,
    };
    let long = TopicPartition::new(LONG, 0);
    let group = GroupDescription {
        group_id: "a-group-with-a-long-name".to_owned(),
        protocol_type: "consumer".to_owned(),
        state: GroupState::Stable,
        protocol: "range".to_owned(),
        coordinator: BrokerId(1),
        members: vec![
            member("a-52626f04-9e63-4e7d-b85c-1eb0b567150d", "a", vec![long.clone()]),
            member("z-f30812f5-6324-4857-84e6-690e7e3a19ed", "z", orders(0..3)),
        ],
    };
    let commit = OffsetAndMetadata::from(Offset(5));
    let committed = BTreeMap::from([(long.clone(), commit)]);
    let mut ends: BTreeMap<_, _> = orders(0..3).into_iter().zip([0, 14, 0].map(Offset)).collect();
    ends.insert(long, Offset(5));
    let table = "\
GROUP                    TOPIC                    PARTITION  CURRENT-OFFSET  LOG-END-OFFSET  \
LAG             CONSUMER-ID                            HOST            CLIENT-ID
a-group-with-a-long-name orders                   0          -               0               \
-               z-f30812f5-6324-4857-84e6-690e7e3a19ed /127.0.0.1      z
a-group-with-a-long-name orders                   1          -               14              \
-               z-f30812f5-6324-4857-84e6-690e7e3a19ed /127.0.0.1      z
a-group-with-a-long-name orders                   2          -               0               \
-               z-f30812f5-6324-4857-84e6-690e7e3a19ed /127.0.0.1      z
a-group-with-a-long-name a-topic-with-a-long-name 0          5               5               \
0               a-52626f04-9e63-4e7d-b85c-1eb0b567150d /127.0.0.1      a";
    assert_eq!(GroupLag::new(&group, &committed, &ends).to_string(), table);
}

/// The coordinator dies while a call is under way, before or after it has seen the request, and
/// comes back. The call is answered from what it finds on its disk.
#[test]
fn the_coordinator_restarts_during_a_call() {
    for events in 0..8 {
        let (cluster, admin) = cluster();
        let reset = OffsetReset::new().topic("orders", ResetTo::Offset(Offset(4)));
        admin.alter_group_offsets("shop", &reset).unwrap();
        let group = OffsetFetchGroup { group_id: "shop".to_owned(), partitions: None };
        let request = Request::OffsetFetch(OffsetFetchRequest { groups: vec![group] });
        let call: Operation<Response> = admin.begin(request).unwrap();
        for _ in 0..events {
            cluster.step().unwrap();
        }
        cluster.crash(BrokerId(1)).unwrap();
        let then = cluster.now();
        cluster.advance(std::time::Duration::from_secs(5)).unwrap();
        cluster.restart(BrokerId(1)).unwrap();
        let Response::OffsetFetch(response) = call.wait().unwrap() else { panic!() };
        assert_eq!(response.groups[0].partitions.len(), 3, "after {events} events");
        assert!(cluster.now() > Time(then.0));
    }
}

/// A member that is silent is taken out; its group's offsets may then be reset.
#[test]
fn a_group_whose_members_are_gone() {
    let (cluster, admin) = cluster();
    let member = first_member(&admin, "consumer");
    sync(&admin, &member, "consumer", assignment(orders(0..3)));
    let heartbeat = HeartbeatRequest {
        group_id: "shop".to_owned(),
        generation_id: member.generation_id,
        member_id: member.member_id,
        group_instance_id: None,
    };
    admin.call(Request::Heartbeat(heartbeat)).unwrap();
    cluster.advance(std::time::Duration::from_secs(46)).unwrap();
    assert_eq!(admin.describe_group("shop").unwrap().state, GroupState::Empty);
    // Nothing was committed, so there is no row, and the tool prints no table.
    assert_eq!(admin.group_lag("shop").unwrap().to_string(), "");
    let reset = OffsetReset::new().topic("orders", ResetTo::Latest);
    admin.alter_group_offsets("shop", &reset).unwrap();
    assert_eq!(admin.group_lag("shop").unwrap().partitions.len(), 3);
}
