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
//! There is one broker, which is the controller, too; its metadata log holds typed values, not
//! `__cluster_metadata-0`'s bytes. Configs are set for a topic or for all brokers, not for one. A
//! broker that crashes keeps its logs as they were, with indexes and high watermarks: nothing is
//! read from files when it restarts, which takes no time.

mod configs;
mod controller;
mod data;
mod groups;
#[cfg(test)]
mod idempotence_tests;
pub mod metadata;
mod offsets;
mod producer_ids;
mod purgatory;
#[cfg(test)]
mod recordings;
#[cfg(test)]
mod tests;
mod topics;

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use crate::api::{MetadataTopic, Request, Response};
use crate::config::{BrokerConfig, Overrides, TopicConfig};
pub use crate::coordinator::GroupState;
use crate::coordinator::{GroupCoordinator, GroupRequest};
use crate::error::ErrorCode;
use crate::log::RollReason;
use crate::partition::Partition;
use crate::random::Random;
use crate::storage::{Disk, MemoryDisk};
use crate::types::{BrokerId, Offset, ProducerId, Time, TopicName, TopicPartition};

use metadata::{MetadataImage, MetadataRecord};
use purgatory::Purgatory;

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
    disk: MemoryDisk,
    metadata_log: Vec<MetadataRecord>,
    image: MetadataImage,
    /// What was told of topics since the image last changed.
    described: BTreeMap<TopicName, Arc<MetadataTopic>>,
    partitions: BTreeMap<TopicPartition, Partition>,
    purgatory: Purgatory,
    topic_ids: Random,
    /// Where its last registration stands in the metadata log.
    broker_epoch: i64,
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
    /// A broker without topics. `static_configs` are what its properties file would hold.
    pub fn new(id: BrokerId, cluster_id: String, static_configs: Overrides, seed: u64) -> Self {
        Broker {
            id,
            cluster_id,
            config: BrokerConfig::from_overrides(&static_configs),
            static_configs,
            disk: MemoryDisk::new(),
            metadata_log: Vec::new(),
            image: MetadataImage::default(),
            described: BTreeMap::new(),
            partitions: BTreeMap::new(),
            purgatory: Purgatory::default(),
            topic_ids: Random::stream(seed, "topic ids"),
            broker_epoch: 0,
            producer_ids: 0..0,
            seed,
            coordinators: BTreeMap::new(),
            coordinates_since: BTreeMap::new(),
            effects: Vec::new(),
        }
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
        self.purgatory.next_deadline().into_iter().chain(self.next_group_deadline()).min()
    }

    /// Answers the requests whose time is up, and lets groups do what is due.
    pub fn on_deadline(&mut self, now: Time) -> Vec<BrokerEffect> {
        while let Some(fetch) = self.purgatory.take_expired(now) {
            self.event(BrokerEvent::FetchExpired);
            let response = self.read_all(&fetch.request);
            self.reply(fetch.connection, fetch.correlation_id, Response::Fetch(response));
        }
        self.on_group_deadline(now);
        std::mem::take(&mut self.effects)
    }

    /// Forgets a connection that is gone.
    pub fn on_disconnect(&mut self, connection: ConnectionId) {
        self.purgatory.forget(connection);
    }

    /// Comes back after a crash: what was on the disk is there, delayed requests are not, and the
    /// image is built again from the metadata log.
    ///
    /// The controller took the broker for gone and then for there again, as Kafka's does even
    /// when no other broker could lead meanwhile: each partition's leader epoch rises by two.
    pub fn restart(&mut self, now: Time) {
        self.purgatory = Purgatory::default();
        self.image = MetadataImage::default();
        for record in &self.metadata_log {
            self.image.replay(record);
        }
        self.broker_epoch = self.metadata_log.len() as i64;
        self.producer_ids = 0..0;
        let fenced = self.controller().fence(self.id);
        self.commit(now, &fenced);
        let unfenced = self.controller().unfence(self.id);
        self.commit(now, &unfenced);
        self.load_groups(now);
    }

    fn event(&mut self, event: BrokerEvent) {
        self.effects.push(BrokerEffect::Event(event));
    }

    fn reply(&mut self, connection: ConnectionId, correlation_id: i32, response: Response) {
        self.effects.push(BrokerEffect::Reply { connection, correlation_id, response });
    }

    /// Appends decisions to the metadata log, replays them, and carries them out.
    fn commit(&mut self, now: Time, records: &[MetadataRecord]) {
        self.metadata_log.extend_from_slice(records);
        self.described.clear();
        for record in records {
            self.image.replay(record);
        }
        // The partitions of one topic stand together.
        let mut last = None;
        for record in records {
            self.carry_out(now, record, &mut last);
        }
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
            MetadataRecord::Topic { .. } | MetadataRecord::ProducerIds { .. } => {}
            MetadataRecord::Partition {
                topic_id, partition, leader, leader_epoch, isr, ..
            } => {
                let Some(name) = self.image.topic_name(*topic_id).cloned() else { return };
                let name = TopicPartition::new(name, *partition);
                if last.as_ref().is_none_or(|(topic, _)| *topic != name.topic) {
                    *last = Some((name.topic.clone(), self.topic_config(&name.topic)));
                }
                let Some((_, config)) = last else { return };
                let new = || Partition::new(name.clone(), *topic_id, self.id, config.clone());
                let replica = self.partitions.entry(name.clone()).or_insert_with(new);
                replica.set_leader(*leader, *leader_epoch, isr.clone());
                if *leader == self.id && &*name.topic == groups::OFFSETS_TOPIC {
                    self.coordinates_since.insert(*partition, now);
                }
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
                for (_, partition) in self.partitions.extract_if(.., of_topic) {
                    // Files that a failing disk keeps are no part of any log any more.
                    let _ = partition.remove(&mut self.disk);
                }
            }
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
