//! The controller: decides about topics, partitions and configs.
//!
//! Each function takes the image and a request, and returns the records to append with the
//! answer. It changes nothing itself: only replaying the records does.
//!
//! # Simplifications versus Kafka
//!
//! Replicas are placed by turns from the first broker on; Kafka's placer begins at a random one.
//! There are no policies for topics and configs, and no quotas on changes.

use std::collections::{BTreeMap, BTreeSet};

use super::metadata::{MetadataImage, MetadataRecord, PartitionImage};
use crate::api::{
    CreatableTopic, CreatableTopicResult, CreatePartitionsRequest, CreatePartitionsResponse,
    CreatePartitionsTopic, CreateTopicsRequest, CreateTopicsResponse, DeleteTopicsRequest,
    DeleteTopicsResponse, TopicResult,
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

/// The leader of a partition that has none.
const NO_LEADER: BrokerId = BrokerId(-1);

/// Why a request about one topic was refused.
type TopicRefusal = (ErrorCode, String);

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
    /// Where each of them keeps its replicas.
    pub directory_id: TopicId,
}

impl ControllerContext<'_> {
    pub fn create_topics(
        &self,
        request: &CreateTopicsRequest,
        ids: &mut Random,
    ) -> (Vec<MetadataRecord>, CreateTopicsResponse) {
        let mut times: BTreeMap<&TopicName, u32> = BTreeMap::new();
        for topic in &request.topics {
            *times.entry(&topic.name).or_default() += 1;
        }
        let mut records = Vec::new();
        let mut created: Vec<TopicName> = Vec::new();
        let mut partitions = 0;
        let mut topics = Vec::new();
        for topic in &request.topics {
            let name = &topic.name;
            // A name that stands more than once is refused, once.
            let plan = match times.insert(name, 0) {
                Some(0) => continue,
                Some(1) => self.plan_topic(topic, &created),
                _ => {
                    let why = format!("topic '{name}' stands in the request more than once");
                    Err((ErrorCode::InvalidRequest, why))
                }
            };
            let plan = plan.and_then(|plan| {
                partitions += plan.replicas.len() as i64;
                check_batch_size(partitions).map(|()| plan)
            });
            topics.push(match plan {
                Err(refusal) => refused(name.clone(), refusal),
                Ok(plan) => {
                    let topic_id = new_topic_id(self.image, ids);
                    let answer = plan.answer(name, topic_id);
                    records.extend(plan.records(name, topic_id, self.directory_id));
                    created.push(name.clone());
                    answer
                }
            });
        }
        (records, CreateTopicsResponse { topics })
    }

    /// Checks one topic and chooses the replicas of each partition.
    fn plan_topic(
        &self,
        topic: &CreatableTopic,
        created: &[TopicName],
    ) -> Result<TopicPlan, TopicRefusal> {
        self.check_name(&topic.name, created)?;
        let configs = check_configs(&topic.configs)?;
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

    fn check_name(&self, name: &TopicName, created: &[TopicName]) -> Result<(), TopicRefusal> {
        topic::validate_name(name)
            .map_err(|error| (ErrorCode::InvalidTopicException, error.to_string()))?;
        if self.image.topic(name).is_some() || created.contains(name) {
            return Err((ErrorCode::TopicAlreadyExists, format!("topic '{name}' already exists")));
        }
        let existing = self.image.topics().map(|(other, _)| other);
        match existing.chain(created).find(|other| topic::collide(other, name)) {
            None => Ok(()),
            Some(other) => {
                let why =
                    format!("topic '{name}' collides with '{other}': '.' and '_' count as one");
                Err((ErrorCode::InvalidTopicException, why))
            }
        }
    }

    /// Chooses replicas for new partitions, one broker after the other.
    fn place(
        &self,
        first: usize,
        count: usize,
        factor: usize,
    ) -> Result<Vec<Vec<BrokerId>>, TopicRefusal> {
        let brokers = self.brokers;
        if factor > brokers.len() {
            let why = format!("replication factor {factor} is above the {} brokers", brokers.len());
            return Err((ErrorCode::InvalidReplicationFactor, why));
        }
        let replicas = |p: usize| (0..factor).map(|i| brokers[(p + i) % brokers.len()]).collect();
        Ok((first..first + count).map(replicas).collect())
    }

    pub fn delete_topics(
        &self,
        request: &DeleteTopicsRequest,
    ) -> (Vec<MetadataRecord>, DeleteTopicsResponse) {
        let mut records = Vec::new();
        let mut doomed = BTreeSet::new();
        let mut topics = Vec::new();
        for name in &request.topics {
            let id = self.image.topic(name).map(|topic| topic.topic_id);
            let error_code = match id {
                None => ErrorCode::UnknownTopicOrPartition,
                Some(id) if doomed.contains(&id) => ErrorCode::InvalidRequest,
                Some(_) if !self.config.delete_topic_enable => ErrorCode::TopicDeletionDisabled,
                Some(topic_id) => {
                    doomed.insert(topic_id);
                    records.push(MetadataRecord::RemoveTopic { topic_id });
                    ErrorCode::None
                }
            };
            topics.push(TopicResult {
                name: Some(name.clone()),
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
        (records, CreatePartitionsResponse { topics })
    }

    fn plan_more_partitions(
        &self,
        topic: &CreatePartitionsTopic,
    ) -> Result<Vec<MetadataRecord>, TopicRefusal> {
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
        let plan = self.place(current, more as usize, factor)?;
        let directory = self.directory_id;
        Ok(partition_records(image.topic_id, current as i32, plan, directory).collect())
    }

    /// A broker is gone: the partitions that it led have no leader, in a new epoch.
    pub fn fence(&self, gone: BrokerId) -> Vec<MetadataRecord> {
        self.lead_anew(|partition| (partition.leader == gone).then_some(NO_LEADER))
    }

    /// A broker is back: it leads the partitions that have no leader and whose records it has, in a
    /// new epoch.
    pub fn unfence(&self, back: BrokerId) -> Vec<MetadataRecord> {
        self.lead_anew(|partition| {
            // Kafka empties the set of those in sync when the last one goes, and remembers it.
            let in_sync = match partition.isr.is_empty() {
                true => partition.replicas == [back],
                false => partition.isr.contains(&back),
            };
            (partition.leader == NO_LEADER && in_sync).then_some(back)
        })
    }

    fn lead_anew(
        &self,
        new_leader: impl Fn(&PartitionImage) -> Option<BrokerId>,
    ) -> Vec<MetadataRecord> {
        let mut records = Vec::new();
        for (_, topic) in self.image.topics() {
            for (&partition, image) in &topic.partitions {
                let Some(new_leader) = new_leader(image) else { continue };
                records.push(MetadataRecord::PartitionChange {
                    topic_id: topic.topic_id,
                    partition,
                    isr: (new_leader.0 >= 0 && image.isr.is_empty()).then(|| vec![new_leader]),
                    leader: Some(new_leader),
                });
            }
        }
        records
    }
}

impl TopicPlan {
    fn answer(&self, name: &TopicName, topic_id: TopicId) -> CreatableTopicResult {
        CreatableTopicResult {
            name: name.clone(),
            topic_id,
            error_code: ErrorCode::None,
            error_message: None,
            num_partitions: self.replicas.len() as i32,
            replication_factor: self.replicas.first().map_or(-1, |first| first.len() as i16),
        }
    }

    fn records(
        self,
        name: &TopicName,
        topic_id: TopicId,
        directory: TopicId,
    ) -> Vec<MetadataRecord> {
        let mut records = vec![MetadataRecord::Topic { name: name.clone(), topic_id }];
        records.extend(self.configs.iter().map(|(config, value)| MetadataRecord::TopicConfig {
            topic: name.clone(),
            name: config.clone(),
            value: Some(value.clone()),
        }));
        records.extend(partition_records(topic_id, 0, self.replicas, directory));
        records
    }
}

fn check_configs(given: &[(String, Option<String>)]) -> Result<Overrides, TopicRefusal> {
    let mut pairs = Vec::new();
    for (name, value) in given {
        let Some(value) = value else {
            let why = format!("topic config '{name}' has no value");
            return Err((ErrorCode::InvalidConfig, why));
        };
        pairs.push((name, value));
    }
    parse_topic_overrides(pairs).map_err(|error| (error.code(), error.to_string()))
}

fn check_batch_size(partitions: i64) -> Result<(), TopicRefusal> {
    if partitions <= MAX_PARTITIONS_PER_BATCH {
        return Ok(());
    }
    let why = format!("{partitions} partitions at once; at most {MAX_PARTITIONS_PER_BATCH}");
    Err((ErrorCode::PolicyViolation, why))
}

fn refused(name: TopicName, (error_code, message): TopicRefusal) -> CreatableTopicResult {
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
    directory: TopicId,
) -> impl Iterator<Item = MetadataRecord> {
    (first..).zip(plan).map(move |(partition, replicas)| MetadataRecord::Partition {
        topic_id,
        partition,
        leader: replicas[0],
        isr: replicas.clone(),
        directories: vec![directory; replicas.len()],
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
