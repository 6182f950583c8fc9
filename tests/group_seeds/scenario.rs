//! What happens in a run: steps that the seed draws, and then rest.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use kafkarium::trace::GroupState;
use kafkarium::{
    ApiKey, BrokerId, Cluster, Consumer, ErrorCode, Fault, Offset, OffsetAndMetadata, Producer,
    RandomFaults, Record, TopicPartition, TopicSpec,
};

use crate::common::{Draw, SECOND};
use crate::members::{self, Member};
use crate::watch::{self, Durable, GivenOut, Written};
use crate::{GROUP, Met, may_fail};

const TOPICS: [&str; 2] = ["orders", "returns"];
const STEPS: u64 = 16;
const BROKER: BrokerId = BrokerId(1);

/// How long a group may take to come to rest.
const REST: Duration = Duration::from_secs(900);

/// The assignors; those that stand behind the common one differ between the members.
const ASSIGNORS: [&str; 4] = ["range", "roundrobin", "sticky", "cooperative-sticky"];

pub struct Scenario {
    pub cluster: Cluster,
    draw: Draw,
    tells: bool,
    common: &'static str,
    producer: Producer,
    stranger: Consumer,
    sent: usize,
    members: Vec<Member>,
    named: usize,
    partitions: BTreeMap<&'static str, i32>,
    given: GivenOut,
    written: Written,
    met: Met,
}

type Failed = Box<dyn std::error::Error>;

impl Scenario {
    pub fn new(seed: u64, tells: bool) -> Self {
        let mut draw = Draw::new(seed);
        let mut builder = Cluster::builder().seed(seed).config("offsets.topic.num.partitions", "1");
        let delay = draw.one_of(&["0", "3000"]);
        builder = builder.config("group.initial.rebalance.delay.ms", delay);
        if draw.one_in(2) {
            builder = builder.latency(Duration::from_micros(100), draw.millis(1, 60));
        }
        if draw.one_in(3) {
            builder = builder.faults(RandomFaults {
                lose_permille: 3,
                reset_permille: 10,
                delay_permille: 40,
                max_delay: 2 * SECOND,
            });
        }
        let cluster = builder.build().unwrap();
        let admin = cluster.admin();
        let mut partitions = BTreeMap::new();
        for topic in TOPICS {
            let count = 1 + draw.below(4) as i32;
            partitions.insert(topic, count);
            match admin.create_topic(topic, TopicSpec::partitions(count)) {
                Err(error) if error.code() == Some(ErrorCode::TopicAlreadyExists) => {}
                created => drop(created.unwrap()),
            }
        }
        let producer = cluster.producer([("metadata.max.age.ms", "3000")]).unwrap();
        let configs = [
            ("group.id", GROUP),
            ("enable.auto.commit", "false"),
            ("request.timeout.ms", "5000"),
            ("default.api.timeout.ms", "8000"),
        ];
        let stranger = cluster.consumer(configs).unwrap();
        let given = GivenOut::default();
        let written = watch::begin(&cluster, &given);
        let common = draw.one_of(&ASSIGNORS);
        let (members, met) = (Vec::new(), Met::new());
        let (sent, named) = (0, 0);
        Scenario {
            cluster,
            draw,
            tells,
            common,
            producer,
            stranger,
            sent,
            members,
            named,
            partitions,
            given,
            written,
            met,
        }
    }

    fn tell(&self, what: impl FnOnce() -> String) {
        if self.tells {
            println!("{} {}", self.cluster.now(), what());
        }
    }

    fn met(&mut self, what: &'static str, count: usize) {
        if count > 0 {
            *self.met.entry(what).or_default() += count;
        }
    }

    pub fn run(&mut self) -> Result<Met, String> {
        self.play().map_err(|error| error.to_string())?;
        Ok(self.met.clone())
    }

    fn play(&mut self) -> Result<(), Failed> {
        self.join(None)?;
        for _ in 0..STEPS {
            self.step()?;
            self.send(3)?;
            let by = self.draw.one_of(&[50, 300, 1000, 3500]);
            self.poll(Duration::from_millis(by))?;
            self.check_owners()?;
            if self.draw.one_in(5) {
                self.compare_restart()?;
            }
        }
        self.come_to_rest()
    }

