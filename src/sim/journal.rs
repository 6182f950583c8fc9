//! The journal: every input of a world, from its creation on.
//!
//! A world is a function of its setup and its inputs. So applying a journal to a new world gives
//! the same trace, whichever clock and however many threads the inputs came from.

use std::collections::VecDeque;

use super::input::Input;
use super::trace::Trace;
use super::world::{Setup, World};
use crate::error::Error;
use crate::types::Time;

/// How a world was set up, and what it was told since.
#[derive(Clone, Debug)]
pub struct Journal {
    setup: Setup,
    entries: Vec<Entry>,
    fingerprint: u32,
}

#[derive(Clone, Debug)]
struct Entry {
    now: Time,
    input: Input<'static>,
    /// Steps in a row are one entry.
    times: u64,
}

/// A place in a journal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct JournalPosition {
    entries: usize,
    /// How often the last of these entries has been applied.
    times: u64,
}

impl Journal {
    pub(crate) fn new(setup: Setup) -> Self {
        Journal { setup, entries: Vec::new(), fingerprint: 0 }
    }

    pub(crate) fn record(&mut self, now: Time, input: &Input<'_>) {
        if let (Input::Step, Some(last)) = (input, self.entries.last_mut())
            && matches!(last.input, Input::Step)
        {
            last.times += 1;
            return;
        }
        self.entries.push(Entry { now, input: input.detach(), times: 1 });
    }

    /// A copy, with the fingerprint that the trace has now.
    pub(crate) fn copy(&self, fingerprint: u32) -> Journal {
        Journal { fingerprint, ..self.clone() }
    }

    /// The fingerprint of the trace when this copy of the journal was taken: what a replay has to
    /// come to. 0 when the cluster kept no trace, as nothing can be compared then.
    #[must_use]
    pub fn fingerprint(&self) -> u32 {
        self.fingerprint
    }

    /// The number of inputs.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.entries.iter().map(|entry| entry.times).sum()
    }

    /// Whether nothing has come in yet.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    pub(crate) fn position(&self) -> JournalPosition {
        let times = self.entries.last().map_or(0, |last| last.times);
        JournalPosition { entries: self.entries.len(), times }
    }

    /// Forgets what came in after a place.
    pub(crate) fn truncate(&mut self, to: JournalPosition) {
        self.entries.truncate(to.entries);
        if let Some(last) = self.entries.last_mut() {
            last.times = to.times;
        }
    }

    /// The place before the last event; `None` when there has been no event.
    pub(crate) fn before_last_event(&self) -> Option<JournalPosition> {
        let is_event = |entry: &Entry| matches!(entry.input, Input::Step | Input::Deliver(_));
        let last = self.entries.iter().rposition(is_event)?;
        Some(match self.entries[last].times {
            1 => {
                let times = last.checked_sub(1).map_or(0, |before| self.entries[before].times);
                JournalPosition { entries: last, times }
            }
            times => JournalPosition { entries: last + 1, times: times - 1 },
        })
    }

    /// Applies what came in between two places to a world that stands at the first one.
    pub(crate) fn apply(
        &self,
        from: JournalPosition,
        to: JournalPosition,
        world: &mut World,
        trace: &mut Trace,
    ) {
        for (i, entry) in self.entries[..to.entries].iter().enumerate() {
            let done = match (i + 1).cmp(&from.entries) {
                std::cmp::Ordering::Less => continue,
                std::cmp::Ordering::Equal => from.times,
                std::cmp::Ordering::Greater => 0,
            };
            let wanted = if i + 1 == to.entries { to.times } else { entry.times };
            for _ in done..wanted {
                let now = if matches!(entry.input, Input::Step) { world.now() } else { entry.now };
                world.apply(now, entry.input.clone(), trace);
                world.discard_results();
            }
        }
    }

    /// Runs everything again in a new world, on virtual time, and gives its trace.
    ///
    /// # Errors
    /// None for a journal that a cluster has written.
    pub fn replay(&self) -> Result<Trace, Error> {
        let mut world = World::new(&self.setup)?;
        let mut trace = Trace::new(true, super::trace::DEFAULT_TRACE_LIMIT);
        self.apply(JournalPosition::default(), self.position(), &mut world, &mut trace);
        Ok(trace)
    }
}

/// Snapshots taken along the way, so that going back one event need not begin at the creation.
#[derive(Clone, Debug)]
pub(crate) struct Checkpoints<S> {
    kept: VecDeque<(JournalPosition, S)>,
    since: u64,
}

/// How many inputs lie between two checkpoints.
const CHECKPOINT_INTERVAL: u64 = 1024;

/// How many checkpoints are kept, beside the first one.
const CHECKPOINT_LIMIT: usize = 64;

impl<S> Default for Checkpoints<S> {
    fn default() -> Self {
        Checkpoints { kept: VecDeque::new(), since: 0 }
    }
}

impl<S> Checkpoints<S> {
    /// Counts an input; says whether a checkpoint is due.
    pub fn is_due(&mut self) -> bool {
        self.since += 1;
        self.kept.is_empty() || self.since >= CHECKPOINT_INTERVAL
    }

    pub fn add(&mut self, position: JournalPosition, snapshot: S) {
        self.since = 0;
        if self.kept.len() > CHECKPOINT_LIMIT {
            self.kept.remove(1);
        }
        self.kept.push_back((position, snapshot));
    }

    /// Forgets those after a place, and gives the last one that is left.
    pub fn nearest(&mut self, to: JournalPosition) -> Option<&(JournalPosition, S)> {
        let key = |position: &JournalPosition| (position.entries, position.times);
        while self.kept.back().is_some_and(|(at, _)| key(at) > key(&to)) {
            self.kept.pop_back();
        }
        self.kept.back()
    }
}
