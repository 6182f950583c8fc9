//! Who reads what: the leader assigns, each member takes over what it got.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;

use super::super::{Assigned, Consumer};
use super::strategy::{Choice, check_assignment};
use super::{Interrupted, PendingUserCall, Phase};
use crate::api::{Assignment, JoinGroupResponseMember, Subscription, SyncGroupAssignment};
use crate::client::assignor::{LastAssignment, Member, RebalanceProtocol};
use crate::client::{ClientEvent, Effect, OpId, Progress, UserAnswer, UserCall};
use crate::error::Error;
use crate::types::{Time, TopicName, TopicPartition};

/// What each member gets.
pub type GroupAssignment = BTreeMap<String, Assignment>;

/// Reads what the members want.
fn members_of(members: Vec<JoinGroupResponseMember>) -> Result<BTreeMap<String, Member>, Error> {
    let read = |member: JoinGroupResponseMember| {
        let subscription = Subscription::decode(&member.metadata).map_err(|error| {
            let id = &member.member_id;
            Error::InvalidArgument(format!("the subscription of member '{id}': {error}"))
        })?;
        let group_instance_id = member.group_instance_id;
        Ok((member.member_id, Member { subscription, group_instance_id }))
    };
    members.into_iter().map(read).collect()
}

impl Consumer {
    /// It leads a generation: it needs the partitions of all topics that anybody wants.
    pub(super) fn become_leader(
        &mut self,
        now: Time,
        members: Vec<JoinGroupResponseMember>,
        skip_assignment: bool,
    ) {
        let members = match members_of(members) {
            Ok(members) => members,
            Err(error) => {
                self.fail_join(now, Some(error), false);
                return;
            }
        };
        let Some(group) = &mut self.group else { return };
        let topics = members.values().flat_map(|member| &member.subscription.topics);
        group.group_topics = topics.cloned().collect();
        group.become_phase(Phase::Leading { members, skip_assignment, fresh_at: 0 });
        self.want_topics(now);
        let updates = self.metadata.updates_until_fresh();
        if let Some(Phase::Leading { fresh_at, .. }) =
            self.group.as_mut().map(|group| &mut group.phase)
        {
            *fresh_at = updates;
        }
    }

    /// Assigns, as soon as the partitions are known.
    pub(super) fn lead(&mut self, now: Time, effects: &mut Vec<Effect>) -> bool {
        let partitions = self.partition_counts();
        let Some(group) = &mut self.group else { return false };
        let Phase::Leading { members, skip_assignment, fresh_at } = &group.phase else {
            return false;
        };
        if !self.metadata.knows_all_wanted() || self.metadata.updates() < *fresh_at {
            self.ask_for_metadata(now, effects);
            return false;
        }
        if *skip_assignment {
            // A static leader that came back: everything stays as it is.
            self.note_assigned_for();
            self.sync(now, Vec::new(), effects);
            return true;
        }
        let name = group.generation.protocol.clone().unwrap_or_default();
        match group.assignors.by_name(&name) {
            Some(Choice::BuiltIn(assignor)) => {
                let assignment = assignor.assign(&partitions, members);
                self.bring(now, &assignment, effects);
            }
            Some(Choice::Own(_)) => {
                let members = members.clone();
                let call = UserCall::Assign { assignor: name, partitions, members };
                group.user = Some(PendingUserCall { call, told: None });
            }
            None => {
                let why =
                    format!("the group has chosen '{name}', which is no assignor of this one");
                self.fail_join(now, Some(Error::InvalidArgument(why)), false);
            }
        }
        true
    }

    fn partition_counts(&self) -> BTreeMap<TopicName, i32> {
        let Some(group) = &self.group else { return BTreeMap::new() };
        let count = |topic: &TopicName| {
            let count = self.metadata.partition_count(topic)?;
            Some((topic.clone(), count as i32))
        };
        group.group_topics.iter().filter_map(count).collect()
    }

    fn note_assigned_for(&mut self) {
        let Some(group) = &mut self.group else { return };
        let all = group.topics.names() | &group.group_topics;
        let count = |topic: TopicName| {
            let count = self.metadata.partition_count(&topic).unwrap_or(0);
            (topic, count)
        };
        group.assigned_for = Some(all.into_iter().map(count).collect());
    }

    /// Brings everybody's assignment to the coordinator.
    fn bring(&mut self, now: Time, assignment: &GroupAssignment, effects: &mut Vec<Effect>) {
        let encode = |(member_id, assignment): (&String, &Assignment)| {
            let assignment = assignment.encode()?;
            Ok(SyncGroupAssignment { member_id: member_id.clone(), assignment })
        };
        match assignment.iter().map(encode).collect() {
            Ok(assignments) => {
                self.note_assigned_for();
                self.sync(now, assignments, effects);
            }
            Err(error) => {
                let error: crate::api::StringTooLong = error;
                let error = Error::InvalidArgument(format!("an assignment: {error}"));
                self.fail_join(now, Some(error), false);
            }
        }
    }

    /// The user's code has run: the call that waited for it goes on, if it is to.
    pub fn answer_user(
        &mut self,
        now: Time,
        op: OpId,
        answer: UserAnswer,
        goes_on: bool,
        effects: &mut Vec<Effect>,
    ) -> Progress {
        self.take_answer(now, answer, effects);
        self.woken = true;
        let interrupted = self.group.as_mut().and_then(|group| group.interrupted.take());
        if matches!(interrupted, Some(Interrupted::Poll(_))) {
            self.go_on_after_listener(now, effects);
        }
        match interrupted.filter(|_| goes_on) {
            Some(Interrupted::Poll(deadline)) => self.poll(now, op, deadline, effects),
            Some(Interrupted::Close) => self.close(now, op, effects),
            Some(Interrupted::Unsubscribe) => self.unsubscribe(now, op, effects),
            // Its own listener has had it crash.
            None if self.closed => Progress::failed(Error::Closed),
            None => Progress::DONE,
        }
    }

