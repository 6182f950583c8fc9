//! The clients' configuration as their state machines use it.

use std::time::Duration;

use super::admin::ADMIN;
use super::consumer::CONSUMER;
use super::definition::ConfigKey;
use super::group::GroupRebalanceConfig;
use super::producer::PRODUCER;
use super::security::SECURITY;
use super::values::{Overrides, Values};
use super::{ConfigError, IsolationLevel, idempotence};

const PRODUCER_TABLES: &[&[ConfigKey]] = &[PRODUCER, SECURITY];
const CONSUMER_TABLES: &[&[ConfigKey]] = &[CONSUMER, SECURITY];
const ADMIN_TABLES: &[&[ConfigKey]] = &[ADMIN, SECURITY];

/// `acks`: how many replicas must have a batch before a produce request is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i16)]
pub enum Acks {
    /// None: there is no answer.
    None = 0,
    /// The leader.
    Leader = 1,
    /// All in-sync replicas.
    All = -1,
}

/// Which partitioner chooses for a record without a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PartitionerKind {
    /// Java's: murmur2 of the key, sticky without one.
    Default,
    /// Java's `RoundRobinPartitioner`: the partitions in turn, whatever the key.
    RoundRobin,
    /// librdkafka's: CRC-32 of the key, random without one.
    ConsistentRandom,
    /// The user's own.
    Custom,
}

/// `auto.offset.reset`: where to read when there is no position, or one outside the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AutoOffsetReset {
    /// From the first record that the log holds.
    Earliest,
    /// From what comes next.
    Latest,
    /// Nowhere: an error.
    None,
    /// From the first record of the last so many days, hours, minutes, seconds.
    ByDuration(Duration),
}

impl AutoOffsetReset {
    /// Reads the property's value.
    ///
    /// # Errors
    /// For anything but `earliest`, `latest`, `none` and `by_duration:` with an ISO-8601 duration
    /// of days and less, which must not be negative.
    pub fn parse(value: &str) -> Result<Self, ConfigError> {
        let error = || {
            ConfigError::invalid(format!(
                "auto.offset.reset = '{value}': must be earliest, latest, none or \
                 by_duration:PnDTnHnMn.nS"
            ))
        };
        match value.to_ascii_lowercase().as_str() {
            "earliest" => Ok(AutoOffsetReset::Earliest),
            "latest" => Ok(AutoOffsetReset::Latest),
            "none" => Ok(AutoOffsetReset::None),
            other => {
                let duration = other.strip_prefix("by_duration:").ok_or_else(error)?;
                iso_8601(duration).map(AutoOffsetReset::ByDuration).ok_or_else(error)
            }
        }
    }
}

/// A duration as `pndtnhnmn.ns`, in lower case.
fn iso_8601(text: &str) -> Option<Duration> {
    let text = text.strip_prefix('p')?;
    let (days, time) = match text.split_once('t') {
        Some((_, "")) => return None,
        Some((days, time)) => (days, time),
        None => (text, ""),
    };
    if days.is_empty() && time.is_empty() {
        return None;
    }
    let mut total = Duration::ZERO;
    let mut rest = days;
    if !rest.is_empty() {
        let days: u64 = rest.strip_suffix('d')?.parse().ok()?;
        total += Duration::from_secs(days.checked_mul(86_400)?);
    }
    rest = time;
    for (unit, seconds) in [('h', 3600), ('m', 60)] {
        if let Some((count, after)) = rest.split_once(unit) {
            let count: u64 = count.parse().ok()?;
            total = total.checked_add(Duration::from_secs(count.checked_mul(seconds)?))?;
            rest = after;
        }
    }
    if rest.is_empty() {
        return Some(total);
    }
    let (whole, fraction) = match rest.strip_suffix('s')?.split_once('.') {
        Some((whole, fraction)) => (whole, fraction),
        None => (rest.strip_suffix('s')?, "0"),
    };
    if fraction.is_empty() || fraction.len() > 9 || !fraction.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let nanos: u32 = format!("{fraction:0<9}").parse().ok()?;
    total.checked_add(Duration::new(whole.parse().ok()?, nanos))
}

