//! The producer by itself: its calls, its answers and its deadlines, without a world.

mod idempotence;

use super::*;
use crate::api::{ProduceResponse, ProducedPartition, Request};
use crate::client::testing::{BROKER, NOW, metadata};
use crate::client::{ClientEvent, Outcome, SealReason};
use crate::error::ErrorCode;
use crate::types::Offset;

/// A producer, what it wants done, and the requests that it has sent.
struct Bench {
    producer: Producer,
    effects: Vec<Effect>,
    requests: Vec<(i32, Request)>,
    next_op: u64,
}

impl Bench {
    fn new(configs: &[(&str, &str)]) -> Self {
        let config = ProducerConfig::from_pairs(configs.iter().copied()).expect("valid configs");
        Bench {
            producer: Producer::new(ClientId(0), config, vec![BROKER], 1),
            effects: Vec::new(),
            requests: Vec::new(),
            next_op: 0,
        }
    }

    /// One that knows the topic `orders` with three partitions.
    fn with_orders(configs: &[(&str, &str)]) -> Self {
        let mut bench = Bench::new(configs);
        let waiting = bench.send(&Record::to("orders").partition(0));
        bench.run();
        bench.answer_metadata(3);
        assert!(bench.completed(&waiting).is_some());
        bench.run_to(NOW.after_ms(1000));
        bench.answer_all();
        bench
    }

    fn send(&mut self, record: &Record<'_>) -> Sending {
        self.next_op += 1;
        self.producer.send(NOW, OpId(self.next_op), record, &mut self.effects)
    }

    /// Lets the sender run for as long as it wants to run now.
    fn run(&mut self) {
        self.run_to(NOW);
    }

    fn run_to(&mut self, now: Time) {
        for _ in 0..100 {
            self.note_requests();
            if self.producer.next_deadline().is_none_or(|due| due > now) {
                return;
            }
            self.producer.on_deadline(now, &mut self.effects);
        }
        panic!("the sender wants to run for ever");
    }

    fn note_requests(&mut self) {
        for effect in &self.effects {
            if let Effect::Send { correlation_id, request, .. } = effect
                && self.requests.iter().all(|(known, _)| known != correlation_id)
            {
                self.requests.push((*correlation_id, request.clone()));
            }
        }
    }

    fn answer(&mut self, correlation_id: i32, response: Response) {
        self.requests.retain(|(id, _)| *id != correlation_id);
        self.effects.retain(|effect| !matches!(effect, Effect::Send { .. }));
        let effects = &mut self.effects;
        self.producer.on_response(NOW, BROKER, correlation_id, response, effects);
        self.note_requests();
    }

    /// Answers all metadata requests: `orders` has so many partitions, others are not there.
    fn answer_metadata(&mut self, partitions: i32) {
        for (id, request) in self.requests.clone() {
            let Request::Metadata(request) = request else { continue };
            let count = |name: &str| if name == "orders" { partitions } else { 0 };
            let topics = request.topics.unwrap_or_default().into_iter();
            let response = metadata(topics.map(|name| (name.clone(), count(&name))));
            self.answer(id, Response::Metadata(response));
        }
    }

    /// Answers the first produce request.
    fn answer_produce(&mut self) {
        let (id, request) = self
            .requests
            .iter()
            .find_map(|(id, request)| match request {
                Request::Produce(request) => Some((*id, request.clone())),
                _ => None,
            })
            .expect("a produce request");
        let delivered = |batch: crate::api::ProducePartition| ProducedPartition {
            partition: batch.partition,
            error_code: ErrorCode::None,
            base_offset: Offset(0),
            log_append_time: Timestamp::NONE,
            log_start_offset: Offset(0),
            error_message: None,
        };
        let partitions = request.partitions.into_iter().map(delivered).collect();
        self.answer(id, Response::Produce(ProduceResponse { partitions }));
    }

    fn answer_all(&mut self) {
        while self.requests.iter().any(|(_, request)| matches!(request, Request::Produce(_))) {
            self.answer_produce();
        }
        self.effects.clear();
    }

    /// How a send ended that had to wait, if it has.
    fn completed(&self, sending: &Sending) -> Option<Result<i32, Error>> {
        let Sending::Waiting(wanted) = sending else { panic!("{sending:?} does not wait") };
        self.effects.iter().find_map(|effect| match effect {
            Effect::Complete { op, result } if op == wanted => Some(match result {
                Ok(Outcome::Sent(receipt)) => Ok(receipt.partition),
                Ok(outcome) => panic!("{outcome:?}"),
                Err(error) => Err(error.clone()),
            }),
            _ => None,
        })
    }

    fn sealed(&self) -> Vec<SealReason> {
        let reason = |effect: &Effect| match effect {
            Effect::Event(ClientEvent::BatchReady { reason, .. }) => Some(*reason),
            _ => None,
        };
        self.effects.iter().filter_map(reason).collect()
    }
}

fn buffered(sending: &Sending) -> i32 {
    match sending {
        Sending::Buffered(receipt) => receipt.partition,
        _ => panic!("{sending:?} is not buffered"),
    }
}

