//! Leaving the group: on close, on unsubscribe, and when nobody polls any more.

use super::super::{Consumer, Sent};
use super::commit::CommitKind;
use super::{Interrupted, MemberState, Phase, Topics};
use crate::api::{LeaveGroupRequest, MemberIdentity, Request};
use crate::client::{ClientEvent, Effect, OpId, Outcome, Progress, UserCall};
use crate::error::Error;
use crate::types::Time;

/// How long `close` tries to end in good order, in milliseconds: Java's default. It is not longer
/// than `request.timeout.ms`.
const CLOSE_TIMEOUT_MS: u64 = 30_000;

/// A consumer that is being closed.
#[derive(Clone, Debug)]
pub struct Closing {
    pub op: Option<OpId>,
    step: Step,
    pub deadline: Time,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// What was read is committed, and commits that are under way are waited for.
    Committing,
    /// The listener is told what is given up.
    Telling,
    /// The group is told.
    Leaving,
}

impl Consumer {
    /// Begins to close a member, or goes on with it.
    pub(in super::super) fn close_member(
        &mut self,
        now: Time,
        op: OpId,
        effects: &mut Vec<Effect>,
    ) -> Progress {
        let polled = self.poll.take().map(|poll| poll.op);
        let positions = std::mem::take(&mut self.positions).into_iter().map(|wait| wait.op);
        let lookups = std::mem::take(&mut self.lookups).into_keys();
        for op in polled.into_iter().chain(positions).chain(lookups) {
            effects.push(Effect::Complete { op, result: Err(Error::Closed) });
        }
        let wait_ms = CLOSE_TIMEOUT_MS.min(self.config.request_timeout_ms);
        let deadline = now.after_ms(wait_ms as i64);
        let offsets = self.all_consumed();
        let Some(group) = &mut self.group else { return Progress::DONE };
        if let Some(closing) = &mut group.closing {
            closing.op = Some(op);
        } else {
            group.closing = Some(Closing { op: Some(op), step: Step::Committing, deadline });
            if group.config.auto_commit_interval_ms.is_some() && !offsets.is_empty() {
                self.begin_commit(CommitKind::Sync(deadline), None, offsets);
            }
        }
        self.run(now, effects);
        Progress::Pending
    }

    /// Takes the steps of closing that can be taken now.
    pub(in super::super) fn go_on_closing(&mut self, now: Time, effects: &mut Vec<Effect>) {
        loop {
            let Some(group) = &mut self.group else { return };
            let Some(closing) = &mut group.closing else { return };
            let is_late = closing.deadline <= now;
            match closing.step {
                Step::Committing if group.commits.is_empty() || is_late => {
                    closing.step = Step::Telling;
                    self.tell_leaving(effects);
                }
                Step::Telling if group.user.is_some() => {
                    let op = closing.op;
                    let call =
                        op.and_then(|op| Some((op, group.next_user_call(op, Interrupted::Close)?)));
                    if let Some((op, call)) = call {
                        let result = Ok(Outcome::UserCall(Box::new(call)));
                        effects.push(Effect::Complete { op, result });
                        group.closing.iter_mut().for_each(|closing| closing.op = None);
                    }
                    return;
                }
                Step::Telling => {
                    closing.step = Step::Leaving;
                    self.leave_group(now, "it is closed", effects);
                }
                Step::Leaving => {
                    let leaves = |sent: &Sent| matches!(sent, Sent::LeaveGroup);
                    if is_late || !self.network.in_flight().any(leaves) {
                        let op = closing.op;
                        drop(self.stop(effects));
                        let done = |op| Effect::Complete { op, result: Ok(Outcome::Done) };
                        effects.extend(op.map(done));
                    }
                    return;
                }
                Step::Committing => return,
            }
        }
    }

    /// Tells the listener what the member is about to give up.
    fn tell_leaving(&mut self, effects: &mut Vec<Effect>) {
        let Some(group) = &mut self.group else { return };
        group.user = None;
        if !group.is_subscribed() || self.assigned.is_empty() {
            return;
        }
        let partitions: Vec<_> = self.assigned.keys().cloned().collect();
        if group.state() == MemberState::Stable {
            let event = ClientEvent::PartitionsRevoked { partitions: partitions.clone() };
            effects.push(Effect::Event(event));
            self.ask_user(UserCall::Revoked(partitions));
        } else {
            let event = ClientEvent::PartitionsLost { partitions: partitions.clone() };
            effects.push(Effect::Event(event));
            self.ask_user(UserCall::Lost(partitions));
        }
    }

    /// Gives up the subscription, or what was assigned by hand, and leaves the group.
    pub fn unsubscribe(&mut self, now: Time, op: OpId, effects: &mut Vec<Effect>) -> Progress {
        if self.closed {
            return Progress::failed(Error::Closed);
        }
        let Some(group) = &mut self.group else {
            self.forget_assignment();
            return Progress::DONE;
        };
        if group.is_in_user_code() {
            let why = "the listener runs: unsubscribe when it is done".to_owned();
            return Progress::failed(Error::InvalidArgument(why));
        }
        if !std::mem::replace(&mut group.is_leaving, true) {
            self.tell_leaving(effects);
        }
        let Some(group) = &mut self.group else { return Progress::DONE };
        if let Some(call) = group.next_user_call(op, Interrupted::Unsubscribe) {
            return Progress::Ready(Ok(Outcome::UserCall(Box::new(call))));
        }
        group.is_leaving = false;
        self.leave_group(now, "it unsubscribes", effects);
        self.drop_rebalance_commits();
        if let Some(group) = &mut self.group {
            if !matches!(group.phase, Phase::AwaitingOldJoin) {
                // What it was about to take over or to give up is nobody's business any more.
                group.become_phase(Phase::Settled);
            }
            group.topics = Topics::None;
            group.joined = None;
            group.assigned_for = None;
            group.group_topics.clear();
        }
        self.forget_assignment();
        Progress::DONE
    }

    fn forget_assignment(&mut self) {
        self.assigned.clear();
        self.buffer.retain(|_| false);
        self.metadata.want_only(Time(0), std::collections::BTreeSet::new());
        self.woken = true;
    }

    /// Tells the coordinator, unless it is a static member, and is in no generation any more.
    pub(super) fn leave_group(&mut self, now: Time, why: &'static str, effects: &mut Vec<Effect>) {
        let Some(group) = &mut self.group else { return };
        let member_id = group.generation.member_id.clone();
        let is_member = group.state() != MemberState::Unjoined && !member_id.is_empty();
        if is_member && group.config.group_instance_id.is_none() && group.coordinator().is_some() {
            let group_id = group.config.group_id.clone();
            let members = vec![MemberIdentity { member_id, group_instance_id: None }];
            let request = Request::LeaveGroup(LeaveGroupRequest { group_id, members });
            let timeout_ms = self.config.request_timeout_ms;
            self.send_to_coordinator(now, request, timeout_ms, Sent::LeaveGroup, effects);
        }
        if let Some(group) = &mut self.group {
            group.reset(why, false);
        }
        self.tell_group(effects);
    }
}
