//! Waiting on the real clock: for the next deadline, or for what another thread's entry brings.
//!
//! Each thread that waits has a mailbox, into which whoever uses the driver puts the awaited
//! result: so the sleeper need not enter to fetch it. And a thread that finds the driver in use
//! does not queue for it: it posts its call, and the other one makes it before leaving. Two threads
//! that go in and out millions of times a second would otherwise spend their time moving the world
//! between two processors' caches.

use std::mem;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};

use super::driver::{Driver, Handle};
use super::timekeeper::Timekeeper;
use crate::client::{OpId, Outcome, Progress};
use crate::error::Error;
use crate::sim::Call;
use crate::types::Time;

/// How often a thread looks for what is about to come before it sleeps: some tens of microseconds.
pub(super) const SPINS: u32 = 2000;

/// How often it looks before it tells the time again: some microseconds. Telling it more often costs
/// who listens more than it saves, for each time has to come from the other processor's cache.
const SPINS_A_TELL: u32 = 160;

/// The longest time for which a thread sleeps without looking again.
const LONGEST_SLEEP: Duration = Duration::from_millis(100);

/// What a waiting thread is told.
#[derive(Debug)]
pub(super) enum Letter {
    /// The result of its call.
    Result(Result<Outcome, Error>),
    /// There may be something to see, for a call that has been begun.
    Look(Option<Begun>),
}

/// A call that has been begun, in a timeline.
#[derive(Clone, Copy, Debug)]
pub(super) struct Begun {
    pub op: OpId,
    pub timeline: u64,
}

/// Where a waiting thread is told of news: once.
#[derive(Debug, Default)]
pub(super) struct Mailbox {
    letter: Mutex<Option<Letter>>,
    has_letter: AtomicBool,
    arrived: Condvar,
}

impl Mailbox {
    fn put(&self, letter: Letter) {
        *self.letter.lock() = Some(letter);
        self.has_letter.store(true, Ordering::Release);
        self.arrived.notify_one();
    }

    pub fn take(&self) -> Option<Letter> {
        self.letter.lock().take()
    }

    /// The letter, if it comes within so many looks.
    pub fn watch(&self, spins: u32) -> Option<Letter> {
        for _ in 0..spins {
            if self.has_letter.load(Ordering::Acquire) {
                return self.take();
            }
            std::hint::spin_loop();
        }
        None
    }

    /// The letter; `None` when the time is up before it comes.
    pub fn wait(&self, timeout: Duration, timekeeper: &Timekeeper) -> Option<Letter> {
        let deadline = Instant::now() + timeout;
        // Under load it is a few microseconds away, less than falling asleep takes.
        for _ in 0..SPINS / SPINS_A_TELL {
            timekeeper.tell();
            if let Some(letter) = self.watch(SPINS_A_TELL) {
                timekeeper.stop_telling();
                return Some(letter);
            }
        }
        timekeeper.stop_telling();
        let mut letter = self.letter.lock();
        while letter.is_none() {
            if self.arrived.wait_until(&mut letter, deadline).timed_out() {
                break;
            }
        }
        letter.take()
    }
}

/// A call that is to be made by whoever has the driver.
pub(super) struct Posted {
    pub handle: Handle,
    pub call: Box<dyn FnOnce(Time) -> Call + Send>,
    pub mailbox: Arc<Mailbox>,
    /// Under which it sleeps once it has been begun.
    number: u64,
}

/// The calls that are to be made, in their order.
pub(super) struct Inbox {
    has_calls: AtomicBool,
    calls: Mutex<Vec<Posted>>,
    next_number: AtomicU64,
}

impl Inbox {
    pub fn new() -> Self {
        let next_number = AtomicU64::new(0);
        Inbox { has_calls: AtomicBool::new(false), calls: Mutex::default(), next_number }
    }

    /// A number for a sleeper.
    pub fn number(&self) -> u64 {
        self.next_number.fetch_add(1, Ordering::Relaxed)
    }

    /// Posts a call; gives the number under which it sleeps once it has been begun.
    pub fn post(
        &self,
        handle: Handle,
        call: Box<dyn FnOnce(Time) -> Call + Send>,
        mailbox: Arc<Mailbox>,
    ) -> u64 {
        let number = self.number();
        self.calls.lock().push(Posted { handle, call, mailbox, number });
        self.has_calls.store(true, Ordering::Release);
        number
    }

    /// Whether there may be calls.
    #[inline]
    pub fn has_calls(&self) -> bool {
        self.has_calls.load(Ordering::Relaxed)
    }

    /// Makes the calls that are there.
    pub fn serve(&self, driver: &mut Driver) {
        if !self.has_calls.swap(false, Ordering::Acquire) {
            return;
        }
        for posted in mem::take(&mut *self.calls.lock()) {
            let call = (posted.call)(driver.now());
            match driver.begin(posted.handle, call) {
                Ok((op, Progress::Pending)) => {
                    driver.add_sleeper(posted.number, Some(op), posted.mailbox);
                }
                Ok((_, Progress::Ready(result))) => posted.mailbox.put(Letter::Result(result)),
                Err(error) => posted.mailbox.put(Letter::Result(Err(error))),
            }
        }
    }
}

/// A thread that sleeps.
#[derive(Debug)]
pub(super) struct Sleeper {
    /// The call that it waits for; `None` for whoever wants to see any change.
    op: Option<OpId>,
    until: Time,
    timeline: u64,
    mailbox: Arc<Mailbox>,
}

impl Sleeper {
    pub fn begun(&self) -> Option<Begun> {
        self.op.map(|op| Begun { op, timeline: self.timeline })
    }
}

impl Driver {
    /// Notes that a thread sleeps; says until when it should at most.
    pub fn add_sleeper(&mut self, number: u64, op: Option<OpId>, mailbox: Arc<Mailbox>) -> Time {
        let until = self.world.next_due().min(self.present.after(LONGEST_SLEEP));
        let timeline = self.timeline;
        self.sleepers.insert(number, Sleeper { op, until, timeline, mailbox });
        until
    }

    /// Tells those who sleep what is there for them, or that they have to look earlier than they
    /// meant to.
    pub fn tell_sleepers(&mut self) {
        let done = |op: &OpId| self.world.has_result(*op);
        for op in self.wakers.keys().copied().filter(done).collect::<Vec<_>>() {
            self.to_wake.extend(self.wakers.remove(&op));
        }
        let next = self.world.next_due();
        let (world, timeline) = (&mut self.world, self.timeline);
        self.sleepers.retain(|_, sleeper| {
            let letter = match sleeper.op {
                _ if sleeper.timeline != timeline => Letter::Look(sleeper.begun()),
                Some(op) => match world.take_result(op) {
                    Some(result) => Letter::Result(result),
                    None if next < sleeper.until => Letter::Look(sleeper.begun()),
                    None => return true,
                },
                None => Letter::Look(None),
            };
            sleeper.mailbox.put(letter);
            false
        });
    }
}
