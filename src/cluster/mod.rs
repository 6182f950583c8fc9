//! What the user holds: the cluster and its handles.
//!
//! | file | holds |
//! |---|---|
//! | `driver.rs` | the world with its clock, invariants, restoring |
//! | `entry.rs`, `sleep.rs`, `timekeeper.rs` | the lock around it: entering, waiting, waking; the clock of several threads |
//! | `builder.rs`, `snapshot.rs`, `operation.rs` | setting up; copies of the world; calls begun and awaited |
//! | `producer.rs`, `consumer.rs`, `consumed.rs`, `poll_all.rs`, `admin.rs` | the handles, and the records that they give |
//! | `list_offsets.rs`, `group_admin.rs`, `group_lag.rs`, `offset_reset.rs`, `reset_plan.rs` | more of the admin's: offsets, groups |
//! | `table.rs` | tables as Kafka's tools print them |
//! | `member.rs`, `user_code.rs` | the consumer as a member of a group, and what of the user's runs for it |

mod admin;
mod builder;
mod consumed;
mod consumer;
mod driver;
mod entry;
mod group_admin;
mod group_lag;
mod list_offsets;
mod member;
mod offset_reset;
mod operation;
mod poll_all;
mod producer;
mod reset_plan;
mod sleep;
mod snapshot;
mod table;
mod timekeeper;
mod user_code;

use std::sync::Arc;
use std::time::Duration;

pub use admin::{Admin, PartitionDescription, TopicDescription, TopicSpec};
pub use builder::ClusterBuilder;
pub use consumed::ConsumerRecord;
pub use consumer::Consumer;
pub use group_admin::{GroupDescription, GroupListing, GroupMember};
pub use group_lag::{GroupLag, PartitionLag};
pub use list_offsets::{OffsetSpec, PartitionOffset};
pub use member::ConsumerGroupMetadata;
pub use offset_reset::{OffsetReset, ResetTo};
pub use operation::Operation;
pub use producer::{Delivery, Producer, RecordMetadata};
pub use reset_plan::{NewOffset, OffsetWarning, ResetPlan};
pub use snapshot::Snapshot;
pub use user_code::RebalanceListener;

use crate::client::assignor::Assignor;
use crate::client::consumer::Assignors;
use crate::client::record::Record;
use crate::config::{AdminConfig, ConsumerConfig, PartitionerKind, ProducerConfig};
use crate::error::Error;
use crate::log::RecoveryStep;
use crate::sim::{
    ClientConfig, DiskFault, Fault, Input, Journal, Node, Output, Pending, StateDiff, Trace, View,
};
use crate::types::{BrokerId, EventId, Time, TopicPartition};

use entry::Shared;
use user_code::{Runner, UserCode};

/// A cluster with its clock. Clones are the same cluster.
#[derive(Clone, Debug)]
pub struct Cluster {
    shared: Arc<Shared>,
}

impl Cluster {
    /// A cluster with one broker, in memory, on virtual time, unless told otherwise.
    #[must_use]
    pub fn builder() -> ClusterBuilder {
        ClusterBuilder::new()
    }

    /// An admin client with Kafka's default configs.
    #[must_use]
    pub fn admin(&self) -> Admin {
        let none: [(&str, &str); 0] = [];
        let config = AdminConfig::from_pairs(none).unwrap_or_else(|error| {
            unreachable!("the default configs are valid: {error}");
        });
        let handle = self.shared.look().create(ClientConfig::Admin(config));
        Admin::new(self.shared.clone(), handle)
    }

    /// An admin client with these configs, by Kafka's names.
    ///
    /// # Errors
    /// [`Error::Config`], [`Error::ConcurrentDrive`].
    pub fn admin_with<K: AsRef<str>, V: AsRef<str>>(
        &self,
        configs: impl IntoIterator<Item = (K, V)>,
    ) -> Result<Admin, Error> {
        let config = AdminConfig::from_pairs(configs)?;
        let handle = self.shared.enter()?.create(ClientConfig::Admin(config));
        Ok(Admin::new(self.shared.clone(), handle))
    }

    /// A producer with these configs, by Kafka's names.
    ///
    /// # Errors
    /// [`Error::Config`], [`Error::ConcurrentDrive`].
    pub fn producer<K: AsRef<str>, V: AsRef<str>>(
        &self,
        configs: impl IntoIterator<Item = (K, V)>,
    ) -> Result<Producer, Error> {
        let config = ProducerConfig::from_pairs(configs)?;
        let handle = self.shared.enter()?.create(ClientConfig::Producer(config));
        Ok(Producer::new(self.shared.clone(), handle, None))
    }

