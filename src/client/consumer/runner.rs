//! What a consumer does when something happens: an answer, a lost connection, its deadline, a call.

use std::time::Duration;

use super::group::Commit;
use super::{Consumer, Sent};
use crate::api::{Request, Response};
use crate::client::{ClientEvent, Effect, Outcome};
use crate::error::{Error, ErrorCode};
use crate::types::{BrokerId, Time, TopicPartition};

impl Consumer {
    pub fn on_response(
        &mut self,
        now: Time,
        broker: BrokerId,
        correlation_id: i32,
        response: Response,
        effects: &mut Vec<Effect>,
    ) {
        match (self.network.answered(broker, correlation_id), response) {
            (Some(Sent::Metadata), Response::Metadata(response)) => {
                self.metadata.update(now, response);
            }
            (Some(Sent::Fetch(asked)), Response::Fetch(response)) => {
                self.on_fetched(now, &asked, response, effects);
            }
            (Some(Sent::Positions(asked)), Response::ListOffsets(response)) => {
                self.on_positions(now, &asked, &response, effects);
            }
            (Some(Sent::Lookup(op, asked)), Response::ListOffsets(response)) => {
                self.on_looked_up(now, op, asked, &response);
            }
            (Some(Sent::FindCoordinator), Response::FindCoordinator(response)) => {
                self.on_coordinator(now, response, effects);
            }
            (Some(Sent::JoinGroup(sent)), Response::JoinGroup(response)) => {
                self.on_joined(sent, response);
            }
            (Some(Sent::SyncGroup(sent)), Response::SyncGroup(response)) => {
                self.on_synced(now, &sent, response);
            }
            (Some(Sent::Heartbeat(sent)), Response::Heartbeat(response)) => {
                self.on_heartbeat(now, &sent, response.error_code);
            }
            (Some(Sent::OffsetCommit(number, sent)), Response::OffsetCommit(response)) => {
                self.on_committed(now, number, &sent, &response, effects);
            }
            (Some(Sent::OffsetFetch(wanted)), Response::OffsetFetch(response)) => {
                self.on_offsets_fetched(now, wanted, response, effects);
            }
            _ => {}
        }
        self.run(now, effects);
    }

    pub fn on_disconnect(&mut self, now: Time, broker: BrokerId, effects: &mut Vec<Effect>) {
        self.lose_connection(now, broker, effects);
        self.run(now, effects);
    }

    fn lose_connection(&mut self, now: Time, broker: BrokerId, effects: &mut Vec<Effect>) {
        self.metadata.invalidate();
        self.lose_coordinator_at(now, broker);
        for sent in self.network.disconnected(now, broker) {
            match &sent {
                Sent::Metadata => self.metadata.failed(now),
                Sent::Fetch(asked) => {
                    for partition in asked.keys() {
                        self.retry_later(now, partition);
                    }
                }
                Sent::Positions(asked) => {
                    for (partition, _) in asked {
                        self.retry_later(now, partition);
                    }
                }
                Sent::Lookup(op, asked) => self.ask_again(now, *op, asked.clone()),
                Sent::FindCoordinator => self.search_later(now, effects),
                Sent::Heartbeat(sent) => {
                    self.on_heartbeat(now, sent, ErrorCode::NetworkException);
                }
                Sent::OffsetCommit(number, _) => self.lose_commit(now, *number, effects),
                Sent::OffsetFetch(wanted) => self.ask_committed_later(now, wanted),
                Sent::JoinGroup(_) | Sent::SyncGroup(_) | Sent::LeaveGroup => {
                    self.lose_membership_request(now, &sent);
                }
            }
        }
    }

    pub(super) fn retry_later(&mut self, now: Time, partition: &TopicPartition) {
        let wait_ms = self.config.retry_backoff_ms as i64;
        if let Some(assigned) = self.assigned.get_mut(partition) {
            assigned.not_before = now.after_ms(wait_ms);
        }
    }

    pub fn on_deadline(&mut self, now: Time, effects: &mut Vec<Effect>) {
        while let Some(broker) = self.network.timed_out(now) {
            effects.push(Effect::Event(ClientEvent::RequestTimedOut { broker }));
            effects.push(Effect::Disconnect { broker });
            self.lose_connection(now, broker, effects);
        }
        self.run(now, effects);
    }

    /// Whether a call waits, so that the consumer may use the network.
    fn is_active(&self) -> bool {
        let calls = self.group.as_ref().is_some_and(|group| {
            group.closing.is_some()
                || !group.committed.is_empty()
                || group.commits.iter().any(Commit::keeps_active)
        });
        calls || self.is_polled() || !self.positions.is_empty() || !self.lookups.is_empty()
    }

    /// Whether a poll waits.
    pub(super) fn is_polled(&self) -> bool {
        self.poll.is_some()
    }

