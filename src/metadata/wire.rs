//! Bytes of the flexible formats: unsigned varints, compact strings and arrays, tagged fields.

use super::message::{MetadataError, Value};
use super::schema::{Absent, Field, Type};
use crate::types::TopicId;

/// How deep structures may lie in each other; the schemas' own have two levels.
const MAX_DEPTH: u32 = 8;

pub(super) fn put_uvarint(out: &mut Vec<u8>, mut number: u32) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

/// Reads one thing after the other.
pub(super) struct Reader<'a> {
    bytes: &'a [u8],
    position: usize,
}

impl<'a> Reader<'a> {
    pub fn new(bytes: &'a [u8]) -> Self {
        Reader { bytes, position: 0 }
    }

    pub fn position(&self) -> usize {
        self.position
    }

    pub fn remaining(&self) -> usize {
        self.bytes.len() - self.position
    }

    pub fn error(&self, expected: &'static str) -> MetadataError {
        MetadataError { position: self.position, expected }
    }

    pub fn take(&mut self, len: usize, expected: &'static str) -> Result<&'a [u8], MetadataError> {
        if len > self.remaining() {
            return Err(self.error(expected));
        }
        let taken = &self.bytes[self.position..self.position + len];
        self.position += len;
        Ok(taken)
    }

    pub fn uvarint(&mut self) -> Result<u32, MetadataError> {
        let start = self.position;
        let mut number = 0_u64;
        for shift in (0..35).step_by(7) {
            let byte = self.take(1, "an unsigned varint")?[0];
            number |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return u32::try_from(number).map_err(|_| MetadataError {
                    position: start,
                    expected: "an unsigned varint of 32 bits",
                });
            }
        }
        Err(MetadataError { position: start, expected: "an unsigned varint of 32 bits" })
    }

    /// A big-endian number of so many bytes, with its sign.
    fn number(&mut self, len: usize) -> Result<i64, MetadataError> {
        let bytes = self.take(len, "a number")?;
        let sign = if bytes[0] >= 0x80 { -1 } else { 0 };
        Ok(bytes.iter().fold(sign, |number, byte| number << 8 | i64::from(*byte)))
    }

    /// The length of something compact; `None` for null.
    fn length(&mut self) -> Result<Option<usize>, MetadataError> {
        Ok(self.uvarint()?.checked_sub(1).map(|len| len as usize))
    }

    pub fn fields(
        &mut self,
        fields: &'static [Field],
        version: u16,
        depth: u32,
    ) -> Result<Vec<Value>, MetadataError> {
        if depth > MAX_DEPTH {
            return Err(self.error("fewer structures in each other"));
        }
        let mut values = Vec::with_capacity(fields.len());
        for field in fields {
            let here = field.since <= version && field.tag.is_none();
            values.push(match here {
                true => self.value(&field.kind, field.nullable, version, depth)?,
                false => default_of(field),
            });
        }
        let mut last = None;
        for _ in 0..self.uvarint()? {
            let tag = self.uvarint()?;
            let size = self.uvarint()? as usize;
            if last.is_some_and(|last| tag <= last) {
                return Err(self.error("tags in ascending order"));
            }
            last = Some(tag);
            let known = |field: &Field| field.tag == Some(tag) && field.since <= version;
            let Some(place) = fields.iter().position(known) else {
                return Err(self.error("a tag of the schema"));
            };
            let end = self.position + size;
            values[place] = self.value(&fields[place].kind, true, version, depth)?;
            if self.position != end {
                return Err(self.error("the end of a tagged field"));
            }
        }
        Ok(values)
    }

