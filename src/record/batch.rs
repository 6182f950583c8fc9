//! A batch as it is stored: its place in the log, and its body.

use std::fmt;

use bytes::Bytes;

use super::error::BatchError;
use super::validate::check_base_offset;
use super::view::Records;
use crate::types::{LeaderEpoch, Offset, ProducerEpoch, ProducerId, Rope, Timestamp};

/// The size of an encoded batch without records, in bytes.
pub const BATCH_OVERHEAD: usize = 61;

/// The part of it that is not the body.
const PREFIX: usize = 16;
/// Where the fields lie in the body.
pub(super) const CRC: usize = 1;
pub(super) const ATTRIBUTES: usize = 5;
const LAST_OFFSET_DELTA: usize = 7;
const BASE_TIMESTAMP: usize = 11;
const MAX_TIMESTAMP: usize = 19;
pub(super) const PRODUCER_ID: usize = 27;
pub(super) const PRODUCER_EPOCH: usize = 35;
pub(super) const BASE_SEQUENCE: usize = 37;
pub(super) const COUNT: usize = 41;
pub(super) const RECORDS: usize = BATCH_OVERHEAD - PREFIX;

pub(super) const TIMESTAMP_TYPE_BIT: u16 = 1 << 3;
pub(super) const TRANSACTIONAL_BIT: u16 = 1 << 4;
pub(super) const CONTROL_BIT: u16 = 1 << 5;
pub(super) const DELETE_HORIZON_BIT: u16 = 1 << 6;

/// How the records of a batch are packed, with Kafka's numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Compression {
    /// Not at all.
    #[default]
    None = 0,
    /// gzip.
    Gzip = 1,
    /// snappy.
    Snappy = 2,
    /// lz4, frame format.
    Lz4 = 3,
    /// zstd.
    Zstd = 4,
}

/// Whose clock a batch's timestamps are from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum TimestampType {
    /// The producer's, record by record.
    #[default]
    CreateTime,
    /// The broker's: the largest timestamp of the batch counts for each record.
    LogAppendTime,
}

/// CRC-32C (Castagnoli), the checksum of record batches. Not CRC-32.
#[must_use]
pub fn crc32c(bytes: &[u8]) -> u32 {
    crc_fast::crc32_iscsi(bytes)
}

/// A record batch: where it lies in a log, and its shared body. Its header has been found to be
/// long enough, of magic 2, and at an offset from which each offset delta leads to an offset; so no
/// sum of offsets overflows, whatever the bytes say. [`validate`](RecordBatch::validate) checks the
/// rest.
///
/// What a [`BatchBuilder`](super::BatchBuilder) of this process has built is right by construction,
/// and nobody can change shared bytes: it is not read again to be validated. Bytes that came from
/// elsewhere (a disk, a fetch, a socket) are.
#[derive(Clone)]
pub struct RecordBatch {
    base_offset: Offset,
    leader_epoch: LeaderEpoch,
    pub(super) built_here: bool,
    body: Bytes,
}

impl PartialEq for RecordBatch {
    fn eq(&self, other: &Self) -> bool {
        let place = |batch: &Self| (batch.base_offset, batch.leader_epoch);
        place(self) == place(other) && self.body == other.body
    }
}

impl Eq for RecordBatch {}

impl RecordBatch {
    /// A batch whose body a builder has just finished.
    pub(super) fn built(body: Bytes) -> Self {
        let leader_epoch = LeaderEpoch::UNKNOWN;
        RecordBatch { base_offset: Offset::ZERO, leader_epoch, built_here: true, body }
    }

    /// Takes the next whole batch off the front of a rope, its body shared where it lies in one
    /// piece. `None` when the rope ends before the batch does, as fetched ropes may.
    ///
    /// # Errors
    /// [`BatchError::Length`], [`BatchError::BaseOffset`] or [`BatchError::Magic`]; the rope is
    /// then left as it is or cut.
    pub fn split_from(rope: &mut Rope) -> Result<Option<RecordBatch>, BatchError> {
        let Some(head) = rope.peek::<PREFIX>() else { return Ok(None) };
        let length = i32::from_be_bytes(array(&head, 8));
        let body_len = usize::try_from(length).ok().and_then(|length| length.checked_sub(4));
        let Some(body_len) = body_len.filter(|&len| len >= RECORDS) else {
            return Err(BatchError::Length(length));
        };
        if rope.len() < PREFIX + body_len {
            return Ok(None);
        }
        let base_offset = Offset(i64::from_be_bytes(array(&head, 0)));
        check_base_offset(base_offset)?;
        rope.advance(PREFIX);
        let Some(body) = rope.split_front(body_len) else { return Ok(None) };
        let magic = body[0] as i8;
        if magic != 2 {
            return Err(BatchError::Magic(magic));
        }
        Ok(Some(RecordBatch {
            base_offset,
            leader_epoch: LeaderEpoch(i32::from_be_bytes(array(&head, 12))),
            built_here: false,
            body,
        }))
    }

