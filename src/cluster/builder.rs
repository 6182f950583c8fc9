//! Setting up a cluster.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, SystemTime};

use super::Cluster;
use super::driver::Driver;
use super::entry::Shared;
use crate::broker::ClusterId;
use crate::error::Error;
use crate::sim::trace::DEFAULT_TRACE_LIMIT;
use crate::sim::{DiskKind, Journal, Latency, RandomFaults, Setup, Trace, World};
use crate::storage::DiskFaults;
use crate::types::{Time, micros};

/// Sets up a cluster.
#[derive(Clone, Debug)]
pub struct ClusterBuilder {
    setup: Setup,
    latency_given: bool,
    trace: bool,
    journal: bool,
    real_time: bool,
}

impl ClusterBuilder {
    pub(super) fn new() -> Self {
        let latency = Latency { min_micros: 0, max_micros: 0 };
        let faults = RandomFaults::default();
        ClusterBuilder {
            setup: Setup {
                seed: 0,
                latency,
                configs: BTreeMap::new(),
                faults,
                disk: DiskKind::Memory,
                cluster_id: ClusterId::Any,
                start: Time::VIRTUAL_START,
            },
            latency_given: false,
            trace: true,
            journal: false,
            real_time: false,
        }
    }

    /// The seed of everything that is drawn at random; 0 by default.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.setup.seed = seed;
        self
    }

    /// How long a message is under way: drawn evenly from a range. By default 500 µs on virtual
    /// time, and nothing on the wall clock; messages that take no time are a microsecond apart on
    /// their connection.
    #[must_use]
    pub fn latency(mut self, min: Duration, max: Duration) -> Self {
        let (min_micros, max_micros) = (micros(min), micros(max));
        self.setup.latency = Latency { min_micros, max_micros };
        self.latency_given = true;
        self
    }

    /// How often messages meet a fault, drawn from the seed; never by default.
    #[must_use]
    pub fn faults(mut self, rates: RandomFaults) -> Self {
        self.setup.faults = rates;
        self
    }

    /// Keeps the brokers' files in a directory, in Kafka's own formats; makes it if there is none.
    /// What was left there comes back: topics, configs, records, groups and their offsets, and
    /// virtual time goes on where it ended. Dropping the cluster shuts its brokers down cleanly.
    ///
    /// A cluster in a directory has no snapshots, forks and journals.
    #[must_use]
    pub fn data_dir(mut self, path: impl AsRef<Path>) -> Self {
        self.setup.disk = DiskKind::Directory(path.as_ref().to_owned());
        self
    }

    /// Gives each broker a simulated disk that loses what is not durable when its power
    /// [fails](Cluster::power_off), breaks [by script](Cluster::break_disk), and by chance at these
    /// rates, drawn from the seed.
    #[must_use]
    pub fn faulty_disk(mut self, rates: DiskFaults) -> Self {
        self.setup.disk = DiskKind::Faulty(rates);
        self
    }

    /// The cluster's id: by default `kafkarium`, or whatever a directory says that was used before.
    /// A directory of another cluster than this one is refused.
    #[must_use]
    pub fn cluster_id(mut self, id: impl Into<String>) -> Self {
        self.setup.cluster_id = ClusterId::Expected(id.into());
        self
    }

    /// A broker config by Kafka's name.
    #[must_use]
    pub fn config(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.setup.configs.insert(name.into(), value.into());
        self
    }

    /// Whether the trace is kept; it is by default.
    #[must_use]
    pub fn trace(mut self, on: bool) -> Self {
        self.trace = on;
        self
    }

    /// Whether every input is kept, for `replay` and `step_back`; not by default.
    #[must_use]
    pub fn journal(mut self, on: bool) -> Self {
        self.journal = on;
        self
    }

    /// Runs on the wall clock, so that handles can be used from many threads and waiting takes the
    /// time that it takes. The default is virtual time.
    ///
    /// `group.initial.rebalance.delay.ms` is then 0 unless given: nobody wants to wait three seconds
    /// for others. On virtual time it is Kafka's 3000, which costs nothing.
    #[must_use]
    pub fn real_time(mut self) -> Self {
        self.real_time = true;
        self
    }

    /// Starts the cluster.
    ///
    /// # Errors
    /// [`Error::Config`] for a broker config that cannot be, [`Error::InvalidArgument`] for rates
    /// of faults that exceed 1000 permille together and for a latency whose least is above its
    /// most, and for a journal of a directory; [`Error::Storage`] when the directory cannot be used.
    pub fn build(mut self) -> Result<Cluster, Error> {
        if self.real_time {
            let since_epoch = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
            self.setup.start = Time(micros(since_epoch.unwrap_or_default()));
            let delay = "group.initial.rebalance.delay.ms".to_owned();
            self.setup.configs.entry(delay).or_insert_with(|| "0".to_owned());
        }
        if !self.latency_given && !self.real_time {
            self.setup.latency = Latency { min_micros: 500, max_micros: 500 };
        }
        let Latency { min_micros, max_micros } = self.setup.latency;
        if min_micros > max_micros {
            let why =
                format!("the least latency, {min_micros} µs, is above the most, {max_micros} µs");
            return Err(Error::InvalidArgument(why));
        }
        let RandomFaults { lose_permille, reset_permille, delay_permille, .. } = self.setup.faults;
        let rates = u64::from(lose_permille) + u64::from(reset_permille);
        if rates + u64::from(delay_permille) > 1000 {
            let why = "the rates of faults exceed 1000 permille together".to_owned();
            return Err(Error::InvalidArgument(why));
        }
        if self.journal && matches!(self.setup.disk, DiskKind::Directory(_)) {
            let why = "there is no journal of a cluster in a directory: it could not be replayed";
            return Err(Error::InvalidArgument(why.to_owned()));
        }
        let world = World::new(&self.setup)?;
        let trace = Trace::new(self.trace, DEFAULT_TRACE_LIMIT);
        let journal = self.journal.then(|| Journal::new(self.setup));
        let driver = Driver::new(world, trace, journal, self.real_time);
        Ok(Cluster { shared: Shared::new(driver) })
    }
}
