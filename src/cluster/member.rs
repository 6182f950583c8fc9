//! The consumer's handle as a member of a group.

use std::collections::BTreeMap;

use super::user_code::{AsyncCommit, RebalanceListener};
use super::{Consumer, Operation};
use crate::client::consumer::{OffsetAndMetadata, Offsets, SubscriptionPattern, Topics};
use crate::client::{Outcome, Progress};
use crate::error::Error;
use crate::sim::Call;
use crate::types::{TopicName, TopicPartition};

/// Who a consumer is in its group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConsumerGroupMetadata {
    /// `group.id`.
    pub group_id: String,
    /// The generation; −1 in none.
    pub generation_id: i32,
    /// The id that the coordinator gave; empty before.
    pub member_id: String,
    /// `group.instance.id`, of a static member.
    pub group_instance_id: Option<String>,
}

/// # Groups
///
/// With `group.id` a consumer commits offsets, and shares the partitions of the topics that it
/// subscribes to with the other members of its group. All of it goes on in `poll`: joining,
/// assigning, auto commit. In the background only heartbeats are sent.
impl Consumer {
    /// Subscribes to topics, in place of what was subscribed to before. Nothing happens before the
    /// next poll. No topics at all are the same as [`unsubscribe`](Consumer::unsubscribe).
    ///
    /// # Errors
    /// [`Error::Kafka`] with `INVALID_GROUP_ID` without `group.id`; [`Error::InvalidArgument`] for
    /// a blank name, and while partitions are assigned by hand or a pattern is subscribed to;
    /// [`Error::Closed`].
    pub fn subscribe<T: Into<TopicName>>(
        &mut self,
        topics: impl IntoIterator<Item = T>,
    ) -> Result<(), Error> {
        self.subscribe_to(names(topics), None)
    }

    /// The same, with a listener that is told of what rebalances take and give.
    ///
    /// # Errors
    /// As [`subscribe`](Consumer::subscribe).
    pub fn subscribe_with<T: Into<TopicName>>(
        &mut self,
        topics: impl IntoIterator<Item = T>,
        listener: impl RebalanceListener + 'static,
    ) -> Result<(), Error> {
        self.subscribe_to(names(topics), Some(Box::new(listener)))
    }

    /// Subscribes to each topic whose whole name matches a regular expression, those to come as
    /// well: they are looked for with each refresh of metadata, after `metadata.max.age.ms` at the
    /// latest. Internal topics do not match unless `exclude.internal.topics` is false.
    ///
    /// # Errors
    /// As [`subscribe`](Consumer::subscribe), and [`Error::InvalidArgument`] for what is no regular
    /// expression.
    pub fn subscribe_pattern(&mut self, pattern: &str) -> Result<(), Error> {
        self.subscribe_to(matching(pattern)?, None)
    }

    /// The same, with a listener.
    ///
    /// # Errors
    /// As [`subscribe_pattern`](Consumer::subscribe_pattern).
    pub fn subscribe_pattern_with(
        &mut self,
        pattern: &str,
        listener: impl RebalanceListener + 'static,
    ) -> Result<(), Error> {
        self.subscribe_to(matching(pattern)?, Some(Box::new(listener)))
    }

    fn subscribe_to(
        &mut self,
        topics: Topics,
        listener: Option<Box<dyn RebalanceListener>>,
    ) -> Result<(), Error> {
        if matches!(&topics, Topics::Names(names) if names.is_empty()) {
            return self.unsubscribe();
        }
        self.call(Call::Subscribe(topics, listener.is_some()), "a subscription")?;
        self.runner.code.lock().listener = listener;
        Ok(())
    }

    /// Gives up the subscription, or the partitions that were assigned by hand. A member leaves its
    /// group, and its listener is told before. Nothing is committed.
    ///
    /// # Errors
    /// What the listener returns, [`Error::InvalidArgument`] inside of a listener,
    /// [`Error::Closed`].
    pub fn unsubscribe(&mut self) -> Result<(), Error> {
        self.call_user(Call::Unsubscribe, "to unsubscribe")
    }

    /// The topics that are subscribed to, in order; by a pattern, those that matched when last
    /// looked at.
    #[must_use]
    pub fn subscription(&self) -> Vec<TopicName> {
        self.look(|consumer| consumer.subscription().cloned().collect())
    }

    /// Has the group rebalance: this member joins again with its next poll.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] without a subscription.
    pub fn enforce_rebalance(&mut self) -> Result<(), Error> {
        self.call(Call::EnforceRebalance, "a rebalance").map(drop)
    }

    /// Who the consumer is in its group; `None` without `group.id`.
    #[must_use]
    pub fn group_metadata(&self) -> Option<ConsumerGroupMetadata> {
        self.look(|consumer| {
            let (config, generation) = consumer.membership()?;
            Some(ConsumerGroupMetadata {
                group_id: config.group_id.clone(),
                generation_id: generation.id,
                member_id: generation.member_id.clone(),
                group_instance_id: config.group_instance_id.clone(),
            })
        })
    }

