//! The producer: batches records, sends them, retries, and reports what became of each.
//!
//! `send` only appends to the [`accumulator`]; the *sender*, which runs whenever the producer's
//! deadline has come or a response has arrived, closes batches that have lingered, and sends each
//! broker what is ready for it. Kafka's producer has a thread for that; here it is an event of its
//! own, so that it can be stepped to.
//!
//! A batch ends in one of three ways, each a report for its records: appended, refused for good,
//! or expired after `delivery.timeout.ms`. With `enable.idempotence` it is appended once at most,
//! and in its turn: see [`idempotence`].
//!
//! # Simplifications versus Kafka
//! Topics are not forgotten after `metadata.max.idle.ms`. The adaptive partitioner weighs queues,
//! not the latency of brokers (`partitioner.availability.timeout.ms` is off by default in Kafka
//! too). There is no transaction yet.

mod accumulator;
mod idempotence;
mod identity;
mod sealed;
mod sender;
mod split;
#[cfg(test)]
mod tests;
mod waiting;

use std::collections::VecDeque;

use super::metadata::Metadata;
use super::network::{Backoff, Network};
use super::partitioner::{Choice, Partitioner};
use super::record::Record;
use super::{BatchId, ClientId, Effect, OpId, Progress, Sending};
use crate::api::Response;
use crate::config::ProducerConfig;
use crate::error::{Error, ErrorCode};
use crate::random::Random;
use crate::record::batch_size_bound;
use crate::types::{BrokerId, Time, Timestamp, TopicName, TopicPartition};

use accumulator::{Accumulator, Appended, HeaderRefs, PartitionQueue, Refused, headers};
use idempotence::Idempotence;
use sealed::SealedBatch;
use waiting::{Decided, WaitingSend};

/// Where a record was put: its batch, its place in it, and its timestamp.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// The batch.
    pub batch: BatchId,
    /// The record's place in the batch, from 0.
    pub index: u32,
    /// The partition.
    pub partition: i32,
    /// The record's timestamp.
    pub timestamp: Timestamp,
}

/// A call that waits until the fate of all earlier batches is known.
#[derive(Clone, Debug)]
struct WaitingFlush {
    op: OpId,
    below: u64,
}

/// Whether a producer takes records, and whether it sends them.
///
/// | state | takes records | sends | becomes |
/// |---|---|---|---|
/// | open | yes | yes | closing with `close`, closed with a crash, failed with a fatal error |
/// | closing | no | yes | closed when all is settled, when its time is over, with a crash; failed |
/// | failed | no | no; it has neither connections nor deadlines | closed with `close`, with a crash |
/// | closed | no | no; it has neither connections nor deadlines | – |
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Open,
    Closing { until: Time },
    Failed(ErrorCode),
    Closed,
}

/// What a producer remembers of a request.
#[derive(Clone, Debug)]
enum Sent {
    Metadata,
    InitProducerId,
    Produce(Vec<SealedBatch>),
}

/// A producer's state.
#[derive(Clone, Debug)]
pub struct Producer {
    id: ClientId,
    config: ProducerConfig,
    metadata: Metadata,
    network: Network<Sent>,
    accumulator: Accumulator,
    /// With `enable.idempotence`.
    idempotence: Option<Idempotence>,
    /// In the order of the calls.
    waiting: VecDeque<WaitingSend>,
    /// Of the record that has just been refused for want of memory.
    decided: Option<Decided>,
    flushes: Vec<WaitingFlush>,
    random: Random,
    /// The sender has something to look at.
    wake_sender: bool,
    /// When the sender last ran.
    ran_at: Time,
    state: State,
}

impl Producer {
    /// A producer that knows the brokers to ask first.
    pub fn new(
        id: ClientId,
        mut config: ProducerConfig,
        bootstrap: Vec<BrokerId>,
        seed: u64,
    ) -> Self {
        let reconnect = Backoff {
            initial_ms: config.reconnect_backoff_ms,
            max_ms: config.reconnect_backoff_max_ms,
        };
        let random = |purpose: &str| Random::stream(seed, &format!("producer {} {purpose}", id.0));
        let retry_ms = config.retry_backoff_ms as i64;
        let memory = config.buffer_memory;
        // Kafka takes linger.ms as an int, so that no delivery timeout is shorter.
        let linger_ms = config.linger_ms.min(i64::from(i32::MAX));
        // No batches at all are batches of one byte, which each record overfills.
        config.batch_size = config.batch_size.max(1);
        Producer {
            id,
            metadata: Metadata::new(bootstrap, true, retry_ms, config.metadata_max_age_ms),
            network: Network::new(reconnect, random("reconnect")),
            accumulator: Accumulator::new(config.batch_size, linger_ms, memory),
            idempotence: config.enable_idempotence.then(Idempotence::new),
            waiting: VecDeque::new(),
            decided: None,
            flushes: Vec::new(),
            random: random("partitions and retries"),
            // As Kafka's, it asks for its id whether or not there is something to send.
            wake_sender: config.enable_idempotence,
            ran_at: Time(0),
            state: State::Open,
            config,
        }
    }

