//! What can be wrong with a batch.

use std::fmt;

use crate::error::ErrorCode;
use crate::record::Compression;

/// What is wrong with bytes that should be a record batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BatchError {
    /// There are fewer bytes than a batch must have.
    TooShort {
        /// How many there are.
        len: usize,
        /// How many there must be at least.
        needed: usize,
    },
    /// The length field cannot be true.
    Length(i32),
    /// Another version of the format.
    Magic(i8),
    /// An offset at which no batch may begin: it is negative, or fewer than 2³¹ follow it.
    BaseOffset(i64),
    /// The checksum does not fit the bytes.
    Crc {
        /// The one in the batch.
        stored: u32,
        /// The one of the bytes.
        computed: u32,
    },
    /// Attribute bits that name no codec.
    UnknownCodec(u8),
    /// A codec that this build cannot unpack.
    UnsupportedCodec(Compression),
    /// The record count is negative, or not what the batch holds.
    Count {
        /// What the header says.
        stated: i32,
        /// How many records there are.
        found: i32,
    },
    /// The last record's offset is not what the header says.
    LastOffset {
        /// What the header says.
        stated: i32,
        /// The delta of the last record.
        found: i32,
    },
    /// A record's offset is not above the one before, or leaves a gap where none may be.
    OffsetOrder {
        /// Which record, from 0.
        record: i32,
    },
    /// A record that cannot be read.
    Malformed {
        /// Which record, from 0.
        record: i32,
        /// What about it.
        what: &'static str,
    },
    /// A transaction marker whose key or value cannot be read.
    ControlRecord,
    /// The largest timestamp is not what the header says.
    MaxTimestamp,
    /// Bytes behind the last record, or behind the batch.
    Trailing(usize),
    /// What only brokers may write: a control batch, or a base offset other than 0.
    NotFromProducer(&'static str),
}

impl BatchError {
    /// The code that a broker answers with.
    #[must_use]
    pub fn code(&self) -> ErrorCode {
        match self {
            BatchError::Magic(_) => ErrorCode::UnsupportedForMessageFormat,
            BatchError::UnknownCodec(_) | BatchError::UnsupportedCodec(_) => {
                ErrorCode::UnsupportedCompressionType
            }
            // Kafka refuses any base offset of a producer but 0 with this code.
            BatchError::BaseOffset(_)
            | BatchError::Count { .. }
            | BatchError::LastOffset { .. }
            | BatchError::OffsetOrder { .. }
            | BatchError::Malformed { .. }
            | BatchError::MaxTimestamp
            | BatchError::NotFromProducer(_) => ErrorCode::InvalidRecord,
            _ => ErrorCode::CorruptMessage,
        }
    }
}

impl fmt::Display for BatchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BatchError::TooShort { len, needed } => {
                write!(f, "{len} bytes are too few for a record batch of at least {needed}")
            }
            BatchError::Length(length) => write!(f, "batch length {length} cannot be"),
            BatchError::Magic(magic) => write!(f, "magic {magic} is not 2"),
            BatchError::BaseOffset(offset) => write!(f, "no batch may begin at offset {offset}"),
            BatchError::Crc { stored, computed } => {
                write!(f, "checksum {stored:08x} is stored, but the bytes have {computed:08x}")
            }
            BatchError::UnknownCodec(bits) => write!(f, "codec {bits} is unknown"),
            BatchError::UnsupportedCodec(codec) => {
                write!(f, "batches packed with {codec:?} cannot be read")
            }
            BatchError::Count { stated, found } => {
                write!(f, "{stated} records are stated, {found} found")
            }
            BatchError::LastOffset { stated, found } => {
                write!(f, "last offset delta {stated} is stated, {found} found")
            }
            BatchError::OffsetOrder { record } => {
                write!(f, "the offset of record {record} does not follow the one before")
            }
            BatchError::Malformed { record, what } => write!(f, "record {record}: bad {what}"),
            BatchError::ControlRecord => write!(f, "a transaction marker that cannot be read"),
            BatchError::MaxTimestamp => write!(f, "the largest timestamp is not the stated one"),
            BatchError::Trailing(bytes) => write!(f, "{bytes} bytes behind the end"),
            BatchError::NotFromProducer(what) => write!(f, "no producer may send {what}"),
        }
    }
}

impl std::error::Error for BatchError {}
