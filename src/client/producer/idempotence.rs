//! What an idempotent producer knows of its batches: under which id, epoch and sequence each one
//! is sent. The part of Kafka's `TransactionManager` that needs no transaction.
//!
//! | state | producer id | becomes |
//! |---|---|---|
//! | uninitialized | none; to be asked for | initializing when the request is sent |
//! | initializing | none; asked for | ready with an answer, uninitialized when that is lost or refused for now |
//! | ready | there is one | uninitialized when its epochs are used up |
//!
//! The broker appends a batch whose sequence follows the last one, and knows the last five again.
//! So the invariants are these:
//!
//! - A batch gets its sequence when it is drained for the first time, and keeps it through all its
//!   retries: the broker may have it.
//! - While a batch with a sequence waits to be sent again, it is the first of those in flight that
//!   is drained next, and nothing that is newer.
//! - A sequence is used anew only in a new epoch, a *bump*. Kafka's idempotent producers count their
//!   epochs themselves (KIP-360). The batches in flight of the partitions that made it necessary are
//!   numbered from 0 again; those of other partitions keep what they have.
//! - Of a batch that was given up after it had been sent, nobody knows whether it is in the log: its
//!   partition has an *unresolved* sequence. Nothing newer is sent until what is in flight there has
//!   come to an end. If that shows the sequences to be without a gap, they go on; else a bump.
//!
//! A broker that knows nothing of a producer takes any sequence as its first one. So if the very first
//! batch for a partition is refused for its size, those behind it are appended before it, or before
//! its parts; these are tried in vain until they expire. So it is in Kafka.
//!
//! # Simplifications versus Kafka
//! All batches that are given up after they have been sent leave an unresolved sequence. In Kafka
//! only those do that expire in a retry. After one that is refused for good it bumps the epoch at
//! once; here the next one in flight, which the broker refuses for the gap, has to show that it is
//! not in the log. After other ones, Kafka's partition stalls until a later batch has expired too.

use std::collections::{BTreeMap, BTreeSet};

use super::accumulator::Slot;
use super::sealed::BatchKey;
use crate::api::InitProducerIdResponse;
use crate::error::ErrorCode;
use crate::types::{Offset, ProducerEpoch, ProducerId, Time};

/// A producer id, and how often the producer has begun its sequences anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProducerIdAndEpoch {
    pub id: ProducerId,
    pub epoch: ProducerEpoch,
}

/// How a batch is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    pub producer: ProducerIdAndEpoch,
    pub base_sequence: i32,
    pub records: i32,
}

impl Stamp {
    /// The sequence of the record behind the batch.
    fn next_sequence(self) -> i32 {
        following(self.base_sequence, self.records)
    }

    /// The stamp of what comes behind so many of its records.
    pub fn skip(self, records: i32) -> Stamp {
        let base_sequence = following(self.base_sequence, records);
        Stamp { base_sequence, records: self.records - records, ..self }
    }
}

/// The sequence so many records behind another one; 0 follows `i32::MAX`.
fn following(sequence: i32, records: i32) -> i32 {
    sequence.wrapping_add(records) & i32::MAX
}

/// The later one of two sequences that lie close together.
fn later(one: i32, other: i32) -> i32 {
    let ahead = one.wrapping_sub(other) & i32::MAX;
    if ahead <= i32::MAX / 2 { one } else { other }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Not to be asked for before this.
    Uninitialized(Time),
    Initializing,
    Ready(ProducerIdAndEpoch),
}

/// The sequences of a partition.
#[derive(Clone, Debug, Default)]
struct Sequences {
    /// Who sends to it.
    producer: Option<ProducerIdAndEpoch>,
    /// The sequence of the next record.
    next: i32,
    /// The sequence behind the last record that was acknowledged, in this epoch; at first 0.
    acknowledged: i32,
    /// The batches that have a sequence and no end yet, in the order of their sequences.
    in_flight: BTreeMap<BatchKey, Stamp>,
    /// Nobody knows of a batch of this epoch whether it is in the log.
    unresolved: bool,
}

