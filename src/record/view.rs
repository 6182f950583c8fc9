//! Reading the records of a batch without copying them.

use super::batch::{Compression, RECORDS, RecordBatch, TimestampType};
use super::error::BatchError;
use super::varint;
use crate::types::{Offset, Timestamp};

/// A record, borrowed from its batch.
#[derive(Clone, Copy, Debug)]
pub struct RecordRef<'a> {
    /// Its offset.
    pub offset: Offset,
    /// Its timestamp, of whichever clock the batch's are.
    pub timestamp: Timestamp,
    /// Its key; `None` is null.
    pub key: Option<&'a [u8]>,
    /// Its value; `None` is null.
    pub value: Option<&'a [u8]>,
    record: i32,
    header_count: i32,
    headers: &'a [u8],
}

impl<'a> RecordRef<'a> {
    /// The headers, in order.
    #[must_use]
    pub fn headers(&self) -> Headers<'a> {
        Headers {
            left: self.header_count,
            reader: Reader { bytes: self.headers },
            record: self.record,
        }
    }

    /// The headers as they are encoded, without their count.
    pub(crate) fn encoded_headers(&self) -> (i32, &'a [u8]) {
        (self.header_count, self.headers)
    }
}

/// The headers of a record.
#[derive(Clone, Debug)]
pub struct Headers<'a> {
    left: i32,
    reader: Reader<'a>,
    record: i32,
}

impl<'a> Headers<'a> {
    /// Headers whose encoding [`RecordRef::encoded_headers`] gave.
    pub(crate) fn decode(count: i32, encoded: &'a [u8]) -> Self {
        Headers { left: count, reader: Reader { bytes: encoded }, record: 0 }
    }
}

impl<'a> Iterator for Headers<'a> {
    type Item = Result<(&'a str, Option<&'a [u8]>), BatchError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.left <= 0 {
            return None;
        }
        self.left -= 1;
        let header = self.reader.header();
        if header.is_none() {
            self.left = 0;
        }
        Some(header.ok_or(BatchError::Malformed { record: self.record, what: "header" }))
    }
}

#[derive(Clone, Debug)]
struct Reader<'a> {
    bytes: &'a [u8],
}

impl<'a> Reader<'a> {
    #[inline(always)]
    fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.bytes.split_at_checked(len)?;
        self.bytes = rest;
        Some(taken)
    }

    /// Bytes behind their length, −1 being null.
    #[inline(always)]
    fn nullable(&mut self) -> Option<Option<&'a [u8]>> {
        match varint::read_i32(&mut self.bytes)? {
            -1 => Some(None),
            len => self.take(usize::try_from(len).ok()?).map(Some),
        }
    }

    fn header(&mut self) -> Option<(&'a str, Option<&'a [u8]>)> {
        let key = self.nullable()??;
        Some((std::str::from_utf8(key).ok()?, self.nullable()?))
    }
}

/// The records of a batch. Ends after the first error.
#[derive(Clone, Debug)]
pub struct Records<'a> {
    batch: &'a RecordBatch,
    reader: Reader<'a>,
    base_timestamp: i64,
    append_time: Option<Timestamp>,
    next: i32,
    count: i32,
    error: Option<BatchError>,
}

impl<'a> Records<'a> {
    pub(super) fn new(batch: &'a RecordBatch) -> Self {
        let error = match batch.compression() {
            Ok(Compression::None) => None,
            Ok(codec) => Some(BatchError::UnsupportedCodec(codec)),
            Err(error) => Some(error),
        };
        let append_time = match batch.timestamp_type() {
            TimestampType::CreateTime => None,
            TimestampType::LogAppendTime => Some(batch.max_timestamp()),
        };
        Records {
            batch,
            reader: Reader { bytes: &batch.body()[RECORDS..] },
            base_timestamp: batch.base_timestamp().0,
            append_time,
            next: 0,
            count: batch.record_count(),
            error,
        }
    }

    /// Checks that nothing follows the last record.
    ///
    /// # Errors
    /// [`BatchError::Trailing`].
    pub fn finish(&self) -> Result<(), BatchError> {
        match self.reader.bytes.len() {
            0 => Ok(()),
            trailing => Err(BatchError::Trailing(trailing)),
        }
    }

    /// Begins behind the first so many records, looking at no more than their lengths.
    #[must_use]
    pub fn starting_at(mut self, record: i32) -> Self {
        self.skip_records(record);
        self
    }

    fn skip_records(&mut self, records: i32) {
        for _ in 0..records {
            let Some(len) = varint::read_i32(&mut self.reader.bytes) else { return };
            if self.reader.take(len.max(0) as usize).is_none() {
                return;
            }
            self.next += 1;
        }
    }

    #[inline(always)]
    fn read(&mut self) -> Result<RecordRef<'a>, &'static str> {
        let len = varint::read_i32(&mut self.reader.bytes).ok_or("length")?;
        let len = usize::try_from(len).map_err(|_| "length")?;
        let mut body = Reader { bytes: self.reader.take(len).ok_or("length")? };
        body.take(1).ok_or("attributes")?;
        let timestamp_delta = varint::read(&mut body.bytes).ok_or("timestamp")?;
        let offset_delta = varint::read_i32(&mut body.bytes).ok_or("offset")?;
        let key = body.nullable().ok_or("key")?;
        let value = body.nullable().ok_or("value")?;
        let header_count =
            varint::read_i32(&mut body.bytes).filter(|&count| count >= 0).ok_or("header count")?;
        let headers = body.bytes;
        for _ in 0..header_count {
            body.header().ok_or("header")?;
        }
        if !body.bytes.is_empty() {
            return Err("length");
        }
        let created = Timestamp(self.base_timestamp.wrapping_add(timestamp_delta));
        Ok(RecordRef {
            offset: self.batch.base_offset() + i64::from(offset_delta),
            timestamp: self.append_time.unwrap_or(created),
            key,
            value,
            record: self.next,
            header_count,
            headers,
        })
    }
}

impl<'a> Iterator for Records<'a> {
    type Item = Result<RecordRef<'a>, BatchError>;

    #[inline(always)]
    fn next(&mut self) -> Option<Self::Item> {
        if self.next >= self.count {
            return None;
        }
        if self.error.is_some() {
            self.next = self.count;
            return self.error.take().map(Err);
        }
        let record = self.read();
        match record {
            Ok(record) => {
                self.next += 1;
                Some(Ok(record))
            }
            Err(what) => {
                let record = std::mem::replace(&mut self.next, self.count);
                Some(Err(BatchError::Malformed { record, what }))
            }
        }
    }
}
