//! Committing offsets: by the user, by auto commit, and before a rebalance.

use std::time::Duration;

use super::super::{Consumer, Sent};
use super::offset::{OffsetAndMetadata, Offsets};
use super::subscription::no_group;
use super::{Generation, MemberState, Membership};
use crate::api::{OffsetCommitPartition, OffsetCommitRequest, OffsetCommitResponse, Request};
use crate::client::network::Backoff;
use crate::client::{ClientEvent, Effect, OpId, Outcome, Progress};
use crate::error::{Error, ErrorCode};
use crate::types::{Time, TopicPartition};

/// The version that Java's client of Kafka 4.3 speaks when it names topics.
const VERSION: i16 = 9;

/// Who commits, and what happens when it fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CommitKind {
    /// The user waits, until then: what may be cured by time is tried again.
    Sync(Time),
    /// The user goes on: tried once.
    Async,
    /// Auto commit: tried once, and soon again.
    Auto,
    /// Auto commit before a rebalance: tried again as long as the rebalance waits for it.
    Rebalance,
}

/// A commit that is under way.
#[derive(Clone, Debug)]
pub struct Commit {
    number: u64,
    kind: CommitKind,
    pub op: Option<OpId>,
    offsets: Offsets,
    in_flight: bool,
    failures: u32,
    not_before: Time,
}

impl Commit {
    pub fn keeps_active(&self) -> bool {
        self.op.is_some() || matches!(self.kind, CommitKind::Sync(_))
    }
}

impl Membership {
    /// Whether offsets are still being committed before a rebalance.
    pub(super) fn is_committing_for_rebalance(&self) -> bool {
        self.commits.iter().any(|commit| commit.kind == CommitKind::Rebalance)
    }

    /// When commits want to be looked at again.
    pub(super) fn commit_deadlines(&self) -> impl Iterator<Item = Time> {
        self.commits.iter().flat_map(|commit| {
            let retry = (!commit.in_flight).then_some(commit.not_before);
            let end = match commit.kind {
                CommitKind::Sync(deadline) => Some(deadline),
                _ => None,
            };
            retry.into_iter().chain(end)
        })
    }

    pub(super) fn auto_commit_deadline(&self) -> Option<Time> {
        self.config.auto_commit_interval_ms.map(|_| self.next_auto_commit)
    }

    /// In whose name to commit now.
    fn committing_generation(&self) -> Result<Generation, Error> {
        match self.state() {
            _ if !self.is_subscribed() => Ok(Generation::none()),
            MemberState::Stable => Ok(self.generation.clone()),
            MemberState::PreparingRebalance | MemberState::CompletingRebalance => {
                Err(self.is_rebalancing())
            }
            MemberState::Unjoined => Err(self.is_out()),
        }
    }

    fn is_rebalancing(&self) -> Error {
        let id = &self.config.group_id;
        let why = format!("group '{id}' rebalances: poll, then commit again");
        Error::kafka(ErrorCode::RebalanceInProgress, why)
    }

    fn is_out(&self) -> Error {
        let id = &self.config.group_id;
        Error::CommitFailed(format!(
            "the consumer is no member of group '{id}' any more, and its partitions are others'"
        ))
    }
}

impl Consumer {
    /// Commits offsets: the given ones, or all positions.
    pub fn commit(
        &mut self,
        now: Time,
        op: OpId,
        offsets: Option<Offsets>,
        is_sync: bool,
        effects: &mut Vec<Effect>,
    ) -> Progress {
        if self.closed {
            return Progress::failed(Error::Closed);
        }
        match &self.group {
            None => return Progress::failed(no_group()),
            Some(group) => {
                if let Some(error) = &group.fenced {
                    return Progress::failed(error.clone());
                }
            }
        }
        let offsets = offsets.unwrap_or_else(|| self.all_consumed());
        if let Some((partition, wanted)) = offsets.iter().find(|(_, wanted)| wanted.offset.0 < 0) {
            let why = format!("offset {} of {partition} is negative", wanted.offset);
            return Progress::failed(Error::InvalidArgument(why));
        }
        let deadline = now.after_ms(self.config.default_api_timeout_ms);
        let kind = if is_sync { CommitKind::Sync(deadline) } else { CommitKind::Async };
        self.begin_commit(kind, Some(op), offsets);
        self.run(now, effects);
        Progress::Pending
    }

    /// How far everything has been read.
    pub(super) fn all_consumed(&self) -> Offsets {
        let consumed = self.assigned.iter().filter_map(|(partition, assigned)| {
            let (offset, leader_epoch) = (assigned.position()?, assigned.position_epoch);
            let metadata = String::new();
            Some((partition.clone(), OffsetAndMetadata { offset, leader_epoch, metadata }))
        });
        consumed.collect()
    }

