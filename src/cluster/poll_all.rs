//! Polling several consumers, while the world is driven once for all of them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::consumed::ConsumerRecord;
use super::entry::Shared;
use super::{Consumer, Operation};
use crate::client::OpId;
use crate::error::Error;

/// See [`Cluster::poll_all`].
pub(super) fn poll_all(
    shared: &Arc<Shared>,
    consumers: &mut [&mut Consumer],
    timeout: Duration,
) -> Result<Vec<Result<Vec<ConsumerRecord>, Error>>, Error> {
    if consumers.iter().any(|consumer| !Arc::ptr_eq(&consumer.runner.shared, shared)) {
        let why = "a consumer is of another cluster".to_owned();
        return Err(Error::InvalidArgument(why));
    }
    let begin = |consumer: &mut &mut Consumer| consumer.begin_poll(timeout);
    let polls = consumers.iter_mut().map(begin).collect::<Result<Vec<_>, _>>()?;
    let mut polls = Polls::new(polls);
    loop {
        if polls.has_news || polls.waiting.is_empty() {
            return Ok(polls.end(shared));
        }
        let mut driver = shared.enter()?;
        if polls.seen != (driver.timeline(), driver.world.completions()) {
            drop(driver);
            polls.look(shared);
        } else if driver.is_real() {
            driver.sleep(None);
            polls.look(shared);
        } else {
            let stepped = driver.step();
            if polls.seen == (driver.timeline(), driver.world.completions()) {
                driver.take_broken()?;
            }
            if stepped.is_none() {
                return Err(Error::Stalled { what: "a poll of several consumers".to_owned() });
            }
        }
    }
}

/// Polls of several consumers. There may be thousands, so that only those are looked at of which
/// there is news.
struct Polls {
    polls: Vec<Operation<Vec<ConsumerRecord>>>,
    /// The places of those that wait.
    waiting: BTreeMap<OpId, usize>,
    given: Vec<Result<Vec<ConsumerRecord>, Error>>,
    /// One of them has records, or has failed.
    has_news: bool,
    /// The timeline, and how many calls were done, when they were last looked at.
    seen: (u64, u64),
}

impl Polls {
    fn new(polls: Vec<Operation<Vec<ConsumerRecord>>>) -> Self {
        let given = polls.iter().map(|_| Ok(Vec::new())).collect();
        let mut all =
            Polls { polls, waiting: BTreeMap::new(), given, has_news: false, seen: (0, 0) };
        for place in 0..all.polls.len() {
            all.take(place);
        }
        all
    }

    /// Takes what a poll has given, or waits for it.
    fn take(&mut self, place: usize) {
        if let Some(result) = self.polls[place].take() {
            self.has_news |= result.as_ref().map_or(true, |records| !records.is_empty());
            self.given[place] = result;
        } else if let Some(op) = self.polls[place].waiting_for() {
            self.waiting.insert(op, place);
        }
    }

    /// Looks at the calls that are done, or, after a restore, at all.
    fn look(&mut self, shared: &Shared) {
        let (timeline, _) = self.seen;
        let done = self.done(shared);
        let rewound = self.seen.0 != timeline;
        let places = if rewound { std::mem::take(&mut self.waiting) } else { BTreeMap::new() };
        let done = done.into_iter().filter_map(|op| self.waiting.remove(&op));
        for place in done.chain(places.into_values()).collect::<Vec<_>>() {
            self.take(place);
        }
    }

    /// Those of the calls that are done.
    fn done(&mut self, shared: &Shared) -> Vec<OpId> {
        let driver = shared.look();
        self.seen = (driver.timeline(), driver.world.completions());
        driver.world.done().filter(|op| self.waiting.contains_key(op)).collect()
    }

    /// What each of them was given. While a listener ran, others may have been given something,
    /// too, after they were looked at.
    fn end(mut self, shared: &Shared) -> Vec<Result<Vec<ConsumerRecord>, Error>> {
        for op in self.done(shared) {
            let place = self.waiting.remove(&op);
            let late = place.and_then(|place| Some((place, self.polls[place].take_at_once()?)));
            if let Some((place, result)) = late {
                self.given[place] = result;
            }
        }
        self.given
    }
}
