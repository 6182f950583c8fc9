//! Ids, epochs and sequences: the state machine by itself, and the producer that follows it.

use super::*;
use crate::api::InitProducerIdResponse;
use crate::client::producer::idempotence::{Initialized, ProducerIdAndEpoch};
use crate::client::producer::sealed::BatchKey;
use crate::types::{ProducerEpoch, ProducerId};

const SLOT: (usize, i32) = (0, 0);
const OTHER: (usize, i32) = (0, 1);
/// What may be said of a batch.
const GAP: ErrorCode = ErrorCode::OutOfOrderSequenceNumber;
const LOST: ErrorCode = ErrorCode::NetworkException;

fn answer(id: i64, epoch: i16) -> InitProducerIdResponse {
    let (producer_id, producer_epoch) = (ProducerId(id), ProducerEpoch(epoch));
    InitProducerIdResponse { error_code: ErrorCode::None, producer_id, producer_epoch }
}

fn key(number: u64) -> BatchKey {
    (number, 0)
}

/// One with an id, in this epoch.
fn ready(epoch: i16) -> Idempotence {
    let mut known = Idempotence::new();
    assert!(!known.may_drain(SLOT, key(0)), "nothing is sent without an id");
    known.asked();
    assert!(matches!(known.answered(&answer(7, epoch), NOW), Initialized::Ready(_)));
    known
}

/// Drains a batch; tells its epoch and sequence.
fn drain(known: &mut Idempotence, slot: (usize, i32), number: u64, records: i32) -> (i16, i32) {
    assert!(known.may_drain(slot, key(number)), "batch {number} may not be sent");
    let stamp = known.stamp(slot, key(number), records);
    (stamp.producer.epoch.0, stamp.base_sequence)
}

/// Whether a batch of [`SLOT`] that was refused like this is sent again.
fn refused(known: &mut Idempotence, number: u64, error: ErrorCode) -> bool {
    let sent = known.sent(SLOT, key(number)).expect("in flight");
    known.can_retry(SLOT, key(number), sent, error, Offset(0))
}

fn bumped(known: &mut Idempotence) -> Option<(i16, Vec<(usize, i32)>)> {
    known.resolve_and_bump().map(|(producer, slots)| (producer.epoch.0, slots))
}

#[test]
fn a_batch_keeps_its_sequence_and_is_not_overtaken_in_a_retry() {
    let mut known = ready(0);
    assert_eq!(drain(&mut known, SLOT, 0, 3), (0, 0));
    assert_eq!(drain(&mut known, SLOT, 1, 2), (0, 3));
    assert_eq!(drain(&mut known, OTHER, 2, 1), (0, 0), "each partition counts by itself");
    assert!(refused(&mut known, 0, LOST) && refused(&mut known, 1, LOST));
    assert!(!known.may_drain(SLOT, key(1)), "the first one comes first");
    assert_eq!(drain(&mut known, SLOT, 0, 3), (0, 0));
    assert!(!known.may_drain(SLOT, key(1)), "one by one");
    known.completed(SLOT, key(0));
    assert_eq!(drain(&mut known, SLOT, 1, 2), (0, 3));
    assert_eq!(drain(&mut known, SLOT, 3, 1), (0, 5));
    assert_eq!(bumped(&mut known), None);
}

#[test]
fn sequences_go_on_at_0_behind_the_last_one() {
    let mut known = ready(0);
    drain(&mut known, SLOT, 0, i32::MAX - 1);
    known.completed(SLOT, key(0));
    assert_eq!(drain(&mut known, SLOT, 1, 4), (0, i32::MAX - 1));
    known.completed(SLOT, key(1));
    assert_eq!(drain(&mut known, SLOT, 2, 1), (0, 2));
    known.failed(SLOT, key(2));
    assert!(bumped(&mut known).is_some());
}

#[test]
fn only_a_gap_that_will_not_close_makes_a_new_epoch() {
    let mut known = ready(0);
    for number in 0..3 {
        drain(&mut known, SLOT, number, 1);
    }
    assert!(refused(&mut known, 1, GAP), "the batch before it may still come");
    assert_eq!(bumped(&mut known), None);
    assert!(refused(&mut known, 0, GAP), "it is the next one expected");
    drain(&mut known, OTHER, 3, 5);
    assert_eq!(bumped(&mut known), Some((1, vec![SLOT])));
    let sequences: Vec<_> = (0..3).map(|number| known.sent(SLOT, key(number)).unwrap()).collect();
    assert_eq!(sequences.iter().map(|stamp| stamp.base_sequence).collect::<Vec<_>>(), [0, 1, 2]);
    assert!(sequences.iter().all(|stamp| stamp.producer.epoch == ProducerEpoch(1)));
    // The other partition ends what it has in the old epoch before it begins the new one.
    let sent = known.sent(OTHER, key(3)).unwrap();
    assert_eq!((sent.producer.epoch, sent.base_sequence), (ProducerEpoch(0), 0));
    assert!(!known.may_drain(OTHER, key(4)));
    known.completed(OTHER, key(3));
    assert_eq!(drain(&mut known, OTHER, 4, 1), (1, 0));
}

