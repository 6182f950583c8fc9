//! The consumer by itself: its calls and its answers, without a world.

use bytes::Bytes;

use super::*;
use crate::api::{
    FetchResponse, FetchedPartition, ListOffsetsResponse, ListedOffset, Request, Response,
};
use crate::client::testing::{BROKER, NOW, metadata};
use crate::record::{BatchBuilder, BatchOptions};
use crate::types::{LeaderEpoch, Rope};

const END: Offset = Offset(9);

/// A consumer, what it wants done, and the requests that nobody has answered.
struct Bench {
    consumer: Consumer,
    requests: Vec<(i32, Request)>,
    results: BTreeMap<OpId, Result<Outcome, Error>>,
    next_op: u64,
}

fn at(partition: i32) -> TopicPartition {
    TopicPartition::new("orders", partition)
}

/// A batch with so many records, at an offset.
fn batch(offset: i64, records: usize) -> RecordBatch {
    let mut builder = BatchBuilder::new(BatchOptions::default());
    for _ in 0..records {
        builder.append(Timestamp(0), None, Some(b"value"), &[]);
    }
    builder.build().with_base_offset(Offset(offset), LeaderEpoch(0)).unwrap()
}

fn fetched(partition: i32, error_code: ErrorCode, batches: &[RecordBatch]) -> Response {
    let mut records = Rope::new();
    for batch in batches {
        records.push(batch.encode());
    }
    Response::Fetch(FetchResponse {
        error_code: ErrorCode::None,
        partitions: vec![FetchedPartition {
            partition: at(partition),
            error_code,
            high_watermark: END,
            last_stable_offset: END,
            log_start_offset: Offset::ZERO,
            records,
        }],
    })
}

impl Bench {
    /// A consumer of `orders-0` and `orders-1` that knows who leads them.
    fn new(configs: &[(&str, &str)]) -> Self {
        let config = ConsumerConfig::from_pairs(configs.iter().copied()).expect("valid configs");
        let mut consumer = Consumer::new(ClientId(0), config, None, vec![BROKER], 1);
        consumer.assign(NOW, vec![at(0), at(1)], &mut Vec::new());
        consumer.metadata.update(NOW, metadata([("orders".into(), 2)]));
        let (requests, results) = (Vec::new(), BTreeMap::new());
        Bench { consumer, requests, results, next_op: 0 }
    }

    fn note(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::Send { correlation_id, request, .. } => {
                    self.requests.push((correlation_id, request));
                }
                Effect::Complete { op, result } => drop(self.results.insert(op, result)),
                _ => {}
            }
        }
    }

    /// Begins a poll of ten seconds.
    fn poll(&mut self) -> OpId {
        self.call(|consumer, op, effects| consumer.poll(NOW, op, NOW.after_ms(10_000), effects))
    }

    fn call(
        &mut self,
        call: impl FnOnce(&mut Consumer, OpId, &mut Vec<Effect>) -> Progress,
    ) -> OpId {
        self.next_op += 1;
        let (op, mut effects) = (OpId(self.next_op), Vec::new());
        if let Progress::Ready(result) = call(&mut self.consumer, op, &mut effects) {
            self.results.insert(op, result);
        }
        self.note(effects);
        op
    }

    fn seek(&mut self, partition: i32, to: SeekTo) {
        let progress = self.consumer.seek(&at(partition), to);
        assert!(matches!(progress, Progress::Ready(Ok(_))), "{progress:?}");
        self.look();
    }

    fn pause(&mut self, partition: i32, paused: bool) {
        drop(self.consumer.set_paused(&[at(partition)], paused));
        self.look();
    }

    /// Calls the consumer if it wants to be called now.
    fn look(&mut self) {
        if self.consumer.next_deadline().is_some_and(|due| due <= NOW) {
            let mut effects = Vec::new();
            self.consumer.on_deadline(NOW, &mut effects);
            self.note(effects);
        }
    }

    /// Answers the oldest request.
    fn answer(&mut self, response: Response) {
        let (id, _) = self.requests.remove(0);
        let mut effects = Vec::new();
        self.consumer.on_response(NOW, BROKER, id, response, &mut effects);
        self.note(effects);
    }

    /// Answers the oldest request, which asks for offsets: the log reaches from 0 to [`END`].
    fn answer_offsets(&mut self) {
        let Request::ListOffsets(request) = &self.requests[0].1 else {
            panic!("{:?} asks for no offsets", self.requests)
        };
        let listed = |wanted: &ListOffsetsPartition| ListedOffset {
            partition: wanted.partition.clone(),
            error_code: ErrorCode::None,
            timestamp: Timestamp::NONE,
            offset: if wanted.timestamp == crate::api::LATEST_TIMESTAMP { END } else { Offset(0) },
            leader_epoch: LeaderEpoch(0),
        };
        let partitions = request.partitions.iter().map(listed).collect();
        self.answer(Response::ListOffsets(ListOffsetsResponse { partitions }));
    }

    fn position(&self, partition: i32) -> Option<Offset> {
        self.consumer.assigned[&at(partition)].position()
    }

    /// The offsets that each fetch under way asks for.
    fn fetches(&self) -> Vec<Vec<(i32, i64)>> {
        let offsets = |(_, request): &(i32, Request)| match request {
            Request::Fetch(request) => {
                let wanted = request.partitions.iter();
                Some(wanted.map(|w| (w.partition.partition, w.fetch_offset.0)).collect())
            }
            _ => None,
        };
        self.requests.iter().filter_map(offsets).collect()
    }

    /// How many records of each partition a poll gave; what it failed with.
    fn polled(&self, op: OpId) -> Option<Result<Vec<(i32, usize)>, String>> {
        Some(match self.results.get(&op)? {
            Ok(Outcome::Polled(batches)) => {
                Ok(batches.iter().map(|b| (b.partition.partition, b.count)).collect())
            }
            Ok(outcome) => panic!("{outcome:?}"),
            Err(error) => Err(error.to_string()),
        })
    }
}

