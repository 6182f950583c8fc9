//! Which offsets of a group are to be set, and where to: the scopes and scenarios of
//! `kafka-consumer-groups --reset-offsets`, of which several may be named at once here.

use std::time::Duration;

use crate::error::Error;
use crate::types::{Offset, Timestamp, TopicName, TopicPartition};

/// Where the offset of a partition is to stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResetTo {
    /// At the first offset that the log holds.
    Earliest,
    /// At the end of the log, which is the high watermark.
    Latest,
    /// Where it is; at the end of the log when nothing is committed.
    Current,
    /// At an offset.
    Offset(Offset),
    /// At the first record at or after a time, in milliseconds since the Unix epoch; at the end
    /// when there is none.
    Time(Timestamp),
    /// The same, so long before now.
    ByDuration(Duration),
    /// So many records further on, or back.
    ShiftBy(i64),
}

impl ResetTo {
    /// The time that it names, now being `now`; none lies before the Unix epoch.
    pub(super) fn time(self, now: Timestamp) -> Option<Timestamp> {
        match self {
            ResetTo::Time(timestamp) => Some(timestamp),
            ResetTo::ByDuration(back) => {
                let back_ms = i64::try_from(back.as_millis()).unwrap_or(i64::MAX);
                Some(Timestamp(now.0.saturating_sub(back_ms).max(0)))
            }
            _ => None,
        }
    }
}

/// Which partitions.
#[derive(Clone, Debug)]
pub(super) enum Scope {
    AllTopics,
    Topic(TopicName),
    Partition(TopicPartition),
}

/// Which offsets of a group are to be set, and where to. A partition that several of them name goes
/// where the last one says.
///
/// ```
/// use kafkarium::{OffsetReset, ResetTo};
/// let plan = OffsetReset::new()
///     .topic("orders", ResetTo::Earliest)
///     .partition(("orders", 2), ResetTo::Offset(7.into()));
/// ```
#[derive(Clone, Debug, Default)]
pub struct OffsetReset {
    pub(super) scopes: Vec<(Scope, ResetTo)>,
}

impl OffsetReset {
    /// Nothing yet.
    #[must_use]
    pub fn new() -> Self {
        OffsetReset::default()
    }

    /// All partitions that the group has committed for.
    #[must_use]
    pub fn all_topics(self, to: ResetTo) -> Self {
        self.with(Scope::AllTopics, to)
    }

    /// All partitions of a topic.
    #[must_use]
    pub fn topic(self, topic: impl Into<TopicName>, to: ResetTo) -> Self {
        self.with(Scope::Topic(topic.into()), to)
    }

    /// A partition.
    #[must_use]
    pub fn partition(self, partition: impl Into<TopicPartition>, to: ResetTo) -> Self {
        self.with(Scope::Partition(partition.into()), to)
    }

    fn with(mut self, scope: Scope, to: ResetTo) -> Self {
        self.scopes.push((scope, to));
        self
    }

    /// What is wrong with it, whatever the cluster is like.
    pub(super) fn check(&self) -> Result<(), Error> {
        if self.scopes.is_empty() {
            let why = "an OffsetReset names no partition, no topic and not all topics";
            return Err(Error::InvalidArgument(why.to_owned()));
        }
        let negative = self.scopes.iter().find_map(|(_, to)| match to {
            ResetTo::Time(timestamp) if timestamp.0 < 0 => Some(timestamp),
            _ => None,
        });
        match negative {
            Some(timestamp) => {
                Err(Error::InvalidArgument(format!("timestamp {timestamp} is negative")))
            }
            None => Ok(()),
        }
    }

    /// Whether what is committed has to be known.
    pub(super) fn rests_on_commits(&self) -> bool {
        self.scopes.iter().any(|(scope, to)| {
            matches!(scope, Scope::AllTopics)
                || matches!(to, ResetTo::Current | ResetTo::ShiftBy(_))
        })
    }
}
