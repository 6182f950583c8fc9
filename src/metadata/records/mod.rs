//! The records of `__cluster_metadata`, with Kafka's names, fields and versions (4.3).

mod brokers;
mod security;
mod topics;
mod transactions;

pub use brokers::*;
use bytes::Bytes;
pub use security::*;
pub use topics::*;
pub use transactions::*;

use super::error::MetadataError;
use super::json::Json;
use super::wire::{Fault, Field, Reader, put_varint};

const FRAME_VERSION: u32 = 1;

/// A record: a message and the version that it is written in.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    /// The version of the message.
    pub version: i16,
    /// The message.
    pub message: Message,
}

macro_rules! messages {
    ($($key:literal $name:ident $kafkas:literal to $highest:literal,)*) => {
        /// What a record says.
        #[derive(Clone, Debug, PartialEq)]
        pub enum Message {
            $(
                #[allow(missing_docs)]
                $name($name),
            )*
            /// A message that Kafka 4.3 does not know.
            Other {
                /// Its number.
                api_key: i16,
                /// What follows its version.
                body: Bytes,
            },
        }

        impl Message {
            /// The number by which a record names its message.
            #[must_use]
            pub fn api_key(&self) -> i16 {
                match self {
                    $(Message::$name(_) => $key,)*
                    Message::Other { api_key, .. } => *api_key,
                }
            }

            /// Kafka's name of the type, such as `TOPIC_RECORD`.
            #[must_use]
            pub fn record_type(&self) -> &'static str {
                match self {
                    $(Message::$name(_) => $kafkas,)*
                    Message::Other { .. } => "OTHER",
                }
            }

            fn write(&self, version: i16, out: &mut Vec<u8>) {
                match self {
                    $(Message::$name(message) => message.write(version, out),)*
                    Message::Other { body, .. } => out.extend_from_slice(body),
                }
            }
        }

        impl Json for Message {
            fn json(&self, version: i16, out: &mut String) {
                match self {
                    $(Message::$name(message) => message.json(version, out),)*
                    Message::Other { body, .. } => body.json(version, out),
                }
            }
        }

        fn message(
            api_key: i16,
            version: i16,
            reader: &mut Reader<'_>,
        ) -> Result<Message, MetadataError> {
            let (name, message) = match api_key {
                $($key => {
                    let name = stringify!($name);
                    if version > $highest {
                        return Err(MetadataError::Version {
                            message: name,
                            version,
                            highest: $highest,
                        });
                    }
                    (name, $name::read(version, reader).map(Message::$name))
                })*
                _ => {
                    let body = Bytes::copy_from_slice(reader.rest());
                    return Ok(Message::Other { api_key, body });
                }
            };
            let message = message.map_err(|fault| malformed(name, fault))?;
            match reader.rest().len() {
                0 => Ok(message),
                bytes => Err(MetadataError::Trailing { message: name, bytes }),
            }
        }

        $(
            impl From<$name> for Message {
                fn from(message: $name) -> Self {
                    Message::$name(message)
                }
            }

            impl From<$name> for Record {
                /// In the highest version.
                fn from(message: $name) -> Self {
                    Record { version: $highest, message: Message::$name(message) }
                }
            }
        )*
    };
}

messages! {
    0 RegisterBrokerRecord "REGISTER_BROKER_RECORD" to 4,
    1 UnregisterBrokerRecord "UNREGISTER_BROKER_RECORD" to 0,
    2 TopicRecord "TOPIC_RECORD" to 0,
    3 PartitionRecord "PARTITION_RECORD" to 2,
    4 ConfigRecord "CONFIG_RECORD" to 0,
    5 PartitionChangeRecord "PARTITION_CHANGE_RECORD" to 2,
    7 FenceBrokerRecord "FENCE_BROKER_RECORD" to 0,
    8 UnfenceBrokerRecord "UNFENCE_BROKER_RECORD" to 0,
    9 RemoveTopicRecord "REMOVE_TOPIC_RECORD" to 0,
    10 DelegationTokenRecord "DELEGATION_TOKEN_RECORD" to 0,
    11 UserScramCredentialRecord "USER_SCRAM_CREDENTIAL_RECORD" to 0,
    12 FeatureLevelRecord "FEATURE_LEVEL_RECORD" to 0,
    14 ClientQuotaRecord "CLIENT_QUOTA_RECORD" to 0,
    15 ProducerIdsRecord "PRODUCER_IDS_RECORD" to 0,
    17 BrokerRegistrationChangeRecord "BROKER_REGISTRATION_CHANGE_RECORD" to 3,
    18 AccessControlEntryRecord "ACCESS_CONTROL_ENTRY_RECORD" to 0,
    19 RemoveAccessControlEntryRecord "REMOVE_ACCESS_CONTROL_ENTRY_RECORD" to 0,
    20 NoOpRecord "NO_OP_RECORD" to 0,
    21 ZkMigrationStateRecord "ZK_MIGRATION_STATE_RECORD" to 0,
    22 RemoveUserScramCredentialRecord "REMOVE_USER_SCRAM_CREDENTIAL_RECORD" to 0,
    23 BeginTransactionRecord "BEGIN_TRANSACTION_RECORD" to 0,
    24 EndTransactionRecord "END_TRANSACTION_RECORD" to 0,
    25 AbortTransactionRecord "ABORT_TRANSACTION_RECORD" to 0,
    26 RemoveDelegationTokenRecord "REMOVE_DELEGATION_TOKEN_RECORD" to 0,
    27 RegisterControllerRecord "REGISTER_CONTROLLER_RECORD" to 0,
    28 ClearElrRecord "CLEAR_ELR_RECORD" to 0,
}

/// The record's value; its key is null.
#[must_use]
pub fn encode(record: &Record) -> Vec<u8> {
    let mut out = Vec::new();
    put_varint(&mut out, FRAME_VERSION);
    put_varint(&mut out, u32::from(record.message.api_key().unsigned_abs()));
    put_varint(&mut out, u32::from(record.version.unsigned_abs()));
    record.message.write(record.version, &mut out);
    out
}

/// Reads a record's value.
///
/// # Errors
/// For another frame, a version that Kafka 4.3 does not know, and bytes that are not one message.
pub fn decode(value: &[u8]) -> Result<Record, MetadataError> {
    let mut reader = Reader::new(value);
    let mut number =
        |field| reader.varint().map_err(|fault| malformed("frame", fault.within(field)));
    let frame = number("frame version")?;
    if frame != FRAME_VERSION {
        return Err(MetadataError::FrameVersion(frame));
    }
    let short =
        |what, number| i16::try_from(number).map_err(|_| MetadataError::Number { what, number });
    let api_key = short("api key", number("api key")?)?;
    let version = short("version", number("version")?)?;
    let message = message(api_key, version, &mut reader)?;
    Ok(Record { version, message })
}

fn malformed(message: &'static str, fault: Fault) -> MetadataError {
    MetadataError::Malformed { message, position: fault.position, field: fault.field }
}
