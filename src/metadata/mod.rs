//! What a cluster writes down of itself, in Kafka's own bytes: the records of
//! `__cluster_metadata-0`, and the small files of a broker's directory.
//!
//! Kafka describes each record by a schema: fields with types, the versions that have them, and
//! tags for those that are written only when they are not what one expects. [`schema`] holds the
//! schemas of Kafka 4.3 as a table; a [`Message`] is whatever fits one of them, so that every record
//! of a real log can be read, shown and written again, byte for byte, also those that mean nothing
//! to this crate.
//!
//! | bytes of a record's value | what |
//! |---|---|
//! | unsigned varint | 1, the version of this frame |
//! | unsigned varint | which record: its API key |
//! | unsigned varint | the version of its schema |
//! | … | its fields, then its tagged fields |
//!
//! Everything here is pure: no disk, no clock.

pub mod files;
mod json;
mod message;
mod schema;
#[cfg(test)]
mod tests;
mod wire;

pub use message::{Message, MetadataError, Value};
