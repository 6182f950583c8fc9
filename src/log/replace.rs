//! Putting one segment in the place of several, so that a crash leaves either them or it.
//!
//! | step | names on the disk | after a crash |
//! |---|---|---|
//! | 1 | the new segment is written as `.cleaned`, and made durable | it is removed |
//! | 2 | its files are renamed to `.swap`; the directory is made durable | removed while a `.cleaned` is left, else as below |
//! | 3 | the old segments are renamed to `.deleted` | the new one takes their place |
//! | 4 | the new one's files get their own names; the directory is made durable | the same |
//! | 5 | the `.deleted` files are removed | they are removed |
//!
//! The names and their order are Kafka's.

use std::sync::Arc;

use super::error::LogError;
use super::log::Log;
use super::segment::LogSegment;
use crate::record::RecordBatch;
use crate::storage::Disk;
use crate::types::{Offset, Timestamp};

impl Log {
    /// Puts a segment of these batches in the place of those from `first` to `last`, which are base
    /// offsets of segments that are closed. The batches have their offsets, which rise.
    ///
    /// # Panics
    /// When there are no such segments, or one of them is active.
    ///
    /// # Errors
    /// [`LogError::Disk`]; the log in memory is as it was, and an opening decides what its files
    /// are.
    pub fn replace_segments(
        &mut self,
        disk: &mut dyn Disk,
        (first, last): (Offset, Offset),
        batches: &[RecordBatch],
        now: Timestamp,
    ) -> Result<(), LogError> {
        let place = |base: Offset| self.segments.iter().position(|s| s.base_offset() == base);
        let (Some(from), Some(to)) = (place(first), place(last)) else {
            panic!("no segments begin at {first} and {last}")
        };
        assert!(from <= to && to + 1 < self.segments.len(), "the active segment is not replaced");
        LogSegment::remove_files_as(disk, &self.dir, first, ".cleaned")?;
        let mut cleaned = LogSegment::create_as(disk, &self.dir, first, ".cleaned", now)?;
        for batch in batches {
            cleaned.append(disk, batch, &self.config)?;
        }
        cleaned.close(disk)?;
        cleaned.flush(disk)?;
        cleaned.rename(disk, &self.dir, ".cleaned", ".swap")?;
        disk.sync_dir(&self.dir)?;
        let replaced = &self.segments[from..=to];
        for segment in replaced {
            segment.rename(disk, &self.dir, "", ".deleted")?;
        }
        cleaned.rename(disk, &self.dir, ".swap", "")?;
        disk.sync_dir(&self.dir)?;
        let gone: Vec<Offset> = replaced.iter().map(|segment| segment.base_offset()).collect();
        self.segments.splice(from..=to, [Arc::new(cleaned)]);
        for base in gone {
            LogSegment::remove_files_as(disk, &self.dir, base, ".deleted")?;
        }
        Ok(())
    }
}
