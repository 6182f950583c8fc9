//! The admin's handle.

use std::sync::Arc;

use super::driver::Handle;
use super::entry::Shared;
use crate::api::{
    AlterConfigOp, AlterConfigsResource, AlterableConfig, ConfigResourceType, CreatableTopic,
    CreatePartitionsRequest, CreatePartitionsTopic, CreateTopicsRequest, DeleteTopicsRequest,
    DescribeConfigsRequest, DescribeConfigsResource, IncrementalAlterConfigsRequest,
    MetadataPartition, MetadataRequest, MetadataResponse, Request, Response,
};
use crate::client::{ClientId, Outcome};
use crate::config::ConfigEntry;
use crate::error::{Error, ErrorCode};
use crate::sim::Call;
use crate::types::{BrokerId, LeaderEpoch, Time, TopicId, TopicName};

/// A topic as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicDescription {
    /// Its name.
    pub name: String,
    /// Its id.
    pub topic_id: TopicId,
    /// Whether Kafka itself owns it.
    pub is_internal: bool,
    /// Its partitions, by number.
    pub partitions: Vec<PartitionDescription>,
}

/// A partition as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartitionDescription {
    /// Its number, from 0.
    pub partition: i32,
    /// The broker that leads it, if there is one.
    pub leader: Option<BrokerId>,
    /// How often the leadership has been given out.
    pub leader_epoch: LeaderEpoch,
    /// The brokers that hold it.
    pub replicas: Vec<BrokerId>,
    /// Those of them that are in sync.
    pub isr: Vec<BrokerId>,
}

/// Creates, describes and changes topics.
#[derive(Debug)]
pub struct Admin {
    shared: Arc<Shared>,
    handle: Handle,
}

/// How a topic is to be.
#[derive(Clone, Debug)]
pub struct TopicSpec {
    partitions: i32,
    replication_factor: i16,
    configs: Vec<(String, Option<String>)>,
}

impl TopicSpec {
    /// So many partitions, and the broker's default for the rest.
    #[must_use]
    pub fn partitions(partitions: i32) -> Self {
        TopicSpec { partitions, replication_factor: -1, configs: Vec::new() }
    }

    /// So many replicas of each partition; −1 for the broker's default.
    #[must_use]
    pub fn replication_factor(mut self, factor: i16) -> Self {
        self.replication_factor = factor;
        self
    }

    /// A topic config by Kafka's name.
    #[must_use]
    pub fn config(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.configs.push((name.into(), Some(value.into())));
        self
    }
}

impl Admin {
    pub(super) fn new(shared: Arc<Shared>, handle: Handle) -> Self {
        Admin { shared, handle }
    }

    pub(super) fn call(&self, request: Request) -> Result<Response, Error> {
        self.call_someone(request).map(|(_, response)| response)
    }

    /// Makes a call, and says also who has answered it.
    pub(super) fn call_someone(&self, request: Request) -> Result<(BrokerId, Response), Error> {
        let what = request.api_key().name();
        let outcome = self.shared.call(self.handle, Call::Admin(Box::new(request)), what)?;
        match outcome {
            Outcome::Response(broker, response) => Ok((broker, *response)),
            outcome => unreachable!("an admin gets a response, not {outcome:?}"),
        }
    }

    /// Begins a call, for tests that do something in the middle of it.
    #[cfg(test)]
    pub(super) fn begin(&self, request: Request) -> Result<super::Operation<Response>, Error> {
        let what = request.api_key().name();
        let call = |_| Call::Admin(Box::new(request));
        let runner = super::Runner::without_code(&self.shared, self.handle);
        super::Operation::begin(&runner, call, what, |outcome| match outcome {
            Outcome::Response(_, response) => Ok(*response),
            outcome => unreachable!("an admin gets a response, not {outcome:?}"),
        })
    }

    /// The clock.
    pub(super) fn now(&self) -> Result<Time, Error> {
        Ok(self.shared.enter()?.now())
    }

