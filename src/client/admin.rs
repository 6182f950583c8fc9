//! The admin client: sends one request for each call, and again until it is answered or too late.

use std::collections::BTreeMap;
use std::time::Duration;

use super::network::{Backoff, Network};
use super::{ClientEvent, Effect, OpId, Outcome, Progress};
use crate::api::{Request, Response};
use crate::client::ClientId;
use crate::config::AdminConfig;
use crate::error::Error;
use crate::random::Random;
use crate::types::{BrokerId, Time};

#[derive(Clone, Debug)]
struct Call {
    request: Request,
    sent: bool,
    failures: u32,
    not_before: Time,
    deadline: Time,
}

/// An admin client's state.
#[derive(Clone, Debug)]
pub struct Admin {
    config: AdminConfig,
    brokers: Vec<BrokerId>,
    network: Network<OpId>,
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
        let call = Call { request, sent: false, failures: 0, not_before: Time(0), deadline };
        self.calls.insert(op, call);
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
        if let Some(op) = self.network.answered(broker, correlation_id)
            && self.calls.remove(&op).is_some()
        {
            effects
                .push(Effect::Complete { op, result: Ok(Outcome::Response(Box::new(response))) });
        }
        self.run(now, effects);
    }

    pub fn on_disconnect(&mut self, now: Time, broker: BrokerId, effects: &mut Vec<Effect>) {
        self.lose_connection(now, broker);
        self.run(now, effects);
    }

    fn lose_connection(&mut self, now: Time, broker: BrokerId) {
        let backoff = Backoff {
            initial_ms: self.config.retry_backoff_ms,
            max_ms: self.config.retry_backoff_max_ms,
        };
        for op in self.network.disconnected(now, broker) {
            if let Some(call) = self.calls.get_mut(&op) {
                call.sent = false;
                call.failures += 1;
                let wait_ms = backoff.after(call.failures, &mut self.random);
                call.not_before = now.after_ms(wait_ms as i64);
            }
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

    fn run(&mut self, now: Time, effects: &mut Vec<Effect>) {
        self.ran_at = now;
        let late = self.calls.iter().filter(|(_, call)| call.deadline <= now);
        for op in late.map(|(&op, _)| op).collect::<Vec<_>>() {
            let Some(call) = self.calls.remove(&op) else { continue };
            let what = format!("an answer to {}", call.request.api_key());
            let after = Duration::from_millis(self.config.default_api_timeout_ms as u64);
            effects.push(Effect::Complete { op, result: Err(Error::Timeout { what, after }) });
        }
        for (&op, call) in &mut self.calls {
            if call.sent || call.not_before > now {
                continue;
            }
            let Some(broker) = self.network.least_loaded(now, self.brokers.iter().copied()) else {
                continue;
            };
            call.sent = true;
            let expected = Some((self.config.request_timeout_ms, op));
            self.network.send(now, broker, call.request.clone(), expected, effects);
        }
    }

    pub fn next_deadline(&self) -> Option<Time> {
        let free = self.network.free_at(self.brokers.iter().copied());
        let unsent = self.calls.values().filter(|call| !call.sent);
        let retries = unsent.map(|call| call.not_before.max(free));
        let deadlines = self.calls.values().map(|call| call.deadline);
        let all = self.network.next_deadline().into_iter().chain(retries).chain(deadlines);
        // What the last run did not do, another one at the same time would not do either.
        all.filter(|&due| due > self.ran_at).min()
    }
}