    /// Puts a record into a batch, or waits for metadata or memory to do so.
    #[inline(always)]
    pub fn send(
        &mut self,
        now: Time,
        op: OpId,
        record: &Record<'_>,
        effects: &mut Vec<Effect>,
    ) -> Sending {
        if !matches!(self.state, State::Open) {
            return Sending::failed(self.refusal());
        }
        let sending = self.try_send(now, op, record, effects);
        if matches!(sending, Sending::Waiting(_)) {
            self.wait(now, op, record, effects);
        }
        sending
    }

    /// Why it takes no records.
    #[cold]
    fn refusal(&self) -> Error {
        match self.state {
            State::Failed(code) => identity::failure(code),
            State::Open | State::Closing { .. } | State::Closed => Error::Closed,
        }
    }

    /// Puts a record into a batch if that can be done at once.
    #[inline(always)]
    fn try_send(
        &mut self,
        now: Time,
        op: OpId,
        record: &Record<'_>,
        effects: &mut Vec<Effect>,
    ) -> Sending {
        if record.timestamp.is_some_and(|timestamp| timestamp.0 < 0) {
            let why = "a record's timestamp must not be negative";
            return Sending::failed(Error::InvalidArgument(why.to_owned()));
        }
        let topic = match self.find_topic(now, record.topic()) {
            Ok(Some(found)) => found,
            Ok(None) => return Sending::Waiting(op),
            Err(error) => return Sending::Failed(error),
        };
        let collected;
        let headers = match record.headers.is_empty() {
            true => &[][..],
            false => {
                collected = headers(record);
                &collected
            }
        };
        if let Err(error) = self.check_size(record, headers) {
            return Sending::Failed(error);
        }
        let timestamp = record.timestamp.unwrap_or_else(|| now.timestamp());
        let count = self.accumulator.topics[topic].queues.len() as i32;
        let queues = &mut self.accumulator.topics[topic];
        let (partition, sticky) = match record.partition {
            Some(partition) if (0..count).contains(&partition) => (partition, false),
            Some(partition) if partition < 0 => {
                let why = format!("partition {partition} is negative");
                return Sending::failed(Error::InvalidArgument(why));
            }
            Some(_) => {
                self.metadata.invalidate();
                return Sending::Waiting(op);
            }
            None => match queues.partitioner.choose(record.key_bytes(), count, &mut self.random) {
                Choice::Partition(partition) => (partition, false),
                Choice::AskUser => return Sending::ChoosePartition(count),
                Choice::Sticky => {
                    let loads = queues.queues.iter().map(PartitionQueue::load);
                    (queues.partitioner.sticky(loads, &mut self.random), true)
                }
            },
        };
        let slot = (topic, partition);
        match self.accumulator.append(now, slot, sticky, record, headers, timestamp, effects) {
            Ok(Appended { number, index, bytes, full, ready }) => {
                if sticky {
                    self.accumulator.topics[topic].partitioner.produced(bytes, full);
                }
                self.wake_sender |= ready;
                let batch = BatchId { producer: self.id, number };
                Sending::Buffered(Receipt { batch, index, partition, timestamp })
            }
            Err(Refused::SwitchPartition) => *self.send_elsewhere(now, op, record, effects),
            Err(Refused::NoMemory) => {
                let partition = (!sticky).then_some(partition);
                match self.refuse(Decided { partition, timestamp }) {
                    Ok(()) => Sending::Waiting(op),
                    Err(error) => Sending::Failed(error),
                }
            }
        }
    }

    /// Sends to another sticky partition. It begins with nothing, so that it takes the record. The
    /// answer is boxed, so that the common one need not lie in memory.
    #[cold]
    #[inline(never)]
    fn send_elsewhere(
        &mut self,
        now: Time,
        op: OpId,
        record: &Record<'_>,
        effects: &mut Vec<Effect>,
    ) -> Box<Sending> {
        self.wake_sender |= !self.accumulator.ready.is_empty();
        Box::new(self.try_send(now, op, record, effects))
    }

    /// The place of a topic whose partitions are known; `None` when the metadata is still to come.
    #[inline(always)]
    fn find_topic(&mut self, now: Time, name: &str) -> Result<Option<usize>, Box<Error>> {
        match self.accumulator.find(name) {
            Some(place) if !self.accumulator.topics[place].queues.is_empty() => Ok(Some(place)),
            found => self.meet_topic(now, name, found.is_none()),
        }
    }

    /// Asks for the partitions of a topic that is new to this producer.
    #[cold]
    fn meet_topic(
        &mut self,
        now: Time,
        name: &str,
        is_new: bool,
    ) -> Result<Option<usize>, Box<Error>> {
        if is_new {
            let topic = TopicName::from(name);
            let kind = self.config.partitioner;
            let ignore_keys = self.config.partitioner_ignore_keys;
            let partitioner = Partitioner::new(kind, ignore_keys, self.config.batch_size);
            self.metadata.want(now, &topic);
            self.wake_sender = true;
            self.accumulator.add(topic, partitioner);
        }
        match self.metadata.fatal_error(name) {
            Some(code) => Err(Box::new(Error::kafka(code, format!("topic '{name}'")))),
            None => Ok(None),
        }
    }

