//! The controller's decisions as Kafka's metadata records, and back.

use super::metadata::MetadataRecord;
use crate::config::{ConfigValue, parse_broker_override, parse_topic_override};
use crate::metadata::{Message, Value};
use crate::types::{BrokerId, LeaderEpoch, TopicId, TopicName};

/// What stands in a config record for a topic and for a broker.
const TOPIC_RESOURCE: i64 = 2;
const BROKER_RESOURCE: i64 = 4;

/// The leader that a change of a partition names when it stays.
const NO_LEADER_CHANGE: i64 = -2;

impl MetadataRecord {
    /// The record as Kafka's.
    pub fn to_message(&self) -> Message {
        match self {
            MetadataRecord::Topic { name, topic_id } => Message::new("TOPIC_RECORD")
                .with("name", Value::String(name.to_string()))
                .with("topicId", Value::Uuid(*topic_id)),
            MetadataRecord::Partition {
                topic_id,
                partition,
                replicas,
                isr,
                leader,
                leader_epoch,
                directories,
            } => Message::new("PARTITION_RECORD")
                .with("partitionId", Value::Int(i64::from(*partition)))
                .with("topicId", Value::Uuid(*topic_id))
                .with("replicas", ids(replicas))
                .with("isr", ids(isr))
                .with("leader", Value::Int(i64::from(leader.0)))
                .with("leaderEpoch", Value::Int(i64::from(leader_epoch.0)))
                .with("partitionEpoch", Value::Int(0))
                .with(
                    "directories",
                    Value::Array(directories.iter().map(|id| Value::Uuid(*id)).collect()),
                ),
            MetadataRecord::PartitionChange { topic_id, partition, isr, leader } => {
                let message = Message::new("PARTITION_CHANGE_RECORD")
                    .with("partitionId", Value::Int(i64::from(*partition)))
                    .with("topicId", Value::Uuid(*topic_id))
                    .with("isr", isr.as_ref().map_or(Value::Null, |isr| ids(isr)));
                match leader {
                    Some(leader) => message.with("leader", Value::Int(i64::from(leader.0))),
                    None => message,
                }
            }
            MetadataRecord::TopicConfig { topic, name, value } => {
                config(TOPIC_RESOURCE, topic, name, value.as_ref())
            }
            MetadataRecord::BrokerConfig { name, value } => {
                config(BROKER_RESOURCE, "", name, value.as_ref())
            }
            MetadataRecord::RemoveTopic { topic_id } => {
                Message::new("REMOVE_TOPIC_RECORD").with("topicId", Value::Uuid(*topic_id))
            }
            MetadataRecord::Other(message) => message.clone(),
        }
    }

    /// What Kafka's record says. One that is of no account here is kept as it is.
    pub fn from_message(message: Message) -> Self {
        let number = |field: &str| message.get(field).int() as i32;
        let topic_id = message.get("topicId").uuid();
        let text = |field: &str| message.get(field).text().unwrap_or_default().to_owned();
        match message.name() {
            Some("TOPIC_RECORD") => {
                MetadataRecord::Topic { name: TopicName::from(text("name")), topic_id }
            }
            Some("PARTITION_RECORD") => MetadataRecord::Partition {
                topic_id,
                partition: number("partitionId"),
                replicas: brokers(message.get("replicas")).unwrap_or_default(),
                isr: brokers(message.get("isr")).unwrap_or_default(),
                leader: BrokerId(number("leader")),
                leader_epoch: LeaderEpoch(number("leaderEpoch")),
                directories: directories(message.get("directories")),
            },
            Some("PARTITION_CHANGE_RECORD") => {
                let leader = message.get("leader").int();
                MetadataRecord::PartitionChange {
                    topic_id,
                    partition: number("partitionId"),
                    isr: brokers(message.get("isr")),
                    leader: (leader != NO_LEADER_CHANGE).then_some(BrokerId(leader as i32)),
                }
            }
            Some("REMOVE_TOPIC_RECORD") => MetadataRecord::RemoveTopic { topic_id },
            Some("CONFIG_RECORD") => config_of(message),
            _ => MetadataRecord::Other(message),
        }
    }
}

fn config(resource: i64, of: &str, name: &str, value: Option<&ConfigValue>) -> Message {
    let text = |text: &str| Value::String(text.to_owned());
    Message::new("CONFIG_RECORD")
        .with("resourceType", Value::Int(resource))
        .with("resourceName", text(of))
        .with("name", text(name))
        .with("value", value.map_or(Value::Null, |value| text(value.as_str())))
}

/// A config that this crate knows, of a topic or of all brokers.
fn config_of(message: Message) -> MetadataRecord {
    let text = |field: &str| message.get(field).text().unwrap_or_default().to_owned();
    let (resource, name, of) =
        (message.get("resourceType").int(), text("name"), text("resourceName"));
    let parse =
        |parse: fn(&str, &str) -> Result<ConfigValue, crate::config::ConfigError>| match message
            .get("value")
            .text()
        {
            None => Some(None),
            Some(value) => parse(&name, value).ok().map(Some),
        };
    match resource {
        TOPIC_RESOURCE => match parse(parse_topic_override) {
            Some(value) => MetadataRecord::TopicConfig { topic: TopicName::from(of), name, value },
            None => MetadataRecord::Other(message),
        },
        BROKER_RESOURCE if of.is_empty() => match parse(parse_broker_override) {
            Some(value) => MetadataRecord::BrokerConfig { name, value },
            None => MetadataRecord::Other(message),
        },
        _ => MetadataRecord::Other(message),
    }
}

fn ids(brokers: &[BrokerId]) -> Value {
    Value::Array(brokers.iter().map(|broker| Value::Int(i64::from(broker.0))).collect())
}

fn brokers(value: &Value) -> Option<Vec<BrokerId>> {
    Some(value.items()?.iter().map(|id| BrokerId(id.int() as i32)).collect())
}

fn directories(value: &Value) -> Vec<TopicId> {
    value.items().unwrap_or_default().iter().map(Value::uuid).collect()
}
