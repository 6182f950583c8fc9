//! A replica whose log lies in a directory: created, opened, made durable, and taken offline when
//! its disk fails.
//!
//! A disk that fails leaves nobody sure of what it holds. So a replica whose disk has failed serves
//! nothing any more, with `KAFKA_STORAGE_ERROR`, until its broker starts again and reads what is
//! there; other replicas go on.

use super::Partition;
use crate::config::TopicConfig;
use crate::error::ErrorCode;
use crate::log::{Log, LogError, LogStart, RecoveryStep};
use crate::storage::Disk;
use crate::types::{BrokerId, Offset, Time, Timestamp, TopicId, TopicPartition};

impl Partition {
    /// A new replica with its directory.
    ///
    /// # Errors
    /// What the disk answered.
    pub fn create(
        disk: &mut dyn Disk,
        name: TopicPartition,
        topic_id: TopicId,
        broker: BrokerId,
        config: TopicConfig,
        now: Timestamp,
    ) -> Result<Self, LogError> {
        let mut partition = Partition::new(name, topic_id, broker, config);
        partition.flushed_at = now;
        let dir = partition.name.to_string();
        partition.log = Log::create(disk, &dir, super::log_config(&partition.config), now)?;
        Ok(partition)
    }

    /// A replica whose directory is there, and what its opening has done. Its high watermark was
    /// written down as `high_watermark`.
    ///
    /// # Errors
    /// What the disk answered, and what is wrong with the files.
    pub fn open(
        disk: &mut dyn Disk,
        name: TopicPartition,
        topic_id: TopicId,
        broker: BrokerId,
        config: TopicConfig,
        (start, high_watermark): (LogStart, Offset),
    ) -> Result<(Self, Vec<RecoveryStep>), LogError> {
        let mut partition = Partition::new(name, topic_id, broker, config);
        let dir = partition.name.to_string();
        let (log, steps) = Log::open(disk, &dir, super::log_config(&partition.config), start)?;
        partition.flushed_at = start.now;
        let extent = log.log_start_offset()..=log.log_end_offset();
        partition.high_watermark = high_watermark.clamp(*extent.start(), *extent.end());
        partition.log = log;
        Ok((partition, steps))
    }

    /// Why the replica serves nothing, if it does not.
    #[must_use]
    pub fn offline(&self) -> Option<&str> {
        self.offline.as_deref()
    }

    /// Takes the replica offline: its disk has failed.
    pub fn go_offline(&mut self, why: String) {
        self.offline.get_or_insert(why);
    }

    /// `KAFKA_STORAGE_ERROR` for a replica that is offline.
    ///
    /// # Errors
    /// That one.
    pub fn check_online(&self) -> Result<(), ErrorCode> {
        self.offline.as_ref().map_or(Ok(()), |_| Err(ErrorCode::KafkaStorageError))
    }

    /// Notes a leader epoch that begins with this broker, as it is written down in a durable log
    /// even before the first batch.
    ///
    /// # Errors
    /// What the disk answered; the replica is offline then.
    pub fn begin_leader_epoch(&mut self, disk: &mut dyn Disk) -> Result<(), LogError> {
        let epoch = self.leader_epoch;
        self.attempt(|log| log.assign_leader_epoch(disk, epoch))
    }

    /// Makes durable all that was appended.
    ///
    /// # Errors
    /// What the disk answered; the replica is offline then.
    pub fn flush(&mut self, disk: &mut dyn Disk) -> Result<(), LogError> {
        self.attempt(|log| log.flush(disk))
    }

    /// Whether what was appended has waited for `flush.ms` to be made durable.
    #[must_use]
    pub fn is_flush_due(&self, now: Time) -> bool {
        let waited = now.timestamp().0.saturating_sub(self.flushed_at.0);
        waited >= self.config.flush_ms
    }

    /// `file.delete.delay.ms`.
    #[must_use]
    pub fn file_delete_delay_ms(&self) -> i64 {
        self.config.file_delete_delay_ms
    }

    /// Ends the log cleanly.
    ///
    /// # Errors
    /// What the disk answered; the replica is offline then.
    pub fn close(&mut self, disk: &mut dyn Disk) -> Result<(), LogError> {
        self.attempt(|log| log.close(disk))
    }

    /// Sees to it that what was appended outlives this process: hands it over to the system, and
    /// makes durable what has to be by `flush.messages`, and what a new segment follows.
    pub(super) fn keep(
        &mut self,
        disk: &mut dyn Disk,
        rolled_at: Option<Offset>,
    ) -> Result<(), LogError> {
        disk.hand_over()?;
        let end = self.log.log_end_offset();
        if end - self.log.recovery_point() >= self.config.flush_messages {
            return self.log.flush(disk);
        }
        rolled_at.map_or(Ok(()), |offset| self.log.flush_below(disk, offset))
    }

    /// Does something with the log that its disk may refuse.
    fn attempt(
        &mut self,
        act: impl FnOnce(&mut Log) -> Result<(), LogError>,
    ) -> Result<(), LogError> {
        let done = act(&mut self.log);
        if let Err(error @ LogError::Disk(_)) = &done {
            self.go_offline(error.to_string());
        }
        done
    }
}
