//! SyncGroup, Heartbeat and LeaveGroup: what members do in a generation.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::state::GroupState;
use super::timers::Timer;
use super::{Caller, Context, GroupCoordinator, GroupMetadata, Step};
use crate::api::{
    HeartbeatRequest, HeartbeatResponse, LeaveGroupMember, LeaveGroupRequest, LeaveGroupResponse,
    MemberIdentity, Response, SyncGroupRequest, SyncGroupResponse,
};
use crate::error::ErrorCode;
use crate::types::Time;

impl GroupCoordinator {
    pub(super) fn sync(&mut self, context: Context<'_>, request: SyncGroupRequest) {
        if let Err(error) = self.try_sync(context, request) {
            self.refuse_sync(context.caller, error);
        }
    }

    pub(super) fn refuse_sync(&mut self, caller: Caller, error_code: ErrorCode) {
        let response = SyncGroupResponse::failed(error_code);
        self.reply(caller, Response::SyncGroup(response));
    }

    fn try_sync(
        &mut self,
        context: Context<'_>,
        request: SyncGroupRequest,
    ) -> Result<(), ErrorCode> {
        let (group_id, id) = (&request.group_id, &request.member_id);
        if group_id.is_empty() {
            return Err(ErrorCode::InvalidGroupId);
        }
        let names_all = request.protocol_type.is_some() && request.protocol_name.is_some();
        if request.version >= 5 && !names_all {
            return Err(ErrorCode::InconsistentGroupProtocol);
        }
        let group = self.groups.get_mut(group_id).ok_or(ErrorCode::UnknownMemberId)?;
        group.check_member(id, request.group_instance_id.as_deref())?;
        if request.generation_id != group.generation {
            return Err(ErrorCode::IllegalGeneration);
        }
        let differs = |named: &Option<String>, own: &Option<String>| {
            named.is_some() && own.is_some() && named != own
        };
        if differs(&request.protocol_type, &group.protocol_type)
            || differs(&request.protocol_name, &group.protocol_name)
        {
            return Err(ErrorCode::InconsistentGroupProtocol);
        }
        let state = group.state();
        match state {
            GroupState::Empty | GroupState::Dead => return Err(ErrorCode::UnknownMemberId),
            GroupState::PreparingRebalance => return Err(ErrorCode::RebalanceInProgress),
            GroupState::CompletingRebalance | GroupState::Stable => {}
        }
        let Some(member) = group.member_mut(id) else { return Err(ErrorCode::UnknownMemberId) };
        member.pending_sync = false;
        if state == GroupState::CompletingRebalance {
            member.awaiting_sync = Some(context.caller);
        }
        let all_synced = group.members().all(|(_, member)| !member.pending_sync);
        let leads = group.is_leader(id);
        if all_synced {
            self.timers.cancel(group_id, Timer::Sync);
        }
        match state {
            GroupState::Stable => self.tell_assignment(group_id, id, context.caller),
            _ if leads => self.take_assignment(request),
            _ => {}
        }
        Ok(())
    }

    /// The leader has assigned: it counts once it is written.
    fn take_assignment(&mut self, request: SyncGroupRequest) {
        let Some(group) = self.groups.get(&request.group_id) else { return };
        let brought = request.assignments.into_iter();
        let mut brought: BTreeMap<_, _> = brought.map(|a| (a.member_id, a.assignment)).collect();
        let mut metadata = GroupMetadata::of(&request.group_id, group);
        let mut assignments = BTreeMap::new();
        for member in &mut metadata.members {
            let assignment = brought.remove(&member.member_id).unwrap_or_default();
            member.assignment = assignment.clone();
            assignments.insert(member.member_id.clone(), assignment);
        }
        let generation = group.generation;
        self.append_group(metadata, Step::Assigned { generation, assignments });
    }

    pub(super) fn on_assigned(
        &mut self,
        now: Time,
        group_id: &str,
        generation: i32,
        assignments: BTreeMap<String, Bytes>,
        result: Result<(), ErrorCode>,
    ) {
        let Some(group) = self.groups.get_mut(group_id) else { return };
        // Another rebalance may have begun meanwhile.
        if group.state() != GroupState::CompletingRebalance || group.generation != generation {
            return;
        }
        if let Err(error) = result {
            self.drop_assignments(now, group_id, error);
            self.prepare(now, group_id);
            return;
        }
        for (id, assignment) in assignments {
            if let Some(member) = group.member_mut(&id) {
                member.assignment = assignment;
            }
        }
        let at = now.timestamp();
        self.change(now, group_id, |group| group.become_state(GroupState::Stable, at));
        self.tell_who_waits(now, group_id, ErrorCode::None);
    }

