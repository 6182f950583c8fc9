//! What the user holds: the cluster and its handles.

mod admin;
mod consumed;
mod consumer;
mod producer;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

pub use admin::{Admin, TopicSpec};
pub use consumed::ConsumerRecord;
pub use consumer::Consumer;
pub use producer::{Delivered, Delivery, Producer};

use crate::client::{ClientId, OpId, Outcome, Progress};
use crate::config::{AdminConfig, ConsumerConfig, ProducerConfig};
use crate::error::Error;
use crate::sim::trace::DEFAULT_TRACE_LIMIT;
use crate::sim::{Call, ClientConfig, EventId, Input, Latency, Output, Trace, View, World};
use crate::types::Time;

use producer::Deliveries;

/// Sets up a cluster.
#[derive(Clone, Debug)]
pub struct ClusterBuilder {
    seed: u64,
    latency: Latency,
    configs: BTreeMap<String, String>,
    trace: bool,
}

impl ClusterBuilder {
    /// The seed of everything that is drawn at random; 0 by default.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// How long a message is under way: drawn evenly from a range. 500 µs by default.
    #[must_use]
    pub fn latency(mut self, min: Duration, max: Duration) -> Self {
        let (min_micros, max_micros) = (min.as_micros() as u64, max.as_micros() as u64);
        self.latency = Latency { min_micros, max_micros };
        self
    }

    /// A broker config by Kafka's name.
    #[must_use]
    pub fn config(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.configs.insert(name.into(), value.into());
        self
    }

    /// Whether the trace is kept; it is by default.
    #[must_use]
    pub fn trace(mut self, on: bool) -> Self {
        self.trace = on;
        self
    }

    /// Starts the cluster.
    ///
    /// # Errors
    /// [`Error::Config`] for a broker config that cannot be.
    pub fn build(self) -> Result<Cluster, Error> {
        let world = World::new(self.seed, self.latency, self.configs)?;
        let driver = Driver {
            world,
            trace: Trace::new(self.trace, DEFAULT_TRACE_LIMIT),
            deliveries: Deliveries::default(),
        };
        Ok(Cluster { shared: Arc::new(Shared { driver: Mutex::new(driver) }) })
    }
}

/// A cluster with its clock.
#[derive(Clone, Debug)]
pub struct Cluster {
    shared: Arc<Shared>,
}

/// A copy of the whole world at one moment.
#[derive(Clone, Debug)]
pub struct Snapshot {
    world: World,
}

#[derive(Debug)]
struct Shared {
    driver: Mutex<Driver>,
}

/// The world with what lies outside it.
#[derive(Debug)]
struct Driver {
    world: World,
    trace: Trace,
    deliveries: Deliveries,
}

impl Driver {
    fn apply(&mut self, input: Input<'_>) -> Output {
        let now = self.world.now();
        let output = self.world.apply(now, input, &mut self.trace);
        for report in self.world.take_reports() {
            self.deliveries.report(report);
        }
        output
    }

    fn step(&mut self) -> Option<EventId> {
        match self.apply(Input::Step) {
            Output::Stepped(event) => event,
            _ => None,
        }
    }

    /// Drives the world until a call is done.
    fn finish(&mut self, op: OpId, what: &str) -> Result<Outcome, Error> {
        loop {
            if let Some(result) = self.world.take_result(op) {
                return result;
            }
            if self.step().is_none() {
                return Err(Error::Stalled { what: what.to_owned() });
            }
        }
    }

    fn begin(&mut self, client: ClientId, call: Call<'_>) -> (OpId, Progress) {
        match self.apply(Input::Call(client, call)) {
            Output::Called(op, progress) => (op, progress),
            output => unreachable!("a call is answered as a call, not with {output:?}"),
        }
    }

    /// Makes a call and drives the world until it is done.
    fn call(&mut self, client: ClientId, call: Call<'_>, what: &str) -> Result<Outcome, Error> {
        match self.begin(client, call) {
            (_, Progress::Ready(result)) => result,
            (op, Progress::Pending) => self.finish(op, what),
        }
    }
}

impl Shared {
    fn create(&self, config: ClientConfig) -> ClientId {
        match self.driver.lock().apply(Input::Create(config)) {
            Output::Created(id) => id,
            output => unreachable!("a new client has an id, not {output:?}"),
        }
    }
}

impl Cluster {
    /// A cluster with one broker, in memory, on virtual time, unless told otherwise.
    #[must_use]
    pub fn builder() -> ClusterBuilder {
        ClusterBuilder {
            seed: 0,
            latency: Latency { min_micros: 500, max_micros: 500 },
            configs: BTreeMap::new(),
            trace: true,
        }
    }

    /// An admin client with Kafka's default configs.
    #[must_use]
    pub fn admin(&self) -> Admin {
        let none: [(&str, &str); 0] = [];
        let config = AdminConfig::from_pairs(none).unwrap_or_else(|error| {
            unreachable!("the default configs are valid: {error}");
        });
        Admin::new(self.shared.clone(), self.shared.create(ClientConfig::Admin(config)))
    }

    /// A producer with these configs, by Kafka's names.
    ///
    /// # Errors
    /// [`Error::Config`].
    pub fn producer<K: AsRef<str>, V: AsRef<str>>(
        &self,
        configs: impl IntoIterator<Item = (K, V)>,
    ) -> Result<Producer, Error> {
        let config = ProducerConfig::from_pairs(configs)?;
        let id = self.shared.create(ClientConfig::Producer(config));
        Ok(Producer::new(self.shared.clone(), id))
    }

    /// A consumer with these configs, by Kafka's names.
    ///
    /// # Errors
    /// [`Error::Config`].
    pub fn consumer<K: AsRef<str>, V: AsRef<str>>(
        &self,
        configs: impl IntoIterator<Item = (K, V)>,
    ) -> Result<Consumer, Error> {
        let config = ConsumerConfig::from_pairs(configs)?;
        let id = self.shared.create(ClientConfig::Consumer(config));
        Ok(Consumer::new(self.shared.clone(), id))
    }

    /// The clock.
    #[must_use]
    pub fn now(&self) -> Time {
        self.shared.driver.lock().world.now()
    }

    /// Applies the next event, jumping to its time; `None` when nothing is left to happen.
    pub fn step(&self) -> Option<EventId> {
        self.shared.driver.lock().step()
    }

    /// Looks into the world, under its lock: `look` must not use handles of this cluster.
    pub fn view<T>(&self, look: impl FnOnce(View<'_>) -> T) -> T {
        look(View::new(&self.shared.driver.lock().world))
    }

    /// A copy of the trace.
    #[must_use]
    pub fn trace(&self) -> Trace {
        self.shared.driver.lock().trace.clone()
    }

    /// A copy of the whole world.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        Snapshot { world: self.shared.driver.lock().world.clone() }
    }

    /// Goes back to a snapshot.
    pub fn restore(&self, snapshot: &Snapshot) {
        self.shared.driver.lock().world = snapshot.world.clone();
    }
}
