//! Messages on their way: connections, latency, and what goes wrong with them.

use std::time::Duration;

use super::fault::FaultKind;
use super::input::{Node, Output};
use super::queue::{Event, Reset, Route};
use super::trace::{Actor, Direction, Trace, TraceEvent};
use super::world::{Connection, Latency, World};
use crate::api::{ApiKey, Request, Response};
use crate::broker::ConnectionId;
use crate::client::{ClientId, Effect};
use crate::types::{BrokerId, EventId, Time};

/// When a message arrives that would at `due`, behind the one before it. Where messages take no
/// time they still arrive one by one, a microsecond apart: so time goes on whatever the two ends
/// do.
fn behind(last: Option<Time>, due: Time, now: Time) -> Time {
    match last {
        Some(last) if due == now => due.max(last.after_micros(1)),
        Some(last) => due.max(last),
        None => due,
    }
}

/// A message that is being sent, as the trace shows it.
struct Message {
    from: Actor,
    to: Actor,
    direction: Direction,
    api: ApiKey,
    correlation_id: i32,
}

impl World {
    fn draw_latency(&mut self) -> u64 {
        let Latency { min_micros, max_micros } = self.latency;
        if max_micros <= min_micros {
            return min_micros;
        }
        min_micros + self.latencies.below((max_micros - min_micros).saturating_add(1))
    }

    fn lose(&self, message: &Message, trace: &mut Trace) -> EventId {
        let Message { from, to, direction, api, correlation_id } = *message;
        let lost = TraceEvent::Lost { to, direction, api, correlation_id };
        trace.record(self.now, self.cause, from, lost)
    }

    fn sent(&self, message: &Message, trace: &mut Trace) -> EventId {
        let Message { from, to, direction, api, correlation_id } = *message;
        let sent = TraceEvent::Sent { to, direction, api, correlation_id };
        trace.record(self.now, self.cause, from, sent)
    }

    /// Draws what goes wrong with a message, and tells the trace.
    fn strike(
        &mut self,
        client: ClientId,
        message: &Message,
        trace: &mut Trace,
    ) -> Option<FaultKind> {
        let kind = self.faults.strike(client, message.api, message.direction)?;
        trace.record(self.now, self.cause, message.from, TraceEvent::Fault(kind));
        Some(kind)
    }

    pub(super) fn send_request(
        &mut self,
        client: ClientId,
        broker: BrokerId,
        correlation_id: i32,
        request: Request,
        trace: &mut Trace,
    ) {
        let connection = self.connect(client, broker, trace);
        let route = Route { client, broker, connection };
        let (from, to, api) = (self.actor(client), Actor::Broker(broker), request.api_key());
        let message = Message { from, to, direction: Direction::Request, api, correlation_id };
        let sent = self.sent(&message, trace);
        let fault = self.strike(client, &message, trace);
        let outer = self.cause.replace(sent);
        let mut due = self.now.after_micros(self.draw_latency());
        let mut reset = None;
        match fault {
            Some(FaultKind::Delay(micros)) => due = due.after_micros(micros),
            Some(FaultKind::ResetBefore) => reset = Some(Reset::Before),
            Some(FaultKind::ResetAfter) => reset = Some(Reset::After),
            _ => {}
        }
        match self.connections.get_mut(&connection) {
            Some(link) if !link.requests_lost && fault != Some(FaultKind::Lose) => {
                due = behind(link.last_request, due, self.now);
                link.last_request = Some(due);
                if let Some(FaultKind::Duplicate(micros)) = fault {
                    let (again, request) = (due.after_micros(micros), request.clone());
                    self.schedule(again, Event::Request { route, correlation_id, request, reset });
                }
                self.schedule(due, Event::Request { route, correlation_id, request, reset });
            }
            link => {
                if let Some(link) = link {
                    link.requests_lost = true;
                }
                self.lose(&message, trace);
            }
        }
        self.cause = outer;
    }

