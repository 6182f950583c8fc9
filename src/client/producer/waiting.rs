//! The calls of `send` that wait: for the metadata of their topic, or for memory.
//!
//! Who waits for metadata holds up nobody else, as in Kafka, where each thread waits by itself. Who
//! waits for memory has everything sealed that is open, and comes before newcomers that need a new
//! batch; records that join an open batch need no memory.
//!
//! What is decided of a record stays so while it waits for memory: its timestamp, and its partition
//! unless that is the sticky one. Kafka, too, asks its partitioner once, before it asks for memory.

use std::time::Duration;

use super::{Producer, Record, TopicName};
use crate::client::{ClientEvent, Effect, OpId, Outcome, Sending};
use crate::error::Error;
use crate::types::{Time, Timestamp};

/// A call of `send` that waits.
#[derive(Clone, Debug)]
pub struct WaitingSend {
    op: OpId,
    record: Record<'static>,
    since: Time,
    for_memory: bool,
}

impl WaitingSend {
    pub fn op(&self) -> OpId {
        self.op
    }
}

/// What is decided of a record that waits for memory.
#[derive(Clone, Copy, Debug)]
pub struct Decided {
    /// `None` for whatever the sticky partition is.
    pub partition: Option<i32>,
    pub timestamp: Timestamp,
}

impl Producer {
    /// Keeps a record that no batch has taken.
    #[cold]
    pub(super) fn wait(
        &mut self,
        now: Time,
        op: OpId,
        record: &Record<'_>,
        effects: &mut Vec<Effect>,
    ) {
        self.metadata.want(now, &TopicName::from(record.topic()));
        self.wake_sender = true;
        let record = record.detach();
        self.keep(WaitingSend { op, record, since: now, for_memory: false }, effects);
    }

    /// Answers a send for which there is no memory: it waits for some, or fails if there can never
    /// be enough.
    #[cold]
    #[inline(never)]
    pub(super) fn refuse(&mut self, decided: Decided) -> Result<(), Box<Error>> {
        let (needed, memory) = (self.config.batch_size, self.config.buffer_memory);
        if needed as u64 > memory {
            let why = format!("a batch takes {needed} bytes, buffer.memory has {memory}");
            return Err(Box::new(Error::InvalidArgument(why)));
        }
        self.decided = Some(decided);
        Ok(())
    }

    fn keep(&mut self, mut send: WaitingSend, effects: &mut Vec<Effect>) {
        if let Some(Decided { partition, timestamp }) = self.decided.take() {
            if !send.for_memory {
                let used = self.accumulator.used();
                effects.push(Effect::Event(ClientEvent::BufferExhausted { used }));
            }
            send.for_memory = true;
            send.record.partition = partition;
            send.record.timestamp = Some(timestamp);
            self.accumulator.claimed = true;
        }
        self.waiting.push_back(send);
    }

    /// Tries the calls again that wait, in their order.
    pub(super) fn retry_waiting(&mut self, now: Time, effects: &mut Vec<Effect>) {
        self.accumulator.claimed = false;
        for send in std::mem::take(&mut self.waiting) {
            let result = match self.try_send(now, send.op, &send.record, effects) {
                Sending::Buffered(receipt) => Ok(Outcome::Sent(receipt)),
                Sending::ChoosePartition(count) => Ok(Outcome::ChoosePartition(count)),
                Sending::Failed(error) => Err(*error),
                Sending::Waiting(_) if send.since.after_ms(self.config.max_block_ms) <= now => {
                    self.decided = None;
                    Err(self.blocked_too_long(&send.record))
                }
                Sending::Waiting(_) => {
                    self.keep(send, effects);
                    continue;
                }
            };
            effects.push(Effect::Complete { op: send.op, result });
        }
    }

    fn blocked_too_long(&self, record: &Record<'_>) -> Error {
        let topic = record.topic();
        let what = match (self.metadata.partition_count(topic), record.partition) {
            (None, _) => {
                format!("topic '{topic}' is not in the metadata: {}", self.metadata.error(topic))
            }
            (Some(count), Some(partition)) if partition as usize >= count => {
                format!("partition {partition} of '{topic}', which has {count}, does not exist")
            }
            _ => format!(
                "no memory for another batch: {} of {} bytes of buffer.memory are in use",
                self.accumulator.used(),
                self.config.buffer_memory
            ),
        };
        Error::Timeout { what, after: Duration::from_millis(self.config.max_block_ms as u64) }
    }

    pub(super) fn waits_for_memory(&self) -> bool {
        self.waiting.iter().any(|send| send.for_memory)
    }

    /// When the first of them has waited for too long.
    pub(super) fn waiting_deadline(&self) -> Option<Time> {
        self.waiting.iter().map(|send| send.since.after_ms(self.config.max_block_ms)).min()
    }

    /// Nobody waits for a call any more.
    pub(super) fn abandon_sends(&mut self, gone: impl Fn(OpId) -> bool) {
        self.waiting.retain(|send| !gone(send.op));
        self.accumulator.claimed = self.waits_for_memory();
    }

    /// Whoever waits will not be served.
    pub(super) fn refuse_waiting(&mut self, effects: &mut Vec<Effect>) {
        for send in self.waiting.drain(..) {
            effects.push(Effect::Complete { op: send.op, result: Err(Error::Closed) });
        }
    }
}