    /// Commits all positions: the offset after the last record that `poll` gave, of each partition.
    /// Waits until it is done; what time may cure is tried again.
    ///
    /// # Errors
    /// [`Error::CommitFailed`] when the consumer is no member of its group any more;
    /// `REBALANCE_IN_PROGRESS` when a rebalance has to be finished by a poll first;
    /// `INVALID_GROUP_ID` without `group.id`; [`Error::Timeout`] after `default.api.timeout.ms`;
    /// [`Error::Closed`].
    pub fn commit_sync(&mut self) -> Result<(), Error> {
        self.commit_waiting(None)
    }

    /// Commits these offsets: of each partition that of the *next* record to read.
    ///
    /// # Errors
    /// As [`commit_sync`](Consumer::commit_sync); [`Error::InvalidArgument`] for a negative offset,
    /// `OFFSET_METADATA_TOO_LARGE` above `offset.metadata.max.bytes`.
    pub fn commit_sync_offsets<P: Into<TopicPartition>, O: Into<OffsetAndMetadata>>(
        &mut self,
        offsets: impl IntoIterator<Item = (P, O)>,
    ) -> Result<(), Error> {
        self.commit_waiting(Some(collect(offsets)))
    }

    fn commit_waiting(&mut self, offsets: Option<Offsets>) -> Result<(), Error> {
        self.runner.call_back();
        let result = self.call(Call::Commit(offsets, true), "a commit").map(drop);
        self.runner.call_back();
        result
    }

    /// Commits all positions without waiting, and without trying again: a later commit says more.
    ///
    /// # Errors
    /// `INVALID_GROUP_ID`, [`Error::Closed`]. What becomes of the commit stands in the trace.
    pub fn commit_async(&mut self) -> Result<(), Error> {
        self.begin_commit().map(drop)
    }

    /// Commits all positions without waiting; what came of it is told by a later poll, commit or
    /// close, in the order of the commits.
    ///
    /// # Errors
    /// As [`commit_async`](Consumer::commit_async).
    pub fn commit_async_with(
        &mut self,
        callback: impl FnOnce(Result<(), Error>) + Send + 'static,
    ) -> Result<(), Error> {
        self.commit_calling_back(None, Box::new(callback))
    }

    /// Commits these offsets without waiting; otherwise as
    /// [`commit_async_with`](Consumer::commit_async_with).
    ///
    /// # Errors
    /// As [`commit_async`](Consumer::commit_async); [`Error::InvalidArgument`] for a negative
    /// offset.
    pub fn commit_async_offsets<P: Into<TopicPartition>, O: Into<OffsetAndMetadata>>(
        &mut self,
        offsets: impl IntoIterator<Item = (P, O)>,
        callback: impl FnOnce(Result<(), Error>) + Send + 'static,
    ) -> Result<(), Error> {
        self.commit_calling_back(Some(collect(offsets)), Box::new(callback))
    }

    fn commit_calling_back(
        &mut self,
        offsets: Option<Offsets>,
        callback: super::user_code::CommitCallback,
    ) -> Result<(), Error> {
        self.runner.call_back();
        let mut driver = self.runner.shared.enter()?;
        let (op, progress) = driver.begin(self.runner.handle, Call::Commit(offsets, false))?;
        let timeline = driver.timeline();
        drop(driver);
        match progress {
            Progress::Ready(result) => result.map(drop),
            Progress::Pending => {
                let mut code = self.runner.code.lock();
                code.commits.push_back(AsyncCommit { op, timeline, callback });
                Ok(())
            }
        }
    }

    /// Begins a commit of all positions that is tried once.
    ///
    /// # Errors
    /// As [`commit_async`](Consumer::commit_async).
    pub fn begin_commit(&mut self) -> Result<Operation<()>, Error> {
        let call = Call::Commit(None, false);
        Operation::begin(&self.runner, |_| call, "a commit", |_| Ok(()))
    }

    /// The offsets that the group has committed, without those partitions for which there are none.
    ///
    /// # Errors
    /// `INVALID_GROUP_ID` without `group.id`; [`Error::Timeout`] after `default.api.timeout.ms`;
    /// Kafka's errors.
    pub fn committed<P: Into<TopicPartition>>(
        &mut self,
        partitions: impl IntoIterator<Item = P>,
    ) -> Result<BTreeMap<TopicPartition, OffsetAndMetadata>, Error> {
        let partitions = partitions.into_iter().map(Into::into).collect();
        match self.call(Call::Committed(partitions), "committed offsets")? {
            Outcome::Committed(offsets) => Ok(offsets),
            outcome => unreachable!("committed offsets were asked for, not {outcome:?}"),
        }
    }
}

fn names<T: Into<TopicName>>(topics: impl IntoIterator<Item = T>) -> Topics {
    Topics::Names(topics.into_iter().map(Into::into).collect())
}

fn matching(pattern: &str) -> Result<Topics, Error> {
    let pattern = SubscriptionPattern::new(pattern)?;
    Ok(Topics::Pattern(pattern, std::collections::BTreeSet::new()))
}

fn collect<P: Into<TopicPartition>, O: Into<OffsetAndMetadata>>(
    offsets: impl IntoIterator<Item = (P, O)>,
) -> Offsets {
    offsets.into_iter().map(|(partition, offset)| (partition.into(), offset.into())).collect()
}
