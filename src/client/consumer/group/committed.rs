//! Asking the coordinator for committed offsets: for positions, and for the user.

use std::collections::BTreeMap;
use std::time::Duration;

use super::super::{Consumer, FetchState, Sent};
use super::offset::{OffsetAndMetadata, Offsets};
use super::subscription::no_group;
use crate::api::{
    OffsetFetchGroup, OffsetFetchRequest, OffsetFetchResponse, OffsetFetchResponsePartition,
    Request,
};
use crate::client::{ClientEvent, Effect, OpId, Outcome, Progress};
use crate::error::{Error, ErrorCode};
use crate::types::{Time, TopicPartition};

/// A call for committed offsets.
#[derive(Clone, Debug)]
pub struct CommittedLookup {
    pub op: OpId,
    partitions: Vec<TopicPartition>,
    in_flight: bool,
    not_before: Time,
    deadline: Time,
}

impl CommittedLookup {
    /// When it wants to be looked at again.
    pub fn next_deadline(&self) -> Time {
        if self.in_flight { self.deadline } else { self.deadline.min(self.not_before) }
    }
}

/// Why committed offsets were asked for.
#[derive(Clone, Debug)]
pub enum Wanted {
    /// To begin reading these.
    Positions(Vec<TopicPartition>),
    /// For a call of the user.
    Call(OpId),
}

impl Consumer {
    /// The offsets that the group has committed.
    pub fn committed(
        &mut self,
        now: Time,
        op: OpId,
        partitions: Vec<TopicPartition>,
        effects: &mut Vec<Effect>,
    ) -> Progress {
        if self.closed {
            return Progress::failed(Error::Closed);
        }
        let deadline = now.after_ms(self.config.default_api_timeout_ms);
        let Some(group) = &mut self.group else { return Progress::failed(no_group()) };
        if partitions.is_empty() {
            return Progress::Ready(Ok(Outcome::Committed(BTreeMap::new())));
        }
        let (in_flight, not_before) = (false, Time(0));
        group.committed.push(CommittedLookup { op, partitions, in_flight, not_before, deadline });
        self.run(now, effects);
        Progress::Pending
    }

    pub(super) fn send_committed_lookups(&mut self, now: Time, effects: &mut Vec<Effect>) {
        let Some(group) = &mut self.group else { return };
        let after = Duration::from_millis(self.config.default_api_timeout_ms as u64);
        for late in group.committed.extract_if(.., |lookup| lookup.deadline <= now) {
            let what = "the committed offsets".to_owned();
            let result = Err(Error::Timeout { what, after });
            effects.push(Effect::Complete { op: late.op, result });
        }
        let is_due = |lookup: &&CommittedLookup| !lookup.in_flight && lookup.not_before <= now;
        let due: Vec<_> = group.committed.iter().filter(is_due).map(|lookup| lookup.op).collect();
        for op in due {
            if !self.find_coordinator(now, effects) {
                return;
            }
            let Some(group) = &mut self.group else { return };
            let lookup = group.committed.iter_mut().find(|lookup| lookup.op == op);
            let Some(lookup) = lookup else { continue };
            lookup.in_flight = true;
            let partitions = lookup.partitions.clone();
            self.send_offset_fetch(now, partitions, Wanted::Call(op), effects);
        }
    }

    fn send_offset_fetch(
        &mut self,
        now: Time,
        partitions: Vec<TopicPartition>,
        wanted: Wanted,
        effects: &mut Vec<Effect>,
    ) {
        let Some(group) = &self.group else { return };
        let (group_id, partitions) = (group.config.group_id.clone(), Some(partitions));
        let groups = vec![OffsetFetchGroup { group_id, partitions }];
        let request = Request::OffsetFetch(OffsetFetchRequest { groups });
        let timeout_ms = self.config.request_timeout_ms;
        self.send_to_coordinator(now, request, timeout_ms, Sent::OffsetFetch(wanted), effects);
    }

    /// Asks where to begin with the partitions that have no position yet.
    pub(in super::super) fn ask_for_committed_positions(
        &mut self,
        now: Time,
        effects: &mut Vec<Effect>,
    ) {
        if self.group.is_none() {
            return;
        }
        let is_asked = |partition: &TopicPartition| {
            self.network.in_flight().any(|sent| match sent {
                Sent::OffsetFetch(Wanted::Positions(asked)) => asked.contains(partition),
                _ => false,
            })
        };
        let wanted = self.assigned.iter().filter(|(partition, assigned)| {
            assigned.state == FetchState::Initializing
                && assigned.error.is_none()
                && assigned.not_before <= now
                && !is_asked(partition)
        });
        let wanted: Vec<_> = wanted.map(|(partition, _)| partition.clone()).collect();
        if !wanted.is_empty() && self.find_coordinator(now, effects) {
            self.send_offset_fetch(now, wanted.clone(), Wanted::Positions(wanted), effects);
        }
    }

