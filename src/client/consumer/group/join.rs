//! Joining: from what has to be given up to the SyncGroup.

use super::super::{Consumer, Sent};
use super::{Generation, Phase};
use crate::api::{
    CONSUMER_PROTOCOL_TYPE, JoinGroupProtocol, JoinGroupRequest, JoinGroupResponse, Request,
    StringTooLong, Subscription, SyncGroupAssignment, SyncGroupRequest, SyncGroupResponse,
};
use crate::client::assignor::RebalanceProtocol;
use crate::client::{ClientEvent, Effect, UserCall};
use crate::error::{Error, ErrorCode};
use crate::types::{Time, TopicPartition};

/// The versions that Java's client of Kafka 4.3 speaks.
const JOIN_VERSION: i16 = 9;
const SYNC_VERSION: i16 = 5;

/// How much longer than the rebalance timeout an answer to JoinGroup is waited for, in ms.
const JOIN_TIMEOUT_LAPSE_MS: u64 = 5000;

impl Consumer {
    /// Takes the steps that can be taken now. Each round takes one.
    pub(super) fn rebalance(&mut self, now: Time, effects: &mut Vec<Effect>) {
        loop {
            self.read_join(now, effects);
            let Some(group) = &mut self.group else { return };
            if group.user.is_some() || group.failure.is_some() || group.coordinator().is_none() {
                return;
            }
            let stepped = match &group.phase {
                Phase::Settled => match group.rejoin {
                    None => false,
                    Some(why) => self.prepare(now, why, effects),
                },
                Phase::Committing(until) => {
                    let is_over = *until <= now || !group.is_committing_for_rebalance();
                    is_over && self.give_up(effects)
                }
                Phase::GivingUp(_) => self.given_up(now),
                Phase::Joining(not_before) => *not_before <= now && self.join(now, effects),
                Phase::Leading { .. } => self.lead(now, effects),
                Phase::Assigned(_) => self.take_over(effects),
                Phase::Revoking(_) => self.revoked(now, effects),
                Phase::Telling => self.settle(),
                Phase::AwaitingJoin | Phase::AwaitingOldJoin | Phase::AwaitingSync => false,
            };
            self.tell_group(effects);
            if !stepped {
                return;
            }
        }
    }

    /// Begins a rebalance: what has been read is committed first.
    fn prepare(&mut self, now: Time, why: &'static str, effects: &mut Vec<Effect>) -> bool {
        let Some(group) = &mut self.group else { return false };
        let group_id = group.config.group_id.clone();
        if group.topics.is_pattern() {
            // So that one new topic is no reason to rebalance for each member by itself.
            self.metadata.refresh(now);
        }
        effects.push(Effect::Event(ClientEvent::Rejoin { group_id, why }));
        if group.config.auto_commit_interval_ms.is_none() {
            return self.give_up(effects);
        }
        let until = now.after_ms(i64::from(group.config.max_poll_interval_ms));
        group.become_phase(Phase::Committing(until));
        if group.protocol == RebalanceProtocol::Eager {
            // Nothing more is given out of what the commit says has been read.
            self.assigned.values_mut().for_each(|assigned| assigned.pending_revocation = true);
        }
        self.commit_for_rebalance(now, effects);
        true
    }

    /// What the member has to give up before it joins: all, or what it does not want any more.
    fn give_up(&mut self, effects: &mut Vec<Effect>) -> bool {
        // One that comes too late would be made in another generation, over others' commits.
        self.drop_rebalance_commits();
        let Some(group) = &mut self.group else { return false };
        let is_out = group.generation.id < 0 || group.generation.member_id.is_empty();
        let is_eager = group.protocol == RebalanceProtocol::Eager;
        let goes = |partition: &&TopicPartition| {
            is_out || is_eager || !group.topics.contains(&partition.topic)
        };
        let gone: Vec<TopicPartition> = self.assigned.keys().filter(goes).cloned().collect();
        group.become_phase(Phase::GivingUp(gone.clone()));
        if !gone.is_empty() {
            let partitions = gone.clone();
            effects.push(Effect::Event(match is_out {
                true => ClientEvent::PartitionsLost { partitions },
                false => ClientEvent::PartitionsRevoked { partitions },
            }));
        }
        if is_out && !gone.is_empty() {
            self.ask_user(UserCall::Lost(gone));
        } else if !is_out && (is_eager || !gone.is_empty()) {
            // Kafka's eager listener is told even of nothing.
            self.ask_user(UserCall::Revoked(gone));
        }
        true
    }

    /// The listener has been told: the partitions go. As in Kafka just these, even if the member is
    /// out of its generation, or wants other topics, by now.
    pub(super) fn given_up(&mut self, now: Time) -> bool {
        let Some(group) = &mut self.group else { return false };
        let Phase::GivingUp(gone) = group.become_phase(Phase::Joining(now)) else {
            return false;
        };
        group.group_topics.clear();
        self.assigned.retain(|partition, _| !gone.contains(partition));
        let assigned = &self.assigned;
        self.buffer.retain(|partition| assigned.contains_key(partition));
        true
    }

