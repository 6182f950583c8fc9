//! Committed offsets: how far groups have come.

use super::group::Group;
use super::state::GroupState;
use super::timers::Timer;
use super::{Context, GroupCoordinator, GroupRecord, OffsetRecord, Step};
use crate::api::{
    CommittedPartition, OffsetCommitRequest, OffsetCommitResponse, OffsetFetchGroup,
    OffsetFetchResponseGroup, OffsetFetchResponsePartition, Response,
};
use crate::error::ErrorCode;
use crate::types::{LeaderEpoch, Offset, TopicPartition};

impl GroupCoordinator {
    pub(super) fn commit(&mut self, context: Context<'_>, request: OffsetCommitRequest) {
        let allowed = match request.partitions.is_empty() {
            true => Ok(()),
            false => self.check_commit(context, &request),
        };
        let limit = self.config.offset_metadata_max_bytes;
        let mut records = Vec::new();
        let mut partitions = Vec::new();
        for wanted in request.partitions {
            let metadata = wanted.committed_metadata.unwrap_or_default();
            let error_code = match allowed {
                Err(error) => error,
                Ok(()) if metadata.len() > limit => ErrorCode::OffsetMetadataTooLarge,
                Ok(()) => {
                    records.push(GroupRecord::Offset(OffsetRecord {
                        group_id: request.group_id.clone(),
                        partition: wanted.partition.clone(),
                        offset: wanted.committed_offset,
                        leader_epoch: wanted.committed_leader_epoch,
                        metadata,
                        commit_timestamp: context.now.timestamp(),
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
            let step = Step::Committed { caller: context.caller, response };
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

    /// A commit that has been written counts; what a partition had before does not any more.
    pub(super) fn replay_offset(&mut self, record: OffsetRecord) {
        let group = self.groups.entry(record.group_id.clone());
        group.or_insert_with(|| Group::new(record.commit_timestamp));
        let offsets = self.offsets.entry(record.group_id.clone()).or_default();
        offsets.insert(record.partition.clone(), record);
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

    /// The partitions that a group has committed for.
    #[must_use]
    pub fn committed_partitions(&self, group_id: &str) -> Vec<TopicPartition> {
        let offsets = self.offsets.get(group_id);
        offsets.map_or_else(Vec::new, |offsets| offsets.keys().cloned().collect())
    }
}
