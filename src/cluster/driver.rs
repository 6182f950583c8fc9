//! The driver: the world with its clock, and with what lies outside it.
//!
//! On the *virtual* clock time moves only when someone waits or asks for it; one thread drives at a
//! time, another one that comes meanwhile gets [`Error::ConcurrentDrive`]. On the *real* clock each
//! entry first applies every event that is due by now, each at its own due time.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::Waker;
use std::time::{Duration, SystemTime};

use super::producer::Deliveries;
use super::sleep::Sleeper;
use super::timekeeper::{Heard, Timekeeper};
use crate::client::record::Record;
use crate::client::{ClientId, OpId, Progress, Sending};
use crate::error::Error;
use crate::sim::{
    Call, Checkpoints, ClientConfig, Input, Journal, JournalPosition, Output, Trace, TracePosition,
    View, World,
};
use crate::types::{EventId, Time};

/// The births of all clients of this process: so no handle is taken for one of another cluster, of
/// a fork, or of another course of events.
static BIRTHS: AtomicU64 = AtomicU64::new(0);

/// A client, and which of those that had its number in the course of restores.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Handle {
    pub id: ClientId,
    pub birth: u64,
}

/// The world with what lies outside it.
#[derive(Debug)]
pub(super) struct Driver {
    pub world: World,
    pub trace: Trace,
    pub deliveries: Deliveries,
    pub journal: Option<Journal>,
    checkpoints: Checkpoints<State>,
    clock: Clock,
    pub(super) timekeeper: Arc<Timekeeper>,
    heard: Heard,
    /// The birth of each client, by its number.
    births: Vec<u64>,
    /// How many restores there have been.
    pub(super) timeline: u64,
    invariants: Vec<Invariant>,
    broken: Option<Error>,
    /// How many events have been applied, restores put aside.
    events: u64,
    /// What the real clock showed when the driver was entered.
    pub(super) present: Time,
    /// The world's activity and the timeline when it was entered on the real clock.
    pub(super) found: (u64, u64),
    /// The threads that sleep.
    pub(super) sleepers: BTreeMap<u64, Sleeper>,
    pub(super) wakers: BTreeMap<OpId, Waker>,
    /// Those that are called as soon as the driver is given back.
    pub(super) to_wake: Vec<Waker>,
    pub(super) timer_runs: bool,
}

/// The state of a cluster at one moment: what a snapshot holds.
#[derive(Clone, Debug)]
pub(super) struct State {
    pub world: World,
    trace: TracePosition,
    births: Vec<u64>,
    journal: JournalPosition,
}

#[derive(Clone, Copy, Debug)]
enum Clock {
    Virtual,
    /// The world's time at a time of the machine's clock.
    Real {
        at: u64,
        time: Time,
    },
}

type Check = Box<dyn FnMut(View<'_>) -> Result<(), String> + Send>;

struct Invariant {
    name: String,
    check: Check,
    held: bool,
}

impl fmt::Debug for Invariant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Invariant").field("name", &self.name).field("held", &self.held).finish()
    }
}

impl Clock {
    fn real(at: u64) -> Clock {
        let since_epoch = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        let time = Time(0).after(since_epoch.unwrap_or_default());
        Clock::Real { at, time }
    }
}

impl Driver {
    pub fn new(world: World, trace: Trace, journal: Option<Journal>, real_time: bool) -> Self {
        let timekeeper = Arc::new(Timekeeper::new());
        Driver {
            world,
            trace,
            deliveries: Deliveries::default(),
            journal,
            checkpoints: Checkpoints::default(),
            clock: if real_time { Clock::real(timekeeper.read()) } else { Clock::Virtual },
            timekeeper,
            heard: Heard::default(),
            births: Vec::new(),
            timeline: 0,
            invariants: Vec::new(),
            broken: None,
            events: 0,
            present: Time(0),
            found: (0, 0),
            sleepers: BTreeMap::new(),
            wakers: BTreeMap::new(),
            to_wake: Vec::new(),
            timer_runs: false,
        }
    }

    /// A copy that goes its own way, on the same kind of clock and without the waiting calls.
    pub fn fork(&self) -> Driver {
        let journal = self.journal.clone();
        let mut fork = Driver::new(self.world.clone(), self.trace.clone(), journal, false);
        fork.checkpoints = self.checkpoints.clone();
        fork.births.clone_from(&self.births);
        fork.apply(Input::AbandonAll);
        if let Clock::Real { .. } = self.clock {
            fork.clock = Clock::Real { at: fork.timekeeper.read(), time: self.now() };
            fork.look_at_clock();
        }
        fork
    }