impl Sequences {
    /// Numbers everything in flight from 0.
    fn start_at_beginning(&mut self, producer: ProducerIdAndEpoch) {
        let mut next = 0;
        for stamp in self.in_flight.values_mut() {
            *stamp = Stamp { producer, base_sequence: next, records: stamp.records };
            next = stamp.next_sequence();
        }
        self.producer = Some(producer);
        self.next = next;
        self.acknowledged = 0;
        self.unresolved = false;
    }
}

/// What became of a request for a producer id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Initialized {
    /// There is one.
    Ready(ProducerIdAndEpoch),
    /// It is asked for again later.
    Retry,
    /// It is asked for again later, but all batches have failed.
    Refused(ErrorCode),
    /// There will never be one.
    Fatal(ErrorCode),
}

/// The idempotent side of a producer.
#[derive(Clone, Debug)]
pub struct Idempotence {
    state: State,
    partitions: BTreeMap<Slot, Sequences>,
    /// The partitions for which the epoch is to be bumped.
    to_bump: BTreeSet<Slot>,
}

impl Idempotence {
    /// One that has no producer id yet.
    pub fn new() -> Self {
        Idempotence {
            state: State::Uninitialized(Time(0)),
            partitions: BTreeMap::new(),
            to_bump: BTreeSet::new(),
        }
    }

    /// The producer id and epoch for what is sent next.
    pub fn producer(&self) -> Option<ProducerIdAndEpoch> {
        match self.state {
            State::Ready(producer) => Some(producer),
            State::Uninitialized(_) | State::Initializing => None,
        }
    }

    /// From when on a producer id is to be asked for.
    pub fn asks_at(&self) -> Option<Time> {
        match self.state {
            State::Uninitialized(not_before) => Some(not_before),
            State::Initializing | State::Ready(_) => None,
        }
    }

    /// It has been asked for.
    pub fn asked(&mut self) {
        assert!(self.asks_at().is_some(), "a producer id is asked for once");
        self.state = State::Initializing;
    }

    /// There will be no answer.
    pub fn lost(&mut self, again_at: Time) {
        assert_eq!(self.state, State::Initializing, "the request that was lost had been sent");
        self.state = State::Uninitialized(again_at);
    }

    /// Takes over an answer, or asks again at a later time.
    pub fn answered(&mut self, response: &InitProducerIdResponse, again_at: Time) -> Initialized {
        assert_eq!(self.state, State::Initializing, "what is answered had been asked");
        let code = response.error_code;
        if code == ErrorCode::None {
            let (id, epoch) = (response.producer_id, response.producer_epoch);
            let producer = ProducerIdAndEpoch { id, epoch };
            self.state = State::Ready(producer);
            self.rewrite(producer);
            return Initialized::Ready(producer);
        }
        self.state = State::Uninitialized(again_at);
        match code {
            ErrorCode::ClusterAuthorizationFailed
            | ErrorCode::TransactionalIdAuthorizationFailed => Initialized::Refused(code),
            ErrorCode::InvalidProducerEpoch => Initialized::Fatal(ErrorCode::ProducerFenced),
            code if code.is_retriable() => Initialized::Retry,
            code => Initialized::Fatal(code),
        }
    }

    /// Whether a batch may be sent now that is the first one in the queue of its partition.
    pub fn may_drain(&self, slot: Slot, key: BatchKey) -> bool {
        let Some(producer) = self.producer() else { return false };
        let Some(partition) = self.partitions.get(&slot) else { return true };
        match partition.in_flight.first_key_value() {
            // A retry: the batches in flight are sent again one by one.
            Some((&first, _)) if partition.in_flight.contains_key(&key) => first == key,
            // Nothing of a new epoch comes before what is left of the one before.
            Some(_) if partition.producer != Some(producer) => false,
            _ => !partition.unresolved,
        }
    }

    /// How a batch is sent that [`may_drain`](Idempotence::may_drain): as before, or with the next
    /// sequences.
    pub fn stamp(&mut self, slot: Slot, key: BatchKey, records: i32) -> Stamp {
        let producer = self.producer().expect("nothing is sent without a producer id");
        let partition = self.partitions.entry(slot).or_default();
        if let Some(&stamp) = partition.in_flight.get(&key) {
            return stamp;
        }
        if partition.producer != Some(producer) {
            partition.start_at_beginning(producer);
        }
        let stamp = Stamp { producer, base_sequence: partition.next, records };
        partition.next = stamp.next_sequence();
        partition.in_flight.insert(key, stamp);
        stamp
    }

