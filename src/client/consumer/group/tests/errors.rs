//! What a member does with each error of each answer, by the rules of Kafka's client.

use super::*;

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