    fn poll(&mut self, by: Duration) -> Result<(), Failed> {
        let met = &mut self.met;
        let count = |what, count| {
            if count > 0 {
                *met.entry(what).or_default() += count;
            }
        };
        Ok(members::poll(&self.cluster, &mut self.members, &self.given, by, count)?)
    }

    fn send(&mut self, count: usize) -> Result<(), Failed> {
        for _ in 0..count {
            let (topic, value) = (self.draw.one_of(&TOPICS), format!("{}", self.sent));
            self.sent += 1;
            drop(self.producer.send(Record::to(topic).key(&value).value(&value))?);
        }
        Ok(())
    }

    /// A member that has not been there, or a static one that comes back.
    fn join(&mut self, instance: Option<String>) -> Result<(), Failed> {
        self.named += 1;
        let name = format!("member {}", self.named);
        let is_static = self.draw.one_in(3);
        let fresh = is_static.then(|| format!("instance-{}", self.named));
        let instance = instance.or(fresh);
        let other = self.draw.one_of(&ASSIGNORS);
        let assignors = match other {
            other if other == self.common || self.draw.one_in(2) => self.common.to_owned(),
            other => format!("{},{other}", self.common),
        };
        let cluster = &self.cluster;
        let mut member = Member::new(cluster, &mut self.draw, name, instance, &assignors)?;
        let topics = self.draw_topics();
        self.tell(|| {
            let Member { name, instance, commits, .. } = &member;
            format!("{name} {instance:?} joins for {topics:?} with {assignors}, {commits:?}")
        });
        member.subscribe(&mut self.draw, topics)?;
        self.members.push(member);
        Ok(())
    }

