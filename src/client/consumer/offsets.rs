//! Asking leaders for offsets: for positions that are not known, and for the user.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{Consumer, FetchState, SeekTo, Sent};
use crate::api::{
    EARLIEST_TIMESTAMP, IsolationLevel, LATEST_TIMESTAMP, ListOffsetsPartition, ListOffsetsRequest,
    ListOffsetsResponse, Request,
};
use crate::client::{ClientEvent, Effect, OpId, Outcome, Progress};
use crate::error::{Error, ErrorCode};
use crate::types::{BrokerId, LeaderEpoch, Offset, Time, Timestamp, TopicPartition};

/// A call for offsets that waits for answers.
#[derive(Clone, Debug)]
pub struct Lookup {
    /// Still to be asked for.
    unasked: Vec<ListOffsetsPartition>,
    in_flight: usize,
    found: BTreeMap<TopicPartition, Option<(Offset, Timestamp)>>,
    error: Option<Error>,
    not_before: Time,
    deadline: Time,
}

impl Lookup {
    pub fn next_deadline(&self, ran_at: Time) -> Time {
        if self.unasked.is_empty() || self.not_before <= ran_at {
            self.deadline
        } else {
            self.deadline.min(self.not_before)
        }
    }
}

impl SeekTo {
    fn timestamp(self) -> Timestamp {
        match self {
            SeekTo::Beginning => EARLIEST_TIMESTAMP,
            SeekTo::End | SeekTo::Offset(_) => LATEST_TIMESTAMP,
            SeekTo::Time(timestamp) => timestamp,
        }
    }
}

impl Consumer {
    /// Asks for offsets: of times, of the beginning, of the end.
    pub fn look_up(
        &mut self,
        now: Time,
        op: OpId,
        wanted: Vec<(TopicPartition, Timestamp)>,
        effects: &mut Vec<Effect>,
    ) -> Progress {
        if self.closed {
            return Progress::failed(Error::Closed);
        }
        if wanted.is_empty() {
            return Progress::Ready(Ok(Outcome::Offsets(BTreeMap::new())));
        }
        for (partition, _) in &wanted {
            self.metadata.want(now, &partition.topic);
        }
        let epoch = LeaderEpoch::UNKNOWN;
        let ask = |(partition, timestamp)| ListOffsetsPartition {
            partition,
            current_leader_epoch: epoch,
            timestamp,
        };
        let lookup = Lookup {
            unasked: wanted.into_iter().map(ask).collect(),
            in_flight: 0,
            found: BTreeMap::new(),
            error: None,
            not_before: Time(0),
            deadline: now.after_ms(self.config.default_api_timeout_ms),
        };
        self.lookups.insert(op, lookup);
        self.run(now, effects);
        Progress::Pending
    }

    pub(super) fn send_lookups(&mut self, now: Time, effects: &mut Vec<Effect>) {
        let ops: Vec<OpId> = self.lookups.keys().copied().collect();
        for op in ops {
            let Some(lookup) = self.lookups.get_mut(&op) else { continue };
            if lookup.not_before > now {
                continue;
            }
            let mut by_leader: BTreeMap<BrokerId, Vec<ListOffsetsPartition>> = BTreeMap::new();
            for wanted in std::mem::take(&mut lookup.unasked) {
                match self.metadata.leader(&wanted.partition) {
                    Some((leader, _)) if self.network.is_ready(now, leader, usize::MAX) => {
                        by_leader.entry(leader).or_default().push(wanted);
                    }
                    Some(_) => lookup.unasked.push(wanted),
                    None => {
                        self.metadata.invalidate();
                        lookup.unasked.push(wanted);
                    }
                }
            }
            lookup.in_flight += by_leader.len();
            for (broker, partitions) in by_leader {
                let sent = Sent::Lookup(op, partitions.clone());
                self.send_list_offsets(now, broker, partitions, sent, effects);
            }
        }
        self.ask_for_metadata(now, effects);
    }

    fn send_list_offsets(
        &mut self,
        now: Time,
        broker: BrokerId,
        partitions: Vec<ListOffsetsPartition>,
        sent: Sent,
        effects: &mut Vec<Effect>,
    ) {
        let isolation_level: IsolationLevel = self.config.isolation_level;
        let request = Request::ListOffsets(ListOffsetsRequest { isolation_level, partitions });
        let expected = Some((self.config.request_timeout_ms, sent));
        self.network.send(now, broker, request, expected, effects);
    }

    /// Puts partitions back that were asked for in vain.
    pub(super) fn ask_again(&mut self, now: Time, op: OpId, asked: Vec<ListOffsetsPartition>) {
        let wait_ms = self.config.retry_backoff_ms as i64;
        if let Some(lookup) = self.lookups.get_mut(&op) {
            lookup.in_flight -= 1;
            lookup.unasked.extend(asked);
            lookup.not_before = now.after_ms(wait_ms);
        }
    }

