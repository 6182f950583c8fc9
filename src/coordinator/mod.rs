//! The group coordinator: who is in a group, and in which generation, by the classic protocol.
//!
//! A state machine. [`GroupCoordinator::handle`] takes a request and the time; what comes of it
//! stands in a list of [`GroupEffect`]s: replies, records to append, changes of state for the
//! trace. Requests that wait, JoinGroups until the rebalance is over and SyncGroups until the
//! leader has synced, are data; [`GroupCoordinator::next_deadline`] says when to call
//! [`GroupCoordinator::on_deadline`].
//!
//! Decide, append, replay, reply: an [`Append`](GroupEffect::Append) holds what is to be written
//! and what happens [then](GroupCoordinator::appended). *Soft on purpose*, as in Kafka, are the
//! members of a group in the middle of a rebalance, their parked requests and all timers: only a
//! generation that has been assigned is written.
//!
//! | file | holds |
//! |---|---|
//! | `state.rs` | the states, with the table of ways between them |
//! | `group.rs` | a group and its members |
//! | `join.rs` | JoinGroup |
//! | `rebalance.rs` | from calling members together to a generation |
//! | `sync.rs` | SyncGroup, Heartbeat, LeaveGroup |
//! | `admin.rs` | describing, listing and deleting groups |
//! | `offsets.rs` | how far groups have come |
//! | `expiry.rs` | offsets and groups that end |
//! | `timers.rs` | what is due when |
//! | `records.rs` | groups as records of `__consumer_offsets` |
//!
//! # Simplifications versus Kafka
//! Who leads after the leader has gone, and which protocol wins a tie, follows hash order in Kafka;
//! here it is the order of the ids, and of the names.

mod admin;
mod expiry;
mod group;
mod join;
mod offsets;
mod rebalance;
mod records;
mod state;
mod sync;
#[cfg(test)]
mod tests;
mod timers;

use std::collections::{BTreeMap, BTreeSet};

use crate::api::{
    HeartbeatRequest, JoinGroupRequest, JoinGroupResponse, LeaveGroupRequest, OffsetCommitRequest,
    OffsetCommitResponse, OffsetDeleteRequest, OffsetDeleteResponse, Response, SyncGroupRequest,
};
use crate::error::ErrorCode;
use crate::random::Random;
use crate::types::{Time, TopicId, TopicName, TopicPartition};

use timers::{Timer, Timers};

pub use group::{Group, Member};
pub use records::{GroupMetadata, GroupRecord, MemberMetadata, OffsetRecord, decode, encode};
pub use state::GroupState;

/// Whom to answer: a connection, and the request's number on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Caller {
    /// The connection.
    pub connection: u64,
    /// The request.
    pub correlation_id: i32,
}

/// A request of a group's member.
#[derive(Clone, Debug)]
#[allow(missing_docs, reason = "each variant holds the request of its name")]
pub enum GroupRequest {
    JoinGroup(JoinGroupRequest),
    SyncGroup(SyncGroupRequest),
    Heartbeat(HeartbeatRequest),
    LeaveGroup(LeaveGroupRequest),
    /// With the ids of the topics that it names.
    OffsetCommit(OffsetCommitRequest, BTreeMap<TopicName, TopicId>),
    OffsetDelete(OffsetDeleteRequest),
}

impl GroupRequest {
    /// The group that it is about.
    #[must_use]
    pub fn group_id(&self) -> &str {
        match self {
            GroupRequest::JoinGroup(request) => &request.group_id,
            GroupRequest::SyncGroup(request) => &request.group_id,
            GroupRequest::Heartbeat(request) => &request.group_id,
            GroupRequest::LeaveGroup(request) => &request.group_id,
            GroupRequest::OffsetCommit(request, _) => &request.group_id,
            GroupRequest::OffsetDelete(request) => &request.group_id,
        }
    }
}

/// What comes of a request, of a deadline, or of an append.
#[derive(Clone, Debug)]
pub enum GroupEffect {
    /// Answer a request.
    Reply {
        /// Whom.
        caller: Caller,
        /// The answer.
        response: Response,
    },
    /// Append records to the group's partition of `__consumer_offsets`, in one batch unless they
    /// [may be split](AfterAppend::may_be_split), and say
    /// [how it went](GroupCoordinator::appended).
    Append {
        /// The records.
        records: Vec<GroupRecord>,
        /// To be given back.
        then: AfterAppend,
    },
    /// A group went into another state.
    StateChanged {
        /// The group.
        group_id: String,
        /// The state that it was in.
        from: GroupState,
        /// The state that it is in.
        to: GroupState,
        /// Its generation now.
        generation: i32,
    },
}

