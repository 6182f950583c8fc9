//! Opening a log from its directory, after a clean end or a crash.
//!
//! In this order, as Kafka's `LogLoader` does it:
//!
//! 1. Files that a deletion or a cleaning has left behind (`.deleted`, `.cleaned`, `.tmp`) go. A
//!    `.swap` file is a cleaned segment that was to take the place of others: these go, it stays.
//!    Indexes without a segment go.
//! 2. Segments are opened in order. One whose indexes are missing or cannot be right is read to
//!    build them anew; nothing of it is cut, unless the next point says so.
//! 3. After a crash, segments that reach to the recovery point or beyond are recovered: what is
//!    behind the first batch that is damaged is cut, and later segments go. Above the recovery
//!    point each batch, and each segment, begins where the one before ends, unless the topic is
//!    compacted: the checksum does not cover the base offset. Kafka does not look at that.
//! 4. The log ends behind the last batch, and starts at the checkpoint or the first segment,
//!    whichever is later. A log that ends before it starts is emptied.
//! 5. Leader epochs are read from their checkpoint, completed from the batches that were read, and
//!    cut to the log's extent.
//! 6. Producers are read from the newest snapshot and the batches behind it.
//!
//! Whatever was durable below the recovery point is never read for that, and a clean end leaves a
//! snapshot, so that a log which was closed cleanly opens in a time that does not depend on how
//! much it holds.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use super::config::LogConfig;
use super::error::LogError;
use super::log::Log;
use super::segment::LogSegment;
use super::segment_recovery::Damage;
use crate::record::check_base_offset;
use crate::storage::Disk;
use crate::types::{Offset, Timestamp};

/// What is known of a log before its files are looked at.
#[derive(Clone, Copy, Debug)]
pub struct LogStart {
    /// Whether the log was closed cleanly.
    pub clean: bool,
    /// `recovery-point-offset-checkpoint`: below it everything is durable.
    pub recovery_point: Offset,
    /// `log-start-offset-checkpoint`: below it nothing is to be read.
    pub log_start_offset: Offset,
    /// The clock.
    pub now: Timestamp,
}

/// Something that the opening of a log has done.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RecoveryStep {
    /// A file was removed that something interrupted had left behind.
    Removed {
        /// Its name in the log's directory.
        file: String,
    },
    /// An interrupted swap was finished.
    Swapped {
        /// The base offset of the segment that took the place of others.
        segment: Offset,
    },
    /// A segment's indexes were missing or damaged.
    IndexesRebuilt {
        /// Its base offset.
        segment: Offset,
    },
    /// A segment was read from its first byte to its last.
    Scanned {
        /// Its base offset.
        segment: Offset,
        /// How many batches are whole.
        batches: u32,
        /// How many bytes they take.
        bytes: u32,
    },
    /// A segment was cut at a batch that is torn or damaged.
    Cut {
        /// Its base offset.
        segment: Offset,
        /// Where it was cut, in bytes from the segment's start.
        position: u32,
        /// How many bytes went.
        bytes: u32,
        /// What is wrong there.
        reason: String,
    },
    /// A segment was removed: what lies before it is not whole.
    SegmentDropped {
        /// Its base offset.
        segment: Offset,
    },
}

impl fmt::Display for RecoveryStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RecoveryStep::Removed { file } => write!(f, "removes {file}"),
            RecoveryStep::Swapped { segment } => write!(f, "finishes the swap of {segment}"),
            RecoveryStep::IndexesRebuilt { segment } => {
                write!(f, "builds the indexes of segment {segment} anew")
            }
            RecoveryStep::Scanned { segment, batches, bytes } => {
                write!(f, "reads segment {segment}: {batches} batches, {bytes} B")
            }
            RecoveryStep::Cut { segment, position, bytes, reason } => {
                write!(f, "cuts segment {segment} at {position}, {bytes} B: {reason}")
            }
            RecoveryStep::SegmentDropped { segment } => write!(f, "drops segment {segment}"),
        }
    }
}

