//! The configuration of brokers and topics: where each value comes from, and what counts.
//!
//! A topic's value is looked for in this order, as in Kafka: the topic's own override; what an admin
//! set for all brokers; what the broker's properties file says; the default. In the middle two the
//! property goes by its broker name, `log.segment.bytes` for `segment.bytes`, some with a choice of
//! units.

use std::collections::BTreeMap;

use super::broker::BROKER;
use super::definition::{ConfigKey, ConfigType, Values, find, members, unknown};
use super::topic::TOPIC;
use super::{ConfigError, TimestampType};

const TOPIC_TABLES: &[&[ConfigKey]] = &[TOPIC];
const BROKER_TABLES: &[&[ConfigKey]] = &[BROKER];

type Overrides = BTreeMap<String, String>;

/// The broker's names of a topic property, the first that is set counting, and how many of the
/// topic's units one of the broker's is.
fn synonyms(name: &str) -> &'static [(&'static str, i64)] {
    match name {
        "cleanup.policy" => &[("log.cleanup.policy", 1)],
        "compression.gzip.level" => &[("compression.gzip.level", 1)],
        "compression.lz4.level" => &[("compression.lz4.level", 1)],
        "compression.type" => &[("compression.type", 1)],
        "compression.zstd.level" => &[("compression.zstd.level", 1)],
        "delete.retention.ms" => &[("log.cleaner.delete.retention.ms", 1)],
        "file.delete.delay.ms" => &[("log.segment.delete.delay.ms", 1)],
        "flush.messages" => &[("log.flush.interval.messages", 1)],
        "flush.ms" => &[("log.flush.interval.ms", 1), ("log.flush.scheduler.interval.ms", 1)],
        "index.interval.bytes" => &[("log.index.interval.bytes", 1)],
        "local.retention.bytes" => &[("log.local.retention.bytes", 1)],
        "local.retention.ms" => &[("log.local.retention.ms", 1)],
        "max.compaction.lag.ms" => &[("log.cleaner.max.compaction.lag.ms", 1)],
        "max.message.bytes" => &[("message.max.bytes", 1)],
        "message.timestamp.after.max.ms" => &[("log.message.timestamp.after.max.ms", 1)],
        "message.timestamp.before.max.ms" => &[("log.message.timestamp.before.max.ms", 1)],
        "message.timestamp.type" => &[("log.message.timestamp.type", 1)],
        "min.cleanable.dirty.ratio" => &[("log.cleaner.min.cleanable.ratio", 1)],
        "min.compaction.lag.ms" => &[("log.cleaner.min.compaction.lag.ms", 1)],
        "min.insync.replicas" => &[("min.insync.replicas", 1)],
        "preallocate" => &[("log.preallocate", 1)],
        "retention.bytes" => &[("log.retention.bytes", 1)],
        "retention.ms" => &[
            ("log.retention.ms", 1),
            ("log.retention.minutes", 60_000),
            ("log.retention.hours", 3_600_000),
        ],
        "segment.bytes" => &[("log.segment.bytes", 1)],
        "segment.index.bytes" => &[("log.index.size.max.bytes", 1)],
        "segment.jitter.ms" => &[("log.roll.jitter.ms", 1), ("log.roll.jitter.hours", 3_600_000)],
        "segment.ms" => &[("log.roll.ms", 1), ("log.roll.hours", 3_600_000)],
        "unclean.leader.election.enable" => &[("unclean.leader.election.enable", 1)],
        _ => &[],
    }
}

/// Other broker properties that an admin may change while brokers run.
const DYNAMIC: &[&str] = &[
    "background.threads",
    "log.cleaner.backoff.ms",
    "log.cleaner.dedupe.buffer.size",
    "log.cleaner.io.buffer.load.factor",
    "log.cleaner.io.buffer.size",
    "log.cleaner.io.max.bytes.per.second",
    "log.cleaner.threads",
    "max.connection.creation.rate",
    "max.connections",
    "max.connections.per.ip",
    "max.connections.per.ip.overrides",
    "num.io.threads",
    "num.network.threads",
    "num.recovery.threads.per.data.dir",
    "num.replica.fetchers",
];

fn is_dynamic(name: &str) -> bool {
    DYNAMIC.contains(&name)
        || TOPIC.iter().any(|key| synonyms(key.name).iter().any(|(synonym, _)| *synonym == name))
}