/// What is to be done when a group has been appended, or could not be.
#[derive(Clone, Debug)]
pub struct AfterAppend {
    group_id: String,
    step: Step,
}

#[derive(Clone, Debug)]
enum Step {
    /// The group is new.
    Created,
    /// Its last member has gone.
    Emptied,
    /// The leader's assignment counts from now on.
    Assigned { generation: i32, assignments: BTreeMap<String, bytes::Bytes> },
    /// A static member has come back under a new id.
    Replaced { caller: Caller, response: Box<JoinGroupResponse> },
    /// Offsets are committed, perhaps by a new group.
    Committed { caller: Caller, response: OffsetCommitResponse, is_new: bool },
    /// Offsets are deleted on demand.
    Deleted { caller: Caller, response: OffsetDeleteResponse },
    /// Offsets and groups have ended by themselves.
    Ended,
}

impl AfterAppend {
    /// Whether the records may go into several batches, each with its own outcome: those that are
    /// too many for one.
    #[must_use]
    pub fn may_be_split(&self) -> bool {
        matches!(self.step, Step::Ended)
    }
}

/// A broker's settings for groups.
#[derive(Clone, Copy, Debug)]
pub struct GroupConfig {
    /// `group.initial.rebalance.delay.ms`.
    pub initial_rebalance_delay_ms: i32,
    /// `group.min.session.timeout.ms`.
    pub min_session_timeout_ms: i32,
    /// `group.max.session.timeout.ms`.
    pub max_session_timeout_ms: i32,
    /// `group.max.size`.
    pub max_size: usize,
    /// `offset.metadata.max.bytes`, which Kafka counts in UTF-16 units.
    pub offset_metadata_max_bytes: usize,
    /// `offsets.retention.minutes`, in milliseconds.
    pub offsets_retention_ms: i64,
    /// `offsets.retention.check.interval.ms`.
    pub offsets_retention_check_interval_ms: i64,
}

/// Who asks: what a request does not say itself.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// When.
    pub now: Time,
    /// Whom to answer.
    pub caller: Caller,
    /// The client's `client.id`.
    pub client_id: &'a str,
    /// Where it speaks from.
    pub client_host: &'a str,
}

/// The groups of one broker.
#[derive(Clone, Debug)]
pub struct GroupCoordinator {
    config: GroupConfig,
    groups: BTreeMap<String, Group>,
    /// What each group has committed.
    offsets: BTreeMap<String, BTreeMap<TopicPartition, OffsetRecord>>,
    timers: Timers,
    /// Since when it has coordinated: looks at what has expired are counted from then.
    since: Time,
    /// Member ids are drawn from it.
    random: Random,
    effects: Vec<GroupEffect>,
}

impl GroupCoordinator {
    /// A coordinator without groups that has coordinated since then; the ids of members are drawn
    /// from `random`.
    #[must_use]
    pub fn new(config: GroupConfig, since: Time, random: Random) -> Self {
        GroupCoordinator {
            config,
            groups: BTreeMap::new(),
            offsets: BTreeMap::new(),
            timers: Timers::default(),
            since,
            random,
            effects: Vec::new(),
        }
    }

    /// Takes over what was written: after a restart. Members have one session timeout to be heard
    /// of.
    pub fn load(&mut self, now: Time, records: impl IntoIterator<Item = GroupRecord>) {
        for record in records {
            let metadata = match record {
                GroupRecord::Group(metadata) => metadata,
                other => {
                    self.replay(now, other);
                    continue;
                }
            };
            let group_id = metadata.group_id.clone();
            for member in &metadata.members {
                let due = now.after_ms(i64::from(member.session_timeout_ms));
                self.timers.set(&group_id, Timer::Session(member.member_id.clone()), due);
            }
            self.groups.insert(group_id, Group::replay(metadata));
        }
        for group_id in self.groups.keys().cloned().collect::<Vec<_>>() {
            self.schedule_expiry(now, &group_id);
        }
    }

    /// Takes a request.
    pub fn handle(&mut self, context: Context<'_>, request: GroupRequest) -> Vec<GroupEffect> {
        match request {
            GroupRequest::JoinGroup(request) => self.join(context, &request),
            GroupRequest::SyncGroup(request) => self.sync(context, request),
            GroupRequest::Heartbeat(request) => self.heartbeat(context, &request),
            GroupRequest::LeaveGroup(request) => self.leave(context, request),
            GroupRequest::OffsetCommit(request, ids) => self.commit(context, request, &ids),
            GroupRequest::OffsetDelete(request) => self.delete_offsets(context, request),
        }
        std::mem::take(&mut self.effects)
    }

