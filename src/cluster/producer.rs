//! The producer's handle, and what became of what it sent.

use std::collections::BTreeMap;
use std::sync::{Arc, Weak};
use std::time::Duration;

use parking_lot::Mutex;

use super::Shared;
use crate::client::record::Record;
use crate::client::{BatchId, ClientId, DeliveryReport, Outcome, Progress, Receipt};
use crate::error::Error;
use crate::sim::Call;
use crate::types::{Offset, Timestamp};

/// Sends records. Cheap to clone; all clones are one producer.
#[derive(Clone, Debug)]
pub struct Producer {
    shared: Arc<Shared>,
    id: ClientId,
}

/// Where a record came to lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Delivered {
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
    reports: Mutex<Vec<DeliveryReport>>,
}

impl BatchFate {
    fn of(&self, receipt: &Receipt) -> Option<Result<Delivered, Error>> {
        let reports = self.reports.lock();
        let report = reports.iter().find(|report| {
            (report.first..report.first + report.count).contains(&receipt.index)
        })?;
        Some(report.result.clone().map(|(base, log_append_time)| Delivered {
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
    open: BTreeMap<BatchId, Arc<BatchFate>>,
    /// The batch of the latest record: the next one is likely in it too.
    latest: Option<(BatchId, Arc<BatchFate>)>,
}

impl Deliveries {
    fn fate(&mut self, batch: BatchId, shared: &Arc<Shared>) -> Arc<BatchFate> {
        if let Some((latest, fate)) = &self.latest
            && *latest == batch
        {
            return fate.clone();
        }
        let new = || {
            let (shared, reports) = (Arc::downgrade(shared), Mutex::default());
            Arc::new(BatchFate { shared, reports })
        };
        let fate = self.open.entry(batch).or_insert_with(new).clone();
        self.latest = Some((batch, fate.clone()));
        fate
    }

    pub(super) fn report(&mut self, report: DeliveryReport) {
        if let Some(fate) = self.open.get(&report.batch) {
            fate.reports.lock().push(report);
        }
        // A batch that nobody asks about any more is forgotten.
        self.open.retain(|_, fate| Arc::strong_count(fate) > 1);
    }
}

impl Producer {
    pub(super) fn new(shared: Arc<Shared>, id: ClientId) -> Self {
        Producer { shared, id }
    }

    /// Puts a record into a batch. Waits, up to `max.block.ms`, for the topic's metadata and for
    /// memory; not for the record to be sent.
    ///
    /// # Errors
    /// [`Error::RecordTooLarge`], [`Error::Timeout`] when it waited too long, [`Error::Closed`].
    pub fn send(&self, record: Record<'_>) -> Result<Delivery, Error> {
        let mut driver = self.shared.driver.lock();
        let outcome = match driver.begin(self.id, Call::Send(&record)) {
            (_, Progress::Ready(result)) => result?,
            (op, Progress::Pending) => driver.finish(op, "metadata or memory for a record")?,
        };
        match outcome {
            Outcome::Sent(receipt) => {
                let fate = driver.deliveries.fate(receipt.batch, &self.shared);
                Ok(Delivery { fate, receipt })
            }
            outcome => unreachable!("a send ends in a batch, not in {outcome:?}"),
        }
    }

    /// Sends everything now and waits until the fate of each record is known.
    ///
    /// # Errors
    /// [`Error::Closed`].
    pub fn flush(&self) -> Result<(), Error> {
        self.shared.driver.lock().call(self.id, Call::Flush, "a flush").map(|_| ())
    }

    /// Sends what is left, waiting at most so long, and closes the producer. What is not delivered
    /// by then fails with [`Error::Closed`].
    ///
    /// # Errors
    /// None so far.
    pub fn close(&self, timeout: Duration) -> Result<(), Error> {
        let mut driver = self.shared.driver.lock();
        let deadline = driver.world.now().after(timeout);
        driver.call(self.id, Call::CloseProducer(deadline), "the producer to close").map(|_| ())
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
    pub fn try_result(&self) -> Option<Result<Delivered, Error>> {
        self.fate.of(&self.receipt)
    }

    /// Waits until it is known what became of the record.
    ///
    /// # Errors
    /// Why it was not delivered.
    pub fn wait(&self) -> Result<Delivered, Error> {
        if let Some(result) = self.fate.of(&self.receipt) {
            return result;
        }
        let shared = self.fate.shared.upgrade().ok_or(Error::Closed)?;
        let mut driver = shared.driver.lock();
        loop {
            if let Some(result) = self.fate.of(&self.receipt) {
                return result;
            }
            if driver.step().is_none() {
                return Err(Error::Stalled { what: "a delivery".to_owned() });
            }
        }
    }
}
