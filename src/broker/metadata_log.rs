//! `__cluster_metadata-0`: the decisions of the controller, as Kafka's own metadata records in a log
//! like any other.
//!
//! The records of one decision are one batch. In a durable log a decision counts once it is durable,
//! as it does for a leader of KRaft who is its only voter; each leadership begins with a
//! `LeaderChange` control record, and the log's leader epoch is that of the controller.

use super::metadata::MetadataRecord;
use crate::log::{Log, LogConfig, LogError, LogStart, RecoveryStep};
use crate::metadata::control::{LeaderChangeMessage, Voter};
use crate::metadata::{ControlMessage, decode, encode, encode_control};
use crate::record::{BatchBuilder, BatchOptions, RecordBatch};
use crate::storage::Disk;
use crate::types::{BrokerId, LeaderEpoch, Offset, Time};

/// The topic that metadata are a partition of.
pub const METADATA_TOPIC: &str = "__cluster_metadata";

/// Its only partition's directory.
const DIR: &str = "__cluster_metadata-0";

/// The log of the controller's decisions.
#[derive(Clone, Debug)]
pub struct MetadataLog {
    log: Log,
    epoch: LeaderEpoch,
    began_at: Time,
    /// Why nothing is decided any more: a decision may lie in the log that nobody replayed.
    failed: Option<LogError>,
}

impl MetadataLog {
    /// A log in memory.
    pub fn new() -> Self {
        MetadataLog {
            log: Log::new(DIR, config()),
            epoch: LeaderEpoch(1),
            began_at: Time(0),
            failed: None,
        }
    }

    /// Opens a durable log, or makes one. Gives what it says.
    ///
    /// # Errors
    /// What the disk answered, and what is wrong with the log.
    pub fn open(
        disk: &mut dyn Disk,
        start: LogStart,
        leader: BrokerId,
        now: Time,
    ) -> Result<(Self, Vec<MetadataRecord>, Vec<RecoveryStep>), LogError> {
        let (mut log, steps) = Log::open(disk, DIR, config(), start)?;
        if log.segments().len() == 0 {
            log = Log::create(disk, DIR, config(), now.timestamp())?;
        }
        let epoch = log.leader_epochs().latest().map_or(0, |latest| latest.epoch.0);
        let latest = log.segments().map(|segment| segment.largest_timestamp().timestamp).max();
        let began_at = latest.map_or(now, |latest| now.max(Time::at(latest)));
        let mut opened = MetadataLog { log, epoch: LeaderEpoch(epoch + 1), began_at, failed: None };
        let records = opened.records(disk)?;
        opened.append_batch(disk, began_at, leader_change(leader, began_at))?;
        Ok((opened, records, steps))
    }

    /// Below it everything is durable.
    pub fn recovery_point(&self) -> Offset {
        self.log.recovery_point()
    }

    /// The offset that the next record will get.
    pub fn end(&self) -> Offset {
        self.log.log_end_offset()
    }

    /// When the present leadership began: not before the records that were there.
    pub fn began_at(&self) -> Time {
        self.began_at
    }

    /// The epoch of the present leadership.
    pub fn epoch(&self) -> LeaderEpoch {
        self.epoch
    }

    /// Appends the records of one decision.
    ///
    /// # Errors
    /// What the disk answered; nothing was decided then, and nothing is any more until the log is
    /// opened again.
    pub fn append(
        &mut self,
        disk: &mut dyn Disk,
        now: Time,
        records: &[MetadataRecord],
    ) -> Result<(), LogError> {
        if records.is_empty() {
            return Ok(());
        }
        let mut builder = BatchBuilder::new(BatchOptions::default());
        for record in records {
            let value = encode(&record.to_record());
            builder.append(now.timestamp(), None, Some(&value), &[]);
        }
        self.append_batch(disk, now, builder.build())
    }

    fn append_batch(
        &mut self,
        disk: &mut dyn Disk,
        now: Time,
        batch: RecordBatch,
    ) -> Result<(), LogError> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        let appended = self.log.append(disk, now.timestamp(), batch, self.epoch);
        let kept = appended.and_then(|_| match self.log.is_durable() {
            true => self.log.flush(disk),
            false => Ok(()),
        });
        self.failed = kept.as_ref().err().cloned();
        kept
    }

    /// Ends the log cleanly.
    ///
    /// # Errors
    /// What the disk answered.
    pub fn close(&mut self, disk: &mut dyn Disk) -> Result<(), LogError> {
        self.log.close(disk)
    }

    /// Everything that was decided, in order.
    ///
    /// # Errors
    /// What the disk answered, and where a record cannot be read.
    pub fn records(&self, disk: &dyn Disk) -> Result<Vec<MetadataRecord>, LogError> {
        let mut records = Vec::new();
        let mut next = self.log.log_start_offset();
        while next < self.log.log_end_offset() {
            let end = self.log.log_end_offset();
            let mut read = self.log.read(disk, next, READ_BYTES, end, true)?.records;
            let before = next;
            while let Some(batch) = RecordBatch::split_from(&mut read).map_err(damaged(next))? {
                batch.validate().map_err(damaged(next))?;
                next = batch.next_offset();
                for record in batch.records().filter(|_| !batch.is_control()) {
                    let record = record.map_err(damaged(next))?;
                    let decoded = decode(record.value.unwrap_or_default());
                    let decoded = decoded.map_err(damaged(record.offset))?;
                    records.push(MetadataRecord::from_record(decoded));
                }
            }
            if next == before {
                break;
            }
        }
        Ok(records)
    }
}

/// How much of the log is read at once.
const READ_BYTES: usize = 1 << 20;

/// A decision is one batch, however many records it has.
fn config() -> LogConfig {
    LogConfig { max_message_bytes: i32::MAX as u32, ..LogConfig::default() }
}

fn damaged<E: std::fmt::Display>(offset: Offset) -> impl Fn(E) -> LogError {
    move |error| LogError::Checkpoint {
        path: format!("{DIR}, offset {offset}"),
        reason: error.to_string(),
    }
}

/// The control batch at the beginning of a leadership whose only voter is the leader.
fn leader_change(leader: BrokerId, now: Time) -> RecordBatch {
    let voter = Voter { voter_id: leader.0, ..Voter::default() };
    let change = LeaderChangeMessage {
        leader_id: leader.0,
        voters: vec![voter.clone()],
        granting_voters: vec![voter],
        ..LeaderChangeMessage::default()
    };
    let (key, value) = encode_control(&ControlMessage::LeaderChange(change));
    let options = BatchOptions { control: true, ..BatchOptions::default() };
    let mut builder = BatchBuilder::new(options);
    builder.append(now.timestamp(), Some(&key), Some(&value), &[]);
    builder.build()
}
