//! Whatever a user seeks, pauses and assigns while answers are under way, records come in order
//! from where the user sought last, and all of them come.
#![allow(clippy::unwrap_used)]

mod common;

use std::time::Duration;

use common::with_topic;
use kafkarium::{Cluster, Consumer, ConsumerRecord, DEFAULTS, Operation, Record, TopicPartition};
use proptest::prelude::*;

/// How many records each partition has.
const RECORDS: i64 = 20;
const PARTITIONS: i32 = 2;

#[derive(Clone, Copy, Debug)]
enum Op {
    BeginPoll,
    DropPoll,
    Steps(u8),
    Seek(i32, i64),
    SeekToBeginning(i32),
    SeekToEnd(i32),
    Pause(i32),
    Resume(i32),
    AssignOne(i32),
    AssignAll,
}

fn op() -> impl Strategy<Value = Op> {
    let partition = || 0..PARTITIONS;
    prop_oneof![
        3 => Just(Op::BeginPoll),
        1 => Just(Op::DropPoll),
        4 => (1_u8..6).prop_map(Op::Steps),
        2 => (partition(), 0..RECORDS + 5).prop_map(|(p, offset)| Op::Seek(p, offset)),
        1 => partition().prop_map(Op::SeekToBeginning),
        1 => partition().prop_map(Op::SeekToEnd),
        1 => partition().prop_map(Op::Pause),
        1 => partition().prop_map(Op::Resume),
        1 => partition().prop_map(Op::AssignOne),
        1 => Just(Op::AssignAll),
    ]
}

/// A consumer, its waiting poll, and where each partition's next record has to come from; `None`
/// for a partition that is not assigned.
struct Run {
    cluster: Cluster,
    consumer: Consumer,
    poll: Option<Operation<Vec<ConsumerRecord>>>,
    next: [Option<i64>; PARTITIONS as usize],
}

impl Run {
    fn new(seed: u64) -> Self {
        let latency = (Duration::from_micros(1), Duration::from_millis(30));
        let builder = Cluster::builder().seed(seed).latency(latency.0, latency.1);
        let cluster = with_topic(builder, PARTITIONS);
        let producer = cluster.producer(DEFAULTS).unwrap();
        for i in 0..RECORDS {
            for partition in 0..PARTITIONS {
                producer.send(Record::to("orders").partition(partition).value("x")).unwrap();
            }
            if i % 3 == 0 {
                producer.flush().unwrap();
            }
        }
        producer.flush().unwrap();
        let configs = [("auto.offset.reset", "earliest"), ("max.poll.records", "4")];
        let mut consumer = cluster.consumer(configs).unwrap();
        consumer.assign((0..PARTITIONS).map(|p| ("orders", p))).unwrap();
        Run { cluster, consumer, poll: None, next: [Some(0); PARTITIONS as usize] }
    }

    fn obey(&mut self, op: Op) {
        match op {
            Op::BeginPoll if self.poll.is_none() => {
                self.poll = Some(self.consumer.begin_poll(Duration::from_secs(10)).unwrap());
            }
            Op::BeginPoll => {}
            Op::DropPoll => drop(self.poll.take()),
            Op::Steps(steps) => {
                for _ in 0..steps {
                    self.cluster.step().unwrap();
                    self.take();
                }
            }
            // Behind the end of the log the position is set anew, to the beginning.
            Op::Seek(p, offset) => {
                let next = if offset > RECORDS { 0 } else { offset };
                self.seek(p, next, |consumer, p| consumer.seek(p, offset));
            }
            Op::SeekToBeginning(p) => self.seek(p, 0, Consumer::seek_to_beginning),
            Op::SeekToEnd(p) => self.seek(p, RECORDS, Consumer::seek_to_end),
            Op::Pause(p) => drop(self.consumer.pause([("orders", p)])),
            Op::Resume(p) => drop(self.consumer.resume([("orders", p)])),
            Op::AssignOne(p) => self.assign(&[p]),
            Op::AssignAll => self.assign(&[0, 1]),
        }
        self.take();
    }

    fn seek(
        &mut self,
        partition: i32,
        next: i64,
        seek: impl Fn(&mut Consumer, TopicPartition) -> Result<(), kafkarium::Error>,
    ) {
        let sought = seek(&mut self.consumer, TopicPartition::new("orders", partition));
        let known = &mut self.next[partition as usize];
        assert_eq!(sought.is_ok(), known.is_some());
        *known = known.map(|_| next);
    }

    fn assign(&mut self, partitions: &[i32]) {
        self.consumer.assign(partitions.iter().map(|&p| ("orders", p))).unwrap();
        for (p, next) in (0..).zip(&mut self.next) {
            *next = partitions.contains(&p).then(|| next.unwrap_or(0));
        }
    }

    /// Takes what the poll gave, if it is done.
    fn take(&mut self) {
        let Some(result) = self.poll.as_mut().and_then(Operation::take) else { return };
        self.poll = None;
        for record in result.unwrap() {
            let next = &mut self.next[record.partition() as usize];
            assert_eq!(Some(record.offset().0), *next, "of partition {}", record.partition());
            *next = Some(record.offset().0 + 1);
        }
    }

    /// Reads to the end, in as many polls as it takes when each gives what it can.
    fn finish(mut self) {
        self.assign(&[0, 1]);
        self.consumer.resume([("orders", 0), ("orders", 1)]).unwrap();
        for _ in 0..=2 * RECORDS {
            self.obey(Op::BeginPoll);
            while self.poll.is_some() {
                self.obey(Op::Steps(1));
            }
            if self.next == [Some(RECORDS); PARTITIONS as usize] {
                return;
            }
        }
        panic!("the consumer got no further than {:?}:\n{}", self.next, self.cluster.trace());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn records_come_in_order_from_where_the_user_sought_last(
        seed in 0_u64..1000,
        ops in prop::collection::vec(op(), 1..60),
    ) {
        let mut run = Run::new(seed);
        for op in ops {
            run.obey(op);
        }
        run.finish();
    }
}
