//! What a client knows of the cluster, and when it asks again.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::api::{MetadataRequest, MetadataResponse, MetadataTopic};
use crate::error::ErrorCode;
use crate::types::{BrokerId, LeaderEpoch, Time, TopicName, TopicPartition};

/// A client's picture of the cluster.
#[derive(Clone, Debug)]
pub struct Metadata {
    brokers: Vec<BrokerId>,
    topics: BTreeMap<TopicName, Arc<MetadataTopic>>,
    wanted: BTreeSet<TopicName>,
    /// Every topic that there is matters.
    all: bool,
    allow_auto_creation: bool,
    retry_backoff_ms: i64,
    max_age_ms: i64,
    /// Something is missing or known to be wrong.
    stale: bool,
    in_flight: bool,
    not_before: Time,
    updated: Option<Time>,
    /// How many answers there have been.
    updates: u64,
}

impl Metadata {
    /// Knows the brokers to ask first, and nothing else.
    pub fn new(
        bootstrap: Vec<BrokerId>,
        allow_auto_creation: bool,
        retry_backoff_ms: i64,
        max_age_ms: i64,
    ) -> Self {
        Metadata {
            brokers: bootstrap,
            topics: BTreeMap::new(),
            wanted: BTreeSet::new(),
            all: false,
            allow_auto_creation,
            retry_backoff_ms,
            max_age_ms,
            stale: false,
            in_flight: false,
            not_before: Time(0),
            updated: None,
            updates: 0,
        }
    }

    pub fn brokers(&self) -> impl Iterator<Item = BrokerId> {
        self.brokers.iter().copied()
    }

    /// Notes that a topic matters. What is not known, or known for longer than
    /// `metadata.max.age.ms`, is asked for.
    pub fn want(&mut self, now: Time, topic: &TopicName) {
        if !self.wanted.contains(topic) {
            self.wanted.insert(topic.clone());
            self.stale = true;
            // A new topic is asked about at once, however short ago the last answer came.
            self.not_before = Time(0);
        }
        self.refresh_if_old(now);
    }

    /// Forgets about topics other than these.
    pub fn want_only(&mut self, now: Time, topics: BTreeSet<TopicName>) {
        if topics.iter().any(|topic| !self.wanted.contains(topic)) {
            self.stale = true;
            self.not_before = Time(0);
        }
        self.topics.retain(|name, _| topics.contains(name));
        self.wanted = topics;
        self.all = false;
        self.refresh_if_old(now);
    }

    /// Notes that every topic matters, those to come as well.
    pub fn want_all(&mut self) {
        if !std::mem::replace(&mut self.all, true) {
            self.stale = true;
            self.not_before = Time(0);
        }
    }

    /// What is known of topics, in the order of their names.
    pub fn topics(&self) -> impl Iterator<Item = &MetadataTopic> {
        self.topics.values().map(|topic| &**topic)
    }

    /// Whether there has been an answer about all topics that matter.
    pub fn knows_all_wanted(&self) -> bool {
        if self.all {
            return self.updated.is_some() && !self.stale && !self.in_flight;
        }
        self.wanted.iter().all(|topic| self.topics.contains_key(topic))
    }

    /// How many answers there have been.
    pub fn updates(&self) -> u64 {
        self.updates
    }

    /// When what is known will be too old.
    pub fn expires_at(&self) -> Option<Time> {
        self.updated.filter(|_| !self.stale && !self.in_flight).map(|t| t.after_ms(self.max_age_ms))
    }

    /// Asks again for what has been known for longer than `metadata.max.age.ms`.
    pub fn refresh_if_old(&mut self, now: Time) {
        self.stale |= self.updated.is_some_and(|then| then.after_ms(self.max_age_ms) <= now);
    }

    /// Asks for everything again, unless that has been done just now.
    pub fn refresh(&mut self, now: Time) {
        self.stale |= self.not_before <= now && !self.in_flight;
    }

    /// How many answers there will have been when nothing that is known now is known to be old.
    pub fn updates_until_fresh(&self) -> u64 {
        self.updates + u64::from(self.stale || self.in_flight)
    }

    /// Notes that something known turned out to be wrong.
    pub fn invalidate(&mut self) {
        self.stale = true;
    }

    /// The number of partitions of a topic, once it is known.
    pub fn partition_count(&self, topic: &str) -> Option<usize> {
        let known = self.topics.get(topic)?;
        (!known.partitions.is_empty()).then_some(known.partitions.len())
    }

    /// An error about a topic that asking again will not cure.
    pub fn fatal_error(&self, topic: &str) -> Option<ErrorCode> {
        let code = self.topics.get(topic)?.error_code;
        matches!(code, ErrorCode::InvalidTopicException | ErrorCode::TopicAuthorizationFailed)
            .then_some(code)
    }

    /// What the last answer said of a topic.
    pub fn error(&self, topic: &str) -> ErrorCode {
        self.topics.get(topic).map_or(ErrorCode::UnknownTopicOrPartition, |known| known.error_code)
    }

    /// Who leads a partition, and in which epoch.
    pub fn leader(&self, partition: &TopicPartition) -> Option<(BrokerId, LeaderEpoch)> {
        let index = usize::try_from(partition.partition).ok()?;
        let known = self.topics.get(&partition.topic)?.partitions.get(index)?;
        (known.leader_id.0 >= 0).then_some((known.leader_id, known.leader_epoch))
    }

    /// The request to send now, if there is one.
    pub fn next_request(&mut self, now: Time) -> Option<MetadataRequest> {
        if !self.stale || self.in_flight || self.not_before > now {
            return None;
        }
        self.in_flight = true;
        self.stale = false;
        Some(MetadataRequest {
            topics: (!self.all).then(|| self.wanted.iter().cloned().collect()),
            allow_auto_topic_creation: self.allow_auto_creation,
        })
    }

    /// When the next request may be sent, if one is needed.
    pub fn next_deadline(&self) -> Option<Time> {
        (self.stale && !self.in_flight).then_some(self.not_before)
    }

    /// Takes over an answer. Topics that have no leader yet are asked about again.
    pub fn update(&mut self, now: Time, response: MetadataResponse) {
        self.in_flight = false;
        self.updated = Some(now);
        self.updates += 1;
        self.not_before = now.after_ms(self.retry_backoff_ms);
        if !response.brokers.is_empty() {
            self.brokers = response.brokers.iter().map(|broker| broker.node_id).collect();
        }
        if self.all {
            // Whatever is not in the answer is no more.
            self.topics.clear();
        }
        for topic in response.topics {
            let unled = topic.partitions.iter().any(|partition| partition.leader_id.0 < 0);
            self.stale |= topic.error_code.is_retriable() || unled;
            self.topics.insert(topic.name.clone(), topic);
        }
        // A topic that came to matter while the request was under way is still to be asked about.
        self.stale |= !self.all && self.wanted.iter().any(|topic| !self.topics.contains_key(topic));
    }

    /// The request was lost.
    pub fn failed(&mut self, now: Time) {
        self.in_flight = false;
        self.stale = true;
        self.not_before = now.after_ms(self.retry_backoff_ms);
    }
}
