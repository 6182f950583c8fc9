//! A member by itself: its calls, and the answers that it gets in each phase, without a world.

mod errors;
mod stories;

use super::super::{ClientId, PolledBatch};
use super::*;
use crate::api::{
    CommittedPartition, FindCoordinatorResponse, HeartbeatResponse, JoinGroupResponseMember,
    OffsetCommitResponse, OffsetFetchResponse, OffsetFetchResponseGroup, Request, Response,
    SyncGroupResponse,
};
use crate::client::testing::{BROKER, NOW, metadata};
use crate::client::{Progress, UserAnswer};
use crate::config::ConsumerConfig;
use crate::error::ErrorCode;
use crate::error::ErrorCode as Code;
use crate::types::Offset;

/// A member, the requests that nobody has answered, and what its calls came to.
struct Bench {
    consumer: Consumer,
    now: Time,
    requests: Vec<(i32, Request)>,
    results: BTreeMap<OpId, Result<Outcome, Error>>,
    events: Vec<ClientEvent>,
    next_op: u64,
}

fn at(partition: i32) -> TopicPartition {
    TopicPartition::new("orders", partition)
}

fn name(request: &Request) -> &'static str {
    match request {
        Request::FindCoordinator(_) => "FindCoordinator",
        Request::JoinGroup(_) => "JoinGroup",
        Request::SyncGroup(_) => "SyncGroup",
        Request::Heartbeat(_) => "Heartbeat",
        Request::LeaveGroup(_) => "LeaveGroup",
        Request::OffsetCommit(_) => "OffsetCommit",
        Request::OffsetFetch(_) => "OffsetFetch",
        Request::Metadata(_) => "Metadata",
        _ => "data",
    }
}

impl Bench {
    /// A member that subscribes to `orders`, which has two partitions.
    fn new(configs: &[(&str, &str)], has_listener: bool) -> Self {
        let mut all = vec![("group.id", "baristas"), ("enable.auto.commit", "false")];
        all.extend(configs);
        let config = ConsumerConfig::from_pairs(all).expect("valid configs");
        let strategy = config.group.as_ref().map(|one| one.partition_assignment_strategy.clone());
        let assignors = Assignors::new(&strategy.unwrap_or_default(), &[]).expect("assignors");
        let mut consumer = Consumer::new(ClientId(0), config, Some(assignors), vec![BROKER], 1);
        let topics = Topics::Names([TopicName::from("orders")].into());
        drop(consumer.subscribe(NOW, topics, has_listener));
        consumer.metadata.update(NOW, metadata([("orders".into(), 2)]));
        let (requests, results, events) = (Vec::new(), BTreeMap::new(), Vec::new());
        Bench { consumer, now: NOW, requests, results, events, next_op: 0 }
    }

