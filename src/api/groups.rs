//! JoinGroup (11), Heartbeat (12), LeaveGroup (13) and SyncGroup (14): membership of groups, by the
//! classic protocol.

use bytes::Bytes;

use crate::error::ErrorCode;

/// Asks to become, or to stay, a member of a group. The answer comes when the rebalance is over.
#[derive(Clone, Debug)]
pub struct JoinGroupRequest {
    /// The version that the client speaks; the coordinator treats members differently below 4 and
    /// from 9 on.
    pub version: i16,
    /// The group.
    pub group_id: String,
    /// How long the member may be silent, in milliseconds.
    pub session_timeout_ms: i32,
    /// How long the member may take to come back in a rebalance, in milliseconds.
    pub rebalance_timeout_ms: i32,
    /// The id that an earlier answer gave; empty without one.
    pub member_id: String,
    /// `group.instance.id` of a static member.
    pub group_instance_id: Option<String>,
    /// `consumer` for consumers.
    pub protocol_type: String,
    /// What the member can do, the best first.
    pub protocols: Vec<JoinGroupProtocol>,
}

/// A protocol, for consumers an assignor, with what the leader has to know for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JoinGroupProtocol {
    /// Its name.
    pub name: String,
    /// Bytes that only the group's members understand.
    pub metadata: Bytes,
}

/// A generation of the group, or why the member is in none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JoinGroupResponse {
    /// What went wrong.
    pub error_code: ErrorCode,
    /// The generation; −1 in none.
    pub generation_id: i32,
    /// The group's protocol type.
    pub protocol_type: Option<String>,
    /// The protocol that all members have in common.
    pub protocol_name: Option<String>,
    /// The member that assigns.
    pub leader: String,
    /// Whether the leader is to look on only: the assignment stays.
    pub skip_assignment: bool,
    /// The id of the member that asked.
    pub member_id: String,
    /// All members, for the leader alone.
    pub members: Vec<JoinGroupResponseMember>,
}

impl JoinGroupResponse {
    /// The answer to a member that is in no generation.
    #[must_use]
    pub fn failed(error_code: ErrorCode, member_id: &str) -> Self {
        JoinGroupResponse {
            error_code,
            generation_id: -1,
            protocol_type: None,
            protocol_name: None,
            leader: String::new(),
            skip_assignment: false,
            member_id: member_id.to_owned(),
            members: Vec::new(),
        }
    }
}

/// A member, as its leader sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JoinGroupResponseMember {
    /// Its id.
    pub member_id: String,
    /// Its `group.instance.id`, if it is static.
    pub group_instance_id: Option<String>,
    /// Its metadata for the protocol chosen.
    pub metadata: Bytes,
}

/// Asks for one's assignment; the leader brings everybody's.
#[derive(Clone, Debug)]
pub struct SyncGroupRequest {
    /// The version that the client speaks: from 5 on, protocol type and name are mandatory.
    pub version: i16,
    /// The group.
    pub group_id: String,
    /// The generation.
    pub generation_id: i32,
    /// Who asks.
    pub member_id: String,
    /// Its `group.instance.id`, if it is static.
    pub group_instance_id: Option<String>,
    /// What the member takes for the group's protocol type.
    pub protocol_type: Option<String>,
    /// What it takes for the protocol chosen.
    pub protocol_name: Option<String>,
    /// From the leader: what each member gets.
    pub assignments: Vec<SyncGroupAssignment>,
}

/// What a member gets.
#[derive(Clone, Debug)]
pub struct SyncGroupAssignment {
    /// The member.
    pub member_id: String,
    /// Bytes that only the group's members understand.
    pub assignment: Bytes,
}

/// A member's assignment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SyncGroupResponse {
    /// What went wrong.
    pub error_code: ErrorCode,
    /// The group's protocol type.
    pub protocol_type: Option<String>,
    /// The protocol chosen.
    pub protocol_name: Option<String>,
    /// The leader's bytes for this member.
    pub assignment: Bytes,
}

impl SyncGroupResponse {
    /// The answer to a member that gets no assignment.
    #[must_use]
    pub fn failed(error_code: ErrorCode) -> Self {
        let (protocol_type, protocol_name, assignment) = (None, None, Bytes::new());
        SyncGroupResponse { error_code, protocol_type, protocol_name, assignment }
    }
}

/// Tells that a member is alive.
#[derive(Clone, Debug)]
pub struct HeartbeatRequest {
    /// The group.
    pub group_id: String,
    /// The generation.
    pub generation_id: i32,
    /// Who it is.
    pub member_id: String,
    /// Its `group.instance.id`, if it is static.
    pub group_instance_id: Option<String>,
}

/// Whether the member may go on as before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeartbeatResponse {
    /// `REBALANCE_IN_PROGRESS` asks it to join again.
    pub error_code: ErrorCode,
}

/// Takes members out of a group.
#[derive(Clone, Debug)]
pub struct LeaveGroupRequest {
    /// The group.
    pub group_id: String,
    /// Who leaves.
    pub members: Vec<MemberIdentity>,
}

/// A member by its id, or a static one by its instance id alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemberIdentity {
    /// Its id; may be empty for a static member.
    pub member_id: String,
    /// Its `group.instance.id`, if it is static.
    pub group_instance_id: Option<String>,
}

/// What became of each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeaveGroupResponse {
    /// An error of the whole request.
    pub error_code: ErrorCode,
    /// In the order of the request.
    pub members: Vec<LeaveGroupMember>,
}

/// What became of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeaveGroupMember {
    /// Who.
    pub identity: MemberIdentity,
    /// What went wrong.
    pub error_code: ErrorCode,
}