    /// When [`on_deadline`](GroupCoordinator::on_deadline) wants to be called.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Time> {
        self.timers.next()
    }

    /// Does what is due.
    pub fn on_deadline(&mut self, now: Time) -> Vec<GroupEffect> {
        let mut ending = BTreeSet::new();
        while let Some((group_id, timer)) = self.timers.take_due(now) {
            match timer {
                Timer::Session(member_id) => self.on_silence(now, &group_id, &member_id),
                Timer::Join => self.on_join_timer(now, &group_id),
                Timer::Sync => self.on_sync_timer(now, &group_id),
                Timer::Expiry => drop(ending.insert(group_id)),
            }
        }
        self.expire(now, ending);
        std::mem::take(&mut self.effects)
    }

    /// An append has been done, or has failed with what the log answered. Only then the offsets
    /// and the tombstones among the records count; groups are as they are, since they are soft in a
    /// rebalance.
    pub fn appended(
        &mut self,
        now: Time,
        records: Vec<GroupRecord>,
        then: AfterAppend,
        result: Result<(), ErrorCode>,
    ) -> Vec<GroupEffect> {
        let result = result.map_err(as_group_error);
        self.replay_all(now, records, result);
        let AfterAppend { group_id, step } = then;
        match step {
            Step::Created => self.on_created(&group_id, result),
            Step::Emptied => {}
            Step::Assigned { generation, assignments } => {
                self.on_assigned(now, &group_id, generation, assignments, result);
            }
            Step::Replaced { caller, response } => self.on_replaced(caller, *response, result),
            Step::Committed { caller, mut response, is_new } => {
                if let Err(error) = result {
                    if is_new {
                        self.on_created(&group_id, Err(error));
                    }
                    response.partitions.iter_mut().for_each(|one| one.error_code = error);
                }
                self.reply(caller, Response::OffsetCommit(response));
            }
            Step::Deleted { caller, response } => {
                let failed = result.err().map(OffsetDeleteResponse::failed);
                self.reply(caller, Response::OffsetDelete(failed.unwrap_or(response)));
            }
            Step::Ended => {}
        }
        std::mem::take(&mut self.effects)
    }

    /// Where a group stands; `None` when there is no such group.
    #[must_use]
    pub fn state(&self, group_id: &str) -> Option<GroupState> {
        self.groups.get(group_id).map(Group::state)
    }

    /// All groups, by their ids.
    #[must_use]
    pub fn groups(&self) -> &BTreeMap<String, Group> {
        &self.groups
    }

    /// What a group has committed.
    pub fn committed(&self, group_id: &str) -> impl Iterator<Item = &OffsetRecord> {
        self.offsets.get(group_id).into_iter().flat_map(BTreeMap::values)
    }

    fn reply(&mut self, caller: Caller, response: Response) {
        self.effects.push(GroupEffect::Reply { caller, response });
    }

    /// Lets a group change, and tells if its state has changed by it.
    fn change(&mut self, now: Time, group_id: &str, change: impl FnOnce(&mut Group)) {
        let Some(group) = self.groups.get_mut(group_id) else { return };
        let from = group.state();
        change(group);
        let (to, generation) = (group.state(), group.generation);
        if from != to {
            self.schedule_expiry(now, group_id);
            let group_id = group_id.to_owned();
            self.effects.push(GroupEffect::StateChanged { group_id, from, to, generation });
        }
    }

    fn append_group(&mut self, group: GroupMetadata, step: Step) {
        let group_id = group.group_id.clone();
        self.append(&group_id, vec![GroupRecord::Group(group)], step);
    }

    fn append(&mut self, group_id: &str, records: Vec<GroupRecord>, step: Step) {
        let then = AfterAppend { group_id: group_id.to_owned(), step };
        self.effects.push(GroupEffect::Append { records, then });
    }
}

/// What a member is told when its group could not be appended.
fn as_group_error(error: ErrorCode) -> ErrorCode {
    match error {
        ErrorCode::UnknownTopicOrPartition
        | ErrorCode::NotEnoughReplicas
        | ErrorCode::RequestTimedOut => ErrorCode::CoordinatorNotAvailable,
        ErrorCode::NotLeaderOrFollower | ErrorCode::KafkaStorageError => ErrorCode::NotCoordinator,
        ErrorCode::MessageTooLarge
        | ErrorCode::RecordListTooLarge
        | ErrorCode::InvalidFetchSize => ErrorCode::UnknownServerError,
        other => other,
    }
}
