//! The producer id, epoch and sequence of a batch that is complete but for them.
//!
//! An idempotent producer learns the sequence of a batch when it sends it, long after the batch was
//! sealed and its bytes have left the processor's cache. The checksum covers the sequence. So the
//! batch is not read again: a CRC is linear, and what changes in it follows from the changed bytes
//! and from how many bytes stand behind them.

use bytes::BytesMut;

use super::batch::{BASE_SEQUENCE, COUNT, CRC, PRODUCER_EPOCH, PRODUCER_ID, RecordBatch, crc32c};
use crate::types::{ProducerEpoch, ProducerId};

/// How many bytes the three fields take.
const FIELDS: usize = COUNT - PRODUCER_ID;

impl RecordBatch {
    /// The same records as those of this producer, in this epoch, from this sequence on. Writes
    /// into the batch, or into a copy if the batch is shared.
    #[must_use]
    pub fn with_producer(
        self,
        producer_id: ProducerId,
        producer_epoch: ProducerEpoch,
        base_sequence: i32,
    ) -> RecordBatch {
        let mut fields = [0; FIELDS];
        let at = |field: usize| field - PRODUCER_ID;
        fields[..at(PRODUCER_EPOCH)].copy_from_slice(&producer_id.0.to_be_bytes());
        fields[at(PRODUCER_EPOCH)..at(BASE_SEQUENCE)]
            .copy_from_slice(&producer_epoch.0.to_be_bytes());
        fields[at(BASE_SEQUENCE)..].copy_from_slice(&base_sequence.to_be_bytes());
        let old_crc = self.crc();
        self.map_body(|body| {
            let mut body = body.try_into_mut().unwrap_or_else(|shared| BytesMut::from(&shared[..]));
            let mut change = fields;
            for (new, old) in change.iter_mut().zip(&body[PRODUCER_ID..COUNT]) {
                *new ^= old;
            }
            let crc = old_crc ^ crc_change(&change, body.len() - COUNT);
            body[PRODUCER_ID..COUNT].copy_from_slice(&fields);
            body[CRC..CRC + 4].copy_from_slice(&crc.to_be_bytes());
            body.freeze()
        })
    }
}

/// By what a CRC-32C changes when bytes change, with so many bytes behind them.
fn crc_change(change: &[u8; FIELDS], behind: usize) -> u32 {
    // The difference rids both of what they begin and end with.
    let mut crc = crc32c(change) ^ crc32c(&[0; FIELDS]);
    let mut left = behind;
    for powers in &POWERS {
        let digit = left % 16;
        if digit > 0 {
            crc = multiply(crc, powers[digit]);
        }
        left /= 16;
    }
    assert_eq!(left, 0, "a batch is shorter than 4 GiB");
    crc
}

/// The polynomial of CRC-32C, and the polynomial 1; the lowest power is the highest bit.
const POLYNOMIAL: u32 = 0x82f6_3b78;
const ONE: u32 = 1 << 31;

/// For each hexadecimal digit of a length in bytes, what as many zeros multiply a CRC with:
/// x to the power of 8 · digit · 16^place.
static POWERS: [[u32; 16]; 8] = powers();

const fn powers() -> [[u32; 16]; 8] {
    let mut all = [[ONE; 16]; 8];
    // A zero byte: x to the power of 8.
    let mut unit = ONE >> 8;
    let mut place = 0;
    while place < 8 {
        let mut digit = 1;
        while digit < 16 {
            all[place][digit] = multiply(all[place][digit - 1], unit);
            digit += 1;
        }
        unit = multiply(all[place][15], unit);
        place += 1;
    }
    all
}

/// The product of two polynomials, modulo the one of CRC-32C.
const fn multiply(one: u32, other: u32) -> u32 {
    let (mut product, mut shifted, mut bit) = (0, other, 0);
    while bit < 32 {
        if one & (ONE >> bit) != 0 {
            product ^= shifted;
        }
        shifted = (shifted >> 1) ^ (POLYNOMIAL & (shifted & 1).wrapping_neg());
        bit += 1;
    }
    product
}

#[cfg(test)]
mod tests {
    use super::super::{BatchBuilder, BatchOptions};
    use super::*;
    use crate::types::Timestamp;

    fn build(bytes: usize, options: BatchOptions) -> RecordBatch {
        let mut builder = BatchBuilder::new(options);
        builder.append(Timestamp(7), None, Some(&vec![b'x'; bytes]), &[]);
        builder.append(Timestamp(8), None, Some(b"b"), &[]);
        builder.build()
    }

    /// Whether the producer is told to the builder or later, once or twice, and whether others
    /// share the batch: the bytes are the same, down to the checksum.
    #[test]
    fn the_producer_may_be_told_later() {
        let sizes = (0..300).chain([4000, 16_300, 65_535, 65_536, 1_048_576, 17_000_000]);
        for (size, i) in sizes.zip(1..) {
            let (id, epoch) = (ProducerId(i64::MAX / i64::from(i)), ProducerEpoch(i as i16));
            let options = BatchOptions {
                producer_id: id,
                producer_epoch: epoch,
                base_sequence: i32::MAX / i,
                ..BatchOptions::default()
            };
            let told_first = build(size, options);
            assert_eq!(told_first.validate(), Ok(()));
            let plain = build(size, BatchOptions::default());
            let shared = plain.clone();
            let told_later = plain.with_producer(id, epoch, i32::MAX / i);
            assert_eq!(told_later, told_first, "{size} B");
            assert_eq!(shared, build(size, BatchOptions::default()), "a copy was changed");
            let back = told_later.with_producer(ProducerId::NONE, ProducerEpoch::NONE, -1);
            assert_eq!(back, shared, "{size} B");
        }
    }
}