/// While the position was looked up for auto.offset.reset=earliest, the user sought the end. The
/// answer that was under way said 0, and 0 the position became. Kafka's maybeSeekUnvalidated skips
/// an answer for another reset than the one that is awaited.
#[test]
fn a_lookup_under_way_does_not_overrule_a_seek() {
    let mut bench = Bench::new(&[("auto.offset.reset", "earliest")]);
    bench.poll();
    bench.seek(0, SeekTo::End);
    bench.answer_offsets();
    assert_eq!((bench.position(0), bench.position(1)), (None, Some(Offset(0))));
    bench.answer_offsets();
    assert_eq!((bench.position(0), bench.position(1)), (Some(END), Some(Offset(0))));
}

/// For a paused partition the answer to a fetch from elsewhere was let in: when it said that the
/// old offset was out of range, the seek was undone.
#[test]
fn an_offset_that_was_out_of_range_does_not_overrule_a_seek() {
    let mut bench = Bench::new(&[("auto.offset.reset", "earliest")]);
    bench.seek(0, SeekTo::Offset(Offset(100)));
    bench.pause(1, true);
    bench.poll();
    bench.answer_offsets();
    assert_eq!(bench.fetches(), [[(0, 100)]]);
    bench.pause(0, true);
    bench.seek(0, SeekTo::Offset(Offset(5)));
    bench.answer(fetched(0, ErrorCode::OffsetOutOfRange, &[]));
    assert_eq!(bench.position(0), Some(Offset(5)));
}

/// When it had records, they were buffered, so that nothing was fetched after the partition went
/// on; then they were dropped, and the poll waited for nothing up to its deadline.
#[test]
fn records_from_elsewhere_do_not_stand_in_the_way_of_those_that_are_wanted() {
    let mut bench = Bench::new(&[]);
    bench.seek(0, SeekTo::Offset(Offset(0)));
    bench.seek(1, SeekTo::Offset(Offset(0)));
    bench.pause(1, true);
    let poll = bench.poll();
    assert_eq!(bench.fetches(), [[(0, 0)]]);
    bench.pause(0, true);
    bench.seek(0, SeekTo::Offset(Offset(5)));
    bench.answer(fetched(0, ErrorCode::None, &[batch(0, 2)]));
    assert!(bench.fetches().is_empty());
    bench.pause(0, false);
    assert_eq!(bench.fetches(), [[(0, 5)]]);
    bench.answer(fetched(0, ErrorCode::None, &[batch(5, 2)]));
    assert_eq!(bench.polled(poll), Some(Ok(vec![(0, 2)])));
}

/// A poll that was waiting did not notice that a partition went on, or was sought, or assigned.
#[test]
fn a_waiting_poll_notices_what_other_calls_change() {
    let mut bench = Bench::new(&[]);
    bench.seek(0, SeekTo::Offset(Offset(0)));
    bench.seek(1, SeekTo::Offset(Offset(0)));
    bench.pause(0, true);
    bench.pause(1, true);
    bench.poll();
    assert!(bench.requests.is_empty());
    bench.pause(1, false);
    assert_eq!(bench.fetches(), [[(1, 0)]]);
}

