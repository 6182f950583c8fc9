//! One replica of a partition: its log, who leads it, and how far it is replicated.
//!
//! **The high watermark moves here and nowhere else**, in
//! [`Partition::advance_high_watermark`]: it is the smallest log end offset over the in-sync
//! replicas, it only rises, and consumers see nothing at or above it. The log end moves with each
//! append; with one replica the two meet again within the same event.
//!
//! **A batch from outside is checked here**, in [`Partition::append`]: structure, CRC, offsets and
//! timestamps, before the log sees it.
//!
//! # Simplifications versus Kafka
//! The last stable offset is the high watermark, since there are no transactions yet.

mod durable;

use crate::config::{TimestampType, TopicConfig};
use crate::error::ErrorCode;
use crate::log::{Log, LogAppendInfo, LogConfig, LogError, LogRead};
use crate::record::RecordBatch;
use crate::storage::Disk;
use crate::types::{BrokerId, LeaderEpoch, Offset, Time, Timestamp, TopicId, TopicPartition};

/// Why a partition refused a batch: Kafka's code, and more for the reader.
pub type AppendRefusal = (ErrorCode, Option<String>);

/// One replica of a partition, on one broker.
#[derive(Clone, Debug)]
pub struct Partition {
    name: TopicPartition,
    topic_id: TopicId,
    broker: BrokerId,
    leader: BrokerId,
    leader_epoch: LeaderEpoch,
    isr: Vec<BrokerId>,
    high_watermark: Offset,
    config: TopicConfig,
    log: Log,
    /// Why it serves nothing any more: its disk has failed.
    offline: Option<String>,
}

/// How far the high watermark moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct HighWatermarkMove {
    /// Where it was.
    pub from: Offset,
    /// Where it is.
    pub to: Offset,
}

impl Partition {
    /// An empty replica on `broker`.
    #[must_use]
    pub fn new(
        name: TopicPartition,
        topic_id: TopicId,
        broker: BrokerId,
        config: TopicConfig,
    ) -> Self {
        let log = Log::new(&name.to_string(), log_config(&config));
        Partition {
            name,
            topic_id,
            broker,
            leader: BrokerId(-1),
            leader_epoch: LeaderEpoch::UNKNOWN,
            isr: Vec::new(),
            high_watermark: Offset::ZERO,
            config,
            log,
            offline: None,
        }
    }

    /// Removes the replica's files.
    ///
    /// # Errors
    /// What the disk answered.
    pub fn remove(self, disk: &mut dyn Disk) -> Result<(), LogError> {
        self.log.remove(disk)
    }

    /// Takes over who leads and who is in sync.
    pub fn set_leader(&mut self, leader: BrokerId, epoch: LeaderEpoch, isr: Vec<BrokerId>) {
        self.leader = leader;
        self.leader_epoch = epoch;
        self.isr = isr;
    }

    /// Takes over changed topic configs; they count from the next append on.
    pub fn set_config(&mut self, config: TopicConfig) {
        self.log.set_config(log_config(&config));
        self.config = config;
    }

    /// Topic and number.
    #[must_use]
    pub fn name(&self) -> &TopicPartition {
        &self.name
    }

    /// The id of its topic.
    #[must_use]
    pub fn topic_id(&self) -> TopicId {
        self.topic_id
    }

    /// The log itself.
    #[must_use]
    pub fn log(&self) -> &Log {
        &self.log
    }

    /// Whether this broker leads the partition.
    #[must_use]
    pub fn is_leader(&self) -> bool {
        self.leader == self.broker
    }

    /// The epoch of the present leadership.
    #[must_use]
    pub fn leader_epoch(&self) -> LeaderEpoch {
        self.leader_epoch
    }

    /// The offset below which consumers may read.
    #[must_use]
    pub fn high_watermark(&self) -> Offset {
        self.high_watermark
    }

    /// The offset below which every transaction is decided.
    #[must_use]
    pub fn last_stable_offset(&self) -> Offset {
        self.high_watermark
    }

    /// The timestamp that the batch got from the broker, or none for `CreateTime`.
    #[must_use]
    pub fn log_append_time(&self, now: Time) -> Timestamp {
        match self.config.message_timestamp_type {
            TimestampType::CreateTime => Timestamp::NONE,
            TimestampType::LogAppendTime => now.timestamp(),
        }
    }

    /// Checks that a request may be served here and knows the present leadership.
    ///
    /// # Errors
    /// `KAFKA_STORAGE_ERROR` when it is offline, `FENCED_LEADER_EPOCH` for an old epoch, `UNKNOWN_LEADER_EPOCH` for one that is still to
    /// come, `NOT_LEADER_OR_FOLLOWER` when another broker leads.
    pub fn check_leader(&self, epoch: LeaderEpoch) -> Result<(), ErrorCode> {
        self.check_online()?;
        if epoch != LeaderEpoch::UNKNOWN && epoch < self.leader_epoch {
            return Err(ErrorCode::FencedLeaderEpoch);
        }
        if epoch > self.leader_epoch {
            return Err(ErrorCode::UnknownLeaderEpoch);
        }
        if !self.is_leader() {
            return Err(ErrorCode::NotLeaderOrFollower);
        }
        Ok(())
    }

