#![allow(clippy::unwrap_used)]

use super::*;
use crate::api::{
    ApiKey, Coordinator, DeletableGroupResult, DeleteGroupsRequest, DeleteGroupsResponse,
    EARLIEST_TIMESTAMP, FindCoordinatorResponse, IsolationLevel, ListGroupsRequest,
    ListGroupsResponse, ListOffsetsPartition, ListOffsetsRequest, ListOffsetsResponse, ListedGroup,
    ListedOffset, MetadataBroker, MetadataResponse,
};
use crate::client::Outcome;
use crate::client::testing::{BROKER, NOW, metadata};
use crate::error::ErrorCode;
use crate::types::{LeaderEpoch, Offset, Timestamp, TopicPartition};

const OTHER: BrokerId = BrokerId(2);
const OP: OpId = OpId(7);

/// An admin with the effects of its last event.
struct Stage {
    admin: Admin,
    now: Time,
    effects: Vec<Effect>,
}

impl Stage {
    fn new() -> Self {
        let config = AdminConfig::from_pairs([("retry.backoff.max.ms", "100")]).unwrap();
        let admin = Admin::new(ClientId(0), config, vec![BROKER, OTHER], 1);
        Stage { admin, now: NOW, effects: Vec::new() }
    }

    fn call(&mut self, request: Request) {
        self.effects.clear();
        let progress = self.admin.call(self.now, OP, request, &mut self.effects);
        assert!(matches!(progress, Progress::Pending));
    }

    /// What was sent, to whom, in the last event.
    fn sent(&self) -> Vec<(BrokerId, ApiKey, i32)> {
        let sent = |effect: &Effect| match effect {
            Effect::Send { broker, correlation_id, request } => {
                Some((*broker, request.api_key(), *correlation_id))
            }
            _ => None,
        };
        self.effects.iter().filter_map(sent).collect()
    }

    /// The one request of the last event, which has to be this one.
    fn one(&self, api: ApiKey, broker: BrokerId) -> i32 {
        let [(to, key, id)] = self.sent()[..] else { panic!("{:?}", self.effects) };
        assert_eq!((key, to), (api, broker));
        id
    }

    fn answer(&mut self, broker: BrokerId, id: i32, response: Response) {
        self.effects.clear();
        self.admin.on_response(self.now, broker, id, response, &mut self.effects);
    }

    fn disconnect(&mut self, broker: BrokerId) {
        self.effects.clear();
        self.admin.on_disconnect(self.now, broker, &mut self.effects);
    }

    /// Goes to the next deadline, so many milliseconds on.
    fn after_ms(&mut self, wait_ms: i64) {
        assert_eq!(self.admin.next_deadline(), Some(self.now.after_ms(wait_ms)));
        self.now = self.now.after_ms(wait_ms);
        self.effects.clear();
        self.admin.on_deadline(self.now, &mut self.effects);
    }

    fn result(&self) -> &Result<Outcome, Error> {
        match &self.effects[..] {
            [Effect::Complete { op: OP, result }] => result,
            other => panic!("not done: {other:?}"),
        }
    }

    fn response(&self) -> (BrokerId, &Response) {
        match self.result() {
            Ok(Outcome::Response(broker, response)) => (*broker, response),
            other => panic!("{other:?}"),
        }
    }
}

fn delete() -> Request {
    Request::DeleteGroups(DeleteGroupsRequest { groups: vec!["g".to_owned()] })
}

fn deleted(error_code: ErrorCode) -> Response {
    let result = DeletableGroupResult { group_id: "g".to_owned(), error_code };
    Response::DeleteGroups(DeleteGroupsResponse { results: vec![result] })
}

fn coordinator(found: Result<BrokerId, ErrorCode>) -> Response {
    let (key, error_code) = ("g".to_owned(), found.err().unwrap_or(ErrorCode::None));
    let coordinators = vec![Coordinator { key, node_id: found.ok(), error_code }];
    Response::FindCoordinator(FindCoordinatorResponse { coordinators })
}

