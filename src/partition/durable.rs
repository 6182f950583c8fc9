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
use crate::types::{BrokerId, Offset, Timestamp, TopicId, TopicPartition};

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

    /// Makes durable what lies below an offset.
    ///
    /// # Errors
    /// What the disk answered; the replica is offline then.
    pub fn flush_below(&mut self, disk: &mut dyn Disk, offset: Offset) -> Result<(), LogError> {
        self.attempt(|log| log.flush_below(disk, offset))
    }

    /// Makes durable all that was appended.
    ///
    /// # Errors
    /// What the disk answered; the replica is offline then.
    pub fn flush(&mut self, disk: &mut dyn Disk) -> Result<(), LogError> {
        self.attempt(|log| log.flush(disk))
    }

    /// Ends the log cleanly.
    ///
    /// # Errors
    /// What the disk answered; the replica is offline then.
    pub fn close(&mut self, disk: &mut dyn Disk) -> Result<(), LogError> {
        self.attempt(|log| log.close(disk))
    }

    /// Makes durable what has to be after an append, by `flush.messages`, and what a new segment
    /// follows. Says whether it did.
    ///
    /// # Errors
    /// What the disk answered; the replica is offline then.
    pub fn flush_if_due(
        &mut self,
        disk: &mut dyn Disk,
        rolled_at: Option<Offset>,
    ) -> Result<bool, LogError> {
        if !self.log.is_durable() {
            return Ok(false);
        }
        let unflushed = self.log.log_end_offset() - self.log.recovery_point();
        let due = match rolled_at {
            _ if unflushed >= self.config.flush_messages => Some(self.log.log_end_offset()),
            rolled => rolled,
        };
        due.map_or(Ok(false), |offset| self.flush_below(disk, offset).map(|()| true))
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