/// All waiting sends stood in one queue: one for a misspelt topic blocked every other thread of the
/// producer for up to max.block.ms, and had all open batches sealed for want of memory.
#[test]
fn who_waits_for_metadata_holds_up_nobody() {
    let mut bench = Bench::with_orders(&[("linger.ms", "1000")]);
    let misspelt = bench.send(&Record::to("odrers").value("a"));
    assert!(matches!(misspelt, Sending::Waiting(_)));
    for _ in 0..2 {
        assert_eq!(buffered(&bench.send(&Record::to("orders").partition(1).value("b"))), 1);
        bench.run();
        bench.answer_metadata(3);
    }
    assert_eq!(bench.sealed(), []);
    assert!(bench.completed(&misspelt).is_none());
}

/// As Kafka's BufferPool does, which says that it has waiters: then all batches are ready.
#[test]
fn who_waits_for_memory_has_everything_sealed_and_comes_first() {
    let mut bench =
        Bench::with_orders(&[("buffer.memory", "1000"), ("batch.size", "400"), ("acks", "1")]);
    for partition in [0, 1] {
        buffered(&bench.send(&Record::to("orders").partition(partition).value("a")));
    }
    let first = bench.send(&Record::to("orders").partition(2).value("b"));
    let second = bench.send(&Record::to("orders").partition(0).value(vec![0; 400]));
    // What joins an open batch needs no memory.
    assert_eq!(buffered(&bench.send(&Record::to("orders").partition(1).value("c"))), 1);
    bench.run();
    assert_eq!(bench.sealed(), [SealReason::Full, SealReason::Memory]);
    // Both batches are in one request; a newcomer does not get what the waiters wait for.
    bench.answer_produce();
    assert!(matches!(bench.completed(&first), Some(Ok(2))));
    assert!(matches!(bench.completed(&second), Some(Ok(0))));
    assert!(matches!(
        bench.send(&Record::to("orders").partition(1).value("d")),
        Sending::Waiting(_)
    ));
}

/// The partitioner was asked again with each attempt of a send that waited for memory, so that the
/// round-robin one skipped partitions. Kafka asks it once, before it asks for memory.
#[test]
fn the_partition_of_a_waiting_record_is_chosen_once() {
    let mut bench = Bench::with_orders(&[
        ("buffer.memory", "1000"),
        ("batch.size", "400"),
        ("acks", "1"),
        ("partitioner.class", "org.apache.kafka.clients.producer.RoundRobinPartitioner"),
    ]);
    let mut send = |value| bench.send(&Record::to("orders").value(value));
    assert_eq!([buffered(&send("a")), buffered(&send("b"))], [0, 1]);
    let waiting = send("c");
    for _ in 0..3 {
        bench.producer.on_deadline(NOW, &mut bench.effects);
    }
    bench.note_requests();
    bench.answer_produce();
    assert!(matches!(bench.completed(&waiting), Some(Ok(2))));
    bench.run_to(NOW.after_ms(1000));
    bench.answer_all();
    assert_eq!(buffered(&bench.send(&Record::to("orders").value("d"))), 0);
}

/// With acks=0 a batch is settled when it is sent. Whoever waited for its memory was told of that
/// when max.block.ms was over.
#[test]
fn memory_that_is_free_at_once_is_given_at_once() {
    let mut bench =
        Bench::with_orders(&[("buffer.memory", "1000"), ("batch.size", "600"), ("acks", "0")]);
    buffered(&bench.send(&Record::to("orders").partition(0).value("a")));
    let waiting = bench.send(&Record::to("orders").partition(1).value("b"));
    bench.run();
    assert!(matches!(bench.completed(&waiting), Some(Ok(1))));
}

/// A producer whose batch.size exceeds its buffer.memory waited for max.block.ms, with 0 bytes in
/// use. Kafka's BufferPool refuses at once to allocate what it can never have.
#[test]
fn a_batch_that_never_fits_into_memory_fails_at_once() {
    let configs = [("buffer.memory", "300"), ("batch.size", "400")];
    let mut bench = Bench::new(&configs);
    let waiting = bench.send(&Record::to("orders").partition(0));
    bench.run();
    bench.answer_metadata(1);
    let result = bench.completed(&waiting);
    assert!(matches!(result, Some(Err(Error::InvalidArgument(_)))), "{result:?}");
    let sending = bench.send(&Record::to("orders").partition(0));
    assert!(
        matches!(&sending, Sending::Failed(error) if matches!(**error, Error::InvalidArgument(_))),
        "{sending:?}"
    );
}

/// batch.size=0 turns batching off.
#[test]
fn without_a_batch_size_each_record_is_a_batch() {
    let mut bench = Bench::with_orders(&[("batch.size", "0"), ("linger.ms", "1000")]);
    for value in ["a", "b", "c"] {
        buffered(&bench.send(&Record::to("orders").value(value)));
    }
    assert_eq!(bench.sealed(), [SealReason::Full; 3]);
}