/// A producer's configuration.
#[derive(Clone, Debug)]
pub struct ProducerConfig {
    /// `acks`, default all.
    pub acks: Acks,
    /// `enable.idempotence`, default true unless `acks` or `retries` rule it out.
    pub enable_idempotence: bool,
    /// `batch.size` in bytes, default 16384.
    pub batch_size: usize,
    /// `linger.ms`, default 5.
    pub linger_ms: i64,
    /// `buffer.memory` in bytes, default 32 MiB.
    pub buffer_memory: u64,
    /// `max.block.ms`, default 60,000.
    pub max_block_ms: i64,
    /// `max.request.size` in bytes, default 1 MiB.
    pub max_request_size: usize,
    /// `retries`, default 2147483647.
    pub retries: i64,
    /// `retry.backoff.ms`, default 100.
    pub retry_backoff_ms: u64,
    /// `retry.backoff.max.ms`, default 1000.
    pub retry_backoff_max_ms: u64,
    /// `reconnect.backoff.ms`, default 50.
    pub reconnect_backoff_ms: u64,
    /// `reconnect.backoff.max.ms`, default 1000.
    pub reconnect_backoff_max_ms: u64,
    /// `delivery.timeout.ms`, default 120,000.
    pub delivery_timeout_ms: i64,
    /// `request.timeout.ms`, default 30,000.
    pub request_timeout_ms: u64,
    /// `max.in.flight.requests.per.connection`, default 5.
    pub max_in_flight: usize,
    /// `partitioner.class`, or librdkafka's `partitioner`; default Java's.
    pub partitioner: PartitionerKind,
    /// `partitioner.ignore.keys`, default false.
    pub partitioner_ignore_keys: bool,
    /// `metadata.max.age.ms`, default 300,000.
    pub metadata_max_age_ms: i64,
}

impl ProducerConfig {
    /// Reads properties by Kafka's names.
    ///
    /// # Errors
    /// For a name that Kafka does not know, a value out of range, values that contradict each
    /// other, and what is not there yet: `transactional.id` and compression.
    pub fn from_pairs<K: AsRef<str>, V: AsRef<str>>(
        pairs: impl IntoIterator<Item = (K, V)>,
    ) -> Result<Self, ConfigError> {
        let given = Overrides::checked("producer", PRODUCER_TABLES, pairs)?;
        let values = Values::new(PRODUCER_TABLES, &given);
        refuse_what_is_to_come(&values)?;
        let linger_ms = values.number("linger.ms");
        let request_timeout_ms = values.number("request.timeout.ms");
        Ok(ProducerConfig {
            acks: match values.text("acks").as_str() {
                "0" => Acks::None,
                "1" => Acks::Leader,
                _ => Acks::All,
            },
            enable_idempotence: idempotence::is_enabled(&values)?,
            batch_size: values.number("batch.size") as usize,
            linger_ms,
            buffer_memory: values.number("buffer.memory") as u64,
            max_block_ms: values.number("max.block.ms"),
            max_request_size: values.number("max.request.size") as usize,
            retries: values.number("retries"),
            retry_backoff_ms: values.number("retry.backoff.ms") as u64,
            retry_backoff_max_ms: values.number("retry.backoff.max.ms") as u64,
            reconnect_backoff_ms: values.number("reconnect.backoff.ms") as u64,
            reconnect_backoff_max_ms: values.number("reconnect.backoff.max.ms") as u64,
            delivery_timeout_ms: delivery_timeout(&values, linger_ms, request_timeout_ms)?,
            request_timeout_ms: request_timeout_ms as u64,
            max_in_flight: values.number("max.in.flight.requests.per.connection") as usize,
            partitioner: partitioner(&values)?,
            partitioner_ignore_keys: values.flag("partitioner.ignore.keys"),
            metadata_max_age_ms: values.number("metadata.max.age.ms"),
        })
    }
}

