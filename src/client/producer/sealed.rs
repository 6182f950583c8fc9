//! A sealed batch, from the queue of its partition to its end.
//!
//! When it is drained for the first time it gets its sequence, if the producer is idempotent, and
//! its checksum. A retry sends the very same bytes, unless the sequences have been numbered anew
//! meanwhile: then it sends a copy that differs in its header alone.

use super::accumulator::Slot;
use super::idempotence::{ProducerIdAndEpoch, Stamp};
use crate::record::{ClosedBatch, RecordBatch};
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
    pub contents: Contents,
    pub created: Time,
    pub attempts: u32,
    /// Not to be sent again before this.
    pub not_before: Time,
    /// What it takes from `buffer.memory`; parts of a split batch share the first one's.
    pub reserved: usize,
}

/// The records of a batch.
#[derive(Clone, Debug)]
pub enum Contents {
    /// It has not been sent yet.
    Closed(ClosedBatch),
    /// It has been sent like this.
    Built(RecordBatch),
}

impl SealedBatch {
    pub fn key(&self) -> BatchKey {
        (self.number, self.first)
    }

    pub fn record_count(&self) -> i32 {
        match &self.contents {
            Contents::Closed(batch) => batch.record_count(),
            Contents::Built(batch) => batch.record_count(),
        }
    }

    pub fn size_in_bytes(&self) -> usize {
        match &self.contents {
            Contents::Closed(batch) => batch.size_in_bytes(),
            Contents::Built(batch) => batch.size_in_bytes(),
        }
    }

    /// What was sent, if it has been.
    pub fn built(&self) -> Option<&RecordBatch> {
        match &self.contents {
            Contents::Closed(_) => None,
            Contents::Built(batch) => Some(batch),
        }
    }

    /// How it was sent, if it has been.
    pub fn sent_as(&self) -> Option<Stamp> {
        let batch = self.built()?;
        let (id, epoch) = (batch.producer_id(), batch.producer_epoch());
        let producer = ProducerIdAndEpoch { id, epoch };
        let (base_sequence, records) = (batch.base_sequence(), batch.record_count());
        Some(Stamp { producer, base_sequence, records })
    }

    /// The batch as it is to be sent.
    pub fn finished(self, stamp: Option<Stamp>) -> SealedBatch {
        let sent_as = self.sent_as();
        let batch = match (self.contents, stamp) {
            (Contents::Closed(batch), None) => batch.finish(),
            (Contents::Closed(batch), Some(Stamp { producer, base_sequence, .. })) => {
                batch.finish_as(producer.id, producer.epoch, base_sequence)
            }
            (Contents::Built(batch), Some(stamp)) if sent_as != Some(stamp) => {
                let Stamp { producer, base_sequence, .. } = stamp;
                batch.with_producer(producer.id, producer.epoch, base_sequence)
            }
            (Contents::Built(batch), _) => batch,
        };
        SealedBatch { contents: Contents::Built(batch), ..self }
    }
}