    /// Reads bytes that are one batch and nothing else.
    ///
    /// # Errors
    /// What is wrong with the length, the base offset, the magic or what follows.
    pub fn parse(bytes: Bytes) -> Result<RecordBatch, BatchError> {
        let len = bytes.len();
        let mut rope = Rope::from(bytes);
        match RecordBatch::split_from(&mut rope)? {
            None => Err(BatchError::TooShort { len, needed: BATCH_OVERHEAD.max(len + 1) }),
            Some(_) if !rope.is_empty() => Err(BatchError::Trailing(rope.len())),
            Some(batch) => Ok(batch),
        }
    }

    /// The offset of the first record.
    #[must_use]
    pub fn base_offset(&self) -> Offset {
        self.base_offset
    }

    /// The epoch of the leader that appended it.
    #[must_use]
    pub fn leader_epoch(&self) -> LeaderEpoch {
        self.leader_epoch
    }

    /// The same batch at another place; the body is shared.
    ///
    /// # Errors
    /// [`BatchError::BaseOffset`].
    pub fn with_base_offset(
        self,
        base_offset: Offset,
        leader_epoch: LeaderEpoch,
    ) -> Result<Self, BatchError> {
        check_base_offset(base_offset)?;
        Ok(RecordBatch { base_offset, leader_epoch, ..self })
    }

    /// The offset of the last record.
    #[must_use]
    pub fn last_offset(&self) -> Offset {
        self.base_offset + i64::from(self.last_offset_delta())
    }

    /// The offset behind the last record.
    #[must_use]
    pub fn next_offset(&self) -> Offset {
        self.last_offset().next()
    }

    /// The checksum that the batch carries.
    #[must_use]
    pub fn crc(&self) -> u32 {
        u32::from_be_bytes(array(&self.body, CRC))
    }

    /// The attribute bits.
    #[must_use]
    pub fn attributes(&self) -> u16 {
        u16::from_be_bytes(array(&self.body, ATTRIBUTES))
    }

    /// How the records are packed.
    ///
    /// # Errors
    /// [`BatchError::UnknownCodec`] for bits that name none.
    pub fn compression(&self) -> Result<Compression, BatchError> {
        match self.attributes() & 7 {
            0 => Ok(Compression::None),
            1 => Ok(Compression::Gzip),
            2 => Ok(Compression::Snappy),
            3 => Ok(Compression::Lz4),
            4 => Ok(Compression::Zstd),
            bits => Err(BatchError::UnknownCodec(bits as u8)),
        }
    }

    /// Whose clock the timestamps are from.
    #[must_use]
    pub fn timestamp_type(&self) -> TimestampType {
        if self.attributes() & TIMESTAMP_TYPE_BIT == 0 {
            TimestampType::CreateTime
        } else {
            TimestampType::LogAppendTime
        }
    }

    /// Whether it belongs to a transaction.
    #[must_use]
    pub fn is_transactional(&self) -> bool {
        self.attributes() & TRANSACTIONAL_BIT != 0
    }

    /// Whether it holds a marker of Kafka's own, not records of a user.
    #[must_use]
    pub fn is_control(&self) -> bool {
        self.attributes() & CONTROL_BIT != 0
    }

    /// When the tombstones and markers in it may go, if a cleaning has said so.
    #[must_use]
    pub fn delete_horizon(&self) -> Option<Timestamp> {
        (self.attributes() & DELETE_HORIZON_BIT != 0).then(|| self.base_timestamp())
    }

    /// The last record's offset, counted from the first one's.
    #[must_use]
    pub fn last_offset_delta(&self) -> i32 {
        i32::from_be_bytes(array(&self.body, LAST_OFFSET_DELTA))
    }

    /// What the records' timestamps are counted from.
    #[must_use]
    pub fn base_timestamp(&self) -> Timestamp {
        Timestamp(i64::from_be_bytes(array(&self.body, BASE_TIMESTAMP)))
    }

