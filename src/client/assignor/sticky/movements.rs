//! Which partitions have moved between which members while a group is balanced.
//!
//! When `t0` has moved from `a` to `b`, and now `t1` is to move from `b` to `a`, it is better to
//! take the first move back: `t0` stays where it was, and `t1` stays, too.

use std::collections::{BTreeMap, BTreeSet};

/// From where to where.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Pair {
    from: usize,
    to: usize,
}

/// The movements so far. A partition that moved twice counts as moved once, from where it was
/// first; one that moved back counts as not moved.
#[derive(Debug, Default)]
pub(super) struct Movements {
    of_partition: BTreeMap<usize, Pair>,
    /// By topic.
    between: BTreeMap<(usize, Pair), BTreeSet<usize>>,
}

impl Movements {
    /// Which partition of the topic should move instead of this one, from its owner to another.
    pub(super) fn instead_of(
        &self,
        partition: usize,
        topic: usize,
        owner: usize,
        to: usize,
    ) -> usize {
        let from = self.of_partition.get(&partition).map_or(owner, |moved| moved.from);
        let reverse = Pair { from: to, to: from };
        let back = self.between.get(&(topic, reverse)).and_then(BTreeSet::first);
        back.copied().unwrap_or(partition)
    }

    /// Notes that a partition moves.
    pub(super) fn note(&mut self, partition: usize, topic: usize, owner: usize, to: usize) {
        let mut pair = Pair { from: owner, to };
        if let Some(earlier) = self.of_partition.remove(&partition) {
            let partitions = self.between.entry((topic, earlier)).or_default();
            partitions.remove(&partition);
            if partitions.is_empty() {
                self.between.remove(&(topic, earlier));
            }
            pair.from = earlier.from;
        }
        if pair.from != to {
            self.of_partition.insert(partition, pair);
            self.between.entry((topic, pair)).or_default().insert(partition);
        }
    }
}
