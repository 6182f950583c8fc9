//! A call that has been begun: to be driven, awaited, or taken when it is done.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use super::driver::Handle;
use super::entry::Shared;
use crate::client::{OpId, Outcome, Progress};
use crate::error::Error;
use crate::sim::Call;

/// A call that has been begun. Events of the world complete it; [`take`](Operation::take) gives the
/// result once it is there, [`wait`](Operation::wait) drives until then.
///
/// It is a `Future` too, under any executor: on the virtual clock each poll applies one event, so
/// that several futures that are polled in turn advance one world together; on the real clock the
/// waker is called when the result is there. Dropped before, the call is abandoned.
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
        call: Call,
        what: &'static str,
        convert: fn(Outcome) -> Result<T, Error>,
    ) -> Result<Self, Error> {
        let state = {
            let mut driver = shared.enter()?;
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
    /// What the call ends with, and [`Error::Stalled`] when nothing can happen any more.
    pub fn wait(mut self) -> Result<T, Error> {
        match std::mem::replace(&mut self.state, State::Taken) {
            State::Ready(result) => result.and_then(self.convert),
            State::Taken => Err(Error::InvalidArgument("the result has been taken".to_owned())),
            State::Waiting { op, timeline } => {
                let shared = self.shared.clone();
                let driver = shared.enter()?;
                if driver.timeline() != timeline {
                    return Err(Error::Rewound);
                }
                (self.convert)(driver.finish(self.handle, op, self.what)?)
            }
        }
    }

    fn advance(&mut self, context: &Context<'_>) {
        let State::Waiting { op, .. } = self.state else { return };
        let shared = self.shared.clone();
        let mut driver = match shared.enter() {
            Ok(driver) => driver,
            Err(error) => {
                self.state = State::Ready(Err(error));
                return;
            }
        };
        if driver.is_real() {
            driver.wake_on(op, context.waker().clone());
            shared.start_timer(&mut driver);
            if driver.world.has_result(op) {
                context.waker().wake_by_ref();
            }
            return;
        }
        let stepped = driver.step();
        if let Err(error) = driver.take_broken() {
            driver.abandon(self.handle, op);
            self.state = State::Ready(Err(error));
        } else if stepped.is_none() && !driver.world.has_result(op) {
            driver.abandon(self.handle, op);
            self.state = State::Ready(Err(Error::Stalled { what: self.what.to_owned() }));
        }
    }
}

impl<T> Future for Operation<T> {
    type Output = Result<T, Error>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let operation = self.get_mut();
        if let Some(result) = operation.take() {
            return Poll::Ready(result);
        }
        operation.advance(context);
        match operation.take() {
            Some(result) => Poll::Ready(result),
            None => {
                if matches!(operation.state, State::Waiting { .. }) && !operation.shared.is_real() {
                    context.waker().wake_by_ref();
                }
                Poll::Pending
            }
        }
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