/// The answer to a request of the old epoch says nothing of the batch as it is numbered now.
#[test]
fn what_was_numbered_anew_meanwhile_makes_no_further_epoch() {
    for error in [GAP, ErrorCode::UnknownProducerId] {
        let mut known = ready(0);
        drain(&mut known, SLOT, 0, 1);
        drain(&mut known, SLOT, 1, 1);
        let sent = [0, 1].map(|number| known.sent(SLOT, key(number)).unwrap());
        assert!(known.can_retry(SLOT, key(0), sent[0], error, Offset(0)));
        assert!(bumped(&mut known).is_some());
        assert!(known.can_retry(SLOT, key(1), sent[1], error, Offset(0)));
        assert_eq!(bumped(&mut known), None, "{error}");
    }
}

#[test]
fn an_unknown_producer_begins_anew_once_the_log_start_is_known() {
    let mut known = ready(0);
    drain(&mut known, SLOT, 0, 1);
    let sent = known.sent(SLOT, key(0)).unwrap();
    for (log_start, bump) in [(-1, None), (5, Some((1, vec![SLOT])))] {
        let unknown = ErrorCode::UnknownProducerId;
        assert!(known.can_retry(SLOT, key(0), sent, unknown, Offset(log_start)));
        assert_eq!(bumped(&mut known), bump);
    }
}

#[test]
fn after_a_batch_that_was_given_up_nothing_newer_is_sent_until_its_fate_is_clear() {
    // What comes behind it is appended: so it had been, too.
    let mut known = ready(0);
    drain(&mut known, SLOT, 0, 1);
    drain(&mut known, SLOT, 1, 1);
    known.failed(SLOT, key(0));
    assert_eq!(bumped(&mut known), None);
    assert!(!known.may_drain(SLOT, key(2)));
    known.completed(SLOT, key(1));
    assert_eq!(bumped(&mut known), None);
    assert_eq!(drain(&mut known, SLOT, 2, 1), (0, 2));
    // Nothing is in flight any more.
    known.failed(SLOT, key(2));
    assert_eq!(bumped(&mut known), Some((1, vec![SLOT])));
    assert_eq!(drain(&mut known, SLOT, 3, 1), (1, 0));
    // What comes behind it is refused for the gap.
    drain(&mut known, SLOT, 4, 1);
    known.failed(SLOT, key(3));
    assert!(refused(&mut known, 4, GAP));
    assert_eq!(bumped(&mut known), Some((2, vec![SLOT])));
    assert_eq!(drain(&mut known, SLOT, 4, 1), (2, 0));
}

/// Of several batches that were given up the last one alone was remembered. A batch between them was
/// refused for the gap before it, again and again, until it expired.
#[test]
fn a_batch_between_two_that_were_given_up_was_stuck() {
    let mut known = ready(0);
    for number in 0..3 {
        drain(&mut known, SLOT, number, 1);
    }
    known.failed(SLOT, key(2));
    known.failed(SLOT, key(0));
    assert!(refused(&mut known, 1, GAP));
    assert_eq!(bumped(&mut known), Some((1, vec![SLOT])));
}

/// A broker that knows nothing of the producer takes any first sequence. To number anew what should
/// have come before that would bring it into the log behind it.
#[test]
fn what_was_overtaken_in_the_log_is_not_numbered_anew() {
    let mut known = ready(0);
    drain(&mut known, SLOT, 0, 1);
    drain(&mut known, SLOT, 1, 1);
    known.completed(SLOT, key(1));
    assert!(refused(&mut known, 0, GAP));
    assert_eq!(bumped(&mut known), None);
}

#[test]
fn behind_the_last_epoch_comes_a_new_id() {
    let mut known = ready(i16::MAX);
    drain(&mut known, SLOT, 0, 2);
    drain(&mut known, SLOT, 1, 1);
    assert!(refused(&mut known, 0, GAP));
    assert_eq!(bumped(&mut known), None);
    assert!(!known.may_drain(SLOT, key(0)));
    assert_eq!((known.producer(), known.asks_at()), (None, Some(Time(0))));
    known.asked();
    known.answered(&answer(8, 0), NOW);
    let stamp = known.stamp(SLOT, key(1), 1);
    let producer = ProducerIdAndEpoch { id: ProducerId(8), epoch: ProducerEpoch(0) };
    assert_eq!((stamp.producer, stamp.base_sequence), (producer, 2));
    assert_eq!(bumped(&mut known), None);
}

