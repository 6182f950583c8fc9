//! Two members of a group, beside what two consumers of Kafka 4.3.1 told their listeners in the
//! same course of events, against a real broker: `tests/referee/members`.
#![allow(clippy::unwrap_used)]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use kafkarium::{
    Cluster, Consumer, Error, ErrorCode, OffsetAndMetadata, RebalanceListener, TopicPartition,
    TopicSpec,
};

const GOLDEN: &str = include_str!("referee/members/golden.txt");

/// What has been said, by whom.
#[derive(Clone, Default)]
struct Said(Arc<Mutex<Vec<String>>>);

impl Said {
    fn line(&self, line: String) {
        self.0.lock().unwrap().push(line);
    }
}

struct Told {
    name: &'static str,
    said: Said,
}

impl Told {
    fn say(&self, what: &str, partitions: &[TopicPartition]) -> Result<(), Error> {
        let names: Vec<String> = partitions.iter().map(ToString::to_string).collect();
        self.said.line(format!("{} {what} {}", self.name, names.join(" ")));
        Ok(())
    }
}

impl RebalanceListener for Told {
    fn on_partitions_revoked(
        &mut self,
        _: &mut Consumer,
        partitions: &[TopicPartition],
    ) -> Result<(), Error> {
        self.say("revoked", partitions)
    }

    fn on_partitions_assigned(
        &mut self,
        _: &mut Consumer,
        partitions: &[TopicPartition],
    ) -> Result<(), Error> {
        self.say("assigned", partitions)
    }

    fn on_partitions_lost(
        &mut self,
        _: &mut Consumer,
        partitions: &[TopicPartition],
    ) -> Result<(), Error> {
        self.say("lost", partitions)
    }
}

struct Stage {
    cluster: Cluster,
    said: Said,
}

impl Stage {
    fn new() -> Self {
        let builder = Cluster::builder().config("group.initial.rebalance.delay.ms", "0");
        let cluster = builder.build().unwrap();
        cluster.admin().create_topic("orders", TopicSpec::partitions(6)).unwrap();
        cluster.admin().create_topic("stock", TopicSpec::partitions(2)).unwrap();
        Stage { cluster, said: Said::default() }
    }

    fn consumer(&self, name: &'static str, group: &str, assignor: &str) -> Consumer {
        let configs = [
            ("group.id", group),
            ("partition.assignment.strategy", assignor),
            ("auto.offset.reset", "earliest"),
            ("max.poll.interval.ms", "8000"),
            ("default.api.timeout.ms", "2000"),
        ];
        let mut consumer = self.cluster.consumer(configs).unwrap();
        consumer.subscribe_with(["orders"], self.told(name)).unwrap();
        consumer
    }

    fn told(&self, name: &'static str) -> Told {
        Told { name, said: self.said.clone() }
    }

    fn poll(&self, seconds: u64, consumers: &mut [&mut Consumer]) {
        let end = self.cluster.now().after(Duration::from_secs(seconds));
        while self.cluster.now() < end {
            for consumer in &mut *consumers {
                consumer.poll(Duration::from_millis(50)).unwrap();
            }
        }
    }

    fn commit(&self, what: &str, consumer: &mut Consumer, partition: i32, metadata: &str) {
        let mut at = OffsetAndMetadata::from(0);
        metadata.clone_into(&mut at.metadata);
        let committed = consumer.commit_sync_offsets([(("orders", partition), at)]);
        let end = match committed {
            Ok(()) => "done".to_owned(),
            Err(Error::CommitFailed(_)) => "CommitFailedException".to_owned(),
            Err(Error::Timeout { .. }) => "TimeoutException".to_owned(),
            Err(error) => match error.code() {
                Some(ErrorCode::RebalanceInProgress) => "RebalanceInProgressException".to_owned(),
                Some(ErrorCode::OffsetMetadataTooLarge) => "OffsetMetadataTooLarge".to_owned(),
                _ => error.to_string(),
            },
        };
        self.said.line(format!("a commit {what}: {end}"));
    }

    fn play(&self, assignor: &str) {
        let say = |line: &str| self.said.line(line.to_owned());
        say(&format!("== {assignor}"));
        let mut a = self.consumer("a", assignor, assignor);
        self.poll(2, &mut [&mut a]);
        let mut b = self.consumer("b", assignor, assignor);
        self.poll(8, &mut [&mut a, &mut b]);
        say("-- a subscribes to more");
        a.subscribe_with(["orders", "stock"], self.told("a")).unwrap();
        self.poll(8, &mut [&mut a, &mut b]);
        say("-- a subscribes to less");
        a.subscribe_with(["stock"], self.told("a")).unwrap();
        self.poll(8, &mut [&mut a, &mut b]);
        say("-- b enforces a rebalance");
        b.enforce_rebalance().unwrap();
        self.poll(6, &mut [&mut a, &mut b]);
        say("-- a is not polled for too long");
        self.poll(12, &mut [&mut b]);
        self.poll(8, &mut [&mut a, &mut b]);
        say("-- b unsubscribes");
        b.unsubscribe().unwrap();
        self.poll(6, &mut [&mut a]);
        say("-- both close");
        a.close().unwrap();
        b.close().unwrap();
    }

    fn commits(&self) {
        self.said.line("== commits".to_owned());
        let mut a = self.consumer("a", "commits", "RangeAssignor");
        self.commit("before it has joined", &mut a, 0, "");
        a.poll(Duration::ZERO).unwrap();
        self.commit("while it joins", &mut a, 0, "");
        self.poll(4, &mut [&mut a]);
        self.commit("as a member", &mut a, 0, "");
        self.commit("for a partition that there is not", &mut a, 99, "");
        self.commit("with much metadata", &mut a, 0, &"x".repeat(5000));
        self.cluster.advance(Duration::from_secs(9)).unwrap();
        self.commit("after it was not polled for too long", &mut a, 0, "");
        a.close().unwrap();
    }
}

/// The lines of one step, those of each member by themselves: which of two members that do not wait
/// for each other is told first is chance.
fn by_member(lines: &[&str]) -> Vec<(String, Vec<String>)> {
    let mut steps = Vec::new();
    for line in lines {
        if line.starts_with("==") || line.starts_with("--") {
            steps.push(((*line).to_owned(), Vec::new()));
        } else if let Some((_, said)) = steps.last_mut() {
            said.push(line.trim_end().to_owned());
        }
    }
    for (_, said) in &mut steps {
        // Stable: what one member was told keeps its order.
        said.sort_by_key(|line: &String| line.chars().next());
    }
    steps
}

#[test]
fn members_are_told_what_javas_are_told() {
    let stage = Stage::new();
    for assignor in
        ["RangeAssignor", "RoundRobinAssignor", "StickyAssignor", "CooperativeStickyAssignor"]
    {
        stage.play(assignor);
    }
    stage.commits();
    let said = stage.said.0.lock().unwrap();
    let ours = by_member(&said.iter().map(String::as_str).collect::<Vec<_>>());
    let golden = by_member(&GOLDEN.lines().collect::<Vec<_>>());
    assert_eq!(ours.len(), golden.len());
    for (ours, golden) in ours.iter().zip(&golden) {
        assert_eq!(ours, golden, "of {}", golden.0);
    }
}
