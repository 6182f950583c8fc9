//! The record that a producer is given.

use std::borrow::Cow;

use bytes::Bytes;

use crate::types::Timestamp;

/// A key, a value or the value of a header: borrowed from the caller, or shared with it.
#[derive(Clone, Debug)]
pub enum Payload<'a> {
    /// Bytes of the caller, copied into the batch by `send`.
    Borrowed(&'a [u8]),
    /// Shared or owned bytes, likewise copied into the batch by `send`.
    Shared(Bytes),
}

impl Payload<'_> {
    /// The bytes.
    #[must_use]
    pub fn as_slice(&self) -> &[u8] {
        match self {
            Payload::Borrowed(bytes) => bytes,
            Payload::Shared(bytes) => bytes,
        }
    }

    fn detach(&self) -> Payload<'static> {
        match self {
            Payload::Borrowed(bytes) => Payload::Shared(Bytes::copy_from_slice(bytes)),
            Payload::Shared(bytes) => Payload::Shared(bytes.clone()),
        }
    }
}

impl<'a> From<&'a str> for Payload<'a> {
    fn from(text: &'a str) -> Self {
        Payload::Borrowed(text.as_bytes())
    }
}

impl<'a> From<&'a String> for Payload<'a> {
    fn from(text: &'a String) -> Self {
        Payload::Borrowed(text.as_bytes())
    }
}

impl From<String> for Payload<'_> {
    fn from(text: String) -> Self {
        Payload::Shared(text.into())
    }
}

impl<'a> From<&'a [u8]> for Payload<'a> {
    fn from(bytes: &'a [u8]) -> Self {
        Payload::Borrowed(bytes)
    }
}

impl<'a, const N: usize> From<&'a [u8; N]> for Payload<'a> {
    fn from(bytes: &'a [u8; N]) -> Self {
        Payload::Borrowed(bytes)
    }
}

impl From<Vec<u8>> for Payload<'_> {
    fn from(bytes: Vec<u8>) -> Self {
        Payload::Shared(bytes.into())
    }
}

impl From<Bytes> for Payload<'_> {
    fn from(bytes: Bytes) -> Self {
        Payload::Shared(bytes)
    }
}

/// A record to send: a topic, and whatever else is set. Without a partition the producer's
/// partitioner chooses; without a timestamp it is the time of `send`.
///
/// ```
/// use kafkarium::Record;
/// let record = Record::to("orders").key("alice").value("espresso").header("till", "3");
/// assert_eq!(record.topic(), "orders");
/// ```
#[derive(Clone, Debug)]
pub struct Record<'a> {
    pub(crate) topic: Cow<'a, str>,
    pub(crate) partition: Option<i32>,
    pub(crate) timestamp: Option<Timestamp>,
    pub(crate) key: Option<Payload<'a>>,
    pub(crate) value: Option<Payload<'a>>,
    pub(crate) headers: Vec<(Cow<'a, str>, Option<Payload<'a>>)>,
}

impl<'a> Record<'a> {
    /// A record for a topic, with neither key nor value yet.
    #[must_use]
    pub fn to(topic: &'a str) -> Self {
        Record {
            topic: Cow::Borrowed(topic),
            partition: None,
            timestamp: None,
            key: None,
            value: None,
            headers: Vec::new(),
        }
    }

    /// The key. Records of one key go to one partition.
    #[must_use]
    pub fn key(mut self, key: impl Into<Payload<'a>>) -> Self {
        self.key = Some(key.into());
        self
    }

    /// The value. A record with a key and without a value is a *tombstone*.
    #[must_use]
    pub fn value(mut self, value: impl Into<Payload<'a>>) -> Self {
        self.value = Some(value.into());
        self
    }

    /// Adds a header.
    #[must_use]
    pub fn header(mut self, key: &'a str, value: impl Into<Payload<'a>>) -> Self {
        self.headers.push((Cow::Borrowed(key), Some(value.into())));
        self
    }

    /// Adds a header whose value is null.
    #[must_use]
    pub fn null_header(mut self, key: &'a str) -> Self {
        self.headers.push((Cow::Borrowed(key), None));
        self
    }

    /// The partition, past the partitioner.
    #[must_use]
    pub fn partition(mut self, partition: i32) -> Self {
        self.partition = Some(partition);
        self
    }

    /// The timestamp, in milliseconds since the Unix epoch; it must not be negative.
    #[must_use]
    pub fn timestamp(mut self, timestamp: impl Into<Timestamp>) -> Self {
        self.timestamp = Some(timestamp.into());
        self
    }

    /// The topic's name.
    #[must_use]
    pub fn topic(&self) -> &str {
        &self.topic
    }

    /// The key, if there is one.
    #[must_use]
    pub fn key_bytes(&self) -> Option<&[u8]> {
        self.key.as_ref().map(Payload::as_slice)
    }

    /// The value, if there is one.
    #[must_use]
    pub fn value_bytes(&self) -> Option<&[u8]> {
        self.value.as_ref().map(Payload::as_slice)
    }

    /// The same record, independent of the caller's memory.
    #[must_use]
    pub fn detach(&self) -> Record<'static> {
        let header = |(key, value): &(Cow<'a, str>, Option<Payload<'a>>)| {
            (Cow::Owned(key.clone().into_owned()), value.as_ref().map(Payload::detach))
        };
        Record {
            topic: Cow::Owned(self.topic.clone().into_owned()),
            partition: self.partition,
            timestamp: self.timestamp,
            key: self.key.as_ref().map(Payload::detach),
            value: self.value.as_ref().map(Payload::detach),
            headers: self.headers.iter().map(header).collect(),
        }
    }
}
