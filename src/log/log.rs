//! The log itself: segments in order, and the rules for appending, rolling, reading and cutting.

use std::sync::Arc;

use super::config::LogConfig;
use super::error::LogError;
use super::leader_epochs::LeaderEpochs;
use super::offset_index::IndexEntry;
use super::producer_state::{ProducerState, SequenceCheck, StoredBatch};
use super::segment::LogSegment;
use crate::record::RecordBatch;
use crate::storage::Disk;
use crate::types::{LeaderEpoch, Offset, ProducerId, Rope, Timestamp};

/// A partition's log on one broker. The disk that holds its files is an argument of each call.
///
/// A clone shares the segments; one of them is copied, as a list of references, when one of the
/// clones appends to it.
#[derive(Clone, Debug)]
pub struct Log {
    pub(super) dir: Arc<str>,
    pub(super) config: LogConfig,
    /// In the order of their base offsets, the last one being active. A log without records has
    /// none and holds no file, unless it is durable.
    pub(super) segments: Vec<Arc<LogSegment>>,
    pub(super) log_start_offset: Offset,
    pub(super) log_end_offset: Offset,
    pub(super) leader_epochs: LeaderEpochs,
    pub(super) producers: ProducerState,
    /// Whether it is to be opened again from its files: it keeps its checkpoints, too.
    pub(super) durable: bool,
    /// Below it everything is durable.
    pub(super) recovery_point: Offset,
}

/// What an append did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogAppendInfo {
    /// The offset of the batch's first record; of a duplicate, where it lies already.
    pub base_offset: Offset,
    /// The offset of its last record.
    pub last_offset: Offset,
    /// The segment that was begun for it.
    pub rolled: Option<Roll>,
    /// The index entry that was written for it.
    pub indexed: Option<IndexEntry>,
    /// The batch of the log that it repeats; nothing was appended then.
    pub duplicate_of: Option<StoredBatch>,
}

/// The beginning of a new segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Roll {
    /// Its base offset.
    pub new_base: Offset,
    /// Why it was begun.
    pub reason: RollReason,
}

/// Why a new segment is begun, in the order in which the rules are tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RollReason {
    /// The batch would take the segment beyond `segment.bytes`.
    Size,
    /// The batch is more than `segment.ms` younger than the segment's first one.
    Time,
    /// The offset index has reached `segment.index.bytes`.
    OffsetIndexFull,
    /// The time index has one place left below `segment.index.bytes`.
    TimeIndexFull,
    /// The batch's last offset is too far from the segment's base for an index entry.
    OffsetOverflow,
}

/// What a read found.
#[derive(Clone, Debug, Default)]
pub struct LogRead {
    /// Batches as they are stored, from the one that holds the wanted offset; the last one may be
    /// cut. Empty at the end.
    pub records: Rope,
}

impl LogAppendInfo {
    fn duplicate(stored: StoredBatch, rolled: Option<Roll>) -> Self {
        LogAppendInfo {
            base_offset: stored.first_offset(),
            last_offset: stored.last_offset,
            rolled,
            indexed: None,
            duplicate_of: Some(stored),
        }
    }
}

impl Log {
    /// An empty log that will keep its files in `dir`. No file is created before the first batch.
    #[must_use]
    pub fn new(dir: &str, config: LogConfig) -> Self {
        Log {
            dir: dir.into(),
            config,
            segments: Vec::new(),
            log_start_offset: Offset::ZERO,
            log_end_offset: Offset::ZERO,
            leader_epochs: LeaderEpochs::default(),
            producers: ProducerState::default(),
            durable: false,
            recovery_point: Offset::ZERO,
        }
    }

    /// Takes over changed settings: they count from the next append on.
    pub fn set_config(&mut self, config: LogConfig) {
        self.config = config;
    }

    /// The first offset that can be read.
    #[must_use]
    pub fn log_start_offset(&self) -> Offset {
        self.log_start_offset
    }

    /// The offset that the next record will get.
    #[must_use]
    pub fn log_end_offset(&self) -> Offset {
        self.log_end_offset
    }

    /// The segments, oldest first; the last one is active.
    pub fn segments(&self) -> impl DoubleEndedIterator<Item = &LogSegment> + ExactSizeIterator {
        self.segments.iter().map(Arc::as_ref)
    }

    /// Where each leader epoch begins.
    #[must_use]
    pub fn leader_epochs(&self) -> &LeaderEpochs {
        &self.leader_epochs
    }

    /// The length of all segments together, in bytes.
    #[must_use]
    pub fn size_in_bytes(&self) -> u64 {
        self.segments().map(|segment| u64::from(segment.size_in_bytes())).sum()
    }

