//! A rebalance: members are called together, and come to a new generation.

use super::state::GroupState;
use super::timers::Timer;
use super::{GroupCoordinator, GroupMetadata, Step};
use crate::api::Response;
use crate::error::ErrorCode;
use crate::types::Time;

/// What is left of the initial delay of a group that was empty.
#[derive(Clone, Copy, Debug)]
pub(super) struct InitialDelay {
    delay_ms: i32,
    remaining_ms: i32,
}

impl GroupCoordinator {
    /// Begins a rebalance if none is on; otherwise ends it if nobody is missing any more.
    pub(super) fn prepare_or_complete(&mut self, now: Time, group_id: &str) {
        match self.state(group_id) {
            Some(GroupState::Empty | GroupState::CompletingRebalance | GroupState::Stable) => {
                self.prepare(now, group_id);
            }
            _ => self.complete_if_all_joined(now, group_id),
        }
    }

    pub(super) fn prepare(&mut self, now: Time, group_id: &str) {
        let Some(from) = self.state(group_id) else { return };
        if from == GroupState::CompletingRebalance {
            self.drop_assignments(now, group_id, ErrorCode::RebalanceInProgress);
        }
        self.timers.cancel(group_id, Timer::Sync);
        let at = now.timestamp();
        self.change(now, group_id, |group| group.become_state(GroupState::PreparingRebalance, at));
        let delay_ms = self.config.initial_rebalance_delay_ms;
        let Some(group) = self.groups.get_mut(group_id) else { return };
        let rebalance_ms = group.rebalance_timeout_ms();
        if from == GroupState::Empty {
            let remaining_ms = rebalance_ms.saturating_sub(delay_ms).max(0);
            group.initial_delay = Some(InitialDelay { delay_ms, remaining_ms });
            self.timers.set(group_id, Timer::Join, now.after_ms(i64::from(delay_ms)));
        } else if group.has_all_joined() {
            self.complete(now, group_id);
        } else {
            self.timers.set(group_id, Timer::Join, now.after_ms(i64::from(rebalance_ms)));
        }
    }

    /// The rebalance ends early when nobody is missing, unless it is the first one of a group that
    /// was empty: there others are expected.
    pub(super) fn complete_if_all_joined(&mut self, now: Time, group_id: &str) {
        let Some(group) = self.groups.get(group_id) else { return };
        if group.state() == GroupState::PreparingRebalance
            && group.previous != GroupState::Empty
            && group.has_all_joined()
        {
            self.complete(now, group_id);
        }
    }

    pub(super) fn on_join_timer(&mut self, now: Time, group_id: &str) {
        let initial_ms = self.config.initial_rebalance_delay_ms;
        let Some(group) = self.groups.get_mut(group_id) else { return };
        if let Some(InitialDelay { delay_ms, remaining_ms }) = group.initial_delay
            && group.has_newcomer
            && remaining_ms != 0
        {
            group.has_newcomer = false;
            let next_ms = initial_ms.min(remaining_ms);
            let remaining_ms = (remaining_ms - delay_ms).max(0);
            group.initial_delay = Some(InitialDelay { delay_ms: next_ms, remaining_ms });
            self.timers.set(group_id, Timer::Join, now.after_ms(i64::from(next_ms)));
        } else {
            self.complete(now, group_id);
        }
    }

    /// Ends the rebalance with those who are there.
    fn complete(&mut self, now: Time, group_id: &str) {
        self.timers.cancel(group_id, Timer::Join);
        let Some(group) = self.groups.get_mut(group_id) else { return };
        group.initial_delay = None;
        group.has_newcomer = false;
        let missing = |member: &super::group::Member| {
            member.awaiting_join.is_none() && member.instance_id.is_none()
        };
        let gone: Vec<String> =
            group.members().filter(|(_, m)| missing(m)).map(|(id, _)| id.clone()).collect();
        for id in &gone {
            group.remove(id);
            self.timers.cancel(group_id, Timer::Session(id.clone()));
        }
        if group.members().len() > 0 && !group.elect_joined_leader() {
            // Only static members are left, and none has come back: they may still.
            let due = now.after_ms(i64::from(group.rebalance_timeout_ms()));
            self.timers.set(group_id, Timer::Join, due);
            return;
        }
        self.change(now, group_id, |group| group.next_generation(now.timestamp()));
        match self.state(group_id) {
            Some(GroupState::CompletingRebalance) => self.tell_generation(now, group_id),
            _ => {
                let Some(group) = self.groups.get(group_id) else { return };
                self.append_group(GroupMetadata::of(group_id, group), Step::Emptied);
            }
        }
    }

    fn tell_generation(&mut self, now: Time, group_id: &str) {
        let Some(group) = self.groups.get_mut(group_id) else { return };
        let sync_due = now.after_ms(i64::from(group.rebalance_timeout_ms()));
        for id in group.member_ids() {
            let caller = group.take_join(&id);
            let response = group.generation_for(&id);
            let Some(member) = group.member_mut(&id) else { continue };
            member.is_new = false;
            member.pending_sync = true;
            let session = now.after_ms(i64::from(member.session_timeout_ms));
            self.timers.set(group_id, Timer::Session(id), session);
            if let Some(caller) = caller {
                let response = Response::JoinGroup(response);
                self.effects.push(super::GroupEffect::Reply { caller, response });
            }
        }
        self.timers.set(group_id, Timer::Sync, sync_due);
    }

    /// Who has not synced in time is out, and the others come together again.
    pub(super) fn on_sync_timer(&mut self, now: Time, group_id: &str) {
        let Some(group) = self.groups.get_mut(group_id) else { return };
        if !matches!(group.state(), GroupState::CompletingRebalance | GroupState::Stable) {
            return;
        }
        let late = group.members().filter(|(_, member)| member.pending_sync);
        let late: Vec<String> = late.map(|(id, _)| id.clone()).collect();
        if late.is_empty() {
            return;
        }
        for id in &late {
            self.remove_member(group_id, id);
        }
        self.prepare(now, group_id);
    }

    /// A member has been silent for too long, or an id has not been used.
    pub(super) fn on_silence(&mut self, now: Time, group_id: &str, member_id: &str) {
        let Some(group) = self.groups.get_mut(group_id) else { return };
        let was_pending = group.pending.remove(member_id);
        if !was_pending {
            let Some(member) = group.member(member_id) else { return };
            // Whoever waits for an answer is alive, unless it has waited for one all its life.
            let waits = member.awaiting_join.is_some() || member.awaiting_sync.is_some();
            if waits && !member.is_new {
                return;
            }
            self.remove_member(group_id, member_id);
        }
        let Some(group) = self.groups.get(group_id) else { return };
        match group.state() {
            GroupState::CompletingRebalance | GroupState::Stable if !was_pending => {
                self.prepare(now, group_id);
            }
            // Here even an initial delay is cut short.
            GroupState::PreparingRebalance if group.has_all_joined() => {
                self.complete(now, group_id);
            }
            _ => {}
        }
    }

    /// Takes a member out. A JoinGroup of it that waits is answered; a SyncGroup never is, as in
    /// Kafka 4.3.
    pub(super) fn remove_member(&mut self, group_id: &str, member_id: &str) {
        self.timers.cancel(group_id, Timer::Session(member_id.to_owned()));
        let Some(group) = self.groups.get_mut(group_id) else { return };
        let join = group.take_join(member_id);
        group.remove(member_id);
        if let Some(caller) = join {
            self.refuse_join(caller, "", ErrorCode::UnknownMemberId);
        }
    }
}
