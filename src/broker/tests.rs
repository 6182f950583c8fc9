//! A broker alone: requests in, replies and events out.
#![allow(clippy::unwrap_used)]

use super::*;
use crate::api::{
    FetchPartition, FetchRequest, MetadataRequest, MetadataTopic, ProducePartition, ProduceRequest,
};
use crate::config::{IsolationLevel, parse_broker_file};
use crate::record::{BatchBuilder, BatchOptions};
use crate::storage::MemoryDisk;
use crate::types::LeaderEpoch;

fn broker(configs: &[(&str, &str)]) -> Broker {
    let configs = parse_broker_file(configs.iter().copied()).unwrap();
    in_memory(configs)
}

/// A broker on a disk in memory.
pub(super) fn in_memory(configs: Overrides) -> Broker {
    let (cluster, disk) = (ClusterId::Any, BrokerDisk::Memory(MemoryDisk::new()));
    Broker::new(BrokerId(1), &cluster, configs, 1, disk, Time::VIRTUAL_START).unwrap()
}

fn ask(broker: &mut Broker, request: Request) -> Response {
    let effects = broker.handle(Time::VIRTUAL_START, ConnectionId(1), 1, "test", request);
    let replies = effects.into_iter().filter_map(|effect| match effect {
        BrokerEffect::Reply { response, .. } => Some(response),
        _ => None,
    });
    replies.last().unwrap()
}

/// Asks about a topic as a producer does, creating it.
fn metadata(broker: &mut Broker, topic: &str) -> std::sync::Arc<MetadataTopic> {
    let topics = Some(vec![topic.into()]);
    let request = MetadataRequest { topics, allow_auto_topic_creation: true };
    let Response::Metadata(mut response) = ask(broker, Request::Metadata(request)) else {
        panic!("another response");
    };
    response.topics.pop().unwrap()
}

/// The answer that creates a topic said LEADER_NOT_AVAILABLE, as before KRaft. A 4.3.1 broker says
/// UNKNOWN_TOPIC_OR_PARTITION, also when the creation fails (`AutoTopicCreationManager`).
#[test]
fn auto_creation_answered_leader_not_available() {
    let mut one = broker(&[]);
    let unknown = ErrorCode::UnknownTopicOrPartition;
    let table = [
        ("orders", [unknown, ErrorCode::None]),
        ("bad name", [ErrorCode::InvalidTopicException; 2]),
        ("a.b", [unknown, ErrorCode::None]),
        // It collides with the one before.
        ("a_b", [unknown; 2]),
    ];
    for (topic, answers) in table {
        for answer in answers {
            assert_eq!(metadata(&mut one, topic).error_code, answer, "{topic}");
        }
    }
    let mut short = broker(&[("default.replication.factor", "2")]);
    assert_eq!(metadata(&mut short, "orders").error_code, unknown);
    assert_eq!(metadata(&mut short, "orders").error_code, unknown);
}

fn produce(broker: &mut Broker, partition: &TopicPartition) -> ErrorCode {
    let mut builder = BatchBuilder::new(BatchOptions::default());
    builder.append(Time::VIRTUAL_START.timestamp(), None, Some(b"espresso"), &[]);
    let partitions =
        vec![ProducePartition { partition: partition.clone(), records: builder.build() }];
    let request = ProduceRequest { acks: 1, timeout_ms: 0, partitions };
    let Response::Produce(response) = ask(broker, Request::Produce(request)) else {
        panic!("another response");
    };
    response.partitions[0].error_code
}

fn fetch(broker: &mut Broker, partition: &TopicPartition, epoch: i32) -> ErrorCode {
    let wanted = FetchPartition {
        partition: partition.clone(),
        current_leader_epoch: LeaderEpoch(epoch),
        fetch_offset: Offset::ZERO,
        partition_max_bytes: 1000,
    };
    let request = FetchRequest {
        max_wait_ms: 0,
        min_bytes: 1,
        max_bytes: 1000,
        isolation_level: IsolationLevel::ReadUncommitted,
        partitions: vec![wanted],
    };
    let Response::Fetch(response) = ask(broker, Request::Fetch(request)) else {
        panic!("another response");
    };
    response.partitions[0].error_code
}