    /// The connection of a client to a broker, opened if there is none. To a broker that is down
    /// it is refused; the client learns so a little later.
    fn connect(&mut self, client: ClientId, broker: BrokerId, trace: &mut Trace) -> ConnectionId {
        let actor = self.actor(client);
        if let Some(node) = self.clients.get(client.index())
            && let Some(&open) = node.connections.get(&broker)
        {
            return open;
        }
        let connection = ConnectionId(self.next_connection);
        self.next_connection += 1;
        if let Some(node) = self.clients.get_mut(client.index()) {
            node.connections.insert(broker, connection);
        }
        if self.brokers.get(&broker).is_none_or(|node| node.crashed) {
            let due = self.now.after_micros(self.draw_latency().max(1));
            self.schedule(due, Event::Disconnected { route: Route { client, broker, connection } });
            return connection;
        }
        let link = Connection {
            client,
            last_request: None,
            last_response: None,
            requests_lost: false,
            responses_lost: false,
        };
        self.connections.insert(connection, link);
        let event = TraceEvent::Connected { to: Actor::Broker(broker), connection };
        trace.record(self.now, self.cause, actor, event);
        connection
    }

    /// A client closes its connection: what is in flight on it is lost.
    pub(super) fn close(&mut self, client: ClientId, broker: BrokerId, trace: &mut Trace) {
        let actor = self.actor(client);
        let Some(node) = self.clients.get_mut(client.index()) else { return };
        let Some(connection) = node.connections.remove(&broker) else { return };
        self.connections.remove(&connection);
        if let Some(node) = self.brokers.get_mut(&broker) {
            node.broker.on_disconnect(connection);
        }
        self.set_broker_deadline(broker);
        let event = TraceEvent::Disconnected { from: Actor::Broker(broker), connection };
        trace.record(self.now, self.cause, actor, event);
    }

    /// A connection breaks: what is in flight on it is lost, and the client learns of it a little
    /// later.
    pub(super) fn reset(&mut self, broker: BrokerId, connection: ConnectionId) {
        let Some(link) = self.connections.remove(&connection) else { return };
        if let Some(node) = self.brokers.get_mut(&broker) {
            node.broker.on_disconnect(connection);
        }
        let due = self.now.after_micros(self.draw_latency().max(1));
        let route = Route { client: link.client, broker, connection };
        self.schedule(due, Event::Disconnected { route });
        self.set_broker_deadline(broker);
    }

    pub(super) fn deliver_disconnect(&mut self, route: Route, trace: &mut Trace) -> EventId {
        let Route { client, broker, connection } = route;
        let event = TraceEvent::Disconnected { from: Actor::Broker(broker), connection };
        let id = trace.record(self.now, self.cause, self.actor(client), event);
        self.cause = Some(id);
        let Some(node) = self.clients.get_mut(client.index()) else { return id };
        if node.connections.get(&broker) == Some(&connection) {
            node.connections.remove(&broker);
            self.with_client(client, trace, |client, now, effects| {
                client.on_disconnect(now, broker, effects);
            });
        }
        id
    }

    pub(super) fn deliver_request(
        &mut self,
        route: Route,
        correlation_id: i32,
        request: Request,
        reset: Option<Reset>,
        trace: &mut Trace,
    ) -> EventId {
        let Route { client, broker, connection } = route;
        let (from, to, api) = (self.actor(client), Actor::Broker(broker), request.api_key());
        let direction = Direction::Request;
        let up = self.connections.contains_key(&connection);
        if !up || reset == Some(Reset::Before) {
            let message = Message { from, to, direction, api, correlation_id };
            let lost = self.lose(&message, trace);
            self.cause = Some(lost);
            self.reset(broker, connection);
            return lost;
        }
        let delivered = TraceEvent::Delivered { from, direction, api, correlation_id };
        let id = trace.record(self.now, self.cause, to, delivered);
        self.cause = Some(id);
        let client_id = self.clients.get(client.index()).map_or("", |node| &node.client_id);
        if let Some(node) = self.brokers.get_mut(&broker) {
            let effects =
                node.broker.handle(self.now, connection, correlation_id, client_id, request);
            self.carry_out_broker(broker, effects, trace);
        }
        if reset == Some(Reset::After) {
            self.reset(broker, connection);
        }
        id
    }

