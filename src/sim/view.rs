//! Looking into the world without changing it.

use super::world::World;
use crate::broker::Broker;
use crate::partition::Partition;
use crate::record::RecordBatch;
use crate::types::{BrokerId, Offset, Time, TopicName, TopicPartition};

/// What can be seen of the world at one moment: what `always` checks and tests assert.
#[derive(Clone, Copy, Debug)]
pub struct View<'a> {
    world: &'a World,
}

impl<'a> View<'a> {
    pub(crate) fn new(world: &'a World) -> Self {
        View { world }
    }

    /// The clock.
    #[must_use]
    pub fn now(&self) -> Time {
        self.world.now()
    }

    /// The brokers' ids, in order.
    pub fn brokers(&self) -> impl Iterator<Item = BrokerId> + 'a {
        self.world.brokers().map(Broker::id)
    }

    /// The names of all topics, in order.
    pub fn topics(&self) -> impl Iterator<Item = &'a TopicName> {
        let first = self.world.brokers().next();
        first.into_iter().flat_map(|broker| broker.image().topics().map(|(name, _)| name))
    }

    /// All replicas of all brokers, by broker and partition.
    pub fn replicas(&self) -> impl Iterator<Item = &'a Partition> {
        self.world.brokers().flat_map(|broker| broker.partitions().values())
    }

    /// The batches that the leader of a partition holds, from an offset on, whether or not they lie
    /// below the high watermark. Empty when there is no such partition.
    #[must_use]
    pub fn batches(&self, partition: impl Into<TopicPartition>, from: Offset) -> Vec<RecordBatch> {
        let wanted = partition.into();
        let led =
            |broker: &&Broker| broker.partitions().get(&wanted).is_some_and(Partition::is_leader);
        let leader = self.world.brokers().find(led);
        leader.map_or_else(Vec::new, |broker| broker.batches(&wanted, from))
    }

    /// The leader's replica of a partition; `None` when there is no such partition.
    #[must_use]
    pub fn partition(&self, partition: impl Into<TopicPartition>) -> Option<&'a Partition> {
        let wanted = partition.into();
        self.replicas().find(|replica| *replica.name() == wanted && replica.is_leader())
    }
}
