//! The sender: what the producer does when its deadline has come or an answer has arrived.
//!
//! In this order: requests and batches that are too old are given up; a new epoch begins where that
//! left a gap; calls that waited for metadata or memory are tried again; batches that have lingered
//! are closed; metadata and a producer id are asked for; each broker is sent what is ready for it, one batch a partition in a request, as long as
//! `max.in.flight.requests.per.connection` allows.

use std::collections::BTreeMap;
use std::time::Duration;

use super::accumulator::Slot;
use super::identity::is_fatal;
use super::sealed::SealedBatch;
use super::{Producer, Sent, State};
use crate::api::{ProducePartition, ProduceRequest, ProducedPartition, Request};
use crate::client::network::Backoff;
use crate::client::{BatchId, ClientEvent, DeliveryReport, Effect, Outcome, SealReason};
use crate::config::Acks;
use crate::error::{Error, ErrorCode};
use crate::types::{BrokerId, Offset, Time, Timestamp};

impl Producer {
    pub(super) fn run(&mut self, now: Time, effects: &mut Vec<Effect>) {
        self.wake_sender = false;
        self.ran_at = now;
        if matches!(self.state, State::Failed(_) | State::Closed) {
            return;
        }
        while let Some(broker) = self.network.timed_out(now) {
            effects.push(Effect::Event(ClientEvent::RequestTimedOut { broker }));
            effects.push(Effect::Disconnect { broker });
            self.lose_connection(now, broker, effects);
        }
        self.metadata.refresh_if_old(now);
        self.expire(now, effects);
        self.bump_epoch(effects);
        self.retry_waiting(now, effects);
        self.accumulator.seal_lingered(now, effects);
        if self.waits_for_memory() {
            self.accumulator.seal_all(SealReason::Memory, effects);
        }
        let used = self.accumulator.used();
        self.ask_for_producer_id(now, effects);
        self.ask_for_metadata(now, effects);
        while self.send_ready(now, effects) {}
        self.finish_flushes(now, effects);
        // With acks=0 a batch is settled when it is sent, and its memory free for who waits for it.
        self.wake_sender = self.waits_for_memory() && self.accumulator.used() < used;
    }

    /// When the sender has to run again.
    pub fn next_deadline(&self) -> Option<Time> {
        let closing = match self.state {
            State::Failed(_) | State::Closed => return None,
            State::Closing { until } => Some(until),
            State::Open => None,
        };
        if self.wake_sender {
            return Some(Time(0));
        }
        let timeout_ms = self.config.delivery_timeout_ms;
        let backoffs = self.accumulator.ready.iter().filter_map(|slot| self.ready_at(*slot));
        let candidates = [
            self.accumulator.oldest().map(|created| created.after_ms(timeout_ms)),
            self.network.next_deadline(),
            self.metadata_deadline(),
            self.producer_id_deadline(),
            self.waiting_deadline(),
            closing,
        ];
        // What the last run did not do, another one at the same time would not do either. Batches
        // begin to linger between two runs.
        let candidates = candidates.into_iter().flatten().filter(|&due| due > self.ran_at);
        self.accumulator.next_linger().into_iter().chain(candidates).chain(backoffs).min()
    }

    /// When a sealed batch stops waiting for its backoff or its broker's. One that waits for a
    /// leader or for a free place in flight is woken by an answer.
    fn ready_at(&self, slot: Slot) -> Option<Time> {
        let queue = &self.accumulator.topics[slot.0].queues[slot.1 as usize];
        let front = queue.sealed.front()?;
        let (leader, _) = self.metadata.leader(&self.name_of(slot))?;
        let blocked = self.network.blocked_until(Time(0), leader);
        let due = front.not_before.max(blocked.unwrap_or(Time(0)));
        (due > self.ran_at).then_some(due)
    }

    fn metadata_deadline(&self) -> Option<Time> {
        let due = self.metadata.next_deadline()?;
        Some(due.max(self.network.free_at(self.metadata.brokers())))
    }

    fn ask_for_metadata(&mut self, now: Time, effects: &mut Vec<Effect>) {
        let Some(broker) = self.network.least_loaded(now, self.metadata.brokers()) else { return };
        if let Some(request) = self.metadata.next_request(now) {
            let expected = Some((self.config.request_timeout_ms, Sent::Metadata));
            self.network.send(now, broker, Request::Metadata(request), expected, effects);
        }
    }

