//! A classic group: its members, and what follows from them.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;

use super::rebalance::InitialDelay;
use super::state::GroupState;
use super::{Caller, GroupMetadata};
use crate::api::{
    CONSUMER_PROTOCOL_TYPE, JoinGroupProtocol, JoinGroupRequest, JoinGroupResponse,
    JoinGroupResponseMember, subscribed_topics,
};
use crate::error::ErrorCode;
use crate::types::{Timestamp, TopicName};

/// A member of a group.
#[derive(Clone, Debug)]
pub struct Member {
    pub instance_id: Option<String>,
    pub client_id: String,
    pub client_host: String,
    pub session_timeout_ms: i32,
    pub rebalance_timeout_ms: i32,
    pub protocols: Vec<JoinGroupProtocol>,
    pub assignment: Bytes,
    /// The JoinGroup that waits for the rebalance to end.
    pub awaiting_join: Option<Caller>,
    /// The SyncGroup that waits for the leader's.
    pub awaiting_sync: Option<Caller>,
    /// It has joined and been in no generation yet.
    pub is_new: bool,
    /// It is in the present generation and has not synced.
    pub pending_sync: bool,
}

impl Member {
    pub fn new(request: &JoinGroupRequest, client_id: &str, client_host: &str) -> Self {
        Member {
            instance_id: request.group_instance_id.clone(),
            client_id: client_id.to_owned(),
            client_host: client_host.to_owned(),
            session_timeout_ms: request.session_timeout_ms,
            rebalance_timeout_ms: request.rebalance_timeout_ms,
            protocols: request.protocols.clone(),
            assignment: Bytes::new(),
            awaiting_join: None,
            awaiting_sync: None,
            is_new: true,
            pending_sync: false,
        }
    }

    /// Its metadata for a protocol.
    pub fn metadata(&self, protocol: &str) -> Bytes {
        let found = self.protocols.iter().find(|offered| offered.name == protocol);
        found.map_or_else(Bytes::new, |offered| offered.metadata.clone())
    }
}

/// A group.
#[derive(Clone, Debug)]
pub struct Group {
    state: GroupState,
    /// When it came into its state.
    pub since: Timestamp,
    /// The state before.
    pub previous: GroupState,
    pub protocol_type: Option<String>,
    pub protocol_name: Option<String>,
    pub generation: i32,
    pub leader: Option<String>,
    members: BTreeMap<String, Member>,
    /// The members that have an instance id, by it.
    instances: BTreeMap<String, String>,
    /// The ids that were given out and whose owners have not joined with them yet.
    pub pending: BTreeSet<String>,
    /// How many members support each protocol.
    support: BTreeMap<String, usize>,
    awaiting_join: usize,
    /// What its members had subscribed to when the generation began; `None` if nobody knows.
    subscribed: Option<BTreeSet<TopicName>>,
    /// Someone has joined since the initial delay began.
    pub has_newcomer: bool,
    /// The rebalance that is on is the first one of a group that was empty.
    pub(super) initial_delay: Option<InitialDelay>,
}

impl Group {
    pub fn new(since: Timestamp) -> Self {
        Group {
            state: GroupState::Empty,
            since,
            previous: GroupState::Dead,
            protocol_type: None,
            protocol_name: None,
            generation: 0,
            leader: None,
            members: BTreeMap::new(),
            instances: BTreeMap::new(),
            pending: BTreeSet::new(),
            support: BTreeMap::new(),
            awaiting_join: 0,
            subscribed: None,
            has_newcomer: false,
            initial_delay: None,
        }
    }

    /// A group as it was written: Stable with members, Empty without.
    pub fn replay(metadata: GroupMetadata) -> Self {
        let mut group = Group::new(metadata.state_timestamp);
        let protocol = metadata.protocol_name.clone().unwrap_or_default();
        for written in metadata.members {
            let protocols =
                vec![JoinGroupProtocol { name: protocol.clone(), metadata: written.subscription }];
            let member = Member {
                instance_id: written.group_instance_id,
                client_id: written.client_id,
                client_host: written.client_host,
                session_timeout_ms: written.session_timeout_ms,
                rebalance_timeout_ms: written.rebalance_timeout_ms,
                protocols,
                assignment: written.assignment,
                awaiting_join: None,
                awaiting_sync: None,
                is_new: false,
                pending_sync: false,
            };
            group.add(&written.member_id, member, &metadata.protocol_type);
        }
        if !group.members.is_empty() {
            group.state = GroupState::Stable;
        }
        group.generation = metadata.generation;
        group.protocol_name = metadata.protocol_name;
        group.leader = metadata.leader;
        group.protocol_type =
            Some(metadata.protocol_type).filter(|protocol_type| !protocol_type.is_empty());
        group.subscribed = group.read_subscriptions();
        group
    }

