//! The producer's handle, and what became of what it sent.

use std::collections::BTreeMap;
use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use parking_lot::Mutex;

use super::driver::Handle;
use super::entry::{Entry, Shared};
use super::user_code::Runner;
use super::{Cluster, Operation};
use crate::client::record::Record;
use crate::client::{BatchId, ClientId, DeliveryReport, OpId, Outcome, Receipt, Sending};
use crate::error::Error;
use crate::sim::Call;
use crate::types::{Offset, Time, Timestamp};

/// The user's own choice of a partition among so many.
pub(super) type UserPartitioner = Arc<dyn Fn(&Record<'_>, i32) -> i32 + Send + Sync>;

/// Sends records. Cheap to clone; all clones are one producer. Dropping the last one does not close
/// it: what was sent is still delivered as the world goes on.
///
/// Besides what stands there, every call may end with [`Error::ConcurrentDrive`], while another
/// thread drives a virtual clock, and with [`Error::Rewound`], when the world was put back behind
/// the moment in which the producer was made.
#[derive(Clone)]
pub struct Producer {
    shared: Arc<Shared>,
    handle: Handle,
    partitioner: Option<UserPartitioner>,
}

impl fmt::Debug for Producer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Producer").field("handle", &self.handle).finish_non_exhaustive()
    }
}

/// Where a record came to lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecordMetadata {
    /// The partition.
    pub partition: i32,
    /// The offset; −1 with `acks=0`.
    pub offset: Offset,
    /// The timestamp: the record's, or the broker's for `LogAppendTime`.
    pub timestamp: Timestamp,
}

/// What will become of a record.
#[derive(Clone, Debug)]
pub struct Delivery {
    fate: Arc<BatchFate>,
    receipt: Receipt,
}

/// The fate of a batch, shared by the deliveries of its records.
#[derive(Debug)]
pub(super) struct BatchFate {
    shared: Weak<Shared>,
    state: Mutex<FateState>,
}

#[derive(Debug, Default)]
struct FateState {
    reports: Vec<DeliveryReport>,
    /// Of futures on the real clock.
    wakers: Vec<Waker>,
}

impl BatchFate {
    fn tell(&self, report: DeliveryReport, to_wake: &mut Vec<Waker>) {
        let mut state = self.state.lock();
        state.reports.push(report);
        to_wake.append(&mut state.wakers);
    }

    fn wake(&self, waker: &Waker) {
        let wakers = &mut self.state.lock().wakers;
        if !wakers.iter().any(|other| other.will_wake(waker)) {
            wakers.push(waker.clone());
        }
    }

    fn of(&self, receipt: &Receipt) -> Option<Result<RecordMetadata, Error>> {
        let state = self.state.lock();
        let report = state.reports.iter().find(|report| {
            (report.first..report.first.saturating_add(report.count)).contains(&receipt.index)
        })?;
        Some(report.result.clone().map(|(base, log_append_time)| RecordMetadata {
            partition: receipt.partition,
            offset: match base {
                Offset(-1) => base,
                base => base + i64::from(receipt.index - report.first),
            },
            timestamp: match log_append_time {
                Timestamp::NONE => receipt.timestamp,
                time => time,
            },
        }))
    }
}

/// The batches whose fate is open.
#[derive(Debug, Default)]
pub(super) struct Deliveries {
    /// A batch that was open when the world was put back has a fate for what was sent into it
    /// before, and one for what was sent since.
    open: BTreeMap<(BatchId, u64), Arc<BatchFate>>,
    /// How often the world was put back.
    rewinds: u64,
    /// The batch of the latest record: the next one is likely in it too.
    latest: Option<(BatchId, Arc<BatchFate>)>,
    /// The sends that wait, and the fates of those whose record is in a batch by now: on the real
    /// clock the batch may be written before the sender wakes.
    awaited: BTreeMap<Awaited, Option<Arc<BatchFate>>>,
    /// The cluster, for the deliveries to drive.
    pub(super) shared: Weak<Shared>,
}

/// A send that waits, and how often the world had been put back when it began.
type Awaited = (OpId, u64);

impl Deliveries {
    #[inline]
    fn delivery(&mut self, receipt: Receipt) -> Delivery {
        let fate = match &self.latest {
            Some((latest, fate)) if *latest == receipt.batch => fate.clone(),
            _ => self.fate(receipt.batch),
        };
        Delivery { fate, receipt }
    }

    #[cold]
    fn fate(&mut self, batch: BatchId) -> Arc<BatchFate> {
        let shared = &self.shared;
        let new = || {
            let (shared, state) = (shared.clone(), Mutex::default());
            Arc::new(BatchFate { shared, state })
        };
        let fate = self.open.entry((batch, self.rewinds)).or_insert_with(new).clone();
        self.latest = Some((batch, fate.clone()));
        fate
    }

