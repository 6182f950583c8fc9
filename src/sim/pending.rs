//! What may happen next.

use std::fmt;

use super::input::EventKey;
use super::queue::Event;
use super::trace::{Actor, Direction};
use super::world::World;
use crate::types::Time;

/// An event that may happen next: the first message of a connection in one direction, or a
/// deadline. What stands behind the first message of a connection cannot overtake it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pending {
    /// When it is due.
    pub due: Time,
    /// To whom it will happen.
    pub actor: Actor,
    /// What it is.
    pub what: String,
    pub(crate) key: EventKey,
}

impl fmt::Display for Pending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.due, self.actor, self.what)
    }
}

impl World {
    /// What may happen next, in the order of time.
    pub fn pending(&self) -> Vec<Pending> {
        let mut seen = std::collections::BTreeSet::new();
        let mut pending = Vec::new();
        for (&key, scheduled) in self.queue.iter() {
            let (actor, what) = match &scheduled.event {
                Event::Request { route, request, correlation_id, .. } => {
                    if !seen.insert((route.connection, Direction::Request)) {
                        continue;
                    }
                    let from = self.actor(route.client);
                    let api = request.api_key();
                    let what = format!("gets {api} request {correlation_id} from {from}");
                    (Actor::Broker(route.broker), what)
                }
                Event::Response { route, response, correlation_id } => {
                    if !seen.insert((route.connection, Direction::Response)) {
                        continue;
                    }
                    let (broker, api) = (route.broker, response.api_key());
                    let what = format!("gets {api} response {correlation_id} from broker-{broker}");
                    (self.actor(route.client), what)
                }
                Event::Disconnected { route } => {
                    if !seen.insert((route.connection, Direction::Response)) {
                        continue;
                    }
                    (self.actor(route.client), format!("disconnected from broker-{}", route.broker))
                }
                Event::ClientDeadline(id) => (self.actor(*id), "deadline".to_owned()),
                Event::BrokerDeadline(id) => (Actor::Broker(*id), "deadline".to_owned()),
            };
            pending.push(Pending { due: key.0, actor, what, key });
        }
        pending
    }
}
