//! What several tests begin with.
#![allow(dead_code, clippy::unwrap_used)]

pub mod batches;

use std::time::Duration;

use kafkarium::{Cluster, ClusterBuilder, Consumer, ErrorCode, Producer, Record, TopicSpec};

pub const SECOND: Duration = Duration::from_secs(1);

pub fn with_topic(builder: ClusterBuilder, partitions: i32) -> Cluster {
    let cluster = builder.build().unwrap();
    match cluster.admin().create_topic("orders", TopicSpec::partitions(partitions)) {
        // As in Kafka: when the reply to the first attempt is lost, the second one finds the topic.
        Err(error) if error.code() == Some(ErrorCode::TopicAlreadyExists) => {}
        created => drop(created.unwrap()),
    }
    cluster
}

pub fn reader(cluster: &Cluster, partitions: i32) -> Consumer {
    let mut consumer = cluster.consumer([("auto.offset.reset", "earliest")]).unwrap();
    consumer.assign((0..partitions).map(|p| ("orders", p))).unwrap();
    consumer
}

pub fn send(producer: &Producer, values: &[&str]) {
    for value in values {
        producer.send(Record::to("orders").value(*value)).unwrap();
    }
}

/// Everything that can be read, as text.
pub fn read_all(consumer: &mut Consumer) -> Vec<String> {
    let mut values = Vec::new();
    loop {
        let records = consumer.poll(SECOND).unwrap();
        if records.is_empty() {
            return values;
        }
        let text = |value: &[u8]| String::from_utf8_lossy(value).into_owned();
        values.extend(records.iter().map(|record| record.value().map_or_else(String::new, text)));
    }
}
