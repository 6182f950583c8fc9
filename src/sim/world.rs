//! The world: brokers, clients, messages in flight, deadlines and the clock, as one value.
//!
//! [`World::apply`] is its only door. One step takes the next due event, applies it, and queues
//! what follows. A clone of the world is a snapshot of everything.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::fault::{Faults, RandomFaults};
use super::input::{ClientConfig, EventKey, Input, Node, Output};
use super::queue::{Event, EventQueue, Scheduled};
use super::trace::{Actor, Trace, TraceEvent};
use crate::broker::{Broker, ClusterId, ConnectionId};
use crate::client::admin::Admin;
use crate::client::consumer::Consumer;
use crate::client::producer::Producer;
use crate::client::record::Record;
use crate::client::{
    BatchId, Client, ClientId, DeliveryReport, Effect, OpId, Outcome, Receipt, Sending,
};
use crate::config::parse_broker_file;
use crate::error::Error;
use crate::random::Random;
use crate::storage::{BrokerDisk, DirectoryDisk, DiskFaults, FaultyDisk, MemoryDisk};
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
    /// Where the brokers' files lie.
    pub disk: DiskKind,
    /// Whose directory it is.
    pub cluster_id: ClusterId,
    /// When it begins.
    pub start: Time,
}

/// Where a broker's files lie.
#[derive(Clone, Debug)]
pub enum DiskKind {
    /// In memory.
    Memory,
    /// In memory, on a disk that fails on purpose.
    Faulty(DiskFaults),
    /// In a directory of the operating system.
    Directory(PathBuf),
}

/// A FIFO connection. Messages of one direction never overtake each other.
#[derive(Clone, Debug)]
pub(super) struct Connection {
    pub client: ClientId,
    pub last_request: Option<Time>,
    pub last_response: Option<Time>,
    /// A request, or a response, was lost: so is whatever follows.
    pub requests_lost: bool,
    pub responses_lost: bool,
}

#[derive(Clone, Debug)]
pub(super) struct ClientNode {
    pub client: Client,
    /// `client.id`.
    pub client_id: String,
    pub connections: BTreeMap<BrokerId, ConnectionId>,
    pub deadline: Option<EventKey>,
    pub paused_until: Option<Time>,
}

