//! A consumer's configuration as a member of a group.

use super::ConfigError;
use super::values::Values;

/// What makes a consumer a member: there with `group.id`.
#[derive(Clone, Debug)]
pub struct GroupRebalanceConfig {
    /// `group.id`.
    pub group_id: String,
    /// `group.instance.id`: a static member's.
    pub group_instance_id: Option<String>,
    /// `session.timeout.ms`, default 45,000.
    pub session_timeout_ms: i32,
    /// `heartbeat.interval.ms`, default 3000; below the session's timeout.
    pub heartbeat_interval_ms: i32,
    /// `max.poll.interval.ms`, default 300,000: the rebalance timeout, too.
    pub max_poll_interval_ms: i32,
    /// `auto.commit.interval.ms`, default 5000; `None` when `enable.auto.commit` is false.
    pub auto_commit_interval_ms: Option<i64>,
    /// `partition.assignment.strategy`: assignors by name, the best first, between commas.
    pub partition_assignment_strategy: String,
    /// `exclude.internal.topics`, default true: patterns do not match them.
    pub exclude_internal_topics: bool,
}

impl GroupRebalanceConfig {
    /// `None` without `group.id`.
    pub(super) fn from_values(values: &Values<'_>) -> Result<Option<Self>, ConfigError> {
        let auto_commit = values.flag("enable.auto.commit");
        let Some(group_id) = values.get("group.id") else {
            if auto_commit && values.is_given("enable.auto.commit") {
                let why = "enable.auto.commit = true: there is no group.id to commit for";
                return Err(ConfigError::invalid(why.to_owned()));
            }
            return Ok(None);
        };
        if values.text("group.protocol").eq_ignore_ascii_case("consumer") {
            let why = "group.protocol = consumer is not supported yet: see docs/limitations.md";
            return Err(ConfigError::invalid(why.to_owned()));
        }
        let session = values.number("session.timeout.ms");
        let heartbeat = values.number("heartbeat.interval.ms");
        if heartbeat >= session {
            return Err(ConfigError::invalid(format!(
                "heartbeat.interval.ms = {heartbeat}: must be below session.timeout.ms, {session}"
            )));
        }
        Ok(Some(GroupRebalanceConfig {
            group_id: group_id.to_owned(),
            group_instance_id: values.get("group.instance.id").map(str::to_owned),
            session_timeout_ms: session as i32,
            heartbeat_interval_ms: heartbeat as i32,
            max_poll_interval_ms: values.number("max.poll.interval.ms") as i32,
            auto_commit_interval_ms: auto_commit.then(|| values.number("auto.commit.interval.ms")),
            partition_assignment_strategy: values.text("partition.assignment.strategy"),
            exclude_internal_topics: values.flag("exclude.internal.topics"),
        }))
    }
}
