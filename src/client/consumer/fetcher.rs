//! Fetching ahead, and handing out what was fetched.

use std::collections::{BTreeMap, VecDeque};

use super::{Assigned, Consumer, FetchState, PolledBatch, Sent};
use crate::api::{FetchPartition, FetchRequest, FetchResponse, FetchedPartition, Request};
use crate::client::{ClientEvent, Effect};
use crate::error::{Error, ErrorCode};
use crate::record::RecordBatch;
use crate::types::{BrokerId, Offset, Rope, Time, TopicPartition};

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

impl Consumer {
    /// Sends each leader one fetch for the partitions of which nothing is buffered or asked for.
    pub(super) fn send_fetches(&mut self, now: Time, effects: &mut Vec<Effect>) {
        let mut requests: BTreeMap<BrokerId, Vec<FetchPartition>> = BTreeMap::new();
        let mut leaderless = false;
        for (partition, assigned) in self.in_turn() {
            let Some((leader, epoch)) = self.metadata.leader(partition) else {
                leaderless = true;
                continue;
            };
            let Some(fetch_offset) = assigned.fetch_offset(now) else { continue };
            if self.buffer.has(partition) || self.is_fetching_from(leader) {
                continue;
            }
            if self.network.is_ready(now, leader, usize::MAX) {
                requests.entry(leader).or_default().push(FetchPartition {
                    partition: partition.clone(),
                    current_leader_epoch: epoch,
                    fetch_offset,
                    partition_max_bytes: self.config.max_partition_fetch_bytes,
                });
            }
        }
        for (broker, partitions) in requests {
            self.send_fetch(now, broker, partitions, effects);
        }
        if leaderless {
            self.metadata.invalidate();
            self.ask_for_metadata(now, effects);
        }
    }

    fn send_fetch(
        &mut self,
        now: Time,
        broker: BrokerId,
        partitions: Vec<FetchPartition>,
        effects: &mut Vec<Effect>,
    ) {
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
        self.network.in_flight_to(broker).any(|sent| matches!(sent, Sent::Fetch(_)))
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
            let Some(assigned) = self.assigned.get(&fetched.partition) else { continue };
            // After a seek the answer is about another place, whether there are records or not.
            let is_wanted = assigned.position() == Some(offset);
            if is_wanted && !self.buffer.has(&fetched.partition) {
                self.take_in(now, offset, fetched, effects);
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
        let FetchedPartition { partition, error_code, high_watermark, records, .. } = fetched;
        let reset = self.reset_target(now);
        let Some(assigned) = self.assigned.get_mut(&partition) else { return };
        match error_code {
            ErrorCode::None => {
                assigned.high_watermark = Some(high_watermark);
                let (batches, error) = split(records, offset, self.config.check_crcs);
                if let Err(why) = error {
                    let context = format!("fetch from {partition}: {why}");
                    assigned.fail(Error::kafka(ErrorCode::CorruptMessage, context));
                }
                if !batches.is_empty() {
                    self.buffer.fetched.push_back(Fetched { partition, next: offset, batches });
                }
            }
            ErrorCode::OffsetOutOfRange => {
                match reset {
                    Some(to) => assigned.state = FetchState::AwaitReset(to),
                    None => {
                        let partition = partition.clone();
                        assigned.fail(Error::OffsetOutOfRange { partition, offset });
                    }
                }
                effects.push(Effect::Event(ClientEvent::OutOfRange { partition, offset }));
            }
            code if Self::is_stale_metadata(code) => {
                self.metadata.invalidate();
                self.retry_later(now, &partition);
            }
            code => {
                assigned.fail(Error::kafka(code, format!("fetch from {partition}")));
                self.retry_later(now, &partition);
            }
        }
    }

    /// Takes up to `max.poll.records` records from the buffer and moves the positions past them;
    /// says whether it moved any.
    pub(super) fn take_records(&mut self) -> (Vec<PolledBatch>, bool) {
        let (mut polled, mut advanced) = (Vec::new(), false);
        let mut left = self.config.max_poll_records;
        let mut kept = VecDeque::new();
        while left > 0 {
            let Some(mut fetched) = self.buffer.fetched.pop_front() else { break };
            let Some(assigned) = self.assigned.get_mut(&fetched.partition) else { continue };
            if assigned.position() != Some(fetched.next) {
                continue;
            }
            if !assigned.is_given_out() {
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
                assigned.position_epoch = batch.leader_epoch();
                if next > batch.last_offset() {
                    fetched.batches.pop_front();
                }
                fetched.next = next;
            }
            assigned.state = FetchState::Fetching(fetched.next);
            advanced = true;
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
        (polled, advanced)
    }
}

/// Splits what was fetched from an offset into its batches, up to the first one that is not in
/// order: with a wrong checksum, before the offset, or not behind the batch before it.
fn split(
    mut records: Rope,
    offset: Offset,
    check_crcs: bool,
) -> (VecDeque<RecordBatch>, Result<(), String>) {
    let mut batches = VecDeque::new();
    let mut end = Offset::ZERO;
    loop {
        let batch = match RecordBatch::split_from(&mut records) {
            Ok(Some(batch)) => batch,
            // The last batch may be cut, but not the only one: no fetch would get past it.
            Ok(None) if batches.is_empty() && !records.is_empty() => {
                return (batches, Err("no whole batch was fetched".to_owned()));
            }
            Ok(None) => return (batches, Ok(())),
            Err(error) => return (batches, Err(error.to_string())),
        };
        let verified = if check_crcs { batch.verify_crc() } else { Ok(()) };
        let verified = verified.map_err(|error| error.to_string());
        match verified.and_then(|()| end_of(&batch, end.max(offset), end)) {
            Ok(next) => end = next,
            Err(why) => return (batches, Err(why)),
        }
        batches.push_back(batch);
    }
}

/// The offset behind a batch, which has to begin at `from` at the earliest and to reach up to
/// `wanted`.
fn end_of(batch: &RecordBatch, wanted: Offset, from: Offset) -> Result<Offset, String> {
    let (base, next) = (batch.base_offset(), batch.next_offset());
    if base < from || next <= wanted.max(base) {
        return Err(format!("a batch at offset {base} where offset {wanted} is wanted"));
    }
    Ok(next)
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
