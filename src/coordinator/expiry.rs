//! Expiry: offsets that end by themselves, and the groups that end with them.
//!
//! Kafka looks at all groups once every `offsets.retention.check.interval.ms`, counted from when it
//! began to coordinate. An offset's time, `offsets.retention.minutes`, begins
//!
//! | in a group that | with |
//! |---|---|
//! | never had members | its commit |
//! | is Empty | that state, however late the commit |
//! | is Stable, of consumers, whose topics are known | its commit, if nobody has subscribed to the topic |
//! | has members otherwise | nothing: it stays |
//!
//! unless the commit has brought a time of its own, which begins with the commit. A look that leaves
//! an Empty group without offsets takes the group as well.
//!
//! Here a look is a timer of each group for which it would find something: at the first look by
//! which something may have expired. A commit that takes an older one's place does not put it off;
//! so now and then a look finds nothing, and sets the timer anew.

use std::collections::BTreeSet;

use super::group::Group;
use super::state::GroupState;
use super::timers::Timer;
use super::{GroupCoordinator, GroupEffect, GroupRecord, OffsetRecord, Step};
use crate::types::{Time, Timestamp, TopicId, TopicName, TopicPartition};

/// What the time of an offset without one of its own is counted from.
#[derive(Clone, Copy)]
enum Base {
    Commit,
    At(Timestamp),
}

impl Group {
    /// What the time of offsets is counted from; `None` while all are kept.
    fn expiry_base(&self) -> Option<Base> {
        match (&self.protocol_type, self.state()) {
            (None, _) => Some(Base::Commit),
            (Some(_), GroupState::Empty) if self.since != Timestamp::NONE => {
                Some(Base::At(self.since))
            }
            // Records of old versions of Kafka do not tell since when.
            (Some(_), GroupState::Empty) => Some(Base::Commit),
            (Some(_), GroupState::Stable) if self.knows_subscribed_topics() => Some(Base::Commit),
            _ => None,
        }
    }

    /// When an offset expires; `None` if it does not as things are.
    fn expires_at(&self, offset: &OffsetRecord, retention_ms: i64) -> Option<Timestamp> {
        let base = self.expiry_base()?;
        if self.is_subscribed_to(&offset.partition.topic) {
            return None;
        }
        let own = offset.expire_timestamp.filter(|own| *own != Timestamp::NONE);
        Some(own.unwrap_or_else(|| {
            let Timestamp(from) = match base {
                Base::Commit => offset.commit_timestamp,
                Base::At(since) => since,
            };
            Timestamp(from.saturating_add(retention_ms))
        }))
    }
}

impl GroupCoordinator {
    /// Sets the timer of a group to the first look at which something has expired.
    pub(super) fn schedule_expiry(&mut self, now: Time, group_id: &str) {
        let due = self.first_expiry(group_id).and_then(|at| self.look_after(now, at));
        match due {
            Some(due) => self.timers.set(group_id, Timer::Expiry, due),
            None => self.timers.cancel(group_id, Timer::Expiry),
        }
    }

    /// An offset has been committed: the timer is no later than it expires.
    pub(super) fn expire_no_later(&mut self, now: Time, offset: &OffsetRecord) {
        let (group_id, retention_ms) = (&offset.group_id, self.config.offsets_retention_ms);
        let Some(group) = self.groups.get(group_id) else { return };
        let Some(at) = group.expires_at(offset, retention_ms) else { return };
        let Some(due) = self.look_after(now, at) else { return };
        if self.timers.due(group_id, Timer::Expiry).is_none_or(|set| due < set) {
            self.timers.set(group_id, Timer::Expiry, due);
        }
    }

    /// When the first thing of a group expires, which may be past.
    fn first_expiry(&self, group_id: &str) -> Option<Timestamp> {
        let group = self.groups.get(group_id)?;
        let Some(offsets) = self.offsets.get(group_id) else {
            return (group.state() == GroupState::Empty).then_some(group.since);
        };
        group.expiry_base()?;
        let retention_ms = self.config.offsets_retention_ms;
        offsets.values().filter_map(|offset| group.expires_at(offset, retention_ms)).min()
    }

    /// The first look after now and not before `at`; `None` if there will be none.
    fn look_after(&self, now: Time, at: Timestamp) -> Option<Time> {
        let interval = self.config.offsets_retention_check_interval_ms.max(1) as u64;
        let interval = interval.saturating_mul(1000);
        let at = u64::try_from(at.0).unwrap_or(0).saturating_mul(1000);
        let wait = at.max(now.after_micros(1).0).saturating_sub(self.since.0);
        let due = self.since.after_micros(wait.div_ceil(interval).max(1).saturating_mul(interval));
        (due < Time::NEVER).then_some(due)
    }

    /// A look at some groups: what has expired is written away.
    pub(super) fn expire(&mut self, now: Time, group_ids: BTreeSet<String>) {
        let mut records = Vec::new();
        for group_id in group_ids {
            let before = records.len();
            self.find_expired(now, &group_id, &mut records);
            if records.len() == before {
                self.schedule_expiry(now, &group_id);
            }
        }
        self.append_tombstones(records);
    }

    fn find_expired(&self, now: Time, group_id: &str, records: &mut Vec<GroupRecord>) {
        let Some(group) = self.groups.get(group_id) else { return };
        let retention_ms = self.config.offsets_retention_ms;
        let mut is_left = false;
        for (partition, offset) in self.offsets.get(group_id).into_iter().flatten() {
            let at = group.expires_at(offset, retention_ms);
            if at.is_some_and(|at| at <= now.timestamp()) {
                let (group_id, partition) = (group_id.to_owned(), partition.clone());
                records.push(GroupRecord::OffsetTombstone { group_id, partition });
            } else {
                is_left = true;
            }
        }
        if !is_left && group.state() == GroupState::Empty {
            records.push(GroupRecord::GroupTombstone { group_id: group_id.to_owned() });
        }
    }

    /// Topics are gone, and with them the offsets that were committed for them. Those whose topic's
    /// id is not known go by its name.
    pub fn on_topics_deleted(&mut self, topics: &[(TopicName, TopicId)]) -> Vec<GroupEffect> {
        let span = |topic: &TopicName| {
            let [first, last] =
                [i32::MIN, i32::MAX].map(|number| TopicPartition::new(topic.clone(), number));
            first..=last
        };
        let spans: Vec<_> = topics.iter().map(|(topic, id)| (span(topic), id)).collect();
        let mut records = Vec::new();
        for (group_id, offsets) in &self.offsets {
            for (span, topic_id) in &spans {
                for (partition, offset) in offsets.range(span.clone()) {
                    if [TopicId::ZERO, **topic_id].contains(&offset.topic_id) {
                        let (group_id, partition) = (group_id.clone(), partition.clone());
                        records.push(GroupRecord::OffsetTombstone { group_id, partition });
                    }
                }
            }
        }
        self.append_tombstones(records);
        std::mem::take(&mut self.effects)
    }

    fn append_tombstones(&mut self, records: Vec<GroupRecord>) {
        if !records.is_empty() {
            self.append("", records, Step::Ended);
        }
    }
}
