//! A consumer as a member of its group, by the classic protocol.
//!
//! The coordinator is a broker: it is found, and found again when it moves or is lost
//! (`coordinator.rs`). A member joins in steps (`join.rs`, `assignment.rs`), each a [`Phase`]:
//!
//! | phase | what happens | becomes |
//! |---|---|---|
//! | settled | it has to join, and is polled | committing; giving up without auto commit |
//! | committing | the commit is done, or too late | giving up |
//! | giving up | the listener, if any, has been told what is revoked or lost | joining |
//! | joining | JoinGroup is sent | awaiting join |
//! | awaiting join | it is in a generation; as its leader, or not | leading; awaiting sync |
//! | awaiting join, leading | it needs an id, is refused, or cannot lead | joining |
//! | awaiting join | a heartbeat tells that it is out, or it leaves | awaiting old join |
//! | awaiting old join | the answer comes | settled |
//! | leading | the partitions are known and assigned, SyncGroup is sent | awaiting sync |
//! | awaiting sync | the assignment comes | assigned |
//! | awaiting sync | the group rebalances again, or it is refused | joining |
//! | awaiting join, awaiting sync | the connection is lost | joining |
//! | assigned | it is polled | revoking |
//! | assigned | it has subscribed to something else meanwhile | settled |
//! | revoking | the listener, if any, has been told | telling |
//! | telling | the listener, if any, has been told what is assigned | settled |
//! | joining to assigned | the coordinator does not know it any more | settled |
//! | any but awaiting join | it leaves | settled |
//!
//! Steps are taken while the consumer is polled, as by Kafka's classic consumer. In the
//! background, as by its heartbeat thread, go heartbeats (`heartbeat.rs`) and the answers to
//! SyncGroup and commits. Where the user's own code has to run (a listener, an assignor), the
//! machine rests, and the call ends with a [`UserCall`]; whoever made the call runs the code,
//! answers, and makes the call again.
//!
//! # Simplifications versus Kafka
//! Data and group share one connection to a broker; Java's client has one for each. So when a
//! session ends without an answer, and the connection to the coordinator is closed, fetches that
//! are under way on it are sent again.

mod assignment;
mod close;
mod commit;
mod committed;
mod coordinator;
mod heartbeat;
mod join;
mod offset;
mod strategy;
mod subscription;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt;

use bytes::Bytes;

use crate::api::{Assignment, JoinGroupResponse};
use crate::client::assignor::{LastAssignment, Member, RebalanceProtocol};
use crate::client::{ClientEvent, Effect, OpId, Outcome, UserCall};
use crate::config::GroupRebalanceConfig;
use crate::error::Error;
use crate::random::Random;
use crate::types::{BrokerId, Time, TopicName, TopicPartition};

use super::Consumer;
pub use assignment::GroupAssignment;
pub use close::Closing;
pub use commit::Commit;
pub use committed::{CommittedLookup, Wanted};
use coordinator::Coordinator;
use heartbeat::Heartbeat;
pub use offset::{OffsetAndMetadata, Offsets};
pub use strategy::Assignors;
pub use subscription::{SubscriptionPattern, Topics};

/// What a member is in the eyes of its group: Kafka's `MemberState`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MemberState {
    /// It is in no generation.
    Unjoined,
    /// It has sent JoinGroup.
    PreparingRebalance,
    /// It is in a generation, and has no assignment yet.
    CompletingRebalance,
    /// It has its assignment.
    Stable,
}

impl fmt::Display for MemberState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// A generation of the group, and who the member is in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Generation {
    /// Its number; −1 for none.
    pub id: i32,
    /// The member's id; empty before the coordinator has given one.
    pub member_id: String,
    /// The protocol: which assignor.
    pub protocol: Option<String>,
}

impl Generation {
    fn none() -> Self {
        Generation { id: -1, member_id: String::new(), protocol: None }
    }
}