    /// The client's id: for faults, crashes and pauses.
    #[must_use]
    pub fn id(&self) -> ClientId {
        self.handle.id
    }

    /// Creates a topic; gives its id.
    ///
    /// # Errors
    /// Kafka's: `TOPIC_ALREADY_EXISTS`, `INVALID_TOPIC_EXCEPTION`, `INVALID_PARTITIONS`,
    /// `INVALID_REPLICATION_FACTOR`, `INVALID_CONFIG`.
    pub fn create_topic(&self, name: &str, spec: TopicSpec) -> Result<TopicId, Error> {
        let topic = CreatableTopic {
            name: TopicName::from(name),
            num_partitions: spec.partitions,
            replication_factor: spec.replication_factor,
            configs: spec.configs,
        };
        let request = CreateTopicsRequest { topics: vec![topic] };
        let response = self.call(Request::CreateTopics(request))?;
        let Response::CreateTopics(mut response) = response else { mismatch(&response) };
        let created = only(response.topics.pop());
        refused(created.error_code, created.error_message, name)?;
        Ok(created.topic_id)
    }

    /// The names of all topics, in order.
    ///
    /// # Errors
    /// [`Error::Timeout`] after `default.api.timeout.ms`.
    pub fn list_topics(&self) -> Result<Vec<String>, Error> {
        let response = self.metadata(None)?;
        Ok(response.topics.iter().map(|topic| topic.name.to_string()).collect())
    }

    /// A topic's id and partitions.
    ///
    /// # Errors
    /// `UNKNOWN_TOPIC_OR_PARTITION`, `INVALID_TOPIC_EXCEPTION`.
    pub fn describe_topic(&self, name: &str) -> Result<TopicDescription, Error> {
        let topic = only(self.metadata(Some(vec![name.into()]))?.topics.pop());
        refused(topic.error_code, None, name)?;
        let partition = |partition: &MetadataPartition| PartitionDescription {
            partition: partition.partition_index,
            leader: (partition.leader_id.0 >= 0).then_some(partition.leader_id),
            leader_epoch: partition.leader_epoch,
            replicas: partition.replica_nodes.clone(),
            isr: partition.isr_nodes.clone(),
        };
        Ok(TopicDescription {
            name: topic.name.to_string(),
            topic_id: topic.topic_id,
            is_internal: topic.is_internal,
            partitions: topic.partitions.iter().map(partition).collect(),
        })
    }

    pub(super) fn metadata(
        &self,
        topics: Option<Vec<TopicName>>,
    ) -> Result<MetadataResponse, Error> {
        let request = MetadataRequest { topics, allow_auto_topic_creation: false };
        let response = self.call(Request::Metadata(request))?;
        let Response::Metadata(response) = response else { mismatch(&response) };
        Ok(response)
    }

    /// Deletes a topic with all its records.
    ///
    /// # Errors
    /// `UNKNOWN_TOPIC_OR_PARTITION`, `TOPIC_DELETION_DISABLED`.
    pub fn delete_topic(&self, name: &str) -> Result<(), Error> {
        let request = DeleteTopicsRequest { topics: vec![name.into()] };
        let response = self.call(Request::DeleteTopics(request))?;
        let Response::DeleteTopics(mut response) = response else { mismatch(&response) };
        let deleted = only(response.topics.pop());
        refused(deleted.error_code, deleted.error_message, name)
    }

    /// Gives a topic more partitions: `count` in all. Records that are there stay where they are,
    /// so keys may change their partition.
    ///
    /// # Errors
    /// `INVALID_PARTITIONS` when it has as many or more, `UNKNOWN_TOPIC_OR_PARTITION`.
    pub fn create_partitions(&self, name: &str, count: i32) -> Result<(), Error> {
        let topic = CreatePartitionsTopic { name: name.into(), count };
        let request = CreatePartitionsRequest { topics: vec![topic] };
        let response = self.call(Request::CreatePartitions(request))?;
        let Response::CreatePartitions(mut response) = response else { mismatch(&response) };
        let extended = only(response.topics.pop());
        refused(extended.error_code, extended.error_message, name)
    }