    pub(super) fn send_response(
        &mut self,
        broker: BrokerId,
        connection: ConnectionId,
        correlation_id: i32,
        response: Response,
        trace: &mut Trace,
    ) {
        let Some(link) = self.connections.get(&connection) else { return };
        let client = link.client;
        let (from, to, api) = (Actor::Broker(broker), self.actor(client), response.api_key());
        let message = Message { from, to, direction: Direction::Response, api, correlation_id };
        let sent = self.sent(&message, trace);
        let fault = self.strike(client, &message, trace);
        let outer = self.cause.replace(sent);
        let mut due = self.now.after_micros(self.draw_latency());
        if let Some(FaultKind::Delay(micros)) = fault {
            due = due.after_micros(micros);
        }
        match self.connections.get_mut(&connection) {
            Some(link) if !link.responses_lost && fault != Some(FaultKind::Lose) => {
                due = behind(link.last_response, due, self.now);
                link.last_response = Some(due);
                let route = Route { client, broker, connection };
                self.schedule(due, Event::Response { route, correlation_id, response });
            }
            link => {
                if let Some(link) = link {
                    link.responses_lost = true;
                }
                self.lose(&message, trace);
            }
        }
        self.cause = outer;
    }

    pub(super) fn deliver_response(
        &mut self,
        route: Route,
        correlation_id: i32,
        response: Response,
        trace: &mut Trace,
    ) -> EventId {
        let Route { client, broker, connection } = route;
        let (from, to, api) = (Actor::Broker(broker), self.actor(client), response.api_key());
        let direction = Direction::Response;
        if !self.connections.contains_key(&connection) {
            let message = Message { from, to, direction, api, correlation_id };
            return self.lose(&message, trace);
        }
        let delivered = TraceEvent::Delivered { from, direction, api, correlation_id };
        let id = trace.record(self.now, self.cause, to, delivered);
        self.cause = Some(id);
        self.with_client(client, trace, |client, now, effects| {
            client.on_response(now, broker, correlation_id, response, effects);
        });
        id
    }

    /// A client dies: what it had not sent is gone, its calls fail, its connections break.
    pub(super) fn crash_client(&mut self, id: ClientId, trace: &mut Trace) -> Output {
        let actor = self.actor(id);
        let Some(node) = self.clients.get_mut(id.index()) else {
            return Output::NoSuchNode(id.into());
        };
        self.cause = Some(trace.record(self.now, None, actor, TraceEvent::Crashed));
        let mut effects = Vec::new();
        node.client.crash(&mut effects);
        node.paused_until = None;
        let brokers: Vec<BrokerId> = node.connections.keys().copied().collect();
        for broker in brokers {
            effects.push(Effect::Disconnect { broker });
        }
        self.carry_out(id, effects, trace);
        Output::Done
    }

    /// A node does nothing for a while; what comes for it waits.
    pub(super) fn pause(&mut self, node: Node, duration: Duration, trace: &mut Trace) -> Output {
        let until = self.now.after(duration).max(self.paused_until(node).unwrap_or(self.now));
        let (actor, paused) = match node {
            Node::Broker(id) => {
                let node = self.brokers.get_mut(&id);
                (Actor::Broker(id), node.map(|node| &mut node.paused_until))
            }
            Node::Client(id) => {
                let actor = self.actor(id);
                (actor, self.clients.get_mut(id.index()).map(|node| &mut node.paused_until))
            }
        };
        let Some(paused) = paused else { return Output::NoSuchNode(node) };
        *paused = Some(until);
        let deadline = self.queue.postpone(node, until);
        match node {
            Node::Broker(id) => {
                if let Some(node) = self.brokers.get_mut(&id) {
                    node.deadline = deadline.or(node.deadline);
                }
            }
            Node::Client(id) => {
                if let Some(node) = self.clients.get_mut(id.index()) {
                    node.deadline = deadline.or(node.deadline);
                }
            }
        }
        trace.record(self.now, None, actor, TraceEvent::Paused { until });
        Output::Done
    }
}
