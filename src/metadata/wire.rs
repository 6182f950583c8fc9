//! The flexible encoding of Kafka's messages: how a field is written and read.
//!
//! Numbers are big-endian. Strings, bytes and arrays have a varint of their length + 1 in front, 0
//! for null. A structure ends with its tagged fields: how many, and for each its tag, its size and
//! its bytes, by rising tag.

use bytes::Bytes;

use super::uuid::Uuid;

/// Where reading came to a stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    /// In bytes from the beginning.
    pub position: usize,
    /// The field; empty as long as only its type is known.
    pub field: &'static str,
}

impl Fault {
    /// Names the field, unless one within it has been named.
    #[must_use]
    pub fn within(self, field: &'static str) -> Self {
        if self.field.is_empty() { Fault { field, ..self } } else { self }
    }
}

/// A tagged field that a message does not know, kept as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaggedField {
    /// Its number.
    pub tag: u32,
    /// What it holds.
    pub bytes: Bytes,
}

/// What a message may hold.
pub trait Field: Sized {
    /// Appends the field, as a structure of this version has it.
    fn write(&self, version: i16, out: &mut Vec<u8>);

    /// Reads it.
    ///
    /// # Errors
    /// Where the bytes end too early, or hold what cannot be.
    fn read(version: i16, reader: &mut Reader<'_>) -> Result<Self, Fault>;
}

/// Appends a varint without a sign.
pub fn put_varint(out: &mut Vec<u8>, mut rest: u32) {
    while rest >= 0x80 {
        out.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    out.push(rest as u8);
}

/// Appends the length of something that is there, + 1.
fn put_len(out: &mut Vec<u8>, len: usize) {
    put_varint(out, len as u32 + 1);
}

/// Appends the fields that end a structure.
pub fn put_tagged(out: &mut Vec<u8>, mut fields: Vec<TaggedField>) {
    fields.sort_by_key(|field| field.tag);
    put_varint(out, fields.len() as u32);
    for field in fields {
        put_varint(out, field.tag);
        put_varint(out, field.bytes.len() as u32);
        out.extend_from_slice(&field.bytes);
    }
}

/// Reads one thing after the other.
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    /// From the beginning.
    #[must_use]
    pub fn new(bytes: &'a [u8]) -> Self {
        Reader { bytes, at: 0 }
    }

    /// How many bytes have been read.
    #[must_use]
    pub fn position(&self) -> usize {
        self.at
    }

    /// What follows.
    #[must_use]
    pub fn rest(&self) -> &'a [u8] {
        &self.bytes[self.at..]
    }

    fn fault(&self) -> Fault {
        Fault { position: self.at, field: "" }
    }

    /// Takes so many bytes.
    ///
    /// # Errors
    /// When there are fewer.
    pub fn take(&mut self, len: usize) -> Result<&'a [u8], Fault> {
        let taken = self.rest().get(..len).ok_or(self.fault())?;
        self.at += len;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Fault> {
        let taken = self.rest().first_chunk::<N>().ok_or(self.fault())?;
        self.at += N;
        Ok(*taken)
    }