/// A broker that came back led its partitions in the old epoch. A single node of Kafka 4.3.1 led in
/// epoch 0, after a clean restart in epoch 2, after a kill in epoch 4: it is fenced, which leaves
/// the partition without a leader, and unfenced.
#[test]
fn a_restarted_broker_led_in_the_old_epoch() {
    let mut one = broker(&[]);
    metadata(&mut one, "orders");
    let orders = TopicPartition::new("orders", 0);
    assert_eq!(produce(&mut one, &orders), ErrorCode::None);
    for epoch in [2, 4] {
        one.restart(Time::VIRTUAL_START).unwrap();
        let told = metadata(&mut one, "orders").partitions[0].leader_epoch;
        assert_eq!((told, one.partitions[&orders].leader_epoch()), (LeaderEpoch(epoch), told));
        assert_eq!(produce(&mut one, &orders), ErrorCode::None);
        let codes = [epoch - 2, epoch, epoch + 1].map(|epoch| fetch(&mut one, &orders, epoch));
        let (old, coming) = (ErrorCode::FencedLeaderEpoch, ErrorCode::UnknownLeaderEpoch);
        assert_eq!(codes, [old, ErrorCode::None, coming]);
    }
    let begun = one.partitions[&orders].log().leader_epochs().entries().iter();
    let begun: Vec<_> = begun.map(|entry| (entry.epoch.0, entry.start_offset.0)).collect();
    assert_eq!(begun, [(0, 0), (2, 1), (4, 2)]);
}

/// Whatever the broker knows, it knows from its metadata log.
#[test]
fn the_image_is_what_the_log_says() {
    let mut one = broker(&[]);
    for topic in ["orders", "stock"] {
        metadata(&mut one, topic);
    }
    one.restart(Time::VIRTUAL_START).unwrap();
    let mut image = MetadataImage::default();
    for record in &one.metadata_log.records(&one.disk).unwrap() {
        image.replay(record);
    }
    assert_eq!(image, one.image);
}

fn join_request(member_id: &str) -> crate::api::JoinGroupRequest {
    crate::api::JoinGroupRequest {
        version: 9,
        group_id: "baristas".to_owned(),
        session_timeout_ms: 45_000,
        rebalance_timeout_ms: 60_000,
        member_id: member_id.to_owned(),
        group_instance_id: None,
        protocol_type: "consumer".to_owned(),
        protocols: vec![crate::api::JoinGroupProtocol {
            name: "range".to_owned(),
            metadata: "A".into(),
        }],
    }
}

fn join(broker: &mut Broker, at: Time, correlation_id: i32, member_id: &str) -> Vec<BrokerEffect> {
    let request = join_request(member_id);
    broker.handle(at, ConnectionId(1), correlation_id, "a", Request::JoinGroup(request))
}

fn heartbeat(broker: &mut Broker, member_id: &str, generation_id: i32) -> ErrorCode {
    let request = crate::api::HeartbeatRequest {
        group_id: "baristas".to_owned(),
        generation_id,
        member_id: member_id.to_owned(),
        group_instance_id: None,
    };
    match ask(broker, Request::Heartbeat(request)) {
        Response::Heartbeat(response) => response.error_code,
        other => panic!("{other:?}"),
    }
}

fn joined(effects: &[BrokerEffect]) -> crate::api::JoinGroupResponse {
    let reply = |effect: &BrokerEffect| match effect {
        BrokerEffect::Reply { response: Response::JoinGroup(response), .. } => {
            Some(response.clone())
        }
        _ => None,
    };
    effects.iter().find_map(reply).unwrap()
}

