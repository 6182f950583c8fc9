//! `sticky` and `cooperative-sticky`: as even as can be, and what need not move stays.
//!
//! Both divide partitions alike. Each member [`claims`] what it had before; then
//!
//! - if all subscribe to the same topics, by quotas ([`constrained`]): one pass, linear;
//! - else by balancing ([`general`]): the least loaded gets what is free, then partitions move
//!   from loaded members to others as long as that makes it more even.
//!
//! They differ in where claims come from and in what follows from a move:
//!
//! | | sticky | cooperative-sticky |
//! |---|---|---|
//! | a member claims | what its user data says: its last assignment | what it still owns |
//! | what moves | goes to its new owner at once | goes to nobody, until its owner let go of it |
//!
//! Example, cooperative: `a` has `t0 t1 t2 t3`, and `b` joins. First round: `a: t0 t1`, `b` gets
//! nothing. `a` lets go of `t2 t3` and joins again. Second round: `a: t0 t1`, `b: t2 t3`.
//!
//! # Invariants
//! - With equal subscriptions no two members differ by more than one partition.
//! - When nobody comes or goes and nothing else changes, nothing moves.
//!
//! # Simplifications versus Kafka
//! - Java's assignor remembers the highest generation that it has ever seen; here it is the highest
//!   among the claims at hand.
//! - Java's takes subscriptions for equal if those that come before the first with a topic are
//!   empty, and then gives their members what they did not ask for. Here they are unequal.
//! - Claims to partitions that do not exist are void; Java's keeps those to existing topics.
//! - A partition does not go back to an earlier owner that has given up its topic.
//! - Who of several movements of a topic between two members is taken back, is the first by number;
//!   in Java the first in hash order.

mod claims;
mod constrained;
mod cooperative;
mod eager;
mod general;
mod movements;

pub use cooperative::CooperativeStickyAssignor;
pub use eager::StickyAssignor;

use super::group::Group;
use claims::{Claim, Claims};

/// The generation of who has none.
const NO_GENERATION: i32 = -1;

/// How partitions are divided.
#[derive(Debug)]
struct Division {
    /// To each member its partitions.
    lists: Vec<Vec<usize>>,
    /// The partitions that another member has to let go of first, where the algorithm knows.
    moving: Option<Vec<usize>>,
}

/// Divides the partitions among members with these claims, one for each.
fn divide(group: &Group<'_>, claims: &[Claim<'_>]) -> Division {
    if group.members.is_empty() {
        return Division { lists: Vec::new(), moving: None };
    }
    let settled = Claims::settle(group, claims);
    if all_subscriptions_equal(group) {
        constrained::divide(group, settled)
    } else {
        general::divide(group, settled)
    }
}

/// Topics that do not exist count here: they will have partitions one day.
fn all_subscriptions_equal(group: &Group<'_>) -> bool {
    let names = |member: usize| &group.members[member].1.subscription.topics;
    let sorted = |member: usize| {
        let mut topics: Vec<_> = names(member).iter().collect();
        topics.sort_unstable();
        topics.dedup();
        topics
    };
    let first = sorted(0);
    (1..group.members.len()).all(|member| names(member) == names(0) || sorted(member) == first)
}
