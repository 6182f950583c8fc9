//! A member by itself: its calls, and the answers that it gets in each phase, without a world.

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

/// What a member does after an answer: who it is, what it sends at once, what its poll came to, and
/// what it has sent 300 ms later, which is longer than retry.backoff.ms.
fn after(bench: &mut Bench, op: OpId) -> String {
    let (who, at_once, result) = (bench.who(), bench.waiting().join(" "), bench.result(op));
    bench.pass(300);
    let later = bench.waiting().join(" ");
    format!("{who}, [{at_once}], {result}, [{later}]")
}

fn check(table: &[(ErrorCode, &str)], mut run: impl FnMut(ErrorCode) -> String) {
    let mut wrong = Vec::new();
    for (code, expected) in table {
        let actual = run(*code);
        if actual != *expected {
            wrong.push(format!("(Code::{code:?}, \"{actual}\"),"));
        }
    }
    assert!(wrong.is_empty(), "otherwise:\n{}", wrong.join("\n"));
}

#[test]
fn errors_of_find_coordinator() {
    let table = [
        (Code::None, "PreparingRebalance -1 '', [JoinGroup], waits, [JoinGroup]"),
        (Code::CoordinatorNotAvailable, "Unjoined -1 '', [], waits, [FindCoordinator]"),
        (Code::CoordinatorLoadInProgress, "Unjoined -1 '', [], waits, [FindCoordinator]"),
        (Code::InvalidGroupId, "Unjoined -1 '', [], INVALID_GROUP_ID (24), []"),
    ];
    check(&table, |code| {
        let mut bench = Bench::new(&[], false);
        let poll = bench.poll();
        bench.answer("FindCoordinator", found(code));
        after(&mut bench, poll)
    });
}

#[test]
fn errors_of_join_group() {
    let table = [
        (Code::MemberIdRequired, "PreparingRebalance -1 'm', [JoinGroup], waits, [JoinGroup]"),
        (Code::UnknownMemberId, "PreparingRebalance -1 '', [JoinGroup], waits, [JoinGroup]"),
        (Code::RebalanceInProgress, "PreparingRebalance -1 '', [JoinGroup], waits, [JoinGroup]"),
        (Code::CoordinatorLoadInProgress, "PreparingRebalance -1 '', [], waits, [JoinGroup]"),
        (Code::CoordinatorNotAvailable, "PreparingRebalance -1 '', [], waits, [FindCoordinator]"),
        (Code::NotCoordinator, "PreparingRebalance -1 '', [], waits, [FindCoordinator]"),
        (Code::FencedInstanceId, "PreparingRebalance -1 '', [], FENCED_INSTANCE_ID (82), []"),
        (
            Code::InconsistentGroupProtocol,
            "PreparingRebalance -1 '', [], INCONSISTENT_GROUP_PROTOCOL (23), []",
        ),
        (
            Code::InvalidSessionTimeout,
            "PreparingRebalance -1 '', [], INVALID_SESSION_TIMEOUT (26), []",
        ),
        (Code::InvalidGroupId, "PreparingRebalance -1 '', [], INVALID_GROUP_ID (24), []"),
        (
            Code::GroupMaxSizeReached,
            "PreparingRebalance -1 '', [], GROUP_MAX_SIZE_REACHED (81), []",
        ),
    ];
    check(&table, |code| {
        let (mut bench, poll) = Bench::joining(&[]);
        bench.answer("JoinGroup", joined(code, -1, "m"));
        after(&mut bench, poll)
    });
}

#[test]
fn errors_of_sync_group() {
    let table = [
        (Code::RebalanceInProgress, "PreparingRebalance 1 'm', [JoinGroup], waits, [JoinGroup]"),
        (Code::UnknownMemberId, "PreparingRebalance -1 '', [JoinGroup], waits, [JoinGroup]"),
        (Code::IllegalGeneration, "PreparingRebalance -1 'm', [JoinGroup], waits, [JoinGroup]"),
        (
            Code::CoordinatorNotAvailable,
            "PreparingRebalance 1 'm', [FindCoordinator], waits, [FindCoordinator]",
        ),
        (
            Code::NotCoordinator,
            "PreparingRebalance 1 'm', [FindCoordinator], waits, [FindCoordinator]",
        ),
        (Code::FencedInstanceId, "PreparingRebalance 1 'm', [], FENCED_INSTANCE_ID (82), []"),
        (
            Code::InconsistentGroupProtocol,
            "PreparingRebalance 1 'm', [], INCONSISTENT_GROUP_PROTOCOL (23), []",
        ),
    ];
    check(&table, |code| {
        let (mut bench, poll) = Bench::joining(&[]);
        bench.join(1);
        bench.answer("SyncGroup", Response::SyncGroup(SyncGroupResponse::failed(code)));
        after(&mut bench, poll)
    });
}

#[test]
fn errors_of_heartbeat() {
    let table = [
        (Code::None, "Stable 1 'm', [], waits, [], has [0, 1]"),
        (
            Code::RebalanceInProgress,
            "PreparingRebalance 1 'm', [JoinGroup], waits, [JoinGroup], has []",
        ),
        (
            Code::UnknownMemberId,
            "PreparingRebalance -1 '', [JoinGroup], waits, [JoinGroup], has []",
        ),
        (
            Code::IllegalGeneration,
            "PreparingRebalance -1 'm', [JoinGroup], waits, [JoinGroup], has []",
        ),
        (Code::FencedInstanceId, "Unjoined -1 '', [], FENCED_INSTANCE_ID (82), [], has [0, 1]"),
        (
            Code::CoordinatorNotAvailable,
            "Stable 1 'm', [FindCoordinator], waits, [FindCoordinator], has [0, 1]",
        ),
        (
            Code::NotCoordinator,
            "Stable 1 'm', [FindCoordinator], waits, [FindCoordinator], has [0, 1]",
        ),
        (Code::UnknownServerError, "Stable 1 'm', [], waits, [Heartbeat], has [0, 1]"),
    ];
    check(&table, |code| {
        let (mut bench, poll) = Bench::stable(&[], false);
        bench.pass(3000);
        bench.answer("Heartbeat", beaten(code));
        let mut all = after(&mut bench, poll);
        all += &format!(", has {:?}", bench.assignment());
        all
    });
}

