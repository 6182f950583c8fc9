//! Groups: each belongs to a partition of `__consumer_offsets`, and that partition's leader
//! coordinates it.
//!
//! There is one coordinator for each partition that was ever asked about a group. It is loaded from
//! the partition's log, and what it decides is appended there; its replies leave when the high
//! watermark has passed what they rest on. It goes with its partition.

use std::collections::BTreeMap;

use super::controller::is_internal;
use super::{Broker, BrokerEvent, ConnectionId};
use crate::api::{
    CommittedPartition, Coordinator, CreatableTopic, CreateTopicsRequest, DeletableGroupResult,
    DeleteGroupsRequest, DeleteGroupsResponse, DescribeGroupsRequest, DescribeGroupsResponse,
    DescribedGroup, FindCoordinatorRequest, FindCoordinatorResponse, GROUP_KEY_TYPE,
    HeartbeatResponse, JoinGroupResponse, LeaveGroupResponse, ListGroupsRequest,
    ListGroupsResponse, OffsetCommitPartition, OffsetCommitResponse, OffsetDeleteResponse,
    Response, SyncGroupResponse,
};
use crate::coordinator::{
    AfterAppend, Caller, Context, GroupConfig, GroupCoordinator, GroupEffect, GroupRecord,
    GroupRequest, decode, encode,
};
use crate::error::ErrorCode;
use crate::hash::group_partition;
use crate::random::Random;
use crate::record::{BatchBuilder, BatchOptions};
use crate::types::{LeaderEpoch, Offset, Time, TopicName, TopicPartition};

/// The topic that groups are written to.
pub(super) const OFFSETS_TOPIC: &str = "__consumer_offsets";

/// The place from which a request in this process comes.
const CLIENT_HOST: &str = "/127.0.0.1";

impl Broker {
    pub(super) fn find_coordinator(
        &mut self,
        now: Time,
        request: FindCoordinatorRequest,
    ) -> FindCoordinatorResponse {
        let key_type = request.key_type;
        let find = |key: String| {
            let found = self.find_one(now, key_type, &key);
            let error_code = found.err().unwrap_or(ErrorCode::None);
            Coordinator { key, node_id: found.ok(), error_code }
        };
        let coordinators = request.coordinator_keys.into_iter().map(find).collect();
        FindCoordinatorResponse { coordinators }
    }

    fn find_one(
        &mut self,
        now: Time,
        key_type: i8,
        group_id: &str,
    ) -> Result<super::BrokerId, ErrorCode> {
        if key_type != GROUP_KEY_TYPE {
            return Err(ErrorCode::InvalidRequest);
        }
        let topic = TopicName::from(OFFSETS_TOPIC);
        if self.image.topic(&topic).is_none() {
            // The client comes again, and finds it.
            self.create_offsets_topic(now, topic);
            return Err(ErrorCode::CoordinatorNotAvailable);
        }
        let partition = self.group_partition(group_id);
        let topic = self.image.topic(&topic);
        let leader = topic.and_then(|topic| topic.partitions.get(&partition)).map(|p| p.leader);
        leader.filter(|leader| leader.0 >= 0).ok_or(ErrorCode::CoordinatorNotAvailable)
    }

    fn create_offsets_topic(&mut self, now: Time, name: TopicName) {
        debug_assert!(is_internal(&name));
        let config = |name: &str, value: &str| (name.to_owned(), Some(value.to_owned()));
        let topic = CreatableTopic {
            name,
            num_partitions: self.config.offsets_topic_num_partitions,
            // Kafka wants three replicas by default, and waits for as many brokers.
            replication_factor: 1,
            configs: vec![
                config("cleanup.policy", "compact"),
                config("compression.type", "producer"),
                config("segment.bytes", &self.config.offsets_topic_segment_bytes.to_string()),
            ],
        };
        self.create_topics(now, &CreateTopicsRequest { topics: vec![topic] });
    }