    #[inline]
    pub fn now(&self) -> Time {
        match self.clock {
            Clock::Virtual => self.world.now(),
            Clock::Real { .. } => self.present.max(self.world.now()),
        }
    }

    /// Reads the real clock, once for each entry.
    pub(super) fn look_at_clock(&mut self) {
        if let Clock::Real { at, time } = self.clock {
            let since = self.timekeeper.now(&mut self.heard).saturating_sub(at);
            self.present = time.after_micros(since);
        }
    }

    pub fn is_real(&self) -> bool {
        matches!(self.clock, Clock::Real { .. })
    }

    /// Whatever reaches the world goes through here.
    pub fn apply(&mut self, input: Input<'_>) -> Output {
        let now = if matches!(input, Input::Step) { self.world.now() } else { self.now() };
        self.apply_at(now, input)
    }

    fn apply_at(&mut self, now: Time, input: Input<'_>) -> Output {
        self.record(now, &input);
        let output = self.world.apply(now, input, &mut self.trace);
        let world = &self.world;
        self.deliveries.note_sent(|op| world.receipt(op).map(|receipt| receipt.batch));
        let reports = self.world.take_reports();
        for report in &reports {
            self.deliveries.report(report, &mut self.to_wake);
        }
        // The parts of a batch that was split may be told of together.
        for report in &reports {
            if self.world.batch_records(report.batch).is_none() {
                self.deliveries.settle(report.batch);
            }
        }
        if !self.invariants.is_empty() {
            let event = match output {
                Output::Stepped(Some(event)) => event,
                _ => self.trace.last(),
            };
            self.check_invariants(event);
        }
        output
    }

    fn record(&mut self, now: Time, input: &Input<'_>) {
        let Some(position) = self.journal.as_ref().map(Journal::position) else { return };
        if self.checkpoints.is_due() {
            let state = self.state();
            self.checkpoints.add(position, state);
        }
        if let Some(journal) = &mut self.journal {
            journal.record(now, input);
        }
    }

    fn check_invariants(&mut self, event: EventId) {
        for invariant in &mut self.invariants {
            let held = std::mem::replace(&mut invariant.held, true);
            if let Err(why) = (invariant.check)(View::new(&self.world)) {
                invariant.held = false;
                if held && self.broken.is_none() {
                    let name = invariant.name.clone();
                    self.broken = Some(Error::InvariantBroken { name, why, event });
                }
            }
        }
    }

    pub fn add_invariant(&mut self, name: String, check: Check) -> Result<(), Error> {
        self.invariants.push(Invariant { name, check, held: true });
        self.check_invariants(self.trace.last());
        self.broken.take().map_or(Ok(()), Err)
    }

    /// Applies the next event.
    pub fn step(&mut self) -> Option<EventId> {
        self.event(Input::Step)
    }

    pub fn event(&mut self, input: Input<'_>) -> Option<EventId> {
        match self.apply(input) {
            Output::Stepped(Some(event)) => {
                self.events += 1;
                Some(event)
            }
            _ => None,
        }
    }

    /// Applies the events that are due by `limit`, until one of them breaks an invariant; says
    /// whether there was any.
    pub fn catch_up(&mut self, limit: Time) -> bool {
        let before = self.events;
        while self.broken.is_none() && self.world.next_due() <= limit {
            if self.step().is_none() {
                break;
            }
        }
        self.events > before
    }

    /// Lets time pass. On the real clock it is the clock's lead over the wall that grows.
    pub fn advance(&mut self, by: Duration) -> Result<(), Error> {
        let target = self.now().after(by);
        if let Clock::Real { time, .. } = &mut self.clock {
            *time = time.after(by);
        }
        self.look_at_clock();
        self.catch_up(target);
        self.take_broken()?;
        if !self.is_real() {
            self.apply_at(target, Input::Tick);
        }
        self.take_broken()
    }

    pub fn take_broken(&mut self) -> Result<(), Error> {
        self.broken.take().map_or(Ok(()), Err)
    }

    pub fn create(&mut self, config: ClientConfig) -> Handle {
        match self.apply(Input::Create(Box::new(config))) {
            Output::Created(id) => {
                let birth = BIRTHS.fetch_add(1, Ordering::Relaxed);
                self.births.push(birth);
                Handle { id, birth }
            }
            output => unreachable!("a new client has an id, not {output:?}"),
        }
    }

    /// Fails when the client of a handle has not been made yet in this world.
    pub fn check(&self, handle: Handle) -> Result<(), Error> {
        if self.is_alive(handle) { Ok(()) } else { Err(Error::Rewound) }
    }