    fn awaits(&mut self, op: OpId) -> Awaited {
        let awaited = (op, self.rewinds);
        self.awaited.insert(awaited, None);
        awaited
    }

    /// Opens the fates of the sends that waited and are in a batch now, as `batch` says.
    #[inline]
    pub(super) fn note_sent(&mut self, batch: impl Fn(OpId) -> Option<BatchId>) {
        if self.awaited.is_empty() {
            return;
        }
        let waiting =
            self.awaited.iter().filter(|(key, fate)| key.1 == self.rewinds && fate.is_none());
        let sent = waiting.filter_map(|(key, _)| Some((*key, batch(key.0)?)));
        for (key, batch) in sent.collect::<Vec<_>>() {
            let fate = self.fate(batch);
            self.awaited.insert(key, Some(fate));
        }
    }

    /// Tells those who ask for a batch what became of it, or of a part of it.
    pub(super) fn report(&mut self, report: &DeliveryReport, to_wake: &mut Vec<Waker>) {
        let batch = report.batch;
        for (_, fate) in self.open.range((batch, 0)..=(batch, u64::MAX)) {
            fate.tell(report.clone(), to_wake);
        }
    }

    /// Forgets a batch of which everything has been told.
    pub(super) fn settle(&mut self, batch: BatchId) {
        while let Some((&key, _)) = self.open.range((batch, 0)..=(batch, u64::MAX)).next() {
            self.open.remove(&key);
        }
        self.latest.take_if(|(latest, _)| *latest == batch);
    }

    /// After a restore: what has not been sent yet then is lost. `records` says how many records of
    /// a batch there are, if its fate is open.
    pub(super) fn rewind(
        &mut self,
        records: impl Fn(BatchId) -> Option<u32>,
        to_wake: &mut Vec<Waker>,
    ) {
        self.latest = None;
        self.rewinds += 1;
        self.open.retain(|&(batch, _), fate| {
            let left = records(batch);
            let first = left.unwrap_or(0);
            if first < u32::MAX {
                let (count, result) = (u32::MAX - first, Err(Error::Rewound));
                fate.tell(DeliveryReport { batch, first, count, result }, to_wake);
            }
            left.is_some()
        });
    }
}

impl Producer {
    pub(super) fn new(
        shared: Arc<Shared>,
        handle: Handle,
        partitioner: Option<UserPartitioner>,
    ) -> Self {
        Producer { shared, handle, partitioner }
    }

    /// The client's id: for faults, crashes and pauses.
    #[must_use]
    pub fn id(&self) -> ClientId {
        self.handle.id
    }

    /// The same producer in a fork of its cluster.
    ///
    /// # Errors
    /// [`Error::Rewound`] when the fork is older than the producer, or no fork of its cluster.
    pub fn on(&self, fork: &Cluster) -> Result<Producer, Error> {
        fork.shared.look().check(self.handle)?;
        let partitioner = self.partitioner.clone();
        Ok(Producer { shared: fork.shared.clone(), handle: self.handle, partitioner })
    }

    /// Puts a record into a batch. Waits, up to `max.block.ms`, for the topic's metadata and for
    /// memory; not for the record to be sent.
    ///
    /// # Errors
    /// [`Error::RecordTooLarge`], [`Error::Timeout`] when it waited too long, [`Error::Closed`],
    /// [`Error::Kafka`] for a topic that cannot be, [`Error::Rewound`], [`Error::ConcurrentDrive`].
    #[inline]
    #[expect(clippy::needless_pass_by_value, reason = "a record is built for one send")]
    pub fn send(&self, record: Record<'_>) -> Result<Delivery, Error> {
        self.send_ref(&record)
    }

    fn send_ref(&self, record: &Record<'_>) -> Result<Delivery, Error> {
        let Some(mut driver) = self.shared.try_enter() else { return Err(Error::ConcurrentDrive) };
        // What is rare is called with small arguments, so that a receipt stays in registers.
        match driver.send(self.handle, record) {
            Sending::Buffered(receipt) => Ok(driver.deliveries.delivery(receipt)),
            Sending::ChoosePartition(count) => self.choose_and_send(driver, record, count),
            Sending::Waiting(op) => self.wait_to_send(driver, record, op),
            Sending::Failed(error) => Err(*error),
        }
    }

