//! What the cluster knows of itself: topics, partitions, configs, as a log of records and the image
//! that results from replaying them.
//!
//! The controller decides by writing [`MetadataRecord`]s; [`MetadataImage::replay`] is the only
//! way in which the image changes, live or after a restart.

use std::collections::BTreeMap;

use crate::types::{BrokerId, LeaderEpoch, TopicId, TopicName};

/// Names and values of configuration overrides.
pub type Overrides = BTreeMap<String, String>;

/// One decision of the controller, named as Kafka names its metadata records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MetadataRecord {
    /// A topic exists.
    Topic { name: TopicName, topic_id: TopicId },
    /// A partition exists, or is led anew.
    Partition {
        topic_id: TopicId,
        partition: i32,
        replicas: Vec<BrokerId>,
        isr: Vec<BrokerId>,
        leader: BrokerId,
        leader_epoch: LeaderEpoch,
    },
    /// A config of a topic is set, or with `None` back at its default.
    TopicConfig { topic: TopicName, name: String, value: Option<String> },
    /// A config of all brokers is set, or with `None` back at its default.
    BrokerConfig { name: String, value: Option<String> },
    /// A topic is gone.
    RemoveTopic { topic_id: TopicId },
}

/// A topic of the image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicImage {
    pub topic_id: TopicId,
    pub partitions: BTreeMap<i32, PartitionImage>,
}

/// A partition of the image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartitionImage {
    pub replicas: Vec<BrokerId>,
    pub isr: Vec<BrokerId>,
    pub leader: BrokerId,
    pub leader_epoch: LeaderEpoch,
}

/// The sum of all records so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MetadataImage {
    topics: BTreeMap<TopicName, TopicImage>,
    names: BTreeMap<TopicId, TopicName>,
    topic_configs: BTreeMap<TopicName, Overrides>,
    broker_configs: Overrides,
}

impl MetadataImage {
    /// Applies one record. A record about a topic that is not there changes nothing.
    pub fn replay(&mut self, record: &MetadataRecord) {
        match record.clone() {
            MetadataRecord::Topic { name, topic_id } => {
                self.names.insert(topic_id, name.clone());
                self.topics.insert(name, TopicImage { topic_id, partitions: BTreeMap::new() });
            }
            MetadataRecord::Partition {
                topic_id,
                partition,
                replicas,
                isr,
                leader,
                leader_epoch,
            } => {
                let topic = self.names.get(&topic_id).and_then(|name| self.topics.get_mut(name));
                if let Some(topic) = topic {
                    let image = PartitionImage { replicas, isr, leader, leader_epoch };
                    topic.partitions.insert(partition, image);
                }
            }
            MetadataRecord::TopicConfig { topic, name, value } => {
                set(self.topic_configs.entry(topic).or_default(), name, value);
            }
            MetadataRecord::BrokerConfig { name, value } => {
                set(&mut self.broker_configs, name, value);
            }
            MetadataRecord::RemoveTopic { topic_id } => {
                if let Some(name) = self.names.remove(&topic_id) {
                    self.topics.remove(&name);
                    self.topic_configs.remove(&name);
                }
            }
        }
    }

    pub fn topic(&self, name: &str) -> Option<&TopicImage> {
        self.topics.get(name)
    }

    pub fn topics(&self) -> impl Iterator<Item = (&TopicName, &TopicImage)> {
        self.topics.iter()
    }

    pub fn topic_name(&self, id: TopicId) -> Option<&TopicName> {
        self.names.get(&id)
    }

    /// The overrides of a topic; empty when there are none.
    pub fn topic_configs(&self, name: &str) -> &Overrides {
        static NONE: Overrides = Overrides::new();
        self.topic_configs.get(name).unwrap_or(&NONE)
    }

    /// The overrides that an admin gave to all brokers.
    pub fn broker_configs(&self) -> &Overrides {
        &self.broker_configs
    }
}

fn set(overrides: &mut Overrides, name: String, value: Option<String>) {
    match value {
        Some(value) => overrides.insert(name, value),
        None => overrides.remove(&name),
    };
}
