//! The controller's decisions as Kafka's metadata records, and back.

use super::metadata::MetadataRecord;
use crate::config::{ConfigError, ConfigValue, parse_broker_override, parse_topic_override};
use crate::metadata::Uuid;
use crate::metadata::records::{
    BROKER_RESOURCE, ConfigRecord, Message, PartitionChangeRecord, PartitionRecord,
    ProducerIdsRecord, Record, RemoveTopicRecord, TOPIC_RESOURCE, TopicRecord,
};
use crate::types::{BrokerId, LeaderEpoch, ProducerId, TopicName};

/// The leader that a change of a partition names when it stays.
const NO_LEADER_CHANGE: i32 = -2;

impl MetadataRecord {
    /// The record as Kafka's.
    pub fn to_record(&self) -> Record {
        match self {
            MetadataRecord::Topic { name, topic_id } => TopicRecord {
                name: name.to_string(),
                topic_id: Uuid::from(*topic_id),
                ..TopicRecord::default()
            }
            .into(),
            MetadataRecord::Partition {
                topic_id,
                partition,
                replicas,
                isr,
                leader,
                leader_epoch,
                directories,
            } => PartitionRecord {
                partition_id: *partition,
                topic_id: Uuid::from(*topic_id),
                replicas: ids(replicas),
                isr: ids(isr),
                leader: leader.0,
                leader_epoch: leader_epoch.0,
                partition_epoch: 0,
                directories: directories.iter().copied().map(Uuid::from).collect(),
                ..PartitionRecord::default()
            }
            .into(),
            MetadataRecord::PartitionChange { topic_id, partition, isr, leader } => {
                PartitionChangeRecord {
                    partition_id: *partition,
                    topic_id: Uuid::from(*topic_id),
                    isr: isr.as_deref().map(ids),
                    leader: leader.map_or(NO_LEADER_CHANGE, |leader| leader.0),
                    ..PartitionChangeRecord::default()
                }
                .into()
            }
            MetadataRecord::TopicConfig { topic, name, value } => {
                config(TOPIC_RESOURCE, topic, name, value.as_ref())
            }
            MetadataRecord::BrokerConfig { name, value } => {
                config(BROKER_RESOURCE, "", name, value.as_ref())
            }
            MetadataRecord::RemoveTopic { topic_id } => RemoveTopicRecord {
                topic_id: Uuid::from(*topic_id),
                ..RemoveTopicRecord::default()
            }
            .into(),
            MetadataRecord::ProducerIds { broker_id, broker_epoch, next_producer_id } => {
                ProducerIdsRecord {
                    broker_id: broker_id.0,
                    broker_epoch: *broker_epoch,
                    next_producer_id: next_producer_id.0,
                    ..ProducerIdsRecord::default()
                }
                .into()
            }
            MetadataRecord::Other(record) => record.clone(),
        }
    }

    /// What Kafka's record says. One that is of no account here is kept as it is.
    pub fn from_record(record: Record) -> Self {
        match &record.message {
            Message::TopicRecord(topic) => MetadataRecord::Topic {
                name: TopicName::from(topic.name.as_str()),
                topic_id: topic.topic_id.into(),
            },
            Message::PartitionRecord(partition) => MetadataRecord::Partition {
                topic_id: partition.topic_id.into(),
                partition: partition.partition_id,
                replicas: brokers(&partition.replicas),
                isr: brokers(&partition.isr),
                leader: BrokerId(partition.leader),
                leader_epoch: LeaderEpoch(partition.leader_epoch),
                directories: partition.directories.iter().map(|id| (*id).into()).collect(),
            },
            Message::PartitionChangeRecord(change) => MetadataRecord::PartitionChange {
                topic_id: change.topic_id.into(),
                partition: change.partition_id,
                isr: change.isr.as_deref().map(brokers),
                leader: (change.leader != NO_LEADER_CHANGE).then_some(BrokerId(change.leader)),
            },
            Message::RemoveTopicRecord(removed) => {
                MetadataRecord::RemoveTopic { topic_id: removed.topic_id.into() }
            }
            Message::ProducerIdsRecord(block) => MetadataRecord::ProducerIds {
                broker_id: BrokerId(block.broker_id),
                broker_epoch: block.broker_epoch,
                next_producer_id: ProducerId(block.next_producer_id),
            },
            Message::ConfigRecord(config) => {
                config_of(config).unwrap_or(MetadataRecord::Other(record.clone()))
            }
            _ => MetadataRecord::Other(record),
        }
    }
}

fn config(resource_type: i8, of: &str, name: &str, value: Option<&ConfigValue>) -> Record {
    let value = value.map(|value| value.as_str().to_owned());
    let (resource_name, name) = (of.to_owned(), name.to_owned());
    ConfigRecord { resource_type, resource_name, name, value, ..ConfigRecord::default() }.into()
}

/// A config that this crate knows, of a topic or of all brokers.
fn config_of(config: &ConfigRecord) -> Option<MetadataRecord> {
    let name = config.name.clone();
    let parse = |parse: fn(&str, &str) -> Result<ConfigValue, ConfigError>| {
        let value = config.value.as_deref();
        value.map_or(Some(None), |value| parse(&name, value).ok().map(Some))
    };
    match config.resource_type {
        TOPIC_RESOURCE => {
            let (topic, value) = (config.resource_name.as_str(), parse(parse_topic_override)?);
            Some(MetadataRecord::TopicConfig { topic: TopicName::from(topic), name, value })
        }
        BROKER_RESOURCE if config.resource_name.is_empty() => {
            let value = parse(parse_broker_override)?;
            Some(MetadataRecord::BrokerConfig { name, value })
        }
        _ => None,
    }
}

fn ids(brokers: &[BrokerId]) -> Vec<i32> {
    brokers.iter().map(|broker| broker.0).collect()
}

fn brokers(ids: &[i32]) -> Vec<BrokerId> {
    ids.iter().copied().map(BrokerId).collect()
}