    /// Checks a producer's batch and appends it, unless it repeats one that is there. The high
    /// watermark does not move by it.
    ///
    /// # Errors
    /// Kafka's code for a batch that is damaged (`CORRUPT_MESSAGE`), ill-formed
    /// (`INVALID_RECORD`), too large (`MESSAGE_TOO_LARGE`, `RECORD_LIST_TOO_LARGE`) or of the
    /// wrong time (`INVALID_TIMESTAMP`), sequence (`OUT_OF_ORDER_SEQUENCE_NUMBER`) or epoch
    /// (`INVALID_PRODUCER_EPOCH`), and for a disk that fails (`KAFKA_STORAGE_ERROR`).
    /// Nothing is appended then.
    pub fn append(
        &mut self,
        disk: &mut dyn Disk,
        now: Time,
        batch: RecordBatch,
    ) -> Result<LogAppendInfo, AppendRefusal> {
        batch.validate_from_producer().map_err(|error| (error.code(), Some(error.to_string())))?;
        if self.config.compact && batch.records().flatten().any(|record| record.key.is_none()) {
            let why = "a compacted topic takes no record without a key".to_owned();
            return Err((ErrorCode::InvalidRecord, Some(why)));
        }
        let batch = match self.config.message_timestamp_type {
            TimestampType::CreateTime => {
                self.check_timestamps(now.timestamp(), &batch)?;
                batch
            }
            TimestampType::LogAppendTime => batch.with_log_append_time(now.timestamp()),
        };
        self.log
            .append(disk, now.timestamp(), batch, self.leader_epoch)
            .map_err(|error| (error.code(), Some(error.to_string())))
    }

    fn check_timestamps(&self, now: Timestamp, batch: &RecordBatch) -> Result<(), AppendRefusal> {
        let ahead = self.config.message_timestamp_after_max_ms;
        let behind = self.config.message_timestamp_before_max_ms;
        let newest = batch.max_timestamp().0;
        if newest.saturating_sub(now.0) > ahead {
            let why = format!("timestamp {newest} lies more than {ahead} ms after {now}");
            return Err((ErrorCode::InvalidTimestamp, Some(why)));
        }
        if behind == i64::MAX {
            return Ok(());
        }
        // Only a topic that bounds the past pays for a look at each record.
        for record in batch.records() {
            let record = record.map_err(|error| (error.code(), Some(error.to_string())))?;
            if now.0.saturating_sub(record.timestamp.0) > behind {
                let why = format!(
                    "timestamp {} lies more than {behind} ms before {now}",
                    record.timestamp
                );
                return Err((ErrorCode::InvalidTimestamp, Some(why)));
            }
        }
        Ok(())
    }

    /// Recomputes the high watermark; says how it moved, if it did.
    pub fn advance_high_watermark(&mut self) -> Option<HighWatermarkMove> {
        // Followers will report their log ends through their fetches. A leader that is alone in
        // the in-sync set is its own minimum.
        let alone = self.isr.iter().all(|&replica| replica == self.broker);
        let to = if alone { self.log.log_end_offset() } else { self.high_watermark };
        let from = self.high_watermark;
        if to <= from {
            return None;
        }
        self.high_watermark = to;
        Some(HighWatermarkMove { from, to })
    }

    /// Reads batches below the high watermark.
    ///
    /// # Errors
    /// `OFFSET_OUT_OF_RANGE`, or what the disk answered.
    pub fn read(
        &self,
        disk: &dyn Disk,
        from: Offset,
        max_bytes: usize,
        min_one_batch: bool,
    ) -> Result<LogRead, ErrorCode> {
        let read = self.log.read(disk, from, max_bytes, self.high_watermark, min_one_batch);
        read.map_err(|error| error.code())
    }

    /// The first record at or after `target` below the high watermark: its timestamp, offset and
    /// leader epoch.
    ///
    /// # Errors
    /// What the disk answered.
    pub fn offset_for_timestamp(
        &self,
        disk: &dyn Disk,
        target: Timestamp,
    ) -> Result<Option<(Timestamp, Offset, LeaderEpoch)>, ErrorCode> {
        let found = self.log.offset_for_timestamp(disk, target).map_err(|error| error.code())?;
        Ok(found.filter(|&(_, offset, _)| offset < self.high_watermark))
    }

    /// The first record that bears the largest timestamp.
    ///
    /// # Errors
    /// What the disk answered.
    pub fn max_timestamp_offset(
        &self,
        disk: &dyn Disk,
    ) -> Result<Option<(Timestamp, Offset, LeaderEpoch)>, ErrorCode> {
        self.log.max_timestamp_offset(disk).map_err(|error| error.code())
    }
}

fn log_config(config: &TopicConfig) -> LogConfig {
    LogConfig {
        segment_bytes: config.segment_bytes,
        segment_ms: config.segment_ms,
        segment_jitter_ms: config.segment_jitter_ms,
        segment_index_bytes: config.segment_index_bytes,
        index_interval_bytes: config.index_interval_bytes,
        max_message_bytes: config.max_message_bytes,
        compact: config.compact,
        producer_id_expiration_ms: config.producer_id_expiration_ms,
    }
}