    /// Gives up what is older than `delivery.timeout.ms`, in the queues and in flight.
    fn expire(&mut self, now: Time, effects: &mut Vec<Effect>) {
        let timeout = Duration::from_millis(self.config.delivery_timeout_ms as u64);
        let Some(oldest) = self.accumulator.oldest() else { return };
        if oldest.after(timeout) > now {
            return;
        }
        let limit = Time(now.0 - timeout.as_micros() as u64);
        self.accumulator.seal_old(limit, effects);
        let mut expired = self.accumulator.take_expired(limit);
        for sent in self.network.contexts_mut() {
            if let Sent::Produce(batches) = sent {
                let (old, young) = std::mem::take(batches)
                    .into_iter()
                    .partition::<Vec<_>, _>(|batch| batch.created <= limit);
                *batches = young;
                for batch in &old {
                    self.accumulator.remove_from_in_flight(batch.slot);
                }
                expired.extend(old);
            }
        }
        for batch in expired {
            let what = format!(
                "{} records for {} were not delivered within delivery.timeout.ms",
                batch.batch.record_count(),
                self.name_of(batch.slot)
            );
            self.fail_batch(&batch, Error::Timeout { what, after: timeout }, effects);
        }
    }

    /// Sends one request to each broker for which something is ready; says whether it did.
    fn send_ready(&mut self, now: Time, effects: &mut Vec<Effect>) -> bool {
        let mut requests: BTreeMap<BrokerId, Vec<SealedBatch>> = BTreeMap::new();
        let mut sizes: BTreeMap<BrokerId, usize> = BTreeMap::new();
        let slots: Vec<Slot> = self.accumulator.ready.iter().copied().collect();
        for slot in slots {
            let Some((leader, _)) = self.metadata.leader(&self.name_of(slot)) else {
                self.metadata.invalidate();
                continue;
            };
            let queue = &self.accumulator.topics[slot.0].queues[slot.1 as usize];
            let Some(front) = queue.sealed.front() else { continue };
            let size = sizes.entry(leader).or_default();
            let bytes = front.batch.size_in_bytes();
            let fits = *size == 0 || *size + bytes <= self.config.max_request_size;
            // With one request in flight nothing may overtake what is being sent.
            let max_in_flight = self.config.max_in_flight;
            let known = self.idempotence.as_ref();
            let in_order = (max_in_flight > 1 || queue.in_flight == 0)
                && known.is_none_or(|known| known.may_drain(slot, front.key()));
            if fits
                && in_order
                && self.network.is_ready(now, leader, max_in_flight)
                && let Some(batch) = self.accumulator.drain(now, slot)
            {
                *size += bytes;
                let batch = match &mut self.idempotence {
                    None => batch,
                    Some(known) => {
                        let records = batch.batch.record_count();
                        let stamp = known.stamp(slot, batch.key(), records);
                        batch.stamped(stamp)
                    }
                };
                requests.entry(leader).or_default().push(batch);
            }
        }
        self.ask_for_metadata(now, effects);
        let any = !requests.is_empty();
        for (broker, batches) in requests {
            self.send_batches(now, broker, batches, effects);
        }
        any
    }

    fn send_batches(
        &mut self,
        now: Time,
        broker: BrokerId,
        batches: Vec<SealedBatch>,
        effects: &mut Vec<Effect>,
    ) {
        let partition = |batch: &SealedBatch| ProducePartition {
            partition: self.name_of(batch.slot),
            records: batch.batch.clone(),
        };
        let request = Request::Produce(ProduceRequest {
            acks: self.config.acks as i16,
            timeout_ms: self.config.request_timeout_ms as i32,
            partitions: batches.iter().map(partition).collect(),
        });
        if self.config.acks == Acks::None {
            self.network.send(now, broker, request, None, effects);
            for batch in batches {
                self.accumulator.remove_from_in_flight(batch.slot);
                self.delivered(&batch, Offset(-1), Timestamp::NONE, effects);
            }
        } else {
            let expected = Some((self.config.request_timeout_ms, Sent::Produce(batches)));
            self.network.send(now, broker, request, expected, effects);
        }
    }

    pub(super) fn on_produced(
        &mut self,
        now: Time,
        batches: Vec<SealedBatch>,
        results: &[ProducedPartition],
        effects: &mut Vec<Effect>,
    ) {
        for batch in batches {
            let name = self.name_of(batch.slot);
            self.accumulator.remove_from_in_flight(batch.slot);
            let result = results.iter().find(|result| result.partition == name);
            let error = result.map_or(ErrorCode::UnknownServerError, |result| result.error_code);
            match (error, result) {
                // The last one says that the batch is in the log, but not where.
                (ErrorCode::None | ErrorCode::DuplicateSequenceNumber, Some(result)) => {
                    self.delivered(&batch, result.base_offset, result.log_append_time, effects);
                }
                (ErrorCode::MessageTooLarge, _) if batch.batch.record_count() > 1 => {
                    self.split(&batch, effects);
                }
                _ => {
                    let message = result.and_then(|result| result.error_message.clone());
                    let log_start = result.map_or(Offset(-1), |result| result.log_start_offset);
                    self.retry_or_fail(now, batch, error, log_start, message, effects);
                }
            }
            if self.idempotence.is_some() && is_fatal(error) {
                return self.fail(error, effects);
            }
        }
    }

