//! Which partition a record goes to.
//!
//! | partitioner | with a key | without one |
//! |---|---|---|
//! | default (Java's) | `(murmur2(key) & 0x7fffffff) % n` | sticky: one partition until it has had `batch.size` bytes |
//! | consistent_random (librdkafka's) | `crc32(key) % n` | random |
//! | round-robin | the next in turn | the next in turn |
//! | the user's own | the user's | the user's |

use crate::config::PartitionerKind;
use crate::hash::{crc32, murmur2, to_positive};
use crate::random::Random;

/// A producer's partitioner for one topic.
#[derive(Clone, Debug)]
pub struct Partitioner {
    kind: PartitionerKind,
    ignore_keys: bool,
    next: u32,
    sticky: Sticky,
}

/// Java's way with null keys: stay with one partition until it has had a batch's worth of bytes.
#[derive(Clone, Debug)]
struct Sticky {
    switch_bytes: usize,
    partition: Option<i32>,
    produced: usize,
}

/// What the partitioner says: Kafka's says the partition, or that the accumulator is to pick it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Choice {
    /// This partition.
    Partition(i32),
    /// Whatever the sticky partition is: see [`Partitioner::sticky`].
    Sticky,
    /// Only the user knows.
    AskUser,
}

impl Partitioner {
    pub fn new(kind: PartitionerKind, ignore_keys: bool, batch_size: usize) -> Self {
        let sticky = Sticky { switch_bytes: batch_size, partition: None, produced: 0 };
        Partitioner { kind, ignore_keys, next: 0, sticky }
    }

    /// Chooses for one record among `count` partitions.
    #[inline(always)]
    pub fn choose(&mut self, key: Option<&[u8]>, count: i32, random: &mut Random) -> Choice {
        match (self.kind, key.filter(|_| !self.ignore_keys)) {
            (PartitionerKind::Default, Some(key)) => {
                Choice::Partition(to_positive(murmur2(key)) % count)
            }
            (PartitionerKind::Default, None) => Choice::Sticky,
            (PartitionerKind::ConsistentRandom, Some(key)) if !key.is_empty() => {
                Choice::Partition((crc32(key) % count as u32) as i32)
            }
            (PartitionerKind::ConsistentRandom, _) => {
                Choice::Partition(random.below(count as u64) as i32)
            }
            (PartitionerKind::RoundRobin, _) => {
                let partition = self.next % count as u32;
                self.next = self.next.wrapping_add(1);
                Choice::Partition(partition as i32)
            }
            (PartitionerKind::Custom, _) => Choice::AskUser,
        }
    }

    /// The sticky partition; a new one is drawn when there is none, less loaded partitions being
    /// likelier. `loads` are the batches that wait for each partition.
    #[inline(always)]
    pub fn sticky(&mut self, loads: impl Iterator<Item = usize>, random: &mut Random) -> i32 {
        match self.sticky.partition {
            Some(partition) => partition,
            None => *self.sticky.partition.insert(draw(loads, random)),
        }
    }

    /// Notes that the sticky partition got so many bytes. It is given up once it had a batch's
    /// worth and its last batch is full, at the latest after twice as many, so that no batch is
    /// left behind half full.
    #[inline]
    pub fn produced(&mut self, bytes: usize, full: bool) {
        let sticky = &mut self.sticky;
        sticky.produced += bytes;
        let enough = sticky.produced >= sticky.switch_bytes && full;
        if enough || sticky.produced >= 2 * sticky.switch_bytes {
            self.switch();
        }
    }

    /// Gives the sticky partition up if it had a batch's worth; says whether it did. For a
    /// partition whose last batch is full or sent.
    pub fn switch_if_enough(&mut self) -> bool {
        let enough = self.sticky.produced >= self.sticky.switch_bytes;
        if enough {
            self.switch();
        }
        enough
    }

    fn switch(&mut self) {
        self.sticky.partition = None;
        self.sticky.produced = 0;
    }
}

/// Draws a partition with a likelihood that falls with its queue: longest + 1 − length.
fn draw(loads: impl Iterator<Item = usize>, random: &mut Random) -> i32 {
    let loads: Vec<u64> = loads.map(|load| load as u64).collect();
    let longest = loads.iter().copied().max().unwrap_or(0);
    let total = loads.iter().map(|load| longest + 1 - load).sum();
    let mut ticket = random.below(total);
    for (partition, load) in (0..).zip(&loads) {
        let weight = longest + 1 - load;
        if ticket < weight {
            return partition;
        }
        ticket -= weight;
    }
    0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn choose(kind: PartitionerKind, key: Option<&[u8]>, count: i32) -> Choice {
        let mut random = Random::stream(1, "test");
        Partitioner::new(kind, false, 16384).choose(key, count, &mut random)
    }

    #[test]
    fn the_same_key_goes_elsewhere_with_librdkafka() {
        let key = Some(&b"foobar"[..]);
        assert_eq!(choose(PartitionerKind::Default, key, 6), Choice::Partition(0));
        assert_eq!(choose(PartitionerKind::ConsistentRandom, key, 6), Choice::Partition(5));
    }

    #[test]
    fn round_robin_takes_turns() {
        let mut random = Random::stream(1, "test");
        let mut partitioner = Partitioner::new(PartitionerKind::RoundRobin, false, 16384);
        let mut next = || partitioner.choose(Some(b"k"), 3, &mut random);
        let turns: Vec<_> = (0..4).map(|_| next()).collect();
        assert_eq!(turns, [0, 1, 2, 0].map(Choice::Partition));
    }

    #[test]
    fn a_longer_queue_is_drawn_less_often() {
        let mut random = Random::stream(1, "test");
        let mut counts = [0; 3];
        for _ in 0..1000 {
            counts[draw([0, 0, 9].into_iter(), &mut random) as usize] += 1;
        }
        assert!(counts[2] < 80 && counts[0] > 400 && counts[1] > 400, "{counts:?}");
    }

    #[test]
    fn sticky_switches_when_the_batch_is_full_or_at_twice_its_size() {
        let mut partitioner = Partitioner::new(PartitionerKind::Default, false, 100);
        partitioner.sticky.partition = Some(1);
        partitioner.produced(150, false);
        assert_eq!(partitioner.sticky.partition, Some(1));
        partitioner.produced(10, true);
        assert_eq!(partitioner.sticky.partition, None);
        partitioner.sticky.partition = Some(2);
        partitioner.produced(200, false);
        assert_eq!(partitioner.sticky.partition, None);
        partitioner.sticky.partition = Some(1);
        partitioner.produced(99, true);
        assert!(!partitioner.switch_if_enough());
        partitioner.produced(1, false);
        assert!(partitioner.switch_if_enough() && partitioner.sticky.partition.is_none());
    }
}
