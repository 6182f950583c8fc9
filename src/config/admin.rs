//! What Kafka 4.3 knows to configure of an admin client, beside security.
use super::definition::*;

pub(super) const ADMIN: &[ConfigKey] = &[
    list("bootstrap.controllers", Some(""), Any),
    list("bootstrap.servers", Some(""), Any),
    string(
        "client.dns.lookup",
        Some("use_all_dns_ips"),
        OneOf(&["use_all_dns_ips", "resolve_canonical_bootstrap_servers_only"]),
    ),
    string("client.id", Some(""), Any),
    list("config.providers", Some(""), Any),
    long("connections.max.idle.ms", Some("300000"), Any),
    int("default.api.timeout.ms", Some("60000"), AtLeast(0)),
    boolean("enable.metrics.push", Some("false"), Any),
    long("metadata.max.age.ms", Some("300000"), AtLeast(0)),
    long("metadata.recovery.rebootstrap.trigger.ms", Some("300000"), AtLeast(0)),
    string("metadata.recovery.strategy", Some("rebootstrap"), AnyCase(&["NONE", "REBOOTSTRAP"])),
    list("metric.reporters", Some("org.apache.kafka.common.metrics.JmxReporter"), Any),
    int("metrics.num.samples", Some("2"), AtLeast(1)),
    string("metrics.recording.level", Some("INFO"), OneOf(&["INFO", "DEBUG", "TRACE"])),
    long("metrics.sample.window.ms", Some("30000"), AtLeast(0)),
    int("receive.buffer.bytes", Some("65536"), AtLeast(-1)),
    long("reconnect.backoff.max.ms", Some("1000"), AtLeast(0)),
    long("reconnect.backoff.ms", Some("50"), AtLeast(0)),
    int("request.timeout.ms", Some("30000"), AtLeast(0)),
    int("retries", Some("2147483647"), Between(0, 2147483647)),
    long("retry.backoff.max.ms", Some("1000"), AtLeast(0)),
    long("retry.backoff.ms", Some("100"), AtLeast(0)),
    int("send.buffer.bytes", Some("131072"), AtLeast(-1)),
    long("socket.connection.setup.timeout.max.ms", Some("30000"), Any),
    long("socket.connection.setup.timeout.ms", Some("10000"), Any),
];
