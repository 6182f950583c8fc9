//! Records as `poll` gives them out.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;

use crate::client::PolledBatch;
use crate::error::{Error, ErrorCode};
use crate::record::{BatchError, Headers, RecordBatch};
use crate::types::{Offset, Timestamp, TopicPartition};

/// A record as it was read.
///
/// It shares the memory of the batch that it was produced in: cloning it, or keeping its key or
/// value as [`Bytes`], copies nothing and keeps that batch alive.
#[derive(Clone)]
pub struct ConsumerRecord {
    source: Arc<Source>,
    offset: Offset,
    timestamp: Timestamp,
    key: Part,
    value: Part,
    headers: Part,
    header_count: i32,
}

/// What the records of one batch have in common.
#[derive(Debug)]
struct Source {
    partition: TopicPartition,
    batch: RecordBatch,
}

/// A part of a batch's body: from (the upper half), and length (the lower one). No batch is longer
/// than an `int32`.
#[derive(Clone, Copy)]
struct Part(u64);

impl Part {
    const NULL: Part = Part(u64::MAX);

    fn of(body: &[u8], part: &[u8]) -> Part {
        let start = part.as_ptr() as usize - body.as_ptr() as usize;
        Part((start as u64) << 32 | part.len() as u64)
    }

    fn of_nullable(body: &[u8], part: Option<&[u8]>) -> Part {
        part.map_or(Part::NULL, |part| Part::of(body, part))
    }

    fn range(self) -> Option<Range<usize>> {
        let (start, len) = ((self.0 >> 32) as usize, self.0 as u32 as usize);
        (self.0 != Part::NULL.0).then_some(start..start + len)
    }
}

impl ConsumerRecord {
    /// The topic.
    #[must_use]
    pub fn topic(&self) -> &str {
        &self.source.partition.topic
    }

    /// The partition's number.
    #[must_use]
    pub fn partition(&self) -> i32 {
        self.source.partition.partition
    }

    /// Topic and partition.
    #[must_use]
    pub fn topic_partition(&self) -> &TopicPartition {
        &self.source.partition
    }

    /// The offset.
    #[must_use]
    pub fn offset(&self) -> Offset {
        self.offset
    }

    /// The timestamp, in milliseconds since the Unix epoch: the producer's, or the broker's for a
    /// topic with `message.timestamp.type=LogAppendTime`.
    #[must_use]
    pub fn timestamp(&self) -> Timestamp {
        self.timestamp
    }

    /// The key; `None` is null.
    #[must_use]
    pub fn key(&self) -> Option<&[u8]> {
        self.key.range().map(|range| &self.source.batch.body()[range])
    }

    /// The value; `None` is null.
    #[must_use]
    pub fn value(&self) -> Option<&[u8]> {
        self.value.range().map(|range| &self.source.batch.body()[range])
    }

    /// The key, sharing the batch's memory.
    #[must_use]
    pub fn key_bytes(&self) -> Option<Bytes> {
        self.key.range().map(|range| self.source.batch.body().slice(range))
    }

    /// The value, sharing the batch's memory.
    #[must_use]
    pub fn value_bytes(&self) -> Option<Bytes> {
        self.value.range().map(|range| self.source.batch.body().slice(range))
    }

    /// The headers, in order: key, and value where it is not null.
    pub fn headers(&self) -> impl Iterator<Item = (&str, Option<&[u8]>)> {
        let encoded =
            self.headers.range().map_or(&[][..], |range| &self.source.batch.body()[range]);
        // They were decoded once when the record was polled.
        Headers::decode(self.header_count, encoded).filter_map(Result::ok)
    }
}

impl fmt::Debug for ConsumerRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = |bytes: Option<&[u8]>| bytes.map(|bytes| bytes.escape_ascii().to_string());
        f.debug_struct("ConsumerRecord")
            .field("partition", &self.source.partition.to_string())
            .field("offset", &self.offset.0)
            .field("timestamp", &self.timestamp.0)
            .field("key", &text(self.key()))
            .field("value", &text(self.value()))
            .field("headers", &self.header_count)
            .finish()
    }
}

/// Reads the records out of their batches, outside the lock.
pub(super) fn decode(batches: Vec<PolledBatch>) -> Result<Vec<ConsumerRecord>, Error> {
    let mut records = Vec::with_capacity(batches.iter().map(|polled| polled.count).sum());
    for polled in batches {
        let PolledBatch { partition, batch, from, count } = polled;
        let source = Arc::new(Source { partition, batch });
        decode_batch(&source, from, count, &mut records).map_err(|error| {
            let context = format!("a record of {}: {error}", source.partition);
            Error::kafka(ErrorCode::CorruptMessage, context)
        })?;
    }
    Ok(records)
}

fn decode_batch(
    source: &Arc<Source>,
    from: Offset,
    count: usize,
    out: &mut Vec<ConsumerRecord>,
) -> Result<(), BatchError> {
    let (batch, body) = (&source.batch, source.batch.body());
    let skip = if batch.is_dense() { from - batch.base_offset() } else { 0 };
    let records = batch.records().starting_at(skip.max(0) as i32);
    let mut failed = None;
    let mut wanted = records
        .map_while(|record| record.map_err(|error| failed = Some(error)).ok())
        .skip_while(|record| record.offset < from);
    out.extend(wanted.by_ref().take(count).map(|record| {
        let (header_count, headers) = record.encoded_headers();
        ConsumerRecord {
            source: source.clone(),
            offset: record.offset,
            timestamp: record.timestamp,
            key: Part::of_nullable(body, record.key),
            value: Part::of_nullable(body, record.value),
            headers: Part::of(body, headers),
            header_count,
        }
    }));
    failed.map_or(Ok(()), Err)
}