    /// What the listener was told of happens right behind it, whether it succeeded or not, and even
    /// if no coordinator is known by now.
    fn go_on_after_listener(&mut self, now: Time, effects: &mut Vec<Effect>) {
        match self.group.as_ref().map(|group| &group.phase) {
            Some(Phase::GivingUp(_)) => {
                self.given_up(now);
            }
            Some(Phase::Revoking(_)) => {
                self.revoked(now, effects);
            }
            Some(Phase::Telling) => {
                self.settle();
            }
            _ => {}
        }
        self.tell_group(effects);
    }

    fn take_answer(&mut self, now: Time, answer: UserAnswer, effects: &mut Vec<Effect>) {
        let Some(group) = &mut self.group else { return };
        let call = group.user.take().map(|pending| pending.call);
        let (Some(UserCall::Assign { assignor, partitions, members }), true) =
            (call, matches!(group.phase, Phase::Leading { .. }))
        else {
            return;
        };
        let is_cooperative = group.protocol == RebalanceProtocol::Cooperative;
        let UserAnswer::Assigned(assignment) = answer else {
            let why = format!("nobody has run assignor '{assignor}'");
            self.fail_join(now, Some(Error::InvalidArgument(why)), false);
            return;
        };
        match check_assignment(&partitions, &members, &assignment, is_cooperative) {
            Ok(()) => self.bring(now, &assignment, effects),
            Err(why) => {
                let why = format!("assignor '{assignor}': {why}");
                self.fail_join(now, Some(Error::InvalidArgument(why)), false);
            }
        }
        self.tell_group(effects);
    }

    /// Has the listener run, if there is one.
    pub(super) fn ask_user(&mut self, call: UserCall) {
        if let Some(group) = &mut self.group
            && group.has_listener
        {
            group.user = Some(PendingUserCall { call, told: None });
        }
    }

    /// Takes over what it got; what it has no more is revoked first.
    pub(super) fn take_over(&mut self, effects: &mut Vec<Effect>) -> bool {
        let Some(group) = &mut self.group else { return false };
        let Phase::Assigned(bytes) = &group.phase else { return false };
        let assignment = match read_assignment(bytes) {
            Ok(assignment) => assignment,
            Err(error) => {
                // As in Kafka: it stays in the group, and each poll says so.
                group.failure = Some(error);
                return false;
            }
        };
        if !self.accept(assignment.partitions.iter().map(|partition| &partition.topic)) {
            let Some(group) = &mut self.group else { return false };
            group.request_rejoin("the assignment is not for this subscription");
            group.become_phase(Phase::Settled);
            return true;
        }
        let Some(group) = &mut self.group else { return false };
        let is_cooperative = group.protocol == RebalanceProtocol::Cooperative;
        let wanted: BTreeSet<&TopicPartition> = assignment.partitions.iter().collect();
        let gone = self.assigned.keys().filter(|partition| !wanted.contains(partition));
        let revoked: Vec<TopicPartition> = gone.filter(|_| is_cooperative).cloned().collect();
        group.become_phase(Phase::Revoking(assignment));
        if !revoked.is_empty() {
            group.request_rejoin("partitions were revoked");
            let partitions = revoked.clone();
            effects.push(Effect::Event(ClientEvent::PartitionsRevoked { partitions }));
            self.ask_user(UserCall::Revoked(revoked));
        }
        true
    }

    /// What had to be revoked is: from now on it has what it got.
    pub(super) fn revoked(&mut self, now: Time, effects: &mut Vec<Effect>) -> bool {
        let Some(group) = &mut self.group else { return false };
        let Phase::Revoking(assignment) = group.become_phase(Phase::Telling) else {
            return false;
        };
        let wanted: BTreeSet<TopicPartition> = assignment.partitions.iter().cloned().collect();
        let generation_id = group.generation.id;
        group.last = Some(LastAssignment { assignment, generation_id });
        group.next_auto_commit = now.after_ms(group.config.auto_commit_interval_ms.unwrap_or(0));
        self.assigned.retain(|partition, _| wanted.contains(partition));
        self.buffer.retain(|partition| wanted.contains(partition));
        let assigned = &self.assigned;
        let is_new = |partition: &&TopicPartition| !assigned.contains_key(*partition);
        let added: Vec<TopicPartition> = wanted.iter().filter(is_new).cloned().collect();
        for partition in &added {
            self.assigned.insert(partition.clone(), Assigned::new());
        }
        self.assigned.values_mut().for_each(|assigned| assigned.pending_revocation = false);
        let (partitions, owned) = (added.clone(), self.assigned.len() as u32);
        effects.push(Effect::Event(ClientEvent::PartitionsAssigned { partitions, owned }));
        self.ask_user(UserCall::Assigned(added));
        true
    }

    /// The rebalance is over for this member.
    pub(super) fn settle(&mut self) -> bool {
        if let Some(group) = &mut self.group {
            group.become_phase(Phase::Settled);
        }
        true
    }
}

/// Reads one's own assignment.
fn read_assignment(bytes: &Bytes) -> Result<Assignment, Error> {
    if bytes.is_empty() {
        let why = "the leader has assigned nothing, not even no partitions, to this member";
        return Err(Error::InvalidArgument(why.to_owned()));
    }
    let damaged = |error| Error::InvalidArgument(format!("the assignment: {error}"));
    Assignment::decode(bytes).map_err(damaged)
}
