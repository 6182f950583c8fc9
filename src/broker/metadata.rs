//! What the cluster knows of itself: topics, partitions, configs, as a log of records and the image
//! that results from replaying them.
//!
//! The controller decides by writing [`MetadataRecord`]s; [`MetadataImage::replay`] is the only
//! way in which the image changes, live or after a restart.

use std::collections::BTreeMap;

use crate::config::{ConfigValue, Overrides};
use crate::types::{BrokerId, LeaderEpoch, ProducerId, TopicId, TopicName};

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
    TopicConfig { topic: TopicName, name: String, value: Option<ConfigValue> },
    /// A config of all brokers is set, or with `None` back at its default.
    BrokerConfig { name: String, value: Option<ConfigValue> },
    /// A broker, in its epoch, has taken the producer ids below the next one.
    ProducerIds { broker_id: BrokerId, broker_epoch: i64, next_producer_id: ProducerId },
    /// A topic is gone.
    RemoveTopic { topic_id: TopicId },
}

/// A topic of the image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicImage {
    pub topic_id: TopicId,
    pub configs: Overrides,
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
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MetadataImage {
    topics: BTreeMap<TopicName, TopicImage>,
    names: BTreeMap<TopicId, TopicName>,
    broker_configs: Overrides,
    next_producer_id: ProducerId,
}

impl Default for MetadataImage {
    fn default() -> Self {
        MetadataImage {
            topics: BTreeMap::new(),
            names: BTreeMap::new(),
            broker_configs: Overrides::new(),
            next_producer_id: ProducerId(0),
        }
    }
}

impl MetadataImage {
    /// Applies one record. A record about a topic that is not there changes nothing.
    pub fn replay(&mut self, record: &MetadataRecord) {
        match record.clone() {
            MetadataRecord::Topic { name, topic_id } => {
                self.names.insert(topic_id, name.clone());
                let (configs, partitions) = (Overrides::new(), BTreeMap::new());
                self.topics.insert(name, TopicImage { topic_id, configs, partitions });
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
                if let Some(image) = self.topics.get_mut(&topic) {
                    image.configs.set(name, value);
                }
            }
            MetadataRecord::BrokerConfig { name, value } => {
                self.broker_configs.set(name, value);
            }
            MetadataRecord::ProducerIds { next_producer_id, .. } => {
                self.next_producer_id = next_producer_id;
            }
            MetadataRecord::RemoveTopic { topic_id } => {
                if let Some(name) = self.names.remove(&topic_id) {
                    self.topics.remove(&name);
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
        self.topics.get(name).map_or(&NONE, |topic| &topic.configs)
    }

    /// The first producer id that no broker has taken.
    pub fn next_producer_id(&self) -> ProducerId {
        self.next_producer_id
    }

    /// The overrides that an admin gave to all brokers.
    pub fn broker_configs(&self) -> &Overrides {
        &self.broker_configs
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::parse_topic_override;

    /// A config record about a topic that was not there left configs behind, which a topic of this
    /// name that was created later inherited.
    #[test]
    fn a_record_about_a_missing_topic_left_configs_behind() {
        let (name, topic_id) = (TopicName::from("orders"), TopicId(1));
        let value = parse_topic_override("retention.ms", "5").ok();
        let topic = MetadataRecord::Topic { name: name.clone(), topic_id };
        let removed = MetadataRecord::RemoveTopic { topic_id };
        let partition = MetadataRecord::Partition {
            topic_id,
            partition: 0,
            replicas: vec![BrokerId(1)],
            isr: vec![BrokerId(1)],
            leader: BrokerId(1),
            leader_epoch: LeaderEpoch(0),
        };
        let config =
            MetadataRecord::TopicConfig { topic: name, name: "retention.ms".to_owned(), value };
        let mut image = MetadataImage::default();
        for record in [&config, &partition, &removed] {
            image.replay(record);
            assert_eq!(image, MetadataImage::default(), "{record:?}");
        }
        for record in [&topic, &config, &partition] {
            let before = image.clone();
            image.replay(record);
            assert_ne!(image, before, "{record:?}");
        }
        image.replay(&removed);
        assert_eq!(image, MetadataImage::default());
    }
}
