//! Brokers, controllers, and what they are able to do.

use crate::metadata::message::message;
use crate::metadata::uuid::Uuid;

message! {
    /// A broker has registered.
    pub struct RegisterBrokerRecord {
        /// The broker.
        broker_id: i32 = 0, "brokerId" since 0;
        /// Whether it came from ZooKeeper; always false since Kafka 4.
        is_migrating_zk_broker: bool = false, "isMigratingZkBroker" since 2;
        /// Drawn anew each time the broker starts.
        incarnation_id: Uuid = Uuid::ZERO, "incarnationId" since 0;
        /// The offset of this record.
        broker_epoch: i64 = 0, "brokerEpoch" since 0;
        /// Where it can be reached.
        end_points: Vec<Endpoint> = Vec::new(), "endPoints" since 0;
        /// What it is able to do.
        features: Vec<SupportedFeature> = Vec::new(), "features" since 0;
        /// Its rack.
        rack: Option<String> = Some(String::new()), "rack" since 0;
        /// Whether it may not lead yet.
        fenced: bool = true, "fenced" since 0;
        /// Whether it is on its way to stop.
        in_controlled_shutdown: bool = false, "inControlledShutdown" since 1;
        /// Its log directories that can be used.
        log_dirs: Vec<Uuid> = Vec::new(), "logDirs" since 3, tag 0;
        /// Those of them that take no new partitions; null as long as it has not said.
        cordoned_log_dirs: Option<Vec<Uuid>> = None, "cordonedLogDirs" since 4, tag 1;
    }

    /// Where a broker or a controller can be reached.
    pub struct Endpoint {
        /// The name of the listener.
        name: String = String::new(), "name" since 0;
        /// The host.
        host: String = String::new(), "host" since 0;
        /// The port.
        port: u16 = 0, "port" since 0;
        /// How it is spoken to: 0 is PLAINTEXT.
        security_protocol: i16 = 0, "securityProtocol" since 0;
    }

    /// The levels of a feature that a node is able to do.
    pub struct SupportedFeature {
        /// The feature, such as `metadata.version`.
        name: String = String::new(), "name" since 0;
        /// The lowest level.
        min_supported_version: i16 = 0, "minSupportedVersion" since 0;
        /// The highest level.
        max_supported_version: i16 = 0, "maxSupportedVersion" since 0;
    }

    /// A broker is gone for good.
    pub struct UnregisterBrokerRecord {
        /// The broker.
        broker_id: i32 = 0, "brokerId" since 0;
        /// Its epoch.
        broker_epoch: i64 = 0, "brokerEpoch" since 0;
    }

    /// A broker may not lead any more. Not written since 3.2.
    pub struct FenceBrokerRecord {
        /// The broker.
        id: i32 = 0, "id" since 0;
        /// Its epoch.
        epoch: i64 = 0, "epoch" since 0;
    }

    /// A broker may lead. Not written since 3.2.
    pub struct UnfenceBrokerRecord {
        /// The broker.
        id: i32 = 0, "id" since 0;
        /// Its epoch.
        epoch: i64 = 0, "epoch" since 0;
    }

    /// Something has changed about a broker that is registered.
    pub struct BrokerRegistrationChangeRecord {
        /// The broker.
        broker_id: i32 = 0, "brokerId" since 0;
        /// Its epoch.
        broker_epoch: i64 = 0, "brokerEpoch" since 0;
        /// 1 when it may not lead any more, −1 when it may, 0 for no change.
        fenced: i8 = 0, "fenced" since 0, tag 0;
        /// 1 when it is on its way to stop, 0 for no change.
        in_controlled_shutdown: i8 = 0, "inControlledShutdown" since 1, tag 1;
        /// Its log directories that can be used.
        log_dirs: Vec<Uuid> = Vec::new(), "logDirs" since 2, tag 2;
        /// Those of them that take no new partitions; null for no change.
        cordoned_log_dirs: Option<Vec<Uuid>> = None, "cordonedLogDirs" since 3, tag 3;
    }

    /// A controller has registered.
    pub struct RegisterControllerRecord {
        /// The controller.
        controller_id: i32 = 0, "controllerId" since 0;
        /// Drawn anew each time the controller starts.
        incarnation_id: Uuid = Uuid::ZERO, "incarnationId" since 0;
        /// Whether it could come from ZooKeeper; always false since Kafka 4.
        zk_migration_ready: bool = false, "zkMigrationReady" since 0;
        /// Where it can be reached.
        end_points: Vec<Endpoint> = Vec::new(), "endPoints" since 0;
        /// What it is able to do.
        features: Vec<SupportedFeature> = Vec::new(), "features" since 0;
    }

    /// The level of a feature that counts for the whole cluster.
    pub struct FeatureLevelRecord {
        /// The feature, such as `metadata.version`.
        name: String = String::new(), "name" since 0;
        /// The level; 0 is *off*.
        feature_level: i16 = 0, "featureLevel" since 0;
    }

    /// How far the cluster is on its way from ZooKeeper.
    pub struct ZkMigrationStateRecord {
        /// 0 none, 1 migration, 2 before, 3 after.
        zk_migration_state: i8 = 0, "zkMigrationState" since 0;
    }
}
