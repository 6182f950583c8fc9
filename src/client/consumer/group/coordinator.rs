//! Finding the group's coordinator.

use super::super::{Consumer, Sent};
use super::Membership;
use crate::api::{FindCoordinatorRequest, FindCoordinatorResponse, GROUP_KEY_TYPE, Request};
use crate::client::Effect;
use crate::client::network::Backoff;
use crate::error::{Error, ErrorCode};
use crate::types::{BrokerId, Time};

/// Who coordinates the group, as far as it is known.
#[derive(Clone, Debug, Default)]
pub(super) struct Coordinator {
    known: Option<BrokerId>,
    searching: bool,
    failures: u32,
    not_before: Time,
    /// Somebody waits for it to be found.
    pub is_wanted: bool,
}

impl Coordinator {
    /// When the next search may begin, if one is needed and none is under way.
    pub fn next(&self) -> Option<Time> {
        (self.is_wanted && !self.searching).then_some(self.not_before)
    }
}

impl Membership {
    pub(super) fn coordinator(&self) -> Option<BrokerId> {
        self.coordinator.known
    }

    /// The coordinator is another one, or gone.
    pub(super) fn lose_coordinator(&mut self, now: Time) {
        self.coordinator.known = None;
        self.coordinator.not_before = self.coordinator.not_before.max(now);
    }
}

impl Consumer {
    /// Looks for the coordinator if it is not known; says whether it is.
    pub(super) fn find_coordinator(&mut self, now: Time, effects: &mut Vec<Effect>) -> bool {
        let Some(group) = &mut self.group else { return false };
        let coordinator = &mut group.coordinator;
        if let Some(known) = coordinator.known {
            if self.network.blocked_until(now, known).is_none() {
                return true;
            }
            coordinator.known = None;
        }
        coordinator.is_wanted = true;
        if coordinator.searching || coordinator.not_before > now {
            return false;
        }
        let Some(broker) = self.network.least_loaded(now, self.metadata.brokers()) else {
            coordinator.not_before = self.network.free_at(self.metadata.brokers());
            return false;
        };
        coordinator.searching = true;
        let coordinator_keys = vec![group.config.group_id.clone()];
        let request = Request::FindCoordinator(FindCoordinatorRequest {
            key_type: GROUP_KEY_TYPE,
            coordinator_keys,
        });
        let expected = Some((self.config.request_timeout_ms, Sent::FindCoordinator));
        self.network.send(now, broker, request, expected, effects);
        false
    }

    pub(in super::super) fn on_coordinator(
        &mut self,
        now: Time,
        response: FindCoordinatorResponse,
        effects: &mut Vec<Effect>,
    ) {
        let found = response.coordinators.into_iter().next();
        let Some(group) = &mut self.group else { return };
        group.coordinator.searching = false;
        match found.map(|found| (found.error_code, found.node_id)) {
            Some((ErrorCode::None, Some(node))) => {
                group.coordinator.known = Some(node);
                group.coordinator.failures = 0;
                group.heartbeat.found_coordinator(now);
            }
            Some((code, _)) if !code.is_retriable() && !code.is_none() => {
                let context = format!("the coordinator of group '{}'", group.config.group_id);
                let error = Error::kafka(code, context);
                group.failure = Some(error.clone());
                self.fail_commits(now, &error, true, effects);
                self.fail_committed(&error, effects);
                self.search_later(now, effects);
            }
            _ => self.search_later(now, effects),
        }
    }

    /// The search was in vain, or lost.
    pub(in super::super) fn search_later(&mut self, now: Time, effects: &mut Vec<Effect>) {
        let backoff = Backoff {
            initial_ms: self.config.retry_backoff_ms,
            max_ms: self.config.retry_backoff_max_ms,
        };
        if let Some(group) = &mut self.group {
            group.coordinator.searching = false;
            group.coordinator.failures += 1;
            let wait_ms = backoff.after(group.coordinator.failures, &mut group.random);
            group.coordinator.not_before = now.after_ms(wait_ms as i64);
            let error = self.group_error(ErrorCode::CoordinatorNotAvailable);
            self.fail_commits(now, &error, false, effects);
        }
    }
}