    fn value(
        &mut self,
        kind: &'static Type,
        nullable: bool,
        version: u16,
        depth: u32,
    ) -> Result<Value, MetadataError> {
        Ok(match kind {
            Type::Bool => match self.number(1)? {
                0 => Value::Bool(false),
                1 => Value::Bool(true),
                _ => return Err(self.error("0 or 1")),
            },
            Type::Int8 => Value::Int(self.number(1)?),
            Type::Int16 => Value::Int(self.number(2)?),
            Type::Uint16 => Value::Int(self.number(2)? & 0xffff),
            Type::Int32 => Value::Int(self.number(4)?),
            Type::Int64 => Value::Int(self.number(8)?),
            Type::Uuid => {
                let bytes = self.take(16, "a UUID")?;
                Value::Uuid(TopicId(bytes.iter().fold(0, |id, b| id << 8 | u128::from(*b))))
            }
            Type::String | Type::Bytes | Type::Array(_) => {
                let Some(len) = self.length()? else {
                    if nullable {
                        return Ok(Value::Null);
                    }
                    return Err(self.error("something other than null"));
                };
                match kind {
                    Type::String => {
                        let bytes = self.take(len, "text")?;
                        let text = std::str::from_utf8(bytes).map_err(|_| self.error("UTF-8"))?;
                        Value::String(text.to_owned())
                    }
                    Type::Array(item) => {
                        if len > self.remaining() {
                            return Err(self.error("as many items as the array says"));
                        }
                        let items = (0..len).map(|_| self.value(item, false, version, depth + 1));
                        Value::Array(items.collect::<Result<_, _>>()?)
                    }
                    _ => Value::Bytes(self.take(len, "bytes")?.to_vec()),
                }
            }
            Type::Struct(fields) => Value::Struct(self.fields(fields, version, depth + 1)?),
        })
    }
}

/// What a field is when nothing is said of it.
pub(super) fn default_of(field: &Field) -> Value {
    match (field.default, &field.kind) {
        (Absent::Null, _) => Value::Null,
        (Absent::Int(number), _) => Value::Int(number),
        (Absent::Zero, Type::Bool) => Value::Bool(false),
        (Absent::Zero, Type::Uuid) => Value::Uuid(TopicId::ZERO),
        (Absent::Zero, Type::String) => Value::String(String::new()),
        (Absent::Zero, Type::Bytes) => Value::Bytes(Vec::new()),
        (Absent::Zero, Type::Array(_)) => Value::Array(Vec::new()),
        (Absent::Zero, Type::Struct(_)) => Value::Struct(Vec::new()),
        (Absent::Zero, _) => Value::Int(0),
    }
}

/// Appends the fields that a version has, and then those with tags that are not the default.
pub(super) fn put_fields(
    out: &mut Vec<u8>,
    fields: &'static [Field],
    version: u16,
    values: &[Value],
) {
    let here = fields.iter().zip(values).filter(|(field, _)| field.since <= version);
    let (mut tagged, plain): (Vec<_>, Vec<_>) = here.partition(|(field, _)| field.tag.is_some());
    for (field, value) in plain {
        put_value(out, &field.kind, version, value);
    }
    tagged.retain(|(field, value)| **value != default_of(field));
    tagged.sort_by_key(|(field, _)| field.tag);
    put_uvarint(out, tagged.len() as u32);
    for (field, value) in tagged {
        let mut bytes = Vec::new();
        put_value(&mut bytes, &field.kind, version, value);
        put_uvarint(out, field.tag.unwrap_or_default());
        put_uvarint(out, bytes.len() as u32);
        out.extend_from_slice(&bytes);
    }
}

fn put_value(out: &mut Vec<u8>, kind: &'static Type, version: u16, value: &Value) {
    match (kind, value) {
        (_, Value::Null) => put_uvarint(out, 0),
        (_, Value::Bool(flag)) => out.push(u8::from(*flag)),
        (_, Value::Uuid(id)) => out.extend_from_slice(&id.0.to_be_bytes()),
        (_, Value::String(text)) => {
            put_uvarint(out, text.len() as u32 + 1);
            out.extend_from_slice(text.as_bytes());
        }
        (_, Value::Bytes(bytes)) => {
            put_uvarint(out, bytes.len() as u32 + 1);
            out.extend_from_slice(bytes);
        }
        (Type::Array(item), Value::Array(items)) => {
            put_uvarint(out, items.len() as u32 + 1);
            for value in items {
                put_value(out, item, version, value);
            }
        }
        (Type::Struct(fields), Value::Struct(values)) => put_fields(out, fields, version, values),
        (kind, Value::Int(number)) => {
            let len = match kind {
                Type::Int8 => 1,
                Type::Int16 | Type::Uint16 => 2,
                Type::Int32 => 4,
                _ => 8,
            };
            out.extend_from_slice(&number.to_be_bytes()[8 - len..]);
        }
        (kind, value) => panic!("{value:?} does not fit the schema's {kind:?}"),
    }
}
