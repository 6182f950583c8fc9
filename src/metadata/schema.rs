//! The schemas of Kafka 4.3's metadata records, as data.

/// What a field holds.
#[derive(Debug)]
pub(super) enum Type {
    Bool,
    Int8,
    Int16,
    Uint16,
    Int32,
    Int64,
    Uuid,
    String,
    Bytes,
    /// Numbers, ids or structures one after the other.
    Array(&'static Type),
    Struct(&'static [Field]),
}

/// What a field is when nothing is said of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Absent {
    /// 0, false, empty.
    Zero,
    Null,
    Int(i64),
}

/// One field of a record.
#[derive(Debug)]
pub(super) struct Field {
    pub name: &'static str,
    pub kind: Type,
    /// The first version that has it.
    pub since: u16,
    pub nullable: bool,
    /// Its tag, if it is written only when it is not the default.
    pub tag: Option<u32>,
    pub default: Absent,
}

impl Field {
    const fn new(name: &'static str, kind: Type) -> Self {
        Field { name, kind, since: 0, nullable: false, tag: None, default: Absent::Zero }
    }

    const fn since(self, since: u16) -> Self {
        Field { since, ..self }
    }

    const fn nullable(self) -> Self {
        Field { nullable: true, ..self }
    }

    const fn tagged(self, tag: u32, default: Absent) -> Self {
        let nullable = self.nullable || matches!(default, Absent::Null);
        Field { tag: Some(tag), default, nullable, ..self }
    }
}

/// One kind of record.
#[derive(Debug)]
pub(super) struct Schema {
    pub api_key: u16,
    /// As the dump tool writes it.
    pub name: &'static str,
    pub latest: u16,
    pub fields: &'static [Field],
}

/// The schema of an API key.
pub(super) fn find(api_key: u16) -> Option<&'static Schema> {
    SCHEMAS.iter().find(|schema| schema.api_key == api_key)
}

/// The schema of a name.
pub(super) fn named(name: &str) -> Option<&'static Schema> {
    SCHEMAS.iter().find(|schema| schema.name == name)
}

const fn field(name: &'static str, kind: Type) -> Field {
    Field::new(name, kind)
}

use Absent::{Int, Null, Zero};
use Type::{Array, Bool, Bytes, Int8, Int16, Int32, Int64, String, Struct, Uint16, Uuid};

const IDS: Type = Array(&Int32);
const UUIDS: Type = Array(&Uuid);

const ENDPOINTS: Type = Array(&Struct(&[
    field("name", String),
    field("host", String),
    field("port", Uint16),
    field("securityProtocol", Int16),
]));

const FEATURES: Type = Array(&Struct(&[
    field("name", String),
    field("minSupportedVersion", Int16),
    field("maxSupportedVersion", Int16),
]));

