//! What belongs to the user and runs for a consumer: a listener, assignors, callbacks of commits.
//!
//! It never lives in the world. Where it has to run, the consumer's state machine rests and the
//! call ends with a [`UserCall`]; the handle runs the code outside the lock, answers, and the call
//! goes on. So the code may use the consumer itself.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::sync::Arc;

use parking_lot::Mutex;

use super::Consumer;
use super::driver::Handle;
use super::entry::Shared;
use crate::client::assignor::Assignor;
use crate::client::{OpId, Outcome, Progress, UserAnswer, UserCall};
use crate::error::Error;
use crate::sim::Call;
use crate::types::TopicPartition;

/// Told of what a rebalance takes and gives, as Kafka's `ConsumerRebalanceListener`.
///
/// It is called by the consumer's own `poll`, `unsubscribe` and `close`, and may use the consumer:
/// commit, seek, look at positions. What it must not do there is poll, unsubscribe or close.
///
/// An error that it returns is what the call ends with; the rebalance itself goes on.
pub trait RebalanceListener: Send {
    /// These partitions are about to be revoked; offsets can be committed for them still.
    ///
    /// In the eager protocol it is called at the beginning of each rebalance, even with nothing.
    ///
    /// # Errors
    /// Whatever `poll` is to end with.
    fn on_partitions_revoked(
        &mut self,
        consumer: &mut Consumer,
        partitions: &[TopicPartition],
    ) -> Result<(), Error>;

    /// These partitions are assigned, beyond what the consumer had; it is called at the end of each
    /// rebalance, even with nothing. Positions are not looked up yet: a seek replaces them.
    ///
    /// # Errors
    /// Whatever `poll` is to end with.
    fn on_partitions_assigned(
        &mut self,
        consumer: &mut Consumer,
        partitions: &[TopicPartition],
    ) -> Result<(), Error>;

    /// These partitions are lost: others may have them, and commits for them fail. By default the
    /// same as [`on_partitions_revoked`](RebalanceListener::on_partitions_revoked).
    ///
    /// # Errors
    /// Whatever `poll` is to end with.
    fn on_partitions_lost(
        &mut self,
        consumer: &mut Consumer,
        partitions: &[TopicPartition],
    ) -> Result<(), Error> {
        self.on_partitions_revoked(consumer, partitions)
    }
}

/// What a commit that nobody waited for came to.
pub(super) type CommitCallback = Box<dyn FnOnce(Result<(), Error>) + Send>;

/// A commit that nobody waits for, and what is to be called when it is done.
pub(super) struct AsyncCommit {
    pub op: OpId,
    pub timeline: u64,
    pub callback: CommitCallback,
}

/// The user's code of a consumer.
#[derive(Default)]
pub(super) struct UserCode {
    pub listener: Option<Box<dyn RebalanceListener>>,
    pub assignors: BTreeMap<String, Arc<dyn Assignor>>,
    /// In the order in which they were made.
    pub commits: VecDeque<AsyncCommit>,
}

impl fmt::Debug for UserCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UserCode")
            .field("listener", &self.listener.is_some())
            .field("assignors", &self.assignors.keys())
            .field("commits", &self.commits.len())
            .finish()
    }
}

/// What came of the user's code.
pub(super) struct Ran {
    /// The call that goes on.
    pub op: OpId,
    pub timeline: u64,
    pub progress: Progress,
    /// What the user's code ended with.
    pub result: Result<(), Error>,
}

/// The user's code runs: if it ends without an answer, the consumer goes on without one.
struct Unanswered<'r> {
    runner: &'r Runner,
    timeline: u64,
}

impl Drop for Unanswered<'_> {
    fn drop(&mut self) {
        let mut driver = self.runner.shared.look();
        if driver.timeline() == self.timeline {
            drop(driver.begin(self.runner.handle, Call::Answer(UserAnswer::Done, false)));
        }
    }
}

/// The user's code of one consumer, and the consumer that it runs for.
#[derive(Clone, Debug)]
pub(super) struct Runner {
    pub shared: Arc<Shared>,
    pub handle: Handle,
    pub code: Arc<Mutex<UserCode>>,
}

impl Runner {
    /// For a client that has no code of the user's.
    pub fn without_code(shared: &Arc<Shared>, handle: Handle) -> Self {
        Runner { shared: shared.clone(), handle, code: Arc::default() }
    }

    /// Runs what is to run, and answers the consumer, whose call goes on if the user's code has
    /// succeeded, or if it goes on in any case. Gives how that call goes, and what the user's code
    /// ended with.
    ///
    /// # Errors
    /// [`Error::Rewound`] when the world was put back meanwhile: nobody waits for the answer there.
    pub fn run(&self, call: UserCall, goes_on_anyway: bool) -> Result<Ran, Error> {
        let timeline = self.shared.look().timeline();
        // A listener that panics has been told all the same.
        let unanswered = Unanswered { runner: self, timeline };
        let (answer, result) = match call {
            UserCall::Assign { assignor, partitions, members } => {
                let assignor = self.code.lock().assignors.get(&assignor).cloned();
                let answer = assignor.map_or(UserAnswer::Done, |assignor| {
                    UserAnswer::Assigned(assignor.assign(&partitions, &members))
                });
                (answer, Ok(()))
            }
            call => (UserAnswer::Done, self.tell(&call)),
        };
        std::mem::forget(unanswered);
        // Another thread may drive by now: an answer waits for it.
        let mut driver = self.shared.look();
        if driver.timeline() != timeline {
            return Err(Error::Rewound);
        }
        let goes_on = goes_on_anyway || result.is_ok();
        let (op, progress) = driver.begin(self.handle, Call::Answer(answer, goes_on))?;
        Ok(Ran { op, timeline, progress, result })
    }

    /// Drives until a call is done.
    pub fn finish(&self, op: OpId, progress: Progress, what: &str) -> Result<Outcome, Error> {
        match progress {
            Progress::Ready(result) => result,
            Progress::Pending => self.shared.look().finish(self.handle, op, what),
        }
    }

    fn tell(&self, call: &UserCall) -> Result<(), Error> {
        // It is taken out while it runs, for it may come back here.
        let Some(mut listener) = self.code.lock().listener.take() else { return Ok(()) };
        let mut consumer = Consumer::of(self.clone());
        let result = match call {
            UserCall::Revoked(partitions) => {
                listener.on_partitions_revoked(&mut consumer, partitions)
            }
            UserCall::Assigned(partitions) => {
                listener.on_partitions_assigned(&mut consumer, partitions)
            }
            UserCall::Lost(partitions) => listener.on_partitions_lost(&mut consumer, partitions),
            UserCall::Assign { .. } => Ok(()),
        };
        self.code.lock().listener.get_or_insert(listener);
        result
    }

    /// Calls back for the commits that are done, in the order in which they were made.
    pub fn call_back(&self) {
        loop {
            // Whoever gives the driver back may wake others, who may come back here.
            let first = self.code.lock().commits.front().map(|first| (first.op, first.timeline));
            let Some((op, timeline)) = first else { return };
            let result = {
                let mut driver = self.shared.look();
                if driver.timeline() == timeline {
                    match driver.world.take_result(op) {
                        Some(result) => result.map(drop),
                        None => return,
                    }
                } else {
                    Err(Error::Rewound)
                }
            };
            let first = self.code.lock().commits.pop_front();
            let Some(AsyncCommit { callback, .. }) = first else { return };
            callback(result);
        }
    }
}
