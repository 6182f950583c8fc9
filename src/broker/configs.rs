//! DescribeConfigs and IncrementalAlterConfigs.

use super::metadata::MetadataRecord;
use super::{Broker, BrokerEvent};
use crate::api::{
    AlterConfigOp, AlterConfigsResource, AlterConfigsResourceResponse, AlterableConfig,
    ConfigResourceType, DescribeConfigsRequest, DescribeConfigsResource, DescribeConfigsResponse,
    DescribeConfigsResult, IncrementalAlterConfigsRequest, IncrementalAlterConfigsResponse,
};
use crate::config::{
    ConfigEntry, ConfigValue, check_topic_overrides, describe_broker, describe_topic,
    parse_broker_override, parse_topic_override,
};
use crate::error::ErrorCode;
use crate::types::{Time, TopicName};

/// Why a request about the configs of one topic or broker was refused.
type ConfigRefusal = (ErrorCode, String);

impl Broker {
    pub(super) fn describe_configs(
        &self,
        request: &DescribeConfigsRequest,
    ) -> DescribeConfigsResponse {
        let results = request.resources.iter().map(|resource| {
            let (error_code, error_message, configs) = match self.entries(resource) {
                Ok(entries) => (ErrorCode::None, None, entries),
                Err((code, why)) => (code, Some(why), Vec::new()),
            };
            DescribeConfigsResult {
                error_code,
                error_message,
                resource_type: resource.resource_type,
                resource_name: resource.resource_name.clone(),
                configs,
            }
        });
        DescribeConfigsResponse { results: results.collect() }
    }

    fn entries(
        &self,
        resource: &DescribeConfigsResource,
    ) -> Result<Vec<ConfigEntry>, ConfigRefusal> {
        self.check_resource(resource.resource_type, &resource.resource_name)?;
        let dynamic = self.image.broker_configs();
        Ok(match resource.resource_type {
            ConfigResourceType::Topic => {
                let overrides = self.image.topic_configs(&resource.resource_name);
                describe_topic(overrides, dynamic, &self.static_configs)
            }
            ConfigResourceType::Broker => describe_broker(dynamic, &self.static_configs),
        })
    }

    fn check_resource(&self, kind: ConfigResourceType, name: &str) -> Result<(), ConfigRefusal> {
        match kind {
            ConfigResourceType::Topic if self.image.topic(name).is_none() => {
                let why = format!("topic '{name}' does not exist");
                Err((ErrorCode::UnknownTopicOrPartition, why))
            }
            ConfigResourceType::Broker if !name.is_empty() && name != self.id.to_string() => {
                let why = format!("broker '{name}' is not this broker, {}", self.id);
                Err((ErrorCode::InvalidRequest, why))
            }
            _ => Ok(()),
        }
    }

    pub(super) fn alter_configs(
        &mut self,
        now: Time,
        request: &IncrementalAlterConfigsRequest,
    ) -> IncrementalAlterConfigsResponse {
        let mut responses = Vec::new();
        for resource in &request.resources {
            let (error_code, error_message) = match self.plan_changes(resource) {
                Ok(records) => {
                    if let Err(error) = self.commit(now, &records) {
                        responses.push(answer(resource, error, None));
                        continue;
                    }
                    let name = || TopicName::from(resource.resource_name.as_str());
                    let topic = (resource.resource_type == ConfigResourceType::Topic).then(name);
                    self.event(BrokerEvent::ConfigsChanged { topic });
                    (ErrorCode::None, None)
                }
                Err((code, why)) => (code, Some(why)),
            };
            responses.push(answer(resource, error_code, error_message));
        }
        IncrementalAlterConfigsResponse { responses }
    }

    fn plan_changes(
        &self,
        resource: &AlterConfigsResource,
    ) -> Result<Vec<MetadataRecord>, ConfigRefusal> {
        self.check_resource(resource.resource_type, &resource.resource_name)?;
        let mut records = Vec::new();
        for (i, change) in resource.configs.iter().enumerate() {
            if resource.configs[..i].iter().any(|earlier| earlier.name == change.name) {
                let why = format!("config '{}' is changed twice", change.name);
                return Err((ErrorCode::InvalidRequest, why));
            }
            let name = change.name.clone();
            let value = changed_value(resource.resource_type, change)?;
            records.push(match resource.resource_type {
                ConfigResourceType::Topic => MetadataRecord::TopicConfig {
                    topic: TopicName::from(resource.resource_name.as_str()),
                    name,
                    value,
                },
                ConfigResourceType::Broker => MetadataRecord::BrokerConfig { name, value },
            });
        }
        if resource.resource_type == ConfigResourceType::Topic {
            let mut together = self.image.topic_configs(&resource.resource_name).clone();
            for record in &records {
                if let MetadataRecord::TopicConfig { name, value, .. } = record {
                    together.set(name.clone(), value.clone());
                }
            }
            check_topic_overrides(&together).map_err(|error| (error.code(), error.to_string()))?;
        }
        Ok(records)
    }
}

fn answer(
    resource: &AlterConfigsResource,
    error_code: ErrorCode,
    error_message: Option<String>,
) -> AlterConfigsResourceResponse {
    let (resource_type, resource_name) = (resource.resource_type, resource.resource_name.clone());
    AlterConfigsResourceResponse { error_code, error_message, resource_type, resource_name }
}

/// The value after one change, validated; `None` for back to the default.
fn changed_value(
    kind: ConfigResourceType,
    change: &AlterableConfig,
) -> Result<Option<ConfigValue>, ConfigRefusal> {
    let name = change.name.as_str();
    let value = match (change.config_operation, change.value.as_deref()) {
        (AlterConfigOp::Delete, _) => return Ok(None),
        (AlterConfigOp::Set, Some(value)) => value,
        (AlterConfigOp::Set, None) => {
            return Err((ErrorCode::InvalidRequest, format!("config '{name}' has no value")));
        }
    };
    let parsed = match kind {
        ConfigResourceType::Topic => parse_topic_override(name, value),
        ConfigResourceType::Broker => parse_broker_override(name, value),
    };
    parsed.map(Some).map_err(|error| (error.code(), error.to_string()))
}
