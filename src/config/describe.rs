//! What an admin sees of a configuration: each property with its value and the places that set it.
//!
//! # Simplifications versus Kafka
//! A synonym shows the value as it counts, without the blanks that were typed around it.

use super::broker::BROKER;
use super::definition::{ConfigKey, ConfigType, find};
use super::dynamic::{UpdateMode, update_mode};
use super::servers::{BROKER_TABLES, effective};
use super::synonyms::{brothers, synonyms};
use super::topic::TOPIC;
use super::values::Overrides;

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
    ///
    /// As in Kafka, a topic's property has none of the broker's names here as long as the first of
    /// them is not set: `log.retention.hours` alone gives `retention.ms` its value, but the source
    /// is said to be the default.
    pub synonyms: Vec<ConfigSynonym>,
}

/// One place where a property is set: its name there, its value, and what kind of place it is.
pub type ConfigSynonym = (String, Option<String>, ConfigSource);

impl ConfigEntry {
    /// Whether nobody has set it.
    #[must_use]
    pub fn is_default(&self) -> bool {
        self.source == ConfigSource::DefaultConfig
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
        .filter(|key| !key.name.starts_with("internal.") || topic.get(key.name).is_some());
    let describe = |key: &ConfigKey| {
        let own = topic.get(key.name).map(str::to_owned);
        let own = own.map(|v| (key.name.to_owned(), Some(v), ConfigSource::DynamicTopicConfig));
        let first = synonyms(key.name).first();
        let brokers = first.map(|(name, _)| broker_synonyms(name, dynamic, fixed));
        let places = own.into_iter().chain(brokers.unwrap_or_default()).collect();
        entry(key, effective(key, topic, dynamic, fixed), places, false)
    };
    shown.map(describe).collect()
}

/// All properties of a broker, by name.
#[must_use]
pub fn describe_broker(dynamic: &Overrides, fixed: &Overrides) -> Vec<ConfigEntry> {
    let describe = |key: &ConfigKey| {
        let set = dynamic.get(key.name).or_else(|| fixed.get(key.name));
        let value = set.or(key.default).map(str::to_owned);
        let places = broker_synonyms(key.name, dynamic, fixed);
        entry(key, value, places, update_mode(key.name) == UpdateMode::ReadOnly)
    };
    BROKER.iter().map(describe).collect()
}

/// The places that set a broker's property, by this name or a brother's, from the first on that has
/// this name.
fn broker_synonyms(
    name: &'static str,
    dynamic: &Overrides,
    fixed: &Overrides,
) -> Vec<ConfigSynonym> {
    let names = brothers(name);
    let default = |name: &&str| find(BROKER_TABLES, name).and_then(|key| key.default);
    let place = |name: &&str, value: Option<&str>, source| {
        value.map(|value| ((*name).to_owned(), Some(value.to_owned()), source))
    };
    let by_admin = names.iter().filter_map(|name| {
        place(name, dynamic.get(name), ConfigSource::DynamicDefaultBrokerConfig)
    });
    let by_file = names
        .iter()
        .filter_map(|name| place(name, fixed.get(name), ConfigSource::StaticBrokerConfig));
    let by_kafka =
        names.iter().filter_map(|name| place(name, default(name), ConfigSource::DefaultConfig));
    by_admin.chain(by_file).chain(by_kafka).skip_while(|(other, ..)| other != name).collect()
}

fn entry(
    key: &ConfigKey,
    value: Option<String>,
    mut synonyms: Vec<ConfigSynonym>,
    read_only: bool,
) -> ConfigEntry {
    let is_sensitive = key.kind == ConfigType::Password;
    if is_sensitive {
        synonyms.iter_mut().for_each(|(_, value, _)| *value = None);
    }
    ConfigEntry {
        name: key.name.to_owned(),
        value: value.filter(|_| !is_sensitive),
        source: synonyms.first().map_or(ConfigSource::DefaultConfig, |(_, _, source)| *source),
        config_type: key.kind,
        read_only,
        is_sensitive,
        synonyms,
    }
}
