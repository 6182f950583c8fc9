//! A broker crashes and comes back; clients go on.
#![allow(clippy::unwrap_used)]

use std::time::Duration;

use kafkarium::{BrokerId, Cluster, Record, TopicSpec};

/// The leader epoch rises by two, as on a single node of Kafka 4.3.1, and a consumer that knows the
/// old one asks who leads now instead of failing.
#[test]
fn clients_follow_a_leader_into_its_new_epoch() {
    let cluster = Cluster::builder().build().unwrap();
    let admin = cluster.admin();
    admin.create_topic("orders", TopicSpec::partitions(1)).unwrap();
    let producer = cluster.producer([("linger.ms", "0")]).unwrap();
    let mut consumer = cluster.consumer([("auto.offset.reset", "earliest")]).unwrap();
    consumer.assign([("orders", 0)]).unwrap();
    for (value, epoch, end) in [("a", 0, 1), ("b", 2, 2), ("c", 4, 3)] {
        producer.send(Record::to("orders").value(value)).unwrap();
        producer.flush().unwrap();
        let records = consumer.poll(Duration::from_secs(10)).unwrap();
        let values: Vec<_> = records.iter().map(|record| record.value().unwrap()).collect();
        assert_eq!(values, [value.as_bytes()]);
        let ends = consumer.end_offsets([("orders", 0)]).unwrap();
        assert_eq!(ends.into_values().collect::<Vec<_>>(), [end]);
        let told = admin.describe_topic("orders").unwrap().partitions[0].leader_epoch;
        assert_eq!(told.0, epoch);
        cluster.crash(BrokerId(1)).unwrap();
        cluster.advance(Duration::from_secs(1)).unwrap();
        cluster.restart(BrokerId(1)).unwrap();
    }
}