fn refuse_what_is_to_come(values: &Values<'_>) -> Result<(), ConfigError> {
    let missing = if values.is_given("transactional.id") {
        "transactional.id"
    } else if values.get("compression.type").is_some_and(|codec| codec != "none") {
        "compression.type other than none"
    } else {
        return Ok(());
    };
    let why = format!("{missing} is not supported yet: see docs/limitations.md");
    Err(ConfigError::invalid(why))
}

/// The delivery timeout has to cover a linger and a request. One that was not given is raised.
fn delivery_timeout(values: &Values<'_>, linger: i64, request: i64) -> Result<i64, ConfigError> {
    let timeout = values.number("delivery.timeout.ms");
    let least = linger.saturating_add(request).min(i64::from(i32::MAX));
    if timeout >= least {
        return Ok(timeout);
    }
    if values.is_given("delivery.timeout.ms") {
        return Err(ConfigError::invalid(format!(
            "delivery.timeout.ms = {timeout}: must be at least linger.ms + request.timeout.ms, \
             {linger} + {request}"
        )));
    }
    Ok(least)
}

fn partitioner(values: &Values<'_>) -> Result<PartitionerKind, ConfigError> {
    if let Some(name) = values.get("partitioner") {
        return Ok(match name {
            "round_robin" => PartitionerKind::RoundRobin,
            _ => PartitionerKind::ConsistentRandom,
        });
    }
    match values.get("partitioner.class") {
        None => Ok(PartitionerKind::Default),
        Some(name) if name.rsplit('.').next() == Some("RoundRobinPartitioner") => {
            Ok(PartitionerKind::RoundRobin)
        }
        Some(other) => Err(ConfigError::invalid(format!(
            "partitioner.class = '{other}': only org.apache.kafka.clients.producer.\
             RoundRobinPartitioner is known; a partitioner of your own is a function given to \
             producer_with_partitioner"
        ))),
    }
}

/// A consumer's configuration.
#[derive(Clone, Debug)]
pub struct ConsumerConfig {
    /// `auto.offset.reset`, default latest.
    pub auto_offset_reset: AutoOffsetReset,
    /// `max.poll.records`, default 500.
    pub max_poll_records: usize,
    /// `fetch.min.bytes`, default 1.
    pub fetch_min_bytes: i32,
    /// `fetch.max.wait.ms`, default 500.
    pub fetch_max_wait_ms: i32,
    /// `fetch.max.bytes`, default 50 MiB.
    pub fetch_max_bytes: i32,
    /// `max.partition.fetch.bytes`, default 1 MiB.
    pub max_partition_fetch_bytes: i32,
    /// `check.crcs`, default true.
    pub check_crcs: bool,
    /// `isolation.level`, default read_uncommitted.
    pub isolation_level: IsolationLevel,
    /// `request.timeout.ms`, default 30,000.
    pub request_timeout_ms: u64,
    /// `retry.backoff.ms`, default 100.
    pub retry_backoff_ms: u64,
    /// `reconnect.backoff.ms`, default 50.
    pub reconnect_backoff_ms: u64,
    /// `reconnect.backoff.max.ms`, default 1000.
    pub reconnect_backoff_max_ms: u64,
    /// `default.api.timeout.ms`, default 60,000.
    pub default_api_timeout_ms: i64,
    /// `allow.auto.create.topics`, default true.
    pub allow_auto_create_topics: bool,
    /// `metadata.max.age.ms`, default 300,000.
    pub metadata_max_age_ms: i64,
    /// `retry.backoff.max.ms`, default 1000.
    pub retry_backoff_max_ms: u64,
    /// `client.id`; empty for one that is made up.
    pub client_id: String,
    /// As a member of the group `group.id`.
    pub group: Option<GroupRebalanceConfig>,
}