    /// The partition of `__consumer_offsets` that a group belongs to.
    pub(super) fn group_partition(&self, group_id: &str) -> i32 {
        let count = self.image.topic(OFFSETS_TOPIC).map_or(1, |t| t.partitions.len());
        group_partition(group_id, count.max(1) as i32)
    }

    pub(super) fn group_request(
        &mut self,
        now: Time,
        (connection, correlation_id): (ConnectionId, i32),
        client_id: &str,
        request: GroupRequest,
    ) {
        let number = self.group_partition(request.group_id());
        let partition = TopicPartition::new(OFFSETS_TOPIC, number);
        let caller = Caller { connection: connection.0, correlation_id };
        let context = Context { now, caller, client_id, client_host: CLIENT_HOST };
        let effects = match self.group_coordinator(request.group_id()) {
            Ok(coordinator) => coordinator.handle(context, request),
            Err(error) => {
                let response = refusal(&request, error);
                return self.reply(connection, correlation_id, response);
            }
        };
        self.carry_out_group(now, &partition, effects);
    }

    /// The coordinator of a group, a new one for the first group of its partition.
    pub(super) fn group_coordinator(
        &mut self,
        group_id: &str,
    ) -> Result<&mut GroupCoordinator, ErrorCode> {
        let number = self.group_partition(group_id);
        let partition = TopicPartition::new(OFFSETS_TOPIC, number);
        if !self.partitions.get(&partition).is_some_and(|partition| partition.is_leader()) {
            return Err(ErrorCode::NotCoordinator);
        }
        if !self.coordinators.contains_key(&number) {
            self.coordinators.insert(number, self.new_coordinator(&partition));
        }
        self.coordinators.get_mut(&number).ok_or(ErrorCode::NotCoordinator)
    }

    /// A coordinator without groups. Ids that an earlier one of the partition, or of an earlier one
    /// of its name, has given out are not drawn again.
    fn new_coordinator(&self, name: &TopicPartition) -> GroupCoordinator {
        let life = self.partitions.get(name).map(|partition| {
            let (LeaderEpoch(epoch), topic_id) = (partition.leader_epoch(), partition.topic_id());
            format!("{topic_id} {epoch}")
        });
        let stream = format!("member ids {name} {}", life.unwrap_or_default());
        let since = self.coordinates_since.get(&name.partition).copied().unwrap_or_default();
        GroupCoordinator::new(self.group_config(), since, Random::stream(self.seed, &stream))
    }

    /// The groups of a partition of `__consumer_offsets` that has been deleted are let go.
    pub(super) fn unload_groups(&mut self, now: Time, name: &TopicPartition) {
        if &*name.topic != OFFSETS_TOPIC {
            return;
        }
        self.coordinates_since.remove(&name.partition);
        if let Some(coordinator) = self.coordinators.remove(&name.partition) {
            self.carry_out_group(now, name, coordinator.unload());
        }
    }

    /// The coordinators of this broker, for a reader.
    pub fn coordinators(&self) -> impl Iterator<Item = &GroupCoordinator> {
        self.coordinators.values()
    }

    fn group_config(&self) -> GroupConfig {
        GroupConfig {
            initial_rebalance_delay_ms: self.config.group_initial_rebalance_delay_ms,
            min_session_timeout_ms: self.config.group_min_session_timeout_ms,
            max_session_timeout_ms: self.config.group_max_session_timeout_ms,
            max_size: self.config.group_max_size,
            offset_metadata_max_bytes: self.config.offset_metadata_max_bytes,
            offsets_retention_ms: i64::from(self.config.offsets_retention_minutes) * 60_000,
            offsets_retention_check_interval_ms: self.config.offsets_retention_check_interval_ms,
        }
    }

    pub(super) fn next_group_deadline(&self) -> Option<Time> {
        self.coordinators.values().filter_map(GroupCoordinator::next_deadline).min()
    }

