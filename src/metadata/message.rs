//! One metadata record, by its schema.

use std::fmt;

use super::schema::{self, Schema};
use super::wire::{Reader, default_of, put_fields, put_uvarint};
use crate::types::TopicId;

/// The version of the frame around each record.
const FRAME_VERSION: u32 = 1;

/// What a field holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// Nothing.
    Null,
    /// True or false.
    Bool(bool),
    /// A number of any width.
    Int(i64),
    /// A 128-bit id.
    Uuid(TopicId),
    /// Text.
    String(String),
    /// Bytes.
    Bytes(Vec<u8>),
    /// One after the other.
    Array(Vec<Value>),
    /// Fields, in the order of the schema.
    Struct(Vec<Value>),
}

/// A metadata record: one whose schema is known, or the bytes of one whose is not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    pub(super) api_key: u16,
    pub(super) version: u16,
    pub(super) body: Body,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Body {
    Fields(Vec<Value>),
    Unknown(Vec<u8>),
}

/// What is wrong with the bytes of a metadata record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MetadataError {
    /// Where, in bytes from the record's start.
    pub position: usize,
    /// What should stand there.
    pub expected: &'static str,
}

impl fmt::Display for MetadataError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a metadata record lacks {} at byte {}", self.expected, self.position)
    }
}

impl std::error::Error for MetadataError {}

impl Message {
    /// A record of the latest version with everything at its default.
    ///
    /// # Panics
    /// When there is no record of this name, which is one of Kafka's: `TOPIC_RECORD`.
    #[must_use]
    pub fn new(name: &str) -> Self {
        let schema = schema::named(name).unwrap_or_else(|| panic!("no record is called {name}"));
        let values = schema.fields.iter().map(default_of).collect();
        let (api_key, version) = (schema.api_key, schema.latest);
        Message { api_key, version, body: Body::Fields(values) }
    }

    /// The record in another version, which knows all that it says.
    #[must_use]
    pub fn with_version(self, version: u16) -> Self {
        Message { version, ..self }
    }

    /// Sets a field.
    ///
    /// # Panics
    /// When the record has no such field.
    #[must_use]
    pub fn with(mut self, field: &str, value: Value) -> Self {
        let place = self.place(field).unwrap_or_else(|| panic!("{self:?} has no {field}"));
        if let Body::Fields(values) = &mut self.body {
            values[place] = value;
        }
        self
    }

    fn place(&self, field: &str) -> Option<usize> {
        schema::find(self.api_key)?.fields.iter().position(|known| known.name == field)
    }

    /// What the record is called: `TOPIC_RECORD`; `None` for one of another time.
    #[must_use]
    pub fn name(&self) -> Option<&'static str> {
        self.schema().map(|schema| schema.name)
    }

    pub(super) fn schema(&self) -> Option<&'static Schema> {
        schema::find(self.api_key).filter(|_| matches!(self.body, Body::Fields(_)))
    }

    /// The version of its schema.
    #[must_use]
    pub fn version(&self) -> u16 {
        self.version
    }

    /// A field; [`Value::Null`] for one that it does not have.
    #[must_use]
    pub fn get(&self, field: &str) -> &Value {
        match (&self.body, self.place(field)) {
            (Body::Fields(values), Some(place)) => values.get(place).unwrap_or(&Value::Null),
            _ => &Value::Null,
        }
    }

    /// The bytes of a record's value.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        put_uvarint(&mut out, FRAME_VERSION);
        put_uvarint(&mut out, self.api_key.into());
        put_uvarint(&mut out, self.version.into());
        match (&self.body, schema::find(self.api_key)) {
            (Body::Fields(values), Some(schema)) => {
                put_fields(&mut out, schema.fields, self.version, values);
            }
            (Body::Unknown(bytes), _) => out.extend_from_slice(bytes),
            (Body::Fields(_), None) => unreachable!("a record with fields has a schema"),
        }
        out
    }

    /// Reads the bytes of a record's value. A record, or a version, that Kafka 4.3 does not have is
    /// kept as bytes.
    ///
    /// # Errors
    /// [`MetadataError`] says where the bytes do not fit the schema.
    pub fn decode(bytes: &[u8]) -> Result<Self, MetadataError> {
        let mut reader = Reader::new(bytes);
        if reader.uvarint()? != FRAME_VERSION {
            return Err(MetadataError { position: 0, expected: "frame version 1" });
        }
        let number = |reader: &mut Reader<'_>| {
            let number = reader.uvarint()?;
            u16::try_from(number).map_err(|_| reader.error("a number of 16 bits"))
        };
        let (api_key, version) = (number(&mut reader)?, number(&mut reader)?);
        let known = schema::find(api_key).filter(|schema| version <= schema.latest);
        let body = match known {
            Some(schema) => Body::Fields(reader.fields(schema.fields, version, 0)?),
            None => Body::Unknown(bytes[reader.position()..].to_vec()),
        };
        if known.is_some() && reader.remaining() > 0 {
            return Err(reader.error("its end"));
        }
        Ok(Message { api_key, version, body })
    }
}

impl Value {
    /// The number; 0 for anything else.
    #[must_use]
    pub fn int(&self) -> i64 {
        if let Value::Int(number) = self { *number } else { 0 }
    }

    /// The id; zero for anything else.
    #[must_use]
    pub fn uuid(&self) -> TopicId {
        if let Value::Uuid(id) = self { *id } else { TopicId::ZERO }
    }

    /// The text, if it is any.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        if let Value::String(text) = self { Some(text) } else { None }
    }

    /// The items, if it is an array.
    #[must_use]
    pub fn items(&self) -> Option<&[Value]> {
        if let Value::Array(items) = self { Some(items) } else { None }
    }
}