    fn draw_topics(&mut self) -> Vec<&'static str> {
        match self.draw.below(4) {
            0 => vec![TOPICS[0]],
            1 => vec![TOPICS[1]],
            _ => TOPICS.to_vec(),
        }
    }

    fn step(&mut self) -> Result<(), Failed> {
        let choice = self.draw.below(22);
        if self.members.is_empty() || (choice < 4 && self.members.len() < 5) {
            return self.join(None);
        }
        let n = self.draw.below(self.members.len() as u64) as usize;
        let name = self.members[n].name.clone();
        match choice {
            4 | 5 => {
                self.tell(|| format!("{name} is closed"));
                let mut member = self.members.remove(n);
                member.consumer.close()?;
            }
            6 | 7 => {
                self.tell(|| format!("{name} crashes"));
                let member = self.members.remove(n);
                self.cluster.crash(member.consumer.id())?;
                if member.instance.is_some() && !self.draw.one_in(3) {
                    let by = self.draw.millis(100, 9000);
                    self.poll(by)?;
                    self.join(member.instance)?;
                }
            }
            8 | 9 => {
                let by = self.draw.one_of(&[2, 7, 20]) * SECOND;
                self.tell(|| format!("{name} pauses for {by:?}"));
                self.cluster.pause(self.members[n].consumer.id(), by)?;
                self.members[n].paused_until = self.cluster.now().after(by);
            }
            10 => {
                // It has not heard of anything, and commits.
                let by = self.draw.one_of(&[1, 10, 16]) * SECOND;
                self.tell(|| format!("{name} is busy for {by:?}, and commits"));
                let mut busy = self.members.remove(n);
                self.poll(by)?;
                if busy.paused_until <= self.cluster.now() {
                    busy.commit_late()?;
                }
                self.members.push(busy);
            }
            11 | 12 => {
                let by = self.draw.one_of(&[10, 1000, 8000]);
                self.tell(|| format!("the broker is away for {by} ms"));
                self.cluster.crash(BROKER)?;
                self.poll(Duration::from_millis(by))?;
                self.cluster.restart(BROKER)?;
            }
            13 => {
                let by = self.draw.one_of(&[1, 5, 10]) * SECOND;
                self.tell(|| format!("the broker pauses for {by:?}"));
                self.cluster.pause(BROKER, by)?;
            }
            14 => {
                let topics = self.draw_topics();
                self.tell(|| format!("{name} subscribes to {topics:?}"));
                self.members[n].subscribe(&mut self.draw, topics)?;
            }
            15 => {
                let topic = self.draw.one_of(&TOPICS);
                let count = self.partitions.entry(topic).or_default();
                *count += i32::from(*count < 6);
                let count = *count;
                self.tell(|| format!("{topic} gets {count} partitions"));
                // It may have them, or the answer may be lost.
                may_fail(self.cluster.admin().create_partitions(topic, count))?;
            }
            16 => {
                self.tell(|| format!("{name} unsubscribes"));
                self.members[n].consumer.unsubscribe()?;
                self.members[n].topics.clear();
            }
            17 => match self.members[n].instance.clone().filter(|_| self.draw.one_in(2)) {
                Some(instance) => {
                    self.tell(|| format!("{name} gets a twin"));
                    self.join(Some(instance))?;
                }
                None => {
                    self.tell(|| format!("{name} enforces a rebalance"));
                    may_fail(self.members[n].consumer.enforce_rebalance())?;
                }
            },
            18 => self.commit_as_stranger()?,
            19 => self.inject(n)?,
            _ => {
                let by = self.draw.millis(1, 4000);
                self.tell(|| format!("{name} gives up a poll after {by:?}"));
                let member = &mut self.members[n];
                if !member.topics.is_empty() && member.paused_until <= self.cluster.now() {
                    member.poll_in_vain(&self.cluster, by, &self.given)?;
                }
            }
        }
        Ok(())
    }

    fn commit_as_stranger(&mut self) -> Result<(), Failed> {
        let partition = TopicPartition::new(TOPICS[0], 0);
        let Offset(end) = self.given.end(&partition);
        let offset = OffsetAndMetadata { metadata: "simple".to_owned(), ..end.into() };
        self.tell(|| format!("a stranger commits {end} of {partition}"));
        let taken = may_fail(self.stranger.commit_sync_offsets([(partition, offset)]))?;
        self.met(
            match taken {
                Some(()) => "commits by simple consumers",
                None => "commits refused to simple consumers",
            },
            1,
        );
        Ok(())
    }

    fn inject(&mut self, n: usize) -> Result<(), Failed> {
        let api = self.draw.one_of(&[
            ApiKey::JoinGroup,
            ApiKey::SyncGroup,
            ApiKey::Heartbeat,
            ApiKey::OffsetCommit,
            ApiKey::OffsetFetch,
            ApiKey::FindCoordinator,
            ApiKey::LeaveGroup,
        ]);
        let by = self.draw.millis(100, 8000);
        let fault = match self.draw.below(6) {
            0 => Fault::lose_request(api),
            1 => Fault::lose_response(api),
            2 => Fault::reset_before(api),
            3 => Fault::reset_after(api),
            4 => Fault::delay_request(api, by),
            _ => Fault::delay_response(api, by),
        };
        self.tell(|| format!("fault: {fault:?}"));
        let fault =
            if self.draw.one_in(2) { fault.of(self.members[n].consumer.id()) } else { fault };
        Ok(self.cluster.inject(fault)?)
    }

    /// No two members that the coordinator knows believe that they have one partition in the same
    /// generation.
    fn check_owners(&self) -> Result<(), Failed> {
        let known: BTreeSet<String> = self.cluster.view(|view| {
            let members = view.group(GROUP).into_iter().flat_map(|group| group.members());
            members.map(|member| member.id().to_owned()).collect()
        });
        let mut owners = BTreeMap::new();
        for member in &self.members {
            let who = member.consumer.group_metadata().ok_or("no group")?;
            if !known.contains(&who.member_id) {
                continue;
            }
            for partition in member.consumer.assignment() {
                let owner = (who.generation_id, partition.clone());
                if let Some(other) = owners.insert(owner, &member.name) {
                    let (name, generation) = (&member.name, who.generation_id);
                    let text = format!("{other} and {name} have {partition} in {generation}");
                    return Err(text.into());
                }
            }
        }
        Ok(())
    }

    /// In a fork the broker crashes and comes back: with what was written, and with no more.
    fn compare_restart(&mut self) -> Result<(), Failed> {
        let look = |cluster: &Cluster| {
            cluster.view(|view| view.group(GROUP).map(|group| (group.state(), Durable::of(group))))
        };
        let Some((state, before)) = look(&self.cluster) else { return Ok(()) };
        let fork = self.cluster.fork().unwrap();
        fork.crash(BROKER)?;
        fork.restart(BROKER)?;
        let Some((_, after)) = look(&fork) else { return Err("the group is gone".into()) };
        let is_settled = matches!(state, GroupState::Stable | GroupState::Empty);
        self.met("restarts compared", 1);
        self.met("restarts in a rebalance", usize::from(!is_settled));
        let written = self.written.lock().unwrap().clone();
        if after != written || (is_settled && after != before) {
            return Err(format!("{state} {before:?}, {written:?} is written, {after:?}").into());
        }
        Ok(())
    }

    /// Everybody is polled until the group is as it ought to be.
    fn come_to_rest(&mut self) -> Result<(), Failed> {
        self.tell(|| "from here on everybody is polled only".to_owned());
        self.producer.flush()?;
        // What has changed while a static leader was away nobody notices before the next rebalance,
        // as in Kafka: it comes back without one, and skips the assignment. Who is joining has to be
        // back first, since the assignment ends whatever reason there was to join again.
        for _ in 0..5 {
            self.poll(2 * SECOND)?;
        }
        for member in self.members.iter_mut().filter(|member| !member.topics.is_empty()) {
            member.consumer.enforce_rebalance()?;
        }
        let end = self.cluster.now().after(REST);
        loop {
            if self.members.iter().all(|member| member.topics.is_empty()) {
                self.join(None)?;
            }
            self.poll(2 * SECOND)?;
            let Err(why) = self.check_rest() else { break };
            if self.cluster.now() > end {
                return Err(format!("the group does not come to rest: {why}").into());
            }
        }
        self.tell(|| "it is at rest".to_owned());
        watch::check_told(&self.cluster.trace())?;
        self.compare_restart()
    }

    /// Each partition that is subscribed to has one owner, in one generation, and all was read.
    fn check_rest(&self) -> Result<(), String> {
        let group = self
            .cluster
            .view(|view| view.group(GROUP).map(|group| (group.state(), Durable::of(group))));
        let Some((GroupState::Stable, group)) = group else { return Err(format!("{group:?}")) };
        let mut topics = BTreeSet::new();
        let mut owned = BTreeSet::new();
        let living = self.members.iter().filter(|member| !member.topics.is_empty());
        let mut living_ids = BTreeSet::new();
        for member in living {
            topics.extend(member.topics.iter().copied());
            let who = member.consumer.group_metadata().ok_or("no group")?;
            let mine = member.consumer.assignment();
            let given = group.members.get(&who.member_id);
            let given: Option<BTreeSet<_>> = given.map(|given| given.iter().cloned().collect());
            if who.generation_id != group.generation
                || given != Some(mine.iter().cloned().collect())
            {
                let name = &member.name;
                return Err(format!("{name} is {who:?} and has {mine:?}, and the group {group:?}"));
            }
            living_ids.insert(who.member_id);
            for partition in mine {
                if !owned.insert(partition.clone()) {
                    return Err(format!("{partition} has two owners"));
                }
            }
        }
        if !group.members.keys().eq(&living_ids) {
            return Err(format!("{living_ids:?} are alive, and {group:?}"));
        }
        let wanted: BTreeSet<TopicPartition> = self.cluster.view(|view| {
            let replicas = view.replicas().map(|one| one.name());
            replicas.filter(|name| topics.contains(&*name.topic)).cloned().collect()
        });
        if owned != wanted {
            return Err(format!("{wanted:?} are to be owned, and {owned:?} are"));
        }
        for partition in owned {
            let end = self.cluster.view(|view| {
                view.partition(partition.clone()).map(|one| one.log().log_end_offset())
            });
            if end != Some(self.given.end(&partition)) {
                let given = self.given.end(&partition);
                return Err(format!("{partition} up to {end:?}, given out up to {given}"));
            }
        }
        Ok(())
    }
}
