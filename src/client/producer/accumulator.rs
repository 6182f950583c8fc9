//! The accumulator: for each partition the batch under construction, and those that wait.
//!
//! A batch is *open* while records are added, *sealed* once it is to be sent, *outstanding* until
//! its fate is known. What a sealed one still lacks it gets when it is sent: see [`super::sealed`]. Its memory counts against `buffer.memory` from the moment it is opened until
//! then.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::sealed::SealedBatch;
use crate::client::partitioner::Partitioner;
use crate::client::record::{Payload, Record};
use crate::client::{ClientEvent, Effect, SealReason};
use crate::record::{BatchBuilder, BatchOptions, batch_size_bound};
use crate::types::{Time, Timestamp, TopicName, TopicPartition};

/// A topic by its place in [`Accumulator::topics`], and a partition of it.
pub type Slot = (usize, i32);

#[derive(Clone, Debug)]
struct OpenBatch {
    number: u64,
    created: Time,
    builder: BatchBuilder,
    reserved: usize,
}

#[derive(Clone, Debug, Default)]
pub struct PartitionQueue {
    open: Option<OpenBatch>,
    pub sealed: VecDeque<SealedBatch>,
    pub in_flight: u32,
}

#[derive(Clone, Debug)]
pub struct TopicQueues {
    pub name: TopicName,
    /// The name once more, where no other thread's references are counted: each send compares it.
    spelling: Box<str>,
    pub partitioner: Partitioner,
    pub queues: Vec<PartitionQueue>,
}

impl PartitionQueue {
    /// How many batches wait.
    pub fn load(&self) -> usize {
        self.sealed.len() + usize::from(self.open.is_some())
    }
}

/// How an append went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Appended {
    /// The number of the batch.
    pub number: u64,
    /// The record's place in the batch, from 0.
    pub index: u32,
    /// How many bytes the record takes, with the header of its batch if it is the first one there.
    pub bytes: usize,
    /// Its batch is full: no batch of the partition takes another record.
    pub full: bool,
    /// The partition has batches to send.
    pub ready: bool,
}

/// Why a record, which needs a new batch, was not appended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// The sticky partition has had enough: the batch is to be one of another partition.
    SwitchPartition,
    /// There is no memory for it.
    NoMemory,
}

#[derive(Clone, Debug)]
pub struct Accumulator {
    pub topics: Vec<TopicQueues>,
    by_name: BTreeMap<TopicName, usize>,
    last_used: usize,
    batch_size: usize,
    linger_ms: i64,
    memory: u64,
    used: u64,
    /// Someone waits for memory: what there is, is not for newcomers.
    pub claimed: bool,
    next_number: u64,
    /// When each open batch has lingered long enough.
    lingering: BTreeSet<(Time, Slot)>,
    /// The partitions that have sealed batches.
    pub ready: BTreeSet<Slot>,
    /// The batches whose fate is open: when they were opened, and how many parts they are in.
    outstanding: BTreeMap<u64, (Time, u32)>,
}

impl Accumulator {
    pub fn new(batch_size: usize, linger_ms: i64, memory: u64) -> Self {
        Accumulator {
            topics: Vec::new(),
            by_name: BTreeMap::new(),
            last_used: 0,
            batch_size,
            linger_ms,
            memory,
            used: 0,
            claimed: false,
            next_number: 0,
            lingering: BTreeSet::new(),
            ready: BTreeSet::new(),
            outstanding: BTreeMap::new(),
        }
    }

    /// The place of a topic; the one used last is found without a search.
    #[inline(always)]
    pub fn find(&mut self, name: &str) -> Option<usize> {
        if self.topics.get(self.last_used).is_some_and(|topic| &*topic.spelling == name) {
            return Some(self.last_used);
        }
        let found = *self.by_name.get(name)?;
        self.last_used = found;
        Some(found)
    }

    /// Adds a topic; it has no partitions yet.
    pub fn add(&mut self, name: TopicName, partitioner: Partitioner) -> usize {
        let place = self.topics.len();
        self.by_name.insert(name.clone(), place);
        let spelling = Box::from(&*name);
        self.topics.push(TopicQueues { name, spelling, partitioner, queues: Vec::new() });
        place
    }