    #[inline(always)]
    fn check_size(&self, record: &Record<'_>, headers: HeaderRefs<'_>) -> Result<(), Box<Error>> {
        let size = batch_size_bound(record.key_bytes(), record.value_bytes(), headers);
        let too_large =
            |limit, config| Err(Box::new(Error::RecordTooLarge { size, limit, config }));
        if size as u64 > self.config.max_request_size as u64 {
            return too_large(self.config.max_request_size as u64, "max.request.size");
        }
        if size as u64 > self.config.buffer_memory {
            return too_large(self.config.buffer_memory, "buffer.memory");
        }
        Ok(())
    }

    /// Sends everything now and waits until its fate is known.
    pub fn flush(&mut self, op: OpId, effects: &mut Vec<Effect>) -> Progress {
        if !matches!(self.state, State::Open | State::Failed(_)) {
            return Progress::failed(Error::Closed);
        }
        self.wait_for_all(op, effects)
    }

    /// Like [`flush`](Producer::flush), but gives up at the deadline, and nothing can be sent any
    /// more.
    pub fn close(&mut self, deadline: Time, op: OpId, effects: &mut Vec<Effect>) -> Progress {
        if !matches!(self.state, State::Open | State::Failed(_)) {
            return Progress::DONE;
        }
        self.state = State::Closing { until: deadline };
        self.refuse_waiting(effects);
        let progress = self.wait_for_all(op, effects);
        if let Progress::Ready(_) = progress {
            self.end(effects);
        }
        progress
    }

    /// Dies: everything that is not settled is given up.
    pub fn crash(&mut self, effects: &mut Vec<Effect>) {
        self.refuse_waiting(effects);
        for flush in self.flushes.drain(..) {
            effects.push(Effect::Complete { op: flush.op, result: Err(Error::Closed) });
        }
        self.accumulator.seal_all(super::SealReason::Flush, effects);
        self.abort_incomplete_batches(&Error::Closed, effects);
        self.end(effects);
    }

    /// Nothing is left to do: it is closed, and so are its connections.
    fn end(&mut self, effects: &mut Vec<Effect>) {
        self.state = State::Closed;
        self.network.close(effects);
    }

    /// Its state, for a reader.
    pub fn describe(&self) -> String {
        let state = match self.state {
            State::Open => "open",
            State::Closing { .. } => "closing",
            State::Failed(_) => "failed",
            State::Closed => "closed",
        };
        format!("{state}, {} B of buffer.memory in use", self.accumulator.used())
    }

    fn wait_for_all(&mut self, op: OpId, effects: &mut Vec<Effect>) -> Progress {
        self.accumulator.seal_all(super::SealReason::Flush, effects);
        let below = self.accumulator.next_number();
        if self.accumulator.is_settled(below) {
            return Progress::DONE;
        }
        self.flushes.push(WaitingFlush { op, below });
        self.wake_sender = true;
        Progress::Pending
    }

    /// How many records of a batch there are, if its fate is open.
    pub fn batch_records(&self, number: u64) -> Option<u32> {
        self.accumulator.batch_records(number)
    }

    pub fn abandon(&mut self, gone: impl Fn(OpId) -> bool) {
        self.abandon_sends(&gone);
        self.flushes.retain(|flush| !gone(flush.op));
    }

    pub fn on_response(
        &mut self,
        now: Time,
        broker: BrokerId,
        correlation_id: i32,
        response: Response,
        effects: &mut Vec<Effect>,
    ) {
        match (self.network.answered(broker, correlation_id), response) {
            (Some(Sent::Metadata), Response::Metadata(response)) => {
                self.metadata.update(now, response);
                self.take_over_partitions();
            }
            (Some(Sent::InitProducerId), Response::InitProducerId(response)) => {
                self.on_producer_id(now, &response, effects);
            }
            (Some(Sent::Produce(batches)), Response::Produce(response)) => {
                self.on_produced(now, batches, &response.partitions, effects);
            }
            _ => {}
        }
        self.run(now, effects);
    }

    /// Gives each topic a queue for each partition that the metadata tells of.
    fn take_over_partitions(&mut self) {
        for topic in &mut self.accumulator.topics {
            let count = self.metadata.partition_count(&topic.name).unwrap_or(0);
            if count > topic.queues.len() {
                topic.queues.resize_with(count, Default::default);
            }
        }
    }

    pub fn on_disconnect(&mut self, now: Time, broker: BrokerId, effects: &mut Vec<Effect>) {
        self.lose_connection(now, broker, effects);
        self.run(now, effects);
    }

    pub fn on_deadline(&mut self, now: Time, effects: &mut Vec<Effect>) {
        self.run(now, effects);
    }

    /// The partition that a slot of the accumulator stands for.
    fn name_of(&self, (topic, partition): (usize, i32)) -> TopicPartition {
        TopicPartition { topic: self.accumulator.topics[topic].name.clone(), partition }
    }
}
