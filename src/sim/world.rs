//! The world: brokers, clients, messages in flight, deadlines and the clock, as one value.
//!
//! [`World::apply`] is its only door. One step takes the next due event, applies it, and queues
//! what follows. A clone of the world is a snapshot of everything.

use std::collections::BTreeMap;

use super::trace::{Actor, Direction, EventId, Trace, TraceEvent};
use crate::api::{ApiKey, Request, Response};
use crate::broker::metadata::Overrides;
use crate::broker::{Broker, BrokerEffect, ConnectionId};
use crate::client::admin::Admin;
use crate::client::consumer::{Consumer, SeekTo};
use crate::client::producer::Producer;
use crate::client::record::Record;
use crate::client::{Client, ClientId, DeliveryReport, Effect, OpId, Outcome, Progress};
use crate::config::{AdminConfig, BrokerConfig, ConfigError, ConsumerConfig, ProducerConfig};
use crate::error::Error;
use crate::random::Random;
use crate::types::{BrokerId, Time, Timestamp, TopicPartition};

/// How long a message is under way, in microseconds: drawn evenly from a range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Latency {
    /// At least.
    pub min_micros: u64,
    /// At most.
    pub max_micros: u64,
}

/// What the world is told from outside.
#[derive(Clone, Debug)]
pub enum Input<'a> {
    /// Make a client.
    Create(ClientConfig),
    /// A call of a client.
    Call(ClientId, Call<'a>),
    /// Nobody waits for a call any more.
    Abandon(ClientId, OpId),
    /// Apply the next event, whenever it is due.
    Step,
    /// Apply the next event if it is due by now.
    StepDue,
}

/// Which client to make.
#[derive(Clone, Debug)]
pub enum ClientConfig {
    Producer(ProducerConfig),
    Consumer(ConsumerConfig),
    Admin(AdminConfig),
}

/// A call of a client.
#[derive(Clone, Debug)]
pub enum Call<'a> {
    Send(&'a Record<'a>),
    Flush,
    CloseProducer(Time),
    Assign(Vec<TopicPartition>),
    Poll(Time),
    Seek(TopicPartition, SeekTo),
    SetPaused(Vec<TopicPartition>, bool),
    Position(TopicPartition),
    Lag(TopicPartition),
    LookUp(Vec<(TopicPartition, Timestamp)>),
    Admin(Request),
    Close,
}

/// What came of an input.
#[derive(Clone, Debug)]
pub enum Output {
    /// Nothing to say.
    Done,
    /// The new client.
    Created(ClientId),
    /// The call's answer, or the number under which it will come.
    Called(OpId, Progress),
    /// The event that was applied; `None` when there was none.
    Stepped(Option<EventId>),
}

/// Something that will happen.
#[derive(Clone, Debug)]
enum Event {
    Request { connection: ConnectionId, correlation_id: i32, request: Request },
    Response { connection: ConnectionId, correlation_id: i32, response: Response },
    Disconnected { client: ClientId, broker: BrokerId, connection: ConnectionId },
    ClientDeadline(ClientId),
    BrokerDeadline(BrokerId),
}

/// Events are ordered by time, then by the order in which they were queued.
type EventKey = (Time, u64);

#[derive(Clone, Debug)]
struct Scheduled {
    cause: Option<EventId>,
    event: Event,
}

/// A FIFO connection. Messages of one direction never overtake each other.
#[derive(Clone, Debug)]
struct Connection {
    client: ClientId,
    broker: BrokerId,
    last_request: Time,
    last_response: Time,
}

#[derive(Clone, Debug)]
struct Member {
    client: Client,
    connections: BTreeMap<BrokerId, ConnectionId>,
    deadline: Option<EventKey>,
}

#[derive(Clone, Debug)]
struct Node {
    broker: Broker,
    deadline: Option<EventKey>,
}

/// Everything that there is, as one value.
#[derive(Clone, Debug)]
pub struct World {
    seed: u64,
    now: Time,
    queue: BTreeMap<EventKey, Scheduled>,
    next_sequence: u64,
    nodes: BTreeMap<BrokerId, Node>,
    members: BTreeMap<ClientId, Member>,
    connections: BTreeMap<ConnectionId, Connection>,
    next_connection: u64,
    next_op: u64,
    results: BTreeMap<OpId, Result<Outcome, Error>>,
    latency: Latency,
    latencies: Random,
    /// What the event at work is the cause of.
    cause: Option<EventId>,
    /// Delivery reports on their way out.
    outbox: Vec<DeliveryReport>,
    effects: Vec<Effect>,
}

