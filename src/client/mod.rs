//! The clients: producer, consumer and admin, each a state machine without threads or clocks.
//!
//! A client takes calls, responses, disconnections and the passing of its deadline, each with the
//! time at which they happen, and answers with [`Effect`]s: requests to send, operations that are
//! done, events for the trace. It finds brokers and leaders by asking for metadata, as Kafka's
//! clients do, and knows nothing of the simulation that carries its requests.

pub mod admin;
pub mod assignor;
pub mod consumer;
mod metadata;
mod network;
pub mod partitioner;
pub mod producer;
pub mod record;
#[cfg(test)]
mod testing;

use std::collections::BTreeMap;

use crate::api::{Request, Response};
use crate::error::Error;
use crate::types::{
    BrokerId, Offset, ProducerEpoch, ProducerId, Time, Timestamp, TopicName, TopicPartition,
};

pub use consumer::PolledBatch;
pub use producer::Receipt;

/// Names a client of the world.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClientId(pub u32);

impl ClientId {
    /// Its place among the clients of the world, from 0.
    #[must_use]
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// Names a call that could not be answered at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OpId(pub u64);

/// Names a batch of a producer, from the moment when its first record is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BatchId {
    /// The producer.
    pub producer: ClientId,
    /// Its how-many-eth batch.
    pub number: u64,
}

/// How a call went: answered at once, or to be completed by later events.
#[derive(Clone, Debug)]
pub enum Progress {
    /// Done.
    Ready(Result<Outcome, Error>),
    /// An [`Effect::Complete`] with the call's [`OpId`] will follow.
    Pending,
}

impl Progress {
    /// Done, with nothing to say.
    pub const DONE: Progress = Progress::Ready(Ok(Outcome::Done));

    /// Done, with an error.
    pub fn failed(error: Error) -> Progress {
        Progress::Ready(Err(error))
    }
}

/// How a send went. There are millions of them, so it is small: its rare parts are boxed.
#[derive(Clone, Debug)]
pub enum Sending {
    /// The record is in a batch.
    Buffered(Receipt),
    /// The partitioner of the user is asked: so many partitions there are.
    ChoosePartition(i32),
    /// An [`Effect::Complete`] with [`Outcome::Sent`] or another one will follow.
    Waiting(OpId),
    /// It is in no batch.
    Failed(Box<Error>),
}

impl Sending {
    /// It failed.
    #[inline(always)]
    pub fn failed(error: Error) -> Sending {
        Sending::Failed(Box::new(error))
    }

    /// Whether the record was added to a batch that others are in already.
    #[inline]
    pub fn joined_open_batch(&self) -> bool {
        matches!(self, Sending::Buffered(receipt) if receipt.index > 0)
    }
}

/// What a call gives.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// Nothing beyond its success.
    Done,
    /// The record is in a batch.
    Sent(Receipt),
    /// The partitioner of the user is asked: so many partitions there are.
    ChoosePartition(i32),
    /// Batches with records for the user.
    Polled(Vec<PolledBatch>),
    /// One offset.
    Offset(Offset),
    /// A number of records, if it is known.
    Lag(Option<i64>),
    /// What a group has committed.
    Committed(consumer::Offsets),
    /// The user's code has to run, and the call to be made again then.
    UserCall(Box<UserCall>),
    /// Offsets of partitions, with the timestamps of the records there.
    Offsets(BTreeMap<TopicPartition, Option<(Offset, Timestamp)>>),
    /// What a broker answered to an admin; of several brokers the last one, with what all said.
    Response(BrokerId, Box<Response>),
}

/// What the user's code is to do for a consumer.
#[derive(Clone, Debug)]
pub enum UserCall {
    /// The listener is told what is revoked: it may commit for it still.
    Revoked(Vec<TopicPartition>),
    /// The listener is told what is assigned beyond what it had.
    Assigned(Vec<TopicPartition>),
    /// The listener is told what is lost: others may have it by now.
    Lost(Vec<TopicPartition>),
    /// An assignor of the user's own is to assign.
    Assign {
        /// Its name.
        assignor: String,
        /// How many partitions each topic has.
        partitions: BTreeMap<TopicName, i32>,
        /// The members.
        members: BTreeMap<String, assignor::Member>,
    },
}

/// What came of it.
#[derive(Clone, Debug)]
pub enum UserAnswer {
    /// It is done.
    Done,
    /// What each member gets.
    Assigned(consumer::GroupAssignment),
}

/// What became of some records of a batch.
#[derive(Clone, Debug)]
pub struct DeliveryReport {
    /// The batch.
    pub batch: BatchId,
    /// The first of the records, counted from 0 in the batch.
    pub first: u32,
    /// How many records.
    pub count: u32,
    /// The offset of the first one and the broker's timestamp (−1 for `CreateTime`), or why they
    /// were not delivered.
    pub result: Result<(Offset, Timestamp), Error>,
}

/// What a client wants done.
#[derive(Clone, Debug)]
pub enum Effect {
    /// Send a request, on a new connection if there is none.
    Send { broker: BrokerId, correlation_id: i32, request: Request },
    /// Close the connection to a broker.
    Disconnect { broker: BrokerId },
    /// A call is done.
    Complete { op: OpId, result: Result<Outcome, Error> },
    /// Records were delivered, or not.
    Report(DeliveryReport),
    /// Something happened that the trace shows.
    Event(ClientEvent),
}

