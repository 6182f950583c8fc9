//! A client that is closed or has crashed is gone: it sends, waits and tells nothing any more.
#![allow(clippy::unwrap_used)]

mod common;

use std::time::Duration;

use common::{SECOND, reader, send, with_topic};
use kafkarium::trace::Actor;
use kafkarium::{ApiKey, BrokerId, Cluster, DEFAULTS, Error, Fault, Record};

const HOUR: Duration = Duration::from_secs(3600);

/// Lets an hour pass and asserts that a client does nothing in it.
fn assert_gone(cluster: &Cluster, actor: Actor) {
    let before = cluster.trace().last();
    assert!(cluster.pending().iter().all(|next| next.what != "deadline" || next.actor != actor));
    cluster.advance(HOUR).unwrap();
    let trace = cluster.trace();
    let deeds: Vec<String> = trace
        .entries()
        .filter(|entry| entry.id > before && entry.actor == actor)
        .map(ToString::to_string)
        .collect();
    assert!(deeds.is_empty(), "{deeds:#?}");
}

/// A producer was closed, and the broker crashed later: the producer, whose connection had stayed
/// open, looked for the broker for ever. As in Kafka, where closing ends the sender's thread and
/// closes the network client, its connections end with it.
#[test]
fn a_closed_producer_does_not_reconnect() {
    let cluster = with_topic(Cluster::builder(), 1);
    let producer = cluster.producer(DEFAULTS).unwrap();
    let actor = Actor::Producer(producer.id().0);
    send(&producer, &["a"]);
    producer.close(SECOND).unwrap();
    let trace = cluster.trace();
    let last = trace.entries().rfind(|entry| entry.actor == actor).unwrap();
    assert!(last.to_string().contains("disconnected from broker-1"), "{last}");
    cluster.crash(BrokerId(1)).unwrap();
    assert_gone(&cluster, actor);
}

/// A producer that was closed with a request in flight, its time being over, said thirty seconds
/// later that the broker had not answered.
#[test]
fn a_producer_that_closed_in_haste_is_gone() {
    let cluster = with_topic(Cluster::builder(), 1);
    let producer = cluster.producer(DEFAULTS).unwrap();
    cluster.inject(Fault::lose_request(ApiKey::Produce)).unwrap();
    let delivery = producer.send(Record::to("orders").value("a")).unwrap();
    let flush = producer.begin_flush().unwrap();
    producer.close(SECOND).unwrap();
    assert_eq!(delivery.try_result().unwrap().unwrap_err(), Error::Closed);
    flush.wait().unwrap();
    assert_gone(&cluster, Actor::Producer(producer.id().0));
}

/// So did one that had crashed, and it looked for its broker again.
#[test]
fn a_crashed_producer_is_gone() {
    let cluster = with_topic(Cluster::builder(), 1);
    let producer = cluster.producer(DEFAULTS).unwrap();
    cluster.inject(Fault::lose_request(ApiKey::Produce)).unwrap();
    let delivery = producer.send(Record::to("orders").value("a")).unwrap();
    cluster.advance(SECOND).unwrap();
    cluster.crash(producer.id()).unwrap();
    assert_eq!(delivery.try_result().unwrap().unwrap_err(), Error::Closed);
    assert_gone(&cluster, Actor::Producer(producer.id().0));
    assert_eq!(producer.flush().unwrap_err(), Error::Closed);
}

/// A consumer that was closed with a fetch in flight said so, too.
#[test]
fn a_closed_consumer_is_gone() {
    let cluster = with_topic(Cluster::builder(), 1);
    let mut consumer = reader(&cluster, 1);
    cluster.inject(Fault::lose_request(ApiKey::Fetch)).unwrap();
    assert!(consumer.poll(SECOND).unwrap().is_empty());
    consumer.close().unwrap();
    assert_gone(&cluster, Actor::Consumer(consumer.id().0));
}

/// And an admin client, whose call had been given up before the request that carried it.
#[test]
fn a_closed_admin_is_gone() {
    let cluster = with_topic(Cluster::builder(), 1);
    let timeouts = [("default.api.timeout.ms", "1000"), ("request.timeout.ms", "1000")];
    let admin = cluster.admin_with(timeouts).unwrap();
    cluster.inject(Fault::reset_before(ApiKey::Metadata)).unwrap();
    cluster.inject(Fault::lose_request(ApiKey::Metadata)).unwrap();
    assert!(admin.list_topics().is_err());
    admin.close().unwrap();
    assert_gone(&cluster, Actor::Admin(admin.id().0));
}
