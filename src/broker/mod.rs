//! A broker: brings each request to the partition or the controller that answers it.
//!
//! A broker is a state machine. [`Broker::handle`] takes a request and the time; what comes of it
//! (replies, and events for the trace) goes into a list of [`BrokerEffect`]s. Requests that have to
//! wait are data in the [`purgatory`]; [`Broker::next_deadline`] says when to call
//! [`Broker::on_deadline`].
//!
//! | request | where it is answered |
//! |---|---|
//! | Produce, Fetch, ListOffsets | `data.rs`, by the partition |
//! | Metadata, CreateTopics, DeleteTopics, CreatePartitions | `topics.rs`, by the controller |
//! | DescribeConfigs, IncrementalAlterConfigs | `configs.rs` |
//! | FindCoordinator; JoinGroup, SyncGroup, Heartbeat, LeaveGroup; DescribeGroups, ListGroups, DeleteGroups | `groups.rs`, by a coordinator |
//! | OffsetCommit, OffsetFetch, OffsetDelete | `offsets.rs`, by a coordinator |
//! | InitProducerId | `producer_ids.rs`, from the controller's blocks |
//!
//! # Simplifications versus Kafka
//!
//! There is one broker, which is the controller, too. Configs are set for a topic or for all
//! brokers, not for one. On a disk in memory a broker that crashes keeps its logs as they were, with
//! indexes and high watermarks. A restart takes no time.

mod configs;
mod controller;
mod data;
mod groups;
#[cfg(test)]
mod idempotence_tests;
pub mod metadata;
mod metadata_log;
mod metadata_messages;
mod offsets;
mod producer_ids;
mod purgatory;
#[cfg(test)]
mod recordings;
mod storage;
#[cfg(test)]
mod tests;
mod timers;
mod topics;

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use crate::api::{MetadataTopic, Request, Response};
use crate::config::{BrokerConfig, Overrides, TopicConfig};
pub use crate::coordinator::GroupState;
use crate::coordinator::{GroupCoordinator, GroupRequest};
use crate::error::ErrorCode;
use crate::log::{RecoveryStep, RollReason};
use crate::partition::Partition;
use crate::random::Random;
use crate::storage::{BrokerDisk, Disk};
use crate::types::{BrokerId, Offset, ProducerId, Time, TopicId, TopicName, TopicPartition};

use metadata::{MetadataImage, MetadataRecord};
use metadata_log::{METADATA_TOPIC, MetadataLog};
use purgatory::Purgatory;
pub use storage::{ClusterId, StartError};
use timers::Timers;

/// Names a client's connection; later ones have higher numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionId(pub u64);

/// What comes of a request or a deadline.
#[derive(Clone, Debug)]
pub enum BrokerEffect {
    /// Answer a request.
    Reply { connection: ConnectionId, correlation_id: i32, response: Response },
    /// Drop a connection, the only answer that `acks=0` has to an error.
    Close { connection: ConnectionId },
    /// Something happened that the trace shows.
    Event(BrokerEvent),
}

