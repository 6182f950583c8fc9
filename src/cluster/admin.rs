//! The admin's handle.

use std::sync::Arc;

use super::Shared;
use crate::api::{CreatableTopic, CreateTopicsRequest, Request, Response};
use crate::client::{ClientId, Outcome};
use crate::error::Error;
use crate::sim::Call;
use crate::types::{TopicId, TopicName};

/// Creates, describes and changes topics.
#[derive(Debug)]
pub struct Admin {
    shared: Arc<Shared>,
    id: ClientId,
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
    pub(super) fn new(shared: Arc<Shared>, id: ClientId) -> Self {
        Admin { shared, id }
    }

    fn call(&self, request: Request) -> Result<Response, Error> {
        let what = request.api_key().name();
        let outcome = self.shared.driver.lock().call(self.id, Call::Admin(request), what)?;
        match outcome {
            Outcome::Response(response) => Ok(*response),
            outcome => unreachable!("an admin gets a response, not {outcome:?}"),
        }
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
            assignments: Vec::new(),
            configs: spec.configs,
        };
        let request = CreateTopicsRequest { topics: vec![topic], validate_only: false };
        match self.call(Request::CreateTopics(request))? {
            Response::CreateTopics(mut response) => match response.topics.pop() {
                Some(created) if created.error_code.is_none() => Ok(created.topic_id),
                Some(refused) => {
                    let context = refused.error_message.unwrap_or_else(|| name.to_owned());
                    Err(Error::kafka(refused.error_code, context))
                }
                None => unreachable!("each topic of the request is answered"),
            },
            response => unreachable!("CreateTopics is answered in kind, not with {response:?}"),
        }
    }
}