    pub(super) fn on_group_deadline(&mut self, now: Time) {
        let due = |coordinator: &GroupCoordinator| {
            coordinator.next_deadline().is_some_and(|deadline| deadline <= now)
        };
        let partitions: Vec<i32> =
            self.coordinators.iter().filter(|(_, c)| due(c)).map(|(&number, _)| number).collect();
        for number in partitions {
            let Some(coordinator) = self.coordinators.get_mut(&number) else { continue };
            let effects = coordinator.on_deadline(now);
            self.carry_out_group(now, &TopicPartition::new(OFFSETS_TOPIC, number), effects);
        }
    }

    pub(super) fn carry_out_group(
        &mut self,
        now: Time,
        partition: &TopicPartition,
        effects: Vec<GroupEffect>,
    ) {
        for effect in effects {
            match effect {
                GroupEffect::Reply { caller, response } => {
                    let connection = ConnectionId(caller.connection);
                    self.reply(connection, caller.correlation_id, response);
                }
                GroupEffect::StateChanged { group_id, from, to, generation } => {
                    self.event(BrokerEvent::GroupChanged { group_id, from, to, generation });
                }
                GroupEffect::Append { mut records, then } => {
                    while then.may_be_split() && records.len() > 1 {
                        let (rest, result) = self.append_some(now, partition, &mut records);
                        self.tell_appended(now, partition, records, then.clone(), result);
                        records = rest;
                    }
                    if !records.is_empty() {
                        let result = self.append_all(now, partition, &records);
                        self.tell_appended(now, partition, records, then, result);
                    }
                }
            }
        }
    }

    fn tell_appended(
        &mut self,
        now: Time,
        partition: &TopicPartition,
        records: Vec<GroupRecord>,
        then: AfterAppend,
        result: Result<(), ErrorCode>,
    ) {
        let Some(coordinator) = self.coordinators.get_mut(&partition.partition) else { return };
        let effects = coordinator.appended(now, records, then, result);
        self.carry_out_group(now, partition, effects);
    }

    pub(super) fn describe_groups(
        &mut self,
        request: &DescribeGroupsRequest,
    ) -> DescribeGroupsResponse {
        let describe = |group_id: &String| match self.group_coordinator(group_id) {
            Ok(coordinator) => coordinator.describe(request, group_id),
            Err(error) => DescribedGroup::failed(error, group_id),
        };
        DescribeGroupsResponse { groups: request.groups.iter().map(describe).collect() }
    }

    pub(super) fn list_groups(&self, request: &ListGroupsRequest) -> ListGroupsResponse {
        let groups = self.coordinators.values().flat_map(|one| one.list(request)).collect();
        ListGroupsResponse { error_code: ErrorCode::None, groups }
    }

    pub(super) fn delete_groups(
        &mut self,
        now: Time,
        request: DeleteGroupsRequest,
    ) -> DeleteGroupsResponse {
        let mut results: Vec<DeletableGroupResult> = Vec::new();
        for group_id in request.groups {
            if results.iter().any(|result| result.group_id == group_id) {
                continue;
            }
            let deleted = self.delete_group(now, &group_id);
            let error_code = deleted.err().unwrap_or(ErrorCode::None);
            results.push(DeletableGroupResult { group_id, error_code });
        }
        DeleteGroupsResponse { results }
    }

    fn delete_group(&mut self, now: Time, group_id: &str) -> Result<(), ErrorCode> {
        let records = self.group_coordinator(group_id)?.delete(group_id)?;
        let partition = TopicPartition::new(OFFSETS_TOPIC, self.group_partition(group_id));
        self.append_all(now, &partition, &records)?;
        let effects = self.group_coordinator(group_id)?.deleted(now, records);
        self.carry_out_group(now, &partition, effects);
        Ok(())
    }

    /// Appends records to a partition of `__consumer_offsets`, as one batch.
    fn append_all(
        &mut self,
        now: Time,
        name: &TopicPartition,
        records: &[GroupRecord],
    ) -> Result<(), ErrorCode> {
        self.append_within(now, name, records, usize::MAX).1
    }

