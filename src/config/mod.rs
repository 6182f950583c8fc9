//! Kafka's configuration by Kafka's property names, typed and checked.
//!
//! The tables name every property of Kafka 4.3 with its type, default and range. What has no effect
//! here (security, sockets, metrics) is checked all the same. A name that no table knows is an
//! error that names the nearest one.
//!
//! # Simplifications versus Kafka
//! `bootstrap.servers`, serializers and deserializers need not be given. `enable.idempotence` is false
//! by default, and what needs it is refused. `partitioner` is librdkafka's property, not Java's.

mod admin;
mod broker;
mod clients;
mod consumer;
mod definition;
mod producer;
mod security;
mod servers;
mod topic;

use std::fmt;

use crate::error::{Error, ErrorCode};
pub use crate::record::TimestampType;

pub use clients::{
    Acks, AdminConfig, AutoOffsetReset, ConsumerConfig, PartitionerKind, ProducerConfig,
};
pub use definition::ConfigType;
pub use servers::{
    BrokerConfig, ConfigEntry, ConfigSource, TopicConfig, describe_broker, describe_topic, is_list,
    validate_broker_override, validate_topic_override, validate_topic_overrides,
};

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

    fn read_only(message: String) -> Self {
        ConfigError { code: ErrorCode::InvalidRequest, message }
    }

    /// Kafka's code: `INVALID_CONFIG`, or `INVALID_REQUEST` for what cannot be changed.
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
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn producer(pairs: &[(&str, &str)]) -> Result<ProducerConfig, String> {
        ProducerConfig::from_pairs(pairs.iter().copied()).map_err(|error| error.to_string())
    }

    fn overrides(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
    }

    #[test]
    fn tables_are_sorted_and_their_defaults_pass_their_own_checks() {
        use super::{admin::ADMIN, broker::BROKER, consumer::CONSUMER, producer::PRODUCER};
        use super::{security::SECURITY, topic::TOPIC};
        for table in [ADMIN, BROKER, CONSUMER, PRODUCER, SECURITY, TOPIC] {
            assert!(table.is_sorted_by(|a, b| a.name < b.name));
            for key in table {
                if let Some(default) = key.default {
                    assert!(key.parse(default).is_ok() || default.is_empty(), "{key:?}");
                }
            }
        }
    }

    #[test]
    fn errors_name_property_value_and_what_is_allowed() {
        let table = [
            (("ack", "1"), "no producer config 'ack'; did you mean 'acks'?"),
            (("lingr.ms", "1"), "no producer config 'lingr.ms'; did you mean 'linger.ms'?"),
            (("acks", "2"), "acks = '2': must be one of all, -1, 0, 1"),
            (("batch.size", "-1"), "batch.size = '-1': must be at least 0"),
            (("batch.size", "big"), "batch.size = 'big': must be a 32-bit number"),
            (("batch.size", "3000000000"), "batch.size = '3000000000': must be a 32-bit number"),
            (
                ("partitioner.ignore.keys", "1"),
                "partitioner.ignore.keys = '1': must be true or false",
            ),
            (
                ("metadata.max.idle.ms", "4999"),
                "metadata.max.idle.ms = '4999': must be at least 5000",
            ),
            (
                ("delivery.timeout.ms", "30004"),
                "delivery.timeout.ms = 30004: must be at least linger.ms + request.timeout.ms, 5 + 30000",
            ),
            (
                ("enable.idempotence", "true"),
                "enable.idempotence = true is not supported yet: see docs/limitations.md",
            ),
            (
                ("compression.type", "gzip"),
                "compression.type other than none is not supported yet: see docs/limitations.md",
            ),
        ];
        for (pair, message) in table {
            assert_eq!(producer(&[pair]).unwrap_err(), message);
        }
    }

    #[test]
    fn a_delivery_timeout_that_was_not_given_is_raised() {
        let config = producer(&[("linger.ms", "200000"), ("request.timeout.ms", "1000")]);
        assert_eq!(config.map(|config| config.delivery_timeout_ms), Ok(201_000));
        assert!(producer(&[(" acks", "1")]).is_err());
        assert_eq!(producer(&[("acks", " 1 ")]).map(|config| config.acks), Ok(Acks::Leader));
    }

    #[test]
    fn reset_policies() {
        use std::time::Duration;
        let seconds = |s| Ok(AutoOffsetReset::ByDuration(Duration::from_secs(s)));
        let table = [
            ("earliest", Ok(AutoOffsetReset::Earliest)),
            ("latest", Ok(AutoOffsetReset::Latest)),
            ("none", Ok(AutoOffsetReset::None)),
            ("by_duration:P1D", seconds(86_400)),
            ("by_duration:PT1H30M", seconds(5400)),
            ("by_duration:P2DT3S", seconds(172_803)),
            ("by_duration:PT0.5S", Ok(AutoOffsetReset::ByDuration(Duration::from_millis(500)))),
        ];
        for (text, policy) in table {
            assert_eq!(AutoOffsetReset::parse(text), policy, "{text}");
        }
        for bad in ["soon", "by_duration:", "by_duration:P", "by_duration:PT", "by_duration:-PT1S"]
        {
            assert!(AutoOffsetReset::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_topics_value_comes_from_the_nearest_place() {
        let topic = overrides(&[("segment.bytes", "2000000")]);
        let dynamic = overrides(&[("log.segment.bytes", "3000000"), ("log.roll.hours", "2")]);
        let fixed = overrides(&[("log.segment.bytes", "4000000"), ("log.roll.ms", "5")]);
        let config = TopicConfig::effective(&topic, &dynamic, &fixed);
        assert_eq!((config.segment_bytes, config.segment_ms), (2_000_000, 7_200_000));
        let entries = describe_topic(&topic, &dynamic, &fixed);
        let segment = entries.iter().find(|entry| entry.name == "segment.bytes");
        let Some(segment) = segment else { panic!("segment.bytes is a topic config") };
        assert_eq!(segment.source, ConfigSource::DynamicTopicConfig);
        let values: Vec<_> = segment.synonyms.iter().filter_map(|s| s.1.as_deref()).collect();
        assert_eq!(values, ["2000000", "3000000", "4000000", "1073741824"]);
        let none = overrides(&[]);
        assert!(describe_topic(&none, &none, &none).iter().all(ConfigEntry::is_default));
    }

    #[test]
    fn what_a_running_broker_cannot_change_is_refused() {
        let error = validate_broker_override("log.dirs", "/elsewhere").map_err(|e| e.code());
        assert_eq!(error, Err(ErrorCode::InvalidRequest));
        assert_eq!(validate_broker_override("log.retention.ms", "1"), Ok(()));
        let error = validate_topic_override("segment.bytes", "14").map_err(|e| e.code());
        assert_eq!(error, Err(ErrorCode::InvalidConfig));
        assert_eq!(validate_topic_override("internal.segment.bytes", "200"), Ok(()));
        assert_eq!(validate_topic_override("cleanup.policy", "compact, delete"), Ok(()));
        let lags = overrides(&[("min.compaction.lag.ms", "9"), ("max.compaction.lag.ms", "8")]);
        assert!(validate_topic_overrides(&lags).is_err());
    }
}
