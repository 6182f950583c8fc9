//! The configuration of brokers and topics: what counts, and what may be changed.
//!
//! A topic's value is looked for in this order, as in Kafka: the topic's own override; what an
//! admin set for all brokers; what the broker's properties file says; the default. In the middle
//! two the property goes by its broker name, `log.segment.bytes` for `segment.bytes`, some with a
//! choice of units.

use super::broker::BROKER;
use super::definition::{ConfigKey, find, members, unknown};
use super::dynamic::{UpdateMode, update_mode};
use super::synonyms::synonyms;
use super::topic::TOPIC;
use super::values::{ConfigValue, Overrides, Values, number};
use super::{ConfigError, TimestampType};

const TOPIC_TABLES: &[&[ConfigKey]] = &[TOPIC];
pub(super) const BROKER_TABLES: &[&[ConfigKey]] = &[BROKER];

/// What counts for one broker.
#[derive(Clone, Debug)]
pub struct BrokerConfig {
    /// `num.partitions` of a topic that is created without a number, default 1.
    pub num_partitions: i32,
    /// `default.replication.factor`, default 1.
    pub default_replication_factor: i32,
    /// `auto.create.topics.enable`, default true.
    pub auto_create_topics_enable: bool,
    /// `delete.topic.enable`, default true.
    pub delete_topic_enable: bool,
    /// `fetch.max.bytes` of one response, default 55 MiB.
    pub fetch_max_bytes: usize,
    /// `offsets.topic.num.partitions`, default 50.
    pub offsets_topic_num_partitions: i32,
    /// `offsets.topic.segment.bytes`, default 100 MiB.
    pub offsets_topic_segment_bytes: i32,
    /// `group.initial.rebalance.delay.ms`, default 3 s.
    pub group_initial_rebalance_delay_ms: i32,
    /// `group.min.session.timeout.ms`, default 6 s.
    pub group_min_session_timeout_ms: i32,
    /// `group.max.session.timeout.ms`, default 30 min.
    pub group_max_session_timeout_ms: i32,
    /// `group.max.size`, default unlimited.
    pub group_max_size: usize,
    /// `offset.metadata.max.bytes`, default 4096.
    pub offset_metadata_max_bytes: usize,
    /// `offsets.retention.minutes`, default 7 days.
    pub offsets_retention_minutes: i32,
    /// `offsets.retention.check.interval.ms`, default 10 min.
    pub offsets_retention_check_interval_ms: i64,
    /// `log.flush.offset.checkpoint.interval.ms`, default 60 s.
    pub log_flush_offset_checkpoint_interval_ms: i64,
    /// `log.flush.start.offset.checkpoint.interval.ms`, default 60 s.
    pub log_flush_start_offset_checkpoint_interval_ms: i64,
    /// `log.flush.scheduler.interval.ms`, by default never: without it, `flush.ms` has no effect.
    pub log_flush_scheduler_interval_ms: i64,
    /// `replica.high.watermark.checkpoint.interval.ms`, default 5 s.
    pub replica_high_watermark_checkpoint_interval_ms: i64,
}

impl BrokerConfig {
    /// What counts for a broker with this properties file.
    #[must_use]
    pub fn from_overrides(fixed: &Overrides) -> Self {
        let values = Values::new(BROKER_TABLES, fixed);
        BrokerConfig {
            num_partitions: values.number("num.partitions") as i32,
            default_replication_factor: values.number("default.replication.factor") as i32,
            auto_create_topics_enable: values.flag("auto.create.topics.enable"),
            delete_topic_enable: values.flag("delete.topic.enable"),
            fetch_max_bytes: values.number("fetch.max.bytes") as usize,
            offsets_topic_num_partitions: values.number("offsets.topic.num.partitions") as i32,
            offsets_topic_segment_bytes: values.number("offsets.topic.segment.bytes") as i32,
            group_initial_rebalance_delay_ms: values.number("group.initial.rebalance.delay.ms")
                as i32,
            group_min_session_timeout_ms: values.number("group.min.session.timeout.ms") as i32,
            group_max_session_timeout_ms: values.number("group.max.session.timeout.ms") as i32,
            group_max_size: values.number("group.max.size") as usize,
            offset_metadata_max_bytes: values.number("offset.metadata.max.bytes") as usize,
            offsets_retention_minutes: values.number("offsets.retention.minutes") as i32,
            offsets_retention_check_interval_ms: values
                .number("offsets.retention.check.interval.ms"),
            log_flush_offset_checkpoint_interval_ms: values
                .number("log.flush.offset.checkpoint.interval.ms"),
            log_flush_start_offset_checkpoint_interval_ms: values
                .number("log.flush.start.offset.checkpoint.interval.ms"),
            log_flush_scheduler_interval_ms: values.number("log.flush.scheduler.interval.ms"),
            replica_high_watermark_checkpoint_interval_ms: values
                .number("replica.high.watermark.checkpoint.interval.ms"),
        }
    }
}