/// Where a member stands on its way into a generation.
#[derive(Clone, Debug)]
enum Phase {
    Settled,
    /// Offsets are committed before partitions are given up, until then at the latest.
    Committing(Time),
    /// These go when the listener has been told.
    GivingUp(Vec<TopicPartition>),
    /// JoinGroup is to be sent, not before then.
    Joining(Time),
    AwaitingJoin,
    /// It is out of the group, or has left it, while JoinGroup was under way: it joins again when
    /// that has been answered, and does not count. Two at once would fence each other.
    AwaitingOldJoin,
    Leading {
        members: BTreeMap<String, Member>,
        skip_assignment: bool,
        /// How many answers about metadata there have to be before it assigns.
        fresh_at: u64,
    },
    AwaitingSync,
    Assigned(Bytes),
    Revoking(Assignment),
    Telling,
}

impl Phase {
    /// Whether the table above has a way from here to there.
    fn may_become(&self, to: &Phase) -> bool {
        match (self, to) {
            (Phase::Settled, Phase::Committing(_) | Phase::GivingUp(_))
            | (Phase::Committing(_), Phase::GivingUp(_))
            | (Phase::GivingUp(_), Phase::Joining(_))
            | (Phase::Joining(_), Phase::AwaitingJoin)
            | (
                Phase::AwaitingJoin,
                Phase::Leading { .. } | Phase::AwaitingSync | Phase::AwaitingOldJoin,
            )
            | (Phase::AwaitingOldJoin, Phase::AwaitingOldJoin)
            | (Phase::Leading { .. }, Phase::AwaitingSync)
            | (Phase::AwaitingSync, Phase::Assigned(_))
            | (Phase::Assigned(_), Phase::Revoking(_))
            | (Phase::Revoking(_), Phase::Telling)
            // It leaves, is out, or has come to the end.
            | (_, Phase::Settled) => true,
            // It comes again.
            (from, Phase::Joining(_)) => matches!(
                from,
                Phase::Joining(_)
                    | Phase::AwaitingJoin
                    | Phase::Leading { .. }
                    | Phase::AwaitingSync
            ),
            _ => false,
        }
    }
}

/// Which call goes on when the user's code has run.
#[derive(Clone, Copy, Debug)]
pub enum Interrupted {
    /// A poll, until then.
    Poll(Time),
    Close,
    Unsubscribe,
}

/// What the user's code is to do, and the call that ended with it, once one has.
#[derive(Clone, Debug)]
struct PendingUserCall {
    call: UserCall,
    told: Option<OpId>,
}

/// A consumer's membership.
#[derive(Clone, Debug)]
pub struct Membership {
    pub config: GroupRebalanceConfig,
    assignors: Assignors,
    /// The most advanced one that all assignors support.
    protocol: RebalanceProtocol,
    pub topics: Topics,
    has_listener: bool,
    coordinator: Coordinator,
    generation: Generation,
    phase: Phase,
    /// Why it has to join, if it has to.
    rejoin: Option<&'static str>,
    /// An answer to JoinGroup that nobody has looked at: it came while nobody polled.
    unread: Option<(Generation, JoinGroupResponse)>,
    /// The topics that it has joined for.
    joined: Option<BTreeSet<TopicName>>,
    /// As a leader: the topics of all members, and how many partitions it has assigned of each.
    group_topics: BTreeSet<TopicName>,
    assigned_for: Option<BTreeMap<TopicName, usize>>,
    /// How many answers about metadata it has looked at.
    seen_updates: Option<u64>,
    /// What it had when it last got something: assignors that remember ask for it.
    last: Option<LastAssignment>,
    heartbeat: Heartbeat,
    /// The user's code that has to run, and whether somebody is at it.
    user: Option<PendingUserCall>,
    /// Which call ended with it, and is to go on.
    interrupted: Option<Interrupted>,
    /// What the next poll has to fail with.
    failure: Option<Error>,
    /// Another one has its instance id, as a commit that nobody waited for was told: whatever it
    /// does from now on fails with this.
    pub fenced: Option<Error>,
    pub commits: VecDeque<Commit>,
    next_commit: u64,
    next_auto_commit: Time,
    pub committed: Vec<CommittedLookup>,
    pub closing: Option<Closing>,
    /// The listener has been told, or is being told, that it unsubscribes.
    is_leaving: bool,
    random: Random,
    told: (MemberState, i32),
}

