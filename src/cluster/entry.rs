//! Using the driver: one thread at a time, the others waiting.

use std::fmt;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::task::Waker;
use std::time::Duration;

use parking_lot::{Mutex, MutexGuard};

use super::driver::{Driver, Handle};
use super::sleep::{Begun, Inbox, Letter, Mailbox, SPINS};
use super::timekeeper::Timekeeper;
use crate::client::{OpId, Outcome, Progress};
use crate::error::Error;
use crate::sim::Call;
use crate::types::Time;

/// How long a posted call is waited for before the driver is tried again.
const SPINS_A_TRY: u32 = 64;

/// How long the result of a posted call is waited for that another thread has made, before the
/// driver is entered to see until when there is nothing to do.
const BROUGHT_WITHIN: Duration = Duration::from_micros(200);

/// What the handles of a cluster share.
pub(super) struct Shared {
    driver: Mutex<Driver>,
    inbox: Apart<Inbox>,
    timekeeper: Arc<Timekeeper>,
    real_time: bool,
}

/// What lies in cache lines of its own, so that its use does not slow down who uses its neighbours.
#[repr(align(128))]
struct Apart<T>(T);

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").field("real_time", &self.real_time).finish_non_exhaustive()
    }
}

/// Exclusive use of the driver. When it ends, those who sleep are told of what changed.
pub(super) struct Entry<'a> {
    guard: MutexGuard<'a, Driver>,
    shared: &'a Shared,
}

impl Deref for Entry<'_> {
    type Target = Driver;
    fn deref(&self) -> &Driver {
        &self.guard
    }
}

impl DerefMut for Entry<'_> {
    fn deref_mut(&mut self) -> &mut Driver {
        &mut self.guard
    }
}

impl Drop for Entry<'_> {
    #[inline]
    fn drop(&mut self) {
        if self.shared.real_time
            && (self.shared.inbox.0.has_calls()
                || (self.world.activity(), self.timeline) != self.found)
        {
            self.leave();
        }
    }
}

impl Entry<'_> {
    /// What this call set going is due by now too, and others may wait for it.
    #[cold]
    fn leave(&mut self) {
        self.shared.inbox.0.serve(self);
        let now = self.present;
        self.catch_up(now);
        self.tell_sleepers();
        if !self.to_wake.is_empty() {
            // An executor may well poll what it wakes, here and now.
            let wakers = std::mem::take(&mut self.to_wake);
            MutexGuard::unlocked(&mut self.guard, || wakers.into_iter().for_each(Waker::wake));
        }
    }

    /// Drives until a call is done. A call that is given up is abandoned.
    pub fn finish(self, handle: Handle, op: OpId, what: &str) -> Result<Outcome, Error> {
        let timeline = self.timeline;
        self.finish_begun(handle, Begun { op, timeline }, what)
    }

    fn finish_begun(
        mut self,
        handle: Handle,
        Begun { op, timeline }: Begun,
        what: &str,
    ) -> Result<Outcome, Error> {
        let shared = self.shared;
        loop {
            if self.timeline != timeline {
                return Err(Error::Rewound);
            }
            if let Some(result) = self.world.take_result(op) {
                return result;
            }
            if let Err(error) = self.take_broken() {
                self.abandon(handle, op);
                return Err(error);
            }
            if self.shared.real_time {
                if let Some(result) = self.sleep(Some(op)) {
                    return result;
                }
                self = shared.look();
            } else if self.step().is_none() {
                self.abandon(handle, op);
                return Err(Error::Stalled { what: what.to_owned() });
            }
        }
    }

    /// Drives until `done` has an answer: by events on the virtual clock, by waiting on the real
    /// one.
    pub fn drive<T>(
        mut self,
        what: &str,
        mut done: impl FnMut(&mut Driver) -> Option<T>,
    ) -> Result<T, Error> {
        let (shared, timeline) = (self.shared, self.timeline);
        loop {
            if let Some(answer) = done(&mut self) {
                return Ok(answer);
            }
            self.take_broken()?;
            if self.timeline != timeline {
                return Err(Error::Rewound);
            }
            if self.shared.real_time {
                self.sleep(None);
                self = shared.look();
            } else if self.step().is_none() {
                return Err(Error::Stalled { what: what.to_owned() });
            }
        }
    }

    /// On the real clock: applies what is due, or sleeps until something is, or until there is news
    /// of `op` (of anything, if it is `None`). Gives the result of `op` if that was the news.
    pub fn sleep(mut self, op: Option<OpId>) -> Option<Result<Outcome, Error>> {
        let shared = self.shared;
        self.look_at_clock();
        let now = self.present;
        if self.catch_up(now) {
            return None;
        }
        let mailbox = Arc::new(Mailbox::default());
        let number = shared.inbox.0.number();
        let until = self.add_sleeper(number, op, mailbox.clone());
        drop(self);
        let letter = mailbox.wait(until.since(now), &shared.timekeeper).or_else(|| {
            shared.look().sleepers.remove(&number);
            mailbox.take()
        });
        match letter {
            Some(Letter::Result(result)) => Some(result),
            Some(Letter::Look(_)) | None => None,
        }
    }
}

