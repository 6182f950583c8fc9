//! InitProducerId: producer ids, which the controller gives out in blocks.
//!
//! A broker takes a block of 1000 ids with a metadata record, and gives them out one by one. What
//! is left of its block is lost when it restarts, so that no id is ever given out twice.
//!
//! # Simplifications versus Kafka
//!
//! The controller lies in the same broker, so a block is there at once. Kafka's broker asks for it
//! over the network, answers `COORDINATOR_LOAD_IN_PROGRESS` meanwhile, and takes the next block
//! when nine tenths of the present one are used up.

use super::Broker;
use super::controller::ControllerContext;
use super::metadata::MetadataRecord;
use crate::api::{InitProducerIdRequest, InitProducerIdResponse};
use crate::error::ErrorCode;
use crate::types::{BrokerId, ProducerEpoch, ProducerId, Time};

/// How many ids a broker takes at a time.
const BLOCK: i64 = 1000;

impl Broker {
    /// Gives a new id to a producer without a transactional id, whatever id it had.
    pub(super) fn init_producer_id(
        &mut self,
        now: Time,
        request: &InitProducerIdRequest,
    ) -> InitProducerIdResponse {
        let without_id = request.producer_id == ProducerId::NONE;
        if without_id != (request.producer_epoch == ProducerEpoch::NONE) {
            return InitProducerIdResponse::failed(ErrorCode::InvalidRequest);
        }
        match &request.transactional_id {
            None => match self.next_producer_id(now) {
                Ok(producer_id) => InitProducerIdResponse {
                    error_code: ErrorCode::None,
                    producer_id,
                    producer_epoch: ProducerEpoch(0),
                },
                Err(error) => InitProducerIdResponse::failed(error),
            },
            Some(id) if id.is_empty() => InitProducerIdResponse::failed(ErrorCode::InvalidRequest),
            // There is no transaction coordinator yet.
            Some(_) => InitProducerIdResponse::failed(ErrorCode::UnsupportedVersion),
        }
    }

    fn next_producer_id(&mut self, now: Time) -> Result<ProducerId, ErrorCode> {
        if self.producer_ids.is_empty() {
            let (broker, epoch) = (self.id, self.broker_epoch);
            let (record, block) = self.controller().allocate_producer_ids(broker, epoch)?;
            self.commit(now, &[record]);
            self.producer_ids = block;
        }
        self.producer_ids.next().map(ProducerId).ok_or(ErrorCode::UnknownServerError)
    }
}

impl ControllerContext<'_> {
    /// The next block of producer ids for a broker: the record that gives it away, and its ids.
    fn allocate_producer_ids(
        &self,
        broker_id: BrokerId,
        broker_epoch: i64,
    ) -> Result<(MetadataRecord, std::ops::Range<i64>), ErrorCode> {
        let first = self.image.next_producer_id().0;
        let Some(end) = first.checked_add(BLOCK) else {
            return Err(ErrorCode::UnknownServerError);
        };
        let next_producer_id = ProducerId(end);
        let record = MetadataRecord::ProducerIds { broker_id, broker_epoch, next_producer_id };
        Ok((record, first..end))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Overrides;

    fn broker() -> Broker {
        Broker::new(BrokerId(1), "cluster".to_owned(), Overrides::new(), 7)
    }

    fn ask(broker: &mut Broker) -> InitProducerIdResponse {
        broker.init_producer_id(Time::VIRTUAL_START, &InitProducerIdRequest::idempotent())
    }

    fn given(id: i64) -> InitProducerIdResponse {
        InitProducerIdResponse {
            error_code: ErrorCode::None,
            producer_id: ProducerId(id),
            producer_epoch: ProducerEpoch(0),
        }
    }

    #[test]
    fn ids_come_in_blocks_and_none_comes_twice() {
        let mut broker = broker();
        for id in 0..1001 {
            assert_eq!(ask(&mut broker), given(id));
        }
        assert_eq!(broker.image().next_producer_id(), ProducerId(2000));
        broker.restart(Time::VIRTUAL_START);
        assert_eq!(broker.image().next_producer_id(), ProducerId(2000));
        assert_eq!(ask(&mut broker), given(2000));
    }

    #[test]
    fn an_id_goes_with_an_epoch_and_a_new_one_is_given_all_the_same() {
        let mut broker = broker();
        let mut request = InitProducerIdRequest::idempotent();
        request.producer_id = ProducerId(5);
        let failed = InitProducerIdResponse::failed;
        let answer = broker.init_producer_id(Time::VIRTUAL_START, &request);
        assert_eq!(answer, failed(ErrorCode::InvalidRequest));
        request.producer_epoch = ProducerEpoch(3);
        assert_eq!(broker.init_producer_id(Time::VIRTUAL_START, &request), given(0));
        request.transactional_id = Some(String::new());
        let answer = broker.init_producer_id(Time::VIRTUAL_START, &request);
        assert_eq!(answer, failed(ErrorCode::InvalidRequest));
    }

    #[test]
    fn at_the_end_of_all_ids_there_is_an_error() {
        let mut broker = broker();
        let record = MetadataRecord::ProducerIds {
            broker_id: BrokerId(1),
            broker_epoch: 0,
            next_producer_id: ProducerId(i64::MAX - 5),
        };
        broker.commit(Time::VIRTUAL_START, &[record]);
        let failed = InitProducerIdResponse::failed(ErrorCode::UnknownServerError);
        assert_eq!(ask(&mut broker), failed);
    }
}