    /// A varint without a sign, of five bytes at most.
    ///
    /// # Errors
    /// When it is longer or does not fit 32 bits.
    pub fn varint(&mut self) -> Result<u32, Fault> {
        let fault = self.fault();
        let mut value = 0_u64;
        for shift in (0..35).step_by(7) {
            let [byte] = self.array()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return u32::try_from(value).map_err(|_| fault);
            }
        }
        Err(fault)
    }

    /// The length of what follows; `None` is null.
    fn nullable_len(&mut self) -> Result<Option<usize>, Fault> {
        Ok(self.varint()?.checked_sub(1).map(|len| len as usize))
    }

    fn len(&mut self) -> Result<usize, Fault> {
        let fault = self.fault();
        self.nullable_len()?.ok_or(fault)
    }

    /// So many items. Each has a byte at least, so a count that the rest cannot hold is refused.
    fn items<T: Field>(&mut self, version: i16, count: usize) -> Result<Vec<T>, Fault> {
        if count > self.rest().len() {
            return Err(self.fault());
        }
        let mut items = Vec::new();
        for _ in 0..count {
            items.push(T::read(version, self)?);
        }
        Ok(items)
    }

    fn text(&mut self, len: usize) -> Result<String, Fault> {
        let fault = self.fault();
        String::from_utf8(self.take(len)?.to_vec()).map_err(|_| fault)
    }

    /// The fields that end a structure: `take` is given each tag with a reader that ends where the
    /// field does, and says whether it has read it. Those that it leaves are returned.
    ///
    /// # Errors
    /// For sizes without the bytes for them, tags that do not rise, and fields that end too early
    /// or too late.
    pub fn tagged(
        &mut self,
        mut take: impl FnMut(u32, &mut Reader<'a>) -> Result<bool, Fault>,
    ) -> Result<Vec<TaggedField>, Fault> {
        let mut unknown = Vec::new();
        let mut next = 0;
        for _ in 0..self.varint()? {
            let fault = self.fault().within("tagged field");
            let tag = self.varint()?;
            if u64::from(tag) < next {
                return Err(fault);
            }
            next = u64::from(tag) + 1;
            let len = self.varint()? as usize;
            let begin = self.at;
            let bytes = self.take(len).map_err(|_| fault)?;
            let mut field = Reader { bytes: &self.bytes[..self.at], at: begin };
            if !take(tag, &mut field)? {
                unknown.push(TaggedField { tag, bytes: Bytes::copy_from_slice(bytes) });
            } else if field.at != self.at {
                return Err(fault);
            }
        }
        Ok(unknown)
    }
}

macro_rules! number {
    ($($number:ty),*) => {$(
        impl Field for $number {
            fn write(&self, _: i16, out: &mut Vec<u8>) {
                out.extend_from_slice(&self.to_be_bytes());
            }

            fn read(_: i16, reader: &mut Reader<'_>) -> Result<Self, Fault> {
                reader.array().map(<$number>::from_be_bytes)
            }
        }
    )*};
}

number!(i8, i16, u16, i32, i64, f64);

impl Field for bool {
    fn write(&self, _: i16, out: &mut Vec<u8>) {
        out.push(u8::from(*self));
    }

    fn read(_: i16, reader: &mut Reader<'_>) -> Result<Self, Fault> {
        reader.array::<1>().map(|[byte]| byte != 0)
    }
}

impl Field for Uuid {
    fn write(&self, _: i16, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.0.to_be_bytes());
    }

    fn read(_: i16, reader: &mut Reader<'_>) -> Result<Self, Fault> {
        reader.array().map(u128::from_be_bytes).map(Uuid)
    }
}

impl Field for String {
    fn write(&self, _: i16, out: &mut Vec<u8>) {
        put_len(out, self.len());
        out.extend_from_slice(self.as_bytes());
    }

    fn read(_: i16, reader: &mut Reader<'_>) -> Result<Self, Fault> {
        let len = reader.len()?;
        reader.text(len)
    }
}

impl Field for Option<String> {
    fn write(&self, version: i16, out: &mut Vec<u8>) {
        match self {
            None => out.push(0),
            Some(text) => text.write(version, out),
        }
    }

    fn read(_: i16, reader: &mut Reader<'_>) -> Result<Self, Fault> {
        let len = reader.nullable_len()?;
        len.map(|len| reader.text(len)).transpose()
    }
}

impl Field for Bytes {
    fn write(&self, _: i16, out: &mut Vec<u8>) {
        put_len(out, self.len());
        out.extend_from_slice(self);
    }

    fn read(_: i16, reader: &mut Reader<'_>) -> Result<Self, Fault> {
        let len = reader.len()?;
        reader.take(len).map(Bytes::copy_from_slice)
    }
}

impl<T: Field> Field for Vec<T> {
    fn write(&self, version: i16, out: &mut Vec<u8>) {
        put_len(out, self.len());
        for item in self {
            item.write(version, out);
        }
    }

    fn read(version: i16, reader: &mut Reader<'_>) -> Result<Self, Fault> {
        let count = reader.len()?;
        reader.items(version, count)
    }
}

impl<T: Field> Field for Option<Vec<T>> {
    fn write(&self, version: i16, out: &mut Vec<u8>) {
        match self {
            None => out.push(0),
            Some(items) => items.write(version, out),
        }
    }

    fn read(version: i16, reader: &mut Reader<'_>) -> Result<Self, Fault> {
        let count = reader.nullable_len()?;
        count.map(|count| reader.items(version, count)).transpose()
    }
}
