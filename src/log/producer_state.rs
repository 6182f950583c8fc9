//! What a log knows of idempotent producers: enough to tell a batch that was sent twice, and one
//! that came too early, from the one that is due.
//!
//! Of each producer id the log keeps the epoch and the last five batches with that epoch. A batch
//! of a client is checked against them:
//!
//! | batch | answer |
//! |---|---|
//! | of a producer that is not known | appended, whatever its sequence number |
//! | the same epoch, and exactly the sequence numbers of one of the five | a duplicate: success, with the stored offset |
//! | a lower epoch | `INVALID_PRODUCER_EPOCH` (47) |
//! | a higher epoch | appended if its first sequence number is 0, else `OUT_OF_ORDER_SEQUENCE_NUMBER` (45) |
//! | the same epoch | appended if it goes on where the last one ended (at 0 behind `i32::MAX`), else 45 |
//!
//! A producer is forgotten `producer.id.expiration.ms` after its last batch, unless it has a
//! transaction open. What an appended batch changes is the same when it comes in, when the log is
//! read again, and on a follower: [`ProducerState::update`].
//!
//! # Simplifications versus Kafka
//!
//! Kafka looks for expired producers every ten minutes; here one is expired to the millisecond, and
//! is found out when it sends again, when a segment is rolled, and when a snapshot is read. The
//! rules for transactional batches and markers, the epoch excepted, are still to come.

use std::collections::BTreeMap;

use super::error::LogError;
use crate::record::{ControlRecord, RecordBatch};
use crate::types::{Offset, ProducerEpoch, ProducerId, Timestamp};

/// How many batches of each producer are remembered: as many as it may have in flight.
pub const REMEMBERED_BATCHES: usize = 5;

/// The producers of one log. Without any it holds no memory.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProducerState {
    producers: BTreeMap<ProducerId, ProducerEntry>,
}

/// What is known of one producer id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProducerEntry {
    /// Its present epoch.
    pub epoch: ProducerEpoch,
    /// The last batches of that epoch, the latest one last; at most [`REMEMBERED_BATCHES`].
    pub batches: Vec<StoredBatch>,
    /// When it last wrote.
    pub last_timestamp: Timestamp,
    /// The epoch of the transaction coordinator that wrote its last marker; −1 without one.
    pub coordinator_epoch: i32,
    /// Where its open transaction begins.
    pub transaction_start: Option<Offset>,
}

/// A batch that lies in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct StoredBatch {
    /// The sequence number of its last record.
    pub last_sequence: i32,
    /// The offset of its last record.
    pub last_offset: Offset,
    /// How far that lies from the first one.
    pub offset_delta: i32,
    /// Its largest timestamp.
    pub timestamp: Timestamp,
}

/// What is to be done with a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SequenceCheck {
    /// Append it.
    Append,
    /// It is in the log already, as this batch.
    Duplicate(StoredBatch),
}

impl StoredBatch {
    /// The sequence number of its first record.
    #[must_use]
    pub fn first_sequence(&self) -> i32 {
        // Numbers behind i32::MAX go on at 0.
        match self.last_sequence {
            -1 => -1,
            last => last.wrapping_sub(self.offset_delta) & i32::MAX,
        }
    }

    /// The offset of its first record.
    #[must_use]
    pub fn first_offset(&self) -> Offset {
        self.last_offset + -i64::from(self.offset_delta)
    }
}

impl ProducerEntry {
    fn new(epoch: ProducerEpoch) -> Self {
        ProducerEntry {
            epoch,
            batches: Vec::new(),
            last_timestamp: Timestamp::NONE,
            coordinator_epoch: -1,
            transaction_start: None,
        }
    }

    /// The sequence number of the last record; −1 when there is none of this epoch.
    #[must_use]
    pub fn last_sequence(&self) -> i32 {
        self.batches.last().map_or(-1, |last| last.last_sequence)
    }

    /// Whether it is forgotten: it has been silent for so long, and has no transaction open.
    fn is_expired(&self, now: Timestamp, expiration_ms: i64) -> bool {
        let silent = now.0.saturating_sub(self.last_timestamp.0);
        self.transaction_start.is_none() && silent >= expiration_ms
    }

    fn duplicate_of(&self, batch: &RecordBatch) -> Option<StoredBatch> {
        let sequences = (batch.base_sequence(), batch.last_sequence());
        let same =
            |stored: &&StoredBatch| (stored.first_sequence(), stored.last_sequence) == sequences;
        self.batches.iter().find(same).copied().filter(|_| batch.producer_epoch() == self.epoch)
    }

    /// Takes over an epoch; the batches of another one count no more.
    fn set_epoch(&mut self, epoch: ProducerEpoch) {
        if epoch != self.epoch {
            self.epoch = epoch;
            self.batches.clear();
        }
    }
}

