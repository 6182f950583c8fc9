//! The consumer: positions, fetches, and what `poll` gives out.
//!
//! Each assigned partition has a *position*, the offset of the next record that `poll` will
//! return. Fetches run ahead of it into a buffer: a poll takes from the buffer, and sends the next
//! fetches before it returns. Network work happens during `poll` (and other calls that wait), as in
//! Kafka's classic consumer; a consumer that does not poll fetches nothing new.
//!
//! Partitions are assigned by hand, or by the [`group`]; with `group.id` the offsets that the group
//! has committed come before `auto.offset.reset`.

mod fetcher;
mod group;
mod offsets;
mod runner;
mod state;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use super::metadata::Metadata;
use super::network::{Backoff, Network};
use super::{ClientId, Effect, OpId, Outcome, Progress};
use crate::api::ListOffsetsPartition;
use crate::config::{AutoOffsetReset, ConsumerConfig, GroupRebalanceConfig};
use crate::error::{Error, ErrorCode};
use crate::random::Random;
use crate::record::RecordBatch;
use crate::types::{BrokerId, Offset, Time, Timestamp, TopicName, TopicPartition};

use fetcher::Buffer;
pub use group::{
    Assignors, GroupAssignment, MemberState, OffsetAndMetadata, Offsets, SubscriptionPattern,
    Topics,
};
use group::{Generation, Membership, Wanted};
use offsets::Lookup;
use state::{Assigned, FetchState};

/// Records for the user, still in their batch.
#[derive(Clone, Debug)]
pub struct PolledBatch {
    /// Where they are from.
    pub partition: TopicPartition,
    /// The batch that holds them.
    pub batch: RecordBatch,
    /// The first offset wanted; earlier records of the batch are skipped.
    pub from: Offset,
    /// How many records.
    pub count: usize,
}

/// Where the next read position comes from when there is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SeekTo {
    /// An offset.
    Offset(Offset),
    /// The first offset that the log holds.
    Beginning,
    /// The end of the log.
    End,
    /// The first record at or after a time; the end when there is none.
    Time(Timestamp),
}

#[derive(Clone, Debug)]
struct WaitingPoll {
    op: OpId,
    deadline: Time,
}

#[derive(Clone, Debug)]
struct WaitingPosition {
    op: OpId,
    partition: TopicPartition,
    deadline: Time,
}

/// What a consumer remembers of a request.
#[derive(Clone, Debug)]
enum Sent {
    Metadata,
    /// The offset asked for, of each partition.
    Fetch(BTreeMap<TopicPartition, Offset>),
    /// Positions to be found: of which partition, and where.
    Positions(Vec<(TopicPartition, SeekTo)>),
    /// For a call of the user.
    Lookup(OpId, Vec<ListOffsetsPartition>),
    FindCoordinator,
    /// In which generation it was sent.
    JoinGroup(Generation),
    SyncGroup(Generation),
    Heartbeat(Generation),
    LeaveGroup,
    /// Which commit, and in which generation.
    OffsetCommit(u64, Generation),
    OffsetFetch(Wanted),
}

/// A consumer's state.
#[derive(Clone, Debug)]
pub struct Consumer {
    config: ConsumerConfig,
    metadata: Metadata,
    network: Network<Sent>,
    assigned: BTreeMap<TopicPartition, Assigned>,
    buffer: Buffer,
    poll: Option<WaitingPoll>,
    positions: Vec<WaitingPosition>,
    lookups: BTreeMap<OpId, Lookup>,
    group: Option<Box<Membership>>,
    /// The partition that the next fetch request and the next poll begin with.
    turn: Option<TopicPartition>,
    /// When it last did what could be done.
    ran_at: Time,
    /// A call has changed what that is, while another one waits.
    woken: bool,
    closed: bool,
}

impl Consumer {
    /// A consumer without partitions.
    pub fn new(
        id: ClientId,
        config: ConsumerConfig,
        assignors: Option<Assignors>,
        bootstrap: Vec<BrokerId>,
        seed: u64,
    ) -> Self {
        let reconnect = Backoff {
            initial_ms: config.reconnect_backoff_ms,
            max_ms: config.reconnect_backoff_max_ms,
        };
        let stream = |purpose| Random::stream(seed, &format!("consumer {} {purpose}", id.0));
        let random = stream("reconnect");
        let group = config.group.clone().zip(assignors).map(|(config, assignors)| {
            Box::new(Membership::new(config, assignors, stream("group")))
        });
        let retry_ms = config.retry_backoff_ms as i64;
        let auto_create = config.allow_auto_create_topics;
        Consumer {
            metadata: Metadata::new(bootstrap, auto_create, retry_ms, config.metadata_max_age_ms),
            network: Network::new(reconnect, random),
            assigned: BTreeMap::new(),
            buffer: Buffer::default(),
            poll: None,
            positions: Vec::new(),
            lookups: BTreeMap::new(),
            group,
            turn: None,
            ran_at: Time(0),
            woken: false,
            closed: false,
            config,
        }
    }

