//! Committed offsets: which partitions there are is known here, what counts for a group by its
//! coordinator.

use std::collections::BTreeMap;

use super::groups::OFFSETS_TOPIC;
use super::{Broker, BrokerEffect, ConnectionId};
use crate::api::{
    CommittedPartition, DeletedOffset, OffsetCommitPartition, OffsetCommitRequest,
    OffsetDeleteRequest, OffsetFetchGroup, OffsetFetchRequest, OffsetFetchResponse,
    OffsetFetchResponseGroup, Response,
};
use crate::coordinator::GroupRequest;
use crate::error::ErrorCode;
use crate::types::{Time, TopicId, TopicName, TopicPartition};

impl Broker {
    /// Commits offsets for those partitions that there are; the others are refused here, and stand
    /// first in the answer, as in Kafka.
    pub(super) fn commit_offsets(
        &mut self,
        now: Time,
        caller: (ConnectionId, i32),
        client_id: &str,
        mut request: OffsetCommitRequest,
    ) {
        let unknown: Vec<CommittedPartition> = request
            .partitions
            .extract_if(.., |wanted| !self.has_partition(&wanted.partition))
            .map(|wanted| CommittedPartition {
                partition: wanted.partition,
                error_code: ErrorCode::UnknownTopicOrPartition,
            })
            .collect();
        let mut ids = BTreeMap::new();
        for OffsetCommitPartition { partition, .. } in &request.partitions {
            if let Some(topic) = self.image.topic(&partition.topic) {
                ids.entry(partition.topic.clone()).or_insert(topic.topic_id);
            }
        }
        let before = self.effects.len();
        self.group_request(now, caller, client_id, GroupRequest::OffsetCommit(request, ids));
        for effect in &mut self.effects[before..] {
            if let BrokerEffect::Reply { response: Response::OffsetCommit(response), .. } = effect {
                response.partitions.splice(0..0, unknown.iter().cloned());
            }
        }
    }

    /// Whether the metadata know of a partition.
    fn has_partition(&self, partition: &TopicPartition) -> bool {
        let topic = self.image.topic(&partition.topic);
        topic.is_some_and(|topic| topic.partitions.contains_key(&partition.partition))
    }

    /// Forgets the offsets of those partitions that there are; of the others it says so, unless
    /// something is wrong with the group.
    pub(super) fn delete_offsets(
        &mut self,
        now: Time,
        caller: (ConnectionId, i32),
        client_id: &str,
        mut request: OffsetDeleteRequest,
    ) {
        let unknown: Vec<DeletedOffset> = request
            .partitions
            .extract_if(.., |partition| !self.has_partition(partition))
            .map(|partition| DeletedOffset {
                partition,
                error_code: ErrorCode::UnknownTopicOrPartition,
            })
            .collect();
        let before = self.effects.len();
        self.group_request(now, caller, client_id, GroupRequest::OffsetDelete(request));
        for effect in &mut self.effects[before..] {
            if let BrokerEffect::Reply { response: Response::OffsetDelete(response), .. } = effect
                && response.error_code.is_none()
            {
                response.partitions.splice(0..0, unknown.iter().cloned());
            }
        }
    }

    pub(super) fn fetch_offsets(&mut self, request: OffsetFetchRequest) -> OffsetFetchResponse {
        let fetch = |group: OffsetFetchGroup| match self.group_coordinator(&group.group_id) {
            Ok(coordinator) => coordinator.fetch_offsets(&group),
            Err(error_code) => {
                let (group_id, partitions) = (group.group_id, Vec::new());
                OffsetFetchResponseGroup { group_id, error_code, partitions }
            }
        };
        OffsetFetchResponse { groups: request.groups.into_iter().map(fetch).collect() }
    }

    /// What groups have committed for topics that have been deleted is forgotten.
    pub(super) fn forget_offsets(&mut self, now: Time, topics: &[(TopicName, TopicId)]) {
        for number in self.coordinators.keys().copied().collect::<Vec<_>>() {
            let Some(coordinator) = self.coordinators.get_mut(&number) else { continue };
            let effects = coordinator.on_topics_deleted(topics);
            self.carry_out_group(now, &TopicPartition::new(OFFSETS_TOPIC, number), effects);
        }
    }
}
