//! The control records of the controllers' quorum: who leads, who votes, where a snapshot begins
//! and ends.
//!
//! # Simplifications versus Kafka
//!
//! As in Kafka, each is read and written in version 0 whatever its first field says; so the
//! directories of voters, which version 1 of a change of leader has, are not seen.

use super::error::MetadataError;
use super::json::Json;
use super::message::message;
use super::uuid::Uuid;
use super::wire::{Field, Reader};

message! {
    /// A leader has been elected (type 2). The first record of each epoch.
    pub struct LeaderChangeMessage {
        /// The version of the message.
        version: i16 = 0, "version" since 0;
        /// The new leader.
        leader_id: i32 = 0, "leaderId" since 0;
        /// Who may vote.
        voters: Vec<Voter> = Vec::new(), "voters" since 0;
        /// Who voted for it.
        granting_voters: Vec<Voter> = Vec::new(), "grantingVoters" since 0;
    }

    /// A voter of a [`LeaderChangeMessage`].
    pub struct Voter {
        /// Its node id.
        voter_id: i32 = 0, "voterId" since 0;
        /// Its metadata directory.
        voter_directory_id: Uuid = Uuid::ZERO, "voterDirectoryId" since 1;
    }

    /// The first record of a snapshot (type 3).
    pub struct SnapshotHeaderRecord {
        /// The version of the message.
        version: i16 = 0, "version" since 0;
        /// When the last record that the snapshot stands for was appended.
        last_contained_log_timestamp: i64 = 0, "lastContainedLogTimestamp" since 0;
    }

    /// The last record of a snapshot (type 4).
    pub struct SnapshotFooterRecord {
        /// The version of the message.
        version: i16 = 0, "version" since 0;
    }

    /// The version of the quorum's protocol (type 5): 1 allows voters to come and go.
    pub struct KRaftVersionRecord {
        /// The version of the message.
        version: i16 = 0, "version" since 0;
        /// The version of the protocol.
        k_raft_version: i16 = 0, "kRaftVersion" since 0;
    }

    /// The voters of a quorum whose voters may come and go (type 6).
    pub struct VotersRecord {
        /// The version of the message.
        version: i16 = 0, "version" since 0;
        /// The voters.
        voters: Vec<VotersVoter> = Vec::new(), "voters" since 0;
    }

    /// A voter of a [`VotersRecord`].
    pub struct VotersVoter {
        /// Its node id.
        voter_id: i32 = 0, "voterId" since 0;
        /// Its metadata directory.
        voter_directory_id: Uuid = Uuid::ZERO, "voterDirectoryId" since 0;
        /// Where it can be reached.
        endpoints: Vec<VoterEndpoint> = Vec::new(), "endpoints" since 0;
        /// The versions of the protocol that it knows.
        k_raft_version_feature: KRaftVersionFeature = KRaftVersionFeature::default(),
            "kRaftVersionFeature" since 0;
    }

    /// Where a voter can be reached.
    pub struct VoterEndpoint {
        /// The name of the listener.
        name: String = String::new(), "name" since 0;
        /// The host.
        host: String = String::new(), "host" since 0;
        /// The port.
        port: u16 = 0, "port" since 0;
    }

    /// A range of versions of the quorum's protocol.
    pub struct KRaftVersionFeature {
        /// The lowest one.
        min_supported_version: i16 = 0, "minSupportedVersion" since 0;
        /// The highest one.
        max_supported_version: i16 = 0, "maxSupportedVersion" since 0;
    }
}

macro_rules! control_messages {
    ($($number:literal $name:ident($message:ident),)*) => {
        /// A control record of the quorum. Types 0 and 1 end transactions: see
        /// [`ControlRecord`](crate::record::ControlRecord).
        #[derive(Clone, Debug, PartialEq)]
        pub enum ControlMessage {
            $(
                #[allow(missing_docs)]
                $name($message),
            )*
        }

        impl ControlMessage {
            /// Its number, the second one of the record's key.
            #[must_use]
            pub fn control_type(&self) -> i16 {
                match self {
                    $(ControlMessage::$name(_) => $number,)*
                }
            }

            /// The version that it says it has.
            #[must_use]
            pub fn version(&self) -> i16 {
                match self {
                    $(ControlMessage::$name(message) => message.version,)*
                }
            }

            /// The name by which Kafka's dump tool calls it.
            #[must_use]
            pub fn name(&self) -> &'static str {
                match self {
                    $(ControlMessage::$name(_) => stringify!($name),)*
                }
            }

            fn write(&self, out: &mut Vec<u8>) {
                match self {
                    $(ControlMessage::$name(message) => message.write(0, out),)*
                }
            }
        }

        impl Json for ControlMessage {
            fn json(&self, version: i16, out: &mut String) {
                match self {
                    $(ControlMessage::$name(message) => message.json(version, out),)*
                }
            }
        }

        /// Reads the key and the value of a control record; `Ok(None)` for a type that is not of
        /// the quorum.
        ///
        /// # Errors
        /// When something is missing, too short or too long.
        pub fn decode_control(
            key: Option<&[u8]>,
            value: Option<&[u8]>,
        ) -> Result<Option<ControlMessage>, MetadataError> {
            let key = key.ok_or(MetadataError::Missing("key"))?;
            let control_type = control_type(key)?;
            let mut reader = Reader::new(value.unwrap_or_default());
            let (name, message) = match control_type {
                $($number => {
                    let message = $message::read(0, &mut reader).map(ControlMessage::$name);
                    (stringify!($message), message)
                })*
                _ => return Ok(None),
            };
            let message = message.map_err(|fault| MetadataError::Malformed {
                message: name,
                position: fault.position,
                field: fault.field,
            })?;
            match reader.rest().len() {
                0 => Ok(Some(message)),
                bytes => Err(MetadataError::Trailing { message: name, bytes }),
            }
        }
    };
}

control_messages! {
    2 LeaderChange(LeaderChangeMessage),
    3 SnapshotHeader(SnapshotHeaderRecord),
    4 SnapshotFooter(SnapshotFooterRecord),
    5 KRaftVersion(KRaftVersionRecord),
    6 KRaftVoters(VotersRecord),
}

/// A key may have more behind these fields if its version is higher.
fn control_type(key: &[u8]) -> Result<i16, MetadataError> {
    let malformed = |fault: super::wire::Fault| MetadataError::Malformed {
        message: "key of a control record",
        position: fault.position,
        field: fault.field,
    };
    let mut reader = Reader::new(key);
    let version = i16::read(0, &mut reader).map_err(|fault| malformed(fault.within("version")))?;
    if version < 0 {
        return Err(malformed(super::wire::Fault { position: 0, field: "version" }));
    }
    i16::read(0, &mut reader).map_err(|fault| malformed(fault.within("type")))
}

/// The key and the value of the control record.
#[must_use]
pub fn encode_control(message: &ControlMessage) -> ([u8; 4], Vec<u8>) {
    let [high, low] = message.control_type().to_be_bytes();
    let mut value = Vec::new();
    message.write(&mut value);
    ([0, 0, high, low], value)
}

/// A control record as the tool prints it: its name and its JSON.
impl std::fmt::Display for ControlMessage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let colon = if matches!(self, ControlMessage::LeaderChange(_)) { ":" } else { "" };
        write!(f, "{}{colon} {}", self.name(), super::json::control_to_json(self))
    }
}
