//! The producer's id: asked for before anything is sent, of whichever broker has the least to do.
//!
//! Kafka's sender does nothing else meanwhile. Here, too, nothing is sent without an id; but
//! batches grow old, and calls are answered.

use super::idempotence::{Idempotence, Initialized};
use super::{Producer, Sent, State};
use crate::api::{InitProducerIdRequest, InitProducerIdResponse, Request};
use crate::client::{ClientEvent, Effect, Outcome, SealReason};
use crate::error::{Error, ErrorCode};
use crate::types::Time;

/// What the broker says of a batch that no other batch of the producer will fare better with.
pub fn is_fatal(error: ErrorCode) -> bool {
    matches!(
        error,
        ErrorCode::ClusterAuthorizationFailed
            | ErrorCode::TransactionalIdAuthorizationFailed
            | ErrorCode::ProducerFenced
            | ErrorCode::UnsupportedVersion
            | ErrorCode::InvalidProducerIdMapping
    )
}

impl Producer {
    /// Asks for a producer id if there is none.
    pub(super) fn ask_for_producer_id(&mut self, now: Time, effects: &mut Vec<Effect>) {
        let Some(idempotence) = &mut self.idempotence else { return };
        if idempotence.asks_at().is_none_or(|due| due > now) {
            return;
        }
        let Some(broker) = self.network.least_loaded(now, self.metadata.brokers()) else { return };
        idempotence.asked();
        let request = Request::InitProducerId(InitProducerIdRequest::idempotent());
        let expected = Some((self.config.request_timeout_ms, Sent::InitProducerId));
        self.network.send(now, broker, request, expected, effects);
    }

    /// When that can be done next.
    pub(super) fn producer_id_deadline(&self) -> Option<Time> {
        let due = self.idempotence.as_ref().and_then(Idempotence::asks_at)?;
        Some(due.max(self.network.free_at(self.metadata.brokers())))
    }

    pub(super) fn on_producer_id(
        &mut self,
        now: Time,
        response: &InitProducerIdResponse,
        effects: &mut Vec<Effect>,
    ) {
        let again_at = now.after_ms(self.config.retry_backoff_ms as i64);
        let Some(idempotence) = &mut self.idempotence else { return };
        match idempotence.answered(response, again_at) {
            Initialized::Ready(producer) => {
                let (producer_id, epoch) = (producer.id, producer.epoch);
                let event = ClientEvent::ProducerIdSet { producer_id, epoch };
                effects.push(Effect::Event(event));
            }
            Initialized::Retry => {}
            Initialized::Refused(code) => {
                let why = Error::kafka(code, "the producer gets no id");
                self.abort_incomplete_batches(&why, effects);
            }
            Initialized::Fatal(code) => self.fail(code, effects),
        }
    }

    /// The request for a producer id is lost with its connection.
    pub(super) fn lose_producer_id(&mut self, now: Time) {
        let again_at = now.after_ms(self.config.retry_backoff_ms as i64);
        if let Some(idempotence) = &mut self.idempotence {
            idempotence.lost(again_at);
        }
    }

    /// Begins a new epoch if sequences are missing in the log.
    pub(super) fn bump_epoch(&mut self, effects: &mut Vec<Effect>) {
        let Some(idempotence) = &mut self.idempotence else { return };
        let Some((producer, slots)) = idempotence.resolve_and_bump() else { return };
        let (producer_id, epoch) = (producer.id, producer.epoch);
        let partitions = slots.into_iter().map(|slot| self.name_of(slot)).collect();
        effects.push(Effect::Event(ClientEvent::EpochBumped { producer_id, epoch, partitions }));
    }

    /// Gives up for good: what it has fails, and what comes.
    pub(super) fn fail(&mut self, code: ErrorCode, effects: &mut Vec<Effect>) {
        let error = failure(code);
        self.accumulator.seal_all(SealReason::Flush, effects);
        self.abort_incomplete_batches(&error, effects);
        self.state = State::Failed(code);
        for send in self.waiting.drain(..) {
            effects.push(Effect::Complete { op: send.op(), result: Err(error.clone()) });
        }
        for flush in self.flushes.drain(..) {
            effects.push(Effect::Complete { op: flush.op, result: Ok(Outcome::Done) });
        }
        self.network.close(effects);
    }
}

/// Why a producer that has failed takes nothing.
pub fn failure(code: ErrorCode) -> Error {
    Error::kafka(code, "the producer has failed for good")
}
