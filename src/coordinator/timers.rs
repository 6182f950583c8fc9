//! The timers of groups: a table of what is due when.

use std::collections::{BTreeMap, BTreeSet};

use crate::types::Time;

/// What a timer is for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Timer {
    /// A member, or an id that was given out, has been silent for its session timeout; or a new
    /// member's JoinGroup has waited for five minutes.
    Session(String),
    /// The rebalance ends with those who are there; or the initial delay is over.
    Join,
    /// Who has not synced by now is out.
    Sync,
    /// Offsets of the group may have expired, or the group itself.
    Expiry,
}

/// The timers of all groups, one of a kind each.
#[derive(Clone, Debug, Default)]
pub(super) struct Timers {
    due: BTreeMap<(String, Timer), Time>,
    order: BTreeSet<(Time, String, Timer)>,
}

impl Timers {
    /// Sets a timer, in place of the one that was set for the same thing.
    pub fn set(&mut self, group: &str, timer: Timer, due: Time) {
        self.cancel(group, timer.clone());
        self.due.insert((group.to_owned(), timer.clone()), due);
        self.order.insert((due, group.to_owned(), timer));
    }

    pub fn cancel(&mut self, group: &str, timer: Timer) {
        let key = (group.to_owned(), timer);
        if let Some(due) = self.due.remove(&key) {
            self.order.remove(&(due, key.0, key.1));
        }
    }

    pub fn due(&self, group: &str, timer: Timer) -> Option<Time> {
        self.due.get(&(group.to_owned(), timer)).copied()
    }

    pub fn next(&self) -> Option<Time> {
        self.order.first().map(|(due, ..)| *due)
    }

    /// The first timer whose time has come; it is set no more.
    pub fn take_due(&mut self, now: Time) -> Option<(String, Timer)> {
        if self.next()? > now {
            return None;
        }
        let (_, group, timer) = self.order.pop_first()?;
        self.due.remove(&(group.clone(), timer.clone()));
        Some((group, timer))
    }
}
