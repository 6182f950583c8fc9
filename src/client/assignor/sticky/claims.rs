//! Who owns what before the partitions are divided.
//!
//! Members say what they had, and in which generation. They may contradict each other: a member
//! that was away for a while still claims what others got meanwhile. Claims are heard in the order
//! of the members' ids:
//!
//! | a partition is claimed | then it belongs |
//! |---|---|
//! | by one member | to it, however old the claim is |
//! | by several, in different generations | to the one with the newest |
//! | by several, in the same generation | to none: it is contested |
//!
//! A claim is measured against what the other member's *subscription* gives as its generation, as
//! Java does, and that may differ from the one in its user data.

use std::borrow::Cow;
use std::cmp::Ordering;

use super::NO_GENERATION;
use crate::client::assignor::group::Group;
use crate::types::TopicPartition;

/// What a member says that it had.
#[derive(Debug)]
pub(super) struct Claim<'a> {
    /// In its order, which the result keeps.
    pub(super) partitions: Cow<'a, [TopicPartition]>,
    /// When it got them.
    pub(super) generation: i32,
}

/// What came of the claims.
#[derive(Debug)]
pub(super) struct Claims {
    /// What each member owns, in the order of its claims; it need not subscribe to it.
    pub(super) owned: Vec<Vec<usize>>,
    /// By partition: several members claim it in the same generation.
    pub(super) contested: Vec<bool>,
    /// By partition: the member with the newest claim among those that are not of the newest
    /// generation.
    pub(super) previous: Vec<Option<usize>>,
}

/// Whose claim to a partition stands for now.
#[derive(Clone, Copy)]
struct Holder {
    member: usize,
    /// The place in its list, unless it has lost it by a dispute.
    place: Option<usize>,
}

impl Claims {
    /// Hears the claims, one of each member.
    pub(super) fn settle(group: &Group<'_>, claims: &[Claim<'_>]) -> Self {
        let mut owned: Vec<Vec<Option<usize>>> = vec![Vec::new(); claims.len()];
        let mut contested = vec![false; group.partition_count];
        let mut holders: Vec<Option<Holder>> = vec![None; group.partition_count];
        for (member, claim) in claims.iter().enumerate() {
            for partition in claim.partitions.iter().filter_map(|named| group.partition(named)) {
                let order = holders[partition].map(|other| {
                    let other = &group.members[other.member].1.subscription;
                    claim.generation.cmp(&other.generation_id.max(NO_GENERATION))
                });
                if order == Some(Ordering::Less) {
                    continue;
                }
                if let Some(Holder { member, place: Some(place) }) = holders[partition] {
                    owned[member][place] = None;
                }
                let place = if order == Some(Ordering::Equal) {
                    contested[partition] = true;
                    None
                } else {
                    owned[member].push(Some(partition));
                    Some(owned[member].len() - 1)
                };
                holders[partition] = Some(Holder { member, place });
            }
        }
        let owned = owned.into_iter().map(|list| list.into_iter().flatten().collect()).collect();
        Claims { owned, contested, previous: previous(group, claims) }
    }
}

fn previous(group: &Group<'_>, claims: &[Claim<'_>]) -> Vec<Option<usize>> {
    let generations = claims.iter().map(|claim| claim.generation);
    let newest = generations.max().unwrap_or(NO_GENERATION).max(NO_GENERATION);
    let mut previous: Vec<Option<usize>> = vec![None; group.partition_count];
    for (member, claim) in claims.iter().enumerate().filter(|(_, c)| c.generation < newest) {
        for partition in claim.partitions.iter().filter_map(|named| group.partition(named)) {
            let known = &mut previous[partition];
            if known.is_none_or(|other| claim.generation > claims[other].generation) {
                *known = Some(member);
            }
        }
    }
    previous
}
