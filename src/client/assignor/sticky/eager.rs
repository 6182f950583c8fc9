//! `sticky`: members let go of everything before they join, and the leader knows from their user
//! data what they had.
//!
//! ```text
//! user data  previous_assignment [topic string · partitions [int32]]
//!            generation int32, absent in the first version
//! ```
//!
//! # Simplifications versus Kafka
//! Topics are written by name; Java writes them in hash order. Partitions keep their order.

use std::borrow::Cow;
use std::collections::BTreeMap;

use bytes::Bytes;

use super::claims::Claim;
use super::{Group, NO_GENERATION, divide};
use crate::api::{Assignment, DecodeError, Reader, StringTooLong, put_i32, put_string};
use crate::client::assignor::{Assignor, LastAssignment, Member};
use crate::types::{TopicName, TopicPartition};

/// As even as can be; moves as little as can be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StickyAssignor;

impl Assignor for StickyAssignor {
    fn name(&self) -> &str {
        "sticky"
    }

    fn user_data(&self, _topics: &[TopicName], last: Option<&LastAssignment>) -> Option<Bytes> {
        // A name that Kafka has no length for cannot come from a broker.
        encode(&last?.assignment.partitions, last?.generation_id).ok()
    }

    fn assign(
        &self,
        partitions: &BTreeMap<TopicName, i32>,
        members: &BTreeMap<String, Member>,
    ) -> BTreeMap<String, Assignment> {
        let group = Group::new(partitions, members);
        let claims: Vec<Claim<'_>> = members.values().map(claim).collect();
        let division = divide(&group, &claims);
        group.assignments(division.lists)
    }
}

/// Damaged user data claims nothing.
fn claim(member: &Member) -> Claim<'static> {
    let user_data = member.subscription.user_data.as_ref();
    let decoded = user_data.and_then(|bytes| decode(bytes).ok());
    let (partitions, generation) = decoded.unwrap_or((Vec::new(), NO_GENERATION));
    Claim { partitions: Cow::Owned(partitions), generation }
}

fn encode(partitions: &[TopicPartition], generation: i32) -> Result<Bytes, StringTooLong> {
    let mut topics: BTreeMap<&TopicName, Vec<i32>> = BTreeMap::new();
    for partition in partitions {
        topics.entry(&partition.topic).or_default().push(partition.partition);
    }
    let mut out = Vec::with_capacity(64);
    put_i32(&mut out, topics.len() as i32);
    for (topic, numbers) in topics {
        put_string(&mut out, Some(topic))?;
        put_i32(&mut out, numbers.len() as i32);
        for number in numbers {
            put_i32(&mut out, number);
        }
    }
    put_i32(&mut out, generation);
    Ok(out.into())
}

/// What follows is ignored, as Java does.
fn decode(user_data: &Bytes) -> Result<(Vec<TopicPartition>, i32), DecodeError> {
    /// Two lengths.
    const SMALLEST_TOPIC: usize = 6;
    let mut reader = Reader::new(user_data);
    let topics = reader.items(SMALLEST_TOPIC, |reader| {
        let topic = TopicName::from(reader.string()?);
        Ok((topic, reader.items(4, Reader::i32)?))
    })?;
    let generation = reader.i32().unwrap_or(NO_GENERATION);
    let of_topic = |(topic, numbers): (TopicName, Vec<i32>)| {
        numbers.into_iter().map(move |number| TopicPartition::new(topic.clone(), number))
    };
    Ok((topics.into_iter().flat_map(of_topic).collect(), generation))
}
