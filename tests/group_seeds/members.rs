//! Members of mixed kinds, and how they commit.

use std::collections::BTreeMap;
use std::time::Duration;

use kafkarium::{
    Cluster, Consumer, ConsumerRecord, Error, ErrorCode, Offset, OffsetAndMetadata,
    RebalanceListener, Time, TopicPartition,
};

use crate::common::Draw;
use crate::watch::GivenOut;
use crate::{GROUP, may_fail};

/// When a member commits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Commits {
    Auto,
    /// After what a poll gave.
    Sync,
    Async,
    /// When partitions are revoked.
    InListener,
}

pub struct Member {
    pub name: String,
    pub consumer: Consumer,
    pub instance: Option<String>,
    pub topics: Vec<&'static str>,
    pub commits: Commits,
    by_pattern: bool,
    pub paused_until: Time,
}

/// Commits what was read, in the name of the generation that the consumer believes in.
fn commit_tagged(
    consumer: &mut Consumer,
    is_sync: bool,
    read: &BTreeMap<TopicPartition, i64>,
) -> Result<(), Error> {
    let Some(who) = consumer.group_metadata() else { return Ok(()) };
    let kind = if is_sync { "sync" } else { "async" };
    let metadata = format!("{kind} {} {}", who.generation_id, who.member_id);
    let tag = |(partition, offset): (&TopicPartition, &i64)| {
        let metadata = metadata.clone();
        (partition.clone(), OffsetAndMetadata { metadata, ..OffsetAndMetadata::from(*offset) })
    };
    let offsets: Vec<_> = read.iter().map(tag).collect();
    // A stale member is refused, which is what the checks are about.
    may_fail(match is_sync {
        true => consumer.commit_sync_offsets(offsets),
        false => consumer.commit_async_offsets(offsets, drop),
    })
    .map(drop)
}

struct Listener {
    commits: bool,
    seeks: bool,
}

impl RebalanceListener for Listener {
    fn on_partitions_revoked(
        &mut self,
        consumer: &mut Consumer,
        _partitions: &[TopicPartition],
    ) -> Result<(), Error> {
        if self.commits { may_fail(consumer.commit_sync()).map(drop) } else { Ok(()) }
    }

    fn on_partitions_assigned(
        &mut self,
        consumer: &mut Consumer,
        partitions: &[TopicPartition],
    ) -> Result<(), Error> {
        match partitions.first().filter(|_| self.seeks) {
            Some(first) => consumer.seek_to_beginning(first.clone()),
            None => Ok(()),
        }
    }
}

impl Member {
    pub fn new(
        cluster: &Cluster,
        draw: &mut Draw,
        name: String,
        instance: Option<String>,
        assignors: &str,
    ) -> Result<Member, Error> {
        let commits =
            draw.one_of(&[Commits::Auto, Commits::Sync, Commits::Async, Commits::InListener]);
        let is_auto = commits == Commits::Auto;
        let mut configs = vec![
            ("group.id", GROUP.to_owned()),
            ("auto.offset.reset", "earliest".to_owned()),
            ("enable.auto.commit", is_auto.to_string()),
            ("auto.commit.interval.ms", draw.one_of(&["500", "2000", "5000"]).to_owned()),
            ("session.timeout.ms", draw.one_of(&["6000", "8000", "12000"]).to_owned()),
            ("heartbeat.interval.ms", draw.one_of(&["500", "2000"]).to_owned()),
            ("max.poll.interval.ms", draw.one_of(&["9000", "15000", "40000"]).to_owned()),
            ("max.poll.records", draw.one_of(&["2", "500"]).to_owned()),
            ("metadata.max.age.ms", "5000".to_owned()),
            ("request.timeout.ms", "5000".to_owned()),
            ("default.api.timeout.ms", "8000".to_owned()),
            ("partition.assignment.strategy", assignors.to_owned()),
        ];
        configs.extend(instance.iter().map(|id| ("group.instance.id", id.clone())));
        let consumer = cluster.consumer(configs)?;
        let paused_until = Time(0);
        let (topics, by_pattern) = (Vec::new(), draw.one_in(4));
        Ok(Member { name, consumer, instance, topics, commits, by_pattern, paused_until })
    }

