//! Dividing among members that all subscribe to the same topics: by quotas.
//!
//! With `p` partitions and `m` members each gets `p / m`, the minimum quota, and `p % m` of them
//! get one more.
//!
//! 1. Each member, by id, keeps of what it owns up to its quota, lowest partition numbers first. It
//!    may keep one more than the minimum as long as not enough others do.
//! 2. What is left, by topic and number, goes in turn to members that are below the minimum, and
//!    when there are none, one each to members that have exactly the minimum.
//!
//! Example: `a` owns `t0 t1 t2`, `b` owns `t3 t4`, `c` joins. Five for three are one each, and one
//! more for two of them, so `a` keeps `t0 t1`, `b` keeps `t3 t4`, and `c` gets `t2`.

use std::collections::VecDeque;

use super::claims::Claims;
use super::{Division, Group};

/// Divides the partitions.
pub(super) fn divide(group: &Group<'_>, claims: Claims) -> Division {
    let mut quotas = Quotas::new(group, claims.contested);
    for (member, owned) in claims.owned.into_iter().enumerate() {
        quotas.keep(member, owned);
    }
    quotas.fill()
}

struct Quotas<'a> {
    group: &'a Group<'a>,
    contested: Vec<bool>,
    minimum: usize,
    /// How many more members may have one more than the minimum.
    extras: usize,
    lists: Vec<Vec<usize>>,
    assigned: Vec<bool>,
    /// By partition: who had to let go of it.
    revoked_from: Vec<Option<usize>>,
    below_minimum: VecDeque<usize>,
    /// Those that may yet get one more.
    at_minimum: VecDeque<usize>,
}

impl<'a> Quotas<'a> {
    fn new(group: &'a Group<'a>, contested: Vec<bool>) -> Self {
        Quotas {
            group,
            contested,
            minimum: group.partition_count / group.members.len(),
            extras: group.partition_count % group.members.len(),
            lists: group.empty_lists(),
            assigned: vec![false; group.partition_count],
            revoked_from: vec![None; group.partition_count],
            below_minimum: VecDeque::new(),
            at_minimum: VecDeque::new(),
        }
    }

    /// Lets a member keep of what it owns what its quota allows.
    fn keep(&mut self, member: usize, mut owned: Vec<usize>) {
        owned.retain(|&partition| !self.contested[partition]);
        owned.sort_by_cached_key(|&partition| {
            let topic = self.group.topic_of(partition);
            (partition - self.group.topics[topic].first, topic)
        });
        if owned.len() < self.minimum {
            self.below_minimum.push_back(member);
        } else if owned.len() > self.minimum && self.extras > 0 {
            self.extras -= 1;
            self.revoke_beyond(self.minimum + 1, member, &mut owned);
        } else {
            self.revoke_beyond(self.minimum, member, &mut owned);
            self.at_minimum.push_back(member);
        }
        for &partition in &owned {
            self.assigned[partition] = true;
        }
        self.lists[member] = owned;
    }

    fn revoke_beyond(&mut self, quota: usize, member: usize, owned: &mut Vec<usize>) {
        for partition in owned.drain(quota..) {
            self.revoked_from[partition] = Some(member);
        }
    }

    /// Gives what is left to those that have not enough.
    fn fill(mut self) -> Division {
        let mut moving = Vec::new();
        for partition in 0..self.group.partition_count {
            if self.assigned[partition] {
                continue;
            }
            let below = self.below_minimum.pop_front();
            let member = below.or_else(|| self.at_minimum.pop_front());
            let member = member.expect("the quotas sum up to the number of partitions");
            self.lists[member].push(partition);
            let count = self.lists[member].len();
            if count < self.minimum {
                self.below_minimum.push_back(member);
            } else if count == self.minimum {
                self.at_minimum.push_back(member);
            }
            let other = self.revoked_from[partition].is_some_and(|other| other != member);
            if other || self.contested[partition] {
                moving.push(partition);
            }
        }
        Division { lists: self.lists, moving: Some(moving) }
    }
}