#[test]
fn errors_of_a_heartbeat_of_a_generation_before_do_not_count() {
    for code in [Code::UnknownMemberId, Code::IllegalGeneration, Code::FencedInstanceId] {
        let (mut bench, _) = Bench::stable(&[], false);
        bench.pass(3000);
        drop(bench.consumer.enforce_rebalance());
        bench.pass(0);
        bench.join(2);
        bench.answer("Heartbeat", beaten(code));
        assert_eq!(bench.who(), "CompletingRebalance 2 'm'", "{code:?}");
    }
}

#[test]
fn errors_of_offset_commit() {
    let table = [
        (Code::None, "Stable 1 'm', [], done, []"),
        (Code::OffsetMetadataTooLarge, "Stable 1 'm', [], OFFSET_METADATA_TOO_LARGE (12), []"),
        (Code::CoordinatorLoadInProgress, "Stable 1 'm', [], waits, [OffsetCommit]"),
        (Code::UnknownTopicOrPartition, "Stable 1 'm', [], waits, [OffsetCommit]"),
        (
            Code::CoordinatorNotAvailable,
            "Stable 1 'm', [FindCoordinator], waits, [FindCoordinator]",
        ),
        (Code::NotCoordinator, "Stable 1 'm', [FindCoordinator], waits, [FindCoordinator]"),
        (Code::RequestTimedOut, "Stable 1 'm', [FindCoordinator], waits, [FindCoordinator]"),
        (Code::RebalanceInProgress, "Stable 1 'm', [], REBALANCE_IN_PROGRESS (27), []"),
        (Code::UnknownMemberId, "Unjoined -1 '', [], CommitFailed, []"),
        (Code::IllegalGeneration, "Unjoined -1 'm', [], CommitFailed, []"),
        (Code::FencedInstanceId, "Stable 1 'm', [], FENCED_INSTANCE_ID (82), []"),
        (Code::UnknownServerError, "Stable 1 'm', [], UNKNOWN_SERVER_ERROR (-1), []"),
    ];
    check(&table, |code| after_commit(code, true));
}

/// It is tried once; a later commit says more.
#[test]
fn errors_of_offset_commit_that_nobody_waits_for() {
    let table = [
        (Code::None, "Stable 1 'm', [], done, []"),
        (
            Code::CoordinatorLoadInProgress,
            "Stable 1 'm', [], COORDINATOR_LOAD_IN_PROGRESS (14), []",
        ),
        (
            Code::NotCoordinator,
            "Stable 1 'm', [FindCoordinator], NOT_COORDINATOR (16), [FindCoordinator]",
        ),
        (Code::RebalanceInProgress, "Stable 1 'm', [], REBALANCE_IN_PROGRESS (27), []"),
        (Code::UnknownMemberId, "Unjoined -1 '', [], CommitFailed, []"),
        (Code::IllegalGeneration, "Unjoined -1 'm', [], CommitFailed, []"),
        (Code::FencedInstanceId, "Stable 1 'm', [], FENCED_INSTANCE_ID (82), []"),
    ];
    check(&table, |code| after_commit(code, false));
}

fn after_commit(code: ErrorCode, is_sync: bool) -> String {
    let (mut bench, poll) = Bench::stable(&[], false);
    bench.consumer.abandon(|op| op == poll);
    let commit = bench.commit(is_sync);
    bench.answer("OffsetCommit", committed(code));
    after(&mut bench, commit)
}

#[test]
fn errors_of_offset_fetch() {
    let table = [
        (Code::None, "done, [], 0"),
        (Code::CoordinatorLoadInProgress, "waits, [], 1"),
        (Code::CoordinatorNotAvailable, "waits, [FindCoordinator], 0"),
        (Code::NotCoordinator, "waits, [FindCoordinator], 0"),
        (Code::UnknownServerError, "UNKNOWN_SERVER_ERROR (-1), [], 0"),
    ];
    check(&table, |code| {
        let mut bench = Bench::new(&[], false);
        let call = bench
            .call(|consumer, now, op, effects| consumer.committed(now, op, vec![at(0)], effects));
        bench.find_coordinator();
        let (group_id, partitions) = ("baristas".to_owned(), Vec::new());
        let group = OffsetFetchResponseGroup { group_id, error_code: code, partitions };
        let response = OffsetFetchResponse { groups: vec![group] };
        bench.answer("OffsetFetch", Response::OffsetFetch(response));
        let result = bench.result(call);
        bench.pass(300);
        let fetches = bench.requests.iter().filter(|(_, one)| name(one) == "OffsetFetch").count();
        format!("{result}, [{}], {fetches}", bench.waiting().join(" "))
    });
}

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
    bench
        .consumer
        .assigned
        .insert(TopicPartition::new("returns", 0), super::super::Assigned::new());
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
        drop(bench.consumer.seek(&at(partition), super::super::SeekTo::Offset(Offset(3))));
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
        drop(bench.consumer.seek(&at(partition), super::super::SeekTo::Offset(Offset(3))));
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