    /// Gives a client's batch its offsets and appends it, beginning a new segment if a rule says
    /// so. A batch of an idempotent producer that is there already is not appended again.
    ///
    /// # Errors
    /// The log is then as it was before, also on a disk that has written a part:
    /// [`LogError::MessageTooLarge`], [`LogError::RecordListTooLarge`],
    /// [`LogError::NoRecords`], [`LogError::NoOffsetsLeft`], [`LogError::OutOfOrderSequence`],
    /// [`LogError::InvalidProducerEpoch`], [`LogError::Disk`].
    pub fn append(
        &mut self,
        disk: &mut dyn Disk,
        now: Timestamp,
        batch: RecordBatch,
        leader_epoch: LeaderEpoch,
    ) -> Result<LogAppendInfo, LogError> {
        let size = batch.size_in_bytes();
        if size > self.config.max_message_bytes as usize {
            let limit = self.config.max_message_bytes;
            return Err(LogError::MessageTooLarge { size, limit });
        }
        if size > self.config.segment_bytes as usize {
            let limit = self.config.segment_bytes;
            return Err(LogError::RecordListTooLarge { size, limit });
        }
        if batch.last_offset_delta() < 0 {
            return Err(LogError::NoRecords);
        }
        let log_end = self.log_end_offset;
        let batch = batch
            .with_base_offset(log_end, leader_epoch)
            .map_err(|_| LogError::NoOffsetsLeft { log_end })?;
        if self.durable {
            // A leader's epoch is written down before its first batch.
            self.assign_leader_epoch(disk, leader_epoch)?;
        }
        let active = self.segments.last();
        let reason =
            active.and_then(|active| roll_reason(active, &self.dir, &self.config, now, &batch));
        if let Some(stored) = self.check_sequence(now, &batch)? {
            let rolled = reason.map_or(Ok(None), |reason| self.roll(disk, now, reason))?;
            return Ok(LogAppendInfo::duplicate(stored, rolled));
        }
        let indexed = match self.segments.last_mut().filter(|_| reason.is_none()) {
            Some(active) => Arc::make_mut(active).append(disk, &batch, &self.config)?,
            None => self.append_to_new_segment(disk, now, &batch)?,
        };
        self.log_end_offset = batch.next_offset();
        self.producers.update(&batch);
        self.leader_epochs.assign(leader_epoch, batch.base_offset());
        let (base_offset, last_offset) = (batch.base_offset(), batch.last_offset());
        let rolled = reason.map(|reason| Roll { new_base: base_offset, reason });
        Ok(LogAppendInfo { base_offset, last_offset, rolled, indexed, duplicate_of: None })
    }

    /// The batch of the log that a batch repeats, if it does.
    fn check_sequence(
        &mut self,
        now: Timestamp,
        batch: &RecordBatch,
    ) -> Result<Option<StoredBatch>, LogError> {
        if batch.producer_id() == ProducerId::NONE || self.producers.is_empty() {
            return Ok(None);
        }
        self.producers.expire_producer_of(batch, now, self.config.producer_id_expiration_ms);
        match self.producers.check(batch, true)? {
            SequenceCheck::Append => Ok(None),
            SequenceCheck::Duplicate(stored) => Ok(Some(stored)),
        }
    }

    /// Begins an empty segment, as a duplicate makes Kafka do: it looks for room first.
    fn roll(
        &mut self,
        disk: &mut dyn Disk,
        now: Timestamp,
        reason: RollReason,
    ) -> Result<Option<Roll>, LogError> {
        let new_base = self.log_end_offset;
        if self.segments.last().is_none_or(|active| active.base_offset() == new_base) {
            return Ok(None);
        }
        self.begin_segment(disk, now, |_, _| Ok(()))?;
        Ok(Some(Roll { new_base, reason }))
    }

    /// Begins a segment with a batch. It belongs to the log once the batch lies in it and the
    /// segment before is closed.
    fn append_to_new_segment(
        &mut self,
        disk: &mut dyn Disk,
        now: Timestamp,
        batch: &RecordBatch,
    ) -> Result<Option<IndexEntry>, LogError> {
        let config = self.config.clone();
        self.begin_segment(disk, now, |begun, disk| begun.append(disk, batch, &config))
    }

    /// Begins a segment at the log's end with what `fill` puts into it.
    fn begin_segment<T>(
        &mut self,
        disk: &mut dyn Disk,
        now: Timestamp,
        fill: impl FnOnce(&mut LogSegment, &mut dyn Disk) -> Result<T, LogError>,
    ) -> Result<T, LogError> {
        self.producers.remove_expired(now, self.config.producer_id_expiration_ms);
        // It tells the truth even if no segment begins here after all.
        self.write_producer_snapshot(disk)?;
        let mut begun = LogSegment::create(disk, &self.dir, self.log_end_offset, now)?;
        let filled = fill(&mut begun, disk).and_then(|filled| {
            let active = self.segments.last_mut().map(Arc::make_mut);
            active.map_or(Ok(()), |active| active.close(disk)).map(|()| filled)
        });
        match &filled {
            Ok(_) => self.segments.push(Arc::new(begun)),
            // Files that a failing disk keeps give way to the next attempt.
            Err(_) => drop(begun.remove(disk, &self.dir)),
        }
        filled
    }

