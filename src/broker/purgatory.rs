//! Requests that wait: until there is something to read, or their time is up.
//!
//! A delayed request is data: what it waits for stands in [`Purgatory`]'s tables, and the broker
//! asks for what has become due. Kafka calls the place, and a [`DelayedFetch`], by the same name.

use std::collections::{BTreeMap, BTreeSet};

use super::ConnectionId;
use crate::api::FetchRequest;
use crate::types::{Time, TopicPartition};

/// Names a delayed fetch; later ones have higher numbers.
pub type DelayedFetchId = u64;

/// A fetch that found too little.
#[derive(Clone, Debug)]
pub struct DelayedFetch {
    pub connection: ConnectionId,
    pub correlation_id: i32,
    pub request: FetchRequest,
    pub deadline: Time,
}

#[derive(Clone, Debug, Default)]
pub struct Purgatory {
    next: DelayedFetchId,
    fetches: BTreeMap<DelayedFetchId, DelayedFetch>,
    deadlines: BTreeSet<(Time, DelayedFetchId)>,
    by_partition: BTreeMap<TopicPartition, BTreeSet<DelayedFetchId>>,
}

impl Purgatory {
    pub fn watch(&mut self, fetch: DelayedFetch) {
        let id = self.next;
        self.next += 1;
        self.deadlines.insert((fetch.deadline, id));
        for wanted in &fetch.request.partitions {
            self.by_partition.entry(wanted.partition.clone()).or_default().insert(id);
        }
        self.fetches.insert(id, fetch);
    }

    /// Those that wait for a partition, oldest first.
    pub fn waiting_for(&self, partition: &TopicPartition) -> Vec<DelayedFetchId> {
        self.by_partition
            .get(partition)
            .map_or_else(Vec::new, |delayed| delayed.iter().copied().collect())
    }

    pub fn get(&self, id: DelayedFetchId) -> Option<&DelayedFetch> {
        self.fetches.get(&id)
    }

    pub fn take(&mut self, id: DelayedFetchId) -> Option<DelayedFetch> {
        let fetch = self.fetches.remove(&id)?;
        self.deadlines.remove(&(fetch.deadline, id));
        for wanted in &fetch.request.partitions {
            if let Some(waiting) = self.by_partition.get_mut(&wanted.partition) {
                waiting.remove(&id);
                if waiting.is_empty() {
                    self.by_partition.remove(&wanted.partition);
                }
            }
        }
        Some(fetch)
    }

    /// Forgets what a closed connection was waiting for.
    pub fn forget(&mut self, connection: ConnectionId) {
        let gone = self.fetches.iter().filter(|(_, fetch)| fetch.connection == connection);
        for id in gone.map(|(&id, _)| id).collect::<Vec<_>>() {
            self.take(id);
        }
    }

    pub fn next_deadline(&self) -> Option<Time> {
        self.deadlines.first().map(|&(deadline, _)| deadline)
    }

    /// The oldest request whose time is up.
    pub fn take_expired(&mut self, now: Time) -> Option<DelayedFetch> {
        let &(deadline, id) = self.deadlines.first()?;
        if deadline <= now { self.take(id) } else { None }
    }
}