impl World {
    /// A world with one broker, at the beginning of virtual time.
    pub fn new(seed: u64, latency: Latency, configs: Overrides) -> Result<Self, ConfigError> {
        let config = BrokerConfig::from_overrides(&configs)?;
        let id = BrokerId(1);
        let cluster_id = "kafkarium".to_owned();
        let ids = Random::stream(seed, "topic ids");
        let broker = Broker::new(id, cluster_id, configs, config, ids);
        Ok(World {
            seed,
            now: Time::VIRTUAL_START,
            queue: BTreeMap::new(),
            next_sequence: 0,
            nodes: BTreeMap::from([(id, Node { broker, deadline: None })]),
            members: BTreeMap::new(),
            connections: BTreeMap::new(),
            next_connection: 0,
            next_op: 0,
            results: BTreeMap::new(),
            latency,
            latencies: Random::stream(seed, "latency"),
            cause: None,
            outbox: Vec::new(),
            effects: Vec::new(),
        })
    }

    /// The world's clock.
    pub fn now(&self) -> Time {
        self.now
    }

    /// When the next event is due.
    pub fn next_due(&self) -> Option<Time> {
        self.queue.first_key_value().map(|(&(due, _), _)| due)
    }

    /// The brokers.
    pub fn brokers(&self) -> impl Iterator<Item = &Broker> {
        self.nodes.values().map(|node| &node.broker)
    }

    /// Takes the result of a call that had to wait, once it is there.
    pub fn take_result(&mut self, op: OpId) -> Option<Result<Outcome, Error>> {
        self.results.remove(&op)
    }

    /// Takes the delivery reports.
    pub fn take_reports(&mut self) -> Vec<DeliveryReport> {
        std::mem::take(&mut self.outbox)
    }

    /// The door: whatever changes the world comes through here. Time never goes back.
    pub fn apply(&mut self, now: Time, input: Input<'_>, trace: &mut Trace) -> Output {
        self.now = self.now.max(now);
        self.cause = None;
        match input {
            Input::Create(config) => Output::Created(self.create(config, trace)),
            Input::Call(client, call) => self.call(client, call, trace),
            Input::Abandon(client, op) => {
                self.results.remove(&op);
                if let Some(member) = self.members.get_mut(&client) {
                    member.client.abandon(op);
                }
                self.set_client_deadline(client);
                Output::Done
            }
            Input::Step => Output::Stepped(self.step(Time::NEVER, trace)),
            Input::StepDue => Output::Stepped(self.step(self.now, trace)),
        }
    }

    fn create(&mut self, config: ClientConfig, trace: &mut Trace) -> ClientId {
        let id = ClientId(self.members.len() as u32);
        let bootstrap: Vec<BrokerId> = self.nodes.keys().copied().collect();
        let seed = self.seed;
        let client = match config {
            ClientConfig::Producer(config) => {
                Client::Producer(Box::new(Producer::new(id, config, bootstrap, seed)))
            }
            ClientConfig::Consumer(config) => {
                Client::Consumer(Box::new(Consumer::new(id, config, bootstrap, seed)))
            }
            ClientConfig::Admin(config) => {
                Client::Admin(Box::new(Admin::new(id, config, bootstrap, seed)))
            }
        };
        let member = Member { client, connections: BTreeMap::new(), deadline: None };
        self.members.insert(id, member);
        trace.record(self.now, None, self.actor(id), TraceEvent::Created);
        id
    }

    fn actor(&self, id: ClientId) -> Actor {
        match self.members.get(&id).map(|member| &member.client) {
            Some(Client::Producer(_)) => Actor::Producer(id.0),
            Some(Client::Consumer(_)) => Actor::Consumer(id.0),
            Some(Client::Admin(_)) => Actor::Admin(id.0),
            None => Actor::User,
        }
    }

