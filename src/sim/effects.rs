//! Carrying out what clients and brokers want done, and keeping one deadline for each of them.

use super::input::EventKey;
use super::queue::{Event, Scheduled};
use super::trace::{Actor, Trace, TraceEvent};
use super::world::World;
use crate::broker::BrokerEffect;
use crate::client::{Client, ClientId, Effect};
use crate::types::{BrokerId, Time};

impl World {
    pub(super) fn with_client(
        &mut self,
        id: ClientId,
        trace: &mut Trace,
        act: impl FnOnce(&mut Client, Time, &mut Vec<Effect>),
    ) {
        let mut effects = std::mem::take(&mut self.effects);
        if let Some(node) = self.clients.get_mut(id.index()) {
            act(&mut node.client, self.now, &mut effects);
        }
        self.carry_out(id, effects, trace);
    }

    /// Does what a client wants done, and notes when it wants to be woken.
    pub(super) fn carry_out(&mut self, id: ClientId, mut effects: Vec<Effect>, trace: &mut Trace) {
        for effect in effects.drain(..) {
            match effect {
                Effect::Send { broker, correlation_id, request } => {
                    self.send_request(id, broker, correlation_id, request, trace);
                }
                Effect::Disconnect { broker } => self.close(id, broker, trace),
                Effect::Complete { op, result } => {
                    let event = TraceEvent::Completed { ok: result.is_ok() };
                    trace.record(self.now, self.cause, self.actor(id), event);
                    self.results.insert(op, result);
                    self.completions += 1;
                }
                Effect::Report(report) => self.outbox.push(report),
                Effect::Event(event) => {
                    let event = TraceEvent::Client(event);
                    trace.record(self.now, self.cause, self.actor(id), event);
                }
            }
        }
        self.effects = effects;
        self.set_client_deadline(id);
    }

    pub(super) fn set_client_deadline(&mut self, id: ClientId) {
        let earliest = self.paused_until(id.into()).unwrap_or(self.now);
        let Some(node) = self.clients.get_mut(id.index()) else { return };
        let wanted = node.client.next_deadline().map(|due| due.max(earliest));
        let current = node.deadline.map(|(due, _)| due);
        if wanted == current {
            return;
        }
        if let Some(key) = node.deadline.take() {
            self.queue.remove(&key);
        }
        if let Some(due) = wanted {
            let key = self.schedule(due, Event::ClientDeadline(id));
            if let Some(node) = self.clients.get_mut(id.index()) {
                node.deadline = Some(key);
            }
        }
    }

    /// Queues an event; what is for a node that is paused comes when that goes on.
    pub(super) fn schedule(&mut self, due: Time, event: Event) -> EventKey {
        let due = self.paused_until(event.node()).map_or(due, |until| due.max(until));
        self.queue.push(due, Scheduled { cause: self.cause, event })
    }

    pub(super) fn carry_out_broker(
        &mut self,
        id: BrokerId,
        effects: Vec<BrokerEffect>,
        trace: &mut Trace,
    ) {
        for effect in effects {
            match effect {
                BrokerEffect::Reply { connection, correlation_id, response } => {
                    self.send_response(id, connection, correlation_id, response, trace);
                }
                BrokerEffect::Close { connection } => self.reset(id, connection),
                BrokerEffect::Event(event) => {
                    let event = TraceEvent::Broker(event);
                    trace.record(self.now, self.cause, Actor::Broker(id), event);
                }
            }
        }
        self.set_broker_deadline(id);
    }

    pub(super) fn set_broker_deadline(&mut self, id: BrokerId) {
        let earliest = self.paused_until(id.into()).unwrap_or(self.now);
        let Some(node) = self.brokers.get_mut(&id) else { return };
        let wanted = node.broker.next_deadline().map(|due| due.max(earliest));
        let current = node.deadline.map(|(due, _)| due);
        if wanted == current {
            return;
        }
        if let Some(key) = node.deadline.take() {
            self.queue.remove(&key);
        }
        if let Some(due) = wanted {
            let key = self.schedule(due, Event::BrokerDeadline(id));
            if let Some(node) = self.brokers.get_mut(&id) {
                node.deadline = Some(key);
            }
        }
    }
}