#[test]
fn parts_share_the_sequences_of_the_whole() {
    let mut known = ready(0);
    drain(&mut known, SLOT, 0, 1);
    drain(&mut known, SLOT, 1, 6);
    let parts = [((1, 0), 1), ((1, 1), 3), ((1, 4), 2)];
    known.split(SLOT, key(1), &parts);
    let sequences = parts.map(|(key, _)| known.sent(SLOT, key).unwrap().base_sequence);
    assert_eq!(sequences, [1, 2, 5]);
    assert_eq!(drain(&mut ready(0), SLOT, 9, 1), (0, 0));
    known.completed(SLOT, key(0));
    assert!(known.may_drain(SLOT, (1, 0)) && !known.may_drain(SLOT, (1, 1)));
}

#[test]
fn refusals_of_an_id() {
    let table = [
        (ErrorCode::CoordinatorLoadInProgress, Initialized::Retry),
        (
            ErrorCode::ClusterAuthorizationFailed,
            Initialized::Refused(ErrorCode::ClusterAuthorizationFailed),
        ),
        (ErrorCode::InvalidProducerEpoch, Initialized::Fatal(ErrorCode::ProducerFenced)),
        (ErrorCode::UnsupportedVersion, Initialized::Fatal(ErrorCode::UnsupportedVersion)),
    ];
    for (code, expected) in table {
        let mut known = Idempotence::new();
        known.asked();
        assert_eq!(known.asks_at(), None);
        assert_eq!(known.answered(&InitProducerIdResponse::failed(code), NOW), expected);
        assert_eq!(known.asks_at(), Some(NOW));
    }
}

impl Bench {
    /// The request for a producer id.
    fn id_request(&self) -> Option<i32> {
        let is_one = |request: &Request| matches!(request, Request::InitProducerId(_));
        self.requests.iter().find(|(_, request)| is_one(request)).map(|(id, _)| *id)
    }

    fn answer_id(&mut self, response: InitProducerIdResponse) {
        let id = self.id_request().expect("a request for a producer id");
        self.answer(id, Response::InitProducerId(response));
    }

    /// Sequences and numbers of records of the batches that were sent and not answered.
    fn sequences(&self) -> Vec<(i16, i32, i32)> {
        let batches = self.requests.iter().filter_map(|(_, request)| match request {
            Request::Produce(request) => Some(&request.partitions),
            _ => None,
        });
        let told = batches.flatten().map(|batch| {
            let batch = &batch.records;
            assert_eq!(batch.validate(), Ok(()));
            (batch.producer_epoch().0, batch.base_sequence(), batch.record_count())
        });
        told.collect()
    }
}

#[test]
fn an_id_is_asked_for_at_once_and_nothing_is_sent_without_it() {
    let mut bench = Bench::new(&[]);
    bench.run();
    assert!(bench.id_request().is_some());
    let waiting = bench.send(&Record::to("orders").partition(0));
    bench.run();
    bench.answer_metadata(1);
    assert!(bench.completed(&waiting).is_some());
    bench.run_to(NOW.after_ms(100));
    assert_eq!(bench.sequences(), []);
    bench.answer_id(InitProducerIdResponse::failed(ErrorCode::CoordinatorLoadInProgress));
    assert!(bench.id_request().is_none(), "it waits for retry.backoff.ms first");
    bench.run_to(NOW.after_ms(200));
    bench.answer_id(answer(7, 0));
    assert_eq!(bench.sequences(), [(0, 0, 1)]);
}

#[test]
fn without_an_id_for_good_everything_fails() {
    let mut bench = Bench::new(&[]);
    let waiting = bench.send(&Record::to("orders").partition(0));
    bench.run();
    bench.answer_metadata(1);
    assert!(bench.completed(&waiting).is_some());
    let misspelt = bench.send(&Record::to("odrers"));
    bench.answer_id(InitProducerIdResponse::failed(ErrorCode::UnsupportedVersion));
    assert!(matches!(bench.completed(&misspelt), Some(Err(Error::Kafka { .. }))));
    let failed = |effect: &Effect| match effect {
        Effect::Report(report) => report.result.as_ref().err().and_then(Error::code),
        _ => None,
    };
    let failed: Vec<_> = bench.effects.iter().filter_map(failed).collect();
    assert_eq!(failed, [ErrorCode::UnsupportedVersion]);
    let sending = bench.send(&Record::to("orders").partition(0));
    assert!(matches!(&sending, Sending::Failed(error)
        if error.code() == Some(ErrorCode::UnsupportedVersion)));
    assert_eq!(bench.producer.next_deadline(), None);
}