    /// Reads from `from` on: whole batches within `max_bytes`, of one segment, below `upper`.
    ///
    /// The first batch is returned even when it alone is larger than `max_bytes`, provided that
    /// `min_one_batch` says so; otherwise nothing is. The last batch may be cut.
    ///
    /// # Errors
    /// [`LogError::OffsetOutOfRange`] outside of log start and log end.
    pub fn read(
        &self,
        disk: &dyn Disk,
        from: Offset,
        max_bytes: usize,
        upper: Offset,
        min_one_batch: bool,
    ) -> Result<LogRead, LogError> {
        if from < self.log_start_offset || from > self.log_end_offset {
            return Err(LogError::OffsetOutOfRange {
                offset: from,
                log_start: self.log_start_offset,
                log_end: self.log_end_offset,
            });
        }
        if from >= upper {
            return Ok(LogRead::default());
        }
        for segment in &self.segments[self.segment_at(from)..] {
            let Some(first) = segment.find(disk, from)? else { continue };
            let end = if upper >= self.log_end_offset {
                segment.size_in_bytes()
            } else {
                segment.find(disk, upper)?.map_or(segment.size_in_bytes(), |above| above.position)
            };
            let available = end.saturating_sub(first.position) as usize;
            let fits = first.size as usize <= max_bytes;
            if available == 0 || !(fits || min_one_batch) {
                return Ok(LogRead::default());
            }
            let len = available.min(max_bytes.max(first.size as usize));
            return Ok(LogRead { records: segment.read(disk, first.position, len)? });
        }
        Ok(LogRead::default())
    }

    /// The first record whose timestamp is at or after `timestamp`, with its leader epoch.
    ///
    /// # Errors
    /// [`LogError::Disk`], [`LogError::Corrupt`].
    pub fn offset_for_timestamp(
        &self,
        disk: &dyn Disk,
        timestamp: Timestamp,
    ) -> Result<Option<(Timestamp, Offset, LeaderEpoch)>, LogError> {
        let first = self.segment_at(self.log_start_offset);
        let mut late = self.segments[first.min(self.segments.len())..]
            .iter()
            .filter(|segment| segment.largest_timestamp().timestamp >= timestamp);
        match late.next() {
            Some(segment) => segment.find_timestamp(disk, timestamp, self.log_start_offset),
            None => Ok(None),
        }
    }

    /// The first record that has the largest timestamp of the log.
    ///
    /// # Errors
    /// [`LogError::Disk`], [`LogError::Corrupt`].
    pub fn max_timestamp_offset(
        &self,
        disk: &dyn Disk,
    ) -> Result<Option<(Timestamp, Offset, LeaderEpoch)>, LogError> {
        // Of several segments with the same timestamp the oldest one counts.
        let latest = self.segments().rev().max_by_key(|s| s.largest_timestamp().timestamp);
        latest.map_or(Ok(None), |segment| segment.find_largest_timestamp(disk))
    }

    /// Drops every record at and after `offset`, and the whole batch that holds it.
    ///
    /// Where `offset` lies before the log's start, the log is empty afterwards and begins there.
    ///
    /// In a durable log the cut is durable, too: what was cut must not come back behind what takes
    /// its place. The recovery point that was written down must not lie above `offset` any more,
    /// since files are cut and removed in no order that a crash would keep.
    ///
    /// # Errors
    /// [`LogError::Corrupt`] and [`LogError::Disk`]. What cannot be read leaves the log as it was;
    /// what cannot be removed from the disk is in the log no more, and gives way when its place is
    /// written again.
    pub fn truncate_to(
        &mut self,
        disk: &mut dyn Disk,
        offset: Offset,
        now: Timestamp,
    ) -> Result<(), LogError> {
        if offset >= self.log_end_offset {
            return Ok(());
        }
        if offset < self.log_start_offset {
            return self.truncate_fully_and_start_at(disk, offset);
        }
        let kept = self.segments.partition_point(|segment| segment.base_offset() < offset);
        if let Some(active) = self.segments[..kept].last_mut() {
            Arc::make_mut(active).truncate_to(disk, offset, now)?;
        }
        self.log_end_offset = offset;
        self.recovery_point = self.recovery_point.min(offset);
        self.leader_epochs.truncate_from_end(offset);
        let gone = self.segments.split_off(kept);
        let active = self.segments.last_mut().map(Arc::make_mut);
        let cut = active.map_or(Ok(()), |active| active.cut_tail(disk));
        let noted = self.write_leader_epochs(disk);
        let forgotten = self.remove_producer_snapshots(disk, |at| at <= offset);
        let known = self.rebuild_producer_state(disk);
        let removed = cut.and(self.remove_files(disk, &gone)).and(noted).and(forgotten).and(known);
        removed.and_then(|()| self.sync_cut(disk))
    }

