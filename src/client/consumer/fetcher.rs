//! Fetching ahead, and handing out what was fetched.

use std::collections::{BTreeMap, VecDeque};

use super::{Assigned, Consumer, PolledBatch, Position, Sent};
use crate::api::{FetchPartition, FetchRequest, FetchResponse, FetchedPartition, Request};
use crate::client::{ClientEvent, Effect};
use crate::error::{Error, ErrorCode};
use crate::record::RecordBatch;
use crate::types::{BrokerId, Offset, Time, TopicPartition};

/// What was fetched and not yet given out, a partition at a time in the order of arrival.
#[derive(Clone, Debug, Default)]
pub struct Buffer {
    fetched: VecDeque<Fetched>,
}

#[derive(Clone, Debug)]
struct Fetched {
    partition: TopicPartition,
    /// The offset of the next record to give out.
    next: Offset,
    batches: VecDeque<RecordBatch>,
}

impl Buffer {
    pub fn retain(&mut self, keep: impl Fn(&TopicPartition) -> bool) {
        self.fetched.retain(|fetched| keep(&fetched.partition));
    }

    fn has(&self, partition: &TopicPartition) -> bool {
        self.fetched.iter().any(|fetched| fetched.partition == *partition)
    }
}

impl Assigned {
    fn is_fetchable(&self, now: Time) -> bool {
        matches!(self.position, Position::At(_))
            && !self.paused
            && !self.fetching
            && self.not_before <= now
    }
}

impl Consumer {
    /// Sends each leader one fetch for the partitions of which nothing is buffered or asked for.
    pub(super) fn send_fetches(&mut self, now: Time, effects: &mut Vec<Effect>) {
        let mut requests: BTreeMap<BrokerId, Vec<FetchPartition>> = BTreeMap::new();
        for (partition, state) in self.in_turn() {
            let Position::At(fetch_offset) = state.position else { continue };
            if !state.is_fetchable(now) || self.buffer.has(partition) {
                continue;
            }
            let Some((leader, epoch)) = self.metadata.leader(partition) else {
                continue;
            };
            let busy = self.is_fetching_from(leader);
            if !busy && self.network.is_ready(now, leader, usize::MAX) {
                requests.entry(leader).or_default().push(FetchPartition {
                    partition: partition.clone(),
                    current_leader_epoch: epoch,
                    fetch_offset,
                    partition_max_bytes: self.config.max_partition_fetch_bytes,
                });
            }
        }
        self.ask_about_leaderless();
        for (broker, partitions) in requests {
            self.send_fetch(now, broker, partitions, effects);
        }
    }

    fn send_fetch(
        &mut self,
        now: Time,
        broker: BrokerId,
        partitions: Vec<FetchPartition>,
        effects: &mut Vec<Effect>,
    ) {
        for wanted in &partitions {
            if let Some(state) = self.assigned.get_mut(&wanted.partition) {
                state.fetching = true;
            }
        }
        let asked = partitions.iter().map(|w| (w.partition.clone(), w.fetch_offset)).collect();
        let request = Request::Fetch(FetchRequest {
            max_wait_ms: self.config.fetch_max_wait_ms,
            min_bytes: self.config.fetch_min_bytes,
            max_bytes: self.config.fetch_max_bytes,
            isolation_level: self.config.isolation_level,
            partitions,
        });
        let expected = Some((self.config.request_timeout_ms, Sent::Fetch(asked)));
        self.network.send(now, broker, request, expected, effects);
    }

    /// The assigned partitions, beginning with the one whose turn it is.
    fn in_turn(&self) -> impl Iterator<Item = (&TopicPartition, &Assigned)> {
        let is_late =
            |partition: &TopicPartition| self.turn.as_ref().is_some_and(|turn| partition >= turn);
        let late = self.assigned.iter().filter(move |(partition, _)| is_late(partition));
        let early = self.assigned.iter().filter(move |(partition, _)| !is_late(partition));
        late.chain(early)
    }

    /// One fetch at a time goes to a broker.
    fn is_fetching_from(&self, broker: BrokerId) -> bool {
        self.assigned.iter().any(|(partition, state)| {
            state.fetching && self.metadata.leader(partition).is_some_and(|(b, _)| b == broker)
        })
    }

    fn ask_about_leaderless(&mut self) {
        if self.assigned.keys().any(|partition| self.metadata.leader(partition).is_none()) {
            self.metadata.invalidate();
        }
    }

    pub(super) fn on_fetched(
        &mut self,
        now: Time,
        asked: &BTreeMap<TopicPartition, Offset>,
        response: FetchResponse,
        effects: &mut Vec<Effect>,
    ) {
        for fetched in response.partitions {
            let Some(&offset) = asked.get(&fetched.partition) else { continue };
            let Some(state) = self.assigned.get_mut(&fetched.partition) else { continue };
            state.fetching = false;
            // After a seek the answer is about another place.
            if state.paused || state.position == Position::At(offset) {
                self.take_in(now, offset, fetched, effects);
            }
        }
        // An assigned partition that was asked for and not answered must not stay marked.
        for partition in asked.keys() {
            if let Some(state) = self.assigned.get_mut(partition) {
                state.fetching = false;
            }
        }
    }

