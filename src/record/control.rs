//! The markers that end a transaction: control records, one to a control batch.
//!
//! ```text
//! key:   int16 version = 0, int16 type (0 abort, 1 commit)
//! value: int16 version = 0, int32 epoch of the transaction coordinator
//! ```
//!
//! Higher versions may have more fields behind these, which are passed over. Types beyond these two
//! belong to the controllers' quorum.

use super::{BatchBuilder, BatchError, BatchOptions, RecordBatch, RecordRef};
use crate::types::{ProducerEpoch, ProducerId, Timestamp};

/// How a transaction ended, by Kafka's numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(i16)]
pub enum ControlType {
    /// Its records never were.
    Abort = 0,
    /// Its records may be read.
    Commit = 1,
}

/// The marker that ends a transaction on a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ControlRecord {
    /// How the transaction ended.
    pub control_type: ControlType,
    /// Which of a transaction coordinator's successive leaders said so.
    pub coordinator_epoch: i32,
}

impl ControlRecord {
    /// The key of the record.
    #[must_use]
    pub fn key(&self) -> [u8; 4] {
        let [high, low] = (self.control_type as i16).to_be_bytes();
        [0, 0, high, low]
    }

    /// The value of the record.
    #[must_use]
    pub fn value(&self) -> [u8; 6] {
        let [a, b, c, d] = self.coordinator_epoch.to_be_bytes();
        [0, 0, a, b, c, d]
    }

    /// Reads the record of a control batch; `Ok(None)` for a type that ends no transaction.
    ///
    /// # Errors
    /// [`BatchError::ControlRecord`] when key or value is null, too short or of a negative version.
    pub fn parse(record: &RecordRef<'_>) -> Result<Option<ControlRecord>, BatchError> {
        let (control_type, _) = versioned::<2>(record.key)?;
        let control_type = match i16::from_be_bytes(control_type) {
            0 => ControlType::Abort,
            1 => ControlType::Commit,
            _ => return Ok(None),
        };
        let (epoch, _) = versioned::<4>(record.value)?;
        Ok(Some(ControlRecord { control_type, coordinator_epoch: i32::from_be_bytes(epoch) }))
    }

    /// The control batch that holds this marker alone.
    #[must_use]
    pub fn batch(
        &self,
        timestamp: Timestamp,
        producer_id: ProducerId,
        producer_epoch: ProducerEpoch,
    ) -> RecordBatch {
        let options = BatchOptions {
            producer_id,
            producer_epoch,
            transactional: true,
            control: true,
            ..BatchOptions::default()
        };
        let mut builder = BatchBuilder::new(options);
        builder.append(timestamp, Some(&self.key()), Some(&self.value()), &[]);
        builder.build()
    }
}

/// The first field behind an int16 version, and what follows.
fn versioned<const N: usize>(bytes: Option<&[u8]>) -> Result<([u8; N], &[u8]), BatchError> {
    let (version, rest) =
        bytes.and_then(<[u8]>::split_first_chunk::<2>).ok_or(BatchError::ControlRecord)?;
    let (field, rest) = rest.split_first_chunk::<N>().ok_or(BatchError::ControlRecord)?;
    if i16::from_be_bytes(*version) < 0 {
        return Err(BatchError::ControlRecord);
    }
    Ok((*field, rest))
}