    #[inline]
    fn is_alive(&self, handle: Handle) -> bool {
        self.births.get(handle.id.index()) == Some(&handle.birth)
    }

    /// Gives a producer a record.
    #[inline(always)]
    pub fn send(&mut self, handle: Handle, record: &Record<'_>) -> Sending {
        if !self.is_alive(handle) {
            return Sending::failed(Error::Rewound);
        }
        if self.journal.is_none() && self.invariants.is_empty() {
            return self.world.send(self.now(), handle.id, record, &mut self.trace);
        }
        self.send_watched(handle, record)
    }

    #[inline(never)]
    fn send_watched(&mut self, handle: Handle, record: &Record<'_>) -> Sending {
        match self.apply(Input::Send(handle.id, record)) {
            Output::Sent(sending) => sending,
            output => unreachable!("a send is answered as a send, not with {output:?}"),
        }
    }

    /// Makes a call without waiting for what comes of it.
    pub fn begin(&mut self, handle: Handle, call: Call) -> Result<(OpId, Progress), Error> {
        self.check(handle)?;
        match self.apply(Input::Call(handle.id, call)) {
            Output::Called(op, progress) => Ok((op, progress)),
            output => unreachable!("a call is answered as a call, not with {output:?}"),
        }
    }

    pub fn state(&self) -> State {
        State {
            world: self.world.clone(),
            trace: self.trace.position(),
            births: self.births.clone(),
            journal: self.journal.as_ref().map(Journal::position).unwrap_or_default(),
        }
    }

    /// Puts the world back to an earlier state. Calls that wait end with [`Error::Rewound`], as do
    /// the deliveries of records that have not been sent yet then.
    pub fn restore(&mut self, state: &State) {
        self.world = state.world.clone();
        self.trace.rewind(&state.trace);
        self.births.clone_from(&state.births);
        if let Some(journal) = &mut self.journal {
            journal.truncate(state.journal);
            self.checkpoints.nearest(state.journal);
        }
        self.timeline += 1;
        self.broken = None;
        for invariant in &mut self.invariants {
            invariant.held = true;
        }
        let world = &self.world;
        self.deliveries.rewind(|batch| world.batch_records(batch), &mut self.to_wake);
        if let Clock::Real { .. } = self.clock {
            self.clock = Clock::Real { at: self.timekeeper.read(), time: self.world.now() };
            self.look_at_clock();
        }
        self.to_wake.extend(std::mem::take(&mut self.wakers).into_values());
        self.apply(Input::AbandonAll);
    }

    /// Back to the moment before the last event, by the nearest checkpoint and the journal.
    pub fn step_back(&mut self) -> Result<(), Error> {
        let Some(journal) = &self.journal else {
            let why = "step_back needs a journal: build the cluster with .journal(true)";
            return Err(Error::InvalidArgument(why.to_owned()));
        };
        let Some(target) = journal.before_last_event() else {
            return Err(Error::InvalidArgument("no event has happened yet".to_owned()));
        };
        let Some((from, checkpoint)) = self.checkpoints.nearest(target).cloned() else {
            unreachable!("the first input of a journal has a checkpoint before it");
        };
        let (mut world, mut trace) = (checkpoint.world, self.trace.clone());
        trace.rewind(&checkpoint.trace);
        journal.apply(from, target, &mut world, &mut trace);
        // The clients of that moment are the first ones of now: none has been given up since.
        let births = self.births[..world.client_count().min(self.births.len())].to_vec();
        self.restore(&State { world, trace: trace.position(), births, journal: target });
        Ok(())
    }

    pub fn wake_on(&mut self, op: OpId, waker: Waker) {
        self.wakers.insert(op, waker);
    }

    pub fn timeline(&self) -> u64 {
        self.timeline
    }

    pub fn abandon(&mut self, handle: Handle, op: OpId) {
        self.wakers.remove(&op);
        if self.check(handle).is_ok() {
            self.apply(Input::Abandon(handle.id, op));
        }
    }
}

impl Driver {
    /// Shuts all brokers down for good.
    pub fn shut_down(&mut self) {
        self.world.shut_down(&mut self.trace);
    }
}

impl Drop for Driver {
    /// What lies in a directory is to be found again: its brokers are shut down. Where nothing
    /// outlives the world, there is nothing to do. After a panic nobody vouches for what is in
    /// memory: the next start reads what is on the disk.
    fn drop(&mut self) {
        if !std::thread::panicking() && self.world.lies_in_a_directory() {
            self.shut_down();
        }
    }
}
