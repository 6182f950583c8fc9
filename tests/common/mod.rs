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

/// What a test draws from its seed: SplitMix64.
#[derive(Clone, Debug)]
pub struct Draw(u64);

impl Draw {
    pub fn new(seed: u64) -> Self {
        Draw(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below another one.
    pub fn below(&mut self, end: u64) -> u64 {
        self.next() % end.max(1)
    }

    /// Whether one of so many chances came.
    pub fn one_in(&mut self, chances: u64) -> bool {
        self.below(chances) == 0
    }

    /// One of these.
    pub fn one_of<T: Clone>(&mut self, all: &[T]) -> T {
        all[self.below(all.len() as u64) as usize].clone()
    }

    /// So many milliseconds, evenly.
    pub fn millis(&mut self, from: u64, to: u64) -> Duration {
        Duration::from_millis(from + self.below(to - from + 1))
    }
}
