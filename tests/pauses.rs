//! Nodes that pause, and time that goes on.
#![allow(clippy::unwrap_used)]

mod common;

use std::time::Duration;

use common::{SECOND, reader, send, with_topic};
use kafkarium::{ApiKey, Cluster, Fault, Producer, Record, Time};

/// A producer that knows its topic and has sent one record.
fn with_metadata(cluster: &Cluster) -> Producer {
    let producer = cluster.producer([("linger.ms", "0")]).unwrap();
    send(&producer, &["first"]);
    producer.flush().unwrap();
    producer
}

/// Stepping put off what was due for a paused node and applied whatever came next, without a look
/// at how far time was to go: `advance(1 s)` went to the end of the pause.
#[test]
fn a_pause_took_the_clock_along() {
    let cluster = with_topic(Cluster::builder(), 1);
    let producer = with_metadata(&cluster);
    let broker = cluster.view(|view| view.brokers().next()).unwrap();
    let start = cluster.now();
    cluster.pause(broker, Duration::from_secs(10)).unwrap();
    let delivery = producer.send(Record::to("orders").value("a")).unwrap();
    for second in 1..=9 {
        cluster.advance(SECOND).unwrap();
        assert_eq!(cluster.now().since(start), Duration::from_secs(second));
        assert_eq!(delivery.try_result(), None, "the broker does nothing for ten seconds");
    }
    cluster.advance(Duration::from_millis(1002)).unwrap();
    assert!(delivery.try_result().is_some());
}

/// A second pause that ends earlier does not wake the node; what arrives meanwhile keeps its order.
#[test]
fn pauses_overlap_and_messages_keep_their_order() {
    let cluster = with_topic(Cluster::builder(), 1);
    let producer = with_metadata(&cluster);
    let broker = cluster.view(|view| view.brokers().next()).unwrap();
    let start = cluster.now();
    cluster.pause(broker, Duration::from_secs(5)).unwrap();
    cluster.pause(broker, SECOND).unwrap();
    for i in 0..5 {
        send(&producer, &[&i.to_string()]);
        cluster.advance(Duration::from_millis(100)).unwrap();
    }
    producer.flush().unwrap();
    assert!(cluster.now().since(start) >= Duration::from_secs(5));
    assert_eq!(common::read_all(&mut reader(&cluster, 1)), ["first", "0", "1", "2", "3", "4"]);
}

/// On the wall clock a paused broker answered at once, and the world ran ahead of the wall.
#[test]
fn a_pause_lasts_on_the_wall_clock_too() {
    let cluster = with_topic(Cluster::builder().real_time(), 1);
    let producer = with_metadata(&cluster);
    let broker = cluster.view(|view| view.brokers().next()).unwrap();
    let start = cluster.now();
    cluster.pause(broker, Duration::from_secs(3600)).unwrap();
    let delivery = producer.send(Record::to("orders").value("a")).unwrap();
    std::thread::sleep(Duration::from_millis(20));
    assert_eq!(delivery.try_result(), None);
    assert!(cluster.now().since(start) < Duration::from_secs(60));
}

/// Fetches that do not wait followed each other for ever at one instant where messages take no
/// time, which is the default on the wall clock.
#[test]
fn a_poll_without_waiting_fetches_ended_never() {
    for real in [false, true] {
        let builder = Cluster::builder().latency(Duration::ZERO, Duration::ZERO);
        let builder = if real { builder.real_time() } else { builder };
        let cluster = with_topic(builder, 1);
        let configs = [("fetch.max.wait.ms", "0"), ("auto.offset.reset", "earliest")];
        let mut consumer = cluster.consumer(configs).unwrap();
        consumer.assign([("orders", 0)]).unwrap();
        assert!(consumer.poll(Duration::from_millis(5)).unwrap().is_empty());
    }
}

/// Clocks and delays at the far end of time do not overflow.
#[test]
fn the_far_end_of_time_is_a_place_to_stand_on() {
    let cluster = with_topic(Cluster::builder(), 1);
    let producer = with_metadata(&cluster);
    cluster.advance(Duration::MAX).unwrap();
    let broker = cluster.view(|view| view.brokers().next()).unwrap();
    cluster.inject(Fault::delay_response(ApiKey::Produce, Duration::MAX)).unwrap();
    cluster.pause(broker, Duration::MAX).unwrap();
    send(&producer, &["at the end"]);
    for _ in 0..20 {
        cluster.step().unwrap();
    }
    assert_eq!(cluster.now(), Time::NEVER);
    let latency = Cluster::builder().latency(SECOND, Duration::ZERO);
    assert!(latency.build().unwrap_err().to_string().contains("latency"));
}
