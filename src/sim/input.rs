//! What comes into the world, and what comes out.

use std::time::Duration;

use super::fault::{DiskFault, Fault};
use crate::api::Request;
use crate::client::consumer::{Assignors, Offsets, SeekTo, Topics};
use crate::client::record::Record;
use crate::client::{ClientId, OpId, Progress, Sending, UserAnswer};
use crate::config::{AdminConfig, ConsumerConfig, ProducerConfig};
use crate::types::{BrokerId, EventId, Time, Timestamp, TopicPartition};

/// Events are ordered by time, then by the order in which they were queued.
pub type EventKey = (Time, u64);

/// A broker or a client: what can crash and pause.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Node {
    /// A broker.
    Broker(BrokerId),
    /// A client.
    Client(ClientId),
}

impl From<BrokerId> for Node {
    fn from(id: BrokerId) -> Self {
        Node::Broker(id)
    }
}

impl From<ClientId> for Node {
    fn from(id: ClientId) -> Self {
        Node::Client(id)
    }
}

/// What the world is told from outside. Nothing else changes it.
#[derive(Clone, Debug)]
pub enum Input<'a> {
    /// Make a client.
    Create(Box<ClientConfig>),
    /// A producer is given a record.
    Send(ClientId, &'a Record<'a>),
    /// The same, for a journal.
    SendOwned(ClientId, Box<Record<'static>>),
    /// Any other call of a client.
    Call(ClientId, Call),
    /// Nobody waits for a call any more.
    Abandon(ClientId, OpId),
    /// Nobody waits for any call any more: the world is a copy, or has been put back.
    AbandonAll,
    /// Apply the next event, jumping to its time.
    Step,
    /// Apply this event next, whatever else is due before it.
    Deliver(EventKey),
    /// Only the time passes.
    Tick,
    /// Something is to go wrong.
    Inject(Box<Fault>),
    /// A broker or a client dies.
    Crash(Node),
    /// A broker comes back.
    Restart(BrokerId),
    /// A broker is shut down.
    Stop(BrokerId),
    /// The power of a broker's machine fails.
    PowerOff(BrokerId),
    /// A broker makes its logs durable.
    FlushLogs(BrokerId),
    /// Something goes wrong with a broker's disk.
    BreakDisk(BrokerId, DiskFault),
    /// A broker or a client does nothing for a while.
    Pause(Node, Duration),
}

/// Which client to make.
#[derive(Clone, Debug)]
pub enum ClientConfig {
    Producer(ProducerConfig),
    /// Its assignors, if it has a `group.id`.
    Consumer(Box<ConsumerConfig>, Option<Assignors>),
    Admin(AdminConfig),
}

/// A call of a client, [sends](Input::Send) put aside.
#[derive(Clone, Debug)]
pub enum Call {
    Flush,
    CloseProducer(Time),
    Assign(Vec<TopicPartition>),
    /// Whether there is a listener.
    Subscribe(Topics, bool),
    Unsubscribe,
    EnforceRebalance,
    /// What came of the user's code, and whether the call that waits for it is to go on.
    Answer(UserAnswer, bool),
    /// Whether to wait for it; all positions without offsets.
    Commit(Option<Offsets>, bool),
    Committed(Vec<TopicPartition>),
    Poll(Time),
    Seek(TopicPartition, SeekTo),
    SetPaused(Vec<TopicPartition>, bool),
    Position(TopicPartition),
    Lag(TopicPartition),
    LookUp(Vec<(TopicPartition, Timestamp)>),
    Admin(Box<Request>),
    Close,
}

/// What came of an input.
#[derive(Clone, Debug)]
pub enum Output {
    /// Nothing to say.
    Done,
    /// The new client.
    Created(ClientId),
    /// How the send went.
    Sent(Sending),
    /// The call's answer, or the number under which it will come.
    Called(OpId, Progress),
    /// The event that was applied; `None` when there was none.
    Stepped(Option<EventId>),
    /// There is no such broker or client; nothing has changed.
    NoSuchNode(Node),
    /// It makes no sense; nothing has changed.
    Refused(String),
    /// The broker cannot start on its disk, and stays down.
    CannotStart(String),
}

impl Input<'_> {
    /// The same input, independent of the caller's memory.
    pub fn detach(&self) -> Input<'static> {
        match self {
            Input::Create(config) => Input::Create(config.clone()),
            Input::Send(client, record) => Input::SendOwned(*client, Box::new(record.detach())),
            Input::SendOwned(client, record) => Input::SendOwned(*client, record.clone()),
            Input::Call(client, call) => Input::Call(*client, call.clone()),
            Input::Abandon(client, op) => Input::Abandon(*client, *op),
            Input::AbandonAll => Input::AbandonAll,
            Input::Step => Input::Step,
            Input::Deliver(key) => Input::Deliver(*key),
            Input::Tick => Input::Tick,
            Input::Inject(fault) => Input::Inject(fault.clone()),
            Input::Crash(node) => Input::Crash(*node),
            Input::Restart(broker) => Input::Restart(*broker),
            Input::Pause(node, duration) => Input::Pause(*node, *duration),
            Input::Stop(broker) => Input::Stop(*broker),
            Input::PowerOff(broker) => Input::PowerOff(*broker),
            Input::FlushLogs(broker) => Input::FlushLogs(*broker),
            Input::BreakDisk(broker, fault) => Input::BreakDisk(*broker, fault.clone()),
        }
    }
}

impl Call {
    /// What the trace calls it; a look at the lag does not stand there.
    pub fn name(&self) -> Option<&'static str> {
        Some(match self {
            Call::Lag(_) => return None,
            Call::Flush => "flush",
            Call::CloseProducer(_) | Call::Close => "close",
            Call::Assign(_) => "assign",
            Call::Subscribe(..) => "subscribe",
            Call::Unsubscribe => "unsubscribe",
            Call::EnforceRebalance => "enforce rebalance",
            Call::Answer(..) => "user code is done",
            Call::Commit(_, true) => "commit",
            Call::Commit(_, false) => "commit, not waiting",
            Call::Committed(_) => "committed",
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
