//! What is checked after every event.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use kafkarium::api::Assignment;
use kafkarium::record::RecordBatch;
use kafkarium::trace::{Actor, ClientEvent, GroupState, MemberState, Trace, TraceEvent};
use kafkarium::{Cluster, GroupView, Offset, TopicPartition, View};

use crate::GROUP;

/// What poll has given out, of each partition: the offsets.
#[derive(Clone, Debug, Default)]
pub struct GivenOut(Arc<Mutex<BTreeMap<TopicPartition, BTreeSet<i64>>>>);

impl GivenOut {
    /// Notes a record; says whether it is new.
    pub fn insert(&self, partition: &TopicPartition, offset: Offset) -> bool {
        self.0.lock().unwrap().entry(partition.clone()).or_default().insert(offset.0)
    }

    /// The first offset that has not been given out.
    pub fn end(&self, partition: &TopicPartition) -> Offset {
        let all = self.0.lock().unwrap();
        let offsets = all.get(partition);
        let gap = (0..).find(|offset| !offsets.is_some_and(|all| all.contains(offset)));
        Offset(gap.unwrap_or(0))
    }
}

/// A group as far as it is durable: its generation, and what each member has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Durable {
    pub generation: i32,
    pub members: BTreeMap<String, Vec<TopicPartition>>,
    pub committed: BTreeMap<TopicPartition, Offset>,
}

impl Durable {
    pub fn of(group: GroupView<'_>) -> Self {
        let member = |member: kafkarium::MemberView<'_>| (member.id().into(), member.assignment());
        Durable {
            generation: group.generation(),
            members: group.members().map(member).collect(),
            committed: committed(group),
        }
    }
}

fn committed(group: GroupView<'_>) -> BTreeMap<TopicPartition, Offset> {
    group.committed().map(|(partition, offset)| (partition.clone(), offset)).collect()
}

/// What the log says of the group: kept up to date by the invariants.
pub type Written = Arc<Mutex<Durable>>;

/// Begins to check.
pub fn begin(cluster: &Cluster, given: &GivenOut) -> Written {
    watch_owners(cluster);
    watch_commits(cluster, given)
}

/// No partition is assigned to two members of a generation.
fn watch_owners(cluster: &Cluster) {
    let mut seen = None;
    let check = move |view: View<'_>| {
        let Some(group) = view.group(GROUP) else { return Ok(()) };
        let now = (group.state(), group.generation(), group.members().len());
        if seen.replace(now) == Some(now) {
            return Ok(());
        }
        let mut owners = BTreeMap::new();
        for member in group.members() {
            for partition in member.assignment() {
                if let Some(other) = owners.insert(partition.clone(), member.id()) {
                    let generation = group.generation();
                    let who = format!("both {other} and {}", member.id());
                    return Err(format!("{partition} for {who} in generation {generation}"));
                }
            }
        }
        Ok(())
    };
    cluster.always("a partition has one owner in a generation", check).unwrap();
}

/// Follows what is written: who commits may, commits what was given out, and nothing else changes
/// what is committed.
fn watch_commits(cluster: &Cluster, given: &GivenOut) -> Written {
    let written = Written::default();
    let (durable, given) = (written.clone(), given.clone());
    let mut read_up_to = Offset::ZERO;
    let offsets = TopicPartition::new("__consumer_offsets", 0);
    let check = move |view: View<'_>| {
        let Some(group) = view.group(GROUP) else { return Ok(()) };
        let offsets = || offsets.clone();
        let log_end = view.partition(offsets()).map(|one| one.log().log_end_offset());
        let mut durable = durable.lock().unwrap();
        let is_news = log_end.is_some_and(|end| end > read_up_to);
        let new = if is_news { view.batches(offsets(), read_up_to) } else { Vec::new() };
        for batch in &new {
            read_up_to = batch.next_offset();
            take_in(batch, view, group, &given, &mut durable)?;
        }
        if !group.committed().eq(durable.committed.iter().map(|(at, &offset)| (at, offset))) {
            let there: Vec<_> = group.committed().collect();
            return Err(format!("{:?} is written, and {there:?} is committed", durable.committed));
        }
        Ok(())
    };
    cluster.always("commits are of members and of what was given out", check).unwrap();
    written
}

fn take_in(
    batch: &RecordBatch,
    view: View<'_>,
    group: GroupView<'_>,
    given: &GivenOut,
    durable: &mut Durable,
) -> Result<(), String> {
    for record in batch.records().map(Result::unwrap) {
        let (partition, offset, tag) = match read(record.key, record.value) {
            Read::Offset(partition, offset, tag) => (partition, offset, tag),
            Read::Group(generation, members) => {
                if generation < durable.generation {
                    return Err(format!("generation {generation} after {}", durable.generation));
                }
                (durable.generation, durable.members) = (generation, members);
                continue;
            }
        };
        let end = view.partition(partition.clone()).map(|one| one.log().log_end_offset());
        if end.is_none_or(|end| offset > end) || offset > given.end(&partition) {
            let given = given.end(&partition);
            return Err(format!("{offset} of {partition} up to {end:?}, given up to {given}"));
        }
        check_tag(&tag, group).map_err(|why| format!("{partition} at {offset} {tag}: {why}"))?;
        durable.committed.insert(partition, offset);
    }
    Ok(())
}

