//! What becomes of a batch that is too large for the broker.

use super::Producer;
use super::idempotence::{ProducerIdAndEpoch, Stamp};
use super::sealed::{BatchKey, SealedBatch};
use crate::client::{ClientEvent, Effect};
use crate::record::{BatchBuilder, BatchOptions, RecordBatch};
use crate::types::{ProducerEpoch, ProducerId};

impl Producer {
    /// Cuts a batch that the broker found too large into parts of at most `batch.size`, and into
    /// halves at least. The parts of an idempotent producer's share its sequences.
    pub(super) fn split(&mut self, batch: &SealedBatch, effects: &mut Vec<Effect>) {
        let limit = self.config.batch_size.min(batch.batch.size_in_bytes() / 2);
        let stamp = self.idempotence.as_ref().and_then(|known| known.sent(batch.slot, batch.key()));
        let parts = cut(&batch.batch, limit, stamp);
        let partition = self.name_of(batch.slot);
        let count = parts.len() as u32;
        effects.push(Effect::Event(ClientEvent::Split { partition, parts: count }));
        self.accumulator.split(batch.number, count);
        let mut first = batch.first;
        let mut reserved = batch.reserved;
        let mut keys: Vec<(BatchKey, i32)> = Vec::new();
        for part in parts {
            let records = part.record_count();
            keys.push(((batch.number, first), records));
            self.accumulator.reenqueue(SealedBatch {
                first,
                batch: part,
                reserved: std::mem::take(&mut reserved),
                ..batch.clone()
            });
            first += records as u32;
        }
        if let Some(idempotence) = &mut self.idempotence {
            idempotence.split(batch.slot, batch.key(), &keys);
        }
    }
}

/// The records in parts of at most `limit` bytes, or of one record; the first part begins as the
/// whole batch does.
fn cut(whole: &RecordBatch, limit: usize, stamp: Option<Stamp>) -> Vec<RecordBatch> {
    let none = ProducerIdAndEpoch { id: ProducerId::NONE, epoch: ProducerEpoch::NONE };
    let none = Stamp { producer: none, base_sequence: -1, records: 0 };
    let of_part = |records: i32| {
        let Stamp { producer, base_sequence, .. } = stamp.map_or(none, |stamp| stamp.skip(records));
        BatchBuilder::new(BatchOptions {
            producer_id: producer.id,
            producer_epoch: producer.epoch,
            base_sequence,
            ..BatchOptions::default()
        })
    };
    let (mut parts, mut records, mut builder) = (Vec::new(), 0, of_part(0));
    for record in whole.records().flatten() {
        let headers: Vec<_> = record.headers().flatten().collect();
        let (timestamp, key, value) = (record.timestamp, record.key, record.value);
        if builder.append_within(limit, timestamp, key, value, &headers).is_none() {
            if builder.record_count() > 0 {
                parts.push(std::mem::replace(&mut builder, of_part(records)).build());
            }
            builder.append(timestamp, key, value, &headers);
        }
        records += 1;
    }
    parts.push(builder.build());
    parts
}