impl Log {
    /// Opens the log whose files lie in `dir`; a directory that is not there is an empty log.
    /// Tells what it had to do.
    ///
    /// # Errors
    /// [`LogError::Disk`], and [`LogError::Corrupt`] for what no crash leaves behind, such as a
    /// segment too large or batches out of order below the recovery point.
    pub fn open(
        disk: &mut dyn Disk,
        dir: &str,
        config: LogConfig,
        start: LogStart,
    ) -> Result<(Self, Vec<RecoveryStep>), LogError> {
        let mut opening = Opening { disk, dir, config, start, steps: Vec::new() };
        let log = opening.run()?;
        Ok((log, opening.steps))
    }
}

/// A log on its way from files to value.
struct Opening<'a> {
    disk: &'a mut dyn Disk,
    dir: &'a str,
    config: LogConfig,
    start: LogStart,
    steps: Vec<RecoveryStep>,
}

impl Opening<'_> {
    fn run(&mut self) -> Result<Log, LogError> {
        let bases = self.clean_up()?;
        let mut log = Log::durable(self.dir, self.config.clone());
        log.restore_leader_epochs(self.disk)?;
        // Where the segment before ends, if it was read.
        let mut end = None;
        let mut kept = 0;
        for (i, &base) in bases.iter().enumerate() {
            let beyond = !self.config.compact && base > self.start.recovery_point;
            if beyond && end.is_some_and(|end| end != base) {
                break;
            }
            let next = bases.get(i + 1);
            let unsafe_end = next.is_none_or(|&next| next > self.start.recovery_point);
            let damaged;
            (end, damaged) = self.open_segment(&mut log, base, !self.start.clean && unsafe_end)?;
            kept = i + 1;
            if damaged {
                break;
            }
        }
        for &segment in &bases[kept..] {
            LogSegment::remove_files(self.disk, self.dir, segment)?;
            self.steps.push(RecoveryStep::SegmentDropped { segment });
        }
        self.settle(log)
    }

    /// Removes what was left behind and finishes what was begun. Gives the base offsets of the
    /// segments, in order.
    fn clean_up(&mut self) -> Result<Vec<Offset>, LogError> {
        let names = self.disk.list(self.dir)?;
        let (swaps, names): (Vec<_>, Vec<_>) =
            names.into_iter().partition(|name| name.ends_with(SWAP));
        let (gone, mut names): (Vec<_>, Vec<_>) = names.into_iter().partition(|name| {
            [".deleted", ".cleaned", ".tmp"].iter().any(|suffix| name.ends_with(suffix))
        });
        // A cleaning that had not got as far as all of its swaps is undone.
        let undone = gone.iter().filter(|name| name.ends_with(".cleaned"));
        let undone = undone.filter_map(|name| base_of(name)).min();
        let is_undone = |name: &String| undone.is_some_and(|undone| base_of(name) >= Some(undone));
        let (also_gone, swaps): (Vec<_>, Vec<_>) = swaps.into_iter().partition(is_undone);
        let mut changed = !swaps.is_empty();
        for file in also_gone.into_iter().chain(gone) {
            self.remove(file)?;
            changed = true;
        }
        self.finish_swaps(swaps, &mut names)?;
        let bases: BTreeSet<Offset> =
            names.iter().filter(|name| name.ends_with(".log")).filter_map(|n| base_of(n)).collect();
        for name in names {
            let is_index = [".index", ".timeindex"].iter().any(|suffix| name.ends_with(suffix));
            if is_index && base_of(&name).is_some_and(|base| !bases.contains(&base)) {
                self.remove(name)?;
                changed = true;
            }
        }
        if changed {
            self.disk.sync_dir(self.dir)?;
        }
        Ok(bases.into_iter().collect())
    }

    fn remove(&mut self, file: String) -> Result<(), LogError> {
        self.disk.remove(&format!("{}/{file}", self.dir))?;
        self.steps.push(RecoveryStep::Removed { file });
        Ok(())
    }

    /// Puts cleaned segments in the place of those whose offsets they cover.
    fn finish_swaps(
        &mut self,
        swaps: Vec<String>,
        names: &mut Vec<String>,
    ) -> Result<(), LogError> {
        for name in swaps.iter().filter(|name| name.ends_with(".log.swap")) {
            let Some(base) = base_of(name) else { continue };
            let file = self.disk.open(&format!("{}/{name}", self.dir))?;
            let end = LogSegment::end_of_file(self.disk, base, file)?;
            let replaced = |name: &String| base_of(name).is_some_and(|at| at > base && at < end);
            let segments = names.iter().filter(|name| replaced(name));
            for segment in segments.filter_map(|name| base_of(name)).collect::<BTreeSet<_>>() {
                LogSegment::remove_files(self.disk, self.dir, segment)?;
            }
            names.retain(|name| !replaced(name));
            self.steps.push(RecoveryStep::Swapped { segment: base });
        }
        for name in swaps {
            let Some(to) = name.strip_suffix(SWAP) else { continue };
            self.disk.rename(&format!("{}/{name}", self.dir), &format!("{}/{to}", self.dir))?;
            if !names.iter().any(|name| name == to) {
                names.push(to.to_owned());
            }
        }
        Ok(())
    }

    /// Opens the next segment, reading it if that is asked for or if its indexes are no good. Gives
    /// its end, if it was read, and whether it was cut.
    fn open_segment(
        &mut self,
        log: &mut Log,
        base: Offset,
        must_scan: bool,
    ) -> Result<(Option<Offset>, bool), LogError> {
        let (mut segment, sound) = LogSegment::open(self.disk, self.dir, base, self.start.now)?;
        if sound && !must_scan {
            log.segments.push(Arc::new(segment));
            return Ok((None, false));
        }
        let mut batches = 0;
        let epochs = &mut log.leader_epochs;
        let dense_from = if self.config.compact { None } else { Some(self.start.recovery_point) };
        let limits = (must_scan, dense_from);
        let (end, damage) = segment.recover(self.disk, &self.config, limits, |batch| {
            batches += 1;
            if epochs.latest().is_none_or(|latest| batch.leader_epoch() > latest.epoch) {
                epochs.assign(batch.leader_epoch(), batch.base_offset());
            }
        })?;
        if !sound {
            self.steps.push(RecoveryStep::IndexesRebuilt { segment: base });
        }
        let bytes = segment.size_in_bytes();
        self.steps.push(RecoveryStep::Scanned { segment: base, batches, bytes });
        let damaged = damage.is_some();
        if let Some(Damage { position, bytes, reason }) = damage {
            self.steps.push(RecoveryStep::Cut { segment: base, position, bytes, reason });
        }
        segment.close(self.disk)?;
        log.segments.push(Arc::new(segment));
        Ok((Some(end), damaged))
    }

    /// Sets the log's ends, and lets its last segment take batches.
    fn settle(&mut self, mut log: Log) -> Result<Log, LogError> {
        let first = log.segments.first().map_or(Offset::ZERO, |first| first.base_offset());
        let log_start = self.start.log_start_offset.max(first);
        let log_end = match log.segments.last_mut().map(Arc::make_mut) {
            Some(active) => {
                active.activate(self.disk)?;
                active.read_end(self.disk)?
            }
            None => log_start,
        };
        log.log_start_offset = log_start;
        log.log_end_offset = log_end;
        if log_end < log_start {
            for segment in std::mem::take(&mut log.segments) {
                segment.remove(self.disk, self.dir)?;
                let segment = segment.base_offset();
                self.steps.push(RecoveryStep::SegmentDropped { segment });
            }
            log.log_end_offset = log_start;
        }
        log.leader_epochs.truncate_from_end(log.log_end_offset);
        log.leader_epochs.truncate_from_start(log_start);
        log.recovery_point = self.start.recovery_point.min(log.log_end_offset);
        for file in log.restore_producer_state(self.disk, self.start.now)? {
            self.steps.push(RecoveryStep::Removed { file });
        }
        Ok(log)
    }
}

/// What a cleaned segment's files end in that are to take the place of others.
const SWAP: &str = ".swap";

/// The base offset that the files of a segment are named by.
pub(super) fn base_of(name: &str) -> Option<Offset> {
    let digits = name.split('.').next()?;
    let named = digits.len() == 20 && digits.bytes().all(|byte| byte.is_ascii_digit());
    let base = digits.parse().ok().map(Offset).filter(|_| named)?;
    check_base_offset(base).is_ok().then_some(base)
}
