//! Committed offsets: how far groups have come.

use std::collections::{BTreeMap, BTreeSet};

use super::group::Group;
use super::state::GroupState;
use super::timers::Timer;
use super::{Context, GroupCoordinator, GroupEffect, GroupRecord, OffsetRecord, Step};
use crate::api::{
    CommittedPartition, DeletedOffset, OffsetCommitRequest, OffsetCommitResponse,
    OffsetDeleteRequest, OffsetDeleteResponse, OffsetFetchGroup, OffsetFetchResponseGroup,
    OffsetFetchResponsePartition, Response,
};
use crate::error::ErrorCode;
use crate::types::{LeaderEpoch, Offset, Time, Timestamp, TopicId, TopicName, TopicPartition};

/// What retention_time_ms is without a time of the commit's own.
const DEFAULT_RETENTION_TIME_MS: i64 = -1;

impl GroupCoordinator {
    pub(super) fn commit(
        &mut self,
        context: Context<'_>,
        request: OffsetCommitRequest,
        topic_ids: &BTreeMap<TopicName, TopicId>,
    ) {
        let is_new = !self.groups.contains_key(&request.group_id);
        let allowed = match request.partitions.is_empty() {
            true => Ok(()),
            false => self.check_commit(context, &request),
        };
        let limit = self.config.offset_metadata_max_bytes;
        let expire_timestamp = expire_timestamp(context.now, &request);
        let mut records = Vec::new();
        let mut partitions = Vec::new();
        for wanted in request.partitions {
            let metadata = wanted.committed_metadata.unwrap_or_default();
            let error_code = match allowed {
                Err(error) => error,
                Ok(()) if is_longer(&metadata, limit) => ErrorCode::OffsetMetadataTooLarge,
                Ok(()) => {
                    let topic_id = topic_ids.get(&wanted.partition.topic).copied();
                    records.push(GroupRecord::Offset(OffsetRecord {
                        group_id: request.group_id.clone(),
                        partition: wanted.partition.clone(),
                        topic_id: topic_id.unwrap_or(TopicId::ZERO),
                        offset: wanted.committed_offset,
                        leader_epoch: wanted.committed_leader_epoch,
                        metadata,
                        commit_timestamp: context.now.timestamp(),
                        expire_timestamp,
                    }));
                    ErrorCode::None
                }
            };
            partitions.push(CommittedPartition { partition: wanted.partition, error_code });
        }
        let response = OffsetCommitResponse { partitions };
        if records.is_empty() {
            self.reply(context.caller, Response::OffsetCommit(response));
        } else {
            let step = Step::Committed { caller: context.caller, response, is_new };
            self.append(&request.group_id, records, step);
        }
    }

    /// Whether the request comes from a member of the present generation, or from nobody for a
    /// group that has no members.
    fn check_commit(
        &mut self,
        context: Context<'_>,
        request: &OffsetCommitRequest,
    ) -> Result<(), ErrorCode> {
        let (group_id, id) = (&request.group_id, &request.member_id);
        let Some(group) = self.groups.get(group_id) else {
            return match request.generation_id {
                // A simple group comes into being by its first commit.
                ..0 => {
                    let group = Group::new(context.now.timestamp());
                    self.groups.insert(group_id.clone(), group);
                    self.schedule_expiry(context.now, group_id);
                    Ok(())
                }
                _ if request.version >= 9 => Err(ErrorCode::GroupIdNotFound),
                _ => Err(ErrorCode::IllegalGeneration),
            };
        };
        let state = group.state();
        if request.generation_id < 0 && state == GroupState::Empty {
            return Ok(());
        }
        let instance = request.group_instance_id.as_deref();
        if request.generation_id < 0 && id.is_empty() && instance.is_none() {
            return Err(ErrorCode::UnknownMemberId);
        }
        group.check_member(id, instance)?;
        if request.generation_id != group.generation {
            return Err(ErrorCode::IllegalGeneration);
        }
        if state == GroupState::CompletingRebalance {
            return Err(ErrorCode::RebalanceInProgress);
        }
        // Who commits is alive.
        if let Some(member) = group.member(id) {
            let due = context.now.after_ms(i64::from(member.session_timeout_ms));
            self.timers.set(group_id, Timer::Session(id.clone()), due);
        }
        Ok(())
    }

    /// Forgets offsets, as far as no member needs them.
    pub(super) fn delete_offsets(&mut self, context: Context<'_>, request: OffsetDeleteRequest) {
        let group_id = &request.group_id;
        let group = match self.check_delete_offsets(group_id) {
            Ok(group) => group,
            Err(error) => {
                let response = Response::OffsetDelete(OffsetDeleteResponse::failed(error));
                return self.reply(context.caller, response);
            }
        };
        let offsets = self.offsets.get(group_id);
        let mut records = Vec::new();
        let mut partitions = Vec::new();
        for partition in request.partitions {
            let error_code = match group.is_subscribed_to(&partition.topic) {
                true => ErrorCode::GroupSubscribedToTopic,
                false => ErrorCode::None,
            };
            let has_offset = offsets.is_some_and(|offsets| offsets.contains_key(&partition));
            if error_code.is_none() && has_offset {
                let (group_id, partition) = (group_id.clone(), partition.clone());
                records.push(GroupRecord::OffsetTombstone { group_id, partition });
            }
            partitions.push(DeletedOffset { partition, error_code });
        }
        let response = OffsetDeleteResponse { error_code: ErrorCode::None, partitions };
        if records.is_empty() {
            self.reply(context.caller, Response::OffsetDelete(response));
        } else {
            let step = Step::Deleted { caller: context.caller, response };
            self.append(group_id, records, step);
        }
    }

