//! The controller: decides about topics, partitions and configs.
//!
//! Each function takes the image and a request, and returns the records to append with the
//! answer. It changes nothing itself: only replaying the records does.

use std::collections::{BTreeMap, BTreeSet};

use super::metadata::{MetadataImage, MetadataRecord};
use crate::api::{
    CreatableTopic, CreatableTopicResult, CreatePartitionsRequest, CreatePartitionsResponse,
    CreatePartitionsTopic, CreateTopicsRequest, CreateTopicsResponse, DeleteTopicsRequest,
    DeleteTopicsResponse, TopicRef, TopicResult,
};
use crate::config::{BrokerConfig, Overrides, parse_topic_overrides};
use crate::error::ErrorCode;
use crate::random::Random;
use crate::topic;
use crate::types::{BrokerId, LeaderEpoch, TopicId, TopicName};

/// The most partitions that one request may create, as in Kafka's controller.
const MAX_PARTITIONS_PER_BATCH: i64 = 10_000;

/// The topics that Kafka itself owns.
pub fn is_internal(topic: &str) -> bool {
    matches!(topic, "__consumer_offsets" | "__transaction_state" | "__share_group_state")
}

/// Why a request about one topic was refused.
type Refusal = (ErrorCode, String);

/// A topic that may be created: its configs, and the replicas of each partition.
struct TopicPlan {
    configs: Overrides,
    replicas: Vec<Vec<BrokerId>>,
}

/// What the controller needs to know beside the image.
pub struct ControllerContext<'a> {
    pub image: &'a MetadataImage,
    pub config: &'a BrokerConfig,
    /// The brokers that may hold replicas, in the order of their ids.
    pub brokers: &'a [BrokerId],
}

