//! Dividing among members that subscribe to different topics: by balancing.
//!
//! 1. Each member keeps what it owns, unless it has given up the topic.
//! 2. Each partition that is free goes to the subscriber that has the least. Topics with few
//!    subscribers come first, for they leave the least choice.
//! 3. Partitions move, one after the other, while their owner has at least two more than another
//!    subscriber: to an earlier owner if that is one such, else to the one that has the least.
//!    First those move that were free just now, then any.
//! 4. If moving any has not made the whole more even, everything goes back to where it was after
//!    step 2, unless nobody had anything before.
//!
//! Example: `a` subscribes to `t`, `b` to `t u`, both topics have two partitions, and all four are
//! free. `u` has one subscriber and comes first: `b: u0 u1`. Then `a: t0 t1`. It is even.
//!
//! Steps 2 and 3 look only at subscribers of one topic at a time, as others can have no part
//! in what happens to it; so a step costs `partitions · log(members)`, not the product.

use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap};

use super::claims::Claims;
use super::movements::Movements;
use super::{Division, Group};

/// How often all topics are gone through for moves. Each pass but the last moves something, and a
/// few make it even. But taking an earlier move back may not make it more even, so nobody has
/// proved that it always ends.
const MAX_PASSES: usize = 1000;

/// Divides the partitions.
pub(super) fn divide(group: &Group<'_>, claims: Claims) -> Division {
    let mut balancing = Balancing::new(group, claims.previous);
    let revoked = balancing.keep(claims.owned);
    let first_assignment = balancing.counts.iter().all(|&count| count == 0);
    let free = balancing.assign_free();
    let before = balancing.holdings();
    let score = balancing.score();
    // After a revocation what it left behind is not all that should move.
    if !revoked {
        balancing.reassign(|partition| free[partition]);
    }
    let reassigned = balancing.reassign(|_| true);
    let lists = if !first_assignment && reassigned && balancing.score() >= score {
        before
    } else {
        balancing.holdings()
    };
    Division { lists, moving: None }
}

struct Balancing<'a> {
    group: &'a Group<'a>,
    /// Topics by the number of their subscribers.
    order: Vec<usize>,
    previous: Vec<Option<usize>>,
    /// What each member has, in the order in which it came, with gaps where something went.
    lists: Vec<Vec<Option<usize>>>,
    counts: Vec<usize>,
    /// By partition: its owner, and its place in the owner's list.
    owners: Vec<Option<(usize, usize)>>,
    movements: Movements,
}

impl<'a> Balancing<'a> {
    fn new(group: &'a Group<'a>, previous: Vec<Option<usize>>) -> Self {
        let mut order: Vec<usize> = (0..group.topics.len()).collect();
        order.sort_by_key(|&topic| group.topics[topic].subscribers.len());
        Balancing {
            group,
            order,
            previous,
            lists: vec![Vec::new(); group.members.len()],
            counts: vec![0; group.members.len()],
            owners: vec![None; group.partition_count],
            movements: Movements::default(),
        }
    }

    /// Gives members what they own and still want; says whether there was anything else.
    fn keep(&mut self, owned: Vec<Vec<usize>>) -> bool {
        let mut revoked = false;
        for (member, owned) in owned.into_iter().enumerate() {
            for partition in owned {
                if self.group.subscribes(member, self.group.topic_of(partition)) {
                    self.give(partition, member);
                } else {
                    revoked = true;
                }
            }
        }
        revoked
    }

    /// Gives what nobody has to who has the least; says by partition what that was.
    fn assign_free(&mut self) -> Vec<bool> {
        let free: Vec<bool> = self.owners.iter().map(Option::is_none).collect();
        for place in 0..self.order.len() {
            let topic = &self.group.topics[self.order[place]];
            let by_count = topic.subscribers.iter().map(|&member| (self.counts[member], member));
            let mut least: BinaryHeap<_> = by_count.map(Reverse).collect();
            for partition in topic.partitions().filter(|&partition| free[partition]) {
                if let Some(mut top) = least.peek_mut() {
                    self.give(partition, top.0.1);
                    top.0.0 += 1;
                }
            }
        }
        free
    }

    /// Moves those partitions to which it applies until none of them should move; says whether
    /// any did.
    fn reassign(&mut self, applies: impl Fn(usize) -> bool) -> bool {
        let mut any = false;
        for _ in 0..MAX_PASSES {
            let mut moved = false;
            for place in 0..self.order.len() {
                moved |= self.reassign_topic(self.order[place], &applies);
            }
            if !moved {
                break;
            }
            any = true;
        }
        any
    }

    fn reassign_topic(&mut self, topic: usize, applies: impl Fn(usize) -> bool) -> bool {
        let subscribers = &self.group.topics[topic].subscribers;
        let counts = || subscribers.iter().map(|&member| self.counts[member]);
        if counts().max() <= counts().min().map(|least| least + 1) {
            return false;
        }
        let mut by_count: BTreeSet<(usize, usize)> =
            counts().zip(subscribers.iter().copied()).collect();
        let mut any = false;
        for partition in self.group.topics[topic].partitions().filter(|&p| applies(p)) {
            let Some((owner, to)) = self.better_owner(partition, topic, &by_count) else {
                continue;
            };
            let partition = self.movements.instead_of(partition, topic, owner, to);
            let (from, place) = self.owners[partition].expect("what moves has an owner");
            for member in [from, to] {
                by_count.remove(&(self.counts[member], member));
            }
            self.movements.note(partition, topic, from, to);
            self.lists[from][place] = None;
            self.counts[from] -= 1;
            self.give(partition, to);
            by_count.extend([from, to].map(|member| (self.counts[member], member)));
            any = true;
        }
        any
    }

    /// The owner of a partition and who should have it instead, if anybody should.
    fn better_owner(
        &self,
        partition: usize,
        topic: usize,
        by_count: &BTreeSet<(usize, usize)>,
    ) -> Option<(usize, usize)> {
        let (owner, _) = self.owners[partition]?;
        let &(least, member) = by_count.first()?;
        let too_many = |other: usize| self.counts[owner] > other + 1;
        let earlier = self.previous[partition].filter(|&earlier| {
            self.group.subscribes(earlier, topic) && too_many(self.counts[earlier])
        });
        too_many(least).then_some((owner, earlier.unwrap_or(member)))
    }

    fn give(&mut self, partition: usize, member: usize) {
        self.owners[partition] = Some((member, self.lists[member].len()));
        self.lists[member].push(Some(partition));
        self.counts[member] += 1;
    }

    fn holdings(&self) -> Vec<Vec<usize>> {
        self.lists.iter().map(|list| list.iter().flatten().copied().collect()).collect()
    }

    /// How uneven it is: the differences between the counts of all pairs of members, summed up.
    /// Members count that share a topic with others; what the others have will not change.
    fn score(&self) -> i128 {
        let shares = |&member: &usize| {
            let mut topics = self.group.topics_of[member].iter();
            topics.any(|&topic| self.group.topics[topic].subscribers.len() > 1)
        };
        let members = (0..self.counts.len()).filter(shares);
        let mut counts: Vec<i128> = members.map(|member| self.counts[member] as i128).collect();
        counts.sort_unstable();
        // Ascending, a count is added once for each that stands before, and taken away once for
        // each that stands behind.
        let last = counts.len() as i128 - 1;
        (0..).zip(counts).map(|(place, count)| (2 * place - last) * count).sum()
    }
}