    /// Of a group with members only consumers' topics are known.
    fn check_delete_offsets(&self, group_id: &str) -> Result<&Group, ErrorCode> {
        if group_id.is_empty() {
            return Err(ErrorCode::InvalidGroupId);
        }
        let group = self.groups.get(group_id).ok_or(ErrorCode::GroupIdNotFound)?;
        match group.state() {
            GroupState::Dead => Err(ErrorCode::GroupIdNotFound),
            GroupState::Empty => Ok(group),
            _ if group.has_consumers() => Ok(group),
            _ => Err(ErrorCode::NonEmptyGroup),
        }
    }

    /// What has been written counts, if it has been.
    pub(super) fn replay_all(
        &mut self,
        now: Time,
        records: Vec<GroupRecord>,
        result: Result<(), ErrorCode>,
    ) {
        let mut touched = BTreeSet::new();
        let count = records.len();
        for record in records {
            let group_id = match &record {
                GroupRecord::Group(_) => continue,
                GroupRecord::Offset(offset) => {
                    let known = self.offsets.get(&offset.group_id).map_or(0, BTreeMap::len);
                    // Of few offsets the first that expires is found, of many it is not looked for.
                    if known > count {
                        self.expire_no_later(now, offset);
                        None
                    } else {
                        Some(&offset.group_id)
                    }
                }
                GroupRecord::GroupTombstone { group_id }
                | GroupRecord::OffsetTombstone { group_id, .. } => Some(group_id),
            };
            if let Some(group_id) = group_id.filter(|group_id| !touched.contains(*group_id)) {
                touched.insert(group_id.clone());
            }
            if result.is_ok() {
                self.replay(now, record);
            }
        }
        for group_id in touched {
            self.schedule_expiry(now, &group_id);
        }
    }

    /// A record counts; what its key had before does not any more. A group's is not replayed while
    /// the group lives.
    pub(super) fn replay(&mut self, now: Time, record: GroupRecord) {
        match record {
            GroupRecord::Group(_) => {}
            GroupRecord::Offset(record) => {
                let group = self.groups.entry(record.group_id.clone());
                group.or_insert_with(|| Group::new(now.timestamp()));
                let offsets = self.offsets.entry(record.group_id.clone()).or_default();
                offsets.insert(record.partition.clone(), record);
            }
            GroupRecord::OffsetTombstone { group_id, partition } => {
                let Some(offsets) = self.offsets.get_mut(&group_id) else { return };
                offsets.remove(&partition);
                if offsets.is_empty() {
                    self.offsets.remove(&group_id);
                }
            }
            GroupRecord::GroupTombstone { group_id } => {
                let Some(mut group) = self.groups.remove(&group_id) else { return };
                assert!(group.members().len() == 0, "a group with members is not deleted");
                let (from, to, generation) = (group.state(), GroupState::Dead, group.generation);
                group.become_state(to, group.since);
                // The ids that were given out for it are worth nothing.
                for id in group.pending {
                    self.timers.cancel(&group_id, Timer::Session(id));
                }
                self.timers.cancel(&group_id, Timer::Expiry);
                self.effects.push(GroupEffect::StateChanged { group_id, from, to, generation });
            }
        }
    }

    /// How far a group has come; what has not been committed is −1 and no error, also when there is
    /// no such group.
    #[must_use]
    pub fn fetch_offsets(&self, request: &OffsetFetchGroup) -> OffsetFetchResponseGroup {
        let offsets = self.offsets.get(&request.group_id);
        let found = |partition: &TopicPartition| {
            let record = offsets.and_then(|offsets| offsets.get(partition));
            OffsetFetchResponsePartition {
                partition: partition.clone(),
                committed_offset: record.map_or(Offset(-1), |record| record.offset),
                committed_leader_epoch: record.map_or(LeaderEpoch(-1), |r| r.leader_epoch),
                metadata: Some(record.map_or_else(String::new, |record| record.metadata.clone())),
                error_code: ErrorCode::None,
            }
        };
        let partitions = match &request.partitions {
            Some(partitions) => partitions.iter().map(found).collect(),
            None => offsets.into_iter().flat_map(|offsets| offsets.keys()).map(found).collect(),
        };
        let (group_id, error_code) = (request.group_id.clone(), ErrorCode::None);
        OffsetFetchResponseGroup { group_id, error_code, partitions }
    }
}

/// When the offsets of a commit end that brings its own time. Java's sum wraps around, and a time
/// that never ends is over at once.
fn expire_timestamp(now: Time, request: &OffsetCommitRequest) -> Option<Timestamp> {
    let has_own = (2..=4).contains(&request.version)
        && request.retention_time_ms != DEFAULT_RETENTION_TIME_MS;
    has_own.then(|| Timestamp(now.timestamp().0.wrapping_add(request.retention_time_ms)))
}

/// Whether a text has more UTF-16 units than that; Kafka counts them, not bytes.
fn is_longer(text: &str, limit: usize) -> bool {
    text.len() > limit && text.encode_utf16().count() > limit
}