    /// How a batch in flight is sent.
    pub fn sent(&self, slot: Slot, key: BatchKey) -> Option<Stamp> {
        self.partitions.get(&slot)?.in_flight.get(&key).copied()
    }

    /// A batch was appended, now or before.
    pub fn completed(&mut self, slot: Slot, key: BatchKey) {
        let Some(partition) = self.partitions.get_mut(&slot) else { return };
        let Some(stamp) = partition.in_flight.remove(&key) else { return };
        // What was acknowledged earlier may be answered later, by another broker.
        partition.acknowledged = later(stamp.next_sequence(), partition.acknowledged);
    }

    /// Whether a batch that was sent like this and refused, or lost, is to be sent again. It may
    /// need a new epoch for that.
    pub fn can_retry(
        &mut self,
        slot: Slot,
        key: BatchKey,
        sent: Stamp,
        error: ErrorCode,
        log_start_offset: Offset,
    ) -> bool {
        let Some(partition) = self.partitions.get(&slot) else { return error.is_retriable() };
        // It has another sequence by now than the one that was refused.
        let was_reset = partition.in_flight.get(&key).is_some_and(|stamp| *stamp != sent);
        let is_first = partition.in_flight.keys().next() == Some(&key);
        let bump = match error {
            ErrorCode::UnknownProducerId => log_start_offset >= Offset::ZERO && !was_reset,
            // If nothing before it may still come, and nothing behind it has been appended, there
            // is a gap in the log.
            ErrorCode::OutOfOrderSequenceNumber => {
                let base = sent.base_sequence;
                is_first && !was_reset && later(base, partition.acknowledged) == base
            }
            error => return error.is_retriable(),
        };
        if bump {
            self.to_bump.insert(slot);
        }
        true
    }

    /// A batch was given up: its sequences may be missing in the log.
    pub fn failed(&mut self, slot: Slot, key: BatchKey) {
        let Some(partition) = self.partitions.get_mut(&slot) else { return };
        partition.unresolved |= partition.in_flight.remove(&key).is_some();
    }

    /// A batch becomes several, which share its sequences: their keys and numbers of records.
    pub fn split(&mut self, slot: Slot, key: BatchKey, parts: &[(BatchKey, i32)]) {
        let Some(partition) = self.partitions.get_mut(&slot) else { return };
        let Some(whole) = partition.in_flight.remove(&key) else { return };
        let mut rest = whole;
        for &(key, records) in parts {
            partition.in_flight.insert(key, Stamp { records, ..rest });
            rest = rest.skip(records);
        }
    }

    /// Looks at the partitions with an unresolved sequence where nothing is in flight any more, and
    /// bumps the epoch if that has become necessary; tells the new one, and for whom.
    pub fn resolve_and_bump(&mut self) -> Option<(ProducerIdAndEpoch, Vec<Slot>)> {
        for (&slot, partition) in &mut self.partitions {
            if partition.unresolved && partition.in_flight.is_empty() {
                partition.unresolved = false;
                if partition.next != partition.acknowledged {
                    self.to_bump.insert(slot);
                }
            }
        }
        let State::Ready(ProducerIdAndEpoch { id, epoch }) = self.state else { return None };
        if self.to_bump.is_empty() {
            return None;
        }
        let Some(next) = epoch.0.checked_add(1) else {
            // The sequences begin anew when there is a new id.
            self.state = State::Uninitialized(Time(0));
            return None;
        };
        let producer = ProducerIdAndEpoch { id, epoch: ProducerEpoch(next) };
        self.state = State::Ready(producer);
        Some((producer, self.rewrite(producer)))
    }

    /// Numbers the batches in flight anew where that was necessary.
    fn rewrite(&mut self, producer: ProducerIdAndEpoch) -> Vec<Slot> {
        let slots: Vec<Slot> = std::mem::take(&mut self.to_bump).into_iter().collect();
        for slot in &slots {
            if let Some(partition) = self.partitions.get_mut(slot) {
                partition.start_at_beginning(producer);
            }
        }
        slots
    }
}
