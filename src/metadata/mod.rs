//! What a broker's directory says of the cluster: the records of `__cluster_metadata`, and the
//! small files beside the logs, as bytes and back.
//!
//! ```text
//! value of a record:   varint frame version = 1, varint api key, varint version, message
//! key of a record:     null
//! key of a control record:   int16 version = 0, int16 type
//! value of a control record: message
//! ```
//!
//! A message is flexible from its first version on (see [`wire`]); the descriptions in `records/`
//! and [`control`] say which fields it has. What has been decoded is encoded to the same bytes,
//! since a record keeps its version, tagged fields that nobody knows, and a message that nobody
//! knows. [`to_json`] prints records as Kafka's `dump-log` does; [`files`] are the small files.
//!
//! Nothing here reads a disk or knows what records mean together.
//!
//! # Simplifications versus Kafka
//!
//! A field that a version does not have is left out when it is written in this version, whatever it
//! holds; Kafka refuses to write most of them unless they are their default.

pub mod control;
mod error;
pub mod files;
pub mod json;
mod message;
pub mod records;
mod uuid;
pub mod wire;

pub use control::{ControlMessage, decode_control, encode_control};
pub use error::MetadataError;
pub use json::{control_to_json, to_json};
pub use records::{Message, Record, decode, encode};
pub use uuid::{NoUuid, Uuid};
