//! Kafka's configuration by Kafka's property names, typed and validated.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

pub use crate::api::IsolationLevel;
use crate::error::{Error, ErrorCode};
pub use crate::record::TimestampType;

/// What is wrong with a configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError(pub String);

impl ConfigError {
    /// Kafka's code.
    #[must_use]
    pub fn code(&self) -> ErrorCode {
        ErrorCode::InvalidConfig
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl From<ConfigError> for Error {
    fn from(error: ConfigError) -> Self {
        Error::Config(error.0)
    }
}

/// Acknowledgements.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i16)]
pub enum Acks {
    /// 0
    None = 0,
    /// 1
    Leader = 1,
    /// -1
    All = -1,
}

/// Which partitioner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PartitionerKind {
    /// Java's.
    Default,
    /// In turn.
    RoundRobin,
    /// librdkafka's.
    ConsistentRandom,
    /// The user's.
    Custom,
}

/// Where to begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AutoOffsetReset {
    /// At the start.
    Earliest,
    /// At the end.
    Latest,
    /// Error.
    None,
    /// So long ago.
    ByDuration(Duration),
}

/// Producer.
#[derive(Clone, Debug)]
#[allow(missing_docs)]
pub struct ProducerConfig {
    pub client_id: String,
    pub acks: Acks,
    pub batch_size: usize,
    pub linger_ms: i64,
    pub buffer_memory: u64,
    pub max_block_ms: i64,
    pub max_request_size: usize,
    pub retries: i64,
    pub retry_backoff_ms: u64,
    pub retry_backoff_max_ms: u64,
    pub reconnect_backoff_ms: u64,
    pub reconnect_backoff_max_ms: u64,
    pub delivery_timeout_ms: i64,
    pub request_timeout_ms: u64,
    pub max_in_flight: usize,
    pub partitioner: PartitionerKind,
    pub partitioner_ignore_keys: bool,
    pub metadata_max_age_ms: i64,
}

/// Consumer.
#[derive(Clone, Debug)]
#[allow(missing_docs)]
pub struct ConsumerConfig {
    pub client_id: String,
    pub auto_offset_reset: AutoOffsetReset,
    pub max_poll_records: usize,
    pub fetch_min_bytes: i32,
    pub fetch_max_wait_ms: i32,
    pub fetch_max_bytes: i32,
    pub max_partition_fetch_bytes: i32,
    pub check_crcs: bool,
    pub isolation_level: IsolationLevel,
    pub request_timeout_ms: u64,
    pub retry_backoff_ms: u64,
    pub reconnect_backoff_ms: u64,
    pub reconnect_backoff_max_ms: u64,
    pub default_api_timeout_ms: i64,
    pub allow_auto_create_topics: bool,
    pub metadata_max_age_ms: i64,
}

/// Admin.
#[derive(Clone, Debug)]
#[allow(missing_docs)]
pub struct AdminConfig {
    pub client_id: String,
    pub request_timeout_ms: u64,
    pub default_api_timeout_ms: i64,
    pub retry_backoff_ms: u64,
    pub retry_backoff_max_ms: u64,
    pub reconnect_backoff_ms: u64,
    pub reconnect_backoff_max_ms: u64,
}

fn number<T: std::str::FromStr>(name: &str, value: &str) -> Result<T, ConfigError> {
    value.trim().parse().map_err(|_| ConfigError(format!("{name}={value} is no number")))
}

