//! Requests that wait: until there is something to read, or their time is up.
//!
//! A parked request is data: what it waits for stands in [`Purgatory`]'s tables, and the broker
//! asks for what has become due. Kafka calls the place by the same name.

use std::collections::{BTreeMap, BTreeSet};

use super::ConnectionId;
use crate::api::FetchRequest;
use crate::types::{Time, TopicPartition};

/// Names a parked request; later ones have higher numbers.
pub type ParkedId = u64;

/// A fetch that found too little.
#[derive(Clone, Debug)]
pub struct ParkedFetch {
    pub connection: ConnectionId,
    pub correlation_id: i32,
    pub request: FetchRequest,
    pub deadline: Time,
}

#[derive(Clone, Debug, Default)]
pub struct Purgatory {
    next: ParkedId,
    fetches: BTreeMap<ParkedId, ParkedFetch>,
    deadlines: BTreeSet<(Time, ParkedId)>,
    by_partition: BTreeMap<TopicPartition, BTreeSet<ParkedId>>,
}

impl Purgatory {
    pub fn park(&mut self, fetch: ParkedFetch) {
        let id = self.next;
        self.next += 1;
        self.deadlines.insert((fetch.deadline, id));
        for wanted in &fetch.request.partitions {
            self.by_partition.entry(wanted.partition.clone()).or_default().insert(id);
        }
        self.fetches.insert(id, fetch);
    }

    /// Those that wait for a partition, oldest first.
    pub fn waiting_for(&self, partition: &TopicPartition) -> Vec<ParkedId> {
        self.by_partition
            .get(partition)
            .map_or_else(Vec::new, |parked| parked.iter().copied().collect())
    }

    pub fn get(&self, id: ParkedId) -> Option<&ParkedFetch> {
        self.fetches.get(&id)
    }

    pub fn take(&mut self, id: ParkedId) -> Option<ParkedFetch> {
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
    pub fn take_expired(&mut self, now: Time) -> Option<ParkedFetch> {
        let &(deadline, id) = self.deadlines.first()?;
        if deadline <= now { self.take(id) } else { None }
    }
}
