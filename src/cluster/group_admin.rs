//! Groups, for an administrator: which there are, what they are like, how far they have come.

use std::collections::BTreeMap;

use super::admin::{Admin, mismatch, only};
use crate::api::{
    Assignment, CONSUMER_PROTOCOL_TYPE, DeleteGroupsRequest, DescribeGroupsRequest, DescribedGroup,
    DescribedGroupMember, ListGroupsRequest, ListedGroup, OffsetDeleteRequest, OffsetFetchGroup,
    OffsetFetchRequest, Request, Response,
};
use crate::client::consumer::OffsetAndMetadata;
use crate::error::{Error, ErrorCode};
use crate::sim::GroupState;
use crate::types::{BrokerId, Offset, TopicPartition};

/// The version of DescribeGroups that Kafka 4.3 speaks: a group that does not exist is an error.
const DESCRIBE_GROUPS_VERSION: i16 = 6;

/// A group in a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupListing {
    /// The group.
    pub group_id: String,
    /// `consumer` for consumers; empty for a group that never had a member.
    pub protocol_type: String,
    /// Where it stands.
    pub state: GroupState,
}

/// A group as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupDescription {
    /// The group.
    pub group_id: String,
    /// `consumer`; empty for a group that never had a member.
    pub protocol_type: String,
    /// Where it stands.
    pub state: GroupState,
    /// The assignor, by name; empty unless the group is Stable.
    pub protocol: String,
    /// The broker that coordinates it.
    pub coordinator: BrokerId,
    /// Its members, by id.
    pub members: Vec<GroupMember>,
}

/// A member of a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupMember {
    /// The id that the coordinator gave it.
    pub member_id: String,
    /// `group.instance.id` of a static member.
    pub group_instance_id: Option<String>,
    /// Its `client.id`.
    pub client_id: String,
    /// Where it speaks from.
    pub host: String,
    /// What it was given last, in order.
    pub assignment: Vec<TopicPartition>,
}

impl Admin {
    /// All groups, by id.
    ///
    /// # Errors
    /// [`Error::Timeout`] after `default.api.timeout.ms`.
    pub fn list_groups(&self) -> Result<Vec<GroupListing>, Error> {
        self.list_groups_in_states(&[])
    }

    /// The groups that are in one of these states, by id; of no state, all.
    ///
    /// # Errors
    /// As [`list_groups`](Admin::list_groups).
    pub fn list_groups_in_states(&self, states: &[GroupState]) -> Result<Vec<GroupListing>, Error> {
        let states_filter = states.iter().map(GroupState::to_string).collect();
        let request = ListGroupsRequest { states_filter, types_filter: Vec::new() };
        let response = self.call(Request::ListGroups(request))?;
        let Response::ListGroups(response) = response else { mismatch(&response) };
        if !response.error_code.is_none() {
            return Err(Error::kafka(response.error_code, "the list of groups"));
        }
        let mut groups = BTreeMap::new();
        for ListedGroup { group_id, protocol_type, group_state, .. } in response.groups {
            let state = state(&group_state)?;
            groups.insert(group_id.clone(), GroupListing { group_id, protocol_type, state });
        }
        Ok(groups.into_values().collect())
    }

    /// What a group is like.
    ///
    /// # Errors
    /// `GROUP_ID_NOT_FOUND`, [`Error::InvalidArgument`] for a
    /// group that is not one of consumers; `UNKNOWN_SERVER_ERROR` when the bytes of a member's
    /// assignment make no sense; [`Error::Timeout`] after `default.api.timeout.ms`.
    pub fn describe_group(&self, group_id: &str) -> Result<GroupDescription, Error> {
        let (version, groups) = (DESCRIBE_GROUPS_VERSION, vec![group_id.to_owned()]);
        let include_authorized_operations = false;
        let request = DescribeGroupsRequest { version, groups, include_authorized_operations };
        let (coordinator, response) = self.call_someone(Request::DescribeGroups(request))?;
        let Response::DescribeGroups(mut response) = response else { mismatch(&response) };
        GroupDescription::read(coordinator, only(response.groups.pop()))
    }

    /// How far a group has come, in each partition that it has committed for. A group that does
    /// not exist has not come anywhere.
    ///
    /// # Errors
    /// [`Error::Timeout`] after `default.api.timeout.ms`.
    pub fn group_offsets(
        &self,
        group_id: &str,
    ) -> Result<BTreeMap<TopicPartition, OffsetAndMetadata>, Error> {
        let group = OffsetFetchGroup { group_id: group_id.to_owned(), partitions: None };
        let response =
            self.call(Request::OffsetFetch(OffsetFetchRequest { groups: vec![group] }))?;
        let Response::OffsetFetch(mut response) = response else { mismatch(&response) };
        let group = only(response.groups.pop());
        refused(group.error_code, group_id)?;
        let committed = group.partitions.into_iter().filter(|partition| {
            partition.error_code.is_none() && partition.committed_offset >= Offset::ZERO
        });
        let read = committed.map(|committed| {
            let offset = OffsetAndMetadata {
                offset: committed.committed_offset,
                leader_epoch: committed.committed_leader_epoch,
                metadata: committed.metadata.unwrap_or_default(),
            };
            (committed.partition, offset)
        });
        Ok(read.collect())
    }