/// What a broker tells the trace.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum BrokerEvent {
    /// A batch was appended.
    Appended {
        /// Where.
        partition: TopicPartition,
        /// The offset of its first record.
        base_offset: Offset,
        /// The offset of its last record.
        last_offset: Offset,
        /// Its size with the header.
        bytes: u32,
    },
    /// A new segment was begun.
    Rolled {
        /// Where.
        partition: TopicPartition,
        /// The first offset of the new segment.
        base_offset: Offset,
        /// Why.
        reason: RollReason,
    },
    /// A batch came again that is in the log; it was not appended again.
    Deduplicated {
        /// Where.
        partition: TopicPartition,
        /// The producer that sent it twice.
        producer_id: ProducerId,
        /// The sequence number of its first record.
        base_sequence: i32,
        /// The offset that its first record has.
        base_offset: Offset,
    },
    /// The sparse offset index got an entry.
    Indexed {
        /// Where.
        partition: TopicPartition,
        /// The last offset of the batch that the entry points at.
        offset: Offset,
        /// Where that batch starts in its segment, in bytes.
        position: u32,
    },
    /// The high watermark rose.
    HighWatermark {
        /// Where.
        partition: TopicPartition,
        /// From.
        from: Offset,
        /// To.
        to: Offset,
    },
    /// A batch was refused.
    Refused {
        /// Where.
        partition: TopicPartition,
        /// Why.
        error: ErrorCode,
    },
    /// A fetch found too little and waits.
    FetchDelayed {
        /// Until when, at the latest.
        deadline: Time,
    },
    /// The time of a waiting fetch is up.
    FetchExpired,
    /// A topic was created.
    TopicCreated {
        /// Its name.
        topic: TopicName,
        /// Its number of partitions.
        partitions: u32,
    },
    /// A topic has more partitions now.
    PartitionsAdded {
        /// Its name.
        topic: TopicName,
        /// Its number of partitions now.
        partitions: u32,
    },
    /// A topic was deleted.
    TopicDeleted {
        /// Its name.
        topic: TopicName,
    },
    /// A group went into another state.
    GroupChanged {
        /// The group.
        group_id: String,
        /// The state that it was in.
        from: GroupState,
        /// The state that it is in.
        to: GroupState,
        /// Its generation now.
        generation: i32,
    },
    /// The broker has started on a disk that outlives it.
    Started {
        /// Whether it had been stopped, not killed.
        clean: bool,
    },
    /// Something that the opening of a log has done.
    Recovered {
        /// Which log.
        partition: TopicPartition,
        /// What.
        step: RecoveryStep,
    },
    /// Everything up to here is durable.
    Flushed {
        /// Where.
        partition: TopicPartition,
        /// Below which offset.
        recovery_point: Offset,
    },
    /// A log is offline: its disk has failed.
    LogFailed {
        /// Which.
        partition: TopicPartition,
        /// What the disk said.
        why: String,
    },
    /// A directory was set aside that belongs to no topic.
    Stray {
        /// Whose it was.
        partition: TopicPartition,
    },
    /// Configs of a topic, or of all brokers, changed.
    ConfigsChanged {
        /// The topic; `None` for the brokers.
        topic: Option<TopicName>,
    },
}

/// One broker with its disk.
#[derive(Clone, Debug)]
pub struct Broker {
    id: BrokerId,
    cluster_id: String,
    static_configs: Overrides,
    config: BrokerConfig,
    disk: BrokerDisk,
    /// The cluster that the directory has to belong to, if that was said.
    expected_cluster_id: Option<String>,
    directory_id: TopicId,
    /// Under which epoch the controller knows it: where its registration stands in the log.
    broker_epoch: i64,
    started_at: Time,
    metadata_log: MetadataLog,
    /// What the last start had to do to the logs.
    recovery: Vec<(TopicPartition, RecoveryStep)>,
    timers: Timers,
    image: MetadataImage,
    /// What was told of topics since the image last changed.
    described: BTreeMap<TopicName, Arc<MetadataTopic>>,
    partitions: BTreeMap<TopicPartition, Partition>,
    purgatory: Purgatory,
    topic_ids: Random,
    /// What is left of its block of producer ids.
    producer_ids: Range<i64>,
    seed: u64,
    /// The groups of each partition of `__consumer_offsets` that has had one.
    coordinators: BTreeMap<i32, GroupCoordinator>,
    /// Since when it has led each partition of `__consumer_offsets`.
    coordinates_since: BTreeMap<i32, Time>,
    effects: Vec<BrokerEffect>,
}

