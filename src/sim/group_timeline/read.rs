//! Reading a group's timeline out of the trace.

use std::collections::{BTreeMap, BTreeSet};

use super::super::trace::{Actor, Trace, TraceEvent};
use super::{GroupSpan, GroupTimeline, MemberHas, MemberSpan, PartitionSpan, select};
use crate::broker::BrokerEvent;
use crate::client::ClientEvent;
use crate::client::consumer::MemberState;
use crate::coordinator::GroupState;
use crate::types::{Time, TopicPartition};

/// Reads the kept entries once, from the oldest to the newest.
pub(super) fn read(trace: &Trace, group_id: &str) -> GroupTimeline {
    let from = trace.entries().next().map_or(Time::VIRTUAL_START, |entry| entry.time);
    let to = trace.entries().next_back().map_or(from, |entry| entry.time);
    let mut members: BTreeMap<Actor, Reading> =
        members_of(trace, group_id).into_iter().map(|actor| (actor, Reading::new(from))).collect();
    let mut states: Vec<GroupSpan> = Vec::new();
    for entry in trace.entries() {
        match (&entry.event, entry.actor) {
            (
                TraceEvent::Broker(BrokerEvent::GroupChanged {
                    group_id: id, to, generation, ..
                }),
                Actor::Broker(broker),
            ) if id == group_id => {
                let (from, state, generation) = (entry.time, *to, *generation);
                states.iter_mut().next_back().into_iter().for_each(|last| last.to = from);
                states.push(GroupSpan { from, to: from, broker, state, generation });
                if state == GroupState::PreparingRebalance {
                    members.values_mut().for_each(|member| member.is_called(entry.time));
                }
            }
            (event, actor) => {
                if let Some(member) = members.get_mut(&actor) {
                    member.take(entry.time, event);
                }
            }
        }
    }
    states.iter_mut().next_back().into_iter().for_each(|last| last.to = to);
    states.retain(|span| span.from < span.to);
    let picture = select::select(trace, group_id, &members.keys().copied().collect());
    let members = members.into_iter().map(|(actor, member)| (actor, member.end(to))).collect();
    let partitions = owners(&members, to);
    GroupTimeline { group_id: group_id.to_owned(), from, to, states, members, partitions, picture }
}

/// The consumers that ever set about joining.
fn members_of(trace: &Trace, group_id: &str) -> BTreeSet<Actor> {
    let joins = |event: &TraceEvent| match event {
        TraceEvent::Client(ClientEvent::Rejoin { group_id: id, .. }) => id == group_id,
        _ => false,
    };
    trace.entries().filter(|entry| joins(&entry.event)).map(|entry| entry.actor).collect()
}

/// How a consumer stands to the group.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Standing {
    /// It is no member, or not any more.
    Out,
    /// It waits for an assignment.
    Waiting,
    /// It has its assignment.
    Settled,
}

/// A member, as far as it was read.
struct Reading {
    standing: Standing,
    partitions: BTreeSet<TopicPartition>,
    /// The one that it is in.
    generation: i32,
    /// The one that gave it its partitions.
    assigned_in: i32,
    since: Time,
    has: Option<MemberHas>,
    spans: Vec<MemberSpan>,
}

impl Reading {
    fn new(since: Time) -> Self {
        Reading {
            standing: Standing::Out,
            partitions: BTreeSet::new(),
            generation: -1,
            assigned_in: -1,
            since,
            has: None,
            spans: Vec::new(),
        }
    }