impl ProducerConfig {
    /// From names and values.
    ///
    /// # Errors
    /// See [`ConfigError`].
    pub fn from_pairs<K: AsRef<str>, V: AsRef<str>>(
        pairs: impl IntoIterator<Item = (K, V)>,
    ) -> Result<Self, ConfigError> {
        let mut config = ProducerConfig {
            client_id: String::new(),
            acks: Acks::All,
            batch_size: 16384,
            linger_ms: 5,
            buffer_memory: 33_554_432,
            max_block_ms: 60_000,
            max_request_size: 1_048_576,
            retries: i64::from(i32::MAX),
            retry_backoff_ms: 100,
            retry_backoff_max_ms: 1000,
            reconnect_backoff_ms: 50,
            reconnect_backoff_max_ms: 1000,
            delivery_timeout_ms: 120_000,
            request_timeout_ms: 30_000,
            max_in_flight: 5,
            partitioner: PartitionerKind::Default,
            partitioner_ignore_keys: false,
            metadata_max_age_ms: 300_000,
        };
        for (name, value) in pairs {
            let (name, value) = (name.as_ref(), value.as_ref());
            match name {
                "client.id" => config.client_id = value.to_owned(),
                "acks" => {
                    config.acks = match value {
                        "0" => Acks::None,
                        "1" => Acks::Leader,
                        "all" | "-1" => Acks::All,
                        _ => return Err(ConfigError(format!("acks={value}"))),
                    }
                }
                "batch.size" => config.batch_size = number(name, value)?,
                "linger.ms" => config.linger_ms = number(name, value)?,
                "buffer.memory" => config.buffer_memory = number(name, value)?,
                "max.block.ms" => config.max_block_ms = number(name, value)?,
                "max.request.size" => config.max_request_size = number(name, value)?,
                "retries" => config.retries = number(name, value)?,
                "retry.backoff.ms" => config.retry_backoff_ms = number(name, value)?,
                "delivery.timeout.ms" => config.delivery_timeout_ms = number(name, value)?,
                "request.timeout.ms" => config.request_timeout_ms = number(name, value)?,
                "max.in.flight.requests.per.connection" => {
                    config.max_in_flight = number(name, value)?;
                }
                _ => return Err(ConfigError(format!("unknown producer config {name}"))),
            }
        }
        Ok(config)
    }
}

impl ConsumerConfig {
    /// From names and values.
    ///
    /// # Errors
    /// See [`ConfigError`].
    pub fn from_pairs<K: AsRef<str>, V: AsRef<str>>(
        pairs: impl IntoIterator<Item = (K, V)>,
    ) -> Result<Self, ConfigError> {
        let mut config = ConsumerConfig {
            client_id: String::new(),
            auto_offset_reset: AutoOffsetReset::Latest,
            max_poll_records: 500,
            fetch_min_bytes: 1,
            fetch_max_wait_ms: 500,
            fetch_max_bytes: 52_428_800,
            max_partition_fetch_bytes: 1_048_576,
            check_crcs: true,
            isolation_level: IsolationLevel::ReadUncommitted,
            request_timeout_ms: 30_000,
            retry_backoff_ms: 100,
            reconnect_backoff_ms: 50,
            reconnect_backoff_max_ms: 1000,
            default_api_timeout_ms: 60_000,
            allow_auto_create_topics: true,
            metadata_max_age_ms: 300_000,
        };
        for (name, value) in pairs {
            let (name, value) = (name.as_ref(), value.as_ref());
            match name {
                "client.id" => config.client_id = value.to_owned(),
                "auto.offset.reset" => {
                    config.auto_offset_reset = match value {
                        "earliest" => AutoOffsetReset::Earliest,
                        "latest" => AutoOffsetReset::Latest,
                        "none" => AutoOffsetReset::None,
                        _ => return Err(ConfigError(format!("auto.offset.reset={value}"))),
                    }
                }
                "max.poll.records" => config.max_poll_records = number(name, value)?,
                "fetch.min.bytes" => config.fetch_min_bytes = number(name, value)?,
                "fetch.max.wait.ms" => config.fetch_max_wait_ms = number(name, value)?,
                "fetch.max.bytes" => config.fetch_max_bytes = number(name, value)?,
                "max.partition.fetch.bytes" => {
                    config.max_partition_fetch_bytes = number(name, value)?;
                }
                _ => return Err(ConfigError(format!("unknown consumer config {name}"))),
            }
        }
        Ok(config)
    }
}

impl AdminConfig {
    /// From names and values.
    ///
    /// # Errors
    /// See [`ConfigError`].
    pub fn from_pairs<K: AsRef<str>, V: AsRef<str>>(
        pairs: impl IntoIterator<Item = (K, V)>,
    ) -> Result<Self, ConfigError> {
        if let Some((name, _)) = pairs.into_iter().next() {
            return Err(ConfigError(format!("unknown admin config {}", name.as_ref())));
        }
        Ok(AdminConfig {
            client_id: String::new(),
            request_timeout_ms: 30_000,
            default_api_timeout_ms: 60_000,
            retry_backoff_ms: 100,
            retry_backoff_max_ms: 1000,
            reconnect_backoff_ms: 50,
            reconnect_backoff_max_ms: 1000,
        })
    }
}

