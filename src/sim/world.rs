//! The world: brokers, clients, messages in flight, deadlines and the clock, as one value.
//!
//! [`World::apply`] is its only door. One step takes the next due event, applies it, and queues
//! what follows. A clone of the world is a snapshot of everything.

use std::collections::BTreeMap;

use super::fault::{Faults, RandomFaults};
use super::input::{Call, ClientConfig, EventKey, Input, Node, Output};
use super::trace::{Actor, Trace, TraceEvent};
use crate::api::{Request, Response};
use crate::broker::{Broker, ConnectionId};
use crate::client::admin::Admin;
use crate::client::consumer::Consumer;
use crate::client::producer::Producer;
use crate::client::record::Record;
use crate::client::{
    BatchId, Client, ClientId, DeliveryReport, Effect, OpId, Outcome, Progress, Sending,
};
use crate::config::{ConfigError, parse_broker_file};
use crate::error::Error;
use crate::random::Random;
use crate::types::{BrokerId, EventId, Time};

/// How long a message is under way, in microseconds: drawn evenly from a range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Latency {
    /// At least.
    pub min_micros: u64,
    /// At most.
    pub max_micros: u64,
}

/// How a world begins.
#[derive(Clone, Debug)]
pub struct Setup {
    /// The seed of everything that is drawn.
    pub seed: u64,
    /// How long messages are under way.
    pub latency: Latency,
    /// What the brokers' properties files would hold.
    pub configs: BTreeMap<String, String>,
    /// How often something goes wrong.
    pub faults: RandomFaults,
}

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

#[derive(Clone, Debug)]
pub(super) struct Scheduled {
    pub cause: Option<EventId>,
    pub event: Event,
}

/// A FIFO connection. Messages of one direction never overtake each other.
#[derive(Clone, Debug)]
pub(super) struct Connection {
    pub client: ClientId,
    pub last_request: Time,
    pub last_response: Time,
    /// A request, or a response, was lost: so is whatever follows.
    pub requests_lost: bool,
    pub responses_lost: bool,
}

#[derive(Clone, Debug)]
pub(super) struct Member {
    pub client: Client,
    pub connections: BTreeMap<BrokerId, ConnectionId>,
    pub deadline: Option<EventKey>,
    pub paused_until: Option<Time>,
}

#[derive(Clone, Debug)]
pub(super) struct Server {
    pub broker: Broker,
    pub deadline: Option<EventKey>,
    pub paused_until: Option<Time>,
    pub crashed: bool,
}

/// Everything that there is, as one value.
#[derive(Clone, Debug)]
pub struct World {
    pub(super) seed: u64,
    pub(super) now: Time,
    pub(super) queue: BTreeMap<EventKey, Scheduled>,
    pub(super) next_sequence: u64,
    pub(super) servers: BTreeMap<BrokerId, Server>,
    /// Each at the place that its id says.
    pub(super) members: Vec<Member>,
    pub(super) connections: BTreeMap<ConnectionId, Connection>,
    pub(super) next_connection: u64,
    pub(super) next_op: u64,
    pub(super) completions: u64,
    pub(super) results: BTreeMap<OpId, Result<Outcome, Error>>,
    pub(super) latency: Latency,
    pub(super) latencies: Random,
    pub(super) faults: Faults,
    /// What the event at work is the cause of.
    pub(super) cause: Option<EventId>,
    /// Delivery reports on their way out.
    pub(super) outbox: Vec<DeliveryReport>,
    pub(super) effects: Vec<Effect>,
}

