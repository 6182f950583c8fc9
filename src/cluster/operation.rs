//! A call that has been begun: to be driven, awaited, or taken when it is done.

use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use super::user_code::{Ran, Runner};
use crate::client::{OpId, Outcome, Progress, UserCall};
use crate::error::Error;
use crate::sim::Call;
use crate::types::Time;

/// A call that has been begun. Events of the world complete it; [`take`](Operation::take) gives the
/// result once it is there, [`wait`](Operation::wait) drives until then.
///
/// It is a `Future` too, under any executor: on the virtual clock each poll applies one event, so
/// that several futures that are polled in turn advance one world together; on the real clock the
/// waker is called when the result is there. Dropped before, the call is abandoned; dropped with a
/// result that was not taken, that is lost, as records are that `poll` gave and nobody looked at.
#[derive(Debug)]
#[must_use = "a call that is dropped is abandoned"]
pub struct Operation<T> {
    /// For whom, and what of the user's may have to run.
    runner: Runner,
    what: &'static str,
    convert: fn(Outcome) -> Result<T, Error>,
    state: State,
}

#[derive(Debug)]
enum State {
    Waiting {
        op: OpId,
        timeline: u64,
    },
    /// The user's code has to run before it goes on.
    Interrupted {
        op: OpId,
        timeline: u64,
        call: Box<UserCall>,
    },
    Ready(Result<Outcome, Error>),
    Taken,
}

impl State {
    fn begin(runner: &Runner, call: impl FnOnce(Time) -> Call) -> Result<State, Error> {
        let mut driver = runner.shared.enter()?;
        let call = call(driver.now());
        let (op, progress) = driver.begin(runner.handle, call)?;
        Ok(State::begun(op, driver.timeline(), progress))
    }

    fn begun(op: OpId, timeline: u64, progress: Progress) -> State {
        match progress {
            Progress::Ready(result) => State::of(op, timeline, result),
            Progress::Pending => State::Waiting { op, timeline },
        }
    }

    fn of(op: OpId, timeline: u64, result: Result<Outcome, Error>) -> State {
        match result {
            Ok(Outcome::UserCall(call)) => State::Interrupted { op, timeline, call },
            result => State::Ready(result),
        }
    }
}

impl<T> Operation<T> {
    pub(super) fn begin(
        runner: &Runner,
        call: impl FnOnce(Time) -> Call,
        what: &'static str,
        convert: fn(Outcome) -> Result<T, Error>,
    ) -> Result<Self, Error> {
        let state = State::begin(runner, call)?;
        Ok(Operation { runner: runner.clone(), what, convert, state })
    }

    /// Fetches the result if it is there. Where the user's code has to run for it, it runs here.
    fn refresh(&mut self) {
        self.run_user_code();
        while let State::Waiting { op, timeline } = self.state {
            let mut driver = self.runner.shared.look();
            if driver.timeline() != timeline {
                self.state = State::Ready(Err(Error::Rewound));
            } else if let Some(result) = driver.world.take_result(op) {
                self.state = State::of(op, timeline, result);
                drop(driver);
                self.run_user_code();
            } else {
                return;
            }
        }
    }

    /// Runs the user's code if it has to run, and lets the call go on unless that failed.
    fn run_user_code(&mut self) {
        while let State::Interrupted { call, .. } = &self.state {
            let ran = self.runner.run((**call).clone(), false);
            let state = ran.and_then(|Ran { op, timeline, progress, result }| {
                result.map(|()| State::begun(op, timeline, progress))
            });
            self.state = state.unwrap_or_else(|error| State::Ready(Err(error)));
        }
    }

    /// The call that it waits for.
    pub(super) fn waiting_for(&self) -> Option<OpId> {
        match self.state {
            State::Waiting { op, .. } => Some(op),
            _ => None,
        }
    }

    /// Whether the result is there.
    pub fn is_done(&mut self) -> bool {
        self.refresh();
        !matches!(self.state, State::Waiting { .. })
    }

    /// The result, if it is there. It is given once.
    pub fn take(&mut self) -> Option<Result<T, Error>> {
        self.refresh();
        self.take_at_once()
    }

    /// The result, if it is there and nothing of the user's has to run for it.
    pub(super) fn take_at_once(&mut self) -> Option<Result<T, Error>> {
        if let State::Waiting { op, timeline } = self.state {
            let mut driver = self.runner.shared.look();
            if driver.timeline() == timeline
                && let Some(result) = driver.world.take_result(op)
            {
                self.state = State::of(op, timeline, result);
            }
        }
        match std::mem::replace(&mut self.state, State::Taken) {
            State::Ready(result) => Some(result.and_then(self.convert)),
            waiting => {
                self.state = waiting;
                None
            }
        }
    }

    /// Drives until the result is there.
    ///
    /// # Errors
    /// What the call ends with, [`Error::ConcurrentDrive`], and [`Error::Stalled`] when nothing can
    /// happen any more.
    pub fn wait(mut self) -> Result<T, Error> {
        self.run_user_code();
        while let State::Waiting { op, timeline } = self.state {
            let shared = self.runner.shared.clone();
            let driver = shared.enter()?;
            // From here on the call is abandoned by whoever drives it.
            self.state = State::Taken;
            if driver.timeline() != timeline {
                return Err(Error::Rewound);
            }
            let result = driver.finish(self.runner.handle, op, self.what);
            self.state = State::of(op, timeline, result);
            self.run_user_code();
        }
        let taken = || Err(Error::InvalidArgument("the result has been taken".to_owned()));
        self.take().unwrap_or_else(taken)
    }

    /// Lets one event happen on the virtual clock; on the real one, asks to be woken. Says whether
    /// to look again at once.
    fn advance(&mut self, waker: &Waker) -> Result<bool, Error> {
        let State::Waiting { op, .. } = self.state else { return Ok(false) };
        let shared = self.runner.shared.clone();
        let mut driver = shared.enter()?;
        if driver.is_real() {
            driver.wake_on(op, waker.clone());
            shared.start_timer(&mut driver);
            return Ok(driver.world.has_result(op));
        }
        let stepped = driver.step();
        driver.take_broken()?;
        if stepped.is_none() && !driver.world.has_result(op) {
            return Err(Error::Stalled { what: self.what.to_owned() });
        }
        Ok(true)
    }
}

impl<T> Future for Operation<T> {
    type Output = Result<T, Error>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let operation = self.get_mut();
        if let Some(result) = operation.take() {
            return Poll::Ready(result);
        }
        // After an error the call still waits, and is abandoned with its operation.
        let again = match operation.advance(context.waker()) {
            Ok(again) => again,
            Err(error) => return Poll::Ready(Err(error)),
        };
        if let Some(result) = operation.take() {
            return Poll::Ready(result);
        }
        if again {
            context.waker().wake_by_ref();
        }
        Poll::Pending
    }
}

impl<T> Drop for Operation<T> {
    fn drop(&mut self) {
        let (State::Waiting { op, timeline } | State::Interrupted { op, timeline, .. }) =
            self.state
        else {
            return;
        };
        let mut driver = self.runner.shared.look();
        if driver.timeline() == timeline {
            driver.abandon(self.runner.handle, op);
        }
    }
}