    /// Deletes what a group has committed for some partitions. For those that it has not committed
    /// for, nothing is to do.
    ///
    /// # Errors
    /// `GROUP_ID_NOT_FOUND`, `GROUP_SUBSCRIBED_TO_TOPIC` while members want to read a partition,
    /// `NON_EMPTY_GROUP` for a group with members that are no consumers,
    /// `UNKNOWN_TOPIC_OR_PARTITION`; the other partitions' offsets are deleted then.
    /// [`Error::Timeout`] after `default.api.timeout.ms`.
    pub fn delete_group_offsets<P: Into<TopicPartition>>(
        &self,
        group_id: &str,
        partitions: impl IntoIterator<Item = P>,
    ) -> Result<(), Error> {
        let partitions = partitions.into_iter().map(Into::into).collect();
        let request = OffsetDeleteRequest { group_id: group_id.to_owned(), partitions };
        let response = self.call(Request::OffsetDelete(request))?;
        let Response::OffsetDelete(response) = response else { mismatch(&response) };
        refused(response.error_code, group_id)?;
        match response.partitions.iter().find(|deleted| !deleted.error_code.is_none()) {
            Some(kept) => {
                let context = format!("{} of group '{group_id}'", kept.partition);
                Err(Error::kafka(kept.error_code, context))
            }
            None => Ok(()),
        }
    }

    /// Deletes a group with its offsets. When the answer is lost, the next attempt finds no such
    /// group and says so, as in Kafka.
    ///
    /// # Errors
    /// `NON_EMPTY_GROUP` while it has members, `GROUP_ID_NOT_FOUND`, `INVALID_GROUP_ID` for an
    /// empty id; [`Error::Timeout`] after `default.api.timeout.ms`.
    pub fn delete_group(&self, group_id: &str) -> Result<(), Error> {
        let request = DeleteGroupsRequest { groups: vec![group_id.to_owned()] };
        let response = self.call(Request::DeleteGroups(request))?;
        let Response::DeleteGroups(mut response) = response else { mismatch(&response) };
        refused(only(response.results.pop()).error_code, group_id)
    }
}

impl GroupDescription {
    fn read(coordinator: BrokerId, group: DescribedGroup) -> Result<Self, Error> {
        let group_id = group.group_id;
        refused(group.error_code, &group_id)?;
        // A group of Connect workers or the like: nobody here can read its members' bytes.
        if !matches!(&*group.protocol_type, "" | CONSUMER_PROTOCOL_TYPE) {
            let protocol = group.protocol_type;
            let why = format!("group '{group_id}' is not a consumer group ({protocol})");
            return Err(Error::InvalidArgument(why));
        }
        let member = |member| GroupMember::read(&group_id, member);
        Ok(GroupDescription {
            state: state(&group.group_state)?,
            members: group.members.into_iter().map(member).collect::<Result<_, Error>>()?,
            group_id,
            protocol_type: group.protocol_type,
            protocol: group.protocol_data,
            coordinator,
        })
    }
}

impl GroupMember {
    /// As in Kafka's admin, no bytes are no partitions, and one member whose bytes cannot be read
    /// fails the description of the group.
    fn read(group_id: &str, member: DescribedGroupMember) -> Result<Self, Error> {
        let mut assignment = Vec::new();
        if !member.member_assignment.is_empty() {
            let decoded = Assignment::decode(&member.member_assignment).map_err(|error| {
                let id = &member.member_id;
                let context = format!("assignment of '{id}' in group '{group_id}': {error}");
                Error::kafka(ErrorCode::UnknownServerError, context)
            })?;
            assignment = decoded.partitions;
        }
        assignment.sort_unstable();
        assignment.dedup();
        Ok(GroupMember {
            member_id: member.member_id,
            group_instance_id: member.group_instance_id,
            client_id: member.client_id,
            host: member.client_host,
            assignment,
        })
    }
}

fn refused(code: ErrorCode, group_id: &str) -> Result<(), Error> {
    if code.is_none() { Ok(()) } else { Err(Error::kafka(code, format!("group '{group_id}'"))) }
}

/// A state by Kafka's name.
fn state(name: &str) -> Result<GroupState, Error> {
    use GroupState::{CompletingRebalance, Dead, Empty, PreparingRebalance, Stable};
    let all = [Empty, PreparingRebalance, CompletingRebalance, Stable, Dead];
    all.into_iter().find(|state| state.to_string() == name).ok_or_else(|| {
        Error::kafka(ErrorCode::UnknownServerError, format!("'{name}' is no state of a group"))
    })
}

#[cfg(test)]
mod tests;
