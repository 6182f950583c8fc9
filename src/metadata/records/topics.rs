//! Topics, their partitions, and configs.

use crate::metadata::message::message;
use crate::metadata::uuid::Uuid;

/// The resource type of a topic's configs in a [`ConfigRecord`].
pub const TOPIC_RESOURCE: i8 = 2;
/// The resource type of a broker's configs; the name is its id, or empty for all brokers.
pub const BROKER_RESOURCE: i8 = 4;

message! {
    /// A topic has come into being; its partitions follow.
    pub struct TopicRecord {
        /// Its name.
        name: String = String::new(), "name" since 0;
        /// Its id.
        topic_id: Uuid = Uuid::ZERO, "topicId" since 0;
    }

    /// A partition has come into being.
    pub struct PartitionRecord {
        /// Its number.
        partition_id: i32 = -1, "partitionId" since 0;
        /// Its topic.
        topic_id: Uuid = Uuid::ZERO, "topicId" since 0;
        /// The brokers that have it, the preferred leader first.
        replicas: Vec<i32> = Vec::new(), "replicas" since 0;
        /// Those that are in sync.
        isr: Vec<i32> = Vec::new(), "isr" since 0;
        /// Those that are about to give it up.
        removing_replicas: Vec<i32> = Vec::new(), "removingReplicas" since 0;
        /// Those that are about to get it.
        adding_replicas: Vec<i32> = Vec::new(), "addingReplicas" since 0;
        /// Its leader; −1 is none.
        leader: i32 = -1, "leader" since 0;
        /// 1 while it recovers from an unclean election.
        leader_recovery_state: i8 = 0, "leaderRecoveryState" since 0, tag 0;
        /// How many times the leadership has been given out.
        leader_epoch: i32 = -1, "leaderEpoch" since 0;
        /// How many times anything about the partition has changed.
        partition_epoch: i32 = -1, "partitionEpoch" since 0;
        /// The log directory of each replica, in their order.
        directories: Vec<Uuid> = Vec::new(), "directories" since 1;
        /// Replicas that may lead though they are not in sync.
        eligible_leader_replicas: Option<Vec<i32>> = None,
            "eligibleLeaderReplicas" since 2, tag 1;
        /// Those that last could, and have failed since.
        last_known_elr: Option<Vec<i32>> = None, "lastKnownElr" since 2, tag 2;
    }

    /// Something has changed about a partition; what is null has not.
    pub struct PartitionChangeRecord {
        /// Its number.
        partition_id: i32 = -1, "partitionId" since 0;
        /// Its topic.
        topic_id: Uuid = Uuid::ZERO, "topicId" since 0;
        /// Who is in sync now.
        isr: Option<Vec<i32>> = None, "isr" since 0, tag 0;
        /// Who leads now; −1 is none, −2 no change.
        leader: i32 = -2, "leader" since 0, tag 1;
        /// Who has it now.
        replicas: Option<Vec<i32>> = None, "replicas" since 0, tag 2;
        /// Who is about to give it up.
        removing_replicas: Option<Vec<i32>> = None, "removingReplicas" since 0, tag 3;
        /// Who is about to get it.
        adding_replicas: Option<Vec<i32>> = None, "addingReplicas" since 0, tag 4;
        /// 1 when it recovers from an unclean election, 0 when it does not, −1 for no change.
        leader_recovery_state: i8 = -1, "leaderRecoveryState" since 0, tag 5;
        /// The log directory of each replica.
        directories: Option<Vec<Uuid>> = None, "directories" since 1, tag 8;
        /// Replicas that may lead though they are not in sync.
        eligible_leader_replicas: Option<Vec<i32>> = None,
            "eligibleLeaderReplicas" since 2, tag 6;
        /// Those that last could, and have failed since.
        last_known_elr: Option<Vec<i32>> = None, "lastKnownElr" since 2, tag 7;
    }

    /// A topic is gone, with its partitions and configs.
    pub struct RemoveTopicRecord {
        /// The topic.
        topic_id: Uuid = Uuid::ZERO, "topicId" since 0;
    }

    /// The partitions of a topic, or of all when the name is empty, have no replicas any more that
    /// may lead though they are not in sync.
    pub struct ClearElrRecord {
        /// The topic's name.
        topic_name: String = String::new(), "topicName" since 0;
    }

    /// A config has been set, or with a null value is back at its default.
    pub struct ConfigRecord {
        /// Whose config it is: [`TOPIC_RESOURCE`], [`BROKER_RESOURCE`], or a group's or a client's.
        resource_type: i8 = 0, "resourceType" since 0;
        /// The topic's name, the broker's id, or empty for all brokers.
        resource_name: String = String::new(), "resourceName" since 0;
        /// The name of the config.
        name: String = String::new(), "name" since 0;
        /// Its value.
        value: Option<String> = Some(String::new()), "value" since 0;
    }
}