    /// Drops everything and begins anew at `offset`, as a follower does whose leader has nothing
    /// left of what it lacks.
    ///
    /// # Errors
    /// [`LogError::Disk`].
    pub fn truncate_fully_and_start_at(
        &mut self,
        disk: &mut dyn Disk,
        offset: Offset,
    ) -> Result<(), LogError> {
        let gone = std::mem::take(&mut self.segments);
        self.log_start_offset = offset;
        self.log_end_offset = offset;
        self.recovery_point = self.recovery_point.min(offset);
        self.leader_epochs.clear();
        self.set_producer_state(ProducerState::default());
        let noted = self.write_leader_epochs(disk);
        let forgotten = self.remove_producer_snapshots(disk, |_| false);
        self.remove_files(disk, &gone).and(noted).and(forgotten)
    }

    /// Moves the log's start up to `offset`. Segments that lie before it as a whole are removed,
    /// the active one excepted.
    ///
    /// # Errors
    /// [`LogError::OffsetOutOfRange`] above the log's end.
    pub fn advance_log_start(
        &mut self,
        disk: &mut dyn Disk,
        offset: Offset,
    ) -> Result<(), LogError> {
        if offset > self.log_end_offset {
            return Err(LogError::OffsetOutOfRange {
                offset,
                log_start: self.log_start_offset,
                log_end: self.log_end_offset,
            });
        }
        if offset <= self.log_start_offset {
            return Ok(());
        }
        self.log_start_offset = offset;
        self.leader_epochs.truncate_from_start(offset);
        let noted = self.write_leader_epochs(disk);
        let gone = self.segment_at(offset).min(self.segments.len());
        let kept = self.segments.split_off(gone);
        let gone = std::mem::replace(&mut self.segments, kept);
        let first = self.segments.first().map_or(offset, |first| first.base_offset());
        let forgotten = self.remove_producer_snapshots(disk, |at| at >= first);
        self.remove_files(disk, &gone).and(noted).and(forgotten)
    }

    /// Removes all files: the partition is gone.
    ///
    /// # Errors
    /// [`LogError::Disk`].
    pub fn remove(self, disk: &mut dyn Disk) -> Result<(), LogError> {
        let forgotten = self.remove_producer_snapshots(disk, |_| false);
        self.remove_files(disk, &self.segments).and(forgotten)
    }

    /// Removes the files of all segments that it can; gives the first error.
    fn remove_files(
        &self,
        disk: &mut dyn Disk,
        segments: &[Arc<LogSegment>],
    ) -> Result<(), LogError> {
        let removed = segments.iter().map(|segment| segment.remove(disk, &self.dir));
        removed.fold(Ok(()), Result::and)
    }

    /// The place of the segment that holds `offset`, the first one when all begin after it.
    pub(super) fn segment_at(&self, offset: Offset) -> usize {
        let after = self.segments.partition_point(|segment| segment.base_offset() <= offset);
        after.saturating_sub(1)
    }
}

fn roll_reason(
    active: &LogSegment,
    dir: &str,
    config: &LogConfig,
    now: Timestamp,
    batch: &RecordBatch,
) -> Option<RollReason> {
    let room = i64::from(config.segment_bytes) - i64::from(active.size_in_bytes());
    let age = active.age(batch.max_timestamp(), now);
    let limit = config.segment_ms.saturating_sub(jitter(dir, active.base_offset(), config));
    if (batch.size_in_bytes() as i64) > room {
        Some(RollReason::Size)
    } else if active.size_in_bytes() > 0 && age > limit {
        Some(RollReason::Time)
    } else if active.offset_index().is_full(config.segment_index_bytes) {
        Some(RollReason::OffsetIndexFull)
    } else if active.time_index().is_full(config.segment_index_bytes) {
        Some(RollReason::TimeIndexFull)
    } else if batch.last_offset() - active.base_offset() > i64::from(i32::MAX) {
        Some(RollReason::OffsetOverflow)
    } else {
        None
    }
}

/// By how much this segment's time to roll is brought forward: below `segment.jitter.ms`, and the
/// same in each run, since it follows from where the segment lies.
fn jitter(dir: &str, base: Offset, config: &LogConfig) -> i64 {
    let below = config.segment_jitter_ms.min(config.segment_ms);
    if below <= 0 {
        return 0;
    }
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(dir.as_bytes());
    hasher.update(&base.0.to_le_bytes());
    i64::from(hasher.finalize()) % below
}