    fn take_in(
        &mut self,
        now: Time,
        offset: Offset,
        fetched: FetchedPartition,
        effects: &mut Vec<Effect>,
    ) {
        let FetchedPartition { partition, error_code, high_watermark, mut records, .. } = fetched;
        match error_code {
            ErrorCode::None => {}
            ErrorCode::OffsetOutOfRange => {
                self.on_out_of_range(&partition, offset, effects);
                return;
            }
            code if Self::is_stale_metadata(code) => {
                self.metadata.invalidate();
                self.retry_later(now, &partition);
                return;
            }
            code => {
                self.error.get_or_insert(Error::kafka(code, format!("fetch from {partition}")));
                self.retry_later(now, &partition);
                return;
            }
        }
        if let Some(state) = self.assigned.get_mut(&partition) {
            state.high_watermark = Some(high_watermark);
        }
        let mut batches = VecDeque::new();
        loop {
            let batch = match RecordBatch::split_from(&mut records) {
                Ok(Some(batch)) => batch,
                Ok(None) => break,
                Err(error) => {
                    self.fail_fetch(&partition, &error.to_string());
                    break;
                }
            };
            if self.config.check_crcs
                && let Err(error) = batch.verify_crc()
            {
                self.fail_fetch(&partition, &error.to_string());
                break;
            }
            batches.push_back(batch);
        }
        if !batches.is_empty() {
            self.buffer.fetched.push_back(Fetched { partition, next: offset, batches });
        }
    }

    fn fail_fetch(&mut self, partition: &TopicPartition, why: &str) {
        let context = format!("fetch from {partition}: {why}");
        self.error.get_or_insert(Error::kafka(ErrorCode::CorruptMessage, context));
    }

    fn on_out_of_range(
        &mut self,
        partition: &TopicPartition,
        offset: Offset,
        effects: &mut Vec<Effect>,
    ) {
        let partition = partition.clone();
        effects
            .push(Effect::Event(ClientEvent::OutOfRange { partition: partition.clone(), offset }));
        if self.reset_target(Time(0)).is_none() {
            self.error.get_or_insert(Error::OffsetOutOfRange { partition, offset });
        } else if let Some(state) = self.assigned.get_mut(&partition) {
            state.position = Position::Reset;
        }
    }

    /// Takes up to `max.poll.records` records from the buffer and moves the positions past them.
    pub(super) fn take_records(&mut self) -> Vec<PolledBatch> {
        let mut polled = Vec::new();
        let mut left = self.config.max_poll_records;
        let mut kept = VecDeque::new();
        while left > 0 {
            let Some(mut fetched) = self.buffer.fetched.pop_front() else { break };
            let Some(state) = self.assigned.get_mut(&fetched.partition) else { continue };
            if state.position != Position::At(fetched.next) {
                continue;
            }
            if state.paused {
                kept.push_back(fetched);
                continue;
            }
            while left > 0
                && let Some(batch) = fetched.batches.front()
            {
                let (count, next) = extent(batch, fetched.next, left);
                if count > 0 {
                    polled.push(PolledBatch {
                        partition: fetched.partition.clone(),
                        batch: batch.clone(),
                        from: fetched.next,
                        count,
                    });
                }
                left -= count;
                if next > batch.last_offset() {
                    fetched.batches.pop_front();
                }
                fetched.next = next;
            }
            state.position = Position::At(fetched.next);
            if fetched.batches.is_empty() {
                // Whoever was served goes behind the others.
                let served = &fetched.partition;
                let after = self.assigned.range(served.clone()..).nth(1);
                self.turn = after.map(|(partition, _)| partition.clone());
            } else {
                kept.push_back(fetched);
            }
        }
        kept.append(&mut self.buffer.fetched);
        self.buffer.fetched = kept;
        polled
    }
}

/// How many records of a batch from an offset on may be given out, and the position behind them.
fn extent(batch: &RecordBatch, from: Offset, limit: usize) -> (usize, Offset) {
    if batch.is_control() {
        return (0, batch.next_offset());
    }
    if batch.is_dense() {
        let from = from.max(batch.base_offset());
        let rest = (batch.next_offset() - from).max(0) as usize;
        let count = rest.min(limit);
        return (count, from + count as i64);
    }
    // A compacted batch has gaps: only its records tell.
    let offsets = batch.records().map_while(Result::ok).map(|record| record.offset);
    let mut wanted = offsets.filter(|&offset| offset >= from);
    let taken: Vec<Offset> = wanted.by_ref().take(limit).collect();
    match (taken.last(), wanted.next()) {
        (Some(_), Some(next)) => (taken.len(), next),
        _ => (taken.len(), batch.next_offset()),
    }
}