impl Membership {
    pub fn new(config: GroupRebalanceConfig, assignors: Assignors, random: Random) -> Self {
        Membership {
            protocol: assignors.protocol(),
            assignors,
            topics: Topics::None,
            has_listener: false,
            coordinator: Coordinator::default(),
            generation: Generation::none(),
            phase: Phase::Settled,
            rejoin: Some("the consumer is new"),
            unread: None,
            joined: None,
            group_topics: BTreeSet::new(),
            assigned_for: None,
            seen_updates: None,
            last: None,
            heartbeat: Heartbeat::new(&config),
            user: None,
            interrupted: None,
            failure: None,
            fenced: None,
            commits: VecDeque::new(),
            next_commit: 0,
            next_auto_commit: Time(0),
            committed: Vec::new(),
            closing: None,
            is_leaving: false,
            random,
            told: (MemberState::Unjoined, -1),
            config,
        }
    }

    /// What it is in the eyes of the group.
    pub fn state(&self) -> MemberState {
        match self.phase {
            Phase::Joining(_) | Phase::AwaitingJoin => MemberState::PreparingRebalance,
            Phase::Leading { .. } | Phase::AwaitingSync => MemberState::CompletingRebalance,
            _ if self.generation.id < 0 => MemberState::Unjoined,
            _ => MemberState::Stable,
        }
    }

    /// The generation that it is in, and who it is there.
    pub fn generation(&self) -> &Generation {
        &self.generation
    }

    /// Whether it takes part in the group, as it does after `subscribe`.
    pub fn is_subscribed(&self) -> bool {
        !matches!(self.topics, Topics::None)
    }

    /// Whether it has its assignment, and neither a rebalance nor a search for the coordinator is
    /// on.
    fn is_at_rest(&self) -> bool {
        matches!(self.phase, Phase::Settled)
            && self.rejoin.is_none()
            && self.coordinator().is_some()
    }

    /// Takes a step; gives where it stood before.
    fn become_phase(&mut self, to: Phase) -> Phase {
        assert!(self.phase.may_become(&to), "no step leads from {:?} to {to:?}", self.phase);
        std::mem::replace(&mut self.phase, to)
    }

    /// Notes that it has to join. The first reason is the one that counts.
    fn request_rejoin(&mut self, why: &'static str) {
        self.rejoin.get_or_insert(why);
    }

    /// It is in no generation any more; the coordinator may know its id still.
    fn reset(&mut self, why: &'static str, keep_member_id: bool) {
        self.generation.id = -1;
        self.generation.protocol = None;
        if !keep_member_id {
            self.generation.member_id.clear();
        }
        let is_answered = self.unread.take().is_some();
        self.request_rejoin(why);
        match self.phase {
            Phase::AwaitingJoin | Phase::AwaitingOldJoin if !is_answered => {
                self.become_phase(Phase::AwaitingOldJoin);
            }
            Phase::Joining(_)
            | Phase::AwaitingJoin
            | Phase::AwaitingOldJoin
            | Phase::Leading { .. }
            | Phase::AwaitingSync
            | Phase::Assigned(_) => drop(self.become_phase(Phase::Settled)),
            Phase::Settled
            | Phase::Committing(_)
            | Phase::GivingUp(_)
            | Phase::Revoking(_)
            | Phase::Telling => {}
        }
    }

    /// Tells the trace when what the group sees of it has changed.
    fn tell_state(&mut self, effects: &mut Vec<Effect>) {
        let now = (self.state(), self.generation.id);
        let (from, _) = std::mem::replace(&mut self.told, now);
        let (to, generation) = now;
        if from != to {
            effects.push(Effect::Event(ClientEvent::MemberState { from, to, generation }));
        }
    }

    /// What the user's code is to do, if nobody is at it yet. The call that ends with it is named.
    fn next_user_call(&mut self, op: OpId, interrupted: Interrupted) -> Option<UserCall> {
        let pending = self.user.as_mut().filter(|pending| pending.told.is_none())?;
        pending.told = Some(op);
        self.interrupted = Some(interrupted);
        Some(pending.call.clone())
    }