    /// Replaces the assignment. Partitions that stay keep their position.
    pub fn assign(
        &mut self,
        now: Time,
        partitions: Vec<TopicPartition>,
        effects: &mut Vec<Effect>,
    ) -> Progress {
        if self.closed {
            return Progress::failed(Error::Closed);
        }
        if self.group.as_ref().is_some_and(|group| group.is_subscribed()) {
            let why = "topics are subscribed to: unsubscribe first".to_owned();
            return Progress::failed(Error::InvalidArgument(why));
        }
        if let Some(bad) = partitions.iter().find(|p| p.partition < 0 || p.topic.is_empty()) {
            let why = format!("'{bad}' is no partition");
            return Progress::failed(Error::InvalidArgument(why));
        }
        // What goes is committed if it is time for it: no rebalance will do that.
        self.auto_commit(now, effects);
        let wanted: BTreeSet<TopicPartition> = partitions.into_iter().collect();
        self.assigned.retain(|partition, _| wanted.contains(partition));
        self.buffer.retain(|partition| wanted.contains(partition));
        for partition in &wanted {
            self.assigned.entry(partition.clone()).or_insert_with(Assigned::new);
        }
        let topics: BTreeSet<TopicName> = wanted.into_iter().map(|p| p.topic).collect();
        self.metadata.want_only(now, topics);
        self.woken = true;
        Progress::DONE
    }

    /// What is assigned, in order.
    pub fn assignment(&self) -> impl Iterator<Item = &TopicPartition> {
        self.assigned.keys()
    }

    /// Those of the assigned partitions that are paused.
    pub fn paused(&self) -> impl Iterator<Item = &TopicPartition> {
        self.assigned.iter().filter(|(_, assigned)| assigned.paused).map(|(partition, _)| partition)
    }

    fn find(&mut self, partition: &TopicPartition) -> Result<&mut Assigned, Error> {
        if self.closed {
            return Err(Error::Closed);
        }
        self.assigned.get_mut(partition).ok_or_else(|| Error::NotAssigned(partition.clone()))
    }

    /// Moves the position of a partition. What was fetched from elsewhere is dropped, as is what
    /// went wrong there.
    pub fn seek(&mut self, partition: &TopicPartition, to: SeekTo) -> Progress {
        let state = match to {
            SeekTo::Offset(offset) if offset.0 < 0 => {
                let why = format!("offset {offset} is negative");
                return Progress::failed(Error::InvalidArgument(why));
            }
            SeekTo::Offset(offset) => FetchState::Fetching(offset),
            SeekTo::Time(timestamp) if timestamp.0 < 0 => {
                let why = format!("timestamp {timestamp} is negative");
                return Progress::failed(Error::InvalidArgument(why));
            }
            to => FetchState::AwaitReset(to),
        };
        match self.find(partition) {
            Err(error) => Progress::failed(error),
            Ok(assigned) => {
                assigned.seek(state);
                self.buffer.retain(|other| other != partition);
                self.woken = true;
                Progress::DONE
            }
        }
    }

    /// Stops or resumes giving out records of some partitions, without losing their positions.
    pub fn set_paused(&mut self, partitions: &[TopicPartition], paused: bool) -> Progress {
        for partition in partitions {
            if let Err(error) = self.find(partition) {
                return Progress::failed(error);
            }
        }
        for partition in partitions {
            if let Some(assigned) = self.assigned.get_mut(partition) {
                assigned.paused = paused;
            }
        }
        self.woken = true;
        Progress::DONE
    }

    /// Gives out records, waiting for some until the deadline.
    pub fn poll(
        &mut self,
        now: Time,
        op: OpId,
        deadline: Time,
        effects: &mut Vec<Effect>,
    ) -> Progress {
        if self.closed {
            return Progress::failed(Error::Closed);
        }
        let group = self.group.as_ref();
        if self.assigned.is_empty() && !group.is_some_and(|group| group.is_subscribed()) {
            let why = "nothing is assigned to this consumer".to_owned();
            return Progress::failed(Error::InvalidArgument(why));
        }
        if let Some(error) = group.and_then(|group| group.fenced.as_ref()) {
            return Progress::failed(error.clone());
        }
        if group.is_some_and(|group| group.is_in_user_code()) {
            let why = "the listener runs: poll when it is done".to_owned();
            return Progress::failed(Error::InvalidArgument(why));
        }
        if self.poll.is_some() {
            let why = "this consumer is being polled already".to_owned();
            return Progress::failed(Error::InvalidArgument(why));
        }
        self.poll = Some(WaitingPoll { op, deadline });
        self.run(now, effects);
        // The answer is the last effect if the poll was done at once.
        match effects.pop() {
            Some(Effect::Complete { op: done, result }) if done == op => Progress::Ready(result),
            other => {
                effects.extend(other);
                Progress::Pending
            }
        }
    }