/// What counts for one topic on one broker.
#[derive(Clone, Debug)]
pub struct TopicConfig {
    /// `segment.bytes`, default 1 GiB; or `internal.segment.bytes`, which may be far smaller.
    pub segment_bytes: u32,
    /// `segment.ms`, default 7 days; on a compacted topic no more than `max.compaction.lag.ms`.
    pub segment_ms: i64,
    /// `segment.jitter.ms`, default 0.
    pub segment_jitter_ms: i64,
    /// `segment.index.bytes`, default 10 MiB.
    pub segment_index_bytes: u32,
    /// `index.interval.bytes`, default 4096.
    pub index_interval_bytes: u32,
    /// `max.message.bytes` of a batch, default 1048588.
    pub max_message_bytes: u32,
    /// `message.timestamp.type`, default CreateTime.
    pub message_timestamp_type: TimestampType,
    /// `message.timestamp.before.max.ms`, default without limit.
    pub message_timestamp_before_max_ms: i64,
    /// `message.timestamp.after.max.ms`, default one hour.
    pub message_timestamp_after_max_ms: i64,
    /// Whether `cleanup.policy` names `compact`; not by default.
    pub compact: bool,
    /// `flush.messages`: how many records may lie in a log that are not durable, by default any.
    pub flush_messages: i64,
    /// `flush.ms`: how long a record may lie in a log without being durable, by default for ever.
    pub flush_ms: i64,
    /// `file.delete.delay.ms`: how long files that were deleted stay on the disk, default 60 s.
    pub file_delete_delay_ms: i64,
    /// `producer.id.expiration.ms` of the broker: after how long a silence a producer is forgotten,
    /// default one day.
    pub producer_id_expiration_ms: i64,
}

impl TopicConfig {
    /// What counts for a topic with these overrides, on a broker with those.
    #[must_use]
    pub fn effective(topic: &Overrides, dynamic: &Overrides, fixed: &Overrides) -> Self {
        let text = |name: &str| {
            let key = find(TOPIC_TABLES, name).expect("a topic's property stands in the table");
            effective(key, topic, dynamic, fixed)
        };
        let millis = |name: &str| number(name, text(name).as_deref());
        let bytes = |name: &str| {
            u32::try_from(millis(name))
                .unwrap_or_else(|_| panic!("the table lets no {name} below 0"))
        };
        let of_broker = |name: &str| {
            let given = if dynamic.get(name).is_some() { dynamic } else { fixed };
            Values::new(BROKER_TABLES, given).number(name)
        };
        let policy = text("cleanup.policy").unwrap_or_default();
        let compact = members(&policy).any(|member| member == "compact");
        let segment_ms = match compact {
            true => millis("segment.ms").min(millis("max.compaction.lag.ms")),
            false => millis("segment.ms"),
        };
        let internal = topic.get("internal.segment.bytes").is_some();
        TopicConfig {
            segment_bytes: bytes(match internal {
                true => "internal.segment.bytes",
                false => "segment.bytes",
            }),
            segment_ms,
            segment_jitter_ms: millis("segment.jitter.ms"),
            segment_index_bytes: bytes("segment.index.bytes"),
            index_interval_bytes: bytes("index.interval.bytes"),
            max_message_bytes: bytes("max.message.bytes"),
            message_timestamp_type: match text("message.timestamp.type").as_deref() {
                Some("LogAppendTime") => TimestampType::LogAppendTime,
                _ => TimestampType::CreateTime,
            },
            message_timestamp_before_max_ms: millis("message.timestamp.before.max.ms"),
            message_timestamp_after_max_ms: millis("message.timestamp.after.max.ms"),
            compact,
            flush_messages: millis("flush.messages"),
            flush_ms: millis("flush.ms"),
            file_delete_delay_ms: millis("file.delete.delay.ms"),
            producer_id_expiration_ms: of_broker("producer.id.expiration.ms"),
        }
    }
}

