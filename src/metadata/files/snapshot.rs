//! The metadata log in batches, and its snapshots: `bootstrap.checkpoint` and
//! `00000000000000000024-0000000001.checkpoint` (the offset behind the last record, its epoch).
//!
//! ```text
//! control batch   SnapshotHeader, and with kraft.version 1 KRaftVersion and KRaftVoters
//! batches         records
//! control batch   SnapshotFooter
//! ```
//!
//! A snapshot is a log of its own: offsets begin at 0, and each batch has the snapshot's epoch.
//!
//! # Simplifications versus Kafka
//!
//! All records of a batch have its first timestamp, as Kafka's controllers write them. Compressed
//! batches, which they do not write, are not read.

use std::fmt;

use bytes::Bytes;

use crate::metadata::control::{
    ControlMessage, SnapshotFooterRecord, SnapshotHeaderRecord, decode_control, encode_control,
};
use crate::metadata::error::MetadataError;
use crate::metadata::records::{Record, decode, encode};
use crate::record::{BatchBuilder, BatchError, BatchOptions, RecordBatch};
use crate::types::{LeaderEpoch, Offset, Rope, Timestamp};

/// A batch of records is no larger, unless one record alone is.
const MAX_BATCH_BYTES: usize = 8 << 20;

/// What is wrong with a metadata log or a snapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SnapshotError {
    /// Where the batch begins, in bytes from the file's beginning.
    pub position: usize,
    /// What is wrong with it.
    pub fault: SnapshotFault,
}

/// What is wrong with a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SnapshotFault {
    /// The file ends within it.
    Cut,
    /// It is no sound batch.
    Batch(BatchError),
    /// A record of it means nothing.
    Record {
        /// The record's offset.
        offset: Offset,
        /// What is wrong with it.
        error: MetadataError,
    },
    /// A control record is none of the quorum's.
    Control {
        /// Its offset.
        offset: Offset,
    },
    /// The snapshot has no header there.
    NoHeader,
    /// The snapshot ends there without a footer, so it has not been finished.
    NoFooter,
    /// More follows behind the footer.
    BehindFooter,
}

impl fmt::Display for SnapshotError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "position {}: ", self.position)?;
        match &self.fault {
            SnapshotFault::Cut => f.write_str("the file ends within a batch"),
            SnapshotFault::Batch(error) => error.fmt(f),
            SnapshotFault::Record { offset, error } => write!(f, "offset {offset}: {error}"),
            SnapshotFault::Control { offset } => {
                write!(f, "offset {offset}: a control record that is none of the quorum's")
            }
            SnapshotFault::NoHeader => f.write_str("no header of a snapshot"),
            SnapshotFault::NoFooter => f.write_str("no footer of a snapshot"),
            SnapshotFault::BehindFooter => f.write_str("more behind the footer of a snapshot"),
        }
    }
}

impl std::error::Error for SnapshotError {}

/// A batch of a metadata log or a snapshot.
#[derive(Clone, Debug, PartialEq)]
pub struct MetadataBatch {
    /// The offset of its first record.
    pub base_offset: Offset,
    /// The epoch of the controller that wrote it.
    pub leader_epoch: LeaderEpoch,
    /// When it was written.
    pub timestamp: Timestamp,
    /// Its records.
    pub content: BatchContent,
}

/// The records of a batch.
#[derive(Clone, Debug, PartialEq)]
pub enum BatchContent {
    /// Of the quorum.
    Control(Vec<ControlMessage>),
    /// Of the cluster.
    Records(Vec<Record>),
}

/// Reads a metadata log or a snapshot whose batches are whole.
///
/// # Errors
/// Where a batch begins that is not sound, and why it is not.
pub fn parse_batches(bytes: &Bytes) -> Result<Vec<MetadataBatch>, SnapshotError> {
    let mut rope = Rope::from(bytes.clone());
    let mut batches = Vec::new();
    while !rope.is_empty() {
        let position = bytes.len() - rope.len();
        let at = |fault| SnapshotError { position, fault };
        let batch = RecordBatch::split_from(&mut rope);
        let batch = batch.map_err(|error| at(SnapshotFault::Batch(error)))?;
        let batch = batch.ok_or(at(SnapshotFault::Cut))?;
        batch.validate().map_err(|error| at(SnapshotFault::Batch(error)))?;
        batches.push(parse_batch(&batch).map_err(at)?);
    }
    Ok(batches)
}

fn parse_batch(batch: &RecordBatch) -> Result<MetadataBatch, SnapshotFault> {
    let (mut controls, mut records) = (Vec::new(), Vec::new());
    for record in batch.records() {
        let record = record.map_err(SnapshotFault::Batch)?;
        let offset = record.offset;
        let wrong = |error| SnapshotFault::Record { offset, error };
        if batch.is_control() {
            let message = decode_control(record.key, record.value).map_err(wrong)?;
            controls.push(message.ok_or(SnapshotFault::Control { offset })?);
        } else {
            let value = record.value.ok_or(wrong(MetadataError::Missing("value")))?;
            records.push(decode(value).map_err(wrong)?);
        }
    }
    Ok(MetadataBatch {
        base_offset: batch.base_offset(),
        leader_epoch: batch.leader_epoch(),
        timestamp: batch.base_timestamp(),
        content: match batch.is_control() {
            true => BatchContent::Control(controls),
            false => BatchContent::Records(records),
        },
    })
}