    fn note(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::Send { correlation_id, request, .. } => {
                    self.requests.push((correlation_id, request));
                }
                Effect::Complete { op, result } => drop(self.results.insert(op, result)),
                Effect::Event(event) => self.events.push(event),
                Effect::Disconnect { .. } => self.requests.clear(),
                _ => {}
            }
        }
    }

    fn call(
        &mut self,
        call: impl FnOnce(&mut Consumer, Time, OpId, &mut Vec<Effect>) -> Progress,
    ) -> OpId {
        self.next_op += 1;
        let (op, mut effects) = (OpId(self.next_op), Vec::new());
        if let Progress::Ready(result) = call(&mut self.consumer, self.now, op, &mut effects) {
            self.results.insert(op, result);
        }
        self.note(effects);
        op
    }

    /// Begins a poll of a minute.
    fn poll(&mut self) -> OpId {
        self.call(|consumer, now, op, effects| {
            consumer.poll(now, op, now.after_ms(60_000), effects)
        })
    }

    fn commit(&mut self, is_sync: bool) -> OpId {
        let offsets = Offsets::from([(at(0), Offset(3).into())]);
        self.call(|consumer, now, op, effects| {
            consumer.commit(now, op, Some(offsets), is_sync, effects)
        })
    }

    /// The user's code is done.
    fn answer_user(&mut self, goes_on: bool) -> OpId {
        self.call(|consumer, now, op, effects| {
            consumer.answer_user(now, op, UserAnswer::Done, goes_on, effects)
        })
    }

    /// Lets time pass, up to what the member wants to be called for.
    fn pass(&mut self, ms: i64) {
        let end = self.now.after_ms(ms);
        while let Some(due) = self.consumer.next_deadline().filter(|due| *due <= end) {
            self.now = self.now.max(due);
            let mut effects = Vec::new();
            self.consumer.on_deadline(self.now, &mut effects);
            self.note(effects);
        }
        self.now = end;
    }

    /// Answers the oldest request of a kind.
    fn answer(&mut self, kind: &str, response: Response) {
        let place = self.requests.iter().position(|(_, request)| name(request) == kind);
        let Some(place) = place else { panic!("{:?} has no {kind}", self.requests) };
        let (id, _) = self.requests.remove(place);
        let mut effects = Vec::new();
        self.consumer.on_response(self.now, BROKER, id, response, &mut effects);
        self.note(effects);
    }

    fn lose_connection(&mut self) {
        self.requests.clear();
        let mut effects = Vec::new();
        self.consumer.on_disconnect(self.now, BROKER, &mut effects);
        self.note(effects);
    }

    /// The requests that wait for an answer, without those for data and metadata.
    fn waiting(&self) -> Vec<&'static str> {
        let names = self.requests.iter().map(|(_, request)| name(request));
        names.filter(|name| !["data", "Metadata", "OffsetFetch"].contains(name)).collect()
    }

    fn group(&self) -> &Membership {
        self.consumer.group.as_ref().expect("a group")
    }

    /// Who it believes to be, and in which state.
    fn who(&self) -> String {
        let group = self.group();
        let Generation { id, member_id, .. } = &group.generation;
        format!("{} {id} '{member_id}'", group.state())
    }

    fn assignment(&self) -> Vec<i32> {
        self.consumer.assignment().map(|partition| partition.partition).collect()
    }

    /// What a call came to.
    fn result(&self, op: OpId) -> String {
        match self.results.get(&op) {
            None => "waits".to_owned(),
            Some(Ok(Outcome::UserCall(call))) => match &**call {
                UserCall::Revoked(partitions) => format!("revoked {}", partitions.len()),
                UserCall::Assigned(partitions) => format!("assigned {}", partitions.len()),
                UserCall::Lost(partitions) => format!("lost {}", partitions.len()),
                UserCall::Assign { .. } => "assign".to_owned(),
            },
            Some(Ok(Outcome::Polled(batches))) => {
                let count: usize = batches.iter().map(|PolledBatch { count, .. }| *count).sum();
                format!("{count} records")
            }
            Some(Ok(_)) => "done".to_owned(),
            Some(Err(Error::Kafka { code, .. })) => code.to_string(),
            Some(Err(Error::CommitFailed(_))) => "CommitFailed".to_owned(),
            Some(Err(error)) => error.to_string(),
        }
    }

    fn find_coordinator(&mut self) {
        self.answer("FindCoordinator", found(Code::None));
    }

    /// It is in the generation, which another member leads.
    fn join(&mut self, generation: i32) {
        self.answer("JoinGroup", joined(Code::None, generation, "m"));
    }

    fn sync(&mut self, partitions: &[i32]) {
        self.answer("SyncGroup", synced(partitions));
    }

    /// A member that waits for an answer to JoinGroup, as 'm' of a generation before if `is_known`.
    fn joining(configs: &[(&str, &str)]) -> (Bench, OpId) {
        let mut bench = Bench::new(configs, false);
        let poll = bench.poll();
        bench.find_coordinator();
        (bench, poll)
    }

    /// A member that has both partitions, in generation 1, and is being polled.
    fn stable(configs: &[(&str, &str)], has_listener: bool) -> (Bench, OpId) {
        let mut bench = Bench::new(configs, has_listener);
        let mut poll = bench.poll();
        bench.find_coordinator();
        if bench.result(poll) == "revoked 0" {
            poll = bench.answer_user(true);
        }
        bench.join(1);
        bench.sync(&[0, 1]);
        if bench.result(poll) == "assigned 2" {
            poll = bench.answer_user(true);
        }
        assert_eq!((bench.who().as_str(), bench.assignment()), ("Stable 1 'm'", vec![0, 1]));
        (bench, poll)
    }
}

fn found(error_code: ErrorCode) -> Response {
    let node_id = error_code.is_none().then_some(BROKER);
    let found = crate::api::Coordinator { key: "baristas".to_owned(), node_id, error_code };
    Response::FindCoordinator(FindCoordinatorResponse { coordinators: vec![found] })
}

fn joined(error_code: ErrorCode, generation_id: i32, member_id: &str) -> Response {
    Response::JoinGroup(JoinGroupResponse {
        error_code,
        generation_id,
        protocol_type: Some("consumer".to_owned()),
        protocol_name: Some("range".to_owned()),
        leader: "another".to_owned(),
        skip_assignment: false,
        member_id: member_id.to_owned(),
        members: Vec::new(),
    })
}

fn synced(partitions: &[i32]) -> Response {
    let partitions = partitions.iter().map(|&partition| at(partition)).collect();
    let assignment = Assignment { partitions, user_data: None };
    Response::SyncGroup(SyncGroupResponse {
        assignment: assignment.encode().expect("short names"),
        ..SyncGroupResponse::failed(Code::None)
    })
}

fn beaten(error_code: ErrorCode) -> Response {
    Response::Heartbeat(HeartbeatResponse { error_code })
}

fn committed(error_code: ErrorCode) -> Response {
    let partitions = vec![CommittedPartition { partition: at(0), error_code }];
    Response::OffsetCommit(OffsetCommitResponse { partitions })
}
