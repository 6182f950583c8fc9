//! `partition.metadata`: the topic's id, in the directory of each partition. Two lines, the last
//! one without an end.
//!
//! # Simplifications versus Kafka
//!
//! Kafka does not look at what stands before the colons.

use std::fmt;

use super::error::{FileError, FileFault, text};
use crate::metadata::uuid::Uuid;

/// What `partition.metadata` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PartitionMetadata {
    /// The version of the file: 0. A later Kafka's higher ones are read as this one.
    pub version: i32,
    /// The topic's id.
    pub topic_id: Uuid,
}

impl PartitionMetadata {
    /// For a topic.
    #[must_use]
    pub fn new(topic_id: Uuid) -> Self {
        PartitionMetadata { version: 0, topic_id }
    }

    /// Reads the file.
    ///
    /// # Errors
    /// Which line is wrong, or what is missing.
    pub fn parse(bytes: &[u8]) -> Result<Self, FileError> {
        let text = text(bytes)?;
        let mut lines = text.lines();
        let mut value = |line, name: &'static str| {
            let text = lines.next().ok_or(FileError::missing(line, name))?;
            let value = text.strip_prefix(name).and_then(|rest| rest.strip_prefix(':'));
            let value = value.filter(|value| value.starts_with([' ', '\t']));
            value.map(str::trim).ok_or(FileError::expected(line, name))
        };
        let version = value(1, "version")?;
        let version: i32 = version.parse().map_err(|_| FileError::expected(1, "version"))?;
        if version < 0 {
            return Err(FileError { line: 1, fault: FileFault::Version(i64::from(version)) });
        }
        let topic_id = value(2, "topic_id")?.parse().ok().filter(|id| *id != Uuid::ZERO);
        let topic_id = topic_id.ok_or(FileError::expected(2, "topic_id"))?;
        Ok(PartitionMetadata { version, topic_id })
    }
}

/// The file.
impl fmt::Display for PartitionMetadata {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "version: {}\ntopic_id: {}", self.version, self.topic_id)
    }
}
