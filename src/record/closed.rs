//! A batch that takes no more records, and lacks its checksum still.
//!
//! An idempotent producer knows the sequence of a batch when it sends it for the first time. The
//! checksum covers the sequence; so a batch is closed when it is full, and gets both when it is
//! sent. What has a checksum is a [`RecordBatch`], and is never changed again:
//! [`with_producer`](RecordBatch::with_producer) writes a copy.

use bytes::{Bytes, BytesMut};

use super::batch::{
    ATTRIBUTES, BASE_SEQUENCE, BATCH_OVERHEAD, COUNT, CRC, PRODUCER_EPOCH, PRODUCER_ID, RECORDS,
    RecordBatch, crc32c,
};
use crate::types::{ProducerEpoch, ProducerId};

/// A closed batch, its header filled in but for the checksum. From
/// [`BatchBuilder::close`](super::BatchBuilder::close).
#[derive(Clone, Debug)]
pub struct ClosedBatch {
    body: Bytes,
    count: i32,
}

impl ClosedBatch {
    /// A batch whose body a builder has just closed.
    pub(super) fn new(body: Bytes, count: i32) -> Self {
        ClosedBatch { body, count }
    }

    /// The number of records.
    #[must_use]
    pub fn record_count(&self) -> i32 {
        self.count
    }

    /// The size of the encoded batch, in bytes.
    #[must_use]
    pub fn size_in_bytes(&self) -> usize {
        BATCH_OVERHEAD - RECORDS + self.body.len()
    }

    /// The batch as it is, with its checksum.
    #[must_use]
    pub fn finish(self) -> RecordBatch {
        self.finish_with(|_| {})
    }

    /// The batch as one of an idempotent producer, with its checksum.
    #[must_use]
    pub fn finish_as(
        self,
        producer_id: ProducerId,
        producer_epoch: ProducerEpoch,
        base_sequence: i32,
    ) -> RecordBatch {
        self.finish_with(|body| put_producer(body, producer_id, producer_epoch, base_sequence))
    }

    /// Writes into the body itself, unless a copy of the batch shares it.
    fn finish_with(self, change: impl Fn(&mut [u8])) -> RecordBatch {
        let mut body =
            self.body.try_into_mut().unwrap_or_else(|shared| BytesMut::from(&shared[..]));
        change(&mut body);
        put_crc(&mut body);
        RecordBatch::built(body.freeze())
    }
}

impl RecordBatch {
    /// The same records as those of another producer, of another epoch or at another sequence;
    /// computes the checksum anew on a copy.
    #[must_use]
    pub fn with_producer(
        &self,
        producer_id: ProducerId,
        producer_epoch: ProducerEpoch,
        base_sequence: i32,
    ) -> RecordBatch {
        let mut body = self.body().to_vec();
        put_producer(&mut body, producer_id, producer_epoch, base_sequence);
        put_crc(&mut body);
        self.with_body(body.into())
    }
}

fn put_producer(body: &mut [u8], id: ProducerId, epoch: ProducerEpoch, base_sequence: i32) {
    body[PRODUCER_ID..PRODUCER_EPOCH].copy_from_slice(&id.0.to_be_bytes());
    body[PRODUCER_EPOCH..BASE_SEQUENCE].copy_from_slice(&epoch.0.to_be_bytes());
    body[BASE_SEQUENCE..COUNT].copy_from_slice(&base_sequence.to_be_bytes());
}

/// Computes the checksum of a body whose header is filled in.
pub(super) fn put_crc(body: &mut [u8]) {
    let crc = crc32c(&body[ATTRIBUTES..]);
    body[CRC..ATTRIBUTES].copy_from_slice(&crc.to_be_bytes());
}

#[cfg(test)]
mod tests {
    use super::super::{BatchBuilder, BatchOptions};
    use super::*;
    use crate::types::Timestamp;

    fn builder(options: BatchOptions) -> BatchBuilder {
        let mut builder = BatchBuilder::new(options);
        for value in ["a", "b", "c"] {
            builder.append(Timestamp(7), None, Some(value.as_bytes()), &[]);
        }
        builder
    }

    /// Whether the producer is told to the builder, when the batch is finished, or later, and
    /// whether others share the batch: the bytes are the same.
    #[test]
    fn the_producer_may_be_told_at_any_time() {
        let (id, epoch, base_sequence) = (ProducerId(9), ProducerEpoch(2), 41);
        let options = BatchOptions {
            producer_id: id,
            producer_epoch: epoch,
            base_sequence,
            ..BatchOptions::default()
        };
        let told_first = builder(options).build();
        assert_eq!(told_first.validate_from_producer(), Ok(()));
        let closed = builder(BatchOptions::default()).close();
        assert_eq!(closed.size_in_bytes(), told_first.size_in_bytes());
        let shared = closed.clone();
        assert_eq!(closed.finish_as(id, epoch, base_sequence), told_first);
        let plain = shared.finish();
        assert_eq!(plain, builder(BatchOptions::default()).build());
        assert_eq!(plain.with_producer(id, epoch, base_sequence), told_first);
        let again = told_first.with_producer(ProducerId::NONE, ProducerEpoch::NONE, -1);
        assert_eq!(again, plain);
    }
}
