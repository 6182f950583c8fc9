//! A client's connections: what is in flight on each, until when, and when to try again.

use std::collections::{BTreeMap, VecDeque};

use super::Effect;
use crate::api::Request;
use crate::random::Random;
use crate::types::{BrokerId, Time};

/// By how many thousandths a wait is varied, as in Kafka.
const JITTER_PERMILLE: u64 = 200;

/// How long a client waits between attempts, as Kafka's `ExponentialBackoff` has it: doubled with
/// each failure, varied by a fifth, never above the maximum. A maximum that is no larger than the
/// first wait makes all waits equal to it.
#[derive(Clone, Copy, Debug)]
pub struct Backoff {
    pub initial_ms: u64,
    pub max_ms: u64,
}

impl Backoff {
    /// The wait after so many failures in a row (1 for the first).
    pub fn after(self, failures: u32, random: &mut Random) -> u64 {
        if self.max_ms <= self.initial_ms {
            return self.max_ms;
        }
        let doubled = 1_u64.checked_shl(failures.saturating_sub(1)).unwrap_or(u64::MAX);
        let wait = self.initial_ms.saturating_mul(doubled).min(self.max_ms);
        random.jitter(wait, JITTER_PERMILLE).min(self.max_ms)
    }
}

/// All connections of a client. `C` is what it remembers of each request.
#[derive(Clone, Debug)]
pub struct Network<C> {
    links: BTreeMap<BrokerId, Link<C>>,
    next_correlation: i32,
    reconnect: Backoff,
    random: Random,
}

#[derive(Clone, Debug)]
struct Link<C> {
    in_flight: VecDeque<InFlight<C>>,
    failures: u32,
    blocked_until: Option<Time>,
}

#[derive(Clone, Debug)]
struct InFlight<C> {
    correlation_id: i32,
    deadline: Time,
    context: C,
}

impl<C> Network<C> {
    pub fn new(reconnect: Backoff, random: Random) -> Self {
        Network { links: BTreeMap::new(), next_correlation: 0, reconnect, random }
    }

    /// Whether a broker may be sent one more request.
    pub fn is_ready(&self, now: Time, broker: BrokerId, max_in_flight: usize) -> bool {
        self.links.get(&broker).is_none_or(|link| {
            link.blocked_until.is_none_or(|until| until <= now)
                && link.in_flight.len() < max_in_flight
        })
    }

    /// Of these brokers, one that may be asked now and has the least to do.
    pub fn least_loaded(
        &self,
        now: Time,
        brokers: impl Iterator<Item = BrokerId>,
    ) -> Option<BrokerId> {
        brokers
            .filter(|&broker| self.is_ready(now, broker, usize::MAX))
            .min_by_key(|broker| self.links.get(broker).map_or(0, |link| link.in_flight.len()))
    }

    /// Sends a request. Without a `timeout_ms` no answer is expected.
    pub fn send(
        &mut self,
        now: Time,
        broker: BrokerId,
        request: Request,
        expected: Option<(u64, C)>,
        effects: &mut Vec<Effect>,
    ) {
        let correlation_id = self.next_correlation;
        self.next_correlation = self.next_correlation.wrapping_add(1) & i32::MAX;
        let link = self.links.entry(broker).or_insert_with(|| Link {
            in_flight: VecDeque::new(),
            failures: 0,
            blocked_until: None,
        });
        if let Some((timeout_ms, context)) = expected {
            // No request is overdue in the instant when it is sent: its timer would fire for ever.
            let deadline = now.after_ms(timeout_ms.max(1) as i64);
            link.in_flight.push_back(InFlight { correlation_id, deadline, context });
        }
        effects.push(Effect::Send { broker, correlation_id, request });
    }

    /// Takes what is remembered of a request that has been answered; `None` for an answer that
    /// nobody waits for.
    pub fn answered(&mut self, broker: BrokerId, correlation_id: i32) -> Option<C> {
        let link = self.links.get_mut(&broker)?;
        link.failures = 0;
        let i = link.in_flight.iter().position(|sent| sent.correlation_id == correlation_id)?;
        link.in_flight.remove(i).map(|sent| sent.context)
    }

    /// Takes what was in flight to a broker whose connection is gone, in the order of sending, and
    /// keeps away from it for a while.
    pub fn disconnected(&mut self, now: Time, broker: BrokerId) -> Vec<C> {
        let Some(link) = self.links.get_mut(&broker) else { return Vec::new() };
        link.failures += 1;
        let wait_ms = self.reconnect.after(link.failures, &mut self.random);
        link.blocked_until = Some(now.after_ms(wait_ms as i64));
        link.in_flight.drain(..).map(|sent| sent.context).collect()
    }

    /// A broker that has left a request unanswered for too long.
    pub fn timed_out(&self, now: Time) -> Option<BrokerId> {
        let late = |link: &Link<C>| link.in_flight.iter().any(|sent| sent.deadline <= now);
        self.links.iter().find(|(_, link)| late(link)).map(|(&broker, _)| broker)
    }

    /// The earliest time at which a request is overdue.
    pub fn next_deadline(&self) -> Option<Time> {
        self.links.values().flat_map(|link| &link.in_flight).map(|sent| sent.deadline).min()
    }

    /// When the first of these brokers may be tried again; long ago when one may be now.
    pub fn free_at(&self, brokers: impl Iterator<Item = BrokerId>) -> Time {
        let blocked = |broker| self.blocked_until(Time(0), broker).unwrap_or(Time(0));
        brokers.map(blocked).min().unwrap_or(Time(0))
    }

    /// When a broker that is kept away from may be tried again; `None` when it may be now.
    pub fn blocked_until(&self, now: Time, broker: BrokerId) -> Option<Time> {
        self.links.get(&broker)?.blocked_until.filter(|&until| until > now)
    }

    /// What is remembered of the requests in flight.
    pub fn in_flight(&self) -> impl Iterator<Item = &C> {
        self.links.values().flat_map(|link| &link.in_flight).map(|sent| &sent.context)
    }

    /// What is remembered of the requests in flight to a broker.
    pub fn in_flight_to(&self, broker: BrokerId) -> impl Iterator<Item = &C> {
        self.links.get(&broker).into_iter().flat_map(|link| &link.in_flight).map(|s| &s.context)
    }

    /// The same, to be changed.
    pub fn contexts_mut(&mut self) -> impl Iterator<Item = &mut C> {
        self.links.values_mut().flat_map(|link| &mut link.in_flight).map(|sent| &mut sent.context)
    }

    /// Closes all connections and forgets what was in flight on them: no answer, loss or deadline
    /// will come of it.
    pub fn close(&mut self, effects: &mut Vec<Effect>) {
        for (broker, _) in std::mem::take(&mut self.links) {
            effects.push(Effect::Disconnect { broker });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A maximum below the first wait was taken for the first wait, and the jitter went above the
    /// maximum by up to a fifth.
    #[test]
    fn a_backoff_never_exceeds_its_maximum() {
        let mut random = Random::stream(1, "test");
        for failures in 1..200 {
            let mut wait =
                |initial_ms, max_ms| Backoff { initial_ms, max_ms }.after(failures, &mut random);
            assert_eq!(wait(100, 40), 40, "a smaller maximum is a constant backoff");
            assert_eq!(wait(100, 100), 100, "so is an equal one");
            assert_eq!(wait(0, 1000), 0, "twice nothing is nothing");
            let exact = (100_u64 << (failures - 1).min(4)).min(1000);
            let varied = exact - exact / 5..=(exact + exact / 5).min(1000);
            assert!(varied.contains(&wait(100, 1000)), "after {failures} failures");
        }
    }
}