    fn take(&mut self, now: Time, event: &TraceEvent) {
        match event {
            TraceEvent::Crashed => {
                self.standing = Standing::Out;
                self.partitions.clear();
            }
            TraceEvent::Client(ClientEvent::Rejoin { .. }) => self.standing = Standing::Waiting,
            TraceEvent::Client(ClientEvent::MemberState { to, generation, .. }) => {
                self.generation = *generation;
                match to {
                    MemberState::Unjoined => self.standing = Standing::Out,
                    // Thrown out while it joined, it joins anew without saying so.
                    MemberState::PreparingRebalance => self.standing = Standing::Waiting,
                    MemberState::CompletingRebalance | MemberState::Stable => {}
                }
            }
            TraceEvent::Client(
                ClientEvent::PartitionsRevoked { partitions }
                | ClientEvent::PartitionsLost { partitions },
            ) => {
                for partition in partitions {
                    self.partitions.remove(partition);
                }
                // Outside of a rebalance only who leaves gives something up.
                if self.standing == Standing::Settled {
                    self.standing = Standing::Out;
                }
            }
            TraceEvent::Client(ClientEvent::PartitionsAssigned { partitions, .. }) => {
                self.partitions.extend(partitions.iter().cloned());
                self.standing = Standing::Settled;
                self.assigned_in = self.generation;
            }
            _ => return,
        }
        self.note(now);
    }

    /// The coordinator has begun a rebalance: whoever is idle waits for what it brings.
    fn is_called(&mut self, now: Time) {
        if self.standing == Standing::Settled && self.partitions.is_empty() {
            self.standing = Standing::Waiting;
            self.note(now);
        }
    }

    /// Begins another span if something has changed. What lasted no time is forgotten.
    fn note(&mut self, now: Time) {
        let has = match self.standing {
            _ if !self.partitions.is_empty() => Some(MemberHas::Partitions {
                partitions: self.partitions.iter().cloned().collect(),
                generation: self.assigned_in,
            }),
            Standing::Out => None,
            Standing::Settled => Some(MemberHas::Idle),
            Standing::Waiting => Some(MemberHas::StandsStill),
        };
        if has == self.has {
            return;
        }
        self.finish(now);
        (self.has, self.since) = (has, now);
    }

    fn finish(&mut self, now: Time) {
        let Some(has) = self.has.take().filter(|_| self.since < now) else { return };
        match self.spans.last_mut() {
            Some(last) if last.to == self.since && last.has == has => last.to = now,
            _ => self.spans.push(MemberSpan { from: self.since, to: now, has }),
        }
    }

    fn end(mut self, now: Time) -> Vec<MemberSpan> {
        self.finish(now);
        self.spans
    }
}

/// Turns what each member had into who had each partition.
fn owners(
    members: &BTreeMap<Actor, Vec<MemberSpan>>,
    end: Time,
) -> BTreeMap<TopicPartition, Vec<PartitionSpan>> {
    // At each moment: who got the partition, and who gave it up.
    let mut turns: BTreeMap<TopicPartition, BTreeMap<Time, Vec<(Actor, bool)>>> = BTreeMap::new();
    for (actor, span) in members.iter().flat_map(|(a, spans)| spans.iter().map(move |s| (a, s))) {
        let MemberHas::Partitions { partitions, .. } = &span.has else { continue };
        for partition in partitions {
            let turns = turns.entry(partition.clone()).or_default();
            turns.entry(span.from).or_default().push((*actor, true));
            turns.entry(span.to).or_default().push((*actor, false));
        }
    }
    turns.into_iter().map(|(partition, turns)| (partition, take_turns(turns, end))).collect()
}

fn take_turns(turns: BTreeMap<Time, Vec<(Actor, bool)>>, end: Time) -> Vec<PartitionSpan> {
    let mut spans: Vec<PartitionSpan> = Vec::new();
    for (from, mut turn) in turns {
        let mut owners: BTreeSet<Actor> =
            spans.last().iter().flat_map(|last| &last.owners).copied().collect();
        // Who gives up and gets in the same moment has it.
        turn.sort_by_key(|(_, gets)| *gets);
        for (actor, gets) in turn {
            if gets {
                owners.insert(actor)
            } else {
                owners.remove(&actor)
            };
        }
        let owners: Vec<Actor> = owners.into_iter().collect();
        match spans.last_mut() {
            Some(last) if last.owners == owners => continue,
            Some(last) => last.to = from,
            None => {}
        }
        spans.push(PartitionSpan { from, to: end, owners });
    }
    spans.retain(|span| span.from < span.to);
    spans
}
