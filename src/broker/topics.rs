//! Metadata, and the requests that change topics.

use std::sync::Arc;

use super::controller::{ControllerContext, is_internal};
use super::metadata::TopicImage;
use super::{Broker, BrokerEvent};
use crate::api::{
    CreatableTopic, CreatePartitionsRequest, CreatePartitionsResponse, CreateTopicsRequest,
    CreateTopicsResponse, DeleteTopicsRequest, DeleteTopicsResponse, MetadataBroker,
    MetadataPartition, MetadataRequest, MetadataResponse, MetadataTopic,
};
use crate::error::ErrorCode;
use crate::topic;
use crate::types::{Time, TopicId, TopicName};

impl Broker {
    pub(super) fn metadata(&mut self, now: Time, request: &MetadataRequest) -> MetadataResponse {
        let topics = match &request.topics {
            None => {
                let names: Vec<TopicName> =
                    self.image.topics().map(|(name, _)| name.clone()).collect();
                names.iter().map(|name| self.describe_topic(now, name, false)).collect()
            }
            Some(names) => {
                let may_create = request.allow_auto_topic_creation;
                names.iter().map(|name| self.describe_topic(now, name, may_create)).collect()
            }
        };
        MetadataResponse {
            brokers: vec![MetadataBroker {
                node_id: self.id,
                host: "127.0.0.1".to_owned(),
                port: 9092,
            }],
            cluster_id: self.cluster_id.clone(),
            controller_id: self.id,
            topics,
        }
    }

    fn describe_topic(
        &mut self,
        now: Time,
        name: &TopicName,
        may_create: bool,
    ) -> Arc<MetadataTopic> {
        if let Some(described) = self.described.get(name) {
            return described.clone();
        }
        if let Some(image) = self.image.topic(name) {
            let described = Arc::new(describe(name, image));
            self.described.insert(name.clone(), described.clone());
            return described;
        }
        let error_code = if topic::validate_name(name).is_err() {
            ErrorCode::InvalidTopicException
        } else if may_create && self.config.auto_create_topics_enable {
            self.auto_create(now, name)
        } else {
            ErrorCode::UnknownTopicOrPartition
        };
        Arc::new(MetadataTopic {
            error_code,
            name: name.clone(),
            topic_id: TopicId::ZERO,
            is_internal: is_internal(name),
            partitions: Vec::new(),
        })
    }

    /// Creates a topic that a client asked about. This answer still says that there is none,
    /// whatever became of the creation, as in Kafka; the client asks again, and finds it.
    fn auto_create(&mut self, now: Time, name: &TopicName) -> ErrorCode {
        let topic = CreatableTopic {
            name: name.clone(),
            num_partitions: -1,
            replication_factor: -1,
            configs: Vec::new(),
        };
        self.create_topics(now, &CreateTopicsRequest { topics: vec![topic] });
        ErrorCode::UnknownTopicOrPartition
    }

    pub(super) fn controller(&self) -> ControllerContext<'_> {
        ControllerContext {
            image: &self.image,
            config: &self.config,
            brokers: std::slice::from_ref(&self.id),
            directory_id: self.directory_id,
        }
    }

    pub(super) fn create_topics(
        &mut self,
        now: Time,
        request: &CreateTopicsRequest,
    ) -> CreateTopicsResponse {
        let mut ids = self.topic_ids.clone();
        let (records, mut response) = self.controller().create_topics(request, &mut ids);
        self.topic_ids = ids;
        if let Err(error) = self.commit(now, &records) {
            response.topics.iter_mut().for_each(|topic| topic.fail(error));
        }
        for created in response.topics.iter().filter(|topic| topic.error_code.is_none()) {
            let partitions = created.num_partitions as u32;
            self.event(BrokerEvent::TopicCreated { topic: created.name.clone(), partitions });
        }
        response
    }

    pub(super) fn delete_topics(
        &mut self,
        now: Time,
        request: &DeleteTopicsRequest,
    ) -> DeleteTopicsResponse {
        let (records, mut response) = self.controller().delete_topics(request);
        let mut gone: Vec<_> = self.partitions.keys().cloned().collect();
        if let Err(error) = self.commit(now, &records) {
            response.topics.iter_mut().for_each(|topic| topic.fail(error));
        }
        gone.retain(|name| !self.partitions.contains_key(name));
        let mut deleted = Vec::new();
        for topic in response.topics.iter().filter(|topic| topic.error_code.is_none()) {
            if let Some(name) = topic.name.clone() {
                deleted.push((name.clone(), topic.topic_id));
                self.event(BrokerEvent::TopicDeleted { topic: name });
            }
        }
        for partition in &gone {
            self.wake_fetches(partition);
            self.unload_groups(now, partition);
        }
        self.forget_offsets(now, &deleted);
        response
    }

    pub(super) fn create_partitions(
        &mut self,
        now: Time,
        request: &CreatePartitionsRequest,
    ) -> CreatePartitionsResponse {
        let (records, mut response) = self.controller().create_partitions(request);
        if let Err(error) = self.commit(now, &records) {
            response.topics.iter_mut().for_each(|topic| topic.fail(error));
        }
        let extended = response.topics.iter().filter(|topic| topic.error_code.is_none());
        for topic in extended.filter_map(|topic| topic.name.clone()) {
            let count = self.image.topic(&topic).map_or(0, |image| image.partitions.len());
            self.event(BrokerEvent::PartitionsAdded { topic, partitions: count as u32 });
        }
        response
    }
}

fn describe(name: &TopicName, image: &TopicImage) -> MetadataTopic {
    let partition = |(&index, p): (&i32, &super::metadata::PartitionImage)| MetadataPartition {
        error_code: if p.leader.0 < 0 { ErrorCode::LeaderNotAvailable } else { ErrorCode::None },
        partition_index: index,
        leader_id: p.leader,
        leader_epoch: p.leader_epoch,
        replica_nodes: p.replicas.clone(),
        isr_nodes: p.isr.clone(),
    };
    MetadataTopic {
        error_code: ErrorCode::None,
        name: name.clone(),
        topic_id: image.topic_id,
        is_internal: is_internal(name),
        partitions: image.partitions.iter().map(partition).collect(),
    }
}
