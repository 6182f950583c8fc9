//! DescribeConfigs and IncrementalAlterConfigs.

use super::metadata::MetadataRecord;
use super::{Broker, BrokerEvent};
use crate::api::{
    AlterConfigOp, AlterConfigsResource, AlterConfigsResourceResponse, AlterableConfig,
    ConfigResourceType, DescribeConfigsRequest, DescribeConfigsResource, DescribeConfigsResponse,
    DescribeConfigsResult, IncrementalAlterConfigsRequest, IncrementalAlterConfigsResponse,
};
use crate::config::{
    ConfigEntry, ConfigValue, check_topic_overrides, describe_broker, describe_topic, is_list,
    parse_broker_override, parse_topic_override,
};
use crate::error::ErrorCode;
use crate::types::TopicName;

type Refusal = (ErrorCode, String);

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

    fn entries(&self, resource: &DescribeConfigsResource) -> Result<Vec<ConfigEntry>, Refusal> {
        self.check_resource(resource.resource_type, &resource.resource_name)?;
        let dynamic = self.image.broker_configs();
        let mut entries = match resource.resource_type {
            ConfigResourceType::Topic => {
                let overrides = self.image.topic_configs(&resource.resource_name);
                describe_topic(overrides, dynamic, &self.static_configs)
            }
            ConfigResourceType::Broker => describe_broker(dynamic, &self.static_configs),
        };
        if let Some(keys) = &resource.configuration_keys {
            entries.retain(|entry| keys.contains(&entry.name));
        }
        Ok(entries)
    }

    fn check_resource(&self, kind: ConfigResourceType, name: &str) -> Result<(), Refusal> {
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
        request: &IncrementalAlterConfigsRequest,
    ) -> IncrementalAlterConfigsResponse {
        let mut responses = Vec::new();
        for resource in &request.resources {
            let (error_code, error_message) = match self.plan_changes(resource) {
                Ok(records) => {
                    if !request.validate_only {
                        self.commit(records);
                        let topic = match resource.resource_type {
                            ConfigResourceType::Topic => {
                                Some(TopicName::from(resource.resource_name.as_str()))
                            }
                            ConfigResourceType::Broker => None,
                        };
                        self.event(BrokerEvent::ConfigsChanged { topic });
                    }
                    (ErrorCode::None, None)
                }
                Err((code, why)) => (code, Some(why)),
            };
            responses.push(AlterConfigsResourceResponse {
                error_code,
                error_message,
                resource_type: resource.resource_type,
                resource_name: resource.resource_name.clone(),
            });
        }
        IncrementalAlterConfigsResponse { responses }
    }

    fn plan_changes(
        &self,
        resource: &AlterConfigsResource,
    ) -> Result<Vec<MetadataRecord>, Refusal> {
        self.check_resource(resource.resource_type, &resource.resource_name)?;
        let mut records = Vec::new();
        for (i, change) in resource.configs.iter().enumerate() {
            if resource.configs[..i].iter().any(|earlier| earlier.name == change.name) {
                let why = format!("config '{}' is changed twice", change.name);
                return Err((ErrorCode::InvalidRequest, why));
            }
            let name = change.name.clone();
            let value = self.changed_value(resource, change)?;
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

    /// The value after one change, validated; `None` for back to the default.
    fn changed_value(
        &self,
        resource: &AlterConfigsResource,
        change: &AlterableConfig,
    ) -> Result<Option<ConfigValue>, Refusal> {
        let is_topic = resource.resource_type == ConfigResourceType::Topic;
        let name = change.name.as_str();
        let given = change.value.as_deref();
        let value = match (change.config_operation, given) {
            (AlterConfigOp::Delete, _) => return Ok(None),
            (_, None) => {
                return Err((ErrorCode::InvalidRequest, format!("config '{name}' has no value")));
            }
            (AlterConfigOp::Set, Some(value)) => value.to_owned(),
            (op, Some(items)) => {
                if !is_list(name) {
                    let why = format!("config '{name}' is no list: nothing can be added or taken");
                    return Err((ErrorCode::InvalidConfig, why));
                }
                let current = self.current_value(resource, name);
                edit_list(&current, items, op == AlterConfigOp::Append)
            }
        };
        let parsed = if is_topic {
            parse_topic_override(name, &value)
        } else {
            parse_broker_override(name, &value)
        };
        parsed.map(Some).map_err(|error| (error.code(), error.to_string()))
    }

    fn current_value(&self, resource: &AlterConfigsResource, name: &str) -> String {
        let asked = DescribeConfigsResource {
            resource_type: resource.resource_type,
            resource_name: resource.resource_name.clone(),
            configuration_keys: Some(vec![name.to_owned()]),
        };
        let entry = self.entries(&asked).ok().and_then(|mut entries| entries.pop());
        entry.and_then(|entry| entry.value).unwrap_or_default()
    }
}

fn edit_list(current: &str, items: &str, append: bool) -> String {
    let split = |list: &str| -> Vec<String> {
        list.split(',').map(|item| item.trim().to_owned()).filter(|item| !item.is_empty()).collect()
    };
    let items = split(items);
    let mut list = split(current);
    list.retain(|item| append || !items.contains(item));
    if append {
        let new: Vec<_> = items.into_iter().filter(|item| !list.contains(item)).collect();
        list.extend(new);
    }
    list.join(",")
}