impl Broker {
    /// A broker with what its disk holds. `static_configs` are what its properties file would say.
    ///
    /// # Errors
    /// Why it cannot start on this disk.
    pub fn new(
        id: BrokerId,
        cluster_id: &ClusterId,
        static_configs: Overrides,
        seed: u64,
        disk: BrokerDisk,
        now: Time,
    ) -> Result<Self, StartError> {
        let mut broker = Broker {
            id,
            cluster_id: cluster_id.to_string(),
            config: BrokerConfig::from_overrides(&static_configs),
            static_configs,
            disk,
            expected_cluster_id: cluster_id.expected(),
            directory_id: TopicId::ZERO,
            broker_epoch: 0,
            started_at: now,
            metadata_log: MetadataLog::new(),
            recovery: Vec::new(),
            timers: Timers::default(),
            image: MetadataImage::default(),
            described: BTreeMap::new(),
            partitions: BTreeMap::new(),
            purgatory: Purgatory::default(),
            topic_ids: Random::stream(seed, "topic ids"),
            producer_ids: 0..0,
            seed,
            coordinators: BTreeMap::new(),
            coordinates_since: BTreeMap::new(),
            effects: Vec::new(),
        };
        if broker.disk.is_durable() {
            broker.start(now)?;
        }
        Ok(broker)
    }

    pub fn id(&self) -> BrokerId {
        self.id
    }

    pub fn image(&self) -> &MetadataImage {
        &self.image
    }

    /// Where its files lie.
    pub fn disk(&self) -> &dyn Disk {
        &self.disk
    }

    /// Where its files lie, to break something.
    pub fn disk_mut(&mut self) -> &mut BrokerDisk {
        &mut self.disk
    }

    /// Whether its files lie in a directory of the operating system.
    pub fn lies_in_a_directory(&self) -> bool {
        matches!(self.disk, BrokerDisk::Directory(_))
    }

    /// Lets go of its directory, if it has one: it cannot start again.
    pub fn leave_directory(&mut self) {
        if self.lies_in_a_directory() {
            self.disk = self.disk.clone();
        }
    }

    /// Its machine has no power any more.
    pub fn power_off(&mut self) {
        if let BrokerDisk::Faulty(disk) = &mut self.disk {
            disk.power_off();
        }
    }

    /// The time when it started: not before what its directory tells of.
    pub fn started_at(&self) -> Time {
        self.started_at
    }

    pub fn partitions(&self) -> &BTreeMap<TopicPartition, Partition> {
        &self.partitions
    }

    /// Serves one request.
    pub fn handle(
        &mut self,
        now: Time,
        connection: ConnectionId,
        correlation_id: i32,
        client_id: &str,
        request: Request,
    ) -> Vec<BrokerEffect> {
        let group = |broker: &mut Broker, request| {
            broker.group_request(now, (connection, correlation_id), client_id, request);
            None
        };
        let response = match request {
            Request::Produce(request) => self.produce(now, connection, client_id, request),
            Request::Fetch(request) => self.fetch(now, connection, correlation_id, request),
            Request::ListOffsets(r) => Some(Response::ListOffsets(self.list_offsets(&r))),
            Request::Metadata(r) => Some(Response::Metadata(self.metadata(now, &r))),
            Request::CreateTopics(r) => Some(Response::CreateTopics(self.create_topics(now, &r))),
            Request::DeleteTopics(r) => Some(Response::DeleteTopics(self.delete_topics(now, &r))),
            Request::CreatePartitions(r) => {
                Some(Response::CreatePartitions(self.create_partitions(now, &r)))
            }
            Request::DescribeConfigs(r) => {
                Some(Response::DescribeConfigs(self.describe_configs(&r)))
            }
            Request::FindCoordinator(r) => {
                Some(Response::FindCoordinator(self.find_coordinator(now, r)))
            }
            Request::InitProducerId(r) => {
                Some(Response::InitProducerId(self.init_producer_id(now, &r)))
            }
            Request::OffsetCommit(r) => {
                self.commit_offsets(now, (connection, correlation_id), client_id, r);
                None
            }
            Request::OffsetDelete(r) => {
                self.delete_offsets(now, (connection, correlation_id), client_id, r);
                None
            }
            Request::OffsetFetch(r) => Some(Response::OffsetFetch(self.fetch_offsets(r))),
            Request::DescribeGroups(r) => Some(Response::DescribeGroups(self.describe_groups(&r))),
            Request::ListGroups(r) => Some(Response::ListGroups(self.list_groups(&r))),
            Request::DeleteGroups(r) => Some(Response::DeleteGroups(self.delete_groups(now, r))),
            Request::JoinGroup(r) => group(self, GroupRequest::JoinGroup(r)),
            Request::SyncGroup(r) => group(self, GroupRequest::SyncGroup(r)),
            Request::Heartbeat(r) => group(self, GroupRequest::Heartbeat(r)),
            Request::LeaveGroup(r) => group(self, GroupRequest::LeaveGroup(r)),
            Request::IncrementalAlterConfigs(r) => {
                Some(Response::IncrementalAlterConfigs(self.alter_configs(now, &r)))
            }
        };
        if let Some(response) = response {
            self.effects.push(BrokerEffect::Reply { connection, correlation_id, response });
        }
        std::mem::take(&mut self.effects)
    }