    fn call(&mut self, id: ClientId, call: Call<'_>, trace: &mut Trace) -> Output {
        let op = OpId(self.next_op);
        self.next_op += 1;
        let now = self.now;
        if let Some(name) = call.name() {
            self.cause = Some(trace.record(now, None, self.actor(id), TraceEvent::Called(name)));
        }
        let mut effects = std::mem::take(&mut self.effects);
        let Some(member) = self.members.get_mut(&id) else {
            return Output::Called(op, Progress::failed(Error::Rewound));
        };
        let progress = match (&mut member.client, call) {
            (Client::Producer(producer), Call::Send(record)) => {
                let progress = producer.send(now, op, record, &mut effects);
                if effects.is_empty() && progress.joined_open_batch() {
                    // The common case of many: no deadline changes by it.
                    self.effects = effects;
                    return Output::Called(op, progress);
                }
                progress
            }
            (Client::Producer(producer), Call::Flush) => producer.flush(op, &mut effects),
            (Client::Producer(producer), Call::CloseProducer(deadline)) => {
                producer.close(deadline, op, &mut effects)
            }
            (Client::Consumer(consumer), call) => {
                call_consumer(consumer, now, op, call, &mut effects)
            }
            (Client::Admin(admin), Call::Admin(request)) => {
                admin.call(now, op, request, &mut effects)
            }
            (Client::Admin(admin), Call::Close) => admin.close(&mut effects),
            (_, call) => {
                let why = format!("{call:?} is no call of this client");
                Progress::failed(Error::InvalidArgument(why))
            }
        };
        self.carry_out(id, effects, trace);
        Output::Called(op, progress)
    }

    /// Applies the next event if it is due by `limit`.
    fn step(&mut self, limit: Time, trace: &mut Trace) -> Option<EventId> {
        let first = self.queue.first_entry()?;
        let &(due, _) = first.key();
        if due > limit {
            return None;
        }
        let Scheduled { cause, event } = first.remove();
        self.now = self.now.max(due);
        let id = match event {
            Event::Request { connection, correlation_id, request } => {
                self.deliver_request(connection, correlation_id, request, cause, trace)
            }
            Event::Response { connection, correlation_id, response } => {
                self.deliver_response(connection, correlation_id, response, cause, trace)
            }
            Event::Disconnected { client, broker, connection } => {
                let from = Actor::Broker(broker);
                let event = TraceEvent::Disconnected { from, connection };
                let id = trace.record(self.now, cause, self.actor(client), event);
                self.cause = Some(id);
                self.with_client(client, trace, |client, now, effects| {
                    client.on_disconnect(now, broker, effects);
                });
                id
            }
            Event::ClientDeadline(client) => {
                let id = trace.record(self.now, cause, self.actor(client), TraceEvent::Timer);
                self.cause = Some(id);
                if let Some(member) = self.members.get_mut(&client) {
                    member.deadline = None;
                }
                self.with_client(client, trace, |client, now, effects| {
                    client.on_deadline(now, effects);
                });
                id
            }
            Event::BrokerDeadline(broker) => {
                let actor = Actor::Broker(broker);
                let id = trace.record(self.now, cause, actor, TraceEvent::Timer);
                self.cause = Some(id);
                if let Some(node) = self.nodes.get_mut(&broker) {
                    node.deadline = None;
                    let effects = node.broker.on_deadline(self.now);
                    self.carry_out_broker(broker, effects, trace);
                }
                id
            }
        };
        Some(id)
    }

    fn deliver_request(
        &mut self,
        connection: ConnectionId,
        correlation_id: i32,
        request: Request,
        cause: Option<EventId>,
        trace: &mut Trace,
    ) -> EventId {
        let api = request.api_key();
        let direction = Direction::Request;
        let Some(link) = self.connections.get(&connection) else {
            let to = Actor::User;
            let lost = TraceEvent::Lost { to, direction, api, correlation_id };
            return trace.record(self.now, cause, Actor::User, lost);
        };
        let broker = link.broker;
        let from = self.actor(link.client);
        let delivered = TraceEvent::Delivered { from, direction, api, correlation_id };
        let id = trace.record(self.now, cause, Actor::Broker(broker), delivered);
        self.cause = Some(id);
        if let Some(node) = self.nodes.get_mut(&broker) {
            let effects = node.broker.handle(self.now, connection, correlation_id, request);
            self.carry_out_broker(broker, effects, trace);
        }
        id
    }

