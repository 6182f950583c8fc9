//! Tables and rules of the whole configuration.

use super::*;

fn producer(pairs: &[(&str, &str)]) -> Result<ProducerConfig, String> {
    ProducerConfig::from_pairs(pairs.iter().copied()).map_err(|error| error.to_string())
}

fn topic(pairs: &[(&str, &str)]) -> Overrides {
    parse_topic_overrides(pairs.iter().copied()).unwrap_or_else(|error| panic!("{error}"))
}

fn broker(pairs: &[(&str, &str)]) -> Overrides {
    parse_broker_file(pairs.iter().copied()).unwrap_or_else(|error| panic!("{error}"))
}

/// A property of a topic: value, source, and the synonyms as `name=value source`.
fn shown(entries: &[ConfigEntry], name: &str) -> (Option<String>, ConfigSource, Vec<String>) {
    let entry = entries.iter().find(|entry| entry.name == name);
    let Some(entry) = entry else { panic!("{name} is not shown") };
    let synonym = |(name, value, source): &ConfigSynonym| {
        format!("{name}={} {}", value.as_deref().unwrap_or("null"), *source as i8)
    };
    (entry.value.clone(), entry.source, entry.synonyms.iter().map(synonym).collect())
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
        (("partitioner.ignore.keys", "1"), "partitioner.ignore.keys = '1': must be true or false"),
        (("metadata.max.idle.ms", "4999"), "metadata.max.idle.ms = '4999': must be at least 5000"),
        (
            ("delivery.timeout.ms", "30004"),
            "delivery.timeout.ms = 30004: must be at least linger.ms + request.timeout.ms, \
             5 + 30000",
        ),
        (
            ("transactional.id", "t"),
            "transactional.id is not supported yet: see docs/limitations.md",
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

/// Kafka's `ProducerConfig.postProcessAndValidateIdempotenceConfigs`.
#[test]
fn idempotence_is_on_unless_something_rules_it_out() {
    let on = ("enable.idempotence", "true");
    let off = ("enable.idempotence", "false");
    let in_flight = ("max.in.flight.requests.per.connection", "6");
    let too_many = "max.in.flight.requests.per.connection = 6: must be at most 5 unless \
                    enable.idempotence = false";
    type Case<'a> = (&'a [(&'a str, &'a str)], Result<bool, &'a str>);
    let table: [Case<'_>; 12] = [
        (&[], Ok(true)),
        (&[on], Ok(true)),
        (&[off], Ok(false)),
        (&[("acks", "-1"), on], Ok(true)),
        (&[("acks", "1")], Ok(false)),
        (&[("retries", "0")], Ok(false)),
        (&[("acks", "0"), on], Err("enable.idempotence = true with acks = 0: it needs acks = all")),
        (
            &[("retries", "0"), on],
            Err("enable.idempotence = true with retries = 0: it needs retries"),
        ),
        (&[in_flight], Err(too_many)),
        (&[in_flight, on], Err(too_many)),
        (&[in_flight, ("acks", "1")], Err(too_many)),
        (&[in_flight, off], Ok(false)),
    ];
    for (pairs, expected) in table {
        let enabled = producer(pairs).map(|config| config.enable_idempotence);
        assert_eq!(enabled, expected.map_err(str::to_owned), "{pairs:?}");
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
    for bad in ["soon", "by_duration:", "by_duration:P", "by_duration:PT", "by_duration:-PT1S"] {
        assert!(AutoOffsetReset::parse(bad).is_err(), "{bad}");
    }
}

#[test]
fn a_topics_value_comes_from_the_nearest_place() {
    let topic = topic(&[("segment.bytes", "2000000")]);
    let dynamic = broker(&[("log.segment.bytes", "3000000"), ("log.roll.ms", "7200000")]);
    let fixed = broker(&[("log.segment.bytes", "4000000"), ("log.roll.hours", "5")]);
    let config = TopicConfig::effective(&topic, &dynamic, &fixed);
    assert_eq!((config.segment_bytes, config.segment_ms), (2_000_000, 7_200_000));
    let none = Overrides::new();
    assert_eq!(TopicConfig::effective(&none, &none, &fixed).segment_ms, 18_000_000);
    let (_, source, synonyms) = shown(&describe_topic(&topic, &dynamic, &fixed), "segment.bytes");
    assert_eq!(source, ConfigSource::DynamicTopicConfig);
    let places = [
        "segment.bytes=2000000 1",
        "log.segment.bytes=3000000 3",
        "log.segment.bytes=4000000 4",
        "log.segment.bytes=1073741824 5",
    ];
    assert_eq!(synonyms, places);
    assert!(describe_topic(&none, &none, &none).iter().all(ConfigEntry::is_default));
}

/// What a 4.3.1 broker answers to DescribeConfigs in the same situations.
#[test]
fn synonyms_begin_with_the_first_of_the_brokers_names() {
    let none = Overrides::new();
    let hours = broker(&[("log.retention.hours", "2")]);
    let entries = describe_topic(&none, &none, &hours);
    let default = ConfigSource::DefaultConfig;
    assert_eq!(shown(&entries, "retention.ms"), (Some("7200000".to_owned()), default, vec![]));
    let null = (None, default, vec![]);
    assert_eq!(shown(&describe_broker(&none, &hours), "log.retention.ms"), null);

    let millis = broker(&[("log.retention.ms", " 700000 ")]);
    let places =
        ["log.retention.ms=700000 3", "log.retention.hours=2 4", "log.retention.hours=168 5"];
    let places = places.map(str::to_owned).to_vec();
    let by_admin = (Some("700000".to_owned()), ConfigSource::DynamicDefaultBrokerConfig, places);
    assert_eq!(shown(&describe_topic(&none, &millis, &hours), "retention.ms"), by_admin);
    assert_eq!(shown(&describe_broker(&millis, &hours), "log.retention.ms"), by_admin);

    let flush = Some(i64::MAX.to_string());
    assert_eq!(shown(&describe_topic(&none, &none, &none), "flush.ms"), (flush, default, vec![]));
}

/// The value of a password was hidden, and stood all the same among the entry's synonyms. Kafka's
/// ConfigHelper nulls both.
#[test]
fn a_password_showed_in_the_synonyms() {
    let fixed = broker(&[("ssl.key.password", "secret")]);
    let entries = describe_broker(&Overrides::new(), &fixed);
    let hidden = vec!["ssl.key.password=null 4".to_owned()];
    let expected = (None, ConfigSource::StaticBrokerConfig, hidden);
    assert_eq!(shown(&entries, "ssl.key.password"), expected);
}

/// Kafka's `ConfigDef.parseType`: blanks around a value do not count, and what is kept is the
/// value.
#[test]
fn a_value_counts_as_its_type_writes_it() {
    let table = [
        ("segment.bytes", " 2000000 ", "2000000"),
        ("segment.ms", "\t007", "7"),
        ("retention.ms", "+5", "5"),
        ("preallocate", " TRUE ", "true"),
        ("cleanup.policy", " compact , delete ", "compact,delete"),
        ("cleanup.policy", "", ""),
        ("min.cleanable.dirty.ratio", " 0.25 ", "0.25"),
    ];
    for (name, given, counts) in table {
        let value = parse_topic_override(name, given);
        assert_eq!(value.as_ref().map(ConfigValue::as_str), Ok(counts), "{name} = '{given}'");
    }
    for (name, given) in [("retention.ms", "\u{a0}5"), ("cleanup.policy", "compact,compact")] {
        let code = parse_topic_override(name, given).map_err(|error| error.code());
        assert_eq!(code, Err(ErrorCode::InvalidConfig), "{name} = '{given}'");
    }
}

#[test]
fn overrides_of_a_topic_are_checked_each_and_together() {
    let code = |pairs: &[(&str, &str)]| {
        parse_topic_overrides(pairs.iter().copied()).map(drop).map_err(|error| error.code())
    };
    assert_eq!(code(&[("segment.bytes", "14")]), Err(ErrorCode::InvalidConfig));
    assert_eq!(code(&[("internal.segment.bytes", "200")]), Ok(()));
    let lags = [("min.compaction.lag.ms", " 9 "), ("max.compaction.lag.ms", "8")];
    assert_eq!(code(&lags), Err(ErrorCode::InvalidConfig));
    assert_eq!(code(&lags[..1]), Ok(()));
}

/// Only the first of the broker's names of a topic's property is dynamic in Kafka, and much else is
/// that has no such name. The cases are what a 4.3.1 broker answered to IncrementalAlterConfigs
/// for all brokers.
#[test]
fn the_wrong_properties_of_brokers_were_dynamic() {
    let code = |name: &str, value: &str| {
        parse_broker_override(name, value).map(drop).map_err(|error| error.code())
    };
    let table = [
        ("log.retention.ms", " 700000 ", true),
        ("log.roll.ms", "900000", true),
        ("max.connections", "77", true),
        ("metric.reporters", "", true),
        ("log.roll.hours", "5", false),
        ("log.retention.minutes", "5", false),
        ("log.retention.hours", "5", false),
        ("log.roll.jitter.hours", "1", false),
        ("log.flush.scheduler.interval.ms", "1000", false),
        ("log.dirs", "/elsewhere", false),
        ("num.partitions", "3", false),
        ("fetch.max.bytes", "70000", false),
        ("listeners", "PLAINTEXT://:1", false),
        ("ssl.keystore.password", "x", false),
        ("ssl.protocol", "TLSv1.3", false),
        ("cordoned.log.dirs", "/x", false),
        ("sasl.enabled.mechanisms", "PLAIN", false),
        ("max.connections", "x", false),
        ("message.max.bytes", "-1", false),
    ];
    for (name, value, taken) in table {
        let expected = if taken { Ok(()) } else { Err(ErrorCode::InvalidRequest) };
        assert_eq!(code(name, value), expected, "{name} = '{value}'");
    }
}
