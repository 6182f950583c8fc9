//! A call that has been begun: to be driven, awaited, or taken when it is done.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use super::driver::Handle;
use super::entry::Shared;
use crate::client::{OpId, Outcome, Progress};
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
    shared: Arc<Shared>,
    handle: Handle,
    what: &'static str,
    convert: fn(Outcome) -> Result<T, Error>,
    state: State,
}

#[derive(Debug)]
enum State {
    Waiting { op: OpId, timeline: u64 },
    Ready(Result<Outcome, Error>),
    Taken,
}

impl<T> Operation<T> {
    pub(super) fn begin(
        shared: &Arc<Shared>,
        handle: Handle,
        call: impl FnOnce(Time) -> Call,
        what: &'static str,
        convert: fn(Outcome) -> Result<T, Error>,
    ) -> Result<Self, Error> {
        let state = {
            let mut driver = shared.enter()?;
            let call = call(driver.now());
            let (op, progress) = driver.begin(handle, call)?;
            match progress {
                Progress::Ready(result) => State::Ready(result),
                Progress::Pending => State::Waiting { op, timeline: driver.timeline() },
            }
        };
        Ok(Operation { shared: shared.clone(), handle, what, convert, state })
    }

    /// Fetches the result if it is there.
    fn refresh(&mut self) {
        if let State::Waiting { op, timeline } = self.state {
            let mut driver = self.shared.look();
            if driver.timeline() != timeline {
                self.state = State::Ready(Err(Error::Rewound));
            } else if let Some(result) = driver.world.take_result(op) {
                self.state = State::Ready(result);
            }
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
        if let State::Waiting { op, timeline } = self.state {
            let shared = self.shared.clone();
            let driver = shared.enter()?;
            // From here on the call is abandoned by whoever drives it.
            self.state = State::Taken;
            if driver.timeline() != timeline {
                return Err(Error::Rewound);
            }
            return (self.convert)(driver.finish(self.handle, op, self.what)?);
        }
        let taken = || Err(Error::InvalidArgument("the result has been taken".to_owned()));
        self.take().unwrap_or_else(taken)
    }

    /// Lets one event happen on the virtual clock; on the real one, asks to be woken. Says whether
    /// to look again at once.
    fn advance(&mut self, waker: &Waker) -> Result<bool, Error> {
        let State::Waiting { op, .. } = self.state else { return Ok(false) };
        let shared = self.shared.clone();
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
        if let State::Waiting { op, timeline } = self.state {
            let mut driver = self.shared.look();
            if driver.timeline() == timeline {
                driver.abandon(self.handle, op);
            }
        }
    }
}