/// With a maximum of 100 ms each wait is as long as that.
#[test]
fn a_coordinator_is_searched_until_it_is_found_and_again_when_it_has_gone() {
    let mut stage = Stage::new();
    stage.call(delete());
    for code in [ErrorCode::CoordinatorNotAvailable, ErrorCode::CoordinatorLoadInProgress] {
        let id = stage.one(ApiKey::FindCoordinator, BROKER);
        stage.answer(BROKER, id, coordinator(Err(code)));
        assert!(stage.sent().is_empty(), "{code}");
        stage.after_ms(100);
    }
    let id = stage.one(ApiKey::FindCoordinator, BROKER);
    stage.answer(BROKER, id, coordinator(Ok(OTHER)));
    for code in [ErrorCode::NotCoordinator, ErrorCode::CoordinatorNotAvailable] {
        let id = stage.one(ApiKey::DeleteGroups, OTHER);
        stage.answer(OTHER, id, deleted(code));
        assert!(stage.sent().is_empty(), "{code}");
        stage.after_ms(100);
        let id = stage.one(ApiKey::FindCoordinator, BROKER);
        stage.answer(BROKER, id, coordinator(Ok(OTHER)));
    }
    // Who is loading is still the coordinator.
    let id = stage.one(ApiKey::DeleteGroups, OTHER);
    stage.answer(OTHER, id, deleted(ErrorCode::CoordinatorLoadInProgress));
    stage.after_ms(100);
    let id = stage.one(ApiKey::DeleteGroups, OTHER);
    stage.answer(OTHER, id, deleted(ErrorCode::NonEmptyGroup));
    let (broker, Response::DeleteGroups(response)) = stage.response() else { panic!() };
    assert_eq!((broker, response.results[0].error_code), (OTHER, ErrorCode::NonEmptyGroup));
    assert_eq!(stage.admin.next_deadline(), None);
}

#[test]
fn a_lost_connection_leads_to_another_search() {
    let mut stage = Stage::new();
    stage.call(delete());
    stage.disconnect(BROKER);
    stage.after_ms(100);
    // The broker that was lost is tried again in its turn.
    let (broker, api, id) = stage.sent()[0];
    assert_eq!(api, ApiKey::FindCoordinator);
    stage.answer(broker, id, coordinator(Ok(OTHER)));
    stage.one(ApiKey::DeleteGroups, OTHER);
    stage.disconnect(OTHER);
    stage.after_ms(100);
    let (broker, api, id) = stage.sent()[0];
    assert_eq!(api, ApiKey::FindCoordinator);
    stage.answer(broker, id, coordinator(Ok(BROKER)));
    let id = stage.one(ApiKey::DeleteGroups, BROKER);
    stage.answer(BROKER, id, deleted(ErrorCode::None));
    assert_eq!(stage.response().0, BROKER);
}

#[test]
fn a_search_that_cannot_succeed_fails_the_call() {
    let mut stage = Stage::new();
    stage.call(delete());
    let id = stage.one(ApiKey::FindCoordinator, BROKER);
    stage.answer(BROKER, id, coordinator(Err(ErrorCode::InvalidGroupId)));
    let error = stage.result().clone().unwrap_err();
    assert_eq!(error.to_string(), "INVALID_GROUP_ID (24): group 'g'");
}

fn groups(ids: &[&str], error_code: ErrorCode) -> Response {
    let listed = |id: &&str| ListedGroup {
        group_id: (*id).to_owned(),
        protocol_type: String::new(),
        group_state: "Empty".to_owned(),
        group_type: "classic".to_owned(),
    };
    let groups = ids.iter().map(listed).collect();
    Response::ListGroups(ListGroupsResponse { error_code, groups })
}

fn two_brokers(topics: MetadataResponse) -> Response {
    let broker = |node_id| MetadataBroker { node_id, host: String::new(), port: 0 };
    Response::Metadata(MetadataResponse { brokers: vec![broker(BROKER), broker(OTHER)], ..topics })
}

#[test]
fn groups_are_listed_by_all_brokers() {
    let mut stage = Stage::new();
    stage.call(Request::ListGroups(ListGroupsRequest::default()));
    let id = stage.one(ApiKey::Metadata, BROKER);
    stage.answer(BROKER, id, two_brokers(metadata([])));
    let sent = stage.sent();
    let asked: Vec<_> = sent.iter().map(|(broker, api, _)| (*broker, *api)).collect();
    assert_eq!(asked, [(BROKER, ApiKey::ListGroups), (OTHER, ApiKey::ListGroups)]);
    stage.answer(OTHER, sent[1].2, groups(&["b"], ErrorCode::None));
    assert!(stage.effects.is_empty());
    // The other one is asked again itself: nobody else knows its groups.
    stage.answer(BROKER, sent[0].2, groups(&[], ErrorCode::CoordinatorNotAvailable));
    stage.after_ms(100);
    stage.one(ApiKey::ListGroups, BROKER);
    stage.disconnect(BROKER);
    stage.after_ms(100);
    let id = stage.one(ApiKey::ListGroups, BROKER);
    stage.answer(BROKER, id, groups(&["a"], ErrorCode::None));
    let (_, Response::ListGroups(response)) = stage.response() else { panic!() };
    let ids: Vec<&str> = response.groups.iter().map(|group| &*group.group_id).collect();
    assert_eq!(ids, ["b", "a"]);
}