    fn deliver_response(
        &mut self,
        connection: ConnectionId,
        correlation_id: i32,
        response: Response,
        cause: Option<EventId>,
        trace: &mut Trace,
    ) -> EventId {
        let api = response.api_key();
        let direction = Direction::Response;
        let Some(link) = self.connections.get(&connection) else {
            let to = Actor::User;
            let lost = TraceEvent::Lost { to, direction, api, correlation_id };
            return trace.record(self.now, cause, Actor::User, lost);
        };
        let (client, broker) = (link.client, link.broker);
        let from = Actor::Broker(broker);
        let delivered = TraceEvent::Delivered { from, direction, api, correlation_id };
        let id = trace.record(self.now, cause, self.actor(client), delivered);
        self.cause = Some(id);
        self.with_client(client, trace, |client, now, effects| {
            client.on_response(now, broker, correlation_id, response, effects);
        });
        id
    }

    fn with_client(
        &mut self,
        id: ClientId,
        trace: &mut Trace,
        act: impl FnOnce(&mut Client, Time, &mut Vec<Effect>),
    ) {
        let mut effects = std::mem::take(&mut self.effects);
        if let Some(member) = self.members.get_mut(&id) {
            act(&mut member.client, self.now, &mut effects);
        }
        self.carry_out(id, effects, trace);
    }

    /// Does what a client wants done, and notes when it wants to be woken.
    fn carry_out(&mut self, id: ClientId, mut effects: Vec<Effect>, trace: &mut Trace) {
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

    fn set_client_deadline(&mut self, id: ClientId) {
        let Some(member) = self.members.get_mut(&id) else { return };
        let wanted = member.client.next_deadline().map(|due| due.max(self.now));
        let current = member.deadline.map(|(due, _)| due);
        if wanted == current {
            return;
        }
        if let Some(key) = member.deadline.take() {
            self.queue.remove(&key);
        }
        if let Some(due) = wanted {
            let key = self.schedule(due, Event::ClientDeadline(id));
            if let Some(member) = self.members.get_mut(&id) {
                member.deadline = Some(key);
            }
        }
    }

    fn schedule(&mut self, due: Time, event: Event) -> EventKey {
        let key = (due, self.next_sequence);
        self.next_sequence += 1;
        self.queue.insert(key, Scheduled { cause: self.cause, event });
        key
    }

    fn draw_latency(&mut self) -> u64 {
        let Latency { min_micros, max_micros } = self.latency;
        if max_micros <= min_micros {
            return min_micros;
        }
        min_micros + self.latencies.below(max_micros - min_micros + 1)
    }

    fn send_request(
        &mut self,
        client: ClientId,
        broker: BrokerId,
        correlation_id: i32,
        request: Request,
        trace: &mut Trace,
    ) {
        let connection = self.connect(client, broker, trace);
        let (to, api) = (Actor::Broker(broker), request.api_key());
        let sent = TraceEvent::Sent { to, direction: Direction::Request, api, correlation_id };
        let sent = trace.record(self.now, self.cause, self.actor(client), sent);
        let due = Time(self.now.0 + self.draw_latency());
        let Some(link) = self.connections.get_mut(&connection) else { return };
        let due = due.max(link.last_request);
        link.last_request = due;
        let outer = self.cause.replace(sent);
        self.schedule(due, Event::Request { connection, correlation_id, request });
        self.cause = outer;
    }

    fn connect(&mut self, client: ClientId, broker: BrokerId, trace: &mut Trace) -> ConnectionId {
        let member = self.members.get_mut(&client);
        if let Some(&open) = member.as_ref().and_then(|member| member.connections.get(&broker)) {
            return open;
        }
        let connection = ConnectionId(self.next_connection);
        self.next_connection += 1;
        if let Some(member) = member {
            member.connections.insert(broker, connection);
        }
        let (last_request, last_response) = (self.now, self.now);
        let link = Connection { client, broker, last_request, last_response };
        self.connections.insert(connection, link);
        let event = TraceEvent::Connected { to: Actor::Broker(broker), connection };
        trace.record(self.now, self.cause, self.actor(client), event);
        connection
    }

    /// A client closes its connection: what is in flight on it is lost.
    fn close(&mut self, client: ClientId, broker: BrokerId, trace: &mut Trace) {
        let Some(member) = self.members.get_mut(&client) else { return };
        let Some(connection) = member.connections.remove(&broker) else { return };
        self.connections.remove(&connection);
        if let Some(node) = self.nodes.get_mut(&broker) {
            node.broker.on_disconnect(connection);
        }
        self.set_broker_deadline(broker);
        let event = TraceEvent::Disconnected { from: Actor::Broker(broker), connection };
        trace.record(self.now, self.cause, self.actor(client), event);
    }

    fn carry_out_broker(
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
                BrokerEffect::Close { connection } => {
                    let Some(link) = self.connections.remove(&connection) else { continue };
                    if let Some(member) = self.members.get_mut(&link.client) {
                        member.connections.remove(&id);
                    }
                    let due = Time(self.now.0 + self.draw_latency());
                    let (client, broker) = (link.client, id);
                    self.schedule(due, Event::Disconnected { client, broker, connection });
                }
                BrokerEffect::Event(event) => {
                    let event = TraceEvent::Broker(event);
                    trace.record(self.now, self.cause, Actor::Broker(id), event);
                }
            }
        }
        self.set_broker_deadline(id);
    }

    fn set_broker_deadline(&mut self, id: BrokerId) {
        let Some(node) = self.nodes.get_mut(&id) else { return };
        let wanted = node.broker.next_deadline().map(|due| due.max(self.now));
        let current = node.deadline.map(|(due, _)| due);
        if wanted == current {
            return;
        }
        if let Some(key) = node.deadline.take() {
            self.queue.remove(&key);
        }
        if let Some(due) = wanted {
            let key = self.schedule(due, Event::BrokerDeadline(id));
            if let Some(node) = self.nodes.get_mut(&id) {
                node.deadline = Some(key);
            }
        }
    }

    fn send_response(
        &mut self,
        broker: BrokerId,
        connection: ConnectionId,
        correlation_id: i32,
        response: Response,
        trace: &mut Trace,
    ) {
        let due = Time(self.now.0 + self.draw_latency());
        let Some(link) = self.connections.get_mut(&connection) else { return };
        let due = due.max(link.last_response);
        link.last_response = due;
        let client = link.client;
        let (to, api): (Actor, ApiKey) = (self.actor(client), response.api_key());
        let sent = TraceEvent::Sent { to, direction: Direction::Response, api, correlation_id };
        let sent = trace.record(self.now, self.cause, Actor::Broker(broker), sent);
        let outer = self.cause.replace(sent);
        self.schedule(due, Event::Response { connection, correlation_id, response });
        self.cause = outer;
    }
}

