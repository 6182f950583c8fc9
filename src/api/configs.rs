//! DescribeConfigs (32) and IncrementalAlterConfigs (44).

use crate::config::ConfigEntry;
use crate::error::ErrorCode;

/// What kind of thing a configuration belongs to, with Kafka's numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(i8)]
pub enum ConfigResourceType {
    /// A topic, by its name.
    Topic = 2,
    /// A broker, by its id; the empty name stands for all brokers.
    Broker = 4,
}

/// Which configurations to describe.
#[derive(Clone, Debug)]
pub struct DescribeConfigsRequest {
    /// The topics and brokers.
    pub resources: Vec<DescribeConfigsResource>,
}

/// One topic or broker to describe.
#[derive(Clone, Debug)]
pub struct DescribeConfigsResource {
    /// What it is.
    pub resource_type: ConfigResourceType,
    /// Its name.
    pub resource_name: String,
}

/// The configurations.
#[derive(Clone, Debug)]
pub struct DescribeConfigsResponse {
    /// One result for each resource of the request.
    pub results: Vec<DescribeConfigsResult>,
}

/// The configuration of one topic or broker.
#[derive(Clone, Debug)]
pub struct DescribeConfigsResult {
    /// `NONE`, or why it is not described.
    pub error_code: ErrorCode,
    /// More about an error.
    pub error_message: Option<String>,
    /// What it is.
    pub resource_type: ConfigResourceType,
    /// Its name.
    pub resource_name: String,
    /// Its properties, in the order of their names.
    pub configs: Vec<ConfigEntry>,
}

/// Properties to change.
#[derive(Clone, Debug)]
pub struct IncrementalAlterConfigsRequest {
    /// The topics and brokers.
    pub resources: Vec<AlterConfigsResource>,
}

/// One topic or broker to change.
#[derive(Clone, Debug)]
pub struct AlterConfigsResource {
    /// What it is.
    pub resource_type: ConfigResourceType,
    /// Its name.
    pub resource_name: String,
    /// The changes.
    pub configs: Vec<AlterableConfig>,
}

/// How a property changes, with Kafka's numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i8)]
pub enum AlterConfigOp {
    /// Give it a value.
    Set = 0,
    /// Back to what it is by default.
    Delete = 1,
}

/// One change.
#[derive(Clone, Debug)]
pub struct AlterableConfig {
    /// The property's name.
    pub name: String,
    /// What to do.
    pub config_operation: AlterConfigOp,
    /// The value; not looked at for [`AlterConfigOp::Delete`].
    pub value: Option<String>,
}

/// What became of each resource.
#[derive(Clone, Debug)]
pub struct IncrementalAlterConfigsResponse {
    /// One result for each resource of the request.
    pub responses: Vec<AlterConfigsResourceResponse>,
}

/// What became of one resource: all of its changes, or none.
#[derive(Clone, Debug)]
pub struct AlterConfigsResourceResponse {
    /// `NONE`, or why nothing changed.
    pub error_code: ErrorCode,
    /// More about an error.
    pub error_message: Option<String>,
    /// What it is.
    pub resource_type: ConfigResourceType,
    /// Its name.
    pub resource_name: String,
}