    /// Appends a record to the open batch of its partition, or to a new one. `sticky` says that the
    /// partition is the sticky one.
    #[inline(always)]
    #[expect(clippy::too_many_arguments, reason = "each copy on the way of a record is measured")]
    pub fn append(
        &mut self,
        now: Time,
        slot: Slot,
        sticky: bool,
        record: &Record<'_>,
        headers: HeaderRefs<'_>,
        timestamp: Timestamp,
        effects: &mut Vec<Effect>,
    ) -> Result<Appended, Refused> {
        let (key, value) = (record.key_bytes(), record.value_bytes());
        let limit = self.batch_size;
        let (mut before, mut index) = (0, None);
        if let Some(open) = &mut self.queue(slot).open {
            before = open.builder.size_in_bytes();
            index = open.builder.append_within(limit, timestamp, key, value, headers);
        }
        let is_new = index.is_none();
        if is_new {
            before = 0;
            let needed = batch_size_bound(key, value, headers);
            self.begin_batch(now, slot, sticky, needed, effects)?;
        }
        let open = self.queue(slot).open.as_mut().ok_or(Refused::NoMemory)?;
        let index =
            index.unwrap_or_else(|| open.builder.append(timestamp, key, value, headers)) as u32;
        let (number, size) = (open.number, open.builder.size_in_bytes());
        let full = size >= limit;
        if full {
            self.seal(slot, SealReason::Full, effects);
        }
        let ready = !self.queue(slot).sealed.is_empty();
        Ok(Appended { number, index, bytes: size - before, full, ready })
    }

    #[inline(always)]
    fn queue(&mut self, slot: Slot) -> &mut PartitionQueue {
        &mut self.topics[slot.0].queues[slot.1 as usize]
    }

    /// Closes the open batch of a partition, which has no room, and opens another one for a record
    /// that needs so many bytes. No batch of the partition takes records then, so that a sticky
    /// partition which has had enough is left now, as in Kafka's `partitionChanged`.
    #[cold]
    fn begin_batch(
        &mut self,
        now: Time,
        slot: Slot,
        sticky: bool,
        needed: usize,
        effects: &mut Vec<Effect>,
    ) -> Result<(), Refused> {
        self.seal(slot, SealReason::Full, effects);
        if sticky && self.topics[slot.0].partitioner.switch_if_enough() {
            return Err(Refused::SwitchPartition);
        }
        let reserved = needed.max(self.batch_size);
        if self.claimed || self.used + reserved as u64 > self.memory {
            return Err(Refused::NoMemory);
        }
        let number = self.next_number;
        self.next_number += 1;
        self.used += reserved as u64;
        let builder = BatchBuilder::with_capacity(BatchOptions::default(), reserved);
        self.lingering.insert((now.after_ms(self.linger_ms), slot));
        self.outstanding.insert(number, (now, 1));
        self.queue(slot).open = Some(OpenBatch { number, created: now, builder, reserved });
        Ok(())
    }

    /// Closes the open batch of a partition.
    fn seal(&mut self, slot: Slot, reason: SealReason, effects: &mut Vec<Effect>) {
        let topic = &mut self.topics[slot.0];
        let queue = &mut topic.queues[slot.1 as usize];
        let Some(open) = queue.open.take() else { return };
        self.lingering.remove(&(open.created.after_ms(self.linger_ms), slot));
        let batch = open.builder.build();
        effects.push(Effect::Event(ClientEvent::BatchReady {
            partition: TopicPartition { topic: topic.name.clone(), partition: slot.1 },
            records: batch.record_count() as u32,
            bytes: batch.size_in_bytes() as u32,
            reason,
        }));
        queue.sealed.push_back(SealedBatch {
            number: open.number,
            first: 0,
            slot,
            batch,
            created: open.created,
            attempts: 0,
            not_before: Time(0),
            reserved: open.reserved,
        });
        self.ready.insert(slot);
    }

    /// Closes the batches that have lingered long enough.
    pub fn seal_lingered(&mut self, now: Time, effects: &mut Vec<Effect>) {
        while let Some(&(due, slot)) = self.lingering.first() {
            if due > now {
                break;
            }
            self.seal(slot, SealReason::Linger, effects);
        }
    }

    /// Closes the batches that were opened at or before `limit`, however long they may linger.
    pub fn seal_old(&mut self, limit: Time, effects: &mut Vec<Effect>) {
        self.seal_lingered(limit.after_ms(self.linger_ms), effects);
    }