/// The metadata of a commit tells who made it, in which generation. Auto commit tells nothing.
fn check_tag(tag: &str, group: GroupView<'_>) -> Result<(), String> {
    let (state, now) = (group.state(), group.generation());
    let mut words = tag.split(' ');
    match (words.next(), words.next(), words.next()) {
        (Some("simple"), ..) if state == GroupState::Empty => return Ok(()),
        (Some("simple"), ..) => return Err(format!("the group is {state}")),
        (Some("sync"), Some(generation), Some(id)) => {
            if generation != now.to_string() {
                return Err(format!("the generation is {now}"));
            }
            if !group.members().any(|member| member.id() == id) {
                return Err("the member is out".to_owned());
            }
        }
        // Kafka's client, too, sends one that waited for the coordinator in the name of nobody when
        // it has unsubscribed meanwhile.
        (Some("async"), ..) if state == GroupState::Empty => return Ok(()),
        _ => {}
    }
    match state {
        GroupState::Stable | GroupState::PreparingRebalance => Ok(()),
        _ => Err(format!("the group is {state}")),
    }
}

/// Each member has what it was told to have: what was assigned, less what was revoked or lost.
pub fn check_told(trace: &Trace) -> Result<(), String> {
    let mut owners: BTreeMap<Actor, BTreeSet<TopicPartition>> = BTreeMap::new();
    let mut silent: BTreeSet<Actor> = BTreeSet::new();
    for entry in trace.entries() {
        let TraceEvent::Client(event) = &entry.event else { continue };
        let owned = owners.entry(entry.actor).or_default();
        match event {
            ClientEvent::Rejoin { .. } => drop(silent.insert(entry.actor)),
            // Who falls out of the group while it gives up some keeps the others, as in Kafka.
            ClientEvent::MemberState {
                to: MemberState::PreparingRebalance,
                generation: -1,
                ..
            } if silent.contains(&entry.actor) && !owned.is_empty() => {
                return Err(format!("it has not lost {owned:?}: {entry}"));
            }
            ClientEvent::PartitionsRevoked { partitions }
            | ClientEvent::PartitionsLost { partitions } => {
                silent.remove(&entry.actor);
                if let Some(strange) = partitions.iter().find(|gone| !owned.remove(*gone)) {
                    return Err(format!("{strange} was not there: {entry}"));
                }
            }
            ClientEvent::PartitionsAssigned { partitions, owned: count } => {
                if let Some(twice) = partitions.iter().find(|new| !owned.insert((*new).clone())) {
                    return Err(format!("{twice} was there: {entry}"));
                }
                if owned.len() != *count as usize {
                    return Err(format!("it was told to have {owned:?}: {entry}"));
                }
            }
            _ => {}
        }
    }
    Ok(())
}

/// A record of `__consumer_offsets`, as far as the checks need it.
enum Read {
    /// Where, which, and the metadata of the commit.
    Offset(TopicPartition, Offset, String),
    /// The generation, and what each member has.
    Group(i32, BTreeMap<String, Vec<TopicPartition>>),
}

fn read(key: Option<&[u8]>, value: Option<&[u8]>) -> Read {
    let (mut key, mut value) = (Bytes(key.unwrap()), Bytes(value.unwrap()));
    let (kind, group) = (key.number::<2>(), key.string());
    assert_eq!(group, GROUP);
    value.number::<2>();
    if kind == 2 {
        return read_group(value);
    }
    let partition = TopicPartition::new(key.string(), key.number::<4>() as i32);
    let offset = Offset(value.number::<8>());
    value.number::<4>();
    // Its length is a varint, one byte in these tests.
    let length = value.number::<1>() - 1;
    Read::Offset(partition, offset, value.text(length))
}

fn read_group(mut value: Bytes<'_>) -> Read {
    value.string();
    let generation = value.number::<4>() as i32;
    value.string();
    value.string();
    value.number::<8>();
    let count = value.number::<4>();
    let mut member = |_| {
        let id = value.string();
        for _instance_client_and_host in 0..3 {
            value.string();
        }
        value.number::<8>();
        let length = value.number::<4>();
        value.take(length);
        let length = value.number::<4>();
        let assignment = value.take(length).to_vec().into();
        (id, Assignment::decode(&assignment).map_or_else(|_| Vec::new(), |read| read.partitions))
    };
    Read::Group(generation, (0..count).map(&mut member).collect())
}

/// What is left to be read.
struct Bytes<'b>(&'b [u8]);

impl<'b> Bytes<'b> {
    fn take(&mut self, length: i64) -> &'b [u8] {
        let (taken, rest) = self.0.split_at(length as usize);
        self.0 = rest;
        taken
    }

    fn number<const N: usize>(&mut self) -> i64 {
        let sign = if self.0[0] > 0x7f { -1 } else { 0 };
        self.take(N as i64).iter().fold(sign, |number, &byte| number << 8 | i64::from(byte))
    }

    fn text(&mut self, length: i64) -> String {
        String::from_utf8(self.take(length).to_vec()).unwrap()
    }

    /// A string behind its length; −1 is none.
    fn string(&mut self) -> String {
        let length = self.number::<2>().max(0);
        self.text(length)
    }
}