    /// The largest timestamp.
    #[must_use]
    pub fn max_timestamp(&self) -> Timestamp {
        Timestamp(i64::from_be_bytes(array(&self.body, MAX_TIMESTAMP)))
    }

    /// The idempotent producer that sent it.
    #[must_use]
    pub fn producer_id(&self) -> ProducerId {
        ProducerId(i64::from_be_bytes(array(&self.body, PRODUCER_ID)))
    }

    /// That producer's epoch.
    #[must_use]
    pub fn producer_epoch(&self) -> ProducerEpoch {
        ProducerEpoch(i16::from_be_bytes(array(&self.body, PRODUCER_EPOCH)))
    }

    /// The sequence number of the first record; −1 without a producer id.
    #[must_use]
    pub fn base_sequence(&self) -> i32 {
        i32::from_be_bytes(array(&self.body, BASE_SEQUENCE))
    }

    /// The sequence number of the last record, which goes on at 0 behind `i32::MAX`.
    #[must_use]
    pub fn last_sequence(&self) -> i32 {
        match self.base_sequence() {
            -1 => -1,
            base => base.wrapping_add(self.last_offset_delta()) & i32::MAX,
        }
    }

    /// The number of records, as stated.
    #[must_use]
    pub fn record_count(&self) -> i32 {
        i32::from_be_bytes(array(&self.body, COUNT))
    }

    /// Whether there is a record at each offset, as there is until a cleaning.
    #[must_use]
    pub fn is_dense(&self) -> bool {
        i64::from(self.record_count()) == i64::from(self.last_offset_delta()) + 1
    }

    /// The size of the encoded batch, in bytes.
    #[must_use]
    pub fn size_in_bytes(&self) -> usize {
        PREFIX + self.body.len()
    }

    /// What stands before the body in the encoded batch.
    #[must_use]
    pub fn prefix(&self) -> [u8; PREFIX] {
        let mut prefix = [0; PREFIX];
        prefix[..8].copy_from_slice(&self.base_offset.0.to_be_bytes());
        prefix[8..12].copy_from_slice(&(self.body.len() as u32 + 4).to_be_bytes());
        prefix[12..].copy_from_slice(&self.leader_epoch.0.to_be_bytes());
        prefix
    }

    /// The encoded batch from its magic on.
    #[must_use]
    pub fn body(&self) -> &Bytes {
        &self.body
    }

    /// The encoded batch in one piece; copies the body.
    #[must_use]
    pub fn encode(&self) -> Bytes {
        let mut out = Vec::with_capacity(self.size_in_bytes());
        out.extend_from_slice(&self.prefix());
        out.extend_from_slice(&self.body);
        out.into()
    }

    /// The records, borrowed from the batch.
    ///
    /// Yields [`BatchError::UnsupportedCodec`] for a packed batch.
    #[must_use]
    pub fn records(&self) -> Records<'_> {
        Records::new(self)
    }

    /// The same records under the broker's clock: sets the timestamp type and the largest
    /// timestamp, and computes the checksum anew on a copy.
    #[must_use]
    pub fn with_log_append_time(&self, now: Timestamp) -> RecordBatch {
        let mut body = self.body.to_vec();
        let attributes = self.attributes() | TIMESTAMP_TYPE_BIT;
        body[ATTRIBUTES..ATTRIBUTES + 2].copy_from_slice(&attributes.to_be_bytes());
        body[MAX_TIMESTAMP..MAX_TIMESTAMP + 8].copy_from_slice(&now.0.to_be_bytes());
        let crc = crc32c(&body[ATTRIBUTES..]);
        body[CRC..CRC + 4].copy_from_slice(&crc.to_be_bytes());
        RecordBatch { body: body.into(), ..self.clone() }
    }

    /// The same batch with other bytes of the same structure.
    pub(super) fn map_body(self, change: impl FnOnce(Bytes) -> Bytes) -> RecordBatch {
        RecordBatch { body: change(self.body), ..self }
    }
}

/// `N` bytes at a place that has been found to exist.
fn array<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    let mut array = [0; N];
    array.copy_from_slice(&bytes[at..at + N]);
    array
}

impl fmt::Debug for RecordBatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RecordBatch")
            .field("offsets", &(self.base_offset.0..=self.last_offset().0))
            .field("leader_epoch", &self.leader_epoch.0)
            .field("records", &self.record_count())
            .field("bytes", &self.size_in_bytes())
            .finish()
    }
}