    pub(super) fn on_looked_up(
        &mut self,
        now: Time,
        op: OpId,
        asked: Vec<ListOffsetsPartition>,
        response: &ListOffsetsResponse,
    ) {
        let wait_ms = self.config.retry_backoff_ms as i64;
        let Some(lookup) = self.lookups.get_mut(&op) else { return };
        lookup.in_flight -= 1;
        for wanted in asked {
            let listed = response.partitions.iter().find(|l| l.partition == wanted.partition);
            match listed {
                Some(listed) if listed.error_code.is_none() => {
                    let found = (listed.offset.0 >= 0).then_some((listed.offset, listed.timestamp));
                    lookup.found.insert(wanted.partition, found);
                }
                Some(listed) if !Self::is_stale_metadata(listed.error_code) => {
                    let context = format!("offsets of {}", wanted.partition);
                    lookup.error = Some(Error::kafka(listed.error_code, context));
                }
                _ => {
                    self.metadata.invalidate();
                    lookup.unasked.push(wanted);
                    lookup.not_before = now.after_ms(wait_ms);
                }
            }
        }
    }

    pub(super) fn finish_lookups(&mut self, now: Time, effects: &mut Vec<Effect>) {
        let done = |lookup: &Lookup| {
            lookup.error.is_some()
                || lookup.deadline <= now
                || lookup.unasked.is_empty() && lookup.in_flight == 0
        };
        let ops: Vec<OpId> =
            self.lookups.iter().filter(|(_, lookup)| done(lookup)).map(|(&op, _)| op).collect();
        for op in ops {
            let Some(lookup) = self.lookups.remove(&op) else { continue };
            let result = match (lookup.error, lookup.unasked.first()) {
                (Some(error), _) => Err(error),
                (None, None) if lookup.in_flight == 0 => Ok(Outcome::Offsets(lookup.found)),
                (None, missing) => Err(Error::Timeout {
                    what: match missing {
                        Some(wanted) => format!("the leader of {}", wanted.partition),
                        None => "an answer about offsets".to_owned(),
                    },
                    after: Duration::from_millis(self.config.default_api_timeout_ms as u64),
                }),
            };
            effects.push(Effect::Complete { op, result });
        }
    }

    /// Asks the leaders of the partitions that have no position.
    pub(super) fn ask_for_positions(&mut self, now: Time, effects: &mut Vec<Effect>) {
        self.ask_for_committed_positions(now, effects);
        let reset = self.reset_target(now);
        let has_group = self.group.is_some();
        let mut by_leader: BTreeMap<BrokerId, Vec<(ListOffsetsPartition, SeekTo)>> =
            BTreeMap::new();
        for (partition, assigned) in &mut self.assigned {
            let target = match (assigned.state, reset) {
                (FetchState::Fetching(_), _) => continue,
                // The group may have come somewhere.
                (FetchState::Initializing, _) if has_group => continue,
                (FetchState::AwaitReset(to), _) | (FetchState::Initializing, Some(to)) => to,
                (FetchState::Initializing, None) => {
                    assigned.fail(Error::NoOffset { partition: partition.clone() });
                    continue;
                }
            };
            let is_asked = |sent: &Sent| match sent {
                Sent::Positions(asked) => {
                    asked.iter().any(|(p, to)| p == partition && *to == target)
                }
                _ => false,
            };
            if assigned.not_before > now || self.network.in_flight().any(is_asked) {
                continue;
            }
            let Some((leader, current_leader_epoch)) = self.metadata.leader(partition) else {
                self.metadata.invalidate();
                continue;
            };
            if self.network.is_ready(now, leader, usize::MAX) {
                assigned.state = FetchState::AwaitReset(target);
                let partition = partition.clone();
                let timestamp = target.timestamp();
                let wanted = ListOffsetsPartition { partition, current_leader_epoch, timestamp };
                by_leader.entry(leader).or_default().push((wanted, target));
            }
        }
        for (broker, wanted) in by_leader {
            let asked = wanted.iter().map(|(wanted, to)| (wanted.partition.clone(), *to)).collect();
            let partitions = wanted.into_iter().map(|(wanted, _)| wanted).collect();
            self.send_list_offsets(now, broker, partitions, Sent::Positions(asked), effects);
        }
        self.ask_for_metadata(now, effects);
    }

    pub(super) fn on_positions(
        &mut self,
        now: Time,
        asked: &[(TopicPartition, SeekTo)],
        response: &ListOffsetsResponse,
        effects: &mut Vec<Effect>,
    ) {
        for (partition, target) in asked {
            let Some(assigned) = self.assigned.get_mut(partition) else { continue };
            // A seek meanwhile has the last word.
            if assigned.state != FetchState::AwaitReset(*target) {
                continue;
            }
            let listed = response.partitions.iter().find(|listed| listed.partition == *partition);
            match listed.map(|listed| (listed.error_code, listed.offset)) {
                Some((ErrorCode::None, offset @ Offset(0..))) => {
                    assigned.state = FetchState::Fetching(offset);
                    assigned.position_epoch =
                        listed.map_or(LeaderEpoch::UNKNOWN, |listed| listed.leader_epoch);
                    let partition = partition.clone();
                    effects.push(Effect::Event(ClientEvent::PositionReset { partition, offset }));
                }
                // No record is that young: the end is meant.
                Some((ErrorCode::None, _)) if matches!(target, SeekTo::Time(_)) => {
                    assigned.state = FetchState::AwaitReset(SeekTo::End);
                }
                Some((code, _)) if !Self::is_stale_metadata(code) => {
                    let context = format!("the position of {partition}");
                    assigned.fail(Error::kafka(code, context));
                    self.retry_later(now, partition);
                }
                _ => {
                    self.metadata.invalidate();
                    self.retry_later(now, partition);
                }
            }
        }
    }
}