    pub(super) fn lose_connection(
        &mut self,
        now: Time,
        broker: BrokerId,
        effects: &mut Vec<Effect>,
    ) {
        self.metadata.invalidate();
        for sent in self.network.disconnected(now, broker) {
            match sent {
                Sent::Metadata => self.metadata.failed(now),
                Sent::InitProducerId => self.lose_producer_id(now),
                Sent::Produce(batches) => {
                    for batch in batches {
                        self.accumulator.remove_from_in_flight(batch.slot);
                        let error = ErrorCode::NetworkException;
                        self.retry_or_fail(now, batch, error, Offset(-1), None, effects);
                    }
                }
            }
        }
    }

    fn retry_or_fail(
        &mut self,
        now: Time,
        mut batch: SealedBatch,
        error: ErrorCode,
        log_start_offset: Offset,
        message: Option<String>,
        effects: &mut Vec<Effect>,
    ) {
        let deadline = batch.created.after_ms(self.config.delivery_timeout_ms);
        let in_time = deadline > now && i64::from(batch.attempts) < self.config.retries;
        if !in_time || !self.can_retry(&batch, error, log_start_offset) {
            let context = message.unwrap_or_else(|| format!("{}", self.name_of(batch.slot)));
            self.fail_batch(&batch, Error::kafka(error, context), effects);
            return;
        }
        if error != ErrorCode::NetworkException {
            self.metadata.invalidate();
        }
        batch.attempts += 1;
        let backoff = Backoff {
            initial_ms: self.config.retry_backoff_ms,
            max_ms: self.config.retry_backoff_max_ms,
        };
        let backoff_ms = backoff.after(batch.attempts, &mut self.random);
        batch.not_before = now.after_ms(backoff_ms as i64);
        let partition = self.name_of(batch.slot);
        let attempt = batch.attempts;
        effects.push(Effect::Event(ClientEvent::Retry { partition, attempt, backoff_ms, error }));
        self.accumulator.reenqueue(batch);
    }

    fn can_retry(&mut self, batch: &SealedBatch, error: ErrorCode, log_start: Offset) -> bool {
        match (&mut self.idempotence, batch.sent_as()) {
            (Some(idempotence), Some(sent)) => {
                idempotence.can_retry(batch.slot, batch.key(), sent, error, log_start)
            }
            _ => error.is_retriable(),
        }
    }

    fn delivered(
        &mut self,
        batch: &SealedBatch,
        base_offset: Offset,
        log_append_time: Timestamp,
        effects: &mut Vec<Effect>,
    ) {
        if let Some(idempotence) = &mut self.idempotence {
            idempotence.completed(batch.slot, batch.key());
        }
        self.report(batch, Ok((base_offset, log_append_time)), effects);
    }

    fn fail_batch(&mut self, batch: &SealedBatch, error: Error, effects: &mut Vec<Effect>) {
        if let Some(idempotence) = &mut self.idempotence {
            idempotence.failed(batch.slot, batch.key());
        }
        effects.push(Effect::Event(ClientEvent::DeliveryFailed {
            partition: self.name_of(batch.slot),
            records: batch.batch.record_count() as u32,
            why: error.to_string(),
        }));
        self.report(batch, Err(error), effects);
    }

    fn report(
        &mut self,
        batch: &SealedBatch,
        result: Result<(Offset, Timestamp), Error>,
        effects: &mut Vec<Effect>,
    ) {
        self.accumulator.finish(batch.number, batch.reserved);
        effects.push(Effect::Report(DeliveryReport {
            batch: BatchId { producer: self.id, number: batch.number },
            first: batch.first,
            count: batch.batch.record_count() as u32,
            result,
        }));
    }

    /// Answers those who wait for everything to be settled, `close` among them.
    fn finish_flushes(&mut self, now: Time, effects: &mut Vec<Effect>) {
        if matches!(self.state, State::Closing { until } if until <= now) {
            self.abort_incomplete_batches(&Error::Closed, effects);
        }
        for flush in std::mem::take(&mut self.flushes) {
            if self.accumulator.is_settled(flush.below) {
                effects.push(Effect::Complete { op: flush.op, result: Ok(Outcome::Done) });
            } else {
                self.flushes.push(flush);
            }
        }
        let all = self.accumulator.next_number();
        if self.state != State::Open && self.accumulator.is_settled(all) {
            self.end(effects);
        }
    }

    /// Gives up everything: the time that `close` was given is over, or no broker takes it.
    pub(super) fn abort_incomplete_batches(&mut self, why: &Error, effects: &mut Vec<Effect>) {
        let mut doomed = self.accumulator.take_expired(Time::NEVER);
        for sent in self.network.contexts_mut() {
            if let Sent::Produce(batches) = sent {
                for batch in &*batches {
                    self.accumulator.remove_from_in_flight(batch.slot);
                }
                doomed.append(batches);
            }
        }
        for batch in doomed {
            self.fail_batch(&batch, why.clone(), effects);
        }
    }
}
