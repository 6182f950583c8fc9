//! `cooperative-sticky`: members keep what they have while they join, so nothing may be given to
//! one that another has not let go of.
//!
//! What is to move is therefore given to nobody in the first round. Its owner sees that it has not
//! been given it again, lets go of it, and joins once more; the second round finds it free.
//!
//! ```text
//! user data  generation int32
//! ```
//!
//! The user data is only read where a subscription has no generation: before its version 2.

use std::borrow::Cow;
use std::collections::BTreeMap;

use bytes::Bytes;

use super::claims::Claim;
use super::{Group, NO_GENERATION, divide};
use crate::api::{Assignment, Reader};
use crate::client::assignor::{Assignor, LastAssignment, Member, RebalanceProtocol};
use crate::types::TopicName;

/// As even as can be; moves as little as can be, and stops nothing that need not move.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CooperativeStickyAssignor;

impl Assignor for CooperativeStickyAssignor {
    fn name(&self) -> &str {
        "cooperative-sticky"
    }

    fn supported_protocols(&self) -> &[RebalanceProtocol] {
        &[RebalanceProtocol::Cooperative, RebalanceProtocol::Eager]
    }

    fn user_data(&self, _topics: &[TopicName], last: Option<&LastAssignment>) -> Option<Bytes> {
        let generation = last.map_or(NO_GENERATION, |last| last.generation_id);
        Some(Bytes::copy_from_slice(&generation.to_be_bytes()))
    }

    fn assign(
        &self,
        partitions: &BTreeMap<TopicName, i32>,
        members: &BTreeMap<String, Member>,
    ) -> BTreeMap<String, Assignment> {
        let group = Group::new(partitions, members);
        let claims: Vec<Claim<'_>> = members.values().map(claim).collect();
        let mut division = divide(&group, &claims);
        let moving = division.moving.take();
        let moving = moving.unwrap_or_else(|| moving_partitions(&group, &claims, &division.lists));
        let mut held_back = vec![false; group.partition_count];
        for partition in moving {
            held_back[partition] = true;
        }
        for list in &mut division.lists {
            list.retain(|&partition| !held_back[partition]);
        }
        group.assignments(division.lists)
    }
}

fn claim(member: &Member) -> Claim<'_> {
    let subscription = &member.subscription;
    let generation = match subscription.generation_id {
        known @ 0.. => known,
        _ => {
            let user_data = subscription.user_data.as_ref();
            user_data.and_then(|bytes| Reader::new(bytes).i32().ok()).unwrap_or(NO_GENERATION)
        }
    };
    Claim { partitions: Cow::Borrowed(&subscription.owned_partitions), generation }
}

/// The partitions that went to a member that does not claim them, while another one does.
fn moving_partitions(group: &Group<'_>, claims: &[Claim<'_>], lists: &[Vec<usize>]) -> Vec<usize> {
    let mut owners = vec![None; group.partition_count];
    for (member, list) in lists.iter().enumerate() {
        for &partition in list {
            owners[partition] = Some(member);
        }
    }
    let mut claimed = vec![false; group.partition_count];
    let mut kept = vec![false; group.partition_count];
    for (member, claim) in claims.iter().enumerate() {
        for partition in claim.partitions.iter().filter_map(|named| group.partition(named)) {
            claimed[partition] = true;
            kept[partition] |= owners[partition] == Some(member);
        }
    }
    (0..group.partition_count).filter(|&partition| claimed[partition] && !kept[partition]).collect()
}