    fn join(&mut self, now: Time, effects: &mut Vec<Effect>) -> bool {
        let is_pattern = self.group.as_ref().is_some_and(|group| group.topics.is_pattern());
        if is_pattern && !self.metadata.knows_all_wanted() {
            // A pattern is matched with all topics before.
            self.ask_for_metadata(now, effects);
            return false;
        }
        self.follow_metadata(now);
        let protocols = match self.protocols() {
            Ok(protocols) => protocols,
            Err(error) => {
                let error = Error::InvalidArgument(format!("a subscription: {error}"));
                return self.fail_join(now, Some(error), false);
            }
        };
        let Some(group) = &mut self.group else { return false };
        group.become_phase(Phase::AwaitingJoin);
        group.joined = Some(group.topics.names().clone());
        let rebalance_ms = group.config.max_poll_interval_ms;
        let generation = group.generation.clone();
        let request = Request::JoinGroup(JoinGroupRequest {
            version: JOIN_VERSION,
            group_id: group.config.group_id.clone(),
            session_timeout_ms: group.config.session_timeout_ms,
            rebalance_timeout_ms: rebalance_ms,
            member_id: generation.member_id.clone(),
            group_instance_id: group.config.group_instance_id.clone(),
            protocol_type: CONSUMER_PROTOCOL_TYPE.to_owned(),
            protocols,
        });
        let timeout_ms = (rebalance_ms as u64).saturating_add(JOIN_TIMEOUT_LAPSE_MS);
        let timeout_ms = timeout_ms.max(self.config.request_timeout_ms);
        self.send_to_coordinator(now, request, timeout_ms, Sent::JoinGroup(generation), effects);
        false
    }

    /// What the member tells the leader, for each assignor.
    fn protocols(&self) -> Result<Vec<JoinGroupProtocol>, StringTooLong> {
        let Some(group) = &self.group else { return Ok(Vec::new()) };
        let topics: Vec<_> = group.topics.names().iter().cloned().collect();
        let mut subscription = Subscription {
            topics: topics.clone(),
            user_data: None,
            owned_partitions: self.assigned.keys().cloned().collect(),
            generation_id: group.generation.id,
            rack_id: None,
        };
        let mut protocols = Vec::new();
        for (name, user_data) in group.assignors.user_data(&topics, group.last.as_ref()) {
            subscription.user_data = user_data;
            protocols.push(JoinGroupProtocol { name, metadata: subscription.encode()? });
        }
        Ok(protocols)
    }

    /// It is not in the generation: it joins again, at once or a little later.
    pub(super) fn fail_join(&mut self, now: Time, error: Option<Error>, at_once: bool) -> bool {
        let backoff_ms = if at_once { 0 } else { self.config.retry_backoff_ms as i64 };
        let Some(group) = &mut self.group else { return false };
        group.request_rejoin("the rebalance failed");
        if !matches!(group.phase, Phase::Settled) {
            group.become_phase(Phase::Joining(now.after_ms(backoff_ms)));
        }
        if error.is_some() {
            group.failure = error;
        }
        true
    }

    pub(in super::super) fn on_joined(&mut self, sent: Generation, response: JoinGroupResponse) {
        // Kafka's client reads it when it is polled.
        if let Some(group) = &mut self.group
            && matches!(group.phase, Phase::AwaitingJoin | Phase::AwaitingOldJoin)
        {
            group.unread = Some((sent, response));
        }
    }

    /// Looks at the answer to JoinGroup.
    fn read_join(&mut self, now: Time, effects: &mut Vec<Effect>) {
        let Some(group) = &mut self.group else { return };
        let Some((sent, response)) = group.unread.take() else { return };
        let is_old = matches!(group.phase, Phase::AwaitingOldJoin);
        if is_old {
            group.become_phase(Phase::Settled);
        }
        match response.error_code {
            ErrorCode::None if is_old => {}
            ErrorCode::None
                if response
                    .protocol_type
                    .as_deref()
                    .is_some_and(|t| t != CONSUMER_PROTOCOL_TYPE) =>
            {
                let error = self.group_error(ErrorCode::InconsistentGroupProtocol);
                self.fail_join(now, Some(error), false);
            }
            ErrorCode::None => {
                let (id, member_id) = (response.generation_id, response.member_id);
                let leads = response.leader == member_id;
                let protocol = response.protocol_name;
                group.generation = Generation { id, member_id, protocol };
                group.heartbeat.begin(now);
                if leads {
                    self.become_leader(now, response.members, response.skip_assignment);
                } else {
                    group.assigned_for = None;
                    self.sync(now, Vec::new(), effects);
                }
            }
            ErrorCode::MemberIdRequired => {
                group.generation =
                    Generation { id: -1, member_id: response.member_id, protocol: None };
                self.fail_join(now, None, true);
            }
            ErrorCode::UnknownMemberId => {
                if sent == group.generation {
                    group.become_phase(Phase::Settled);
                    group.reset("the coordinator did not know the member any more", false);
                }
                self.fail_join(now, None, true);
            }
            ErrorCode::IllegalGeneration | ErrorCode::RebalanceInProgress => {
                self.fail_join(now, None, true);
            }
            error => self.on_coordinator_error(now, error),
        }
    }