/// What a client tells the trace.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ClientEvent {
    /// A batch was closed and waits to be sent.
    BatchReady {
        /// For which partition.
        partition: TopicPartition,
        /// How many records it has.
        records: u32,
        /// Its size with the header.
        bytes: u32,
        /// Why it was closed.
        reason: SealReason,
    },
    /// A batch will be sent again.
    Retry {
        /// For which partition.
        partition: TopicPartition,
        /// The how-many-eth retry.
        attempt: u32,
        /// How long the producer waits first, in milliseconds.
        backoff_ms: u64,
        /// Why.
        error: crate::error::ErrorCode,
    },
    /// A batch was too large for the broker and is sent in parts.
    Split {
        /// For which partition.
        partition: TopicPartition,
        /// Into how many.
        parts: u32,
    },
    /// An idempotent producer has an id, under which it numbers its batches.
    ProducerIdSet {
        /// Which.
        producer_id: ProducerId,
        /// In which epoch it begins.
        epoch: ProducerEpoch,
    },
    /// An idempotent producer begins a new epoch, as sequences of the old one are missing in the
    /// log.
    EpochBumped {
        /// Its id.
        producer_id: ProducerId,
        /// The new epoch.
        epoch: ProducerEpoch,
        /// Where the sequences were missing: they are counted from 0 again.
        partitions: Vec<TopicPartition>,
    },
    /// Records were given up.
    DeliveryFailed {
        /// For which partition.
        partition: TopicPartition,
        /// How many.
        records: u32,
        /// Why.
        why: String,
    },
    /// A request was not answered in time; its connection is closed.
    RequestTimedOut {
        /// By whom.
        broker: BrokerId,
    },
    /// A call waits for memory of `buffer.memory`.
    BufferExhausted {
        /// How much is in use.
        used: u64,
    },
    /// The next read position was set by `auto.offset.reset` or a seek.
    PositionReset {
        /// Where.
        partition: TopicPartition,
        /// To.
        offset: Offset,
    },
    /// The next read position is the one that the group has committed.
    PositionCommitted {
        /// Where.
        partition: TopicPartition,
        /// To.
        offset: Offset,
    },
    /// A member sets about joining its group (again).
    Rejoin {
        /// Which.
        group_id: String,
        /// Why.
        why: &'static str,
    },
    /// What a member is in the eyes of its group has changed.
    MemberState {
        /// From.
        from: consumer::MemberState,
        /// To.
        to: consumer::MemberState,
        /// In which generation; −1 for none.
        generation: i32,
    },
    /// A member gives up partitions, in good order.
    PartitionsRevoked {
        /// Which.
        partitions: Vec<TopicPartition>,
    },
    /// A member has lost partitions: others may have them.
    PartitionsLost {
        /// Which.
        partitions: Vec<TopicPartition>,
    },
    /// A member has its assignment.
    PartitionsAssigned {
        /// What it has beyond what it had.
        partitions: Vec<TopicPartition>,
        /// How many it has now.
        owned: u32,
    },
    /// Offsets were committed.
    OffsetsCommitted {
        /// The next offset to read, by partition.
        offsets: Vec<(TopicPartition, Offset)>,
    },
    /// Offsets were not committed.
    CommitFailed {
        /// Why.
        why: String,
    },
    /// Nobody has polled for `max.poll.interval.ms`.
    PollIntervalExceeded,
    /// The position was outside the log.
    OutOfRange {
        /// Where.
        partition: TopicPartition,
        /// The position.
        offset: Offset,
    },
}

/// Why a batch was closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SealReason {
    /// The next record does not fit below `batch.size`.
    Full,
    /// `linger.ms` is over.
    Linger,
    /// `flush` or `close` was called.
    Flush,
    /// A call waits for memory.
    Memory,
}

/// Any client.
#[derive(Clone, Debug)]
pub enum Client {
    /// A producer.
    Producer(Box<producer::Producer>),
    /// A consumer.
    Consumer(Box<consumer::Consumer>),
    /// An admin client.
    Admin(Box<admin::Admin>),
}

macro_rules! each_client {
    ($self:ident, $client:ident => $call:expr) => {
        match $self {
            Client::Producer($client) => $call,
            Client::Consumer($client) => $call,
            Client::Admin($client) => $call,
        }
    };
}

impl Client {
    /// A response has arrived.
    pub fn on_response(
        &mut self,
        now: Time,
        broker: BrokerId,
        correlation_id: i32,
        response: Response,
        effects: &mut Vec<Effect>,
    ) {
        each_client!(self, client => {
            client.on_response(now, broker, correlation_id, response, effects);
        });
    }

    /// The connection to a broker is gone.
    pub fn on_disconnect(&mut self, now: Time, broker: BrokerId, effects: &mut Vec<Effect>) {
        each_client!(self, client => client.on_disconnect(now, broker, effects));
    }

    /// The deadline has come.
    pub fn on_deadline(&mut self, now: Time, effects: &mut Vec<Effect>) {
        each_client!(self, client => client.on_deadline(now, effects));
    }

    /// When [`on_deadline`](Client::on_deadline) wants to be called.
    pub fn next_deadline(&self) -> Option<Time> {
        each_client!(self, client => client.next_deadline())
    }

    /// Nobody waits for a call any more.
    pub fn abandon(&mut self, gone: impl Fn(OpId) -> bool) {
        each_client!(self, client => client.abandon(gone));
    }

    /// It dies: whatever waits fails with [`Error::Closed`], nothing more is sent.
    pub fn crash(&mut self, effects: &mut Vec<Effect>) {
        match self {
            Client::Producer(producer) => producer.crash(effects),
            Client::Consumer(consumer) => drop(consumer.stop(effects)),
            Client::Admin(admin) => drop(admin.close(effects)),
        }
    }

    /// Its parts and their states, for a reader.
    pub fn describe(&self) -> Vec<(String, String)> {
        match self {
            Client::Producer(producer) => vec![(String::new(), producer.describe())],
            Client::Consumer(consumer) => consumer.describe(),
            Client::Admin(_) => Vec::new(),
        }
    }
}