/// Asks where the coordinator is; the first time, it comes into being.
fn find(broker: &mut Broker) -> crate::api::Coordinator {
    let keys = vec!["baristas".to_owned()];
    let request = crate::api::FindCoordinatorRequest { key_type: 0, coordinator_keys: keys };
    match ask(broker, Request::FindCoordinator(request)) {
        Response::FindCoordinator(mut response) => response.coordinators.pop().unwrap(),
        other => panic!("{other:?}"),
    }
}

fn listed(broker: &mut Broker) -> Vec<crate::api::ListedGroup> {
    match ask(broker, Request::ListGroups(crate::api::ListGroupsRequest::default())) {
        Response::ListGroups(response) => response.groups,
        other => panic!("{other:?}"),
    }
}

/// When `__consumer_offsets` was deleted its groups lived on: they were listed, their timers ran,
/// and who waited was never answered. In Kafka they go with their partition (the recording
/// `unload-parked`).
#[test]
fn groups_outlived_the_partition_that_they_are_written_to() {
    let mut one = broker(&[]);
    let start = Time::VIRTUAL_START;
    find(&mut one);
    let id = joined(&join(&mut one, start, 1, "")).member_id;
    join(&mut one, start, 2, &id);
    assert_eq!(listed(&mut one).len(), 1);
    let topics = vec!["__consumer_offsets".into()];
    let request = Request::DeleteTopics(crate::api::DeleteTopicsRequest { topics });
    let told = joined(&one.handle(start, ConnectionId(1), 3, "a", request));
    assert_eq!((told.error_code, &told.member_id), (ErrorCode::NotCoordinator, &id));
    assert_eq!((listed(&mut one), one.next_deadline()), (vec![], None));
    assert_eq!(heartbeat(&mut one, &id, 1), ErrorCode::NotCoordinator);
    // A new topic of that name knows nobody, and gives out other ids.
    find(&mut one);
    assert_eq!(heartbeat(&mut one, &id, 1), ErrorCode::UnknownMemberId);
    assert_ne!(joined(&join(&mut one, start, 4, "")).member_id, id);
}

/// The way of a member: find the coordinator, whose topic comes into being by that; get an id; wait
/// for the initial delay of three seconds; sync. Then the broker crashes: the group is read from
/// its partition of `__consumer_offsets`, and the member goes on as if nothing had been.
#[test]
fn a_group_is_found_written_and_read_again() {
    let mut one = broker(&[]);
    let start = Time::VIRTUAL_START;
    // Before anybody has asked there is no coordinator at all.
    let early = joined(&join(&mut one, start, 1, ""));
    assert_eq!(early.error_code, ErrorCode::NotCoordinator);
    assert_eq!(find(&mut one).error_code, ErrorCode::CoordinatorNotAvailable);
    assert_eq!(find(&mut one).node_id, Some(BrokerId(1)));
    assert_eq!(one.image().topic("__consumer_offsets").unwrap().partitions.len(), 50);
    // An empty partition takes nothing of the disk, not even a file.
    // There is nothing but the log of metadata.
    assert_eq!(one.disk.list("").unwrap(), ["__cluster_metadata-0"]);

    let required = joined(&join(&mut one, start, 2, ""));
    assert_eq!(required.error_code, ErrorCode::MemberIdRequired);
    let id = required.member_id;
    assert!(id.starts_with("a-"), "{id}");
    join(&mut one, start, 3, &id);
    let delay = start.after_ms(3000);
    assert_eq!(one.next_deadline(), Some(delay));
    let generation = joined(&one.on_deadline(delay));
    assert_eq!((generation.generation_id, &generation.leader), (1, &id));
    let request = crate::api::SyncGroupRequest {
        version: 5,
        group_id: "baristas".to_owned(),
        generation_id: 1,
        member_id: id.clone(),
        group_instance_id: None,
        protocol_type: Some("consumer".to_owned()),
        protocol_name: Some("range".to_owned()),
        assignments: vec![crate::api::SyncGroupAssignment {
            member_id: id.clone(),
            assignment: "orders-0".into(),
        }],
    };
    let Response::SyncGroup(synced) = ask(&mut one, Request::SyncGroup(request)) else {
        panic!("another response");
    };
    assert_eq!(&synced.assignment[..], b"orders-0");
    // Two records: the group when it came into being, and its generation.
    let partition = TopicPartition::new("__consumer_offsets", one.group_partition("baristas"));
    assert_eq!(one.partitions()[&partition].high_watermark(), 2);
    assert_eq!(one.batches(&partition, Offset::ZERO).len(), 2);

    one.restart(delay).unwrap();
    assert_eq!(heartbeat(&mut one, &id, 1), ErrorCode::None);
    assert_eq!(heartbeat(&mut one, &id, 2), ErrorCode::IllegalGeneration);
    assert_eq!(heartbeat(&mut one, "nobody", 1), ErrorCode::UnknownMemberId);
    // Silent for its session timeout, it is out: the group is Empty, in a generation of its own.
    let silent = delay.after_ms(60_000);
    while let Some(due) = one.next_deadline().filter(|due| *due < silent) {
        one.on_deadline(due);
    }
    assert_eq!(heartbeat(&mut one, &id, 1), ErrorCode::UnknownMemberId);
    assert_eq!(one.partitions()[&partition].high_watermark(), 3);

    // An administrator sees it, and deletes it for good.
    assert_eq!(listed(&mut one).pop().unwrap().group_state, "Empty");
    let request = crate::api::DeleteGroupsRequest { groups: vec!["baristas".to_owned()] };
    let Response::DeleteGroups(deleted) = ask(&mut one, Request::DeleteGroups(request)) else {
        panic!("another response");
    };
    assert_eq!(deleted.results[0].error_code, ErrorCode::None);
    one.restart(delay).unwrap();
    assert!(listed(&mut one).is_empty());
}

