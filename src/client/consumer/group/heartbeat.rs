//! Heartbeats: that the member is alive, and what the group is at.
//!
//! Three clocks run from the moment when the member is in a generation: the next heartbeat after
//! `heartbeat.interval.ms`, the session, which each answer begins anew, and the time to the next
//! poll. When the session is over without an answer the coordinator is looked for again; when
//! nobody has polled for `max.poll.interval.ms` the member leaves.

use super::super::{Consumer, Sent};
use super::{MemberState, Membership};
use crate::api::{HeartbeatRequest, Request};
use crate::client::network::Backoff;
use crate::client::{ClientEvent, Effect};
use crate::config::GroupRebalanceConfig;
use crate::error::{Error, ErrorCode};
use crate::types::Time;

use super::Generation;

/// The member's clocks.
#[derive(Clone, Debug)]
pub(super) struct Heartbeat {
    interval_ms: i64,
    session_ms: i64,
    poll_ms: i64,
    next: Time,
    session: Time,
    poll: Time,
    failures: u32,
}

impl Heartbeat {
    pub fn new(config: &GroupRebalanceConfig) -> Self {
        Heartbeat {
            interval_ms: i64::from(config.heartbeat_interval_ms),
            session_ms: i64::from(config.session_timeout_ms),
            poll_ms: i64::from(config.max_poll_interval_ms),
            next: Time(0),
            session: Time(0),
            poll: Time(0),
            failures: 0,
        }
    }

    /// All clocks begin anew.
    pub fn begin(&mut self, now: Time) {
        self.next = now.after_ms(self.interval_ms);
        self.session = now.after_ms(self.session_ms);
        self.poll = now.after_ms(self.poll_ms);
        self.failures = 0;
    }

    pub fn polled(&mut self, now: Time) {
        self.poll = now.after_ms(self.poll_ms);
    }

    pub fn found_coordinator(&mut self, now: Time) {
        self.session = now.after_ms(self.session_ms);
    }

    fn answered(&mut self, now: Time) {
        self.session = now.after_ms(self.session_ms);
        self.failures = 0;
    }

    /// Until when somebody has to poll.
    pub fn poll_deadline(&self) -> Time {
        self.poll
    }

    /// When something is due; the poll only if nobody polls.
    pub fn next(&self, poll: Option<Time>) -> Time {
        self.next.min(self.session).min(poll.unwrap_or(Time::NEVER))
    }
}

impl Membership {
    /// Whether heartbeats are sent: in a generation, from its beginning on.
    pub(super) fn is_beating(&self) -> bool {
        self.is_subscribed()
            && matches!(self.state(), MemberState::CompletingRebalance | MemberState::Stable)
    }
}

impl Consumer {
    /// Does what the clocks say.
    pub(super) fn beat(&mut self, now: Time, effects: &mut Vec<Effect>) {
        let is_polled = self.is_polled();
        let Some(group) = &mut self.group else { return };
        if !group.is_beating() {
            return;
        }
        if is_polled {
            group.heartbeat.polled(now);
        } else if group.heartbeat.poll <= now {
            effects.push(Effect::Event(ClientEvent::PollIntervalExceeded));
            self.leave_group(now, "nobody has polled for max.poll.interval.ms", effects);
            return;
        }
        if group.heartbeat.session <= now {
            // It may be another one by now.
            group.lose_coordinator(now);
            group.heartbeat.session = now.after_ms(group.heartbeat.session_ms);
        }
        if !self.find_coordinator(now, effects) {
            return;
        }
        let Some(group) = &mut self.group else { return };
        if group.heartbeat.next > now {
            return;
        }
        group.heartbeat.next = now.after_ms(group.heartbeat.interval_ms.max(1));
        let generation = group.generation.clone();
        let request = Request::Heartbeat(HeartbeatRequest {
            group_id: group.config.group_id.clone(),
            generation_id: generation.id,
            member_id: generation.member_id.clone(),
            group_instance_id: group.config.group_instance_id.clone(),
        });
        let timeout_ms = self.config.request_timeout_ms;
        self.send_to_coordinator(now, request, timeout_ms, Sent::Heartbeat(generation), effects);
    }

    pub(in super::super) fn on_heartbeat(
        &mut self,
        now: Time,
        sent: &Generation,
        error: ErrorCode,
    ) {
        let backoff = Backoff {
            initial_ms: self.config.retry_backoff_ms,
            max_ms: self.config.retry_backoff_max_ms,
        };
        let Some(group) = &mut self.group else { return };
        let same = *sent == group.generation;
        match error {
            ErrorCode::None => group.heartbeat.answered(now),
            ErrorCode::RebalanceInProgress => {
                if group.state() == MemberState::Stable {
                    group.request_rejoin("the group rebalances");
                }
                group.heartbeat.answered(now);
            }
            ErrorCode::IllegalGeneration if same => {
                group.reset("a heartbeat was of an old generation", true);
            }
            ErrorCode::UnknownMemberId if same => {
                group.reset("the coordinator did not know the member any more", false);
            }
            ErrorCode::FencedInstanceId if same => {
                group.reset("another one has the instance id", false);
                let id = group.config.group_instance_id.clone().unwrap_or_default();
                group.failure = Some(Error::kafka(error, format!("instance '{id}'")));
            }
            ErrorCode::IllegalGeneration
            | ErrorCode::UnknownMemberId
            | ErrorCode::FencedInstanceId => group.heartbeat.answered(now),
            error => {
                if matches!(error, ErrorCode::CoordinatorNotAvailable | ErrorCode::NotCoordinator) {
                    group.lose_coordinator(now);
                }
                group.heartbeat.failures += 1;
                let wait_ms = backoff.after(group.heartbeat.failures, &mut group.random);
                group.heartbeat.next = now.after_ms(wait_ms as i64);
            }
        }
    }
}
