//! InitProducerId (22): the id under which an idempotent producer numbers its batches.

use crate::error::ErrorCode;
use crate::types::{ProducerEpoch, ProducerId};

/// A request for a producer id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InitProducerIdRequest {
    /// The transactional id; `None` for a producer that is idempotent only.
    pub transactional_id: Option<String>,
    /// After how long an idle transaction is aborted, in milliseconds; it matters only with a
    /// transactional id.
    pub transaction_timeout_ms: i32,
    /// The id that the producer has, or none. Without a transactional id a new one is given out
    /// whatever it is.
    pub producer_id: ProducerId,
    /// The epoch of that id, or none; the two go together.
    pub producer_epoch: ProducerEpoch,
}

impl InitProducerIdRequest {
    /// What a producer asks that is idempotent, but not transactional, as Kafka's clients write it.
    #[must_use]
    pub fn idempotent() -> Self {
        InitProducerIdRequest {
            transactional_id: None,
            transaction_timeout_ms: i32::MAX,
            producer_id: ProducerId::NONE,
            producer_epoch: ProducerEpoch::NONE,
        }
    }
}

/// The producer id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InitProducerIdResponse {
    /// `NONE`, or why there is no id.
    pub error_code: ErrorCode,
    /// The id; none with an error.
    pub producer_id: ProducerId,
    /// Its epoch, 0 for a new id; none with an error.
    pub producer_epoch: ProducerEpoch,
}

impl InitProducerIdResponse {
    /// The answer to a request that was refused.
    #[must_use]
    pub fn failed(error_code: ErrorCode) -> Self {
        InitProducerIdResponse {
            error_code,
            producer_id: ProducerId::NONE,
            producer_epoch: ProducerEpoch::NONE,
        }
    }
}
