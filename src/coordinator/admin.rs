//! What an administrator sees of groups, and may do to them.

use super::group::{Group, Member};
use super::state::GroupState;
use super::{GroupCoordinator, GroupEffect, GroupRecord};
use crate::api::{
    DescribeGroupsRequest, DescribedGroup, DescribedGroupMember, ListGroupsRequest, ListedGroup,
};
use crate::error::ErrorCode;
use crate::types::Time;

/// What may be done to a group, READ, DELETE, DESCRIBE, DESCRIBE_CONFIGS and ALTER_CONFIGS by
/// Kafka's numbers; all of it, since nobody is forbidden anything.
const ALL_OPERATIONS: i32 = 1 << 3 | 1 << 6 | 1 << 8 | 1 << 10 | 1 << 11;

impl GroupCoordinator {
    /// What a group is like. One that there is not is Dead, for clients that speak version 6 or
    /// later also `GROUP_ID_NOT_FOUND`.
    #[must_use]
    pub fn describe(&self, request: &DescribeGroupsRequest, group_id: &str) -> DescribedGroup {
        let mut described = self.describe_state(request.version, group_id);
        let is_asked = request.version >= 3 && request.include_authorized_operations;
        if is_asked && described.error_code.is_none() {
            described.authorized_operations = ALL_OPERATIONS;
        }
        described
    }

    fn describe_state(&self, version: i16, group_id: &str) -> DescribedGroup {
        let Some(group) = self.groups.get(group_id) else {
            return DescribedGroup::missing(version, group_id);
        };
        let is_stable = group.state() == GroupState::Stable;
        let protocol = group.protocol_name.clone().filter(|_| is_stable).unwrap_or_default();
        let member = |(id, member): (&String, &Member)| DescribedGroupMember {
            member_id: id.clone(),
            group_instance_id: member.instance_id.clone(),
            client_id: member.client_id.clone(),
            client_host: member.client_host.clone(),
            member_metadata: member.metadata(&protocol),
            member_assignment: member.assignment.clone(),
        };
        DescribedGroup {
            error_code: ErrorCode::None,
            error_message: None,
            group_id: group_id.to_owned(),
            group_state: group.state().to_string(),
            protocol_type: group.protocol_type.clone().unwrap_or_default(),
            members: group.members().map(member).collect(),
            protocol_data: protocol,
            authorized_operations: i32::MIN,
        }
    }

    /// The groups that a list asks for, by id.
    #[must_use]
    pub fn list(&self, request: &ListGroupsRequest) -> Vec<ListedGroup> {
        let fits = |filter: &[String], value: &str| {
            filter.is_empty() || filter.iter().any(|wanted| wanted.eq_ignore_ascii_case(value))
        };
        let listed = |(id, group): (&String, &Group)| {
            let (group_state, group_type) = (group.state().to_string(), "classic".to_owned());
            let wanted = fits(&request.states_filter, &group_state)
                && fits(&request.types_filter, &group_type);
            let protocol_type = group.protocol_type.clone().unwrap_or_default();
            let group_id = id.clone();
            wanted.then_some(ListedGroup { group_id, protocol_type, group_state, group_type })
        };
        self.groups.iter().filter_map(listed).collect()
    }

    /// The tombstones that delete a group with its offsets; when they have been written,
    /// [`deleted`](GroupCoordinator::deleted) follows.
    ///
    /// # Errors
    /// `GROUP_ID_NOT_FOUND`, `NON_EMPTY_GROUP`.
    pub fn delete(&self, group_id: &str) -> Result<Vec<GroupRecord>, ErrorCode> {
        match self.groups.get(group_id).map(Group::state) {
            None | Some(GroupState::Dead) => return Err(ErrorCode::GroupIdNotFound),
            Some(GroupState::Empty) => {}
            Some(_) => return Err(ErrorCode::NonEmptyGroup),
        }
        let group_id = group_id.to_owned();
        let offsets = self.offsets.get(&group_id).into_iter().flatten();
        let tombstone = |partition: &_| GroupRecord::OffsetTombstone {
            group_id: group_id.clone(),
            partition: Clone::clone(partition),
        };
        let mut records: Vec<_> = offsets.map(|(partition, _)| tombstone(partition)).collect();
        records.push(GroupRecord::GroupTombstone { group_id });
        Ok(records)
    }

    /// A group's tombstones have been written: there is no such group any more.
    pub fn deleted(&mut self, now: Time, records: Vec<GroupRecord>) -> Vec<GroupEffect> {
        self.replay_all(now, records, Ok(()));
        std::mem::take(&mut self.effects)
    }

    /// Lets all groups go: their partition is led from elsewhere, or gone. Who waits is told to
    /// look for another coordinator.
    #[must_use]
    pub fn unload(mut self) -> Vec<GroupEffect> {
        for (group_id, mut group) in std::mem::take(&mut self.groups) {
            for id in group.member_ids() {
                if let Some(caller) = group.take_join(&id) {
                    self.refuse_join(caller, &id, ErrorCode::NotCoordinator);
                }
                let sync = group.member_mut(&id).and_then(|member| member.awaiting_sync.take());
                if let Some(caller) = sync {
                    self.refuse_sync(caller, ErrorCode::NotCoordinator);
                }
            }
            let (from, to, generation) = (group.state(), GroupState::Dead, group.generation);
            self.effects.push(GroupEffect::StateChanged { group_id, from, to, generation });
        }
        self.effects
    }
}

impl DescribedGroup {
    fn missing(version: i16, group_id: &str) -> Self {
        let message = format!("Group {group_id} not found.");
        let (error_code, error_message) = match version {
            6.. => (ErrorCode::GroupIdNotFound, Some(message)),
            _ => (ErrorCode::None, None),
        };
        let group_state = GroupState::Dead.to_string();
        DescribedGroup {
            error_message,
            group_state,
            ..DescribedGroup::failed(error_code, group_id)
        }
    }

    /// The answer for a group that this broker cannot tell of.
    #[must_use]
    pub fn failed(error_code: ErrorCode, group_id: &str) -> Self {
        DescribedGroup {
            error_code,
            error_message: None,
            group_id: group_id.to_owned(),
            group_state: String::new(),
            protocol_type: String::new(),
            protocol_data: String::new(),
            members: Vec::new(),
            authorized_operations: i32::MIN,
        }
    }
}
