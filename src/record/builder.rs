//! Building a batch: each record is encoded once, straight into the memory that will be stored.

use bytes::Bytes;

use super::batch::{
    ATTRIBUTES, BATCH_OVERHEAD, CONTROL_BIT, CRC, Compression, DELETE_HORIZON_BIT, RECORDS,
    RecordBatch, TIMESTAMP_TYPE_BIT, TRANSACTIONAL_BIT, TimestampType, crc32c,
};
use super::varint;
use crate::types::{ProducerEpoch, ProducerId, Timestamp};

/// What a batch says of itself beside its records. The default is a plain batch of a producer that
/// is not idempotent.
#[derive(Clone, Copy, Debug)]
pub struct BatchOptions {
    /// Whose clock the timestamps are from.
    pub timestamp_type: TimestampType,
    /// The idempotent producer, or none.
    pub producer_id: ProducerId,
    /// Its epoch.
    pub producer_epoch: ProducerEpoch,
    /// The sequence number of the first record; −1 without a producer id.
    pub base_sequence: i32,
    /// Whether it belongs to a transaction.
    pub transactional: bool,
    /// Whether it holds a marker of Kafka's own.
    pub control: bool,
    /// When its tombstones may go; takes the place of the base timestamp.
    pub delete_horizon: Option<Timestamp>,
}

impl Default for BatchOptions {
    fn default() -> Self {
        BatchOptions {
            timestamp_type: TimestampType::CreateTime,
            producer_id: ProducerId::NONE,
            producer_epoch: ProducerEpoch::NONE,
            base_sequence: -1,
            transactional: false,
            control: false,
            delete_horizon: None,
        }
    }
}

/// A batch under construction.
#[derive(Clone, Debug)]
pub struct BatchBuilder {
    options: BatchOptions,
    /// The body, its header still to be filled in, and zeros behind `end`.
    body: Vec<u8>,
    end: usize,
    count: i32,
    last_offset_delta: i32,
    base_timestamp: Timestamp,
    max_timestamp: Timestamp,
}

impl BatchBuilder {
    /// An empty batch.
    #[must_use]
    pub fn new(options: BatchOptions) -> Self {
        BatchBuilder::with_capacity(options, BATCH_OVERHEAD)
    }

    /// An empty batch with room for so many encoded bytes.
    #[must_use]
    pub fn with_capacity(options: BatchOptions, bytes: usize) -> Self {
        let mut body = Vec::with_capacity(bytes.max(BATCH_OVERHEAD));
        body.resize(RECORDS, 0);
        BatchBuilder {
            options,
            body,
            end: RECORDS,
            count: 0,
            last_offset_delta: -1,
            base_timestamp: options.delete_horizon.unwrap_or(Timestamp::NONE),
            max_timestamp: Timestamp::NONE,
        }
    }

    /// The size of the encoded batch so far, in bytes.
    #[must_use]
    pub fn size_in_bytes(&self) -> usize {
        BATCH_OVERHEAD - RECORDS + self.end
    }

    /// The number of records so far.
    #[must_use]
    pub fn record_count(&self) -> i32 {
        self.count
    }

    /// Adds a record at the next offset if the encoded batch is no longer than `limit` bytes
    /// with it; returns its place in the batch, from 0.
    #[inline(always)]
    pub fn append_within(
        &mut self,
        limit: usize,
        timestamp: Timestamp,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        headers: &[(&str, Option<&[u8]>)],
    ) -> Option<i32> {
        let offset_delta = self.last_offset_delta + 1;
        let delta = self.timestamp_delta(timestamp);
        let body = record_body_size(delta, offset_delta, key, value, headers);
        if self.size_in_bytes() + varint::size(body as i64) + body > limit {
            return None;
        }
        Some(self.append_sized(body, offset_delta, timestamp, key, value, headers))
    }

    /// Adds a record at the next offset; returns its place in the batch, from 0.
    pub fn append(
        &mut self,
        timestamp: Timestamp,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        headers: &[(&str, Option<&[u8]>)],
    ) -> i32 {
        self.append_at(self.last_offset_delta + 1, timestamp, key, value, headers)
    }

    /// Adds a record at an offset counted from the batch's first one, leaving a gap as a cleaning
    /// does.
    ///
    /// # Panics
    /// When the offset is not above the one before.
    pub fn append_at(
        &mut self,
        offset_delta: i32,
        timestamp: Timestamp,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        headers: &[(&str, Option<&[u8]>)],
    ) -> i32 {
        assert!(offset_delta > self.last_offset_delta, "offsets of a batch ascend");
        let delta = self.timestamp_delta(timestamp);
        let size = record_body_size(delta, offset_delta, key, value, headers);
        self.append_sized(size, offset_delta, timestamp, key, value, headers)
    }

    /// Encodes a record whose size has been computed.
    #[inline(always)]
    fn append_sized(
        &mut self,
        size: usize,
        offset_delta: i32,
        timestamp: Timestamp,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        headers: &[(&str, Option<&[u8]>)],
    ) -> i32 {
        if self.count == 0 && self.options.delete_horizon.is_none() {
            self.base_timestamp = timestamp;
        }
        let delta = self.timestamp_delta(timestamp);
        let needed = self.end + varint::size(size as i64) + size;
        if needed > self.body.len() {
            self.make_room(needed);
        }
        let mut out = Writer { room: &mut self.body[self.end..needed], at: 0 };
        out.varint(size as i64);
        out.varint(0);
        out.varint(delta);
        out.varint(i64::from(offset_delta));
        out.bytes(key);
        out.bytes(value);
        out.varint(headers.len() as i64);
        for (key, value) in headers {
            out.bytes(Some(key.as_bytes()));
            out.bytes(*value);
        }
        self.end = needed;
        self.last_offset_delta = offset_delta;
        self.max_timestamp = self.max_timestamp.max(timestamp);
        self.count += 1;
        self.count - 1
    }

