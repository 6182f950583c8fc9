//! Kafka's primitive types as bytes: what groups write and send that is opaque to brokers.
//!
//! Numbers are big-endian. A string is an int16 length and so many bytes of UTF-8, −1 for null;
//! bytes have an int32 length, −1 for null, as arrays have. A compact string has a varint of its
//! length + 1.

use std::fmt;

use bytes::Bytes;

/// What is wrong with bytes that were to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DecodeError {
    /// Where the bytes end too early, or hold what cannot be.
    pub position: usize,
    /// What should stand there.
    pub expected: &'static str,
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no {} at byte {}", self.expected, self.position)
    }
}

impl std::error::Error for DecodeError {}

/// A string is longer than the 32767 bytes that its length can tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StringTooLong {
    /// How long it is, in bytes.
    pub bytes: usize,
}

impl fmt::Display for StringTooLong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a string of {} bytes: Kafka's strings have 32767 at most", self.bytes)
    }
}

impl std::error::Error for StringTooLong {}

/// Appends a string, or null.
///
/// # Errors
/// When it is too long; nothing is appended then.
pub fn put_string(out: &mut Vec<u8>, text: Option<&str>) -> Result<(), StringTooLong> {
    let too_long = |text: &str| StringTooLong { bytes: text.len() };
    let len = text.map(|text| i16::try_from(text.len()).map_err(|_| too_long(text)));
    out.extend_from_slice(&len.transpose()?.unwrap_or(-1).to_be_bytes());
    out.extend_from_slice(text.unwrap_or_default().as_bytes());
    Ok(())
}

/// Appends bytes, or null.
pub fn put_bytes(out: &mut Vec<u8>, bytes: Option<&[u8]>) {
    put_i32(out, bytes.map_or(-1, |bytes| bytes.len() as i32));
    out.extend_from_slice(bytes.unwrap_or_default());
}

/// Appends an int32.
pub fn put_i32(out: &mut Vec<u8>, number: i32) {
    out.extend_from_slice(&number.to_be_bytes());
}

/// Reads one thing after the other.
#[derive(Debug)]
pub struct Reader<'a> {
    bytes: &'a Bytes,
    at: usize,
}

impl<'a> Reader<'a> {
    /// From the beginning.
    #[must_use]
    pub fn new(bytes: &'a Bytes) -> Self {
        Reader { bytes, at: 0 }
    }

    /// How many bytes follow.
    #[must_use]
    pub fn remaining(&self) -> usize {
        self.bytes.len() - self.at
    }

    fn take(&mut self, len: usize, expected: &'static str) -> Result<Bytes, DecodeError> {
        if len > self.remaining() {
            return Err(DecodeError { position: self.at, expected });
        }
        let taken = self.bytes.slice(self.at..self.at + len);
        self.at += len;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self, expected: &'static str) -> Result<[u8; N], DecodeError> {
        let mut array = [0; N];
        array.copy_from_slice(&self.take(N, expected)?);
        Ok(array)
    }

    /// An int16.
    ///
    /// # Errors
    /// At the end of the bytes, as everything here.
    pub fn i16(&mut self) -> Result<i16, DecodeError> {
        self.array("int16").map(i16::from_be_bytes)
    }

    /// An int32.
    ///
    /// # Errors
    /// At the end of the bytes.
    pub fn i32(&mut self) -> Result<i32, DecodeError> {
        self.array("int32").map(i32::from_be_bytes)
    }

    /// An int64.
    ///
    /// # Errors
    /// At the end of the bytes.
    pub fn i64(&mut self) -> Result<i64, DecodeError> {
        self.array("int64").map(i64::from_be_bytes)
    }

    /// An array, whose items `read` reads. The smallest one has so many bytes: a count that the
    /// rest cannot hold is refused before anything is allocated for it.
    ///
    /// # Errors
    /// For null, for a count without the bytes for it, and where an item is damaged.
    pub fn items<T>(
        &mut self,
        smallest: usize,
        mut read: impl FnMut(&mut Self) -> Result<T, DecodeError>,
    ) -> Result<Vec<T>, DecodeError> {
        let error = DecodeError { position: self.at, expected: "array" };
        let count = usize::try_from(self.i32()?).map_err(|_| error)?;
        if count > self.remaining() / smallest.max(1) {
            return Err(error);
        }
        let mut items = Vec::with_capacity(count);
        for _ in 0..count {
            items.push(read(self)?);
        }
        Ok(items)
    }

    /// Bytes, or null.
    ///
    /// # Errors
    /// For a length without the bytes for it.
    pub fn nullable_bytes(&mut self) -> Result<Option<Bytes>, DecodeError> {
        let error = DecodeError { position: self.at, expected: "bytes" };
        match self.i32()? {
            -1 => Ok(None),
            len => self.take(usize::try_from(len).map_err(|_| error)?, "bytes").map(Some),
        }
    }

    /// Bytes.
    ///
    /// # Errors
    /// For null, and for a length without the bytes for it.
    pub fn bytes(&mut self) -> Result<Bytes, DecodeError> {
        let error = DecodeError { position: self.at, expected: "bytes" };
        self.nullable_bytes()?.ok_or(error)
    }

    /// A string, or null.
    ///
    /// # Errors
    /// For a length without the bytes for it, and for bytes that are not UTF-8.
    pub fn nullable_string(&mut self) -> Result<Option<String>, DecodeError> {
        let error = DecodeError { position: self.at, expected: "string" };
        let len = self.i16()?;
        if len == -1 {
            return Ok(None);
        }
        let bytes = self.take(usize::try_from(len).map_err(|_| error)?, "string")?;
        String::from_utf8(bytes.into()).map(Some).map_err(|_| error)
    }

    /// A string.
    ///
    /// # Errors
    /// As a nullable one, and for null.
    pub fn string(&mut self) -> Result<String, DecodeError> {
        let error = DecodeError { position: self.at, expected: "string" };
        self.nullable_string()?.ok_or(error)
    }

    /// A varint without a sign, of five bytes at most.
    fn varint(&mut self) -> Result<usize, DecodeError> {
        let error = DecodeError { position: self.at, expected: "varint" };
        let mut value = 0_u64;
        for shift in (0..35).step_by(7) {
            let [byte] = self.array("varint")?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return usize::try_from(value).map_err(|_| error);
            }
        }
        Err(error)
    }

    /// Tagged fields: `take` is given the tag and the bytes of each.
    ///
    /// # Errors
    /// For lengths without the bytes for them, and what `take` refuses.
    pub fn tagged_fields(
        &mut self,
        mut take: impl FnMut(usize, Bytes) -> Result<(), DecodeError>,
    ) -> Result<(), DecodeError> {
        for _ in 0..self.varint()? {
            let (tag, len) = (self.varint()?, self.varint()?);
            let field = self.take(len, "tagged field")?;
            take(tag, field)?;
        }
        Ok(())
    }

    /// A compact string.
    ///
    /// # Errors
    /// As a string.
    pub fn compact_string(&mut self) -> Result<String, DecodeError> {
        let error = DecodeError { position: self.at, expected: "compact string" };
        let len = self.varint()?.checked_sub(1).ok_or(error)?;
        let bytes = self.take(len, "compact string")?;
        String::from_utf8(bytes.into()).map_err(|_| error)
    }
}
