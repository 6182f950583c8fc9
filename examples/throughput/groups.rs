//! Groups: how long a rebalance takes, and how long it is to the first record of a group.

use std::error::Error;
use std::time::{Duration, Instant};

use kafkarium::{Cluster, Consumer, Record, TopicSpec};

/// How many topics the partitions belong to.
const TOPICS: usize = 10;

/// A group that has come to rest, with so many members and partitions.
pub struct Group {
    cluster: Cluster,
    consumers: Vec<Consumer>,
    partitions: usize,
}

impl Group {
    pub fn new(members: usize, partitions: usize, assignor: &str) -> Result<Self, Box<dyn Error>> {
        // One record holds the group: that of 5,000 members is above the default of 1 MiB.
        let builder = Cluster::builder().trace(false).config("message.max.bytes", "104857600");
        let cluster = builder.build()?;
        let admin = cluster.admin();
        let names: Vec<String> = (0..TOPICS).map(|number| format!("topic-{number}")).collect();
        for name in &names {
            admin.create_topic(name, TopicSpec::partitions((partitions / TOPICS) as i32))?;
        }
        let configs = [
            ("group.id", "baristas"),
            ("partition.assignment.strategy", assignor),
            ("enable.auto.commit", "false"),
        ];
        let mut consumers = Vec::new();
        for _ in 0..members {
            let mut consumer = cluster.consumer(configs)?;
            consumer.subscribe(names.iter().map(String::as_str))?;
            consumers.push(consumer);
        }
        let mut group = Group { cluster, consumers, partitions };
        group.poll_until_assigned()?;
        Ok(group)
    }

    /// Polls until each partition has an owner again; gives how long that took.
    fn poll_until_assigned(&mut self) -> Result<Duration, Box<dyn Error>> {
        let start = Instant::now();
        for _ in 0..60 {
            let mut all: Vec<&mut Consumer> = self.consumers.iter_mut().collect();
            self.cluster.poll_all(&mut all, Duration::from_secs(1))?;
            let owned: usize = self.consumers.iter().map(|one| one.assignment().len()).sum();
            if owned == self.partitions {
                return Ok(start.elapsed());
            }
        }
        Err("the group has not come to rest within a minute".into())
    }

    /// A member leaves: the others rebalance.
    pub fn rebalance(&mut self) -> Result<Duration, Box<dyn Error>> {
        let mut leaver = self.consumers.pop().ok_or("a group without members")?;
        leaver.close()?;
        self.poll_until_assigned()
    }
}

/// Build, topic, subscribe, join, one record produced and read, drop.
pub fn first_record_group() -> Result<(), Box<dyn Error>> {
    let cluster = Cluster::builder().build()?;
    cluster.admin().create_topic("orders", TopicSpec::partitions(1))?;
    let mut consumer =
        cluster.consumer([("group.id", "baristas"), ("auto.offset.reset", "earliest")])?;
    consumer.subscribe(["orders"])?;
    let producer = cluster.producer([("acks", "all")])?;
    producer.send(Record::to("orders").key("alice").value("espresso"))?;
    let records = consumer.poll(Duration::from_secs(10))?;
    if records.len() == 1 { Ok(()) } else { Err("no record came".into()) }
}