    /// When [`on_deadline`](Broker::on_deadline) wants to be called.
    pub fn next_deadline(&self) -> Option<Time> {
        let deadlines =
            [self.purgatory.next_deadline(), self.next_group_deadline(), self.timers.next()];
        deadlines.into_iter().flatten().min()
    }

    /// Answers the requests whose time is up, and lets groups do what is due.
    pub fn on_deadline(&mut self, now: Time) -> Vec<BrokerEffect> {
        while let Some(fetch) = self.purgatory.take_expired(now) {
            self.event(BrokerEvent::FetchExpired);
            let response = self.read_all(&fetch.request);
            self.reply(fetch.connection, fetch.correlation_id, Response::Fetch(response));
        }
        self.on_group_deadline(now);
        self.on_storage_deadline(now);
        std::mem::take(&mut self.effects)
    }

    /// Forgets a connection that is gone.
    pub fn on_disconnect(&mut self, connection: ConnectionId) {
        self.purgatory.forget(connection);
    }

    /// Comes back after a crash or a stop: what is on the disk is there, delayed requests are not,
    /// and the image is built again from the metadata log.
    ///
    /// The controller took the broker for gone and then for there again, as Kafka's does even
    /// when no other broker could lead meanwhile: each partition's leader epoch rises by two.
    ///
    /// # Errors
    /// Why it cannot start.
    pub fn restart(&mut self, now: Time) -> Result<Vec<BrokerEffect>, StartError> {
        self.purgatory = Purgatory::default();
        self.image = MetadataImage::default();
        self.described.clear();
        self.producer_ids = 0..0;
        if self.disk.is_durable() {
            self.partitions.clear();
            self.coordinators.clear();
            self.coordinates_since.clear();
            self.timers = Timers::default();
            // A process that dies takes nothing with it that the system has; the power does.
            if let BrokerDisk::Faulty(disk) = &mut self.disk
                && disk.is_off()
            {
                disk.power_on();
            }
            self.start(now)?;
        } else {
            let records = self.metadata_log.records(&self.disk).map_err(|e| e.to_string())?;
            for record in &records {
                self.image.replay(record);
            }
            self.broker_epoch = self.metadata_log.end().0;
            self.lead_again(now);
        }
        Ok(std::mem::take(&mut self.effects))
    }

    /// The controller saw the broker go, and come back.
    fn lead_again(&mut self, now: Time) {
        let fenced = self.controller().fence(self.id);
        // A disk that fails here fails with the next request, too.
        let _ = self.commit(now, &fenced);
        let unfenced = self.controller().unfence(self.id);
        let _ = self.commit(now, &unfenced);
        self.load_groups(now);
    }

    fn event(&mut self, event: BrokerEvent) {
        self.effects.push(BrokerEffect::Event(event));
    }

    fn reply(&mut self, connection: ConnectionId, correlation_id: i32, response: Response) {
        self.effects.push(BrokerEffect::Reply { connection, correlation_id, response });
    }