    pub(super) fn begin_commit(&mut self, kind: CommitKind, op: Option<OpId>, offsets: Offsets) {
        let Some(group) = &mut self.group else { return };
        let number = group.next_commit;
        group.next_commit += 1;
        let (in_flight, failures, not_before) = (false, 0, Time(0));
        group.commits.push_back(Commit {
            number,
            kind,
            op,
            offsets,
            in_flight,
            failures,
            not_before,
        });
    }

    /// It has left: what was to be committed before a rebalance is others' to read.
    pub(super) fn drop_rebalance_commits(&mut self) {
        if let Some(group) = &mut self.group {
            group.commits.retain(|commit| commit.kind != CommitKind::Rebalance);
        }
    }

    pub(super) fn commit_for_rebalance(&mut self, now: Time, effects: &mut Vec<Effect>) {
        let offsets = self.all_consumed();
        if !offsets.is_empty() {
            self.begin_commit(CommitKind::Rebalance, None, offsets);
            self.send_commits(now, effects);
        }
    }

    /// Commits what earlier polls gave out, when it is time.
    pub(in super::super) fn auto_commit(&mut self, now: Time, effects: &mut Vec<Effect>) {
        let Some(group) = &mut self.group else { return };
        let Some(interval_ms) = group.config.auto_commit_interval_ms else { return };
        if group.is_subscribed() && !group.is_at_rest() {
            return;
        }
        if group.next_auto_commit == Time(0) {
            group.next_auto_commit = now.after_ms(interval_ms);
        }
        if group.next_auto_commit > now {
            return;
        }
        group.next_auto_commit = now.after_ms(interval_ms.max(1));
        let offsets = self.all_consumed();
        if !offsets.is_empty() {
            self.begin_commit(CommitKind::Auto, None, offsets);
            self.send_commits(now, effects);
        }
    }

    /// Sends the commits whose time has come.
    pub(super) fn send_commits(&mut self, now: Time, effects: &mut Vec<Effect>) {
        let mut at = 0;
        while let Some(commit) = self.group.as_ref().and_then(|group| group.commits.get(at)) {
            let is_first = at == 0;
            if let CommitKind::Sync(deadline) = commit.kind
                && deadline <= now
            {
                let after = Duration::from_millis(self.config.default_api_timeout_ms as u64);
                let what = "an answer to a commit".to_owned();
                self.end_commit(now, at, Err(Error::Timeout { what, after }), effects);
            } else if commit.in_flight || commit.not_before > now {
                at += 1;
            } else if commit.offsets.is_empty() {
                // Nothing to commit: it waits for those before it.
                if is_first {
                    self.end_commit(now, at, Ok(()), effects);
                } else {
                    at += 1;
                }
            } else if self.find_coordinator(now, effects) {
                at += usize::from(self.send_commit(now, at, effects));
            } else {
                at += 1;
            }
        }
    }

    /// Sends a commit; says whether it is under way.
    fn send_commit(&mut self, now: Time, at: usize, effects: &mut Vec<Effect>) -> bool {
        let Some(group) = &mut self.group else { return false };
        let generation = match group.committing_generation() {
            Ok(generation) => generation,
            Err(error) => {
                self.end_commit(now, at, Err(error), effects);
                return false;
            }
        };
        let instance = group.config.group_instance_id.clone();
        let group_instance_id = instance.filter(|_| group.is_subscribed());
        let group_id = group.config.group_id.clone();
        let Some(commit) = group.commits.get_mut(at) else { return false };
        commit.in_flight = true;
        let wanted =
            |(partition, wanted): (&TopicPartition, &OffsetAndMetadata)| OffsetCommitPartition {
                partition: partition.clone(),
                committed_offset: wanted.offset,
                committed_leader_epoch: wanted.leader_epoch,
                committed_metadata: Some(wanted.metadata.clone()),
            };
        let sent = Sent::OffsetCommit(commit.number, generation.clone());
        let request = Request::OffsetCommit(OffsetCommitRequest {
            version: VERSION,
            group_id,
            generation_id: generation.id,
            member_id: generation.member_id,
            group_instance_id,
            retention_time_ms: -1,
            partitions: commit.offsets.iter().map(wanted).collect(),
        });
        let timeout_ms = self.config.request_timeout_ms;
        self.send_to_coordinator(now, request, timeout_ms, sent, effects);
        true
    }

    pub(in super::super) fn on_committed(
        &mut self,
        now: Time,
        number: u64,
        sent: &Generation,
        response: &OffsetCommitResponse,
        effects: &mut Vec<Effect>,
    ) {
        let Some(at) = self.commit_at(number) else { return };
        let refused = response.partitions.iter().find(|partition| !partition.error_code.is_none());
        let result = match refused {
            None => Ok(()),
            Some(refused) => Err(self.commit_error(now, sent, refused.error_code)),
        };
        self.try_commit_again_or_end(now, at, result, effects);
    }

