//! The admin client: brings each call to the broker that can answer it, and again until it is
//! answered or too late.
//!
//! | a request | goes to |
//! |---|---|
//! | about a group | its coordinator, which FindCoordinator finds |
//! | ListOffsets | the leader of each partition, which Metadata finds; topics are not created |
//! | ListGroups | all brokers that Metadata names |
//! | any other | the broker with the least to do |
//!
//! `route.rs` says whom to ask, `call.rs` keeps what of a call is still to be done, `verdict.rs`
//! tells answers from those that only ask to come again. A lost connection, like an answer that
//! says so, leads to another search. Each attempt after the first waits `retry.backoff.ms`, twice
//! as long each time, at most `retry.backoff.max.ms`; all of them together end after
//! `default.api.timeout.ms`.
//!
//! # Simplifications versus Kafka
//! What was looked up is not kept for the next call; Kafka keeps leaders, not coordinators. A
//! lookup that fails is repeated after the wait, where Kafka's admin repeats it at once.

mod call;
mod route;
#[cfg(test)]
mod tests;
mod verdict;

use std::collections::BTreeMap;
use std::time::Duration;

use super::network::{Backoff, Network};
use super::{ClientEvent, Effect, OpId, Progress};
use crate::api::{Request, Response};
use crate::client::ClientId;
use crate::config::AdminConfig;
use crate::error::Error;
use crate::random::Random;
use crate::types::{BrokerId, Time};

use call::{Call, Part};

/// What an admin remembers of a request.
#[derive(Clone, Debug)]
enum Sent {
    /// It finds the brokers for a call.
    Lookup(OpId),
    /// It is the call, or a part of it.
    Part(OpId, Part),
}

/// An admin client's state.
#[derive(Clone, Debug)]
pub struct Admin {
    config: AdminConfig,
    brokers: Vec<BrokerId>,
    network: Network<Sent>,
    calls: BTreeMap<OpId, Call>,
    random: Random,
    /// When it last did what could be done.
    ran_at: Time,
    closed: bool,
}

impl Admin {
    /// An admin client that knows the brokers to ask.
    pub fn new(id: ClientId, config: AdminConfig, bootstrap: Vec<BrokerId>, seed: u64) -> Self {
        let reconnect = Backoff {
            initial_ms: config.reconnect_backoff_ms,
            max_ms: config.reconnect_backoff_max_ms,
        };
        let random = |purpose: &str| Random::stream(seed, &format!("admin {} {purpose}", id.0));
        Admin {
            config,
            brokers: bootstrap,
            network: Network::new(reconnect, random("reconnect")),
            calls: BTreeMap::new(),
            random: random("retries"),
            ran_at: Time(0),
            closed: false,
        }
    }

    /// Sends a request and waits for the response.
    pub fn call(
        &mut self,
        now: Time,
        op: OpId,
        request: Request,
        effects: &mut Vec<Effect>,
    ) -> Progress {
        if self.closed {
            return Progress::failed(Error::Closed);
        }
        let deadline = now.after_ms(self.config.default_api_timeout_ms);
        self.calls.insert(op, Call::new(request, deadline));
        self.run(now, effects);
        Progress::Pending
    }

    /// Stops for good.
    pub fn close(&mut self, effects: &mut Vec<Effect>) -> Progress {
        if std::mem::replace(&mut self.closed, true) {
            return Progress::DONE;
        }
        for (op, _) in std::mem::take(&mut self.calls) {
            effects.push(Effect::Complete { op, result: Err(Error::Closed) });
        }
        self.network.close(effects);
        Progress::DONE
    }

    pub fn abandon(&mut self, gone: impl Fn(OpId) -> bool) {
        self.calls.retain(|&op, _| !gone(op));
    }

    pub fn on_response(
        &mut self,
        now: Time,
        broker: BrokerId,
        correlation_id: i32,
        response: Response,
        effects: &mut Vec<Effect>,
    ) {
        match self.network.answered(broker, correlation_id) {
            Some(Sent::Lookup(op)) => self.on_looked_up(now, op, &response, effects),
            Some(Sent::Part(op, part)) => self.on_answer(now, op, part, broker, response, effects),
            None => {}
        }
        self.run(now, effects);
    }

    fn on_looked_up(
        &mut self,
        now: Time,
        op: OpId,
        response: &Response,
        effects: &mut Vec<Effect>,
    ) {
        if let Response::Metadata(metadata) = response
            && !metadata.brokers.is_empty()
        {
            self.brokers = metadata.brokers.iter().map(|broker| broker.node_id).collect();
        }
        let backoff = self.backoff();
        let Some(call) = self.calls.get_mut(&op) else { return };
        match call.looked_up(response) {
            Ok(true) => {}
            Ok(false) => {
                let due = call.next_attempt(now, backoff, &mut self.random);
                call.look_up_again(due);
            }
            Err(error) => {
                self.calls.remove(&op);
                effects.push(Effect::Complete { op, result: Err(error) });
            }
        }
    }

