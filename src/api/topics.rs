//! CreateTopics (19), DeleteTopics (20) and CreatePartitions (37).

use crate::error::ErrorCode;
use crate::types::{TopicId, TopicName};

/// Topics to create.
#[derive(Clone, Debug)]
pub struct CreateTopicsRequest {
    /// The topics. A name that stands twice is refused.
    pub topics: Vec<CreatableTopic>,
}

/// One topic to create.
#[derive(Clone, Debug)]
pub struct CreatableTopic {
    /// Its name.
    pub name: TopicName,
    /// How many partitions; −1 for the broker's `num.partitions`.
    pub num_partitions: i32,
    /// How many replicas each; −1 for the broker's `default.replication.factor`.
    pub replication_factor: i16,
    /// Topic configs by Kafka's names.
    pub configs: Vec<(String, Option<String>)>,
}

/// What became of each topic.
#[derive(Clone, Debug)]
pub struct CreateTopicsResponse {
    /// One result for each topic of the request.
    pub topics: Vec<CreatableTopicResult>,
}

/// What became of one topic.
#[derive(Clone, Debug)]
pub struct CreatableTopicResult {
    /// Its name.
    pub name: TopicName,
    /// Its new id; zero with an error.
    pub topic_id: TopicId,
    /// `NONE`, or why it was not created.
    pub error_code: ErrorCode,
    /// More about an error.
    pub error_message: Option<String>,
    /// The number of partitions; −1 with an error.
    pub num_partitions: i32,
    /// The number of replicas; −1 with an error.
    pub replication_factor: i16,
}

/// Topics to delete.
#[derive(Clone, Debug)]
pub struct DeleteTopicsRequest {
    /// Their names.
    pub topics: Vec<TopicName>,
}

/// What became of each topic.
#[derive(Clone, Debug)]
pub struct DeleteTopicsResponse {
    /// One result for each topic of the request.
    pub topics: Vec<TopicResult>,
}

/// Topics to extend.
#[derive(Clone, Debug)]
pub struct CreatePartitionsRequest {
    /// The topics.
    pub topics: Vec<CreatePartitionsTopic>,
}

/// One topic to extend.
#[derive(Clone, Debug)]
pub struct CreatePartitionsTopic {
    /// Its name.
    pub name: TopicName,
    /// How many partitions it is to have in all.
    pub count: i32,
}

/// What became of each topic.
#[derive(Clone, Debug)]
pub struct CreatePartitionsResponse {
    /// One result for each topic of the request.
    pub topics: Vec<TopicResult>,
}

/// What became of a request about one topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicResult {
    /// Its name, where it is known.
    pub name: Option<TopicName>,
    /// Its id, where it is known.
    pub topic_id: TopicId,
    /// `NONE`, or why nothing changed.
    pub error_code: ErrorCode,
    /// More about an error.
    pub error_message: Option<String>,
}

impl CreatableTopicResult {
    /// What could not be written did not happen; an error that there is stays.
    pub fn fail(&mut self, error: ErrorCode) {
        if self.error_code.is_none() {
            self.error_code = error;
        }
    }
}

impl TopicResult {
    /// What could not be written did not happen; an error that there is stays.
    pub fn fail(&mut self, error: ErrorCode) {
        if self.error_code.is_none() {
            self.error_code = error;
        }
    }
}