/// Commits offsets for the first partitions of some topics.
fn commit(broker: &mut Broker, offsets: &[(&str, i64)]) -> crate::api::OffsetCommitResponse {
    let wanted = |&(topic, offset): &(&str, i64)| crate::api::OffsetCommitPartition {
        partition: TopicPartition::new(topic, 0),
        committed_offset: Offset(offset),
        committed_leader_epoch: LeaderEpoch(3),
        committed_metadata: Some("tuesday".to_owned()),
    };
    let request = crate::api::OffsetCommitRequest {
        version: 9,
        group_id: "baristas".to_owned(),
        generation_id: -1,
        member_id: String::new(),
        group_instance_id: None,
        retention_time_ms: -1,
        partitions: offsets.iter().map(wanted).collect(),
    };
    match ask(broker, Request::OffsetCommit(request)) {
        Response::OffsetCommit(response) => response,
        other => panic!("{other:?}"),
    }
}

/// A commit is written to the group's partition, and is there after a crash. A partition that there
/// is not is refused without harm to the others.
#[test]
fn committed_offsets_are_written_and_read_again() {
    let mut one = broker(&[]);
    metadata(&mut one, "orders");
    find(&mut one);
    let committed = commit(&mut one, &[("unknown", 7), ("orders", 42)]);
    let errors: Vec<_> = committed.partitions.iter().map(|p| p.error_code).collect();
    assert_eq!(errors, [ErrorCode::UnknownTopicOrPartition, ErrorCode::None]);
    let fetched = |broker: &mut Broker| {
        let (group_id, partitions) = ("baristas".to_owned(), None);
        let groups = vec![crate::api::OffsetFetchGroup { group_id, partitions }];
        let request = Request::OffsetFetch(crate::api::OffsetFetchRequest { groups });
        match ask(broker, request) {
            Response::OffsetFetch(mut response) => response.groups.pop().unwrap().partitions,
            other => panic!("{other:?}"),
        }
    };
    let before = fetched(&mut one);
    let found = &before[0];
    assert_eq!((&*found.partition.topic, found.committed_offset), ("orders", Offset(42)));
    assert_eq!(found.metadata.as_deref(), Some("tuesday"));
    one.restart(Time::VIRTUAL_START).unwrap();
    assert_eq!(fetched(&mut one), before);
}