    /// Closes every open batch.
    pub fn seal_all(&mut self, reason: SealReason, effects: &mut Vec<Effect>) {
        while let Some(&(_, slot)) = self.lingering.first() {
            self.seal(slot, reason, effects);
        }
    }

    /// Takes the first batch of a partition if it may be sent now.
    pub fn drain(&mut self, now: Time, slot: Slot) -> Option<SealedBatch> {
        let queue = &mut self.topics[slot.0].queues[slot.1 as usize];
        if queue.sealed.front()?.not_before > now {
            return None;
        }
        let batch = queue.sealed.pop_front();
        queue.in_flight += 1;
        if queue.sealed.is_empty() {
            self.ready.remove(&slot);
        }
        batch
    }

    /// Puts a batch back in front of its queue, ordered by age.
    pub fn reenqueue(&mut self, batch: SealedBatch) {
        let slot = batch.slot;
        let queue = &mut self.topics[slot.0].queues[slot.1 as usize];
        let place = queue.sealed.partition_point(|other| other.key() < batch.key());
        queue.sealed.insert(place, batch);
        self.ready.insert(slot);
    }

    /// A batch that was drained is no longer in flight.
    pub fn remove_from_in_flight(&mut self, slot: Slot) {
        let queue = &mut self.topics[slot.0].queues[slot.1 as usize];
        queue.in_flight = queue.in_flight.saturating_sub(1);
    }

    /// One batch, or one part of it, becomes so many parts.
    pub fn split(&mut self, number: u64, parts: u32) {
        if let Some((_, left)) = self.outstanding.get_mut(&number) {
            *left += parts - 1;
        }
    }

    /// The fate of a batch, or of a part of one, is known; its memory is free.
    pub fn finish(&mut self, number: u64, reserved: usize) {
        self.used = self.used.saturating_sub(reserved as u64);
        if let Some((_, parts)) = self.outstanding.get_mut(&number) {
            *parts -= 1;
            if *parts == 0 {
                self.outstanding.remove(&number);
            }
        }
    }

    /// Takes all sealed batches that were opened at or before `limit`, oldest first.
    pub fn take_expired(&mut self, limit: Time) -> Vec<SealedBatch> {
        let mut expired = Vec::new();
        let slots: Vec<Slot> = self.ready.iter().copied().collect();
        for slot in slots {
            let queue = &mut self.topics[slot.0].queues[slot.1 as usize];
            let old = |batch: &SealedBatch| batch.created <= limit;
            let (gone, kept) = queue.sealed.drain(..).partition::<Vec<_>, _>(old);
            queue.sealed = kept.into();
            if queue.sealed.is_empty() {
                self.ready.remove(&slot);
            }
            expired.extend(gone);
        }
        expired.sort_by_key(SealedBatch::key);
        expired
    }

    /// When the oldest batch whose fate is open was opened.
    pub fn oldest(&self) -> Option<Time> {
        // Numbers grow with time, so the first entry is the oldest one.
        self.outstanding.first_key_value().map(|(_, &(created, _))| created)
    }

    /// The number that the next batch will have.
    pub fn next_number(&self) -> u64 {
        self.next_number
    }

    /// How many records an outstanding batch has: an open one may get more, a sealed one not.
    pub fn batch_records(&self, number: u64) -> Option<u32> {
        self.outstanding.get(&number)?;
        let open =
            self.topics.iter().flat_map(|topic| &topic.queues).filter_map(|q| q.open.as_ref());
        let open = open.filter(|open| open.number == number);
        Some(open.map(|open| open.builder.record_count() as u32).next().unwrap_or(u32::MAX))
    }

    /// Whether the fate of every batch below a number is known.
    pub fn is_settled(&self, below: u64) -> bool {
        self.outstanding.first_key_value().is_none_or(|(&number, _)| number >= below)
    }

    pub fn next_linger(&self) -> Option<Time> {
        self.lingering.first().map(|&(due, _)| due)
    }

    pub fn used(&self) -> u64 {
        self.used
    }
}

/// Headers as the batch builder takes them.
pub type HeaderRefs<'r> = &'r [(&'r str, Option<&'r [u8]>)];

/// The headers of a record.
pub fn headers<'r>(record: &'r Record<'_>) -> Vec<(&'r str, Option<&'r [u8]>)> {
    let header = |(key, value): &'r (Cow<'_, str>, Option<Payload<'_>>)| {
        (&**key, value.as_ref().map(Payload::as_slice))
    };
    record.headers.iter().map(header).collect()
}