    /// The position of a partition; asks the leader for it if it is not known.
    pub fn position(
        &mut self,
        now: Time,
        op: OpId,
        partition: &TopicPartition,
        effects: &mut Vec<Effect>,
    ) -> Progress {
        match self.find(partition).map(|assigned| assigned.position()) {
            Err(error) => Progress::failed(error),
            Ok(Some(offset)) => Progress::Ready(Ok(Outcome::Offset(offset))),
            Ok(None) => {
                let deadline = now.after_ms(self.config.default_api_timeout_ms);
                let partition = partition.clone();
                self.positions.push(WaitingPosition { op, partition, deadline });
                self.run(now, effects);
                Progress::Pending
            }
        }
    }

    /// How it is configured for its group, and in which generation it is there.
    pub fn membership(&self) -> Option<(&GroupRebalanceConfig, &Generation)> {
        self.group.as_ref().map(|group| (&group.config, group.generation()))
    }

    /// How many records lie between the position and the high watermark of the last fetch.
    pub fn lag(&mut self, partition: &TopicPartition) -> Progress {
        match self.find(partition) {
            Err(error) => Progress::failed(error),
            Ok(assigned) => {
                let ends = assigned.high_watermark.zip(assigned.position());
                let lag = ends.map(|(end, offset)| (end - offset).max(0));
                Progress::Ready(Ok(Outcome::Lag(lag)))
            }
        }
    }

    /// Closes: a member commits what it has read and leaves its group first.
    pub fn close(&mut self, now: Time, op: OpId, effects: &mut Vec<Effect>) -> Progress {
        match &self.group {
            _ if self.closed => Progress::DONE,
            None => self.stop(effects),
            Some(group) if group.is_in_user_code() => {
                let why = "the listener runs: close when it is done".to_owned();
                Progress::failed(Error::InvalidArgument(why))
            }
            Some(_) => self.close_member(now, op, effects),
        }
    }

    /// Stops for good.
    pub fn stop(&mut self, effects: &mut Vec<Effect>) -> Progress {
        if std::mem::replace(&mut self.closed, true) {
            return Progress::DONE;
        }
        let group = self.group.take();
        let commits = group.iter().flat_map(|group| &group.commits).filter_map(|one| one.op);
        let committed = group.iter().flat_map(|group| &group.committed).map(|one| one.op);
        let closing = group.iter().filter_map(|group| group.closing.as_ref()?.op);
        for op in commits.chain(committed).chain(closing) {
            effects.push(Effect::Complete { op, result: Err(Error::Closed) });
        }
        let polls = self.poll.take().map(|poll| poll.op);
        let positions = std::mem::take(&mut self.positions).into_iter().map(|wait| wait.op);
        let lookups = std::mem::take(&mut self.lookups).into_keys();
        for op in polls.into_iter().chain(positions).chain(lookups) {
            effects.push(Effect::Complete { op, result: Err(Error::Closed) });
        }
        self.network.close(effects);
        self.assigned.clear();
        self.buffer.retain(|_| false);
        Progress::DONE
    }

    /// The state of each assigned partition, for a reader.
    pub fn describe(&self) -> Vec<(String, String)> {
        let line = |(partition, assigned): (&TopicPartition, &Assigned)| {
            let position = match assigned.position() {
                Some(offset) => format!("at {offset}"),
                None => "position not known".to_owned(),
            };
            let paused = if assigned.paused { ", paused" } else { "" };
            (partition.to_string(), format!("{position}{paused}"))
        };
        self.assigned.iter().map(line).collect()
    }

    pub fn abandon(&mut self, gone: impl Fn(OpId) -> bool) {
        self.poll.take_if(|poll| gone(poll.op));
        self.positions.retain(|wait| !gone(wait.op));
        self.lookups.retain(|&op, _| !gone(op));
        if let Some(group) = &mut self.group {
            group.abandon(gone);
        }
    }

    /// What `auto.offset.reset` says, or the error that it demands.
    fn reset_target(&self, now: Time) -> Option<SeekTo> {
        match self.config.auto_offset_reset {
            AutoOffsetReset::Earliest => Some(SeekTo::Beginning),
            AutoOffsetReset::Latest => Some(SeekTo::End),
            AutoOffsetReset::None => None,
            AutoOffsetReset::ByDuration(back) => {
                let back_ms = i64::try_from(back.as_millis()).unwrap_or(i64::MAX);
                Some(SeekTo::Time(Timestamp(now.timestamp().0.saturating_sub(back_ms).max(0))))
            }
        }
    }

    /// Whether an error is cured by fresh metadata and another attempt.
    fn is_stale_metadata(code: ErrorCode) -> bool {
        matches!(
            code,
            ErrorCode::NotLeaderOrFollower
                | ErrorCode::UnknownTopicOrPartition
                | ErrorCode::LeaderNotAvailable
                | ErrorCode::FencedLeaderEpoch
                | ErrorCode::UnknownLeaderEpoch
                | ErrorCode::KafkaStorageError
                | ErrorCode::ReplicaNotAvailable
                | ErrorCode::OffsetNotAvailable
                | ErrorCode::UnknownTopicId
        )
    }
}
