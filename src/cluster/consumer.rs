//! The consumer's handle.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::consumed::{ConsumerRecord, decode};
use super::user_code::{RebalanceListener, Runner};
use super::{Cluster, Operation};
use crate::api::{EARLIEST_TIMESTAMP, LATEST_TIMESTAMP};
use crate::client;
use crate::client::assignor::Assignor;
use crate::client::consumer::SeekTo;
use crate::client::{ClientId, Outcome};
use crate::error::Error;
use crate::sim::Call;
use crate::types::{Offset, Time, Timestamp, TopicPartition};

/// Reads records. One thread at a time uses it. Dropping the handle does not close it.
///
/// Besides what stands there, every call may end with [`Error::ConcurrentDrive`], while another
/// thread drives a virtual clock, and with [`Error::Rewound`], when the world was put back behind
/// the moment in which the consumer was made.
#[derive(Debug)]
pub struct Consumer {
    pub(super) runner: Runner,
}

impl Consumer {
    pub(super) fn of(runner: Runner) -> Self {
        Consumer { runner }
    }

    /// The client's id: for faults, crashes and pauses.
    #[must_use]
    pub fn id(&self) -> ClientId {
        self.runner.handle.id
    }

    /// The same consumer in a fork of its cluster. What belongs to the user is given anew: see
    /// [`with_listener`](Consumer::with_listener) and [`with_assignor`](Consumer::with_assignor).
    ///
    /// # Errors
    /// [`Error::Rewound`] when the fork is older than the consumer, or no fork of its cluster.
    pub fn on(&self, fork: &Cluster) -> Result<Consumer, Error> {
        let handle = self.runner.handle;
        fork.shared.look().check(handle)?;
        let (shared, code) = (fork.shared.clone(), Arc::default());
        Ok(Consumer { runner: Runner { shared, handle, code } })
    }

    /// With a listener in place of the one that it had: in a fork, of a consumer that has
    /// subscribed with one.
    #[must_use]
    pub fn with_listener(self, listener: impl RebalanceListener + 'static) -> Self {
        self.runner.code.lock().listener = Some(Box::new(listener));
        self
    }

    /// With an assignor of the user's own in place of the one of that name: in a fork.
    #[must_use]
    pub fn with_assignor(self, assignor: Arc<dyn Assignor>) -> Self {
        self.runner.code.lock().assignors.insert(assignor.name().to_owned(), assignor);
        self
    }

    pub(super) fn call(&mut self, call: Call, what: &str) -> Result<Outcome, Error> {
        self.runner.shared.call(self.runner.handle, call, what)
    }

    /// Makes a call that may have the user's code run; gives the first error.
    pub(super) fn call_user(&mut self, call: Call, what: &str) -> Result<(), Error> {
        let mut first = Ok(());
        let mut outcome = self.call(call, what)?;
        while let Outcome::UserCall(call) = outcome {
            let ran = self.runner.run(*call, true)?;
            first = first.and(ran.result);
            outcome = self.runner.finish(ran.op, ran.progress, what)?;
        }
        first
    }

    /// Replaces the partitions that are read. Those that stay keep their position. No partitions at
    /// all are the same as [`unsubscribe`](Consumer::unsubscribe).
    ///
    /// # Errors
    /// [`Error::InvalidArgument`], [`Error::Closed`].
    pub fn assign<P: Into<TopicPartition>>(
        &mut self,
        partitions: impl IntoIterator<Item = P>,
    ) -> Result<(), Error> {
        let partitions: Vec<TopicPartition> = partitions.into_iter().map(Into::into).collect();
        if partitions.is_empty() {
            return self.unsubscribe();
        }
        self.call(Call::Assign(partitions), "an assignment").map(|_| ())
    }

    /// The next records, at most `max.poll.records`; waits for some up to the timeout.
    ///
    /// # Errors
    /// [`Error::OffsetOutOfRange`] and [`Error::NoOffset`] without a reset policy, Kafka's errors,
    /// [`Error::Closed`].
    pub fn poll(&mut self, timeout: Duration) -> Result<Vec<ConsumerRecord>, Error> {
        self.runner.call_back();
        let (shared, handle) = (&self.runner.shared, self.runner.handle);
        let mut outcome = shared.call_at(handle, poll_call(timeout), "a poll")?;
        while let Outcome::UserCall(call) = outcome {
            let ran = self.runner.run(*call, false)?;
            ran.result?;
            outcome = self.runner.finish(ran.op, ran.progress, "a poll")?;
        }
        self.runner.call_back();
        polled(outcome)
    }