    pub(in super::super) fn on_offsets_fetched(
        &mut self,
        now: Time,
        wanted: Wanted,
        response: OffsetFetchResponse,
        effects: &mut Vec<Effect>,
    ) {
        match (self.read_offsets(now, response), wanted) {
            (Ok(found), Wanted::Positions(asked)) => {
                self.begin_reading(now, &asked, &found, effects);
            }
            (Ok(found), Wanted::Call(op)) => self.end_lookup(op, Ok(found), effects),
            (Err(error), wanted) if error.is_retriable() => self.ask_committed_later(now, &wanted),
            (Err(error), Wanted::Positions(asked)) => {
                for partition in &asked {
                    if let Some(assigned) = self.assigned.get_mut(partition) {
                        assigned.fail(error.clone());
                    }
                    self.retry_later(now, partition);
                }
            }
            (Err(error), Wanted::Call(op)) => self.end_lookup(op, Err(error), effects),
        }
    }

    /// The offsets that the coordinator knows; those that nobody has committed are left out.
    fn read_offsets(&mut self, now: Time, response: OffsetFetchResponse) -> Result<Offsets, Error> {
        let answer = response.groups.into_iter().next();
        let error_code = answer.as_ref().map_or(ErrorCode::None, |answer| answer.error_code);
        if !error_code.is_none() {
            if let Some(group) = &mut self.group
                && matches!(
                    error_code,
                    ErrorCode::CoordinatorNotAvailable | ErrorCode::NotCoordinator
                )
            {
                group.lose_coordinator(now);
            }
            return Err(self.group_error(error_code));
        }
        let read = |one: OffsetFetchResponsePartition| match one.error_code {
            ErrorCode::None => Ok((one.committed_offset.0 >= 0).then(|| {
                let (offset, leader_epoch) = (one.committed_offset, one.committed_leader_epoch);
                let metadata = one.metadata.unwrap_or_default();
                (one.partition, OffsetAndMetadata { offset, leader_epoch, metadata })
            })),
            // An open transaction will decide.
            code @ ErrorCode::UnstableOffsetCommit => Err(self.group_error(code)),
            code => Err(Error::kafka(code, format!("the committed offset of {}", one.partition))),
        };
        let partitions = answer.map_or_else(Vec::new, |answer| answer.partitions);
        partitions.into_iter().filter_map(|one| read(one).transpose()).collect()
    }

    /// Reads on from where the group has come to, or from where `auto.offset.reset` says.
    fn begin_reading(
        &mut self,
        now: Time,
        asked: &[TopicPartition],
        found: &Offsets,
        effects: &mut Vec<Effect>,
    ) {
        let reset = self.reset_target(now);
        for partition in asked {
            let Some(assigned) = self.assigned.get_mut(partition) else { continue };
            // A seek meanwhile has the last word.
            if assigned.state != FetchState::Initializing {
                continue;
            }
            let partition = partition.clone();
            match (found.get(&partition), reset) {
                (Some(committed), _) => {
                    let offset = committed.offset;
                    assigned.state = FetchState::Fetching(offset);
                    assigned.position_epoch = committed.leader_epoch;
                    let event = ClientEvent::PositionCommitted { partition, offset };
                    effects.push(Effect::Event(event));
                }
                (None, Some(to)) => assigned.state = FetchState::AwaitReset(to),
                (None, None) => assigned.fail(Error::NoOffset { partition }),
            }
        }
    }

    fn end_lookup(&mut self, op: OpId, result: Result<Offsets, Error>, effects: &mut Vec<Effect>) {
        if let Some(group) = &mut self.group
            && let Some(at) = group.committed.iter().position(|lookup| lookup.op == op)
        {
            group.committed.remove(at);
            effects.push(Effect::Complete { op, result: result.map(Outcome::Committed) });
        }
    }

    /// The question is to be asked again, a little later.
    pub(in super::super) fn ask_committed_later(&mut self, now: Time, wanted: &Wanted) {
        let later = now.after_ms(self.config.retry_backoff_ms as i64);
        match wanted {
            Wanted::Positions(asked) => {
                asked.iter().for_each(|partition| self.retry_later(now, partition));
            }
            Wanted::Call(op) => {
                let lookups = self.group.iter_mut().flat_map(|group| &mut group.committed);
                for lookup in lookups.filter(|lookup| lookup.op == *op) {
                    lookup.in_flight = false;
                    lookup.not_before = later;
                }
            }
        }
    }

    /// The coordinator will not be found: the calls end.
    pub(super) fn fail_committed(&mut self, error: &Error, effects: &mut Vec<Effect>) {
        let Some(group) = &mut self.group else { return };
        for lookup in std::mem::take(&mut group.committed) {
            effects.push(Effect::Complete { op: lookup.op, result: Err(error.clone()) });
        }
    }
}
