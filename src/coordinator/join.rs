//! JoinGroup: who comes into a group, and what that sets going.

use super::group::{Group, Member};
use super::state::GroupState;
use super::timers::Timer;
use super::{Caller, Context, GroupCoordinator, GroupMetadata, MemberMetadata, Step};
use crate::api::{JoinGroupRequest, JoinGroupResponse, Response};
use crate::error::ErrorCode;
use crate::types::Timestamp;

/// How long the JoinGroup of a new member may wait: it cannot tell that it is alive meanwhile.
const NEW_MEMBER_JOIN_TIMEOUT_MS: i64 = 5 * 60 * 1000;

impl GroupCoordinator {
    pub(super) fn join(&mut self, context: Context<'_>, request: &JoinGroupRequest) {
        if let Err(error) = self.try_join(context, request) {
            // A full group does not even repeat the id.
            let id = match error {
                ErrorCode::GroupMaxSizeReached => "",
                _ => &request.member_id,
            };
            self.refuse_join(context.caller, id, error);
        }
    }

    pub(super) fn refuse_join(&mut self, caller: Caller, member_id: &str, error_code: ErrorCode) {
        let response = JoinGroupResponse::failed(error_code, member_id);
        self.reply(caller, Response::JoinGroup(response));
    }

    fn try_join(
        &mut self,
        context: Context<'_>,
        request: &JoinGroupRequest,
    ) -> Result<(), ErrorCode> {
        if request.group_id.is_empty() {
            return Err(ErrorCode::InvalidGroupId);
        }
        let limits = self.config.min_session_timeout_ms..=self.config.max_session_timeout_ms;
        if !limits.contains(&request.session_timeout_ms) {
            return Err(ErrorCode::InvalidSessionTimeout);
        }
        let is_unknown = request.member_id.is_empty();
        let is_new = !self.groups.contains_key(&request.group_id);
        if is_new {
            if !is_unknown {
                return Err(ErrorCode::UnknownMemberId);
            }
            let since = context.now.timestamp();
            self.groups.insert(request.group_id.clone(), Group::new(since));
            self.schedule_expiry(context.now, &request.group_id);
        }
        let joined = if !self.has_room_for(request) {
            // A member that a full group does not let back in is one no more.
            self.remove_member(&request.group_id, &request.member_id);
            Err(ErrorCode::GroupMaxSizeReached)
        } else if is_unknown {
            self.join_new(context, request)
        } else {
            self.join_known(context, request)
        };
        if is_new {
            let metadata = GroupMetadata::empty(&request.group_id, context.now.timestamp());
            self.append_group(metadata, Step::Created);
        }
        joined
    }

    /// A group that could not be written down is none.
    pub(super) fn on_created(&mut self, group_id: &str, result: Result<(), ErrorCode>) {
        let Err(error) = result else { return };
        let Some(mut group) = self.groups.remove(group_id) else { return };
        self.timers.cancel(group_id, Timer::Join);
        self.timers.cancel(group_id, Timer::Expiry);
        for id in group.member_ids() {
            self.timers.cancel(group_id, Timer::Session(id.clone()));
            if let Some(caller) = group.take_join(&id) {
                self.refuse_join(caller, &id, error);
            }
        }
        for id in group.pending {
            self.timers.cancel(group_id, Timer::Session(id));
        }
    }

    /// Whether `group.max.size` lets the member in.
    fn has_room_for(&self, request: &JoinGroupRequest) -> bool {
        let Some(group) = self.groups.get(&request.group_id) else { return true };
        let known = group.member(&request.member_id);
        match group.state() {
            GroupState::Empty | GroupState::Dead => true,
            GroupState::PreparingRebalance => {
                known.is_some_and(|member| member.awaiting_join.is_some())
                    || group.awaiting_join() < self.config.max_size
            }
            GroupState::CompletingRebalance | GroupState::Stable => {
                known.is_some() || group.members().len() < self.config.max_size
            }
        }
    }

    fn join_new(
        &mut self,
        context: Context<'_>,
        request: &JoinGroupRequest,
    ) -> Result<(), ErrorCode> {
        let prefix = request.group_instance_id.as_deref().unwrap_or(context.client_id);
        let id = format!("{prefix}-{}", uuid(self.random.bits128()));
        let group_id = &request.group_id;
        let Some(group) = self.groups.get_mut(group_id) else { return Ok(()) };
        if !group.supports(&request.protocol_type, &request.protocols) {
            return Err(ErrorCode::InconsistentGroupProtocol);
        }
        let owner = request.group_instance_id.as_deref();
        let owner = owner.and_then(|instance| group.member_of_instance(instance)).cloned();
        match (&request.group_instance_id, owner) {
            (Some(_), Some(old)) => self.replace_static(context, request, &old, &id),
            (None, _) if request.version >= 4 => {
                // The member has to come back with the id: so a client that asks again and again
                // does not fill the group with members that nobody is.
                group.pending.insert(id.clone());
                let due = context.now.after_ms(i64::from(request.session_timeout_ms));
                self.timers.set(group_id, Timer::Session(id.clone()), due);
                self.refuse_join(context.caller, &id, ErrorCode::MemberIdRequired);
            }
            _ => self.add_member(context, request, &id),
        }
        Ok(())
    }