/// Broker.
#[derive(Clone, Debug)]
#[allow(missing_docs)]
pub struct BrokerConfig {
    pub num_partitions: i32,
    pub default_replication_factor: i32,
    pub auto_create_topics_enable: bool,
    pub delete_topic_enable: bool,
    pub fetch_max_bytes: usize,
}

impl BrokerConfig {
    /// From overrides.
    ///
    /// # Errors
    /// See [`ConfigError`].
    pub fn from_overrides(overrides: &BTreeMap<String, String>) -> Result<Self, ConfigError> {
        let mut config = BrokerConfig {
            num_partitions: 1,
            default_replication_factor: 1,
            auto_create_topics_enable: true,
            delete_topic_enable: true,
            fetch_max_bytes: 57_671_680,
        };
        for (name, value) in overrides {
            match name.as_str() {
                "num.partitions" => config.num_partitions = number(name, value)?,
                "auto.create.topics.enable" => config.auto_create_topics_enable = value == "true",
                _ => validate_broker_override(name, value)?,
            }
        }
        Ok(config)
    }
}

/// Topic.
#[derive(Clone, Debug)]
#[allow(missing_docs)]
pub struct TopicConfig {
    pub segment_bytes: u32,
    pub segment_ms: i64,
    pub segment_jitter_ms: i64,
    pub segment_index_bytes: u32,
    pub index_interval_bytes: u32,
    pub max_message_bytes: u32,
    pub message_timestamp_type: TimestampType,
    pub message_timestamp_before_max_ms: i64,
    pub message_timestamp_after_max_ms: i64,
}

impl TopicConfig {
    /// What counts for a topic.
    #[must_use]
    pub fn effective(
        topic: &BTreeMap<String, String>,
        _dynamic: &BTreeMap<String, String>,
        _fixed: &BTreeMap<String, String>,
    ) -> Self {
        let get = |name: &str, default: i64| {
            topic.get(name).and_then(|value| value.parse().ok()).unwrap_or(default)
        };
        TopicConfig {
            segment_bytes: get("internal.segment.bytes", get("segment.bytes", 1 << 30)) as u32,
            segment_ms: get("segment.ms", 604_800_000),
            segment_jitter_ms: get("segment.jitter.ms", 0),
            segment_index_bytes: get("segment.index.bytes", 10_485_760) as u32,
            index_interval_bytes: get("index.interval.bytes", 4096) as u32,
            max_message_bytes: get("max.message.bytes", 1_048_588) as u32,
            message_timestamp_type: match topic.get("message.timestamp.type").map(String::as_str) {
                Some("LogAppendTime") => TimestampType::LogAppendTime,
                _ => TimestampType::CreateTime,
            },
            message_timestamp_before_max_ms: get("message.timestamp.before.max.ms", i64::MAX),
            message_timestamp_after_max_ms: get("message.timestamp.after.max.ms", 3_600_000),
        }
    }
}

/// A described property.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct ConfigEntry {
    pub name: String,
    pub value: Option<String>,
}

/// All properties of a topic.
#[must_use]
pub fn describe_topic(
    topic: &BTreeMap<String, String>,
    _dynamic: &BTreeMap<String, String>,
    _fixed: &BTreeMap<String, String>,
) -> Vec<ConfigEntry> {
    describe_broker(topic, _fixed)
}

/// All properties of a broker.
#[must_use]
pub fn describe_broker(
    dynamic: &BTreeMap<String, String>,
    _fixed: &BTreeMap<String, String>,
) -> Vec<ConfigEntry> {
    let entry = |(name, value): (&String, &String)| ConfigEntry {
        name: name.clone(),
        value: Some(value.clone()),
    };
    dynamic.iter().map(entry).collect()
}

/// Whether a property is a list.
#[must_use]
pub fn is_list(name: &str) -> bool {
    name == "cleanup.policy"
}

/// Checks a topic's property.
///
/// # Errors
/// See [`ConfigError`].
pub fn validate_topic_override(_name: &str, _value: &str) -> Result<(), ConfigError> {
    Ok(())
}

/// Checks a broker's property.
///
/// # Errors
/// See [`ConfigError`].
pub fn validate_broker_override(_name: &str, _value: &str) -> Result<(), ConfigError> {
    Ok(())
}