    /// Appends as many records as one batch may hold; gives what is left of them.
    fn append_some(
        &mut self,
        now: Time,
        name: &TopicPartition,
        records: &mut Vec<GroupRecord>,
    ) -> (Vec<GroupRecord>, Result<(), ErrorCode>) {
        let limit = self.topic_config(&name.topic).max_message_bytes as usize;
        let (written, result) = self.append_within(now, name, records, limit);
        (records.split_off(written), result)
    }

    /// Appends records as one batch: the first, and those after it that keep it within the limit.
    /// Says of how many it tells what became of them.
    fn append_within(
        &mut self,
        now: Time,
        name: &TopicPartition,
        records: &[GroupRecord],
        limit: usize,
    ) -> (usize, Result<(), ErrorCode>) {
        let mut builder = BatchBuilder::new(BatchOptions::default());
        let mut count = 0;
        for record in records {
            // What does not fit into its record is not written; Kafka's serializer throws.
            let Ok((key, value)) = encode(record) else {
                return (records.len(), Err(ErrorCode::UnknownServerError));
            };
            let limit = if count == 0 { usize::MAX } else { limit };
            let (key, value) = (Some(&key[..]), value.as_deref());
            if builder.append_within(limit, now.timestamp(), key, value, &[]).is_none() {
                break;
            }
            count += 1;
        }
        let partition = name.clone();
        let produced = crate::api::ProducePartition { partition, records: builder.build() };
        let result = self.append(now, produced).map(|_| ()).map_err(|(error, _)| error);
        if result.is_ok() {
            self.wake_fetches(name);
        }
        (count, result)
    }

    /// Loads the coordinators of all partitions that hold groups: after a restart.
    pub(super) fn load_groups(&mut self, now: Time) {
        self.coordinators.clear();
        let topic = TopicName::from(OFFSETS_TOPIC);
        let held = self.partitions.iter().filter(|(name, partition)| {
            name.topic == topic && partition.log().log_end_offset() > Offset::ZERO
        });
        for name in held.map(|(name, _)| name.clone()).collect::<Vec<_>>() {
            let mut written = BTreeMap::new();
            for batch in self.batches(&name, Offset::ZERO) {
                for record in batch.records().map_while(Result::ok) {
                    let Some(key) = record.key else { continue };
                    let Some(value) = record.value else {
                        written.remove(key);
                        continue;
                    };
                    let value = bytes::Bytes::copy_from_slice(value);
                    if let Ok(Some(record)) = decode(key, &value) {
                        written.insert(key.to_vec(), record);
                    }
                }
            }
            let mut coordinator = self.new_coordinator(&name);
            coordinator.load(now, written.into_values());
            self.coordinators.insert(name.partition, coordinator);
        }
    }
}

/// What a request is answered that cannot be served here.
fn refusal(request: &GroupRequest, error_code: ErrorCode) -> Response {
    match request {
        GroupRequest::JoinGroup(request) => {
            Response::JoinGroup(JoinGroupResponse::failed(error_code, &request.member_id))
        }
        GroupRequest::SyncGroup(_) => Response::SyncGroup(SyncGroupResponse::failed(error_code)),
        GroupRequest::Heartbeat(_) => Response::Heartbeat(HeartbeatResponse { error_code }),
        GroupRequest::OffsetCommit(request, _) => {
            let refuse = |wanted: &OffsetCommitPartition| CommittedPartition {
                partition: wanted.partition.clone(),
                error_code,
            };
            let partitions = request.partitions.iter().map(refuse).collect();
            Response::OffsetCommit(OffsetCommitResponse { partitions })
        }
        GroupRequest::OffsetDelete(_) => {
            Response::OffsetDelete(OffsetDeleteResponse::failed(error_code))
        }
        GroupRequest::LeaveGroup(_) => {
            Response::LeaveGroup(LeaveGroupResponse { error_code, members: Vec::new() })
        }
    }
}