impl ControllerContext<'_> {
    pub fn create_topics(
        &self,
        request: &CreateTopicsRequest,
        ids: &mut Random,
    ) -> (Vec<MetadataRecord>, CreateTopicsResponse) {
        let mut records = Vec::new();
        let mut seen = BTreeMap::new();
        for topic in &request.topics {
            *seen.entry(topic.name.clone()).or_insert(0) += 1;
        }
        let mut created: Vec<TopicName> = Vec::new();
        let mut planned = 0;
        let mut topics = Vec::new();
        for topic in &request.topics {
            let name = topic.name.clone();
            if seen.get(&name).is_some_and(|&count| count > 1) {
                if seen.insert(name.clone(), i32::MAX) != Some(i32::MAX) {
                    let why = format!("topic '{name}' stands in the request more than once");
                    topics.push(refused(name, (ErrorCode::InvalidRequest, why)));
                }
                continue;
            }
            let plan = self.plan_topic(topic, &created).and_then(|plan| {
                planned += plan.replicas.len() as i64;
                check_batch_size(planned).map(|()| plan)
            });
            match plan {
                Err(refusal) => topics.push(refused(name, refusal)),
                Ok(plan) => {
                    let topic_id = new_topic_id(self.image, ids);
                    created.push(name.clone());
                    topics.push(CreatableTopicResult {
                        name: name.clone(),
                        topic_id,
                        error_code: ErrorCode::None,
                        error_message: None,
                        num_partitions: plan.replicas.len() as i32,
                        replication_factor: plan.replicas.first().map_or(-1, |r| r.len() as i16),
                    });
                    records.push(MetadataRecord::Topic { name: name.clone(), topic_id });
                    for (config, value) in plan.configs.iter() {
                        records.push(MetadataRecord::TopicConfig {
                            topic: name.clone(),
                            name: config.clone(),
                            value: Some(value.clone()),
                        });
                    }
                    records.extend(partition_records(topic_id, 0, plan.replicas));
                }
            }
        }
        if request.validate_only {
            records.clear();
            for topic in &mut topics {
                topic.topic_id = TopicId::ZERO;
            }
        }
        (records, CreateTopicsResponse { topics })
    }

    /// Checks one topic and chooses the replicas of each partition.
    fn plan_topic(
        &self,
        topic: &CreatableTopic,
        created: &[TopicName],
    ) -> Result<TopicPlan, Refusal> {
        let name = &topic.name;
        topic::validate_name(name)
            .map_err(|error| (ErrorCode::InvalidTopicException, error.to_string()))?;
        if self.image.topic(name).is_some() || created.contains(name) {
            return Err((ErrorCode::TopicAlreadyExists, format!("topic '{name}' already exists")));
        }
        let existing = self.image.topics().map(|(other, _)| other);
        if let Some(other) = existing.chain(created).find(|other| topic::collide(other, name)) {
            let why = format!("topic '{name}' collides with '{other}': '.' and '_' count as one");
            return Err((ErrorCode::InvalidTopicException, why));
        }
        let mut given = Vec::new();
        for (config, value) in &topic.configs {
            let Some(value) = value else {
                let why = format!("topic config '{config}' has no value");
                return Err((ErrorCode::InvalidConfig, why));
            };
            given.push((config, value));
        }
        let configs =
            parse_topic_overrides(given).map_err(|error| (error.code(), error.to_string()))?;
        if !topic.assignments.is_empty() {
            if topic.num_partitions != -1 || topic.replication_factor != -1 {
                let why = "with assignments, the number of partitions and replicas must be -1";
                return Err((ErrorCode::InvalidRequest, why.to_owned()));
            }
            self.check_assignments(&topic.assignments, None)?;
            return Ok(TopicPlan { configs, replicas: topic.assignments.clone() });
        }
        let factor = match topic.replication_factor {
            -1 => i64::from(self.config.default_replication_factor),
            factor => i64::from(factor),
        };
        let count = match topic.num_partitions {
            -1 => i64::from(self.config.num_partitions),
            count => i64::from(count),
        };
        if factor < 1 {
            let why = format!("replication factor {factor} is below 1");
            return Err((ErrorCode::InvalidReplicationFactor, why));
        }
        if count < 1 {
            let why = format!("number of partitions {count} is below 1");
            return Err((ErrorCode::InvalidPartitions, why));
        }
        check_batch_size(count)?;
        let replicas = self.place(0, count as usize, factor as usize)?;
        Ok(TopicPlan { configs, replicas })
    }

    /// Chooses replicas for new partitions, one broker after the other.
    fn place(
        &self,
        first: usize,
        count: usize,
        factor: usize,
    ) -> Result<Vec<Vec<BrokerId>>, Refusal> {
        let brokers = self.brokers;
        if factor > brokers.len() {
            let why = format!("replication factor {factor} is above the {} brokers", brokers.len());
            return Err((ErrorCode::InvalidReplicationFactor, why));
        }
        let replicas = |p: usize| (0..factor).map(|i| brokers[(p + i) % brokers.len()]).collect();
        Ok((first..first + count).map(replicas).collect())
    }

    fn check_assignments(
        &self,
        assignments: &[Vec<BrokerId>],
        factor: Option<usize>,
    ) -> Result<(), Refusal> {
        let factor = factor.or(assignments.first().map(Vec::len)).unwrap_or(0);
        for replicas in assignments {
            let distinct: BTreeSet<_> = replicas.iter().collect();
            let unknown = replicas.iter().find(|broker| !self.brokers.contains(broker));
            let why = if replicas.is_empty() {
                "a partition is assigned to no broker".to_owned()
            } else if distinct.len() < replicas.len() {
                "a partition is assigned to one broker twice".to_owned()
            } else if let Some(broker) = unknown {
                format!("a partition is assigned to broker {broker}, which does not exist")
            } else if replicas.len() != factor {
                "the partitions are assigned to different numbers of brokers".to_owned()
            } else {
                continue;
            };
            return Err((ErrorCode::InvalidReplicaAssignment, why));
        }
        Ok(())
    }

    pub fn delete_topics(
        &self,
        request: &DeleteTopicsRequest,
    ) -> (Vec<MetadataRecord>, DeleteTopicsResponse) {
        let mut records = Vec::new();
        let mut doomed = BTreeSet::new();
        let mut topics = Vec::new();
        for topic in &request.topics {
            let (name, id) = match topic {
                TopicRef::Name(name) => (Some(name), self.image.topic(name).map(|t| t.topic_id)),
                TopicRef::Id(id) => (self.image.topic_name(*id), Some(*id)),
            };
            let error_code = match (name, id) {
                (Some(_), Some(id)) if doomed.contains(&id) => ErrorCode::InvalidRequest,
                (Some(_), Some(_)) if !self.config.delete_topic_enable => {
                    ErrorCode::TopicDeletionDisabled
                }
                (Some(_), Some(id)) => {
                    doomed.insert(id);
                    records.push(MetadataRecord::RemoveTopic { topic_id: id });
                    ErrorCode::None
                }
                (_, None) => ErrorCode::UnknownTopicOrPartition,
                (None, Some(_)) => ErrorCode::UnknownTopicId,
            };
            topics.push(TopicResult {
                name: name.cloned(),
                topic_id: id.unwrap_or(TopicId::ZERO),
                error_code,
                error_message: None,
            });
        }
        (records, DeleteTopicsResponse { topics })
    }

    pub fn create_partitions(
        &self,
        request: &CreatePartitionsRequest,
    ) -> (Vec<MetadataRecord>, CreatePartitionsResponse) {
        let mut records = Vec::new();
        let mut topics = Vec::new();
        for topic in &request.topics {
            let (error_code, error_message) = match self.plan_more_partitions(topic) {
                Ok(more) => {
                    records.extend(more);
                    (ErrorCode::None, None)
                }
                Err((code, why)) => (code, Some(why)),
            };
            let topic_id = self.image.topic(&topic.name).map_or(TopicId::ZERO, |t| t.topic_id);
            let name = Some(topic.name.clone());
            topics.push(TopicResult { name, topic_id, error_code, error_message });
        }
        if request.validate_only {
            records.clear();
        }
        (records, CreatePartitionsResponse { topics })
    }

    fn plan_more_partitions(
        &self,
        topic: &CreatePartitionsTopic,
    ) -> Result<Vec<MetadataRecord>, Refusal> {
        let name = &topic.name;
        let Some(image) = self.image.topic(name) else {
            let why = format!("topic '{name}' does not exist");
            return Err((ErrorCode::UnknownTopicOrPartition, why));
        };
        let current = image.partitions.len();
        let wanted = i64::from(topic.count);
        if wanted <= current as i64 {
            let why = format!(
                "topic '{name}' has {current} partitions; {wanted} would not be more, and \
                 partitions are never removed"
            );
            return Err((ErrorCode::InvalidPartitions, why));
        }
        let more = wanted - current as i64;
        check_batch_size(more)?;
        let factor = image.partitions.values().next().map_or(1, |p| p.replicas.len());
        let plan = if topic.assignments.is_empty() {
            self.place(current, more as usize, factor)?
        } else {
            if topic.assignments.len() as i64 != more {
                let why = format!(
                    "{more} new partitions, but assignments for {}",
                    topic.assignments.len()
                );
                return Err((ErrorCode::InvalidReplicaAssignment, why));
            }
            self.check_assignments(&topic.assignments, Some(factor))?;
            topic.assignments.clone()
        };
        Ok(partition_records(image.topic_id, current as i32, plan).collect())
    }
}