/// The bytes of a metadata log or a snapshot.
///
/// # Errors
/// [`BatchError::BaseOffset`].
pub fn encode_batches(batches: &[MetadataBatch]) -> Result<Bytes, BatchError> {
    let mut out = Vec::new();
    for batch in batches {
        let control = matches!(batch.content, BatchContent::Control(_));
        let mut builder = BatchBuilder::new(BatchOptions { control, ..BatchOptions::default() });
        match &batch.content {
            BatchContent::Control(messages) => {
                for (key, value) in messages.iter().map(encode_control) {
                    builder.append(batch.timestamp, Some(&key), Some(&value), &[]);
                }
            }
            BatchContent::Records(records) => {
                for value in records.iter().map(encode) {
                    builder.append(batch.timestamp, None, Some(&value), &[]);
                }
            }
        }
        let built = builder.build().with_base_offset(batch.base_offset, batch.leader_epoch)?;
        out.extend_from_slice(&built.encode());
    }
    Ok(out.into())
}

/// A snapshot: what a metadata log comes to.
#[derive(Clone, Debug, PartialEq)]
pub struct Snapshot {
    /// The epoch of the last record that it stands for; 0 before there is any.
    pub epoch: LeaderEpoch,
    /// When it was written.
    pub timestamp: Timestamp,
    /// When the last record that it stands for was written; 0 before there is any.
    pub last_contained_log_timestamp: i64,
    /// The quorum's protocol and voters; empty with `kraft.version` 0.
    pub quorum: Vec<ControlMessage>,
    /// The records.
    pub records: Vec<Record>,
}

impl Snapshot {
    /// The file.
    #[must_use]
    pub fn encode(&self) -> Bytes {
        let header = SnapshotHeaderRecord {
            last_contained_log_timestamp: self.last_contained_log_timestamp,
            ..SnapshotHeaderRecord::default()
        };
        let mut first = vec![ControlMessage::SnapshotHeader(header)];
        first.extend(self.quorum.iter().cloned());
        let footer = ControlMessage::SnapshotFooter(SnapshotFooterRecord::default());
        let contents = [BatchContent::Control(first)]
            .into_iter()
            .chain(self.chunks().into_iter().map(BatchContent::Records))
            .chain([BatchContent::Control(vec![footer])]);
        let mut base_offset = Offset::ZERO;
        let mut batches = Vec::new();
        for content in contents {
            let count = match &content {
                BatchContent::Control(messages) => messages.len(),
                BatchContent::Records(records) => records.len(),
            };
            let (leader_epoch, timestamp) = (self.epoch, self.timestamp);
            batches.push(MetadataBatch { base_offset, leader_epoch, timestamp, content });
            base_offset = base_offset + count as i64;
        }
        encode_batches(&batches).expect("offsets count from 0 what lies in memory")
    }

    /// The records, in batches that are small enough.
    fn chunks(&self) -> Vec<Vec<Record>> {
        let mut chunks: Vec<Vec<Record>> = Vec::new();
        let mut room = 0_usize;
        for record in &self.records {
            // A record has 16 bytes at most beside its value.
            let size = encode(record).len() + 16;
            match chunks.last_mut() {
                Some(chunk) if size <= room => chunk.push(record.clone()),
                _ => {
                    chunks.push(vec![record.clone()]);
                    room = MAX_BATCH_BYTES;
                }
            }
            room = room.saturating_sub(size);
        }
        chunks
    }

    /// Reads the file.
    ///
    /// # Errors
    /// When it is damaged, or not whole from header to footer.
    pub fn parse(bytes: &Bytes) -> Result<Snapshot, SnapshotError> {
        let end = bytes.len();
        let at = |position, fault| SnapshotError { position, fault };
        let mut batches = parse_batches(bytes)?.into_iter();
        let no_header = || at(0, SnapshotFault::NoHeader);
        let first = batches.next().ok_or_else(no_header)?;
        let BatchContent::Control(messages) = first.content else { return Err(no_header()) };
        let mut quorum = messages.into_iter();
        let Some(ControlMessage::SnapshotHeader(header)) = quorum.next() else {
            return Err(no_header());
        };
        let mut snapshot = Snapshot {
            epoch: first.leader_epoch,
            timestamp: first.timestamp,
            last_contained_log_timestamp: header.last_contained_log_timestamp,
            quorum: quorum.collect(),
            records: Vec::new(),
        };
        let mut finished = false;
        for batch in batches {
            if finished {
                return Err(at(end, SnapshotFault::BehindFooter));
            }
            match batch.content {
                BatchContent::Records(records) => snapshot.records.extend(records),
                BatchContent::Control(messages) => {
                    for message in messages {
                        match message {
                            ControlMessage::SnapshotFooter(_) => finished = true,
                            other => snapshot.quorum.push(other),
                        }
                    }
                }
            }
        }
        if finished { Ok(snapshot) } else { Err(at(end, SnapshotFault::NoFooter)) }
    }
}

/// The name of a snapshot's file: the offset behind the last record that it stands for, and its
/// epoch.
#[must_use]
pub fn snapshot_file_name(end: Offset, epoch: LeaderEpoch) -> String {
    format!("{:020}-{:010}.checkpoint", end.0, epoch.0)
}

/// Reads the name of a snapshot's file; `None` when it is another file's.
#[must_use]
pub fn parse_snapshot_file_name(name: &str) -> Option<(Offset, LeaderEpoch)> {
    let (end, epoch) = name.strip_suffix(".checkpoint")?.split_once('-')?;
    let digits =
        |text: &str, count| text.len() == count && text.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(end, 20) || !digits(epoch, 10) {
        return None;
    }
    Some((Offset(end.parse().ok()?), LeaderEpoch(epoch.parse().ok()?)))
}