    /// Appends decisions to the metadata log, replays them, and carries them out.
    ///
    /// # Errors
    /// `KAFKA_STORAGE_ERROR` when they cannot be written: nothing was decided then.
    fn commit(&mut self, now: Time, records: &[MetadataRecord]) -> Result<(), ErrorCode> {
        if let Err(error) = self.metadata_log.append(&mut self.disk, now, records) {
            let partition = TopicPartition::new(METADATA_TOPIC, 0);
            self.event(BrokerEvent::LogFailed { partition, why: error.to_string() });
            return Err(ErrorCode::KafkaStorageError);
        }
        self.described.clear();
        for record in records {
            self.image.replay(record);
        }
        // The partitions of one topic stand together.
        let mut last = None;
        for record in records {
            self.carry_out(now, record, &mut last);
        }
        Ok(())
    }

    /// Brings the replicas on this broker in line with one record of the image. `last` keeps the
    /// configs of the topic that was looked at last.
    fn carry_out(
        &mut self,
        now: Time,
        record: &MetadataRecord,
        last: &mut Option<(TopicName, TopicConfig)>,
    ) {
        match record {
            MetadataRecord::Topic { .. }
            | MetadataRecord::ProducerIds { .. }
            | MetadataRecord::Other(_) => {}
            MetadataRecord::Partition { topic_id, partition, .. }
            | MetadataRecord::PartitionChange { topic_id, partition, .. } => {
                let Some(name) = self.image.topic_name(*topic_id).cloned() else { return };
                let name = TopicPartition::new(name, *partition);
                if last.as_ref().is_none_or(|(topic, _)| *topic != name.topic) {
                    *last = Some((name.topic.clone(), self.topic_config(&name.topic)));
                }
                let Some((_, config)) = last else { return };
                let config = config.clone();
                self.follow_image(now, &name, *topic_id, config);
            }
            MetadataRecord::TopicConfig { topic, .. } => {
                *last = None;
                self.refresh_configs(Some(topic));
            }
            MetadataRecord::BrokerConfig { .. } => {
                *last = None;
                self.refresh_configs(None);
            }
            MetadataRecord::RemoveTopic { topic_id } => {
                let of_topic = |_: &TopicPartition, p: &mut Partition| p.topic_id() == *topic_id;
                let gone: Vec<_> = self.partitions.extract_if(.., of_topic).collect();
                for (_, partition) in gone {
                    self.remove_partition(now, partition);
                }
            }
        }
    }

    /// Lets a replica know who leads; makes it, if there is none.
    fn follow_image(
        &mut self,
        now: Time,
        name: &TopicPartition,
        topic_id: TopicId,
        config: TopicConfig,
    ) {
        let topic = self.image.topic(&name.topic);
        let Some(image) = topic.and_then(|topic| topic.partitions.get(&name.partition)) else {
            return;
        };
        let (leader, epoch, isr) = (image.leader, image.leader_epoch, image.isr.clone());
        if !self.partitions.contains_key(name) {
            let replica = self.create_partition(now, name, topic_id, config);
            self.partitions.insert(name.clone(), replica);
        }
        let Some(replica) = self.partitions.get_mut(name) else { return };
        replica.set_leader(leader, epoch, isr);
        if leader != self.id {
            return;
        }
        if replica.log().is_durable()
            && let Err(error) = replica.begin_leader_epoch(&mut self.disk)
        {
            let (partition, why) = (name.clone(), error.to_string());
            self.event(BrokerEvent::LogFailed { partition, why });
        }
        if &*name.topic == groups::OFFSETS_TOPIC {
            self.coordinates_since.insert(name.partition, now);
        }
    }

    fn topic_config(&self, topic: &str) -> TopicConfig {
        TopicConfig::effective(
            self.image.topic_configs(topic),
            self.image.broker_configs(),
            &self.static_configs,
        )
    }

    fn refresh_configs(&mut self, topic: Option<&TopicName>) {
        let affected = self.partitions.keys().filter(|name| topic.is_none_or(|t| *t == name.topic));
        for name in affected.cloned().collect::<Vec<_>>() {
            let config = self.topic_config(&name.topic);
            if let Some(partition) = self.partitions.get_mut(&name) {
                partition.set_config(config);
            }
        }
    }
}