fn list(partitions: &[i32]) -> Request {
    let wanted = |&partition: &i32| ListOffsetsPartition {
        partition: TopicPartition::new("t", partition),
        current_leader_epoch: LeaderEpoch::UNKNOWN,
        timestamp: EARLIEST_TIMESTAMP,
    };
    let isolation_level = IsolationLevel::ReadUncommitted;
    let partitions = partitions.iter().map(wanted).collect();
    Request::ListOffsets(ListOffsetsRequest { isolation_level, partitions })
}

fn listed(partitions: &[(i32, ErrorCode)]) -> Response {
    let listed = |&(partition, error_code): &(i32, ErrorCode)| ListedOffset {
        partition: TopicPartition::new("t", partition),
        error_code,
        timestamp: Timestamp::NONE,
        offset: Offset(i64::from(partition)),
        leader_epoch: LeaderEpoch(0),
    };
    Response::ListOffsets(ListOffsetsResponse {
        partitions: partitions.iter().map(listed).collect(),
    })
}

/// Topic `t`, of which the first partition is led by one broker and the others by the other one.
fn two_leaders(partitions: i32) -> Response {
    let mut topics = metadata([("t".into(), partitions)]);
    let topic = std::sync::Arc::make_mut(&mut topics.topics[0]);
    for partition in topic.partitions.iter_mut().skip(1) {
        partition.leader_id = OTHER;
    }
    two_brokers(topics)
}

#[test]
fn offsets_are_asked_of_leaders_and_of_new_ones_when_those_have_gone() {
    let mut stage = Stage::new();
    stage.call(list(&[0, 1, 2]));
    let id = stage.one(ApiKey::Metadata, BROKER);
    // The third partition is not there yet.
    stage.answer(BROKER, id, two_leaders(2));
    let sent = stage.sent();
    assert_eq!(sent.iter().map(|sent| sent.0).collect::<Vec<_>>(), [BROKER, OTHER]);
    stage.answer(BROKER, sent[0].2, listed(&[(0, ErrorCode::NotLeaderOrFollower)]));
    stage.answer(OTHER, sent[1].2, listed(&[(1, ErrorCode::OffsetNotAvailable)]));
    stage.after_ms(100);
    let sent = stage.sent();
    let apis: Vec<_> = sent.iter().map(|sent| (sent.0, sent.1)).collect();
    assert_eq!(apis, [(BROKER, ApiKey::Metadata), (OTHER, ApiKey::ListOffsets)]);
    stage.answer(OTHER, sent[1].2, listed(&[(1, ErrorCode::TopicAuthorizationFailed)]));
    stage.answer(BROKER, sent[0].2, two_leaders(3));
    let sent = stage.sent();
    stage.answer(OTHER, sent[1].2, listed(&[(2, ErrorCode::None)]));
    stage.answer(BROKER, sent[0].2, listed(&[(0, ErrorCode::None)]));
    let (_, Response::ListOffsets(response)) = stage.response() else { panic!() };
    let found: Vec<_> =
        response.partitions.iter().map(|p| (p.partition.partition, p.error_code)).collect();
    // What another attempt does not cure is part of the answer.
    let refused = (1, ErrorCode::TopicAuthorizationFailed);
    assert_eq!(found, [refused, (2, ErrorCode::None), (0, ErrorCode::None)]);
}

#[test]
fn a_partition_without_a_leader_is_waited_for_until_it_is_too_late() {
    let mut stage = Stage::new();
    stage.call(list(&[5]));
    let deadline = NOW.after_ms(60_000);
    while stage.now < deadline {
        if let [(broker, ApiKey::Metadata, id)] = stage.sent()[..] {
            stage.answer(broker, id, two_leaders(2));
        }
        let wait = stage.admin.next_deadline().unwrap().since(stage.now);
        stage.after_ms(wait.as_millis() as i64);
    }
    let error = stage.result().clone().unwrap_err();
    assert_eq!(error.to_string(), "timed out after 60000 ms: the leader of t-5");
}