    fn on_answer(
        &mut self,
        now: Time,
        op: OpId,
        part: Part,
        broker: BrokerId,
        response: Response,
        effects: &mut Vec<Effect>,
    ) {
        let backoff = self.backoff();
        let Some(call) = self.calls.get_mut(&op) else { return };
        let verdict = verdict::judge(part.request, response);
        if verdict.again.is_some() || verdict.elsewhere.is_some() {
            let due = call.next_attempt(now, backoff, &mut self.random);
            call.send_again(part.broker, verdict.again, due);
            call.send_elsewhere(verdict.elsewhere, due);
        }
        if let Some(response) = call.answered(broker, verdict.answer) {
            self.calls.remove(&op);
            effects.push(Effect::Complete { op, result: Ok(response) });
        }
    }

    pub fn on_disconnect(&mut self, now: Time, broker: BrokerId, effects: &mut Vec<Effect>) {
        self.lose_connection(now, broker);
        self.run(now, effects);
    }

    fn lose_connection(&mut self, now: Time, broker: BrokerId) {
        let backoff = self.backoff();
        for sent in self.network.disconnected(now, broker) {
            let (Sent::Lookup(op) | Sent::Part(op, _)) = sent;
            let Some(call) = self.calls.get_mut(&op) else { continue };
            let due = call.next_attempt(now, backoff, &mut self.random);
            match sent {
                Sent::Lookup(_) => call.look_up_again(due),
                Sent::Part(_, part) => call.lost(part, due),
            }
        }
    }

    fn backoff(&self) -> Backoff {
        Backoff {
            initial_ms: self.config.retry_backoff_ms,
            max_ms: self.config.retry_backoff_max_ms,
        }
    }

    pub fn on_deadline(&mut self, now: Time, effects: &mut Vec<Effect>) {
        while let Some(broker) = self.network.timed_out(now) {
            effects.push(Effect::Event(ClientEvent::RequestTimedOut { broker }));
            effects.push(Effect::Disconnect { broker });
            self.lose_connection(now, broker);
        }
        self.run(now, effects);
    }

    /// Does whatever can be done now.
    fn run(&mut self, now: Time, effects: &mut Vec<Effect>) {
        self.ran_at = now;
        self.give_up_late_calls(now, effects);
        let timeout_ms = self.config.request_timeout_ms;
        for (&op, call) in &mut self.calls {
            let brokers = || self.brokers.iter().copied();
            if call.lookup_due().is_some_and(|due| due <= now)
                && let Some(broker) = self.network.least_loaded(now, brokers())
                && let Some(request) = call.look_up()
            {
                let expected = Some((timeout_ms, Sent::Lookup(op)));
                self.network.send(now, broker, request, expected, effects);
            }
            for part in call.take_unsent() {
                let ready = |&broker: &BrokerId| self.network.is_ready(now, broker, usize::MAX);
                let broker = match part.broker {
                    _ if part.not_before > now => None,
                    Some(broker) => Some(broker).filter(ready),
                    None => self.network.least_loaded(now, brokers()),
                };
                let Some(broker) = broker else {
                    call.keep(part);
                    continue;
                };
                let request = part.request.clone();
                call.sent();
                let expected = Some((timeout_ms, Sent::Part(op, part)));
                self.network.send(now, broker, request, expected, effects);
            }
        }
    }

    fn give_up_late_calls(&mut self, now: Time, effects: &mut Vec<Effect>) {
        let late = self.calls.iter().filter(|(_, call)| call.deadline <= now);
        for op in late.map(|(&op, _)| op).collect::<Vec<_>>() {
            let Some(call) = self.calls.remove(&op) else { continue };
            let what = call.waits_for();
            let after = Duration::from_millis(self.config.default_api_timeout_ms as u64);
            effects.push(Effect::Complete { op, result: Err(Error::Timeout { what, after }) });
        }
    }

    pub fn next_deadline(&self) -> Option<Time> {
        let anyone = self.network.free_at(self.brokers.iter().copied());
        let free = |part: &Part| match part.broker {
            Some(broker) => self.network.free_at([broker].into_iter()),
            None => anyone,
        };
        let lookups = self.calls.values().filter_map(Call::lookup_due).map(|due| due.max(anyone));
        let unsent = self.calls.values().flat_map(Call::unsent);
        let parts = unsent.map(|part| part.not_before.max(free(part)));
        let deadlines = self.calls.values().map(|call| call.deadline);
        let in_flight = self.network.next_deadline().into_iter();
        let all = in_flight.chain(lookups).chain(parts).chain(deadlines);
        // What the last run did not do, another one at the same time would not do either.
        all.filter(|&due| due > self.ran_at).min()
    }
}