    #[cold]
    fn make_room(&mut self, needed: usize) {
        // What has been allocated is taken into use bit by bit: a small batch touches little of it.
        let more = (2 * self.body.len()).min(self.body.capacity());
        self.body.resize(needed.max(more), 0);
    }

    #[inline(always)]
    fn timestamp_delta(&self, timestamp: Timestamp) -> i64 {
        if self.count == 0 && self.options.delete_horizon.is_none() {
            return 0;
        }
        timestamp.0.wrapping_sub(self.base_timestamp.0)
    }

    /// Closes the batch: base offset 0, leader epoch unknown.
    #[must_use]
    pub fn build(mut self) -> RecordBatch {
        self.body.truncate(self.end);
        self.fill_in_header();
        let crc = crc32c(&self.body[ATTRIBUTES..]);
        self.body[CRC..CRC + 4].copy_from_slice(&crc.to_be_bytes());
        // A batch that came out small must not hold on to the memory of a large one.
        let body = if self.body.len() * 2 < self.body.capacity() {
            Bytes::copy_from_slice(&self.body)
        } else {
            Bytes::from(self.body)
        };
        RecordBatch::built(body)
    }

    fn fill_in_header(&mut self) {
        let options = self.options;
        let bit = |set: bool, bit: u16| if set { bit } else { 0 };
        let attributes = Compression::None as u16
            | bit(options.timestamp_type == TimestampType::LogAppendTime, TIMESTAMP_TYPE_BIT)
            | bit(options.transactional, TRANSACTIONAL_BIT)
            | bit(options.control, CONTROL_BIT)
            | bit(options.delete_horizon.is_some(), DELETE_HORIZON_BIT);
        let mut at = 0;
        let mut put = |bytes: &[u8]| {
            self.body[at..at + bytes.len()].copy_from_slice(bytes);
            at += bytes.len();
        };
        put(&[2]);
        put(&[0; 4]);
        put(&attributes.to_be_bytes());
        put(&self.last_offset_delta.to_be_bytes());
        put(&self.base_timestamp.0.to_be_bytes());
        put(&self.max_timestamp.0.to_be_bytes());
        put(&options.producer_id.0.to_be_bytes());
        put(&options.producer_epoch.0.to_be_bytes());
        put(&options.base_sequence.to_be_bytes());
        put(&self.count.to_be_bytes());
    }
}

/// What a record's own fields take at most, beside key, value and headers: length, attributes,
/// timestamp delta, offset delta and header count.
const MAX_RECORD_OVERHEAD: usize = 21;

/// The most that a batch with this record alone can take, in bytes. Kafka's producer compares this
/// bound, not the size itself, with `max.request.size`, and reserves it from `buffer.memory`.
#[must_use]
#[inline]
pub fn batch_size_bound(
    key: Option<&[u8]>,
    value: Option<&[u8]>,
    headers: &[(&str, Option<&[u8]>)],
) -> usize {
    let header = |(key, value): &(&str, Option<&[u8]>)| {
        bytes_size(Some(key.as_bytes())) + bytes_size(*value)
    };
    let headers = headers.iter().map(header).sum::<usize>();
    BATCH_OVERHEAD + MAX_RECORD_OVERHEAD + bytes_size(key) + bytes_size(value) + headers
}

#[inline(always)]
fn record_body_size(
    timestamp_delta: i64,
    offset_delta: i32,
    key: Option<&[u8]>,
    value: Option<&[u8]>,
    headers: &[(&str, Option<&[u8]>)],
) -> usize {
    let header = |(key, value): &(&str, Option<&[u8]>)| {
        bytes_size(Some(key.as_bytes())) + bytes_size(*value)
    };
    1 + varint::size(timestamp_delta)
        + varint::size(i64::from(offset_delta))
        + bytes_size(key)
        + bytes_size(value)
        + varint::size(headers.len() as i64)
        + headers.iter().map(header).sum::<usize>()
}

#[inline(always)]
fn bytes_size(bytes: Option<&[u8]>) -> usize {
    bytes.map_or(1, |bytes| varint::size(bytes.len() as i64) + bytes.len())
}

/// Writes into memory that is there already: a vector that grows byte by byte would have to look
/// after its length with each of them.
struct Writer<'a> {
    room: &'a mut [u8],
    at: usize,
}

impl Writer<'_> {
    #[inline(always)]
    fn varint(&mut self, value: i64) {
        self.at += varint::write(&mut self.room[self.at..], value);
    }

    #[inline(always)]
    fn bytes(&mut self, bytes: Option<&[u8]>) {
        let Some(bytes) = bytes else { return self.varint(-1) };
        self.varint(bytes.len() as i64);
        self.room[self.at..self.at + bytes.len()].copy_from_slice(bytes);
        self.at += bytes.len();
    }
}
