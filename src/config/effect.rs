//! Which properties have an effect: `docs/limitations.md` lists those that have none.
//!
//! A property has an effect when some legal value of it changes the typed view of a configuration,
//! or is refused there; fields of the views that nobody reads are not to be. So the list follows
//! from the code, and the document is held to it.

use std::collections::BTreeSet;
use std::fmt::Debug;

use super::definition::{Check, ConfigKey};
use super::*;

/// Legal values of a property, other than its default.
fn values(key: &ConfigKey) -> Vec<String> {
    let named = match key.check {
        Check::OneOf(names) | Check::AnyCase(names) | Check::Members(names) => names,
        _ => &[],
    };
    let others = [
        "true", "false", "0", "1", "2", "3", "7", "2500", "3500", "10", "150", "1500", "15000",
        "40000", "600000", "9000000", "0.25", "x", "a.b.C", "earliest", "*",
    ];
    let all = named.iter().chain(&others).filter_map(|value| key.parse(value).ok());
    let all: Vec<String> = all.map(|value| value.as_str().to_owned()).collect();
    let all: Vec<_> = all.into_iter().filter(|value| Some(value.as_str()) != key.default).collect();
    assert!(!all.is_empty(), "a value for {}", key.name);
    all
}

/// The properties of a table that have an effect on a view.
fn effective<V: Debug>(
    table: &[ConfigKey],
    view: impl Fn(&[(&str, &str)]) -> Result<V, ConfigError>,
) -> BTreeSet<String> {
    let seen = |pairs: &[(&str, &str)]| view(pairs).map(|view| format!("{view:?}"));
    let default = seen(&[]);
    let has_effect =
        |key: &&ConfigKey| values(key).iter().any(|value| seen(&[(key.name, value)]) != default);
    table.iter().filter(has_effect).map(|key| key.name.to_owned()).collect()
}

fn without_effect(table: &[ConfigKey], effective: &BTreeSet<String>) -> BTreeSet<String> {
    let names = table.iter().map(|key| key.name.to_owned());
    names.filter(|name| !effective.contains(name)).collect()
}

/// The names that the document gives in the paragraph that begins like this.
fn documented(beginning: &str) -> BTreeSet<String> {
    let document = include_str!("../../docs/limitations.md");
    let from = document.find(beginning).unwrap_or_else(|| panic!("no line '{beginning}'"));
    let paragraph = &document[from + beginning.len()..];
    let end = ["\n- ", "\n\n", "\n#"].iter().filter_map(|end| paragraph.find(end)).min();
    let paragraph = &paragraph[..end.unwrap_or(paragraph.len())];
    paragraph.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

#[test]
fn what_has_no_effect_stands_in_the_limitations() {
    use super::{admin::ADMIN, broker::BROKER, consumer::CONSUMER, producer::PRODUCER};
    use super::{security::SECURITY, topic::TOPIC};
    let producer = |pairs: &[(&str, &str)]| ProducerConfig::from_pairs(pairs.iter().copied());
    // Some properties count in a group only.
    let consumer = |pairs: &[(&str, &str)]| {
        let views = [None, Some(("group.id", "g"))]
            .map(|group| ConsumerConfig::from_pairs(group.iter().chain(pairs).copied()));
        views.into_iter().collect::<Result<Vec<_>, _>>()
    };
    let admin = |pairs: &[(&str, &str)]| AdminConfig::from_pairs(pairs.iter().copied());
    // Some properties count on compacted topics only.
    let none = Overrides::new();
    let topic = |pairs: &[(&str, &str)]| {
        let views = [("cleanup.policy", "delete"), ("cleanup.policy", "compact")].map(|policy| {
            let overrides = parse_topic_overrides([policy].iter().chain(pairs).copied())?;
            Ok::<_, ConfigError>(TopicConfig::effective(&overrides, &none, &none))
        });
        views.into_iter().collect::<Result<Vec<_>, _>>()
    };
    let broker = |pairs: &[(&str, &str)]| {
        let fixed = parse_broker_file(pairs.iter().copied())?;
        let compact = parse_topic_overrides([("cleanup.policy", "compact")])?;
        let topics = [&none, &compact].map(|topic| TopicConfig::effective(topic, &none, &fixed));
        Ok((BrokerConfig::from_overrides(&fixed), topics))
    };

    let none_of = |table, effective| without_effect(table, &effective);
    let table = [
        ("- Producer: ", none_of(PRODUCER, effective(PRODUCER, producer))),
        ("- Consumer: ", none_of(CONSUMER, effective(CONSUMER, consumer))),
        ("- Admin: ", none_of(ADMIN, effective(ADMIN, admin))),
        ("- Topics: ", none_of(TOPIC, effective(TOPIC, topic))),
        ("- Brokers, all but ", effective(BROKER, broker)),
    ];
    for (beginning, expected) in table {
        let listed = expected.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>();
        assert_eq!(documented(beginning), expected, "{beginning}{}", listed.join(", "));
    }
    for (view, effective) in [
        ("producer", effective(SECURITY, producer)),
        ("consumer", effective(SECURITY, consumer)),
        ("admin", effective(SECURITY, admin)),
    ] {
        assert!(effective.is_empty(), "of the {view}: {effective:?}");
    }
}
