//! A client's deadline comes once: none is told again that has come and that nothing was done for.
#![allow(clippy::unwrap_used)]

mod common;

use std::time::{Duration, Instant};

use common::with_topic;
use kafkarium::{BrokerId, Cluster, Error, Record};

/// More events than any client needs at one instant.
const MANY: usize = 100;

/// Steps until it is done, and asserts that time moves.
fn step_until(cluster: &Cluster, mut done: impl FnMut() -> bool) {
    let (mut now, mut events) = (cluster.now(), 0);
    while !done() {
        assert!(cluster.step().unwrap().is_some(), "nothing is left to do:\n{}", cluster.trace());
        events = if cluster.now() == now { events + 1 } else { 0 };
        now = cluster.now();
        assert!(events < MANY, "time stands still:\n{}", cluster.trace());
    }
}

/// With a linger that is longer than any delivery timeout the batch was still open when its time
/// was over. Only batches that had lingered were given up, so its deadline stayed in the past and
/// the timer fired for ever. Kafka takes linger.ms as an int, and gives up open batches, too.
#[test]
fn a_batch_that_lingers_for_longer_than_its_delivery_timeout_is_given_up() {
    let cluster = with_topic(Cluster::builder(), 1);
    let configs = [("linger.ms", "3000000000"), ("delivery.timeout.ms", "2147483647")];
    let producer = cluster.producer(configs).unwrap();
    let delivery = producer.send(Record::to("orders").value("a")).unwrap();
    let start = cluster.now();
    step_until(&cluster, || delivery.try_result().is_some());
    let after = Duration::from_millis(2_147_483_647);
    let result = delivery.try_result().unwrap();
    assert!(matches!(result, Err(Error::Timeout { after: a, .. }) if a == after), "{result:?}");
    assert_eq!(cluster.now().since(start), after);
}

/// Without backoffs a client asks again as soon as it is answered, as Kafka's do. What holds it up
/// is the way of the messages alone.
#[test]
fn without_backoffs_time_moves_by_the_way_of_the_messages() {
    let micro = Duration::from_micros(1);
    let cluster = with_topic(Cluster::builder().latency(micro, micro), 1);
    let none = [("retry.backoff.ms", "0"), ("reconnect.backoff.ms", "0")];
    let limit = [("max.block.ms", "5")];
    let producer = cluster.producer(none.into_iter().chain(limit)).unwrap();
    let mut consumer = cluster.consumer(none).unwrap();
    assert!(producer.send(Record::to("orders").partition(7).value("a")).is_err());
    consumer.assign([("orders", 7)]).unwrap();
    let milli = Duration::from_millis(1);
    let mut poll = consumer.begin_poll(milli).unwrap();
    step_until(&cluster, || poll.is_done());
    drop(poll);
    cluster.crash(BrokerId(1)).unwrap();
    let delivery = producer.send(Record::to("orders").value("b")).unwrap();
    let mut poll = consumer.begin_poll(milli).unwrap();
    step_until(&cluster, || poll.is_done());
    assert!(delivery.try_result().is_none());
    let timeouts = [("default.api.timeout.ms", "5"), ("request.timeout.ms", "5")];
    let admin = cluster.admin_with(none.into_iter().chain(timeouts)).unwrap();
    assert!(matches!(admin.list_topics(), Err(Error::Timeout { .. })));
}

/// A request timeout of nothing was over when the request was sent: with no backoff a client sent
/// one after the other in the same instant. Kafka's is over once more than so many milliseconds
/// have passed.
#[test]
fn a_request_is_not_overdue_when_it_is_sent() {
    let micros = Duration::from_micros(100);
    let cluster = with_topic(Cluster::builder().latency(micros, micros), 1);
    let hasty = [
        ("request.timeout.ms", "0"),
        ("retry.backoff.ms", "0"),
        ("reconnect.backoff.ms", "0"),
        ("acks", "1"),
    ];
    let producer = cluster.producer(hasty).unwrap();
    let delivery = producer.send(Record::to("orders").value("a")).unwrap();
    cluster.pause(BrokerId(1), Duration::from_millis(20)).unwrap();
    step_until(&cluster, || delivery.try_result().is_some());
}

/// On the real clock one thread that sent to a misspelt topic blocked all threads of its producer
/// for up to max.block.ms.
#[test]
fn a_misspelt_topic_blocks_the_thread_that_misspelt_it_alone() {
    let builder = Cluster::builder().real_time().config("auto.create.topics.enable", "false");
    let cluster = with_topic(builder, 1);
    let producer = cluster.producer([("max.block.ms", "30000")]).unwrap();
    producer.send(Record::to("orders").value("warm")).unwrap();
    let start = Instant::now();
    std::thread::scope(|scope| {
        let misspelt = scope.spawn(|| producer.send(Record::to("odrers").value("a")).map(drop));
        std::thread::sleep(Duration::from_millis(20));
        for _ in 0..100 {
            producer.send(Record::to("orders").value("b")).unwrap();
        }
        producer.close(Duration::from_secs(10)).unwrap();
        assert_eq!(misspelt.join().unwrap(), Err(Error::Closed));
    });
    assert!(start.elapsed() < Duration::from_secs(20), "{:?}", start.elapsed());
}