/// What counts of one topic's property; `None` for null.
pub(super) fn effective(
    key: &ConfigKey,
    topic: &Overrides,
    dynamic: &Overrides,
    fixed: &Overrides,
) -> Option<String> {
    let of_brokers = |overrides: &Overrides| {
        let set = |(name, factor): &(&str, i64)| Some(scaled(overrides.get(name)?, *factor));
        synonyms(key.name).iter().find_map(set)
    };
    let own = topic.get(key.name).map(str::to_owned);
    own.or_else(|| of_brokers(dynamic))
        .or_else(|| of_brokers(fixed))
        .or_else(|| key.default.map(str::to_owned))
}

fn scaled(value: &str, factor: i64) -> String {
    match value.parse::<i64>() {
        // −1 stands for no limit in any unit.
        Ok(number) if factor != 1 && number >= 0 => number.saturating_mul(factor).to_string(),
        _ => value.to_owned(),
    }
}

/// Checks an override of a topic by itself.
///
/// # Errors
/// For a name that Kafka does not know, and for a value out of range.
pub fn parse_topic_override(name: &str, value: &str) -> Result<ConfigValue, ConfigError> {
    let key = find(TOPIC_TABLES, name).ok_or_else(|| unknown("topic", TOPIC_TABLES, name))?;
    key.parse(value)
}

/// Checks all overrides of a topic together.
///
/// # Errors
/// When `min.compaction.lag.ms` exceeds `max.compaction.lag.ms`, as in Kafka.
pub fn check_topic_overrides(topic: &Overrides) -> Result<(), ConfigError> {
    let values = Values::new(TOPIC_TABLES, topic);
    let least = values.number("min.compaction.lag.ms");
    let most = values.number("max.compaction.lag.ms");
    if least > most {
        return Err(ConfigError::invalid(format!(
            "min.compaction.lag.ms = {least}: must not exceed max.compaction.lag.ms, {most}"
        )));
    }
    Ok(())
}

/// Checks a topic's overrides, each by itself and all together.
///
/// # Errors
/// As [`parse_topic_override`] and [`check_topic_overrides`].
pub fn parse_topic_overrides<K: AsRef<str>, V: AsRef<str>>(
    pairs: impl IntoIterator<Item = (K, V)>,
) -> Result<Overrides, ConfigError> {
    let overrides = Overrides::checked("topic", TOPIC_TABLES, pairs)?;
    check_topic_overrides(&overrides).map(|()| overrides)
}

/// Checks what a broker's properties file says.
///
/// # Errors
/// For a name that Kafka does not know, and for a value out of range.
pub fn parse_broker_file<K: AsRef<str>, V: AsRef<str>>(
    pairs: impl IntoIterator<Item = (K, V)>,
) -> Result<Overrides, ConfigError> {
    Overrides::checked("broker", BROKER_TABLES, pairs)
}

/// Checks a change of a property of all brokers while they run.
///
/// # Errors
/// For a name that Kafka does not know, a value out of range, a property that counts at the start
/// only, and one that Kafka lets each broker have for itself.
pub fn parse_broker_override(name: &str, value: &str) -> Result<ConfigValue, ConfigError> {
    let key = find(BROKER_TABLES, name).ok_or_else(|| unknown("broker", BROKER_TABLES, name))?;
    match update_mode(name) {
        UpdateMode::ReadOnly => {
            let why = format!("{name} cannot be changed while brokers run");
            Err(ConfigError::refused_update(why))
        }
        UpdateMode::PerBroker => {
            let why = format!("{name} cannot be changed for all brokers, only for one at a time");
            Err(ConfigError::refused_update(why))
        }
        // The same fault of a value is INVALID_CONFIG for a topic and INVALID_REQUEST for a broker.
        UpdateMode::ClusterWide => {
            key.parse(value).map_err(|error| ConfigError::refused_update(error.to_string()))
        }
    }
}