impl World {
    /// A world with one broker, at the beginning of virtual time.
    pub fn new(setup: &Setup) -> Result<Self, ConfigError> {
        let Setup { seed, latency, configs, faults } = setup.clone();
        let configs = parse_broker_file(&configs)?;
        let id = BrokerId(1);
        let cluster_id = "kafkarium".to_owned();
        let ids = Random::stream(seed, "topic ids");
        let broker = Broker::new(id, cluster_id, configs, ids);
        let server = Server { broker, deadline: None, paused_until: None, crashed: false };
        Ok(World {
            seed,
            now: Time::VIRTUAL_START,
            queue: BTreeMap::new(),
            next_sequence: 0,
            servers: BTreeMap::from([(id, server)]),
            members: Vec::new(),
            connections: BTreeMap::new(),
            next_connection: 0,
            next_op: 0,
            completions: 0,
            results: BTreeMap::new(),
            latency,
            latencies: Random::stream(seed, "latency"),
            faults: Faults::new(seed, faults),
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
        self.servers.values().map(|server| &server.broker)
    }

    /// Whether a call that had to wait is done.
    pub fn has_result(&self, op: OpId) -> bool {
        self.results.contains_key(&op)
    }

    /// How many records of a producer's batch there are; `None` when its fate is known, or when
    /// there has never been such a batch.
    pub fn batch_records(&self, batch: BatchId) -> Option<u32> {
        match &self.members.get(batch.producer.index())?.client {
            Client::Producer(producer) => producer.batch_records(batch.number),
            _ => None,
        }
    }

    /// Takes the result of a call that had to wait, once it is there.
    pub fn take_result(&mut self, op: OpId) -> Option<Result<Outcome, Error>> {
        self.results.remove(&op)
    }

    /// Forgets the results that nobody will take: in a replay.
    pub fn discard_results(&mut self) {
        self.results.clear();
        self.outbox.clear();
    }

    /// A consumer's state.
    pub fn consumer(&self, id: ClientId) -> Option<&Consumer> {
        match &self.members.get(id.index())?.client {
            Client::Consumer(consumer) => Some(consumer),
            _ => None,
        }
    }

    /// A number that rises whenever an event is queued or a call is done: while it stays, nobody who
    /// waits has anything to look at.
    pub fn activity(&self) -> u64 {
        self.next_sequence + self.completions
    }

    /// How many clients have been made.
    pub fn client_count(&self) -> usize {
        self.members.len()
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
            Input::Send(client, record) => Output::Sent(self.send(now, client, record, trace)),
            Input::SendOwned(client, record) => {
                Output::Sent(self.send(now, client, &record, trace))
            }
            Input::Create(config) => Output::Created(self.create(*config, trace)),
            Input::Call(client, call) => self.call(client, call, trace),
            Input::Abandon(client, op) => {
                self.results.remove(&op);
                if let Some(member) = self.members.get_mut(client.index()) {
                    member.client.abandon(op);
                }
                self.set_client_deadline(client);
                Output::Done
            }
            Input::Step => {
                let next = self.next_event();
                Output::Stepped(next.and_then(|key| self.happen(key, trace)))
            }
            Input::Deliver(key) => Output::Stepped(self.happen(key, trace)),
            Input::Tick => Output::Done,
            Input::Inject(fault) => {
                self.faults.script(*fault);
                Output::Done
            }
            Input::Crash(Node::Broker(broker)) => self.crash_broker(broker, trace),
            Input::Crash(Node::Client(client)) => self.crash_client(client, trace),
            Input::Restart(broker) => self.restart(broker, trace),
            Input::Pause(node, duration) => self.pause(node, duration, trace),
        }
    }

    fn create(&mut self, config: ClientConfig, trace: &mut Trace) -> ClientId {
        let id = ClientId(self.members.len() as u32);
        let bootstrap: Vec<BrokerId> = self.servers.keys().copied().collect();
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
        let (connections, deadline, paused_until) = (BTreeMap::new(), None, None);
        let member = Member { client, connections, deadline, paused_until };
        self.members.push(member);
        trace.record(self.now, None, self.actor(id), TraceEvent::Created);
        id
    }

    pub(super) fn actor(&self, id: ClientId) -> Actor {
        match self.members.get(id.index()).map(|member| &member.client) {
            Some(Client::Producer(_)) => Actor::Producer(id.0),
            Some(Client::Consumer(_)) => Actor::Consumer(id.0),
            Some(Client::Admin(_)) => Actor::Admin(id.0),
            None => Actor::User,
        }
    }

    /// [`apply`](World::apply) for an [`Input::Send`]: so many of them come that each copy of what
    /// goes in and comes out can be told in the throughput.
    #[inline(always)]
    pub fn send(
        &mut self,
        now: Time,
        id: ClientId,
        record: &Record<'_>,
        trace: &mut Trace,
    ) -> Sending {
        self.now = self.now.max(now);
        self.cause = None;
        let Some(Member { client: Client::Producer(producer), .. }) =
            self.members.get_mut(id.index())
        else {
            return Sending::failed(Error::Rewound);
        };
        let sending = producer.send(self.now, OpId(self.next_op), record, &mut self.effects);
        // The common case of many: nothing follows from it, no deadline changes.
        if !sending.joined_open_batch() || !self.effects.is_empty() {
            self.follow_send(id, trace);
        }
        sending
    }

    #[cold]
    fn follow_send(&mut self, id: ClientId, trace: &mut Trace) {
        self.next_op += 1;
        let effects = std::mem::take(&mut self.effects);
        self.carry_out(id, effects, trace);
    }

    fn call(&mut self, id: ClientId, call: Call, trace: &mut Trace) -> Output {
        let op = OpId(self.next_op);
        self.next_op += 1;
        let now = self.now;
        if let Some(name) = call.name() {
            self.cause = Some(trace.record(now, None, self.actor(id), TraceEvent::Called(name)));
        }
        let mut effects = std::mem::take(&mut self.effects);
        let Some(member) = self.members.get_mut(id.index()) else {
            return Output::Called(op, Progress::failed(Error::Rewound));
        };
        let progress = match (&mut member.client, call) {
            (Client::Producer(producer), Call::Flush) => producer.flush(op, &mut effects),
            (Client::Producer(producer), Call::CloseProducer(deadline)) => {
                producer.close(deadline, op, &mut effects)
            }
            (Client::Consumer(consumer), call) => {
                call_consumer(consumer, now, op, call, &mut effects)
            }
            (Client::Admin(admin), Call::Admin(request)) => {
                admin.call(now, op, *request, &mut effects)
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

    /// The event that is next, those of paused nodes put off until they go on.
    fn next_event(&mut self) -> Option<EventKey> {
        loop {
            let (&key, scheduled) = self.queue.first_key_value()?;
            let Some(until) = self.paused_until(&scheduled.event).filter(|&until| until > key.0)
            else {
                return Some(key);
            };
            let scheduled = self.queue.remove(&key)?;
            let later = (until, self.next_sequence);
            self.next_sequence += 1;
            match scheduled.event {
                Event::ClientDeadline(id) => {
                    if let Some(member) = self.members.get_mut(id.index()) {
                        member.deadline = Some(later);
                    }
                }
                Event::BrokerDeadline(id) => {
                    if let Some(server) = self.servers.get_mut(&id) {
                        server.deadline = Some(later);
                    }
                }
                _ => {}
            }
            self.queue.insert(later, scheduled);
        }
    }

    fn paused_until(&self, event: &Event) -> Option<Time> {
        let client =
            |id: ClientId| self.members.get(id.index()).and_then(|member| member.paused_until);
        let broker = |id| self.servers.get(&id).and_then(|server| server.paused_until);
        match event {
            Event::Request { route, .. } => broker(route.broker),
            Event::BrokerDeadline(id) => broker(*id),
            Event::Response { route, .. } | Event::Disconnected { route } => client(route.client),
            Event::ClientDeadline(id) => client(*id),
        }
    }

    /// Applies one event of the queue.
    fn happen(&mut self, key: EventKey, trace: &mut Trace) -> Option<EventId> {
        let Scheduled { cause, event } = self.queue.remove(&key)?;
        let is_timer = matches!(event, Event::ClientDeadline(_) | Event::BrokerDeadline(_));
        // A message that was chosen before its time arrives now; a deadline never comes early.
        if is_timer || self.next_due().is_none_or(|next| next >= key.0) {
            self.now = self.now.max(key.0);
        }
        self.cause = cause;
        Some(match event {
            Event::Request { route, correlation_id, request, reset } => {
                self.deliver_request(route, correlation_id, request, reset, trace)
            }
            Event::Response { route, correlation_id, response } => {
                self.deliver_response(route, correlation_id, response, trace)
            }
            Event::Disconnected { route } => self.deliver_disconnect(route, trace),
            Event::ClientDeadline(id) => {
                let timer = trace.record(self.now, cause, self.actor(id), TraceEvent::Timer);
                self.cause = Some(timer);
                if let Some(member) = self.members.get_mut(id.index()) {
                    member.deadline = None;
                }
                self.with_client(id, trace, |client, now, effects| {
                    client.on_deadline(now, effects);
                });
                timer
            }
            Event::BrokerDeadline(id) => {
                let timer = trace.record(self.now, cause, Actor::Broker(id), TraceEvent::Timer);
                self.cause = Some(timer);
                if let Some(server) = self.servers.get_mut(&id) {
                    server.deadline = None;
                    let effects = server.broker.on_deadline(self.now);
                    self.carry_out_broker(id, effects, trace);
                }
                timer
            }
        })
    }
}

fn call_consumer(
    consumer: &mut Consumer,
    now: Time,
    op: OpId,
    call: Call,
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