/// Where a value comes from, with Kafka's numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(i8)]
pub enum ConfigSource {
    /// An override of the topic.
    DynamicTopicConfig = 1,
    /// What an admin set for all brokers.
    DynamicDefaultBrokerConfig = 3,
    /// What the broker was started with.
    StaticBrokerConfig = 4,
    /// Nobody set it.
    DefaultConfig = 5,
}

/// One property as an admin sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigEntry {
    /// Its name.
    pub name: String,
    /// What counts; `None` for null, and for what is not shown.
    pub value: Option<String>,
    /// Where that comes from.
    pub source: ConfigSource,
    /// The type of the value.
    pub config_type: ConfigType,
    /// Whether it can be changed while the broker runs.
    pub read_only: bool,
    /// Whether the value is not shown.
    pub is_sensitive: bool,
    /// All places where it is set, the first one counting: name there, value, source.
    pub synonyms: Vec<(String, Option<String>, ConfigSource)>,
}

impl ConfigEntry {
    /// Whether nobody has set it.
    #[must_use]
    pub fn is_default(&self) -> bool {
        self.source == ConfigSource::DefaultConfig
    }
}

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
}

impl BrokerConfig {
    /// Reads what a properties file would hold.
    ///
    /// # Errors
    /// For a name that Kafka does not know, and for a value out of range.
    pub fn from_overrides(overrides: &Overrides) -> Result<Self, ConfigError> {
        let values = Values::new("broker", BROKER_TABLES, overrides)?;
        Ok(BrokerConfig {
            num_partitions: values.number("num.partitions") as i32,
            default_replication_factor: values.number("default.replication.factor") as i32,
            auto_create_topics_enable: values.flag("auto.create.topics.enable"),
            delete_topic_enable: values.flag("delete.topic.enable"),
            fetch_max_bytes: values.number("fetch.max.bytes") as usize,
        })
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
}

impl TopicConfig {
    /// What counts for a topic with these overrides, on a broker with those.
    #[must_use]
    pub fn effective(topic: &Overrides, dynamic: &Overrides, fixed: &Overrides) -> Self {
        let text = |name: &str| -> Option<String> {
            let key = find(TOPIC_TABLES, name)?;
            sources(key, topic, dynamic, fixed).into_iter().next().and_then(|(_, value, _)| value)
        };
        let number = |name: &str| text(name).and_then(|value| value.parse::<i64>().ok());
        let bytes = |name: &str| number(name).and_then(|n| u32::try_from(n).ok()).unwrap_or(0);
        let millis = |name: &str| number(name).unwrap_or(i64::MAX);
        let policy = text("cleanup.policy").unwrap_or_default();
        let compact = members(&policy).any(|member| member == "compact");
        let segment_ms = match compact {
            true => millis("segment.ms").min(millis("max.compaction.lag.ms")),
            false => millis("segment.ms"),
        };
        TopicConfig {
            segment_bytes: match number("internal.segment.bytes") {
                Some(_) => bytes("internal.segment.bytes"),
                None => bytes("segment.bytes"),
            },
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
        }
    }
}

type Sourced = (String, Option<String>, ConfigSource);

/// All places where a topic's property is set, the default being the last.
fn sources(
    key: &ConfigKey,
    topic: &Overrides,
    dynamic: &Overrides,
    fixed: &Overrides,
) -> Vec<Sourced> {
    let mut found = Vec::new();
    if let Some(value) = topic.get(key.name) {
        let name = key.name.to_owned();
        found.push((name, Some(value.clone()), ConfigSource::DynamicTopicConfig));
    }
    let brokers = [
        (dynamic, ConfigSource::DynamicDefaultBrokerConfig),
        (fixed, ConfigSource::StaticBrokerConfig),
    ];
    for (overrides, source) in brokers {
        for (synonym, factor) in synonyms(key.name) {
            if let Some(value) = overrides.get(*synonym) {
                found.push(((*synonym).to_owned(), Some(scaled(value, *factor)), source));
            }
        }
    }
    let name = synonyms(key.name).last().map_or(key.name, |(synonym, _)| *synonym);
    let default = key.default.map(str::to_owned);
    found.push((name.to_owned(), default, ConfigSource::DefaultConfig));
    found
}

fn scaled(value: &str, factor: i64) -> String {
    match value.parse::<i64>() {
        // −1 stands for no limit in any unit.
        Ok(number) if factor != 1 && number >= 0 => number.saturating_mul(factor).to_string(),
        _ => value.to_owned(),
    }
}

fn entry(key: &ConfigKey, synonyms: Vec<Sourced>, read_only: bool) -> ConfigEntry {
    let is_sensitive = key.kind == ConfigType::Password;
    let (value, source) = match synonyms.first() {
        Some((_, value, source)) => (value.clone(), *source),
        None => (None, ConfigSource::DefaultConfig),
    };
    ConfigEntry {
        name: key.name.to_owned(),
        value: value.filter(|_| !is_sensitive),
        source,
        config_type: key.kind,
        read_only,
        is_sensitive,
        synonyms,
    }
}

/// All properties of a topic, by name. Those that are Kafka's own secret show only when set.
#[must_use]
pub fn describe_topic(
    topic: &Overrides,
    dynamic: &Overrides,
    fixed: &Overrides,
) -> Vec<ConfigEntry> {
    let shown = TOPIC
        .iter()
        .filter(|key| !key.name.starts_with("internal.") || topic.contains_key(key.name));
    shown.map(|key| entry(key, sources(key, topic, dynamic, fixed), false)).collect()
}

/// All properties of a broker, by name.
#[must_use]
pub fn describe_broker(dynamic: &Overrides, fixed: &Overrides) -> Vec<ConfigEntry> {
    let describe = |key: &ConfigKey| {
        let name = || key.name.to_owned();
        let set = |overrides: &Overrides, source| {
            overrides.get(key.name).map(|value| (name(), Some(value.clone()), source))
        };
        let default = (name(), key.default.map(str::to_owned), ConfigSource::DefaultConfig);
        let found = set(dynamic, ConfigSource::DynamicDefaultBrokerConfig)
            .into_iter()
            .chain(set(fixed, ConfigSource::StaticBrokerConfig))
            .chain([default]);
        entry(key, found.collect(), !is_dynamic(key.name))
    };
    BROKER.iter().map(describe).collect()
}

/// Whether a topic's or a broker's property is a list.
#[must_use]
pub fn is_list(name: &str) -> bool {
    let key = find(TOPIC_TABLES, name).or_else(|| find(BROKER_TABLES, name));
    key.is_some_and(|key| key.kind == ConfigType::List)
}

/// Checks an override of a topic by itself.
///
/// # Errors
/// For a name that Kafka does not know, and for a value out of range.
pub fn validate_topic_override(name: &str, value: &str) -> Result<(), ConfigError> {
    let key = find(TOPIC_TABLES, name).ok_or_else(|| unknown("topic", TOPIC_TABLES, name))?;
    key.parse(value).map(drop)
}

/// Checks all overrides of a topic together.
///
/// # Errors
/// When `min.compaction.lag.ms` exceeds `max.compaction.lag.ms`, as in Kafka.
pub fn validate_topic_overrides(topic: &Overrides) -> Result<(), ConfigError> {
    let number = |name: &str| {
        let given = topic.get(name).map(String::as_str);
        let value = given.or_else(|| find(TOPIC_TABLES, name).and_then(|key| key.default));
        value.and_then(|value| value.trim().parse::<i64>().ok()).unwrap_or_default()
    };
    let (least, most) = (number("min.compaction.lag.ms"), number("max.compaction.lag.ms"));
    if least > most {
        return Err(ConfigError::invalid(format!(
            "min.compaction.lag.ms = {least}: must not exceed max.compaction.lag.ms, {most}"
        )));
    }
    Ok(())
}

/// Checks a change of a broker's property while it runs.
///
/// # Errors
/// For a name that Kafka does not know, a value out of range, and a property that counts at the start
/// only.
pub fn validate_broker_override(name: &str, value: &str) -> Result<(), ConfigError> {
    let key = find(BROKER_TABLES, name).ok_or_else(|| unknown("broker", BROKER_TABLES, name))?;
    if !is_dynamic(name) {
        let why = format!("{name} cannot be changed while brokers run");
        return Err(ConfigError::read_only(why));
    }
    key.parse(value).map(drop)
}