    /// Begins a [`poll`](Consumer::poll).
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] without an assignment or while another poll waits,
    /// [`Error::Closed`].
    pub fn begin_poll(
        &mut self,
        timeout: Duration,
    ) -> Result<Operation<Vec<ConsumerRecord>>, Error> {
        self.runner.call_back();
        Operation::begin(&self.runner, poll_call(timeout), "a poll", polled)
    }

    /// Sets the position.
    ///
    /// # Errors
    /// [`Error::NotAssigned`], [`Error::InvalidArgument`], [`Error::Closed`].
    pub fn seek(
        &mut self,
        partition: impl Into<TopicPartition>,
        offset: impl Into<Offset>,
    ) -> Result<(), Error> {
        let to = SeekTo::Offset(offset.into());
        self.call(Call::Seek(partition.into(), to), "a seek").map(|_| ())
    }

    /// Sets the position to the first offset that the log holds, when it is next needed.
    ///
    /// # Errors
    /// As [`seek`](Consumer::seek).
    pub fn seek_to_beginning(&mut self, partition: impl Into<TopicPartition>) -> Result<(), Error> {
        self.call(Call::Seek(partition.into(), SeekTo::Beginning), "a seek").map(|_| ())
    }

    /// Sets the position to the end of the log, when it is next needed.
    ///
    /// # Errors
    /// As [`seek`](Consumer::seek).
    pub fn seek_to_end(&mut self, partition: impl Into<TopicPartition>) -> Result<(), Error> {
        self.call(Call::Seek(partition.into(), SeekTo::End), "a seek").map(|_| ())
    }

    /// Sets the position to the first record at or after a time, or to the end.
    ///
    /// # Errors
    /// As [`seek`](Consumer::seek).
    pub fn seek_to_time(
        &mut self,
        partition: impl Into<TopicPartition>,
        timestamp: impl Into<Timestamp>,
    ) -> Result<(), Error> {
        let to = SeekTo::Time(timestamp.into());
        self.call(Call::Seek(partition.into(), to), "a seek").map(|_| ())
    }

    /// Stops giving out records of some partitions; their positions stay.
    ///
    /// # Errors
    /// [`Error::NotAssigned`]; nothing is paused then.
    pub fn pause<P: Into<TopicPartition>>(
        &mut self,
        partitions: impl IntoIterator<Item = P>,
    ) -> Result<(), Error> {
        let partitions = partitions.into_iter().map(Into::into).collect();
        self.call(Call::SetPaused(partitions, true), "a pause").map(|_| ())
    }

    /// Takes a pause back.
    ///
    /// # Errors
    /// [`Error::NotAssigned`]; nothing is resumed then.
    pub fn resume<P: Into<TopicPartition>>(
        &mut self,
        partitions: impl IntoIterator<Item = P>,
    ) -> Result<(), Error> {
        let partitions = partitions.into_iter().map(Into::into).collect();
        self.call(Call::SetPaused(partitions, false), "a resume").map(|_| ())
    }

    /// The assigned partitions, in order; none for a handle that is younger than the world.
    #[must_use]
    pub fn assignment(&self) -> Vec<TopicPartition> {
        self.look(|consumer| consumer.assignment().cloned().collect())
    }

    /// Those of the assigned partitions that are paused, in order; none for a handle that is
    /// younger than the world.
    #[must_use]
    pub fn paused(&self) -> Vec<TopicPartition> {
        self.look(|consumer| consumer.paused().cloned().collect())
    }

    pub(super) fn look<T: Default>(
        &self,
        look: impl FnOnce(&client::consumer::Consumer) -> T,
    ) -> T {
        let handle = self.runner.handle;
        let driver = self.runner.shared.look();
        let consumer = driver.world.consumer(handle.id);
        consumer.filter(|_| driver.check(handle).is_ok()).map(look).unwrap_or_default()
    }

    /// The offset of the next record that `poll` will give.
    ///
    /// # Errors
    /// [`Error::NotAssigned`], [`Error::NoOffset`], [`Error::Timeout`] after
    /// `default.api.timeout.ms`.
    pub fn position(&mut self, partition: impl Into<TopicPartition>) -> Result<Offset, Error> {
        match self.call(Call::Position(partition.into()), "a position")? {
            Outcome::Offset(offset) => Ok(offset),
            outcome => unreachable!("a position is an offset, not {outcome:?}"),
        }
    }

    /// How many records lie between the position and the high watermark that the last fetch told;
    /// `None` before the first one.
    ///
    /// # Errors
    /// [`Error::NotAssigned`].
    pub fn lag(&mut self, partition: impl Into<TopicPartition>) -> Result<Option<i64>, Error> {
        match self.call(Call::Lag(partition.into()), "a lag")? {
            Outcome::Lag(lag) => Ok(lag),
            outcome => unreachable!("a lag is a number, not {outcome:?}"),
        }
    }

    fn look_up(
        &mut self,
        wanted: Vec<(TopicPartition, Timestamp)>,
    ) -> Result<BTreeMap<TopicPartition, Option<(Offset, Timestamp)>>, Error> {
        match self.call(Call::LookUp(wanted), "offsets")? {
            Outcome::Offsets(offsets) => Ok(offsets),
            outcome => unreachable!("offsets were asked for, not {outcome:?}"),
        }
    }

    /// The first offset that each log holds.
    ///
    /// # Errors
    /// [`Error::Timeout`] after `default.api.timeout.ms`, when there is no such partition.
    pub fn beginning_offsets<P: Into<TopicPartition>>(
        &mut self,
        partitions: impl IntoIterator<Item = P>,
    ) -> Result<BTreeMap<TopicPartition, Offset>, Error> {
        let wanted = partitions.into_iter().map(|p| (p.into(), EARLIEST_TIMESTAMP)).collect();
        Ok(only_offsets(self.look_up(wanted)?))
    }

    /// The high watermark of each partition.
    ///
    /// # Errors
    /// As [`beginning_offsets`](Consumer::beginning_offsets).
    pub fn end_offsets<P: Into<TopicPartition>>(
        &mut self,
        partitions: impl IntoIterator<Item = P>,
    ) -> Result<BTreeMap<TopicPartition, Offset>, Error> {
        let wanted = partitions.into_iter().map(|p| (p.into(), LATEST_TIMESTAMP)).collect();
        Ok(only_offsets(self.look_up(wanted)?))
    }

    /// The first record at or after a time, in each partition: its offset and timestamp, or `None`
    /// when there is none.
    ///
    /// # Errors
    /// As [`beginning_offsets`](Consumer::beginning_offsets), and [`Error::InvalidArgument`] for
    /// a negative time.
    pub fn offsets_for_times<P: Into<TopicPartition>, T: Into<Timestamp>>(
        &mut self,
        times: impl IntoIterator<Item = (P, T)>,
    ) -> Result<BTreeMap<TopicPartition, Option<(Offset, Timestamp)>>, Error> {
        let wanted: Vec<(TopicPartition, Timestamp)> =
            times.into_iter().map(|(partition, time)| (partition.into(), time.into())).collect();
        if let Some((partition, time)) = wanted.iter().find(|(_, time)| time.0 < 0) {
            let why = format!("the time for {partition} is negative: {time}");
            return Err(Error::InvalidArgument(why));
        }
        self.look_up(wanted)
    }

    /// Closes the consumer. Closed twice, it stays closed.
    ///
    /// With `group.id`, what was read is committed first if `enable.auto.commit` is true, and
    /// commits that are under way are waited for, for 30 seconds at most; then the listener is told
    /// and the group is left, unless by a static member.
    ///
    /// # Errors
    /// What the listener returns, [`Error::InvalidArgument`] inside of a listener,
    /// [`Error::Rewound`], [`Error::ConcurrentDrive`].
    pub fn close(&mut self) -> Result<(), Error> {
        let closed = self.call_user(Call::Close, "the consumer to close");
        self.runner.call_back();
        closed
    }
}

fn only_offsets(
    found: BTreeMap<TopicPartition, Option<(Offset, Timestamp)>>,
) -> BTreeMap<TopicPartition, Offset> {
    found.into_iter().filter_map(|(p, found)| found.map(|(offset, _)| (p, offset))).collect()
}

/// A poll ends `timeout` after the moment in which it is begun.
fn poll_call(timeout: Duration) -> impl FnOnce(Time) -> Call {
    move |now| Call::Poll(now.after(timeout))
}

fn polled(outcome: Outcome) -> Result<Vec<ConsumerRecord>, Error> {
    match outcome {
        Outcome::Polled(batches) => decode(batches),
        outcome => unreachable!("a poll gives records, not {outcome:?}"),
    }
}