impl Shared {
    pub fn new(mut driver: Driver) -> Arc<Shared> {
        let real_time = driver.is_real();
        Arc::new_cyclic(|shared| {
            driver.deliveries.shared = shared.clone();
            let timekeeper = driver.timekeeper.clone();
            let (driver, inbox) = (Mutex::new(driver), Apart(Inbox::new()));
            Shared { driver, inbox, timekeeper, real_time }
        })
    }

    /// Exclusive use for a call: fails at once when another thread drives the virtual clock.
    pub fn enter(&self) -> Result<Entry<'_>, Error> {
        self.try_enter().ok_or(Error::ConcurrentDrive)
    }

    /// As [`enter`](Shared::enter); `None` when another thread drives the virtual clock.
    #[inline(always)]
    pub fn try_enter(&self) -> Option<Entry<'_>> {
        let guard = if self.real_time { self.lock() } else { self.driver.try_lock()? };
        Some(self.entry(guard))
    }

    #[inline(always)]
    fn entry<'a>(&'a self, guard: MutexGuard<'a, Driver>) -> Entry<'a> {
        let mut entry = Entry { guard, shared: self };
        if self.real_time {
            entry.found = (entry.world.activity(), entry.timeline);
            entry.look_at_clock();
            let now = entry.present;
            entry.catch_up(now);
        }
        entry
    }

    /// The lock on the real clock, which is held for microseconds: it is worth a moment of trying.
    fn lock(&self) -> MutexGuard<'_, Driver> {
        for _ in 0..SPINS {
            if let Some(guard) = self.driver.try_lock() {
                return guard;
            }
            // Looking too often slows down the one who has it.
            for _ in 0..4 {
                std::hint::spin_loop();
            }
        }
        self.driver.lock()
    }

    /// Whether it runs on the wall clock.
    pub fn is_real(&self) -> bool {
        self.real_time
    }

    /// Exclusive use for a look or a copy, waiting for whoever drives.
    pub fn look(&self) -> Entry<'_> {
        self.entry(if self.real_time { self.lock() } else { self.driver.lock() })
    }

    /// Makes a call and drives until it is done.
    pub fn call(&self, handle: Handle, call: Call, what: &str) -> Result<Outcome, Error> {
        self.call_at(handle, |_| call, what)
    }

    /// Makes a call that depends on the time when it is made, and drives until it is done.
    pub fn call_at(
        &self,
        handle: Handle,
        call: impl FnOnce(Time) -> Call + Send + 'static,
        what: &str,
    ) -> Result<Outcome, Error> {
        let mut driver = match self.driver.try_lock() {
            Some(guard) => self.entry(guard),
            None if self.real_time => return self.post(handle, call, what),
            None => return Err(Error::ConcurrentDrive),
        };
        let call = call(driver.now());
        let (op, progress) = driver.begin(handle, call)?;
        match progress {
            // The user's code has to run all the same: a later call tells of a broken invariant.
            Progress::Ready(Ok(call @ Outcome::UserCall(_))) => Ok(call),
            Progress::Ready(result) => driver.take_broken().and(result),
            Progress::Pending => driver.finish(handle, op, what),
        }
    }

    /// Lets whoever has the driver make a call, and waits for what comes of it.
    fn post(
        &self,
        handle: Handle,
        call: impl FnOnce(Time) -> Call + Send + 'static,
        what: &str,
    ) -> Result<Outcome, Error> {
        let mailbox = Arc::new(Mailbox::default());
        let number = self.inbox.0.post(handle, Box::new(call), mailbox.clone());
        let mut tries = 0..SPINS / SPINS_A_TRY;
        let driver = loop {
            match mailbox.watch(SPINS_A_TRY) {
                Some(Letter::Result(result)) => return result,
                Some(Letter::Look(Some(begun))) => {
                    return self.look().finish_begun(handle, begun, what);
                }
                Some(Letter::Look(None)) | None => {}
            }
            if !self.inbox.0.has_calls() {
                // Whoever has the driver has made the call, and brings what comes of it.
                match mailbox.wait(BROUGHT_WITHIN, &self.timekeeper) {
                    Some(Letter::Result(result)) => return result,
                    Some(Letter::Look(Some(begun))) => {
                        return self.look().finish_begun(handle, begun, what);
                    }
                    Some(Letter::Look(None)) | None => break self.driver.lock(),
                }
            }
            // Nobody may have the driver any more.
            if let Some(guard) = self.driver.try_lock() {
                break guard;
            }
            if tries.next().is_none() {
                break self.driver.lock();
            }
        };
        let mut driver = self.entry(driver);
        self.inbox.0.serve(&mut driver);
        let begun = driver.sleepers.remove(&number).and_then(|sleeper| sleeper.begun());
        match (begun, mailbox.take()) {
            (Some(begun), _) | (None, Some(Letter::Look(Some(begun)))) => {
                driver.finish_begun(handle, begun, what)
            }
            (None, Some(Letter::Result(result))) => result,
            (None, _) => unreachable!("a posted call has been begun or has a result"),
        }
    }

    /// Starts the thread that futures on the real clock are woken by, if it does not run yet. It
    /// ends soon after the last handle is gone.
    pub fn start_timer(self: &Arc<Self>, driver: &mut Driver) {
        if std::mem::replace(&mut driver.timer_runs, true) {
            return;
        }
        let weak = Arc::downgrade(self);
        std::thread::spawn(move || {
            while let Some(shared) = weak.upgrade() {
                shared.look().sleep(None);
            }
        });
    }
}