    /// Does whatever can be done now.
    pub(super) fn run(&mut self, now: Time, effects: &mut Vec<Effect>) {
        self.ran_at = now;
        self.woken = false;
        if self.closed {
            return;
        }
        self.run_group(now, effects);
        if !self.is_active() {
            return;
        }
        let may_give = !self.is_polled() || self.poll_group(now, effects);
        self.note_fatal_errors();
        self.metadata.refresh_if_old(now);
        if self.is_polled() {
            self.auto_commit(now, effects);
        }
        self.ask_for_metadata(now, effects);
        self.ask_for_positions(now, effects);
        self.send_lookups(now, effects);
        self.finish_positions(now, effects);
        self.finish_lookups(now, effects);
        self.finish_poll(now, may_give, effects);
        self.go_on_closing(now, effects);
    }

    /// A topic that can never be read fails the next poll.
    fn note_fatal_errors(&mut self) {
        for (TopicPartition { topic, .. }, assigned) in &mut self.assigned {
            if let Some(code) = self.metadata.fatal_error(topic) {
                assigned.fail(Error::kafka(code, format!("topic '{topic}'")));
            }
        }
    }

    /// Gives out what is there, or waits on. Whatever is not buffered then is asked for first, so
    /// that a poll never waits for nothing, and before the user sees the records.
    fn finish_poll(&mut self, now: Time, may_give: bool, effects: &mut Vec<Effect>) {
        let Some(poll) = self.poll.take() else { return };
        if let Some(result) = self.group_result(poll.op, poll.deadline) {
            effects.push(Effect::Complete { op: poll.op, result });
            return;
        }
        let may_give = may_give || poll.deadline <= now;
        let (batches, advanced) = if may_give { self.take_records() } else { (Vec::new(), false) };
        self.send_fetches(now, effects);
        let mut errors = self.assigned.values_mut();
        // As in Kafka, a poll that only went past control records ends, too.
        let result = if advanced {
            Ok(Outcome::Polled(batches))
        } else if let Some(error) = errors.find_map(|assigned| assigned.error.take()) {
            Err(error)
        } else if poll.deadline <= now {
            Ok(Outcome::Polled(batches))
        } else {
            self.poll = Some(poll);
            return;
        };
        effects.push(Effect::Complete { op: poll.op, result });
    }

    fn finish_positions(&mut self, now: Time, effects: &mut Vec<Effect>) {
        for wait in std::mem::take(&mut self.positions) {
            let result = match self.assigned.get_mut(&wait.partition) {
                None => Err(Error::NotAssigned(wait.partition.clone())),
                Some(assigned) => match (assigned.position(), assigned.error.take()) {
                    (Some(offset), error) => {
                        assigned.error = error;
                        Ok(Outcome::Offset(offset))
                    }
                    (None, Some(error)) => Err(error),
                    (None, None) if wait.deadline <= now => Err(Error::Timeout {
                        what: format!("the position of {}", wait.partition),
                        after: Duration::from_millis(self.config.default_api_timeout_ms as u64),
                    }),
                    (None, None) => {
                        self.positions.push(wait);
                        continue;
                    }
                },
            };
            effects.push(Effect::Complete { op: wait.op, result });
        }
    }

    pub fn next_deadline(&self) -> Option<Time> {
        let in_flight = self.network.next_deadline();
        if self.closed {
            return in_flight;
        }
        if self.woken && self.is_active() {
            return Some(Time(0));
        }
        let group = self.next_group_deadline(self.is_polled());
        if !self.is_active() {
            return in_flight.into_iter().chain(group.filter(|&due| due > self.ran_at)).min();
        }
        let free = self.network.free_at(self.metadata.brokers());
        let backoffs = self.assigned.values().map(|assigned| assigned.not_before);
        let blocked = |broker| self.network.blocked_until(self.ran_at, broker);
        let brokers = self.metadata.brokers().filter_map(blocked);
        let calls = self.positions.iter().map(|wait| wait.deadline);
        let lookups = self.lookups.values().map(|lookup| lookup.next_deadline(self.ran_at));
        let poll = self.poll.as_ref().map(|poll| poll.deadline);
        let all = in_flight
            .into_iter()
            .chain(self.metadata.next_deadline().map(|due| due.max(free)))
            .chain(backoffs)
            .chain(brokers)
            .chain(calls)
            .chain(lookups)
            .chain(poll)
            .chain(group);
        // What the last run did not do, another one at the same time would not do either.
        all.filter(|&due| due > self.ran_at).min()
    }

    pub(super) fn ask_for_metadata(&mut self, now: Time, effects: &mut Vec<Effect>) {
        let Some(broker) = self.network.least_loaded(now, self.metadata.brokers()) else { return };
        if let Some(request) = self.metadata.next_request(now) {
            let expected = Some((self.config.request_timeout_ms, Sent::Metadata));
            let request = Request::Metadata(request);
            self.network.send(now, broker, request, expected, effects);
        }
    }
}