    pub fn state(&self) -> GroupState {
        self.state
    }

    /// Goes into another state.
    pub fn become_state(&mut self, to: GroupState, now: Timestamp) {
        assert!(self.state.may_become(to), "a group does not go from {} to {to}", self.state);
        self.previous = std::mem::replace(&mut self.state, to);
        self.since = now;
    }

    pub fn members(&self) -> impl ExactSizeIterator<Item = (&String, &Member)> {
        self.members.iter()
    }

    pub fn member_ids(&self) -> Vec<String> {
        self.members.keys().cloned().collect()
    }

    pub fn member(&self, id: &str) -> Option<&Member> {
        self.members.get(id)
    }

    /// A member, of whom neither protocols nor the parked JoinGroup are to be changed.
    pub fn member_mut(&mut self, id: &str) -> Option<&mut Member> {
        self.members.get_mut(id)
    }

    /// The member that has an instance id.
    pub fn member_of_instance(&self, instance_id: &str) -> Option<&String> {
        self.instances.get(instance_id)
    }

    /// Whether its members are consumers, or were.
    pub fn has_consumers(&self) -> bool {
        self.protocol_type.as_deref() == Some(CONSUMER_PROTOCOL_TYPE)
    }

    /// Whether it is known what its members have subscribed to.
    pub fn knows_subscribed_topics(&self) -> bool {
        self.subscribed.is_some()
    }

    /// Whether a member reads the topic. Of consumers of whom nobody knows it, one may.
    pub fn is_subscribed_to(&self, topic: &TopicName) -> bool {
        let known = self.subscribed.as_ref();
        known.map_or_else(|| self.has_consumers(), |topics| topics.contains(topic))
    }

    /// The topics that consumers have subscribed to; `None` for members of another type, and if the
    /// metadata of one are no subscription.
    fn read_subscriptions(&self) -> Option<BTreeSet<TopicName>> {
        if !self.has_consumers() {
            return None;
        }
        let mut topics = BTreeSet::new();
        for member in self.members.values() {
            let protocol = self.protocol_name.as_deref()?;
            topics.extend(subscribed_topics(&member.metadata(protocol)).ok()?);
        }
        Some(topics)
    }

    pub fn is_leader(&self, id: &str) -> bool {
        self.leader.as_deref() == Some(id)
    }

    /// How many members wait for the rebalance to end.
    pub fn awaiting_join(&self) -> usize {
        self.awaiting_join
    }

    /// Whether nobody is missing whom the rebalance waits for.
    pub fn has_all_joined(&self) -> bool {
        self.awaiting_join == self.members.len() && self.pending.is_empty()
    }

    /// The time that the slowest member has to come back, in milliseconds.
    pub fn rebalance_timeout_ms(&self) -> i32 {
        self.members.values().map(|member| member.rebalance_timeout_ms).max().unwrap_or(0)
    }

    /// Adds a member that joins. The first one leads.
    pub fn add(&mut self, id: &str, member: Member, protocol_type: &str) {
        if self.members.is_empty() {
            self.protocol_type = Some(protocol_type.to_owned());
        }
        if self.leader.is_none() {
            self.leader = Some(id.to_owned());
        }
        if let Some(instance) = &member.instance_id {
            self.instances.insert(instance.clone(), id.to_owned());
        }
        self.pending.remove(id);
        self.count(&member, 1);
        self.members.insert(id.to_owned(), member);
    }

    /// Takes a member out. If it led, another one does.
    pub fn remove(&mut self, id: &str) -> Option<Member> {
        let member = self.members.remove(id)?;
        self.count(&member, -1);
        if let Some(instance) = &member.instance_id {
            self.instances.remove(instance);
        }
        if self.is_leader(id) {
            // Kafka takes the first in hash order.
            self.leader = self.members.keys().next().cloned();
        }
        Some(member)
    }

    /// A static member goes on under another id.
    pub fn rename(&mut self, old: &str, new: &str) {
        let Some(member) = self.members.remove(old) else { return };
        if let Some(instance) = &member.instance_id {
            self.instances.insert(instance.clone(), new.to_owned());
        }
        if self.is_leader(old) {
            self.leader = Some(new.to_owned());
        }
        self.members.insert(new.to_owned(), member);
    }

    /// Takes over what a member brings when it joins again. Its client id stays the first one, as
    /// in Kafka, also when another process comes back as a static member.
    pub fn update(&mut self, id: &str, request: &JoinGroupRequest) {
        let Some(mut member) = self.members.remove(id) else { return };
        self.count(&member, -1);
        member.protocols.clone_from(&request.protocols);
        member.session_timeout_ms = request.session_timeout_ms;
        member.rebalance_timeout_ms = request.rebalance_timeout_ms;
        self.count(&member, 1);
        self.members.insert(id.to_owned(), member);
    }

