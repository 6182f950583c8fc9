//! Which entries of the trace tell how a rebalance went.
//!
//! Joining, syncing, leaving and the search for the coordinator belong to it with each message.
//! Heartbeats and commits go on all the time. A commit belongs to it when a member waited for its
//! answer, the answer to a heartbeat when something followed from it or the request came into a
//! rebalance, and both when they are lost.

use std::collections::{BTreeMap, BTreeSet};

use super::super::trace::{Actor, Direction, Trace, TraceEntry, TraceEvent};
use crate::api::ApiKey;
use crate::broker::BrokerEvent;
use crate::client::ClientEvent;
use crate::client::consumer::MemberState;
use crate::coordinator::GroupState;
use crate::types::EventId;

pub(super) fn select(trace: &Trace, group_id: &str, members: &BTreeSet<Actor>) -> Vec<TraceEntry> {
    let changes = trace.entries().filter(|entry| {
        members.contains(&entry.actor)
            && matches!(&entry.event, TraceEvent::Client(event) if is_change(event))
    });
    let causes = changes.filter_map(|entry| entry.cause).collect();
    let mut selection = Selection {
        group_id,
        members,
        causes,
        is_preparing: false,
        requests: BTreeMap::new(),
        chosen: BTreeSet::new(),
    };
    for entry in trace.entries() {
        if selection.wants(entry) {
            selection.chosen.insert(entry.id);
        }
    }
    let chosen = selection.chosen;
    trace.entries().filter(|entry| chosen.contains(&entry.id)).cloned().collect()
}

/// What a member tells of a rebalance. The states on its way tell nothing that its requests and
/// their answers do not; that it is out does.
fn is_change(event: &ClientEvent) -> bool {
    match event {
        ClientEvent::MemberState { to, .. } => *to == MemberState::Unjoined,
        ClientEvent::Rejoin { .. }
        | ClientEvent::PartitionsRevoked { .. }
        | ClientEvent::PartitionsLost { .. }
        | ClientEvent::PartitionsAssigned { .. }
        | ClientEvent::PollIntervalExceeded => true,
        _ => false,
    }
}

struct Selection<'a> {
    group_id: &'a str,
    members: &'a BTreeSet<Actor>,
    /// What members changed because of.
    causes: BTreeSet<EventId>,
    /// Whether the coordinator calls the members together.
    is_preparing: bool,
    /// The last request of a member to a broker with a number, and whether it came into a
    /// rebalance.
    requests: BTreeMap<(Actor, Actor, i32), (EventId, bool)>,
    chosen: BTreeSet<EventId>,
}

impl Selection<'_> {
    fn wants(&mut self, entry: &TraceEntry) -> bool {
        let is_member = self.members.contains(&entry.actor);
        match &entry.event {
            TraceEvent::Broker(BrokerEvent::GroupChanged { group_id, to, .. }) => {
                let is_it = group_id == self.group_id;
                if is_it {
                    self.is_preparing = *to == GroupState::PreparingRebalance;
                }
                is_it
            }
            TraceEvent::Client(ClientEvent::OffsetsCommitted { .. }) => {
                is_member && entry.cause.is_some_and(|cause| self.causes.contains(&cause))
            }
            TraceEvent::Client(event) => is_member && is_change(event),
            TraceEvent::Crashed | TraceEvent::Restarted | TraceEvent::Paused { .. } => {
                is_member || matches!(entry.actor, Actor::Broker(_))
            }
            TraceEvent::Lost { to, api, .. } => {
                (is_member || self.members.contains(to)) && (is_joining(*api) || is_beating(*api))
            }
            TraceEvent::Delivered { from, direction, api, correlation_id } => match direction {
                Direction::Request if self.members.contains(from) => {
                    let key = (*from, entry.actor, *correlation_id);
                    self.requests.insert(key, (entry.id, self.is_preparing));
                    is_joining(*api)
                }
                Direction::Response if is_member => {
                    let request = self.requests.remove(&(entry.actor, *from, *correlation_id));
                    is_joining(*api) || is_beating(*api) && self.is_news(entry.id, *api, request)
                }
                _ => false,
            },
            _ => false,
        }
    }

    /// Whether the answer to a heartbeat or a commit tells a member something about the group.
    fn is_news(&mut self, id: EventId, api: ApiKey, request: Option<(EventId, bool)>) -> bool {
        let is_cause = self.causes.contains(&id);
        if api == ApiKey::Heartbeat {
            return is_cause || request.is_some_and(|(_, into_rebalance)| into_rebalance);
        }
        if is_cause {
            self.chosen.extend(request.map(|(request, _)| request));
        }
        is_cause
    }
}

fn is_joining(api: ApiKey) -> bool {
    use ApiKey::{FindCoordinator, JoinGroup, LeaveGroup, SyncGroup};
    matches!(api, FindCoordinator | JoinGroup | SyncGroup | LeaveGroup)
}

fn is_beating(api: ApiKey) -> bool {
    matches!(api, ApiKey::Heartbeat | ApiKey::OffsetCommit)
}