fn call_consumer(
    consumer: &mut Consumer,
    now: Time,
    op: OpId,
    call: Call<'_>,
    effects: &mut Vec<Effect>,
) -> Progress {
    match call {
        Call::Assign(partitions) => consumer.assign(now, partitions),
        Call::Poll(deadline) => consumer.poll(now, op, deadline, effects),
        Call::Seek(partition, to) => consumer.seek(&partition, to),
        Call::SetPaused(partitions, paused) => consumer.set_paused(&partitions, paused),
        Call::Position(partition) => consumer.position(now, op, &partition, effects),
        Call::Lag(partition) => consumer.lag(&partition),
        Call::LookUp(wanted) => consumer.look_up(now, op, wanted, effects),
        Call::Close => consumer.close(effects),
        call => {
            let why = format!("{call:?} is no call of a consumer");
            Progress::failed(Error::InvalidArgument(why))
        }
    }
}

impl Call<'_> {
    /// What the trace calls it; sends are too many to stand there one by one.
    fn name(&self) -> Option<&'static str> {
        Some(match self {
            Call::Send(_) | Call::Lag(_) => return None,
            Call::Flush => "flush",
            Call::CloseProducer(_) | Call::Close => "close",
            Call::Assign(_) => "assign",
            Call::Poll(_) => "poll",
            Call::Seek(..) => "seek",
            Call::SetPaused(_, true) => "pause",
            Call::SetPaused(_, false) => "resume",
            Call::Position(_) => "position",
            Call::LookUp(_) => "offsets",
            Call::Admin(request) => request.api_key().name(),
        })
    }
}