#[derive(Clone, Debug)]
pub(super) struct BrokerNode {
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
    pub(super) queue: EventQueue,
    pub(super) brokers: BTreeMap<BrokerId, BrokerNode>,
    /// Each at the place that its id says.
    pub(super) clients: Vec<ClientNode>,
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
    /// A world with one broker; in a directory that was used before, not earlier than it was left.
    pub fn new(setup: &Setup) -> Result<Self, Error> {
        let Setup { seed, latency, configs, faults, disk, cluster_id, start } = setup.clone();
        let configs = parse_broker_file(&configs)?;
        let id = BrokerId(1);
        let disk = match disk {
            DiskKind::Memory => BrokerDisk::Memory(MemoryDisk::new()),
            DiskKind::Faulty(rates) => BrokerDisk::Faulty(Box::new(FaultyDisk::new(rates, seed))),
            DiskKind::Directory(root) => {
                let opened = DirectoryDisk::open(root);
                let disk = opened.map_err(|error| Error::Storage(error.to_string()))?;
                BrokerDisk::Directory(Box::new(disk))
            }
        };
        let broker = Broker::new(id, &cluster_id, configs, seed, disk, start);
        let broker = broker.map_err(Error::Storage)?;
        let now = broker.started_at().max(start);
        let node = BrokerNode { broker, deadline: None, paused_until: None, crashed: false };
        Ok(World {
            seed,
            now,
            queue: EventQueue::new(),
            brokers: BTreeMap::from([(id, node)]),
            clients: Vec::new(),
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

    /// When the next event is due; [`Time::NEVER`] when there is none.
    #[inline]
    pub fn next_due(&self) -> Time {
        self.queue.next_due()
    }

    /// The brokers.
    pub fn brokers(&self) -> impl Iterator<Item = &Broker> {
        self.brokers.values().map(|node| &node.broker)
    }

    /// Whether a call that had to wait is done.
    pub fn has_result(&self, op: OpId) -> bool {
        self.results.contains_key(&op)
    }

    /// Where the record of a send that had to wait came to lie, until its result is taken.
    pub fn receipt(&self, op: OpId) -> Option<Receipt> {
        match self.results.get(&op) {
            Some(Ok(Outcome::Sent(receipt))) => Some(*receipt),
            _ => None,
        }
    }

    /// How many records of a producer's batch there are; `None` when its fate is known, or when
    /// there has never been such a batch.
    pub fn batch_records(&self, batch: BatchId) -> Option<u32> {
        match &self.clients.get(batch.producer.index())?.client {
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
        match &self.clients.get(id.index())?.client {
            Client::Consumer(consumer) => Some(consumer),
            _ => None,
        }
    }

    /// A number that rises whenever an event is queued or a call is done: while it stays, nobody
    /// who waits has anything to look at.
    pub fn activity(&self) -> u64 {
        self.queue.pushed() + self.completions
    }

    /// How many calls that had to wait have been done.
    pub fn completions(&self) -> u64 {
        self.completions
    }

    /// The calls whose results nobody has taken yet.
    pub fn done(&self) -> impl Iterator<Item = OpId> {
        self.results.keys().copied()
    }

    /// How many clients have been made.
    pub fn client_count(&self) -> usize {
        self.clients.len()
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
                self.abandon(client, |other| other == op);
                Output::Done
            }
            Input::AbandonAll => {
                self.results.clear();
                for client in (0..self.clients.len() as u32).map(ClientId) {
                    self.abandon(client, |_| true);
                }
                Output::Done
            }
            Input::Step => {
                let next = self.queue.first();
                Output::Stepped(next.and_then(|key| self.happen(key, trace)))
            }
            Input::Deliver(key) => Output::Stepped(self.happen(key, trace)),
            Input::Tick => Output::Done,
            Input::Inject(fault) => {
                self.faults.script(*fault);
                Output::Done
            }
            Input::Crash(Node::Broker(broker)) => {
                self.end_broker(broker, TraceEvent::Crashed, trace)
            }
            Input::Crash(Node::Client(client)) => self.crash_client(client, trace),
            Input::Restart(broker) => self.restart(broker, trace),
            Input::Stop(broker) => self.end_broker(broker, TraceEvent::Stopped, trace),
            Input::PowerOff(broker) => self.end_broker(broker, TraceEvent::PowerFailed, trace),
            Input::FlushLogs(broker) => self.flush_logs(broker, trace),
            Input::BreakDisk(broker, fault) => self.break_disk(broker, fault, trace),
            Input::Pause(node, duration) => self.pause(node, duration, trace),
        }
    }

    fn abandon(&mut self, id: ClientId, gone: impl Fn(OpId) -> bool) {
        if let Some(node) = self.clients.get_mut(id.index()) {
            node.client.abandon(gone);
        }
        self.set_client_deadline(id);
    }

    fn create(&mut self, config: ClientConfig, trace: &mut Trace) -> ClientId {
        let id = ClientId(self.clients.len() as u32);
        let bootstrap: Vec<BrokerId> = self.brokers.keys().copied().collect();
        let seed = self.seed;
        let client_id = client_id(id, &config);
        let client = match config {
            ClientConfig::Producer(config) => {
                Client::Producer(Box::new(Producer::new(id, config, bootstrap, seed)))
            }
            ClientConfig::Consumer(config, assignors) => {
                let consumer = Consumer::new(id, *config, assignors, bootstrap, seed);
                Client::Consumer(Box::new(consumer))
            }
            ClientConfig::Admin(config) => {
                Client::Admin(Box::new(Admin::new(id, config, bootstrap, seed)))
            }
        };
        let (connections, deadline, paused_until) = (BTreeMap::new(), None, None);
        let node = ClientNode { client, client_id, connections, deadline, paused_until };
        self.clients.push(node);
        trace.record(self.now, None, self.actor(id), TraceEvent::Created);
        self.set_client_deadline(id);
        id
    }

    pub(super) fn actor(&self, id: ClientId) -> Actor {
        match self.clients.get(id.index()).map(|node| &node.client) {
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
        let Some(ClientNode { client: Client::Producer(producer), .. }) =
            self.clients.get_mut(id.index())
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

    /// Until when a node does nothing, if it is paused.
    pub(super) fn paused_until(&self, node: Node) -> Option<Time> {
        let until = match node {
            Node::Client(id) => self.clients.get(id.index())?.paused_until,
            Node::Broker(id) => self.brokers.get(&id)?.paused_until,
        };
        until.filter(|&until| until > self.now)
    }

    /// Applies one event of the queue.
    fn happen(&mut self, key: EventKey, trace: &mut Trace) -> Option<EventId> {
        let Scheduled { cause, event } = self.queue.remove(&key)?;
        // A message that was chosen before its time arrives now. A deadline never comes early, and
        // nothing comes to a node that is paused.
        let early = !event.is_deadline() && self.paused_until(event.node()).is_none();
        if !early || self.next_due() >= key.0 {
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
                if let Some(node) = self.clients.get_mut(id.index()) {
                    node.deadline = None;
                }
                self.with_client(id, trace, |client, now, effects| {
                    client.on_deadline(now, effects);
                });
                timer
            }
            Event::BrokerDeadline(id) => {
                let timer = trace.record(self.now, cause, Actor::Broker(id), TraceEvent::Timer);
                self.cause = Some(timer);
                if let Some(node) = self.brokers.get_mut(&id) {
                    node.deadline = None;
                    let effects = node.broker.on_deadline(self.now);
                    self.carry_out_broker(id, effects, trace);
                }
                timer
            }
        })
    }
}

/// The name that a client has for brokers: a consumer's as Java's client makes it up.
fn client_id(id: ClientId, config: &ClientConfig) -> String {
    match config {
        ClientConfig::Producer(_) => format!("producer-{}", id.0),
        ClientConfig::Admin(_) => format!("admin-{}", id.0),
        ClientConfig::Consumer(config, _) => match (&*config.client_id, &config.group) {
            ("", None) => format!("consumer-{}", id.0),
            ("", Some(group)) => {
                let number = id.0.to_string();
                let last = group.group_instance_id.as_ref().unwrap_or(&number);
                format!("consumer-{}-{last}", group.group_id)
            }
            (given, _) => given.to_owned(),
        },
    }
}