impl ConsumerConfig {
    /// Reads properties by Kafka's names.
    ///
    /// # Errors
    /// For a name that Kafka does not know, a value out of range, values that contradict each
    /// other, and `group.protocol=consumer`, which is not there yet.
    pub fn from_pairs<K: AsRef<str>, V: AsRef<str>>(
        pairs: impl IntoIterator<Item = (K, V)>,
    ) -> Result<Self, ConfigError> {
        let given = Overrides::checked("consumer", CONSUMER_TABLES, pairs)?;
        let values = Values::new(CONSUMER_TABLES, &given);
        Ok(ConsumerConfig {
            auto_offset_reset: AutoOffsetReset::parse(&values.text("auto.offset.reset"))?,
            max_poll_records: values.number("max.poll.records") as usize,
            fetch_min_bytes: values.number("fetch.min.bytes") as i32,
            fetch_max_wait_ms: values.number("fetch.max.wait.ms") as i32,
            fetch_max_bytes: values.number("fetch.max.bytes") as i32,
            max_partition_fetch_bytes: values.number("max.partition.fetch.bytes") as i32,
            check_crcs: values.flag("check.crcs"),
            isolation_level: match values.get("isolation.level") {
                Some("read_committed") => IsolationLevel::ReadCommitted,
                _ => IsolationLevel::ReadUncommitted,
            },
            request_timeout_ms: values.number("request.timeout.ms") as u64,
            retry_backoff_ms: values.number("retry.backoff.ms") as u64,
            reconnect_backoff_ms: values.number("reconnect.backoff.ms") as u64,
            reconnect_backoff_max_ms: values.number("reconnect.backoff.max.ms") as u64,
            default_api_timeout_ms: values.number("default.api.timeout.ms"),
            allow_auto_create_topics: values.flag("allow.auto.create.topics"),
            metadata_max_age_ms: values.number("metadata.max.age.ms"),
            retry_backoff_max_ms: values.number("retry.backoff.max.ms") as u64,
            client_id: values.text("client.id"),
            group: GroupRebalanceConfig::from_values(&values)?,
        })
    }
}

/// An admin client's configuration.
#[derive(Clone, Debug)]
pub struct AdminConfig {
    /// `request.timeout.ms`, default 30,000.
    pub request_timeout_ms: u64,
    /// `default.api.timeout.ms`, default 60,000.
    pub default_api_timeout_ms: i64,
    /// `retry.backoff.ms`, default 100.
    pub retry_backoff_ms: u64,
    /// `retry.backoff.max.ms`, default 1000.
    pub retry_backoff_max_ms: u64,
    /// `reconnect.backoff.ms`, default 50.
    pub reconnect_backoff_ms: u64,
    /// `reconnect.backoff.max.ms`, default 1000.
    pub reconnect_backoff_max_ms: u64,
}

impl AdminConfig {
    /// Reads properties by Kafka's names.
    ///
    /// # Errors
    /// For a name that Kafka does not know, a value out of range, and a `default.api.timeout.ms`
    /// below `request.timeout.ms`.
    pub fn from_pairs<K: AsRef<str>, V: AsRef<str>>(
        pairs: impl IntoIterator<Item = (K, V)>,
    ) -> Result<Self, ConfigError> {
        let given = Overrides::checked("admin", ADMIN_TABLES, pairs)?;
        let values = Values::new(ADMIN_TABLES, &given);
        let request = values.number("request.timeout.ms");
        let mut api = values.number("default.api.timeout.ms");
        if api < request {
            if values.is_given("default.api.timeout.ms") {
                return Err(ConfigError::invalid(format!(
                    "default.api.timeout.ms = {api}: must be at least request.timeout.ms, {request}"
                )));
            }
            api = request;
        }
        Ok(AdminConfig {
            request_timeout_ms: request as u64,
            default_api_timeout_ms: api,
            retry_backoff_ms: values.number("retry.backoff.ms") as u64,
            retry_backoff_max_ms: values.number("retry.backoff.max.ms") as u64,
            reconnect_backoff_ms: values.number("reconnect.backoff.ms") as u64,
            reconnect_backoff_max_ms: values.number("reconnect.backoff.max.ms") as u64,
        })
    }
}