    /// A producer with a partitioner of the user's own: it is called for each record without a
    /// partition, with the number of partitions, outside the lock, and says which one.
    ///
    /// # Errors
    /// As [`producer`](Cluster::producer).
    pub fn producer_with_partitioner<K: AsRef<str>, V: AsRef<str>>(
        &self,
        configs: impl IntoIterator<Item = (K, V)>,
        partitioner: impl Fn(&Record<'_>, i32) -> i32 + Send + Sync + 'static,
    ) -> Result<Producer, Error> {
        let mut config = ProducerConfig::from_pairs(configs)?;
        config.partitioner = PartitionerKind::Custom;
        let handle = self.shared.enter()?.create(ClientConfig::Producer(config));
        Ok(Producer::new(self.shared.clone(), handle, Some(Arc::new(partitioner))))
    }

    /// A consumer with these configs, by Kafka's names.
    ///
    /// # Errors
    /// [`Error::Config`], [`Error::ConcurrentDrive`].
    pub fn consumer<K: AsRef<str>, V: AsRef<str>>(
        &self,
        configs: impl IntoIterator<Item = (K, V)>,
    ) -> Result<Consumer, Error> {
        self.consumer_with_assignors(configs, Vec::new())
    }

    /// A consumer with assignors of the user's own. `partition.assignment.strategy` names them as
    /// it names Kafka's; they run outside the lock, when the consumer leads its group. What they
    /// return is checked: each partition goes to one member, and one that has subscribed to its
    /// topic.
    ///
    /// # Errors
    /// As [`consumer`](Cluster::consumer).
    pub fn consumer_with_assignors<K: AsRef<str>, V: AsRef<str>>(
        &self,
        configs: impl IntoIterator<Item = (K, V)>,
        own: Vec<Arc<dyn Assignor>>,
    ) -> Result<Consumer, Error> {
        let config = ConsumerConfig::from_pairs(configs)?;
        let strategy = config.group.as_ref().map(|group| &group.partition_assignment_strategy);
        let assignors = strategy.map(|strategy| Assignors::new(strategy, &own)).transpose()?;
        let config = ClientConfig::Consumer(Box::new(config), assignors);
        let handle = self.shared.enter()?.create(config);
        let assignors = own.into_iter().map(|one| (one.name().to_owned(), one)).collect();
        let code = UserCode { assignors, ..UserCode::default() };
        let (shared, code) = (self.shared.clone(), Arc::new(parking_lot::Mutex::new(code)));
        Ok(Consumer::of(Runner { shared, handle, code }))
    }

    /// The clock.
    #[must_use]
    pub fn now(&self) -> Time {
        self.shared.look().now()
    }

    /// Applies the next event, jumping to its time; `None` when nothing is left to happen.
    ///
    /// # Errors
    /// [`Error::InvariantBroken`] by what [`always`](Cluster::always) checks,
    /// [`Error::ConcurrentDrive`].
    pub fn step(&self) -> Result<Option<EventId>, Error> {
        let mut driver = self.shared.enter()?;
        let event = driver.step();
        driver.take_broken().map(|()| event)
    }

    /// Applies events until `done` holds, also before the first one.
    ///
    /// # Errors
    /// [`Error::Stalled`] when nothing is left to happen before; those of [`step`](Cluster::step).
    pub fn step_until(&self, mut done: impl FnMut(View<'_>) -> bool) -> Result<(), Error> {
        let driver = self.shared.enter()?;
        driver.drive("the condition of step_until", |driver| {
            done(View::new(&driver.world)).then_some(())
        })
    }

    /// Applies every event that is due until then, and sets the clock there. On the real clock,
    /// too, this jumps.
    ///
    /// # Errors
    /// Those of [`step`](Cluster::step); the clock then stands at the event.
    pub fn run_until(&self, time: Time) -> Result<(), Error> {
        let mut driver = self.shared.enter()?;
        let by = time.since(driver.now());
        driver.advance(by)
    }

    /// Lets so much time pass: [`run_until`](Cluster::run_until) from now.
    ///
    /// # Errors
    /// Those of [`step`](Cluster::step).
    pub fn advance(&self, by: Duration) -> Result<(), Error> {
        self.shared.enter()?.advance(by)
    }

    /// What may happen next: the first message of each connection and direction, and deadlines.
    #[must_use]
    pub fn pending(&self) -> Vec<Pending> {
        self.shared.look().world.pending()
    }

    /// Lets the `n`th of [`pending`](Cluster::pending) happen next. A message then arrives before
    /// its time, at the present one; a deadline takes the clock along.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] when there are not so many; those of [`step`](Cluster::step).
    pub fn deliver(&self, n: usize) -> Result<EventId, Error> {
        let mut driver = self.shared.enter()?;
        let pending = driver.world.pending();
        let Some(chosen) = pending.get(n) else {
            let why = format!("there are {} pending events, not {n} and more", pending.len());
            return Err(Error::InvalidArgument(why));
        };
        let event = driver.event(Input::Deliver(chosen.key));
        driver.take_broken()?;
        event.ok_or_else(|| Error::InvalidArgument("the event is gone".to_owned()))
    }

    /// Checks from now on after every event that `check` is satisfied. The call that drives stops
    /// with [`Error::InvariantBroken`] right after the event that broke it, and once for each time
    /// that it breaks. `check` runs under the lock and must not use handles of this cluster.
    ///
    /// # Errors
    /// [`Error::InvariantBroken`] when it does not hold to begin with.
    pub fn always(
        &self,
        name: impl Into<String>,
        check: impl FnMut(View<'_>) -> Result<(), String> + Send + 'static,
    ) -> Result<(), Error> {
        self.shared.enter()?.add_invariant(name.into(), Box::new(check))
    }

    /// Looks into the world, under its lock: `look` must not use handles of this cluster.
    pub fn view<T>(&self, look: impl FnOnce(View<'_>) -> T) -> T {
        look(View::new(&self.shared.look().world))
    }

    /// A copy of the trace.
    #[must_use]
    pub fn trace(&self) -> Trace {
        self.shared.look().trace.clone()
    }

    /// A copy of the journal; `None` unless the cluster was built with one.
    #[must_use]
    pub fn journal(&self) -> Option<Journal> {
        let driver = self.shared.look();
        driver.journal.as_ref().map(|journal| journal.copy(driver.trace.fingerprint()))
    }

    /// Lets something go wrong with the next message that fits.
    ///
    /// # Errors
    /// [`Error::ConcurrentDrive`].
    pub fn inject(&self, fault: Fault) -> Result<(), Error> {
        self.tell(Input::Inject(Box::new(fault)))
    }

    /// A broker dies, with its connections and the requests that wait on it; or a client, with what
    /// it has not sent yet.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] when there is no such node, [`Error::ConcurrentDrive`].
    pub fn crash(&self, node: impl Into<Node>) -> Result<(), Error> {
        self.tell(Input::Crash(node.into()))
    }

    /// A broker that crashed or was stopped comes back with what is on its disk.
    ///
    /// # Errors
    /// As [`crash`](Cluster::crash), and [`Error::Storage`] when it cannot start on its disk.
    pub fn restart(&self, broker: BrokerId) -> Result<(), Error> {
        self.tell(Input::Restart(broker))
    }

    /// A broker is shut down: it makes everything durable, and its next start need not read the
    /// logs. On a disk in memory that is no different from a crash.
    ///
    /// # Errors
    /// As [`crash`](Cluster::crash).
    pub fn stop(&self, broker: BrokerId) -> Result<(), Error> {
        self.tell(Input::Stop(broker))
    }

    /// Shuts all brokers down for good, and lets go of the directory, which can be opened again.
    /// Handles that are left find nobody any more. Dropping the cluster and all of its handles does
    /// the same.
    ///
    /// # Errors
    /// [`Error::ConcurrentDrive`].
    pub fn close(self) -> Result<(), Error> {
        let mut driver = self.shared.enter()?;
        driver.shut_down();
        Ok(())
    }

    /// The power of a broker's machine fails: the broker crashes, and of what it wrote to a
    /// [faulty disk](ClusterBuilder::faulty_disk) any part may be lost that was not made durable.
    ///
    /// # Errors
    /// As [`crash`](Cluster::crash).
    pub fn power_off(&self, broker: BrokerId) -> Result<(), Error> {
        self.tell(Input::PowerOff(broker))
    }

    /// A broker makes all of its logs durable now.
    ///
    /// # Errors
    /// As [`crash`](Cluster::crash).
    pub fn flush_logs(&self, broker: BrokerId) -> Result<(), Error> {
        self.tell(Input::FlushLogs(broker))
    }

    /// Something goes wrong with a broker's [faulty disk](ClusterBuilder::faulty_disk).
    ///
    /// # Errors
    /// As [`crash`](Cluster::crash); [`Error::InvalidArgument`] when its disk is not one, or has no
    /// such place.
    pub fn break_disk(&self, broker: BrokerId, fault: DiskFault) -> Result<(), Error> {
        self.tell(Input::BreakDisk(broker, fault))
    }

    /// What the brokers had to do to their logs when they last started.
    #[must_use]
    pub fn recovery(&self) -> Vec<(TopicPartition, RecoveryStep)> {
        let driver = self.shared.look();
        driver.world.brokers().flat_map(|broker| broker.recovery().to_vec()).collect()
    }

    /// A broker or a client does nothing for a while, as in a long garbage collection.
    ///
    /// # Errors
    /// As [`crash`](Cluster::crash).
    pub fn pause(&self, node: impl Into<Node>, duration: Duration) -> Result<(), Error> {
        self.tell(Input::Pause(node.into(), duration))
    }

    fn tell(&self, input: Input<'_>) -> Result<(), Error> {
        let mut driver = self.shared.enter()?;
        match driver.apply(input) {
            Output::NoSuchNode(node) => {
                Err(Error::InvalidArgument(format!("{node:?} does not exist")))
            }
            Output::Refused(why) => Err(Error::InvalidArgument(why)),
            Output::CannotStart(why) => Err(Error::Storage(why)),
            _ => driver.take_broken(),
        }
    }

    /// A copy of the whole world.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for a cluster in a directory, which cannot be copied.
    pub fn snapshot(&self) -> Result<Snapshot, Error> {
        self.check_copy()?;
        Ok(Snapshot::new(&self.shared))
    }

    fn check_copy(&self) -> Result<(), Error> {
        match self.shared.look().world.lies_in_a_directory() {
            false => Ok(()),
            true => Err(Error::InvalidArgument(
                "a cluster in a directory cannot be copied: two cannot write to the same files"
                    .to_owned(),
            )),
        }
    }

    /// Goes back to a snapshot of this cluster. Handles that are older than the snapshot go on from
    /// there; younger ones, and calls that wait, get [`Error::Rewound`]. What of the user's belongs to
    /// a handle stays what it is: the listener that a consumer subscribed with last.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for a snapshot of another cluster, [`Error::ConcurrentDrive`].
    pub fn restore(&self, snapshot: &Snapshot) -> Result<(), Error> {
        let state = snapshot.state_for(&self.shared)?;
        self.shared.enter()?.restore(state);
        Ok(())
    }

    /// A cluster that is equal now and goes its own way from here. Handles are bound to it with
    /// their `on`.
    ///
    /// # Errors
    /// As [`snapshot`](Cluster::snapshot).
    pub fn fork(&self) -> Result<Cluster, Error> {
        self.check_copy()?;
        let fork = self.shared.look().fork();
        Ok(Cluster { shared: Shared::new(fork) })
    }

    /// Goes back to the moment before the last event; needs a journal.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] without a journal, or when no event has happened yet.
    pub fn step_back(&self) -> Result<(), Error> {
        self.shared.enter()?.step_back()
    }

    /// What differs between this cluster and a snapshot: from the snapshot to now.
    #[must_use]
    pub fn diff(&self, since: &Snapshot) -> StateDiff {
        since.world().diff(&self.shared.look().world)
    }

    /// The state of everything that has a name, a line each.
    #[must_use]
    pub fn describe(&self) -> std::collections::BTreeMap<String, String> {
        self.shared.look().world.describe()
    }

    /// Polls several consumers at once, driving the world once for all of them, until one of them
    /// has records or fails, or the time is up. Gives what each of them got, in their order.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for consumers of different clusters or one without an assignment,
    /// [`Error::Stalled`], [`Error::InvariantBroken`], [`Error::ConcurrentDrive`]; nobody has been
    /// given anything then.
    pub fn poll_all(
        &self,
        consumers: &mut [&mut Consumer],
        timeout: Duration,
    ) -> Result<Vec<Result<Vec<ConsumerRecord>, Error>>, Error> {
        poll_all::poll_all(&self.shared, consumers, timeout)
    }
}
