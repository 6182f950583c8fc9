//! The event queue: what will happen, by time, and then in the order in which it was queued.

use std::collections::BTreeMap;

use super::input::{EventKey, Node};
use crate::api::{Request, Response};
use crate::broker::ConnectionId;
use crate::client::ClientId;
use crate::types::{BrokerId, EventId, Time};

/// Something that will happen.
#[derive(Clone, Debug)]
pub(super) enum Event {
    Request { route: Route, correlation_id: i32, request: Request, reset: Option<Reset> },
    Response { route: Route, correlation_id: i32, response: Response },
    Disconnected { route: Route },
    ClientDeadline(ClientId),
    BrokerDeadline(BrokerId),
}

/// The two ends of a connection.
#[derive(Clone, Copy, Debug)]
pub(super) struct Route {
    pub client: ClientId,
    pub broker: BrokerId,
    pub connection: ConnectionId,
}

/// When a connection is reset, seen from the request that it carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reset {
    Before,
    After,
}

impl Event {
    /// To whom it will happen.
    pub fn node(&self) -> Node {
        match self {
            Event::Request { route, .. } => Node::Broker(route.broker),
            Event::Response { route, .. } | Event::Disconnected { route } => {
                Node::Client(route.client)
            }
            Event::ClientDeadline(id) => Node::Client(*id),
            Event::BrokerDeadline(id) => Node::Broker(*id),
        }
    }

    pub fn is_deadline(&self) -> bool {
        matches!(self, Event::ClientDeadline(_) | Event::BrokerDeadline(_))
    }
}

#[derive(Clone, Debug)]
pub(super) struct Scheduled {
    pub cause: Option<EventId>,
    pub event: Event,
}

/// What will happen.
#[derive(Clone, Debug)]
pub(super) struct EventQueue {
    events: BTreeMap<EventKey, Scheduled>,
    /// How many events have been queued so far.
    pushed: u64,
    /// When the first one is due; [`Time::NEVER`] without any. Every entry on the real clock asks.
    next_due: Time,
}

impl EventQueue {
    pub fn new() -> Self {
        EventQueue { events: BTreeMap::new(), pushed: 0, next_due: Time::NEVER }
    }

    pub fn push(&mut self, due: Time, scheduled: Scheduled) -> EventKey {
        let key = (due, self.pushed);
        self.pushed += 1;
        self.events.insert(key, scheduled);
        self.next_due = self.next_due.min(due);
        key
    }

    pub fn remove(&mut self, key: &EventKey) -> Option<Scheduled> {
        let scheduled = self.events.remove(key);
        self.next_due = self.events.first_key_value().map_or(Time::NEVER, |(&(due, _), _)| due);
        scheduled
    }

    /// The event that is next.
    pub fn first(&self) -> Option<EventKey> {
        self.events.first_key_value().map(|(&key, _)| key)
    }

    /// When the next event is due; [`Time::NEVER`] without any.
    #[inline]
    pub fn next_due(&self) -> Time {
        self.next_due
    }

    /// A number that rises with each event that is queued.
    #[inline]
    pub fn pushed(&self) -> u64 {
        self.pushed
    }

    pub fn len(&self) -> usize {
        self.events.len()
    }

    pub fn iter(&self) -> impl Iterator<Item = (&EventKey, &Scheduled)> {
        self.events.iter()
    }

    /// Puts off what is due for a node before `until`, in its order. Gives the new place of the
    /// node's deadline, if that has moved.
    pub fn postpone(&mut self, node: Node, until: Time) -> Option<EventKey> {
        let early = self.events.range(..(until, 0));
        let moving = early.filter(|(_, scheduled)| scheduled.event.node() == node);
        let mut deadline = None;
        for key in moving.map(|(&key, _)| key).collect::<Vec<_>>() {
            let Some(scheduled) = self.remove(&key) else { continue };
            let is_deadline = scheduled.event.is_deadline();
            let moved = self.push(until, scheduled);
            if is_deadline {
                deadline = Some(moved);
            }
        }
        deadline
    }
}
