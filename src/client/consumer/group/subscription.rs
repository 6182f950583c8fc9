//! What a consumer subscribes to: topics by name, or by a pattern.

use std::collections::BTreeSet;

use regex_lite::Regex;

use super::super::Consumer;
use crate::client::Progress;
use crate::error::{Error, ErrorCode};
use crate::types::{Time, TopicName};

static NO_NAMES: BTreeSet<TopicName> = BTreeSet::new();

/// A regular expression that a topic's whole name has to match.
#[derive(Clone, Debug)]
pub struct SubscriptionPattern(Regex);

impl SubscriptionPattern {
    /// Compiles it.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for an empty one, and for what is no regular expression.
    pub fn new(text: &str) -> Result<Self, Error> {
        if text.is_empty() {
            return Err(Error::InvalidArgument("the pattern is empty".to_owned()));
        }
        let no_pattern = |error| Error::InvalidArgument(format!("pattern '{text}': {error}"));
        // By itself first: with the anchors around it, `a)|(b` would be one, too.
        Regex::new(text).map_err(no_pattern)?;
        Regex::new(&format!("^(?:{text})$")).map(SubscriptionPattern).map_err(no_pattern)
    }

    fn matches(&self, topic: &str) -> bool {
        self.0.is_match(topic)
    }
}

/// What a consumer subscribes to.
#[derive(Clone, Debug)]
pub enum Topics {
    /// Nothing: its partitions are assigned by hand, or not at all.
    None,
    /// These topics.
    Names(BTreeSet<TopicName>),
    /// Those that match, and the ones that did when last looked at.
    Pattern(SubscriptionPattern, BTreeSet<TopicName>),
}

impl Topics {
    /// The topics, as far as they are known.
    pub fn names(&self) -> &BTreeSet<TopicName> {
        match self {
            Topics::None => &NO_NAMES,
            Topics::Names(names) | Topics::Pattern(_, names) => names,
        }
    }

    pub fn contains(&self, topic: &TopicName) -> bool {
        self.names().contains(topic)
    }

    pub fn is_pattern(&self) -> bool {
        matches!(self, Topics::Pattern(..))
    }

    /// Whether a leader may assign partitions of a topic to it.
    fn accepts(&self, topic: &TopicName) -> bool {
        match self {
            Topics::Pattern(pattern, names) => names.contains(topic) || pattern.matches(topic),
            topics => topics.contains(topic),
        }
    }
}

impl Consumer {
    /// Replaces the subscription. The group learns of it with the next poll.
    pub fn subscribe(&mut self, now: Time, topics: Topics, has_listener: bool) -> Progress {
        if self.closed {
            return Progress::failed(Error::Closed);
        }
        let Some(group) = &mut self.group else { return Progress::failed(no_group()) };
        if let Some(blank) = topics.names().iter().find(|topic| topic.trim().is_empty()) {
            let why = format!("'{blank}' is no topic");
            return Progress::failed(Error::InvalidArgument(why));
        }
        let other = match (&group.topics, &topics) {
            (Topics::None, _) if !self.assigned.is_empty() => "partitions are assigned by hand",
            (Topics::Names(_), Topics::Pattern(..)) => "topics are subscribed to by name",
            (Topics::Pattern(..), Topics::Names(_)) => "topics are subscribed to by a pattern",
            _ => "",
        };
        if !other.is_empty() {
            let why = format!("{other}: unsubscribe first");
            return Progress::failed(Error::InvalidArgument(why));
        }
        group.topics = topics;
        group.has_listener = has_listener;
        let topics = &group.topics;
        if !topics.is_pattern() {
            self.buffer.retain(|partition| topics.contains(&partition.topic));
        }
        self.want_topics(now);
        self.match_pattern();
        self.woken = true;
        Progress::DONE
    }

    /// Has the next poll join again.
    pub fn enforce_rebalance(&mut self) -> Progress {
        let Some(group) = self.group.as_mut().filter(|group| group.is_subscribed()) else {
            let why = "nothing is subscribed to".to_owned();
            return Progress::failed(Error::InvalidArgument(why));
        };
        group.request_rejoin("the user wants it");
        self.woken = true;
        Progress::DONE
    }

    /// What it subscribes to: by a pattern, what matched when last looked at.
    pub fn subscription(&self) -> impl Iterator<Item = &TopicName> {
        self.group.iter().flat_map(|group| group.topics.names())
    }

    /// Asks for the metadata of the topics that matter: its own, and as a leader everybody's.
    pub(super) fn want_topics(&mut self, now: Time) {
        let Some(group) = &self.group else { return };
        if group.topics.is_pattern() {
            self.metadata.want_all();
        } else {
            let all = group.topics.names() | &group.group_topics;
            self.metadata.want_only(now, all);
        }
    }

    /// Matches the pattern with the topics that are known.
    fn match_pattern(&mut self) {
        let Some(group) = &mut self.group else { return };
        let keeps_internal = !group.config.exclude_internal_topics;
        if let Topics::Pattern(pattern, names) = &mut group.topics {
            let known = self.metadata.topics();
            let known = known.filter(|topic| topic.error_code.is_none());
            let matching = known.filter(|topic| {
                (keeps_internal || !topic.is_internal) && pattern.matches(&topic.name)
            });
            *names = matching.map(|topic| topic.name.clone()).collect();
        }
    }

    /// Looks whether topics or partitions have come or gone, so that it has to join again.
    pub(super) fn follow_metadata(&mut self, now: Time) {
        self.metadata.refresh_if_old(now);
        let updates = self.metadata.updates();
        let Some(group) = &mut self.group else { return };
        if group.seen_updates.replace(updates) != Some(updates) {
            self.match_pattern();
        }
        let Some(group) = &mut self.group else { return };
        if group.joined.as_ref().is_some_and(|joined| joined != group.topics.names()) {
            group.request_rejoin("the subscription has changed");
        }
        let is_other = |(topic, count): (&TopicName, &usize)| {
            self.metadata.partition_count(topic).unwrap_or(0) != *count
        };
        if group.assigned_for.as_ref().is_some_and(|counts| counts.iter().any(is_other)) {
            group.request_rejoin("the partitions have changed");
        }
    }

    /// Whether the leader may assign partitions of these topics to it. By a pattern they are
    /// subscribed to from now on.
    pub(super) fn accept<'t>(&mut self, topics: impl Iterator<Item = &'t TopicName>) -> bool {
        let Some(group) = &mut self.group else { return false };
        let mut unknown = BTreeSet::new();
        for topic in topics {
            if !group.topics.accepts(topic) {
                return false;
            }
            if !group.topics.contains(topic) {
                unknown.insert(topic.clone());
            }
        }
        if let Topics::Pattern(_, names) = &mut group.topics {
            names.extend(unknown.iter().cloned());
        }
        if let Some(joined) = &mut group.joined {
            joined.extend(unknown);
        }
        true
    }
}

/// What calls for a group end with when there is none.
pub(super) fn no_group() -> Error {
    Error::kafka(ErrorCode::InvalidGroupId, "the consumer has no group.id")
}