    /// Whether the user's code is at work.
    pub fn is_in_user_code(&self) -> bool {
        self.user.as_ref().is_some_and(|pending| pending.told.is_some())
    }

    /// Nobody waits for these calls any more. Where the user's code was to run for one of them, it
    /// will have to run again.
    pub fn abandon(&mut self, gone: impl Fn(OpId) -> bool) {
        for commit in &mut self.commits {
            commit.op.take_if(|op| gone(*op));
        }
        self.committed.retain(|lookup| !gone(lookup.op));
        if let Some(closing) = &mut self.closing {
            closing.op.take_if(|op| gone(*op));
        }
        let told = self.user.as_mut().and_then(|pending| pending.told.take_if(|op| gone(*op)));
        // Nobody unsubscribes any more: what the listener was told was for that alone.
        if told.is_some() && matches!(self.interrupted, Some(Interrupted::Unsubscribe)) {
            self.user = None;
            self.is_leaving = false;
        }
    }
}

impl Consumer {
    /// Takes the steps of the group that can be taken while the consumer is polled. Says whether
    /// records may be given out: not while the coordinator is looked for.
    pub(super) fn poll_group(&mut self, now: Time, effects: &mut Vec<Effect>) -> bool {
        let Some(group) = &mut self.group else { return true };
        if !group.is_subscribed() {
            return true;
        }
        group.heartbeat.polled(now);
        self.follow_metadata(now);
        if !self.find_coordinator(now, effects) {
            return false;
        }
        self.rebalance(now, effects);
        true
    }

    /// What goes on in the background, whether the consumer is polled or not.
    pub(super) fn run_group(&mut self, now: Time, effects: &mut Vec<Effect>) {
        let Some(group) = &mut self.group else { return };
        group.coordinator.is_wanted = false;
        self.beat(now, effects);
        self.send_commits(now, effects);
        self.send_committed_lookups(now, effects);
        self.tell_group(effects);
    }

    /// What a poll ends with because of the group: the user's code has to run, or an error.
    pub(super) fn group_result(
        &mut self,
        op: OpId,
        deadline: Time,
    ) -> Option<Result<Outcome, Error>> {
        let group = self.group.as_mut()?;
        let call = group.next_user_call(op, Interrupted::Poll(deadline));
        let call = call.map(|call| Ok(Outcome::UserCall(Box::new(call))));
        call.or_else(|| group.failure.take().map(Err))
    }

    /// The connection to a broker is gone: if it was the coordinator, it is looked for again.
    pub(super) fn lose_coordinator_at(&mut self, now: Time, broker: BrokerId) {
        if let Some(group) = &mut self.group
            && group.coordinator() == Some(broker)
        {
            group.lose_coordinator(now);
        }
    }

    /// Tells the trace when what the group sees of the member has changed.
    pub(super) fn tell_group(&mut self, effects: &mut Vec<Effect>) {
        if let Some(group) = &mut self.group {
            group.tell_state(effects);
        }
    }

    /// When something is to be done for the group.
    pub(super) fn next_group_deadline(&self, is_polled: bool) -> impl Iterator<Item = Time> {
        let group = self.group.as_ref();
        let background = group.into_iter().flat_map(move |group| {
            let alone = (!is_polled).then(|| group.heartbeat.poll_deadline());
            let beats = group.is_beating().then(|| group.heartbeat.next(alone));
            let lookups = group.committed.iter().map(CommittedLookup::next_deadline);
            let closing = group.closing.as_ref().map(|closing| closing.deadline);
            let all = beats.into_iter().chain(group.coordinator.next());
            all.chain(group.commit_deadlines()).chain(lookups).chain(closing)
        });
        let polled = group.filter(|group| is_polled && group.is_subscribed());
        let steps = polled.into_iter().flat_map(|group| {
            let step = match group.phase {
                Phase::Committing(until) => Some(until),
                Phase::Joining(not_before) => Some(not_before),
                _ => None,
            };
            step.into_iter().chain(self.metadata.expires_at())
        });
        let auto = group.filter(|_| is_polled).and_then(|group| group.auto_commit_deadline());
        background.chain(steps).chain(auto)
    }
}