/// Kafka 4.3 looks up the topic's id whatever version the commit has, and writes it
/// (`KafkaApis.handleOffsetCommitRequest`). What is too much for one batch expires in several.
#[test]
fn offsets_are_written_with_topic_ids_and_expire_in_batches() {
    let mut one = broker(&[("offsets.retention.minutes", "1")]);
    find(&mut one);
    let topics: Vec<String> = (0..10).map(|number| format!("orders-{number}")).collect();
    let partition = TopicPartition::new("__consumer_offsets", one.group_partition("baristas"));
    for topic in &topics {
        metadata(&mut one, topic);
        commit(&mut one, &[(topic, 5)]);
        let batch = one.batches(&partition, Offset::ZERO).pop().unwrap();
        let record = batch.records().next().unwrap().unwrap();
        let value = bytes::Bytes::copy_from_slice(record.value.unwrap());
        let read = crate::coordinator::decode(record.key.unwrap(), &value).unwrap().unwrap();
        let crate::coordinator::GroupRecord::Offset(offset) = read else { panic!("no offset") };
        assert_eq!(offset.topic_id, one.image().topic(topic).unwrap().topic_id);
    }
    let value = crate::config::parse_topic_override("max.message.bytes", "200").ok();
    let (topic, name) = (partition.topic.clone(), "max.message.bytes".to_owned());
    one.commit(Time::VIRTUAL_START, &[MetadataRecord::TopicConfig { topic, name, value }]).unwrap();
    // The first look at which a minute is over.
    let due = Time::VIRTUAL_START.after_ms(600_000);
    assert_eq!(one.next_deadline(), Some(due));
    one.on_deadline(due);
    assert_eq!(one.partitions()[&partition].high_watermark(), 21);
    let batches = one.batches(&partition, Offset(10));
    assert!(batches.len() > 2 && batches.iter().all(|batch| batch.size_in_bytes() <= 200));
    assert_eq!((listed(&mut one), one.next_deadline()), (vec![], None));
}

/// What the coordinator writes is not for clients to write. In Kafka only the one with the id
/// `__admin_client` may (`ReplicaManager.appendRecordsToLeader`).
#[test]
fn a_producer_wrote_to_an_internal_topic() {
    let mut one = broker(&[]);
    find(&mut one);
    let offsets = TopicPartition::new("__consumer_offsets", 0);
    assert_eq!(produce(&mut one, &offsets), ErrorCode::InvalidTopicException);
    assert_eq!(one.partitions()[&offsets].high_watermark(), 0);
    let beyond = TopicPartition::new("__consumer_offsets", 50);
    assert_eq!(produce(&mut one, &beyond), ErrorCode::UnknownTopicOrPartition);
}

/// Numbers and names that no client sends: a rebalance timeout below every other, and a group's id
/// too long for its record, which cannot come into being.
#[test]
fn extreme_members_broke_the_coordinator() {
    let mut one = broker(&[]);
    let start = Time::VIRTUAL_START;
    find(&mut one);
    let mut ask = |group_id: &str, member_id: &str| {
        let mut request = join_request(member_id);
        request.group_id = group_id.to_owned();
        request.rebalance_timeout_ms = i32::MIN;
        one.handle(start, ConnectionId(1), 1, "a", Request::JoinGroup(request))
    };
    let id = joined(&ask("baristas", "")).member_id;
    ask("baristas", &id);
    let long = "g".repeat(32_768);
    ask(&long, "");
    let mut told = Vec::new();
    while let Some(due) = one.next_deadline().filter(|&due| due < start.after_ms(5000)) {
        told.extend(one.on_deadline(due));
    }
    assert_eq!(joined(&told).generation_id, 1);
    let groups: Vec<_> = listed(&mut one).into_iter().map(|group| group.group_id).collect();
    assert_eq!(groups, ["baristas"]);
}