    fn count(&mut self, member: &Member, by: isize) {
        for protocol in &member.protocols {
            let count = self.support.entry(protocol.name.clone()).or_default();
            *count = count.saturating_add_signed(by);
        }
        self.awaiting_join = self
            .awaiting_join
            .saturating_add_signed(isize::from(member.awaiting_join.is_some()) * by);
    }

    /// A member waits from now on for the rebalance to end; gives what waited before.
    pub fn park_join(&mut self, id: &str, caller: Caller) -> Option<Caller> {
        let member = self.members.get_mut(id)?;
        let before = member.awaiting_join.replace(caller);
        self.awaiting_join += usize::from(before.is_none());
        before
    }

    /// The JoinGroup of a member that waits; it waits no more.
    pub fn take_join(&mut self, id: &str) -> Option<Caller> {
        let caller = self.members.get_mut(id)?.awaiting_join.take()?;
        self.awaiting_join -= 1;
        Some(caller)
    }

    /// Whether a member with these protocols could be in the group.
    pub fn supports(&self, protocol_type: &str, protocols: &[JoinGroupProtocol]) -> bool {
        if self.members.is_empty() {
            return !protocol_type.is_empty() && !protocols.is_empty();
        }
        let all = |protocol: &JoinGroupProtocol| {
            self.support.get(&protocol.name) == Some(&self.members.len())
        };
        self.protocol_type.as_deref() == Some(protocol_type) && protocols.iter().any(all)
    }

    /// The protocol that most members prefer among those that all support.
    pub fn vote(&self) -> Option<String> {
        let common = |name: &&String| self.support.get(*name) == Some(&self.members.len());
        let mut votes: BTreeMap<&String, usize> = BTreeMap::new();
        for member in self.members.values() {
            let mut names = member.protocols.iter().map(|protocol| &protocol.name);
            if let Some(name) = names.find(common) {
                *votes.entry(name).or_default() += 1;
            }
        }
        // Of two with equally many votes Kafka takes the first in hash order.
        votes.into_iter().rev().max_by_key(|(_, votes)| *votes).map(|(name, _)| name.clone())
    }

    /// Lets the leader be someone who has come back; says whether there is one.
    pub fn elect_joined_leader(&mut self) -> bool {
        let has_joined =
            |id: &String| self.members.get(id).is_some_and(|member| member.awaiting_join.is_some());
        if !self.leader.as_ref().is_some_and(has_joined) {
            let joined = self.members.keys().find(|id| has_joined(id)).cloned();
            if joined.is_none() {
                return false;
            }
            self.leader = joined;
        }
        true
    }

    /// Begins a generation, without members or with those that it has.
    pub fn next_generation(&mut self, now: Timestamp) {
        self.generation = self.generation.wrapping_add(1);
        let (protocol_name, state) = match self.members.is_empty() {
            true => (None, GroupState::Empty),
            false => (self.vote(), GroupState::CompletingRebalance),
        };
        self.protocol_name = protocol_name;
        self.subscribed = self.read_subscriptions();
        self.become_state(state, now);
    }

    /// All members, as the leader sees them.
    pub fn members_for_leader(&self) -> Vec<JoinGroupResponseMember> {
        let protocol = self.protocol_name.as_deref().unwrap_or_default();
        let member = |(id, member): (&String, &Member)| JoinGroupResponseMember {
            member_id: id.clone(),
            group_instance_id: member.instance_id.clone(),
            metadata: member.metadata(protocol),
        };
        self.members.iter().map(member).collect()
    }

    /// The present generation, as a member is told of it.
    pub fn generation_for(&self, id: &str) -> JoinGroupResponse {
        let is_leader = self.is_leader(id);
        JoinGroupResponse {
            error_code: ErrorCode::None,
            generation_id: self.generation,
            protocol_type: self.protocol_type.clone(),
            protocol_name: self.protocol_name.clone(),
            leader: self.leader.clone().unwrap_or_default(),
            skip_assignment: false,
            member_id: id.to_owned(),
            members: if is_leader { self.members_for_leader() } else { Vec::new() },
        }
    }

    /// Checks that a request comes from the member that it names.
    ///
    /// # Errors
    /// `UNKNOWN_MEMBER_ID`; `FENCED_INSTANCE_ID` when another id has the instance.
    pub fn check_member(&self, id: &str, instance_id: Option<&str>) -> Result<(), ErrorCode> {
        if let Some(instance) = instance_id {
            return match self.instances.get(instance) {
                None => Err(ErrorCode::UnknownMemberId),
                Some(owner) if owner != id => Err(ErrorCode::FencedInstanceId),
                Some(_) => Ok(()),
            };
        }
        if self.members.contains_key(id) { Ok(()) } else { Err(ErrorCode::UnknownMemberId) }
    }
}
