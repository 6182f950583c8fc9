//! DescribeGroups (15), ListGroups (16) and DeleteGroups (42): groups as an administrator sees
//! them.

use bytes::Bytes;

use crate::error::ErrorCode;

/// Asks what some groups are like.
#[derive(Clone, Debug)]
pub struct DescribeGroupsRequest {
    /// The version that the client speaks: below 6 a group that does not exist is no error.
    pub version: i16,
    /// The groups.
    pub groups: Vec<String>,
    /// Whether to tell what the client may do to them; from version 3 on.
    pub include_authorized_operations: bool,
}

/// What they are like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DescribeGroupsResponse {
    /// In the order of the request.
    pub groups: Vec<DescribedGroup>,
}

/// What one is like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DescribedGroup {
    /// What went wrong.
    pub error_code: ErrorCode,
    /// More about what went wrong.
    pub error_message: Option<String>,
    /// The group.
    pub group_id: String,
    /// Its state, by Kafka's name; empty with most errors.
    pub group_state: String,
    /// Its protocol type.
    pub protocol_type: String,
    /// The protocol chosen; known while it is stable only.
    pub protocol_data: String,
    /// Its members, by id.
    pub members: Vec<DescribedGroupMember>,
    /// What the client may do to it, a bit for each operation by its number; `i32::MIN` when that
    /// was not asked for, or not found out.
    pub authorized_operations: i32,
}

/// What a member is like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DescribedGroupMember {
    /// Its id.
    pub member_id: String,
    /// Its `group.instance.id`, if it is static.
    pub group_instance_id: Option<String>,
    /// The client's `client.id`.
    pub client_id: String,
    /// Where it speaks from.
    pub client_host: String,
    /// Its metadata for the protocol chosen; told while the group is stable only.
    pub member_metadata: Bytes,
    /// What it was given last.
    pub member_assignment: Bytes,
}

/// Asks which groups there are.
#[derive(Clone, Debug, Default)]
pub struct ListGroupsRequest {
    /// Only those in these states, in whatever case; any when it is empty.
    pub states_filter: Vec<String>,
    /// Only those of these types; any when it is empty. All here are `classic`.
    pub types_filter: Vec<String>,
}

/// Which there are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListGroupsResponse {
    /// What went wrong.
    pub error_code: ErrorCode,
    /// The groups that this broker coordinates, by id within each of its partitions.
    pub groups: Vec<ListedGroup>,
}

/// One that there is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedGroup {
    /// The group.
    pub group_id: String,
    /// Its protocol type; empty for one that never had a member.
    pub protocol_type: String,
    /// Its state, by Kafka's name.
    pub group_state: String,
    /// `classic`.
    pub group_type: String,
}

/// Removes groups.
#[derive(Clone, Debug)]
pub struct DeleteGroupsRequest {
    /// The groups.
    pub groups: Vec<String>,
}

/// What became of each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeleteGroupsResponse {
    /// Each group once, in the order of the request.
    pub results: Vec<DeletableGroupResult>,
}

/// What became of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeletableGroupResult {
    /// The group.
    pub group_id: String,
    /// `NON_EMPTY_GROUP` while it has members.
    pub error_code: ErrorCode,
}
