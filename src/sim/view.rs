//! Looking into the world without changing it.

use super::world::World;
use crate::api::Assignment;
use crate::broker::Broker;
use crate::coordinator::{Group, GroupCoordinator, GroupState, Member};
use crate::partition::Partition;
use crate::record::RecordBatch;
use crate::storage::Disk;
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

    /// The disk of the broker that leads a partition: what the logs' own lookups read from.
    #[must_use]
    pub fn disk(&self, partition: impl Into<TopicPartition>) -> Option<&'a dyn Disk> {
        let wanted = partition.into();
        let led =
            |broker: &&Broker| broker.partitions().get(&wanted).is_some_and(Partition::is_leader);
        self.world.brokers().find(led).map(Broker::disk)
    }

    /// All groups of all coordinators. Those of a broker that has crashed are as it left them.
    pub fn groups(&self) -> impl Iterator<Item = GroupView<'a>> {
        let coordinators = self.world.brokers().flat_map(Broker::coordinators);
        coordinators.flat_map(|coordinator| {
            let groups = coordinator.groups().iter();
            groups.map(move |(id, group)| GroupView { id, group, coordinator })
        })
    }

    /// A group; `None` when there is no such group.
    #[must_use]
    pub fn group(&self, group_id: &str) -> Option<GroupView<'a>> {
        self.groups().find(|group| group.id() == group_id)
    }
}

/// A group, as its coordinator has it.
#[derive(Clone, Copy, Debug)]
pub struct GroupView<'a> {
    id: &'a str,
    group: &'a Group,
    coordinator: &'a GroupCoordinator,
}

impl<'a> GroupView<'a> {
    /// Its `group.id`.
    #[must_use]
    pub fn id(&self) -> &'a str {
        self.id
    }

    /// Where it stands.
    #[must_use]
    pub fn state(&self) -> GroupState {
        self.group.state()
    }

    /// Its generation; 0 before the first one.
    #[must_use]
    pub fn generation(&self) -> i32 {
        self.group.generation
    }

    /// The id of the member that assigns.
    #[must_use]
    pub fn leader(&self) -> Option<&'a str> {
        self.group.leader.as_deref()
    }

    /// The name of the assignor that the generation uses.
    #[must_use]
    pub fn protocol(&self) -> Option<&'a str> {
        self.group.protocol_name.as_deref()
    }

    /// The members, in the order of their ids.
    pub fn members(&self) -> impl ExactSizeIterator<Item = MemberView<'a>> + use<'a> {
        self.group.members().map(|(id, member)| MemberView { id, member })
    }

    /// How far the group has come: the offset committed of each partition for which there is one.
    pub fn committed(&self) -> impl Iterator<Item = (&'a TopicPartition, Offset)> + use<'a> {
        let records = self.coordinator.committed(self.id);
        records.map(|record| (&record.partition, record.offset))
    }
}

/// A member of a group, as the coordinator has it.
#[derive(Clone, Copy, Debug)]
pub struct MemberView<'a> {
    id: &'a str,
    member: &'a Member,
}

impl<'a> MemberView<'a> {
    /// The id that the coordinator gave it.
    #[must_use]
    pub fn id(&self) -> &'a str {
        self.id
    }

    /// Its `group.instance.id`, if it is a static member.
    #[must_use]
    pub fn group_instance_id(&self) -> Option<&'a str> {
        self.member.instance_id.as_deref()
    }

    /// What the leader has assigned to it, in the leader's order. Nothing while the group
    /// rebalances, and for members that are no consumers.
    #[must_use]
    pub fn assignment(&self) -> Vec<TopicPartition> {
        let read = Assignment::decode(&self.member.assignment);
        read.map_or_else(|_| Vec::new(), |assignment| assignment.partitions)
    }
}
