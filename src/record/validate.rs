//! What must hold of a batch: of its place when it is taken in, of the rest when it is validated.

use super::batch::{ATTRIBUTES, Compression, RecordBatch, crc32c};
use super::error::BatchError;
use crate::types::{Offset, ProducerId, Timestamp};

/// The last offset at which a batch may begin: whatever its last offset delta, there is an offset
/// for the last record, and one behind it.
const MAX_BASE_OFFSET: Offset = Offset(i64::MAX - (1 << 31));

/// Checks that a batch may begin at an offset. The checksum does not cover it, so that it may be
/// anything even in a batch that is sound.
///
/// # Errors
/// [`BatchError::BaseOffset`] when the offset is negative, or when fewer than 2³¹ follow it.
pub fn check_base_offset(offset: Offset) -> Result<(), BatchError> {
    match (Offset::ZERO..=MAX_BASE_OFFSET).contains(&offset) {
        true => Ok(()),
        false => Err(BatchError::BaseOffset(offset.0)),
    }
}

impl RecordBatch {
    /// Checks the checksum.
    ///
    /// # Errors
    /// [`BatchError::Crc`].
    pub fn verify_crc(&self) -> Result<(), BatchError> {
        let (stored, computed) = (self.crc(), crc32c(&self.body()[ATTRIBUTES..]));
        if stored == computed { Ok(()) } else { Err(BatchError::Crc { stored, computed }) }
    }

    /// Checks everything: checksum, codec, and each record's structure and offset.
    ///
    /// # Errors
    /// The first fault found; [`BatchError::UnsupportedCodec`] for a packed batch, whose records
    /// nobody can look at.
    pub fn validate(&self) -> Result<(), BatchError> {
        self.check(false)
    }

    /// Checks everything that a broker demands of a producer's batch: besides
    /// [`validate`](RecordBatch::validate), offsets from 0 on without a gap, no control batch, a
    /// sequence number with a producer id, and the largest timestamp as stated.
    ///
    /// # Errors
    /// The first fault found.
    pub fn validate_from_producer(&self) -> Result<(), BatchError> {
        if !self.built_here {
            self.verify_crc()?;
        }
        if self.base_offset() != Offset::ZERO {
            return Err(BatchError::NotFromProducer("a base offset other than 0"));
        }
        if self.is_control() {
            return Err(BatchError::NotFromProducer("a control batch"));
        }
        if self.producer_id() > ProducerId::NONE && self.base_sequence() < 0 {
            return Err(BatchError::NotFromProducer("a producer id without a sequence number"));
        }
        self.check(true)
    }

    fn check(&self, from_producer: bool) -> Result<(), BatchError> {
        if !from_producer {
            self.verify_crc()?;
        }
        let (count, stated) = (self.record_count(), self.last_offset_delta());
        let impossible = count < 0
            || stated < 0
            || i64::from(count) > i64::from(stated) + 1
            || (from_producer && (count == 0 || !self.is_dense()));
        if impossible {
            return Err(BatchError::Count { stated: count, found: stated.saturating_add(1) });
        }
        if self.built_here {
            return Ok(());
        }
        match self.compression()? {
            Compression::None => self.check_records(from_producer),
            codec => Err(BatchError::UnsupportedCodec(codec)),
        }
    }

    fn check_records(&self, from_producer: bool) -> Result<(), BatchError> {
        let stated = self.last_offset_delta();
        let (mut last, mut newest, mut found) = (-1, Timestamp::NONE, 0);
        let mut records = self.records();
        for record in records.by_ref() {
            let record = record?;
            let delta = record.offset - self.base_offset();
            if delta <= last || (from_producer && delta != last + 1) {
                return Err(BatchError::OffsetOrder { record: found });
            }
            last = delta;
            newest = newest.max(record.timestamp);
            found += 1;
        }
        records.finish()?;
        if last > i64::from(stated) || (from_producer && last != i64::from(stated)) {
            return Err(BatchError::LastOffset { stated, found: last as i32 });
        }
        if from_producer && newest != self.max_timestamp() {
            return Err(BatchError::MaxTimestamp);
        }
        Ok(())
    }
}