    fn join_known(
        &mut self,
        context: Context<'_>,
        request: &JoinGroupRequest,
    ) -> Result<(), ErrorCode> {
        let (group_id, id) = (&request.group_id, &request.member_id);
        let Some(group) = self.groups.get(group_id) else { return Ok(()) };
        if !group.supports(&request.protocol_type, &request.protocols) {
            return Err(ErrorCode::InconsistentGroupProtocol);
        }
        if group.pending.contains(id) {
            self.add_member(context, request, id);
            return Ok(());
        }
        group.check_member(id, request.group_instance_id.as_deref())?;
        let same = group.member(id).is_some_and(|member| member.protocols == request.protocols);
        let stays = match group.state() {
            GroupState::CompletingRebalance => same,
            // A leader that joins again wants to assign anew.
            GroupState::Stable => same && !group.is_leader(id),
            GroupState::PreparingRebalance => false,
            GroupState::Empty | GroupState::Dead => return Err(ErrorCode::UnknownMemberId),
        };
        if stays {
            let response = group.generation_for(id);
            self.reply(context.caller, Response::JoinGroup(response));
            return Ok(());
        }
        self.rejoin(context, request, id);
        self.prepare_or_complete(context.now, group_id);
        Ok(())
    }

    fn add_member(&mut self, context: Context<'_>, request: &JoinGroupRequest, id: &str) {
        let group_id = &request.group_id;
        let member = Member::new(request, context.client_id, context.client_host);
        self.change(context.now, group_id, |group| {
            if group.state() == GroupState::PreparingRebalance
                && group.previous == GroupState::Empty
            {
                group.has_newcomer = true;
            }
            group.add(id, member, &request.protocol_type);
            group.park_join(id, context.caller);
        });
        let due = context.now.after_ms(NEW_MEMBER_JOIN_TIMEOUT_MS);
        self.timers.set(group_id, Timer::Session(id.to_owned()), due);
        self.prepare_or_complete(context.now, group_id);
    }

    /// A member has come back; its JoinGroup waits.
    fn rejoin(&mut self, context: Context<'_>, request: &JoinGroupRequest, id: &str) {
        self.change(context.now, &request.group_id, |group| {
            group.update(id, request);
            group.park_join(id, context.caller);
        });
    }

    /// A static member has come back without its id, or as another process: it gets a new id, and
    /// what still waits under the old one is fenced.
    fn replace_static(
        &mut self,
        context: Context<'_>,
        request: &JoinGroupRequest,
        old: &str,
        new: &str,
    ) {
        let group_id = &request.group_id;
        let former = self.groups.get(group_id).and_then(|group| group.leader.clone());
        self.fence(group_id, old);
        self.change(context.now, group_id, |group| group.rename(old, new));
        self.timers.cancel(group_id, Timer::Session(old.to_owned()));
        self.rejoin(context, request, new);
        let session = context.now.after_ms(i64::from(request.session_timeout_ms));
        self.timers.set(group_id, Timer::Session(new.to_owned()), session);
        let Some(group) = self.groups.get_mut(group_id) else { return };
        match group.state() {
            GroupState::Stable if group.vote() == group.protocol_name => {
                let caller = group.take_join(new).unwrap_or(context.caller);
                let mut response = group.generation_for(new);
                let skips = request.version >= 9;
                response.skip_assignment = skips && group.is_leader(new);
                if !skips {
                    // An old client would take itself for the leader, and assign.
                    response.leader = former.unwrap_or_default();
                    response.members.clear();
                }
                let metadata = GroupMetadata::of(group_id, group);
                let response = Box::new(response);
                self.append_group(metadata, Step::Replaced { caller, response });
            }
            _ => self.prepare_or_complete(context.now, group_id),
        }
    }

    fn fence(&mut self, group_id: &str, id: &str) {
        let Some(group) = self.groups.get_mut(group_id) else { return };
        let join = group.take_join(id);
        let sync = group.member_mut(id).and_then(|member| member.awaiting_sync.take());
        if let Some(caller) = join {
            self.refuse_join(caller, id, ErrorCode::FencedInstanceId);
        }
        if let Some(caller) = sync {
            self.refuse_sync(caller, ErrorCode::FencedInstanceId);
        }
    }

    pub(super) fn on_replaced(
        &mut self,
        caller: Caller,
        response: JoinGroupResponse,
        result: Result<(), ErrorCode>,
    ) {
        match result {
            Ok(()) => self.reply(caller, Response::JoinGroup(response)),
            Err(error) => self.refuse_join(caller, &response.member_id, error),
        }
    }
}

/// 128 random bits as a UUID of version 4.
fn uuid(bits: u128) -> String {
    let bits = bits & !(0xf << 76) & !(0x3 << 62) | 0x4 << 76 | 0x2 << 62;
    let hex = format!("{bits:032x}");
    [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-")
}

impl GroupMetadata {
    /// A group that has just come into being.
    pub(super) fn empty(group_id: &str, state_timestamp: Timestamp) -> Self {
        GroupMetadata {
            group_id: group_id.to_owned(),
            protocol_type: String::new(),
            generation: 0,
            protocol_name: None,
            leader: None,
            state_timestamp,
            members: Vec::new(),
        }
    }

    pub(super) fn of(group_id: &str, group: &Group) -> Self {
        let protocol = group.protocol_name.as_deref().unwrap_or_default();
        let member = |(id, member): (&String, &Member)| MemberMetadata {
            member_id: id.clone(),
            group_instance_id: member.instance_id.clone(),
            client_id: member.client_id.clone(),
            client_host: member.client_host.clone(),
            rebalance_timeout_ms: member.rebalance_timeout_ms,
            session_timeout_ms: member.session_timeout_ms,
            subscription: member.metadata(protocol),
            assignment: member.assignment.clone(),
        };
        GroupMetadata {
            group_id: group_id.to_owned(),
            protocol_type: group.protocol_type.clone().unwrap_or_default(),
            generation: group.generation,
            protocol_name: group.protocol_name.clone(),
            leader: group.leader.clone(),
            state_timestamp: group.since,
            members: group.members().map(member).collect(),
        }
    }
}