    fn commit_at(&self, number: u64) -> Option<usize> {
        self.group.as_ref()?.commits.iter().position(|commit| commit.number == number)
    }

    /// What an error means for the membership, and for who commits.
    fn commit_error(&mut self, now: Time, sent: &Generation, code: ErrorCode) -> Error {
        let plain = self.group_error(code);
        let Some(group) = &mut self.group else { return plain };
        let same = *sent == group.generation || !group.is_subscribed();
        let is_joining = group.state() == MemberState::PreparingRebalance;
        match code {
            ErrorCode::CoordinatorNotAvailable
            | ErrorCode::NotCoordinator
            | ErrorCode::RequestTimedOut => group.lose_coordinator(now),
            ErrorCode::RebalanceInProgress => {
                group.request_rejoin("a commit met a rebalance");
                return group.is_rebalancing();
            }
            ErrorCode::FencedInstanceId
            | ErrorCode::UnknownMemberId
            | ErrorCode::IllegalGeneration
                if !same && is_joining =>
            {
                return group.is_rebalancing();
            }
            ErrorCode::FencedInstanceId if !same => return group.is_out(),
            ErrorCode::UnknownMemberId => {
                group.reset("the coordinator did not know the member any more", false);
                return group.is_out();
            }
            ErrorCode::IllegalGeneration => {
                group.reset("a commit was of an old generation", true);
                return group.is_out();
            }
            _ => {}
        }
        plain
    }

    fn try_commit_again_or_end(
        &mut self,
        now: Time,
        at: usize,
        result: Result<(), Error>,
        effects: &mut Vec<Effect>,
    ) {
        let backoff = Backoff {
            initial_ms: self.config.retry_backoff_ms,
            max_ms: self.config.retry_backoff_max_ms,
        };
        let retriable = result.as_ref().is_err_and(Error::is_retriable);
        let Some(group) = &mut self.group else { return };
        let Some(commit) = group.commits.get_mut(at) else { return };
        commit.in_flight = false;
        match commit.kind {
            CommitKind::Sync(_) | CommitKind::Rebalance if retriable => {
                commit.failures += 1;
                let wait_ms = backoff.after(commit.failures, &mut group.random);
                commit.not_before = now.after_ms(wait_ms as i64);
            }
            _ => self.end_commit(now, at, result, effects),
        }
    }

    fn end_commit(
        &mut self,
        now: Time,
        at: usize,
        result: Result<(), Error>,
        effects: &mut Vec<Effect>,
    ) {
        let retry_ms = self.config.retry_backoff_ms as i64;
        let Some(group) = &mut self.group else { return };
        let Some(commit) = group.commits.remove(at) else { return };
        match &result {
            Ok(()) if !commit.offsets.is_empty() => {
                let at = |(partition, to): (&TopicPartition, &OffsetAndMetadata)| {
                    (partition.clone(), to.offset)
                };
                let offsets = commit.offsets.iter().map(at).collect();
                effects.push(Effect::Event(ClientEvent::OffsetsCommitted { offsets }));
            }
            Ok(()) => {}
            Err(error) => {
                if error.code() == Some(ErrorCode::FencedInstanceId)
                    && matches!(commit.kind, CommitKind::Async | CommitKind::Auto)
                {
                    group.fenced = Some(error.clone());
                }
                if commit.kind == CommitKind::Auto && error.is_retriable() {
                    group.next_auto_commit = now.after_ms(retry_ms);
                }
                let why = error.to_string();
                effects.push(Effect::Event(ClientEvent::CommitFailed { why }));
            }
        }
        if let Some(op) = commit.op {
            effects.push(Effect::Complete { op, result: result.map(|()| Outcome::Done) });
        }
    }

    /// The answer to a commit is lost; what it said may have been done.
    pub(in super::super) fn lose_commit(
        &mut self,
        now: Time,
        number: u64,
        effects: &mut Vec<Effect>,
    ) {
        if let Some(at) = self.commit_at(number) {
            let error = self.group_error(ErrorCode::NetworkException);
            self.try_commit_again_or_end(now, at, Err(error), effects);
        }
    }

    /// The coordinator was not found: who does not wait is told.
    pub(super) fn fail_commits(
        &mut self,
        now: Time,
        error: &Error,
        even_sync: bool,
        effects: &mut Vec<Effect>,
    ) {
        let mut at = 0;
        while let Some(commit) = self.group.as_ref().and_then(|group| group.commits.get(at)) {
            let waits = matches!(commit.kind, CommitKind::Sync(_) | CommitKind::Rebalance);
            if commit.in_flight || (waits && !even_sync) {
                at += 1;
            } else {
                self.end_commit(now, at, Err(error.clone()), effects);
            }
        }
    }
}