    /// A topic's configs, each with its value and where that came from.
    ///
    /// # Errors
    /// `UNKNOWN_TOPIC_OR_PARTITION`.
    pub fn describe_topic_configs(&self, name: &str) -> Result<Vec<ConfigEntry>, Error> {
        self.describe_configs(ConfigResourceType::Topic, name)
    }

    /// A broker's configs, each with its value and where that came from.
    ///
    /// # Errors
    /// `INVALID_REQUEST` for a broker that does not exist.
    pub fn describe_broker_configs(&self, broker: BrokerId) -> Result<Vec<ConfigEntry>, Error> {
        self.describe_configs(ConfigResourceType::Broker, &broker.to_string())
    }

    fn describe_configs(
        &self,
        resource_type: ConfigResourceType,
        name: &str,
    ) -> Result<Vec<ConfigEntry>, Error> {
        let resource_name = name.to_owned();
        let resource = DescribeConfigsResource { resource_type, resource_name };
        let request = DescribeConfigsRequest { resources: vec![resource] };
        let response = self.call(Request::DescribeConfigs(request))?;
        let Response::DescribeConfigs(mut response) = response else { mismatch(&response) };
        let described = only(response.results.pop());
        refused(described.error_code, described.error_message, name)?;
        Ok(described.configs)
    }

    /// Sets configs of a topic; a value of `None` takes one back to its default. All of them, or
    /// none.
    ///
    /// # Errors
    /// `INVALID_CONFIG`, `UNKNOWN_TOPIC_OR_PARTITION`.
    pub fn alter_topic_configs(
        &self,
        name: &str,
        changes: &[(&str, Option<&str>)],
    ) -> Result<(), Error> {
        self.alter_configs(ConfigResourceType::Topic, name, changes)
    }

    /// Sets configs of all brokers, likewise.
    ///
    /// # Errors
    /// `INVALID_CONFIG` for a name that is not known, `INVALID_REQUEST` for a config that a running
    /// broker cannot change, or not to this value.
    pub fn alter_broker_configs(&self, changes: &[(&str, Option<&str>)]) -> Result<(), Error> {
        self.alter_configs(ConfigResourceType::Broker, "", changes)
    }

    fn alter_configs(
        &self,
        resource_type: ConfigResourceType,
        name: &str,
        changes: &[(&str, Option<&str>)],
    ) -> Result<(), Error> {
        let change = |(name, value): &(&str, Option<&str>)| AlterableConfig {
            name: (*name).to_owned(),
            config_operation: if value.is_some() {
                AlterConfigOp::Set
            } else {
                AlterConfigOp::Delete
            },
            value: value.map(str::to_owned),
        };
        let configs = changes.iter().map(change).collect();
        let resource_name = name.to_owned();
        let resource = AlterConfigsResource { resource_type, resource_name, configs };
        let request = IncrementalAlterConfigsRequest { resources: vec![resource] };
        let response = self.call(Request::IncrementalAlterConfigs(request))?;
        let Response::IncrementalAlterConfigs(mut response) = response else { mismatch(&response) };
        let altered = only(response.responses.pop());
        refused(altered.error_code, altered.error_message, name)
    }

    /// Closes the client.
    ///
    /// # Errors
    /// [`Error::ConcurrentDrive`], [`Error::Rewound`].
    pub fn close(&self) -> Result<(), Error> {
        self.shared.call(self.handle, Call::Close, "the admin to close").map(drop)
    }
}

fn refused(code: ErrorCode, message: Option<String>, name: &str) -> Result<(), Error> {
    if code.is_none() {
        return Ok(());
    }
    Err(Error::kafka(code, message.unwrap_or_else(|| format!("'{name}'"))))
}

pub(super) fn only<T>(answer: Option<T>) -> T {
    answer.unwrap_or_else(|| unreachable!("whatever is asked for is answered"))
}

pub(super) fn mismatch(response: &Response) -> ! {
    unreachable!("a request is answered in kind, not with {response:?}")
}
