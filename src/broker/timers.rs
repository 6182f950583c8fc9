//! What a broker on a durable disk does from time to time: flushes, checkpoints, and the removal of
//! what was deleted.
//!
//! | every | what | if |
//! |---|---|---|
//! | `log.flush.scheduler.interval.ms` | logs are flushed that have waited for `flush.ms` | something was appended |
//! | `log.flush.offset.checkpoint.interval.ms` | recovery points are written | one has moved |
//! | `log.flush.start.offset.checkpoint.interval.ms` | log starts are written | one has moved |
//! | `replica.high.watermark.checkpoint.interval.ms` | high watermarks are written | one has moved |
//! | `file.delete.delay.ms` later | the directory of a deleted partition is removed | |
//!
//! Where there is nothing to do there is no timer, so that a cluster in which nothing happens comes
//! to rest.

use std::collections::BTreeSet;

use super::{Broker, BrokerEvent};
use crate::partition::Partition;
use crate::storage::Disk;
use crate::types::{Time, TopicPartition};

/// When what is due.
#[derive(Clone, Debug, Default)]
pub struct Timers {
    flush: Option<Time>,
    recovery_points: Option<Time>,
    log_starts: Option<Time>,
    high_watermarks: Option<Time>,
    /// Directories of deleted partitions.
    removals: BTreeSet<(Time, String)>,
}

impl Timers {
    pub fn next(&self) -> Option<Time> {
        let removal = self.removals.first().map(|(due, _)| *due);
        let all =
            [self.flush, self.recovery_points, self.log_starts, self.high_watermarks, removal];
        all.into_iter().flatten().min()
    }
}

impl Broker {
    /// Notes that a log on a durable disk has changed.
    pub(super) fn note_append(&mut self, now: Time) {
        let interval = self.config.log_flush_scheduler_interval_ms;
        if interval < i64::MAX {
            self.timers.flush.get_or_insert(now.after_ms(interval));
        }
        let interval = self.config.replica_high_watermark_checkpoint_interval_ms;
        self.timers.high_watermarks.get_or_insert(now.after_ms(interval));
    }

    /// Notes that a log was flushed.
    pub(super) fn note_flush(&mut self, now: Time, name: &TopicPartition) {
        let Some(partition) = self.partitions.get(name) else { return };
        let recovery_point = partition.log().recovery_point();
        self.event(BrokerEvent::Flushed { partition: name.clone(), recovery_point });
        let interval = self.config.log_flush_offset_checkpoint_interval_ms;
        self.timers.recovery_points.get_or_insert(now.after_ms(interval));
    }

    /// Does what is due.
    pub(super) fn on_storage_deadline(&mut self, now: Time) {
        let is_due = |due: &mut Option<Time>| due.take_if(|due| *due <= now).is_some();
        if is_due(&mut self.timers.flush) {
            self.flush_old(now);
        }
        let due = [
            is_due(&mut self.timers.recovery_points),
            is_due(&mut self.timers.log_starts),
            is_due(&mut self.timers.high_watermarks),
        ];
        // A checkpoint that cannot be written is an old one: more is read at the next start.
        if due[0] {
            let _ = self.write_recovery_points();
        }
        if due[1] {
            let _ = self.write_log_starts();
        }
        if due[2] {
            let _ = self.write_high_watermarks();
        }
        while let Some((_, dir)) = self.timers.removals.first().filter(|(due, _)| *due <= now) {
            let _ = self.disk.remove_dir(dir);
            self.timers.removals.pop_first();
        }
    }

    /// Flushes the logs whose records have waited long enough.
    fn flush_old(&mut self, now: Time) {
        let waits = |partition: &Partition| {
            partition.offline().is_none()
                && partition.log().recovery_point() < partition.log().log_end_offset()
        };
        let waiting = self.partitions.iter().filter(|(_, partition)| waits(partition));
        let mut left = false;
        for name in waiting.map(|(name, _)| name.clone()).collect::<Vec<_>>() {
            let Some(partition) = self.partitions.get(&name) else { continue };
            if partition.is_flush_due(now) {
                self.flush(now, &name);
            } else {
                left = true;
            }
        }
        if left {
            let interval = self.config.log_flush_scheduler_interval_ms;
            self.timers.flush = Some(now.after_ms(interval));
        }
    }

    /// Makes a log durable.
    fn flush(&mut self, now: Time, name: &TopicPartition) {
        let Some(partition) = self.partitions.get_mut(name) else { return };
        match partition.flush(&mut self.disk) {
            Ok(()) => self.note_flush(now, name),
            Err(error) => {
                let (partition, why) = (name.clone(), error.to_string());
                self.event(BrokerEvent::LogFailed { partition, why });
            }
        }
    }

    /// Makes every log durable that is not offline.
    pub fn flush_all(&mut self, now: Time) -> Vec<super::BrokerEffect> {
        let online = self.partitions.iter().filter(|(_, p)| p.offline().is_none());
        for name in online.map(|(name, _)| name.clone()).collect::<Vec<_>>() {
            self.flush(now, &name);
        }
        std::mem::take(&mut self.effects)
    }

    /// The partition's topic is gone: its directory is set aside, and goes later.
    pub(super) fn remove_partition(&mut self, now: Time, partition: Partition) {
        let name = partition.name().to_string();
        if !partition.log().is_durable() {
            // Files that a failing disk keeps are no part of any log any more.
            let _ = partition.remove(&mut self.disk);
            return;
        }
        let id = self.unique_suffix(&name);
        let dir = format!("{name}.{id:032x}-delete");
        if self.disk.rename_dir(&name, &dir).is_ok() && self.disk.sync_dir("").is_ok() {
            let delay = partition.file_delete_delay_ms();
            self.timers.removals.insert((now.after_ms(delay), dir));
        }
    }
}
