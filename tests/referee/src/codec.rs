//! Values and their bytes, as a schema and a version say.

use crate::schema::{Field, Kind};

/// A value on the wire.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// A number, a code, a truth.
    Int(i64),
    /// A string, or null.
    Str(Option<String>),
    /// Bytes, or null.
    Bytes(Option<Vec<u8>>),
    /// The id of a topic.
    Uuid([u8; 16]),
    /// A list, or null.
    List(Option<Vec<Value>>),
    /// Fields by name; fields that the version does not have are missing.
    Struct(Vec<(String, Value)>),
}

impl Value {
    /// A field of a struct.
    pub fn get(&self, name: &str) -> Option<&Value> {
        match self {
            Value::Struct(fields) => {
                fields.iter().find(|field| field.0 == name).map(|field| &field.1)
            }
            _ => None,
        }
    }

    /// The number in a field.
    pub fn int(&self, name: &str) -> Option<i64> {
        match self.get(name)? {
            Value::Int(number) => Some(*number),
            _ => None,
        }
    }

    /// The elements of a list in a field.
    pub fn list(&self, name: &str) -> &[Value] {
        match self.get(name) {
            Some(Value::List(Some(elements))) => elements,
            _ => &[],
        }
    }
}

/// The version of a message, and whether that version is flexible.
#[derive(Clone, Copy)]
pub struct Version {
    /// The number.
    pub number: i16,
    /// Compact lengths and tagged fields.
    pub flexible: bool,
}

/// Writes a message.
pub fn encode(out: &mut Vec<u8>, fields: &[Field], value: &Value, version: Version) {
    for field in fields.iter().filter(|field| field.is_in(version.number)) {
        let value = value.get(&field.name).unwrap_or_else(|| panic!("no value for {}", field.name));
        put(out, &field.kind, value, version);
    }
    if version.flexible {
        out.push(0); // no tagged fields
    }
}

fn put(out: &mut Vec<u8>, kind: &Kind, value: &Value, version: Version) {
    match (kind, value) {
        (Kind::Bool, Value::Int(truth)) => out.push(u8::from(*truth != 0)),
        (_, Value::Int(number)) => {
            let width = width(kind);
            out.extend_from_slice(&number.to_be_bytes()[8 - width..]);
        }
        (_, Value::Uuid(id)) => out.extend_from_slice(id),
        (_, Value::Str(text)) => {
            put_length(out, text.as_ref().map(String::len), version, 2);
            out.extend_from_slice(text.as_deref().unwrap_or("").as_bytes());
        }
        (_, Value::Bytes(bytes)) => {
            put_length(out, bytes.as_ref().map(Vec::len), version, 4);
            out.extend_from_slice(bytes.as_deref().unwrap_or(&[]));
        }
        (Kind::List(list), Value::List(elements)) => {
            put_length(out, elements.as_ref().map(Vec::len), version, 4);
            for element in elements.iter().flatten() {
                put(out, &list.element, element, version);
            }
        }
        (Kind::Struct(fields), value) => encode(out, fields, value, version),
        (kind, value) => panic!("{value:?} is no {kind:?}"),
    }
}

fn width(kind: &Kind) -> usize {
    match kind {
        Kind::Int(width) => usize::from(*width),
        Kind::Millis => 4,
        Kind::Error => 2,
        Kind::ProducerId => 8,
        other => panic!("{other:?} is no number"),
    }
}

fn put_length(out: &mut Vec<u8>, length: Option<usize>, version: Version, width: usize) {
    if version.flexible {
        put_varint(out, length.map_or(0, |length| length as u64 + 1));
    } else {
        let length = length.map_or(-1, |length| length as i64);
        out.extend_from_slice(&length.to_be_bytes()[8 - width..]);
    }
}

fn put_varint(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

/// Reads a message; each error says where.
pub struct Reader<'a> {
    bytes: &'a [u8],
}

impl<'a> Reader<'a> {
    /// Reads these bytes.
    pub fn new(bytes: &'a [u8]) -> Self {
        Reader { bytes }
    }

    /// How many bytes are left.
    pub fn left(&self) -> usize {
        self.bytes.len()
    }

    fn take(&mut self, count: usize) -> Result<&'a [u8], String> {
        if count > self.bytes.len() {
            return Err(format!("{count} bytes wanted, {} there", self.bytes.len()));
        }
        let (taken, rest) = self.bytes.split_at(count);
        self.bytes = rest;
        Ok(taken)
    }

    /// A signed number of so many bytes.
    pub fn int(&mut self, width: usize) -> Result<i64, String> {
        let bytes = self.take(width)?;
        let mut number = i64::from(bytes[0] as i8);
        for byte in &bytes[1..] {
            number = number << 8 | i64::from(*byte);
        }
        Ok(number)
    }

    fn varint(&mut self) -> Result<u64, String> {
        let mut number = 0;
        for shift in (0..70).step_by(7) {
            let byte = self.take(1)?[0];
            number |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(number);
            }
        }
        Err("a varint without an end".into())
    }

    fn length(&mut self, version: Version, width: usize) -> Result<Option<usize>, String> {
        if version.flexible {
            return Ok(self.varint()?.checked_sub(1).map(|length| length as usize));
        }
        Ok(usize::try_from(self.int(width)?).ok())
    }

    /// Skips tagged fields.
    pub fn tags(&mut self) -> Result<(), String> {
        for _ in 0..self.varint()? {
            self.varint()?;
            let length = self.varint()? as usize;
            self.take(length)?;
        }
        Ok(())
    }

    /// Fields in a row.
    pub fn fields(&mut self, fields: &[Field], version: Version) -> Result<Value, String> {
        let mut values = Vec::new();
        for field in fields.iter().filter(|field| field.is_in(version.number)) {
            let value =
                self.value(&field.kind, version).map_err(|e| format!("{}: {e}", field.name))?;
            values.push((field.name.clone(), value));
        }
        if version.flexible {
            self.tags()?;
        }
        Ok(Value::Struct(values))
    }

    fn value(&mut self, kind: &Kind, version: Version) -> Result<Value, String> {
        Ok(match kind {
            Kind::Int(_) | Kind::Millis | Kind::Error | Kind::ProducerId => {
                Value::Int(self.int(width(kind))?)
            }
            Kind::Bool => Value::Int(self.int(1)?),
            Kind::TopicId => {
                let mut id = [0; 16];
                id.copy_from_slice(self.take(16)?);
                Value::Uuid(id)
            }
            Kind::Bytes => match self.length(version, 4)? {
                None => Value::Bytes(None),
                Some(length) => Value::Bytes(Some(self.take(length)?.to_vec())),
            },
            Kind::Str(_) | Kind::Group | Kind::Topic | Kind::Member => {
                match self.length(version, 2)? {
                    None => Value::Str(None),
                    Some(length) => {
                        let bytes = self.take(length)?.to_vec();
                        Value::Str(Some(String::from_utf8(bytes).map_err(|e| e.to_string())?))
                    }
                }
            }
            Kind::List(list) => match self.length(version, 4)? {
                None => Value::List(None),
                Some(count) => {
                    let elements = (0..count).map(|_| self.value(&list.element, version));
                    Value::List(Some(elements.collect::<Result<_, _>>()?))
                }
            },
            Kind::Struct(fields) => self.fields(fields, version)?,
        })
    }
}