    /// An error that the search for another coordinator cures, or time, or nothing.
    fn on_coordinator_error(&mut self, now: Time, error: ErrorCode) {
        if matches!(error, ErrorCode::CoordinatorNotAvailable | ErrorCode::NotCoordinator)
            && let Some(group) = &mut self.group
        {
            group.lose_coordinator(now);
        }
        let fatal = (!error.is_retriable()).then(|| self.group_error(error));
        self.fail_join(now, fatal, false);
    }

    pub(super) fn group_error(&self, code: ErrorCode) -> Error {
        let id = self.group.as_ref().map_or("", |group| &group.config.group_id);
        Error::kafka(code, format!("group '{id}'"))
    }

    /// Brings everybody's assignment, or asks for one's own.
    pub(super) fn sync(
        &mut self,
        now: Time,
        assignments: Vec<SyncGroupAssignment>,
        effects: &mut Vec<Effect>,
    ) {
        let Some(group) = &mut self.group else { return };
        group.become_phase(Phase::AwaitingSync);
        let generation = group.generation.clone();
        let request = Request::SyncGroup(SyncGroupRequest {
            version: SYNC_VERSION,
            group_id: group.config.group_id.clone(),
            generation_id: generation.id,
            member_id: generation.member_id.clone(),
            group_instance_id: group.config.group_instance_id.clone(),
            protocol_type: Some(CONSUMER_PROTOCOL_TYPE.to_owned()),
            protocol_name: generation.protocol.clone(),
            assignments,
        });
        let timeout_ms = self.config.request_timeout_ms;
        self.send_to_coordinator(now, request, timeout_ms, Sent::SyncGroup(generation), effects);
    }

    pub(in super::super) fn on_synced(
        &mut self,
        now: Time,
        sent: &Generation,
        response: SyncGroupResponse,
    ) {
        let Some(group) = &mut self.group else { return };
        if !matches!(group.phase, Phase::AwaitingSync) || *sent != group.generation {
            return;
        }
        match response.error_code {
            ErrorCode::None => {
                let other = |told: &Option<String>, mine: Option<&str>| {
                    told.as_deref().is_some_and(|told| Some(told) != mine)
                };
                if other(&response.protocol_type, Some(CONSUMER_PROTOCOL_TYPE))
                    || other(&response.protocol_name, group.generation.protocol.as_deref())
                {
                    let error = self.group_error(ErrorCode::InconsistentGroupProtocol);
                    self.fail_join(now, Some(error), false);
                } else {
                    // Whatever it was that made it join, it has.
                    group.rejoin = None;
                    group.become_phase(Phase::Assigned(response.assignment));
                }
            }
            ErrorCode::RebalanceInProgress => {
                self.fail_join(now, None, true);
            }
            ErrorCode::UnknownMemberId => {
                group.reset("the coordinator did not know the member any more", false);
            }
            ErrorCode::IllegalGeneration => group.reset("the generation is over", true),
            error => self.on_coordinator_error(now, error),
        }
    }

    /// Sends the coordinator a request.
    pub(super) fn send_to_coordinator(
        &mut self,
        now: Time,
        request: Request,
        timeout_ms: u64,
        sent: Sent,
        effects: &mut Vec<Effect>,
    ) {
        self.tell_group(effects);
        let coordinator = self.group.as_ref().and_then(|group| group.coordinator());
        if let Some(broker) = coordinator {
            self.network.send(now, broker, request, Some((timeout_ms, sent)), effects);
        }
    }

    /// The connection to the coordinator is gone, with what was asked of it.
    pub(in super::super) fn lose_membership_request(&mut self, now: Time, sent: &Sent) {
        let Some(group) = &mut self.group else { return };
        match sent {
            Sent::JoinGroup(_) if matches!(group.phase, Phase::AwaitingJoin) => {
                self.fail_join(now, None, false);
            }
            Sent::JoinGroup(_) if matches!(group.phase, Phase::AwaitingOldJoin) => {
                group.become_phase(Phase::Settled);
            }
            Sent::SyncGroup(generation)
                if matches!(group.phase, Phase::AwaitingSync)
                    && *generation == group.generation =>
            {
                self.fail_join(now, None, false);
            }
            _ => {}
        }
    }
}
