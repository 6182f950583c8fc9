//! A sealed batch, from the queue of its partition to its end.
//!
//! When a batch of an idempotent producer is drained for the first time it gets its sequence. A
//! retry sends the very same bytes, unless the sequences have been numbered anew meanwhile: then it
//! sends a copy that differs in its header alone.

use super::accumulator::Slot;
use super::idempotence::{ProducerIdAndEpoch, Stamp};
use crate::record::RecordBatch;
use crate::types::Time;

/// A batch, or a part of one that was split: by its number, and the first of its records.
pub type BatchKey = (u64, u32);

/// A closed batch on its way.
#[derive(Clone, Debug)]
pub struct SealedBatch {
    pub number: u64,
    /// The first of its records, counted in the batch that the records were sent into.
    pub first: u32,
    pub slot: Slot,
    pub batch: RecordBatch,
    pub created: Time,
    pub attempts: u32,
    /// Not to be sent again before this.
    pub not_before: Time,
    /// What it takes from `buffer.memory`; parts of a split batch share the first one's.
    pub reserved: usize,
}

impl SealedBatch {
    pub fn key(&self) -> BatchKey {
        (self.number, self.first)
    }

    /// How it was sent last, if it has a sequence.
    pub fn sent_as(&self) -> Option<Stamp> {
        let batch = &self.batch;
        let (id, epoch) = (batch.producer_id(), batch.producer_epoch());
        let producer = ProducerIdAndEpoch { id, epoch };
        let (base_sequence, records) = (batch.base_sequence(), batch.record_count());
        (base_sequence >= 0).then_some(Stamp { producer, base_sequence, records })
    }

    /// The batch as it is to be sent.
    pub fn stamped(mut self, stamp: Stamp) -> SealedBatch {
        if self.sent_as() != Some(stamp) {
            let Stamp { producer, base_sequence, .. } = stamp;
            self.batch = self.batch.with_producer(producer.id, producer.epoch, base_sequence);
        }
        self
    }
}