/// Errors named no partition and were kept until a call met them: after a seek away from the place
/// the next poll failed all the same, and so did position() of another partition.
#[test]
fn an_error_is_of_its_partition_and_gone_after_a_seek() {
    let mut bench = Bench::new(&[("auto.offset.reset", "none")]);
    let position = |bench: &mut Bench, partition| {
        let op =
            bench.call(|consumer, op, effects| consumer.position(NOW, op, &at(partition), effects));
        bench.results.get(&op).cloned()
    };
    bench.seek(1, SeekTo::End);
    assert!(position(&mut bench, 1).is_none());
    bench.answer_offsets();
    assert!(matches!(position(&mut bench, 1), Some(Ok(Outcome::Offset(END)))));
    let failed = position(&mut bench, 0);
    assert!(matches!(failed, Some(Err(Error::NoOffset { .. }))), "{failed:?}");
    let poll = bench.poll();
    assert!(matches!(bench.polled(poll), Some(Err(_))));

    // The answer comes when no poll waits for it.
    bench.seek(0, SeekTo::Offset(Offset(100)));
    let poll = bench.poll();
    bench.consumer.abandon(|op| op == poll);
    bench.answer(fetched(0, ErrorCode::OffsetOutOfRange, &[]));
    bench.seek(0, SeekTo::Offset(Offset(0)));
    let poll = bench.poll();
    assert_eq!(bench.polled(poll), None);
    bench.answer(fetched(0, ErrorCode::None, &[batch(0, 1)]));
    assert_eq!(bench.polled(poll), Some(Ok(vec![(0, 1)])));
}

/// What is read is verified again: batches ascend, each behind the one before it, and the first one
/// holds the offset that was asked for. What stands before the fault is given out.
#[test]
fn batches_out_of_order_are_corrupt() {
    let cut = |batch: RecordBatch| batch.encode().slice(..40);
    let swap = |offset: i64, batch: RecordBatch| {
        let mut bytes = batch.encode().to_vec();
        bytes[..8].copy_from_slice(&offset.to_be_bytes());
        Bytes::from(bytes)
    };
    let good = || batch(5, 2).encode();
    for (pieces, given, why) in [
        (vec![good(), batch(7, 1).encode()], 3, ""),
        (vec![good(), batch(9, 1).encode()], 3, ""),
        (vec![batch(4, 2).encode()], 1, ""),
        (vec![good(), cut(batch(7, 1))], 2, ""),
        (vec![good(), batch(6, 1).encode()], 2, "at offset 6 where offset 7 is wanted"),
        (vec![good(), good()], 2, "at offset 5 where offset 7 is wanted"),
        (vec![batch(3, 2).encode()], 0, "at offset 3 where offset 5 is wanted"),
        (vec![swap(-1, batch(0, 9))], 0, "no batch may begin at offset -1"),
        (vec![swap(i64::MAX, batch(0, 1))], 0, "no batch may begin at offset 92233"),
        (vec![cut(batch(5, 1))], 0, "no whole batch was fetched"),
    ] {
        let mut bench = Bench::new(&[]);
        bench.pause(1, true);
        bench.seek(0, SeekTo::Offset(Offset(5)));
        bench.seek(1, SeekTo::Offset(Offset(5)));
        let mut poll = bench.poll();
        let mut response = fetched(0, ErrorCode::None, &[]);
        if let Response::Fetch(response) = &mut response {
            pieces.into_iter().for_each(|piece| response.partitions[0].records.push(piece));
        }
        bench.answer(response);
        if given > 0 {
            let batches = bench.polled(poll).expect("records").expect("no error");
            assert_eq!(batches.iter().map(|(_, count)| count).sum::<usize>(), given, "{why}");
            poll = bench.poll();
        }
        let failed = bench.polled(poll);
        assert_eq!(failed.is_some(), !why.is_empty(), "{why}: {failed:?}");
        if let Some(failed) = failed {
            let text = failed.expect_err("an error");
            assert!(text.contains("CORRUPT_MESSAGE") && text.contains(why), "{text}");
        }
    }
}

/// As in Kafka, whose Fetch is not empty when a position has advanced.
#[test]
fn a_poll_that_only_passes_control_records_ends() {
    let mut bench = Bench::new(&[]);
    bench.seek(0, SeekTo::Offset(Offset(0)));
    bench.seek(1, SeekTo::Offset(Offset(0)));
    let poll = bench.poll();
    let options = BatchOptions { control: true, ..BatchOptions::default() };
    let mut builder = BatchBuilder::new(options);
    builder.append(Timestamp(0), Some(&[0; 4]), Some(&[0; 6]), &[]);
    bench.answer(fetched(0, ErrorCode::None, &[builder.build()]));
    assert_eq!(bench.polled(poll), Some(Ok(Vec::new())));
    assert_eq!(bench.fetches(), [[(1, 0), (0, 1)]]);
}