fn check_batch_size(partitions: i64) -> Result<(), Refusal> {
    if partitions <= MAX_PARTITIONS_PER_BATCH {
        return Ok(());
    }
    let why = format!("{partitions} partitions at once; at most {MAX_PARTITIONS_PER_BATCH}");
    Err((ErrorCode::PolicyViolation, why))
}

fn refused(name: TopicName, (error_code, message): Refusal) -> CreatableTopicResult {
    CreatableTopicResult {
        name,
        topic_id: TopicId::ZERO,
        error_code,
        error_message: Some(message),
        num_partitions: -1,
        replication_factor: -1,
    }
}

fn partition_records(
    topic_id: TopicId,
    first: i32,
    plan: Vec<Vec<BrokerId>>,
) -> impl Iterator<Item = MetadataRecord> {
    (first..).zip(plan).map(move |(partition, replicas)| MetadataRecord::Partition {
        topic_id,
        partition,
        leader: replicas[0],
        isr: replicas.clone(),
        replicas,
        leader_epoch: LeaderEpoch(0),
    })
}

/// A version-4 UUID as Kafka draws them: never one that prints with a leading dash, none reserved,
/// none in use.
fn new_topic_id(image: &MetadataImage, ids: &mut Random) -> TopicId {
    loop {
        let bits = ids.bits128() & !(0xf << 76) & !(0x3 << 62) | 0x4 << 76 | 0x2 << 62;
        let id = TopicId(bits);
        if !id.to_string().starts_with('-') && image.topic_name(id).is_none() {
            return id;
        }
    }
}
