//! A log that is to be opened again: when it makes its files durable, and what it keeps beside its
//! segments.
//!
//! `leader-epoch-checkpoint` is written whenever an epoch begins; snapshots of producers at each roll
//! and at a clean end (`producers.rs`). Segments are made durable by
//! [`Log::flush`], which moves the *recovery point*: below it, nothing need be read after a crash.
//! A file that has come into being is durable once its directory is; so a flush that reaches a new
//! segment makes the directory durable, too.

use std::sync::Arc;

use super::checkpoint;
use super::config::LogConfig;
use super::error::LogError;
use super::log::Log;
use super::segment::LogSegment;
use crate::storage::{Disk, read_file, replace_file};
use crate::types::{LeaderEpoch, Offset, Timestamp};

/// The name of the file of leader epochs.
const LEADER_EPOCHS: &str = "leader-epoch-checkpoint";

impl Log {
    /// A durable log without segments.
    pub(super) fn durable(dir: &str, config: LogConfig) -> Self {
        Log { durable: true, ..Log::new(dir, config) }
    }

    /// Creates a log that is to be opened again: its directory with an empty segment.
    ///
    /// # Errors
    /// [`LogError::Disk`].
    pub fn create(
        disk: &mut dyn Disk,
        dir: &str,
        config: LogConfig,
        now: Timestamp,
    ) -> Result<Self, LogError> {
        let mut log = Log::durable(dir, config);
        log.segments.push(Arc::new(LogSegment::create(disk, dir, Offset::ZERO, now)?));
        disk.sync_dir(dir)?;
        disk.sync_dir("")?;
        Ok(log)
    }

    /// Whether the log is one that is to be opened again from its files.
    #[must_use]
    pub fn is_durable(&self) -> bool {
        self.durable
    }

    /// Below it everything is durable.
    #[must_use]
    pub fn recovery_point(&self) -> Offset {
        self.recovery_point
    }

    /// Makes everything durable that was appended.
    ///
    /// # Errors
    /// [`LogError::Disk`]; the recovery point stays where it was.
    pub fn flush(&mut self, disk: &mut dyn Disk) -> Result<(), LogError> {
        self.flush_below(disk, self.log_end_offset)
    }

    /// Makes durable what lies below an offset, and the rest of its segment.
    ///
    /// # Errors
    /// [`LogError::Disk`]; the recovery point stays where it was.
    pub fn flush_below(&mut self, disk: &mut dyn Disk, offset: Offset) -> Result<(), LogError> {
        if offset <= self.recovery_point {
            return Ok(());
        }
        let first = self.segment_at(self.recovery_point);
        let mut has_new_files = false;
        for segment in self.segments.iter_mut().skip(first) {
            if segment.base_offset() >= offset {
                break;
            }
            has_new_files |= segment.base_offset() >= self.recovery_point;
            Arc::make_mut(segment).flush(disk)?;
        }
        if has_new_files {
            disk.sync_dir(&self.dir)?;
        }
        self.recovery_point = offset;
        Ok(())
    }

    /// Makes a truncation durable.
    pub(super) fn sync_cut(&mut self, disk: &mut dyn Disk) -> Result<(), LogError> {
        if !self.durable {
            return Ok(());
        }
        if let Some(active) = self.segments.last_mut() {
            Arc::make_mut(active).flush(disk)?;
        }
        Ok(disk.sync_dir(&self.dir)?)
    }

    /// Ends the log cleanly: everything is durable, and the next opening need not read it.
    ///
    /// # Errors
    /// [`LogError::Disk`].
    pub fn close(&mut self, disk: &mut dyn Disk) -> Result<(), LogError> {
        if let Some(active) = self.segments.last_mut() {
            let active = Arc::make_mut(active);
            active.close(disk)?;
            active.flush(disk)?;
        }
        self.flush(disk)?;
        self.write_producer_snapshot(disk)
    }

    /// Notes that a leader epoch begins at the log's end, and writes it down.
    ///
    /// # Errors
    /// [`LogError::Disk`]; nothing is noted then.
    pub fn assign_leader_epoch(
        &mut self,
        disk: &mut dyn Disk,
        epoch: LeaderEpoch,
    ) -> Result<(), LogError> {
        let before = self.leader_epochs.clone();
        self.leader_epochs.assign(epoch, self.log_end_offset);
        if self.leader_epochs == before {
            return Ok(());
        }
        let written = self.write_leader_epochs(disk);
        if written.is_err() {
            self.leader_epochs = before;
        }
        written
    }

    /// Writes the leader epochs down, if the log is durable.
    pub(super) fn write_leader_epochs(&self, disk: &mut dyn Disk) -> Result<(), LogError> {
        if self.durable {
            let text = checkpoint::write_leader_epochs(self.leader_epochs.entries());
            replace_file(disk, &format!("{}/{LEADER_EPOCHS}", self.dir), text.as_bytes())?;
        }
        Ok(())
    }

    /// Reads the leader epochs that were written down.
    pub(super) fn restore_leader_epochs(&mut self, disk: &mut dyn Disk) -> Result<(), LogError> {
        let path = format!("{}/{LEADER_EPOCHS}", self.dir);
        let Some(bytes) = read_file(disk, &path)? else { return Ok(()) };
        let damaged = |error: checkpoint::CheckpointError| LogError::Checkpoint {
            path: path.clone(),
            reason: error.to_string(),
        };
        for entry in checkpoint::parse_leader_epochs(&bytes).map_err(damaged)? {
            self.leader_epochs.assign(entry.epoch, entry.start_offset);
        }
        Ok(())
    }
}
