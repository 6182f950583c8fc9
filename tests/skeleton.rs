//! The walking skeleton: one record through every layer and back.
#![allow(clippy::unwrap_used)]

use std::time::Duration;

use kafkarium::{Cluster, Record, TopicSpec};

#[test]
fn a_record_goes_through_every_layer_and_back() {
    let cluster = Cluster::builder().seed(7).build().unwrap();
    cluster.admin().create_topic("orders", TopicSpec::partitions(3)).unwrap();
    let producer = cluster.producer([("acks", "all")]).unwrap();
    let delivery = producer.send(Record::to("orders").key("alice").value("espresso")).unwrap();
    producer.flush().unwrap();
    let delivered = delivery.try_result().unwrap().unwrap();
    assert_eq!(delivered.offset, 0);

    let before = cluster.snapshot().unwrap();
    let mut consumer = cluster.consumer([("auto.offset.reset", "earliest")]).unwrap();
    consumer.assign([("orders", delivered.partition)]).unwrap();
    let records = consumer.poll(Duration::from_secs(5)).unwrap();
    assert_eq!(records.len(), 1);
    assert_eq!(records[0].value(), Some(&b"espresso"[..]));
    cluster.restore(&before).unwrap();
    let trace = cluster.trace();
    println!("{trace}");
    assert!(trace.to_string().contains("high watermark of orders-"));
}