impl ProducerState {
    /// The producers, by their ids.
    pub fn producers(&self) -> impl ExactSizeIterator<Item = (ProducerId, &ProducerEntry)> {
        self.producers.iter().map(|(&id, entry)| (id, entry))
    }

    /// What is known of a producer.
    #[must_use]
    pub fn producer(&self, id: ProducerId) -> Option<&ProducerEntry> {
        self.producers.get(&id)
    }

    /// Whether no producer is known.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.producers.is_empty()
    }

    /// Decides about a batch that is to be appended. Sequence numbers count if it is from a client:
    /// the batches of a coordinator have none.
    ///
    /// # Errors
    /// [`LogError::OutOfOrderSequence`], [`LogError::InvalidProducerEpoch`].
    pub fn check(&self, batch: &RecordBatch, from_client: bool) -> Result<SequenceCheck, LogError> {
        let id = batch.producer_id();
        let Some(entry) = self.producers.get(&id).filter(|_| has_producer(batch)) else {
            return Ok(SequenceCheck::Append);
        };
        let from_client = from_client && !batch.is_control();
        if let Some(stored) = entry.duplicate_of(batch).filter(|_| from_client) {
            return Ok(SequenceCheck::Duplicate(stored));
        }
        let epoch = batch.producer_epoch();
        if epoch < entry.epoch {
            return Err(LogError::InvalidProducerEpoch {
                producer_id: id,
                epoch,
                current: entry.epoch,
            });
        }
        let sequence = batch.base_sequence();
        let due = match entry.last_sequence() {
            _ if epoch != entry.epoch => 0,
            last => last.wrapping_add(1) & i32::MAX,
        };
        if from_client && sequence != due && entry.epoch != ProducerEpoch::NONE {
            return Err(LogError::OutOfOrderSequence { producer_id: id, epoch, sequence, due });
        }
        Ok(SequenceCheck::Append)
    }

    /// Takes a batch into account that lies in the log.
    pub fn update(&mut self, batch: &RecordBatch) {
        if has_producer(batch) {
            self.update_producer(batch);
        }
    }

    fn update_producer(&mut self, batch: &RecordBatch) {
        let epoch = batch.producer_epoch();
        let marker = match batch.is_control() {
            true => match marker(batch) {
                None => return,
                marker => marker,
            },
            false => None,
        };
        let new = || ProducerEntry::new(epoch);
        let entry = self.producers.entry(batch.producer_id()).or_insert_with(new);
        entry.set_epoch(epoch);
        if let Some((coordinator_epoch, timestamp)) = marker {
            entry.coordinator_epoch = coordinator_epoch;
            entry.last_timestamp = timestamp;
            entry.transaction_start = None;
            return;
        }
        if entry.batches.len() >= REMEMBERED_BATCHES {
            entry.batches.remove(0);
        }
        entry.batches.push(StoredBatch {
            last_sequence: batch.last_sequence(),
            last_offset: batch.last_offset(),
            offset_delta: batch.last_offset_delta(),
            timestamp: batch.max_timestamp(),
        });
        entry.last_timestamp = batch.max_timestamp();
        if batch.is_transactional() {
            entry.transaction_start.get_or_insert(batch.base_offset());
        }
    }

    /// Forgets the producer of a batch if it has expired.
    pub fn expire_producer_of(&mut self, batch: &RecordBatch, now: Timestamp, expiration_ms: i64) {
        let id = batch.producer_id();
        if self.producers.get(&id).is_some_and(|entry| entry.is_expired(now, expiration_ms)) {
            self.producers.remove(&id);
        }
    }

    /// Forgets every producer that has expired.
    pub fn remove_expired(&mut self, now: Timestamp, expiration_ms: i64) {
        self.producers.retain(|_, entry| !entry.is_expired(now, expiration_ms));
    }

    /// Takes over a producer as a snapshot has it.
    pub(super) fn insert(&mut self, id: ProducerId, entry: ProducerEntry) {
        self.producers.insert(id, entry);
    }

    /// Takes over what another state knows of producers that this one does not know, and whose last
    /// batch lies below an offset.
    pub(super) fn keep_older(&mut self, before: ProducerState, below: Offset) {
        for (id, entry) in before.producers {
            if entry.batches.last().is_some_and(|last| last.last_offset < below) {
                self.producers.entry(id).or_insert(entry);
            }
        }
    }
}

fn has_producer(batch: &RecordBatch) -> bool {
    batch.producer_id() > ProducerId::NONE
}

/// The coordinator's epoch and the timestamp of a transaction marker; none for a control batch
/// whose marker a cleaning has removed, or which holds another one.
fn marker(batch: &RecordBatch) -> Option<(i32, Timestamp)> {
    let record = batch.records().next()?.ok()?;
    let marker = ControlRecord::parse(&record).ok().flatten()?;
    Some((marker.coordinator_epoch, record.timestamp))
}
