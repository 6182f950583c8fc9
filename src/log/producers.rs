//! How a log comes by what it knows of producers: kept with each append, read again from the
//! batches after a truncation, and written down in snapshots if the log is durable.
//!
//! A snapshot `….snapshot` holds the producers as they are at the offset that names it: at each
//! roll that of the new segment, at a clean end that of the log's end. An opening takes the newest
//! one and reads the batches behind it. As in Kafka, a snapshot above the log's end or at or below
//! its start does not count and goes; so do those that no segment begins at, but for the newest,
//! which a clean end has left.

use super::error::LogError;
use super::log::Log;
use super::producer_snapshot;
use super::producer_state::ProducerState;
use super::segment::path;
use crate::record::RecordBatch;
use crate::storage::{Disk, DiskError, read_file, replace_file};
use crate::types::{Offset, Timestamp};

/// How much of a log is read at once.
const READ_BYTES: usize = 1 << 20;

impl Log {
    /// What is known of idempotent producers.
    #[must_use]
    pub fn producer_state(&self) -> &ProducerState {
        &self.producers
    }

    /// Puts a state in the place of what is known.
    pub(super) fn set_producer_state(&mut self, producers: ProducerState) {
        self.producers = producers;
    }

    /// Writes a snapshot at the log's end, if the log is durable and holds anything.
    pub(super) fn write_producer_snapshot(&self, disk: &mut dyn Disk) -> Result<(), LogError> {
        if self.durable && self.log_end_offset > self.log_start_offset {
            let path = path(&self.dir, self.log_end_offset, "snapshot");
            replace_file(disk, &path, &producer_snapshot::encode(&self.producers))?;
        }
        Ok(())
    }

    /// Removes the snapshots of a durable log that are not to be kept.
    pub(super) fn remove_producer_snapshots(
        &self,
        disk: &mut dyn Disk,
        keep: impl Fn(Offset) -> bool,
    ) -> Result<(), LogError> {
        if !self.durable {
            return Ok(());
        }
        let mut changed = false;
        for at in snapshots(disk, &self.dir)?.into_iter().filter(|&at| !keep(at)) {
            disk.remove(&path(&self.dir, at, "snapshot"))?;
            changed = true;
        }
        if changed {
            disk.sync_dir(&self.dir)?;
        }
        Ok(())
    }

    /// Learns anew what is known of producers, after the log was cut at its present end. A producer
    /// all of whose batches were deleted at the log's start stays known.
    pub(super) fn rebuild_producer_state(&mut self, disk: &dyn Disk) -> Result<(), LogError> {
        if self.producers.is_empty() {
            return Ok(());
        }
        let mut rebuilt = ProducerState::default();
        let read = self.visit_batches(disk, self.log_start_offset, |batch| rebuilt.update(batch));
        rebuilt.keep_older(std::mem::take(&mut self.producers), self.log_start_offset);
        self.producers = rebuilt;
        read
    }

    /// Learns what is known of producers from the newest snapshot that is whole, and the batches
    /// behind it. Gives the names of those that were damaged, and are gone.
    pub(super) fn restore_producer_state(
        &mut self,
        disk: &mut dyn Disk,
        now: Timestamp,
    ) -> Result<Vec<String>, LogError> {
        let found = snapshots(disk, &self.dir)?;
        let mut usable = self.usable_snapshots(&found);
        self.remove_producer_snapshots(disk, |at| usable.contains(&at))?;
        let mut damaged = Vec::new();
        let mut from = self.log_start_offset;
        while let Some(at) = usable.pop() {
            let mut file = path(&self.dir, at, "snapshot");
            let bytes = read_file(disk, &file)?.unwrap_or_default();
            if let Ok(mut producers) = producer_snapshot::decode(&bytes) {
                producers.remove_expired(now, self.config.producer_id_expiration_ms);
                self.set_producer_state(producers);
                from = at;
                break;
            }
            disk.remove(&file)?;
            damaged.push(file.split_off(self.dir.len() + 1));
        }
        if !damaged.is_empty() {
            disk.sync_dir(&self.dir)?;
        }
        if from < self.log_end_offset {
            let mut producers = std::mem::take(&mut self.producers);
            self.visit_batches(disk, from, |batch| producers.update(batch))?;
            self.set_producer_state(producers);
            self.write_producer_snapshot(disk)?;
        }
        Ok(damaged)
    }

    /// Those within the log at which a segment begins, and the newest one behind the last of them.
    fn usable_snapshots(&self, found: &[Offset]) -> Vec<Offset> {
        let inside = |at: Offset| at > self.log_start_offset && at <= self.log_end_offset;
        let last_base = self.segments.last().map_or(Offset::ZERO, |last| last.base_offset());
        let newest = found.iter().copied().filter(|&at| inside(at) && at > last_base).max();
        let is_base =
            |at: Offset| self.segments.binary_search_by_key(&at, |s| s.base_offset()).is_ok();
        let usable = |&at: &Offset| inside(at) && (is_base(at) || newest == Some(at));
        found.iter().copied().filter(usable).collect()
    }

    /// Shows every batch of the log that ends at or behind an offset, in order.
    fn visit_batches(
        &self,
        disk: &dyn Disk,
        from: Offset,
        mut visit: impl FnMut(&RecordBatch),
    ) -> Result<(), LogError> {
        let mut next = from;
        while next < self.log_end_offset {
            let mut records = self.read(disk, next, READ_BYTES, self.log_end_offset, true)?.records;
            let before = next;
            while let Some(batch) = RecordBatch::split_from(&mut records)
                .map_err(|error| self.corrupt_at(disk, next, error.to_string()))?
            {
                visit(&batch);
                next = batch.next_offset();
            }
            if next <= before {
                break;
            }
        }
        Ok(())
    }

    fn corrupt_at(&self, disk: &dyn Disk, offset: Offset, reason: String) -> LogError {
        let Some(segment) = self.segments.get(self.segment_at(offset)) else {
            return LogError::Corrupt { segment: offset, position: 0, reason };
        };
        let found = segment.find(disk, offset).ok().flatten();
        segment.corrupt(found.map_or(0, |found| found.position), reason)
    }
}

/// The offsets of the snapshots in a log's directory, in order.
fn snapshots(disk: &dyn Disk, dir: &str) -> Result<Vec<Offset>, DiskError> {
    let names = disk.list(dir)?;
    let snapshots = names.iter().filter(|name| name.ends_with(".snapshot"));
    Ok(snapshots.filter_map(|name| super::recovery::base_of(name)).collect())
}