static SCHEMAS: &[Schema] = &[
    Schema {
        api_key: 0,
        name: "REGISTER_BROKER_RECORD",
        latest: 4,
        fields: &[
            field("brokerId", Int32),
            field("isMigratingZkBroker", Bool).since(2),
            field("incarnationId", Uuid),
            field("brokerEpoch", Int64),
            field("endPoints", ENDPOINTS),
            field("features", FEATURES),
            field("rack", String).nullable(),
            field("fenced", Bool),
            field("inControlledShutdown", Bool).since(1),
            field("logDirs", UUIDS).since(3).tagged(0, Zero),
            field("cordonedLogDirs", UUIDS).since(4).tagged(1, Null),
        ],
    },
    Schema {
        api_key: 1,
        name: "UNREGISTER_BROKER_RECORD",
        latest: 0,
        fields: &[field("brokerId", Int32), field("brokerEpoch", Int64)],
    },
    Schema {
        api_key: 2,
        name: "TOPIC_RECORD",
        latest: 0,
        fields: &[field("name", String), field("topicId", Uuid)],
    },
    Schema {
        api_key: 3,
        name: "PARTITION_RECORD",
        latest: 2,
        fields: &[
            field("partitionId", Int32),
            field("topicId", Uuid),
            field("replicas", IDS),
            field("isr", IDS),
            field("removingReplicas", IDS),
            field("addingReplicas", IDS),
            field("leader", Int32),
            field("leaderRecoveryState", Int8).tagged(0, Zero),
            field("leaderEpoch", Int32),
            field("partitionEpoch", Int32),
            field("directories", UUIDS).since(1),
            field("eligibleLeaderReplicas", IDS).since(2).tagged(1, Null),
            field("lastKnownElr", IDS).since(2).tagged(2, Null),
        ],
    },
    Schema {
        api_key: 4,
        name: "CONFIG_RECORD",
        latest: 0,
        fields: &[
            field("resourceType", Int8),
            field("resourceName", String),
            field("name", String),
            field("value", String).nullable(),
        ],
    },
    Schema {
        api_key: 5,
        name: "PARTITION_CHANGE_RECORD",
        latest: 2,
        fields: &[
            field("partitionId", Int32),
            field("topicId", Uuid),
            field("isr", IDS).tagged(0, Null),
            field("leader", Int32).tagged(1, Int(-2)),
            field("replicas", IDS).tagged(2, Null),
            field("removingReplicas", IDS).tagged(3, Null),
            field("addingReplicas", IDS).tagged(4, Null),
            field("leaderRecoveryState", Int8).tagged(5, Int(-1)),
            field("directories", UUIDS).since(1).tagged(8, Null),
            field("eligibleLeaderReplicas", IDS).since(2).tagged(6, Null),
            field("lastKnownElr", IDS).since(2).tagged(7, Null),
        ],
    },
    Schema {
        api_key: 7,
        name: "FENCE_BROKER_RECORD",
        latest: 0,
        fields: &[field("id", Int32), field("epoch", Int64)],
    },
    Schema {
        api_key: 8,
        name: "UNFENCE_BROKER_RECORD",
        latest: 0,
        fields: &[field("id", Int32), field("epoch", Int64)],
    },
    Schema {
        api_key: 9,
        name: "REMOVE_TOPIC_RECORD",
        latest: 0,
        fields: &[field("topicId", Uuid)],
    },
    Schema {
        api_key: 11,
        name: "USER_SCRAM_CREDENTIAL_RECORD",
        latest: 0,
        fields: &[
            field("name", String),
            field("mechanism", Int8),
            field("salt", Bytes),
            field("storedKey", Bytes),
            field("serverKey", Bytes),
            field("iterations", Int32),
        ],
    },
    Schema {
        api_key: 12,
        name: "FEATURE_LEVEL_RECORD",
        latest: 0,
        fields: &[field("name", String), field("featureLevel", Int16)],
    },
    Schema {
        api_key: 15,
        name: "PRODUCER_IDS_RECORD",
        latest: 0,
        fields: &[
            field("brokerId", Int32),
            field("brokerEpoch", Int64),
            field("nextProducerId", Int64),
        ],
    },
    Schema {
        api_key: 17,
        name: "BROKER_REGISTRATION_CHANGE_RECORD",
        latest: 3,
        fields: &[
            field("brokerId", Int32),
            field("brokerEpoch", Int64),
            field("fenced", Int8).tagged(0, Zero),
            field("inControlledShutdown", Int8).since(1).tagged(1, Zero),
            field("logDirs", UUIDS).since(2).tagged(2, Zero),
            field("cordonedLogDirs", UUIDS).since(3).tagged(3, Null),
        ],
    },
    Schema {
        api_key: 18,
        name: "ACCESS_CONTROL_ENTRY_RECORD",
        latest: 0,
        fields: &[
            field("id", Uuid),
            field("resourceType", Int8),
            field("resourceName", String),
            field("patternType", Int8),
            field("principal", String),
            field("host", String),
            field("operation", Int8),
            field("permissionType", Int8),
        ],
    },
    Schema {
        api_key: 19,
        name: "REMOVE_ACCESS_CONTROL_ENTRY_RECORD",
        latest: 0,
        fields: &[field("id", Uuid)],
    },
    Schema { api_key: 20, name: "NO_OP_RECORD", latest: 0, fields: &[] },
    Schema {
        api_key: 21,
        name: "ZK_MIGRATION_STATE_RECORD",
        latest: 0,
        fields: &[field("zkMigrationState", Int8)],
    },
    Schema {
        api_key: 22,
        name: "REMOVE_USER_SCRAM_CREDENTIAL_RECORD",
        latest: 0,
        fields: &[field("name", String), field("mechanism", Int8)],
    },
    Schema {
        api_key: 23,
        name: "BEGIN_TRANSACTION_RECORD",
        latest: 0,
        fields: &[field("name", String).tagged(0, Null)],
    },
    Schema { api_key: 24, name: "END_TRANSACTION_RECORD", latest: 0, fields: &[] },
    Schema {
        api_key: 25,
        name: "ABORT_TRANSACTION_RECORD",
        latest: 0,
        fields: &[field("reason", String).tagged(0, Null)],
    },
    Schema {
        api_key: 27,
        name: "REGISTER_CONTROLLER_RECORD",
        latest: 0,
        fields: &[
            field("controllerId", Int32),
            field("incarnationId", Uuid),
            field("zkMigrationReady", Bool),
            field("endPoints", ENDPOINTS),
            field("features", FEATURES),
        ],
    },
];

// Client quotas hold floating point numbers, delegation tokens lists of text. Nothing here writes
// them: they are kept as the bytes that they are.