    /// Waits until a record is in a batch.
    #[cold]
    fn wait_to_send(
        &self,
        mut driver: Entry<'_>,
        record: &Record<'_>,
        op: OpId,
    ) -> Result<Delivery, Error> {
        let awaited = driver.deliveries.awaits(op);
        let outcome = driver.finish(self.handle, op, "metadata or memory for a record");
        let mut driver = self.shared.look();
        let fate = driver.deliveries.awaited.remove(&awaited).flatten();
        match outcome? {
            Outcome::Sent(receipt) => Ok(Delivery { fate: fate.ok_or(Error::Rewound)?, receipt }),
            Outcome::ChoosePartition(count) => self.choose_and_send(driver, record, count),
            outcome => unreachable!("a send ends in a batch, not in {outcome:?}"),
        }
    }

    /// Asks the user's partitioner, outside the lock, and sends to what it says.
    #[inline(never)]
    fn choose_and_send(
        &self,
        driver: Entry<'_>,
        record: &Record<'_>,
        count: i32,
    ) -> Result<Delivery, Error> {
        drop(driver);
        let Some(partitioner) = &self.partitioner else {
            let why = "this handle of the producer has no partitioner".to_owned();
            return Err(Error::InvalidArgument(why));
        };
        let partition = partitioner(record, count);
        if !(0..count).contains(&partition) {
            let why = format!("the partitioner chose {partition} of {count} partitions");
            return Err(Error::InvalidArgument(why));
        }
        self.send(record.clone().partition(partition))
    }

    /// Sends everything now and waits until the fate of each record is known.
    ///
    /// # Errors
    /// [`Error::Closed`], [`Error::Rewound`], [`Error::ConcurrentDrive`].
    pub fn flush(&self) -> Result<(), Error> {
        self.shared.call(self.handle, Call::Flush, "a flush").map(drop)
    }

    /// Begins a [`flush`](Producer::flush).
    ///
    /// # Errors
    /// As [`flush`](Producer::flush).
    pub fn begin_flush(&self) -> Result<Operation<()>, Error> {
        let runner = Runner::without_code(&self.shared, self.handle);
        Operation::begin(&runner, |_| Call::Flush, "a flush", |_| Ok(()))
    }

    /// Sends what is left, waiting at most so long, and closes the producer. What is not delivered
    /// by then fails with [`Error::Closed`].
    ///
    /// # Errors
    /// [`Error::Rewound`], [`Error::ConcurrentDrive`].
    pub fn close(&self, timeout: Duration) -> Result<(), Error> {
        let call = move |now: Time| Call::CloseProducer(now.after(timeout));
        self.shared.call_at(self.handle, call, "the producer to close").map(drop)
    }
}

impl Delivery {
    /// The partition that the record goes to.
    #[must_use]
    pub fn partition(&self) -> i32 {
        self.receipt.partition
    }

    /// What became of the record, if it is known by now.
    #[must_use]
    pub fn try_result(&self) -> Option<Result<RecordMetadata, Error>> {
        if let Some(shared) = self.fate.shared.upgrade().filter(|shared| shared.is_real()) {
            // Entering applies what is due by now.
            drop(shared.look());
        }
        self.fate.of(&self.receipt)
    }

    /// Waits until it is known what became of the record.
    ///
    /// # Errors
    /// Why it was not delivered; [`Error::Closed`] when the cluster is gone,
    /// [`Error::ConcurrentDrive`].
    pub fn wait(&self) -> Result<RecordMetadata, Error> {
        if let Some(result) = self.fate.of(&self.receipt) {
            return result;
        }
        let shared = self.fate.shared.upgrade().ok_or(Error::Closed)?;
        shared.enter()?.drive("a delivery", |_| self.fate.of(&self.receipt))?
    }
}

impl Future for Delivery {
    type Output = Result<RecordMetadata, Error>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        if let Some(result) = self.fate.of(&self.receipt) {
            return Poll::Ready(result);
        }
        let Some(shared) = self.fate.shared.upgrade() else {
            return Poll::Ready(Err(Error::Closed));
        };
        let mut driver = match shared.enter() {
            Ok(driver) => driver,
            Err(error) => return Poll::Ready(Err(error)),
        };
        if driver.is_real() {
            self.fate.wake(context.waker());
            shared.start_timer(&mut driver);
        } else {
            let stepped = driver.step();
            if let Err(error) = driver.take_broken() {
                return Poll::Ready(Err(error));
            }
            if stepped.is_none() && self.fate.of(&self.receipt).is_none() {
                return Poll::Ready(Err(Error::Stalled { what: "a delivery".to_owned() }));
            }
            context.waker().wake_by_ref();
        }
        // What was due may have settled it while this entered.
        self.fate.of(&self.receipt).map_or(Poll::Pending, Poll::Ready)
    }
}
