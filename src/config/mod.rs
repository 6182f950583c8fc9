//! Kafka's configuration by Kafka's property names, typed and checked.
//!
//! The tables name every property of Kafka 4.3 with its type, default and range. What has no effect
//! here (security, sockets, metrics) is checked all the same. A name that no table knows is an
//! error that names the nearest one.
//!
//! # Simplifications versus Kafka
//! `bootstrap.servers`, serializers and deserializers need not be given. `enable.idempotence` is
//! false by default, and what needs it is refused. Names that Kafka leaves to plugins
//! (`listener.name.…`, whatever a reporter may look for) are unknown names. `partitioner` is
//! librdkafka's property, not Java's, with a value more than librdkafka knows: `round_robin`.

mod admin;
mod broker;
mod clients;
mod consumer;
mod definition;
mod describe;
mod dynamic;
mod group;
mod idempotence;
mod producer;
mod security;
mod servers;
mod synonyms;
mod topic;
mod values;

use std::fmt;

use crate::error::{Error, ErrorCode};
pub use crate::record::TimestampType;

pub use clients::{
    Acks, AdminConfig, AutoOffsetReset, ConsumerConfig, PartitionerKind, ProducerConfig,
};
pub use definition::ConfigType;
pub use describe::{ConfigEntry, ConfigSource, ConfigSynonym, describe_broker, describe_topic};
pub use group::GroupRebalanceConfig;
pub use servers::{
    BrokerConfig, TopicConfig, check_topic_overrides, parse_broker_file, parse_broker_override,
    parse_topic_override, parse_topic_overrides,
};
pub use values::{ConfigValue, Overrides};

/// `isolation.level`: whether records of transactions that are not committed are returned.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum IsolationLevel {
    /// Everything below the high watermark.
    #[default]
    ReadUncommitted,
    /// Everything below the last stable offset.
    ReadCommitted,
}

/// What is wrong with a configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    code: ErrorCode,
    message: String,
}

impl ConfigError {
    fn invalid(message: String) -> Self {
        ConfigError { code: ErrorCode::InvalidConfig, message }
    }

    fn refused_update(message: String) -> Self {
        ConfigError { code: ErrorCode::InvalidRequest, message }
    }

    /// Kafka's code: `INVALID_CONFIG`, or `INVALID_REQUEST` for a broker's property that cannot be
    /// changed, or not to this value.
    #[must_use]
    pub fn code(&self) -> ErrorCode {
        self.code
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.message.fmt(f)
    }
}

impl std::error::Error for ConfigError {}

impl From<ConfigError> for Error {
    fn from(error: ConfigError) -> Self {
        Error::Config(error.message)
    }
}

#[cfg(test)]
mod effect;
#[cfg(test)]
mod tests;
