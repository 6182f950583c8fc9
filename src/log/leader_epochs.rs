//! Where each leader epoch begins in a log.
//!
//! A follower that comes back compares its last epoch with the leader's list and learns up to
//! which offset the two logs agree. The list is short: an entry per change of leadership that is
//! still within the log.
//!
//! Invariant: epochs and start offsets both rise strictly.
//!
//! # Simplifications versus Kafka
//!
//! The list lives in memory; writing `leader-epoch-checkpoint` belongs to recovery.

use crate::types::{LeaderEpoch, Offset};

/// The first offset of a leader epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EpochEntry {
    /// The epoch.
    pub epoch: LeaderEpoch,
    /// The first offset that a leader of this epoch gave out, or would give out next.
    pub start_offset: Offset,
}

/// The leader epochs of one log, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LeaderEpochs {
    entries: Vec<EpochEntry>,
}

impl LeaderEpochs {
    /// The entries, in order.
    #[must_use]
    pub fn entries(&self) -> &[EpochEntry] {
        &self.entries
    }

    /// The latest entry.
    #[must_use]
    pub fn latest(&self) -> Option<EpochEntry> {
        self.entries.last().copied()
    }

    /// The epoch that the record at `offset` belongs to; `None` before the first entry.
    #[must_use]
    pub fn epoch_for_offset(&self, offset: Offset) -> Option<LeaderEpoch> {
        let after = self.entries.partition_point(|entry| entry.start_offset <= offset);
        Some(self.entries.get(after.checked_sub(1)?)?.epoch)
    }

    /// The largest epoch that is not above `epoch`, and the offset where it ends, exclusive.
    ///
    /// The latest epoch ends at `log_end`, any other where the next one begins. An epoch below
    /// all known ones is answered with itself and the start of the first. `None` when `epoch` is
    /// above the latest one, or when nothing is known.
    #[must_use]
    pub fn end_offset_for(
        &self,
        epoch: LeaderEpoch,
        log_end: Offset,
    ) -> Option<(LeaderEpoch, Offset)> {
        if epoch == LeaderEpoch::UNKNOWN {
            return None;
        }
        if self.latest()?.epoch == epoch {
            return Some((epoch, log_end));
        }
        let above = self.entries.partition_point(|entry| entry.epoch <= epoch);
        let end = self.entries.get(above)?.start_offset;
        let floor = above.checked_sub(1).map_or(epoch, |floor| self.entries[floor].epoch);
        Some((floor, end))
    }

    /// Notes that `epoch` begins at `start_offset`.
    ///
    /// Nothing changes when `epoch` is the latest one and does not begin earlier than known, nor
    /// for a negative epoch or offset. Entries at the end that contradict the new one, having no
    /// smaller epoch or no smaller start, are dropped.
    pub fn assign(&mut self, epoch: LeaderEpoch, start_offset: Offset) {
        let known = self
            .latest()
            .is_some_and(|latest| latest.epoch == epoch && start_offset >= latest.start_offset);
        if known || epoch.0 < 0 || start_offset.0 < 0 {
            return;
        }
        while self
            .latest()
            .is_some_and(|latest| latest.epoch >= epoch || latest.start_offset >= start_offset)
        {
            self.entries.pop();
        }
        self.entries.push(EpochEntry { epoch, start_offset });
    }

    /// The log now ends at `end`: drops the epochs that begin there or later.
    pub fn truncate_from_end(&mut self, end: Offset) {
        let kept = self.entries.partition_point(|entry| entry.start_offset < end);
        self.entries.truncate(kept);
    }

    /// The log now starts at `start`: drops the epochs that end before, and lets the first one
    /// that is left begin there.
    pub fn truncate_from_start(&mut self, start: Offset) {
        let after = self.entries.partition_point(|entry| entry.start_offset <= start);
        if let Some(first) = after.checked_sub(1) {
            self.entries.drain(..first);
            self.entries[0].start_offset = start;
        }
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.entries.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn epochs(entries: &[(i32, i64)]) -> LeaderEpochs {
        let mut epochs = LeaderEpochs::default();
        for (epoch, start) in entries {
            epochs.assign(LeaderEpoch(*epoch), Offset(*start));
        }
        epochs
    }

    fn pairs(epochs: &LeaderEpochs) -> Vec<(i32, i64)> {
        epochs.entries().iter().map(|entry| (entry.epoch.0, entry.start_offset.0)).collect()
    }

    #[test]
    fn assign() {
        type Pairs = &'static [(i32, i64)];
        let table: [(Pairs, Pairs); 7] = [
            (&[(0, 0), (0, 5), (1, 10)], &[(0, 0), (1, 10)]),
            // A leader that appended nothing is displaced by the next one at the same offset.
            (&[(0, 0), (1, 10), (2, 10)], &[(0, 0), (2, 10)]),
            // The latest epoch begins earlier than known.
            (&[(0, 0), (2, 10), (2, 8)], &[(0, 0), (2, 8)]),
            // An older epoch drops all that are not older, and all that begin no earlier.
            (&[(0, 0), (2, 10), (3, 20), (2, 30)], &[(0, 0), (2, 30)]),
            (&[(0, 0), (2, 10), (3, 20), (4, 5)], &[(0, 0), (4, 5)]),
            (&[(3, 20), (4, 0)], &[(4, 0)]),
            (&[(-1, 0), (0, -1)], &[]),
        ];
        for (assigned, expected) in table {
            assert_eq!(pairs(&epochs(assigned)), expected, "{assigned:?}");
        }
    }

    #[test]
    fn end_offset_for() {
        let epochs = epochs(&[(2, 10), (4, 20), (7, 30)]);
        let table = [
            (-1, None),
            (0, Some((0, 10))),
            (2, Some((2, 20))),
            (3, Some((2, 20))),
            (5, Some((4, 30))),
            (7, Some((7, 35))),
            (8, None),
        ];
        for (epoch, expected) in table {
            let end = epochs.end_offset_for(LeaderEpoch(epoch), Offset(35));
            assert_eq!(end.map(|(epoch, end)| (epoch.0, end.0)), expected, "epoch {epoch}");
        }
        let none = LeaderEpochs::default();
        assert_eq!(none.end_offset_for(LeaderEpoch(0), Offset(0)), None);
        let of = |offset| epochs.epoch_for_offset(Offset(offset)).map(|epoch| epoch.0);
        assert_eq!([of(9), of(10), of(29), of(99)], [None, Some(2), Some(4), Some(7)]);
    }

    #[test]
    fn truncation() {
        type Pairs = &'static [(i32, i64)];
        let table: [(i64, Pairs, Pairs); 5] = [
            (40, &[(2, 10), (4, 20), (7, 30)], &[(7, 40)]),
            (30, &[(2, 10), (4, 20)], &[(7, 30)]),
            (25, &[(2, 10), (4, 20)], &[(4, 25), (7, 30)]),
            (10, &[], &[(2, 10), (4, 20), (7, 30)]),
            (5, &[], &[(2, 10), (4, 20), (7, 30)]),
        ];
        for (offset, cut_at_end, cut_at_start) in table {
            let mut epochs = epochs(&[(2, 10), (4, 20), (7, 30)]);
            let mut other = epochs.clone();
            epochs.truncate_from_end(Offset(offset));
            other.truncate_from_start(Offset(offset));
            assert_eq!((pairs(&epochs), pairs(&other)), (cut_at_end.into(), cut_at_start.into()));
        }
    }
}