    pub fn subscribe(&mut self, draw: &mut Draw, topics: Vec<&'static str>) -> Result<(), Error> {
        self.topics = topics.clone();
        let listener =
            Listener { commits: self.commits == Commits::InListener, seeks: draw.one_in(4) };
        if self.by_pattern {
            self.consumer.subscribe_pattern_with(&topics.join("|"), listener)
        } else if listener.commits || listener.seeks || draw.one_in(3) {
            self.consumer.subscribe_with(topics, listener)
        } else {
            self.consumer.subscribe(topics)
        }
    }

    /// What a poll gave is processed, and committed then.
    pub fn process(
        &mut self,
        records: &[ConsumerRecord],
        given: &GivenOut,
    ) -> Result<usize, Error> {
        let mut read = BTreeMap::new();
        let mut again = 0;
        for record in records {
            let Offset(offset) = record.offset();
            again += usize::from(!given.insert(record.topic_partition(), record.offset()));
            read.insert(record.topic_partition().clone(), offset + 1);
        }
        match self.commits {
            _ if read.is_empty() => {}
            Commits::Sync => commit_tagged(&mut self.consumer, true, &read)?,
            Commits::Async => commit_tagged(&mut self.consumer, false, &read)?,
            Commits::Auto | Commits::InListener => {}
        }
        Ok(again)
    }

    /// A poll that is given up when it has come as far as it comes in a while.
    pub fn poll_in_vain(
        &mut self,
        cluster: &Cluster,
        by: Duration,
        given: &GivenOut,
    ) -> Result<(), Error> {
        let mut poll = self.consumer.begin_poll(2 * by)?;
        cluster.advance(by)?;
        match poll.take().and_then(Result::ok) {
            Some(records) => self.process(&records, given).map(drop),
            None => Ok(()),
        }
    }

    /// A member that has been silent may believe that it is in the group still.
    pub fn commit_late(&mut self) -> Result<(), Error> {
        let mut offsets = BTreeMap::new();
        for partition in self.consumer.assignment() {
            if let Some(Offset(offset)) = may_fail(self.consumer.position(partition.clone()))? {
                offsets.insert(partition, offset);
            }
        }
        commit_tagged(&mut self.consumer, true, &offsets)
    }
}

/// Polls all of them for a while. One whose instance has been taken over ends.
pub fn poll(
    cluster: &Cluster,
    members: &mut Vec<Member>,
    given: &GivenOut,
    by: Duration,
    mut met: impl FnMut(&'static str, usize),
) -> Result<(), Error> {
    let end = cluster.now().after(by);
    loop {
        let now = cluster.now();
        let may = |member: &&mut Member| !member.topics.is_empty() && member.paused_until <= now;
        let mut polled: Vec<&mut Member> = members.iter_mut().filter(may).collect();
        if polled.is_empty() || end <= now {
            return cluster.advance(end.since(now));
        }
        let mut consumers: Vec<_> = polled.iter_mut().map(|one| &mut one.consumer).collect();
        let results = cluster.poll_all(&mut consumers, end.since(now))?;
        let mut fenced = Vec::new();
        for (member, result) in polled.iter_mut().zip(results) {
            match result {
                Ok(records) => met("records read twice", member.process(&records, given)?),
                Err(error) if error.code() == Some(ErrorCode::FencedInstanceId) => {
                    met("fenced", 1);
                    fenced.push(member.name.clone());
                }
                Err(error) => return Err(error),
            }
        }
        for one in members.extract_if(.., |one| fenced.contains(&one.name)) {
            may_fail({ one }.consumer.close())?;
        }
    }
}