    /// Nobody has an assignment any more; who waits for one is told why.
    pub(super) fn drop_assignments(&mut self, now: Time, group_id: &str, error: ErrorCode) {
        let Some(group) = self.groups.get_mut(group_id) else { return };
        for id in group.member_ids() {
            if let Some(member) = group.member_mut(&id) {
                member.assignment = Bytes::new();
            }
        }
        self.tell_who_waits(now, group_id, error);
    }

    fn tell_who_waits(&mut self, now: Time, group_id: &str, error: ErrorCode) {
        let ids = self.groups.get(group_id).map(|group| group.member_ids()).unwrap_or_default();
        for id in ids {
            let Some(group) = self.groups.get_mut(group_id) else { return };
            let Some(member) = group.member_mut(&id) else { continue };
            let Some(caller) = member.awaiting_sync.take() else { continue };
            let session = now.after_ms(i64::from(member.session_timeout_ms));
            self.timers.set(group_id, Timer::Session(id.clone()), session);
            match error {
                ErrorCode::None => self.tell_assignment(group_id, &id, caller),
                error => self.refuse_sync(caller, error),
            }
        }
    }

    fn tell_assignment(&mut self, group_id: &str, id: &str, caller: Caller) {
        let Some(group) = self.groups.get(group_id) else { return };
        let assignment = group.member(id).map(|member| member.assignment.clone());
        let response = SyncGroupResponse {
            error_code: ErrorCode::None,
            protocol_type: group.protocol_type.clone(),
            protocol_name: group.protocol_name.clone(),
            assignment: assignment.unwrap_or_default(),
        };
        self.reply(caller, Response::SyncGroup(response));
    }

    pub(super) fn heartbeat(&mut self, context: Context<'_>, request: &HeartbeatRequest) {
        let error_code = self.try_heartbeat(context.now, request).err().unwrap_or(ErrorCode::None);
        self.reply(context.caller, Response::Heartbeat(HeartbeatResponse { error_code }));
    }

    fn try_heartbeat(&mut self, now: Time, request: &HeartbeatRequest) -> Result<(), ErrorCode> {
        let (group_id, id) = (&request.group_id, &request.member_id);
        if group_id.is_empty() {
            return Err(ErrorCode::InvalidGroupId);
        }
        let group = self.groups.get(group_id).ok_or(ErrorCode::UnknownMemberId)?;
        group.check_member(id, request.group_instance_id.as_deref())?;
        if request.generation_id != group.generation {
            return Err(ErrorCode::IllegalGeneration);
        }
        let (state, member) = (group.state(), group.member(id));
        let Some(member) = member else { return Err(ErrorCode::UnknownMemberId) };
        let session = now.after_ms(i64::from(member.session_timeout_ms));
        self.timers.set(group_id, Timer::Session(id.clone()), session);
        if state == GroupState::PreparingRebalance {
            return Err(ErrorCode::RebalanceInProgress);
        }
        Ok(())
    }

    /// Takes members out, each for itself, and then begins one rebalance for all of them.
    pub(super) fn leave(&mut self, context: Context<'_>, request: LeaveGroupRequest) {
        let error_code = match request.group_id.is_empty() {
            true => ErrorCode::InvalidGroupId,
            false => ErrorCode::None,
        };
        let mut members = Vec::new();
        if error_code.is_none() {
            for identity in request.members {
                let left = self.try_leave(&request.group_id, &identity);
                let error_code = left.err().unwrap_or(ErrorCode::None);
                members.push(LeaveGroupMember { identity, error_code });
            }
        }
        let any = members.iter().any(|member: &LeaveGroupMember| member.error_code.is_none());
        let response = LeaveGroupResponse { error_code, members };
        self.reply(context.caller, Response::LeaveGroup(response));
        if any && self.state(&request.group_id) != Some(GroupState::Empty) {
            self.prepare_or_complete(context.now, &request.group_id);
        }
    }

    fn try_leave(&mut self, group_id: &str, identity: &MemberIdentity) -> Result<(), ErrorCode> {
        let group = self.groups.get_mut(group_id).ok_or(ErrorCode::UnknownMemberId)?;
        let mut id = identity.member_id.clone();
        if group.pending.remove(&id) {
            self.timers.cancel(group_id, Timer::Session(id));
            return Ok(());
        }
        match (id.is_empty(), &identity.group_instance_id) {
            // An administrator names a static member by its instance alone.
            (true, Some(instance)) => {
                let owner = group.member_of_instance(instance).cloned();
                id = owner.ok_or(ErrorCode::UnknownMemberId)?;
            }
            (_, instance) => group.check_member(&id, instance.as_deref())?,
        }
        self.remove_member(group_id, &id);
        Ok(())
    }
}
