//! Using the driver: one thread at a time, the others waiting.
//!
//! Who waits on the real clock sleeps until the next deadline, or until another entry has brought
//! what it waits for.

use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::{Condvar, Mutex, MutexGuard};

use super::driver::{Driver, Handle};
use crate::client::{OpId, Outcome, Progress};
use crate::error::Error;
use crate::sim::Call;
use crate::types::Time;

/// What the handles of a cluster share.
#[derive(Debug)]
pub(super) struct Shared {
    driver: Mutex<Driver>,
    changed: Condvar,
    /// Rises whenever sleepers are told of something: who is about to sleep watches it for a moment.
    news: AtomicU64,
    real_time: bool,
}

/// A thread that sleeps until a call is done.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sleeper {
    /// The call; `None` for whoever wants to see any change.
    pub op: Option<OpId>,
    pub until: Time,
    pub timeline: u64,
}

/// How often a thread looks for news before it sleeps: some tens of microseconds.
const SPINS: u32 = 4000;

/// The longest time for which a thread sleeps without looking again.
const LONGEST_SLEEP: Duration = Duration::from_millis(100);

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
        if self.shared.real_time && (self.world.activity(), self.timeline) != self.found {
            self.leave();
        }
    }
}

impl Entry<'_> {
    /// What this call set going is due by now too, and others may wait for it.
    #[cold]
    fn leave(&mut self) {
        let now = self.present;
        self.catch_up(now);
        self.tell();
    }

    /// Wakes those who sleep for what is there now, and those who have to look earlier than they
    /// meant to.
    fn tell(&mut self) {
        let driver = &mut *self.guard;
        if !driver.wakers.is_empty() {
            let done: Vec<OpId> =
                driver.wakers.keys().copied().filter(|&op| driver.world.has_result(op)).collect();
            for op in done {
                if let Some(waker) = driver.wakers.remove(&op) {
                    waker.wake();
                }
            }
        }
        if driver.sleepers.is_empty() {
            return;
        }
        let next = driver.world.next_due().unwrap_or(Time::NEVER);
        let timeline = driver.timeline;
        let concerned = |sleeper: &Sleeper| {
            next < sleeper.until
                || sleeper.timeline != timeline
                || sleeper.op.is_none_or(|op| driver.world.has_result(op))
        };
        if driver.sleepers.values().any(concerned) {
            self.shared.news.fetch_add(1, Ordering::Release);
            self.shared.changed.notify_all();
        }
    }

    /// Drives until `done` has an answer: by events on the virtual clock, by waiting on the real
    /// one.
    pub fn drive<T>(
        &mut self,
        what: &str,
        op: Option<OpId>,
        mut done: impl FnMut(&mut Driver) -> Option<T>,
    ) -> Result<T, Error> {
        let timeline = self.timeline;
        loop {
            if let Some(answer) = done(self) {
                return Ok(answer);
            }
            self.take_broken()?;
            if self.timeline != timeline {
                return Err(Error::Rewound);
            }
            if self.is_real() {
                self.sleep(op);
            } else if self.step().is_none() {
                return Err(Error::Stalled { what: what.to_owned() });
            }
        }
    }

    /// Applies what is due, or sleeps until something is, or until `op` is done.
    pub(super) fn sleep(&mut self, op: Option<OpId>) {
        self.look_at_clock();
        let now = self.present;
        if self.catch_up(now) {
            return;
        }
        self.tell();
        let latest = now.after(LONGEST_SLEEP);
        let until = self.world.next_due().map_or(latest, |due| due.min(latest));
        let number = self.next_sleeper;
        self.next_sleeper += 1;
        let timeline = self.timeline;
        self.sleepers.insert(number, Sleeper { op, until, timeline });
        let (shared, news) = (self.shared, self.shared.news.load(Ordering::Acquire));
        let is_new = || shared.news.load(Ordering::Acquire) != news;
        MutexGuard::unlocked(&mut self.guard, || {
            // Under load the news is a few microseconds away, less than falling asleep takes.
            for _ in 0..SPINS {
                if is_new() {
                    break;
                }
                std::hint::spin_loop();
            }
        });
        if !is_new() {
            self.shared.changed.wait_for(&mut self.guard, until.since(now));
        }
        self.sleepers.remove(&number);
    }
}

impl Shared {
    pub fn new(driver: Driver) -> Arc<Shared> {
        let real_time = driver.is_real();
        Arc::new(Shared {
            driver: Mutex::new(driver),
            changed: Condvar::new(),
            news: AtomicU64::new(0),
            real_time,
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
            std::hint::spin_loop();
        }
        self.driver.lock()
    }

    /// Whether it runs on the wall clock.
    pub fn is_real(&self) -> bool {
        self.real_time
    }

    /// Exclusive use for a look or a copy, waiting for whoever drives.
    pub fn look(&self) -> Entry<'_> {
        self.entry(self.driver.lock())
    }

    /// Makes a call and drives until it is done.
    pub fn call(&self, handle: Handle, call: Call, what: &str) -> Result<Outcome, Error> {
        self.call_at(handle, |_| call, what)
    }

    /// Makes a call that depends on the time when it is made, and drives until it is done.
    pub fn call_at(
        &self,
        handle: Handle,
        call: impl FnOnce(Time) -> Call,
        what: &str,
    ) -> Result<Outcome, Error> {
        let mut driver = self.enter()?;
        let call = call(driver.now());
        let (op, progress) = driver.begin(handle, call)?;
        driver.take_broken()?;
        match progress {
            Progress::Ready(result) => result,
            Progress::Pending => self.finish(&mut driver, handle, op, what),
        }
    }

    pub fn finish(
        &self,
        driver: &mut Entry<'_>,
        handle: Handle,
        op: OpId,
        what: &str,
    ) -> Result<Outcome, Error> {
        match driver.drive(what, Some(op), |driver| driver.world.take_result(op)) {
            Ok(result) => result,
            Err(error) => {
                if error != Error::Rewound {
                    driver.abandon(handle, op);
                }
                Err(error)
            }
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
