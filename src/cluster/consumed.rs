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

/// A part of a batch's body: from, and length. No batch is longer than an `int32`.
#[derive(Clone, Copy)]
struct Part {
    start: u32,
    len: u32,
}

impl Part {
    const NULL: Part = Part { start: u32::MAX, len: 0 };

    fn of(body: &[u8], part: &[u8]) -> Part {
        let start = part.as_ptr() as usize - body.as_ptr() as usize;
        Part { start: start as u32, len: part.len() as u32 }
    }

    fn of_nullable(body: &[u8], part: Option<&[u8]>) -> Part {
        part.map_or(Part::NULL, |part| Part::of(body, part))
    }

    fn range(self) -> Option<Range<usize>> {
        let start = self.start as usize;
        (self.start != u32::MAX).then_some(start..start + self.len as usize)
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
    let wanted = out.len() + count;
    for record in batch.records().starting_at(skip.max(0) as i32) {
        let record = record?;
        if record.offset < from {
            continue;
        }
        if out.len() == wanted {
            break;
        }
        let (header_count, headers) = record.encoded_headers();
        out.push(ConsumerRecord {
            source: source.clone(),
            offset: record.offset,
            timestamp: record.timestamp,
            key: Part::of_nullable(body, record.key),
            value: Part::of_nullable(body, record.value),
            headers: Part::of(body, headers),
            header_count,
        });
    }
    Ok(())
}
