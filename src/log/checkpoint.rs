//! Checkpoints: files of a few lines that say how far something has come.
//!
//! ```text
//! 0                 the version
//! 2                 how many lines follow
//! orders 0 17       of partitions: topic, number, offset
//! orders 1 4
//! ```
//!
//! `leader-epoch-checkpoint` has lines of an epoch and its first offset instead. Kafka writes the
//! partitions in hash order, this crate by name.

use std::collections::BTreeMap;
use std::fmt;

use super::leader_epochs::EpochEntry;
use crate::types::{LeaderEpoch, Offset, TopicPartition};

/// What is wrong with a checkpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CheckpointError {
    /// It is not text.
    NotText,
    /// A line that is not what it should be, counted from 1.
    Line(usize, &'static str),
    /// It has not as many lines as it says.
    Count {
        /// What it says.
        stated: usize,
        /// What there are.
        found: usize,
    },
}

impl fmt::Display for CheckpointError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CheckpointError::NotText => f.write_str("is not UTF-8"),
            CheckpointError::Line(line, expected) => write!(f, "line {line} is not {expected}"),
            CheckpointError::Count { stated, found } => {
                write!(f, "{stated} entries are stated, {found} found")
            }
        }
    }
}

impl std::error::Error for CheckpointError {}

/// Reads the entries behind the two first lines.
fn parse<T>(
    bytes: &[u8],
    expected: &'static str,
    entry: impl Fn(&mut std::str::Split<'_, char>) -> Option<T>,
) -> Result<Vec<T>, CheckpointError> {
    let text = std::str::from_utf8(bytes).map_err(|_| CheckpointError::NotText)?;
    let mut lines = text.lines();
    if lines.next() != Some("0") {
        return Err(CheckpointError::Line(1, "version 0"));
    }
    let stated = lines.next().and_then(|line| line.parse().ok());
    let stated: usize = stated.ok_or(CheckpointError::Line(2, "a number of entries"))?;
    let mut entries = Vec::new();
    for (i, line) in lines.enumerate() {
        let mut words = line.split(' ');
        let found = entry(&mut words).filter(|_| words.next().is_none());
        entries.push(found.ok_or(CheckpointError::Line(i + 3, expected))?);
    }
    if entries.len() != stated {
        return Err(CheckpointError::Count { stated, found: entries.len() });
    }
    Ok(entries)
}

/// The contents of a checkpoint of partitions.
#[must_use]
pub fn write_offsets(offsets: &BTreeMap<TopicPartition, Offset>) -> String {
    let mut text = format!("0\n{}\n", offsets.len());
    for (name, offset) in offsets {
        text += &format!("{} {} {offset}\n", name.topic, name.partition);
    }
    text
}

/// Reads a checkpoint of partitions.
///
/// # Errors
/// [`CheckpointError`].
pub fn parse_offsets(bytes: &[u8]) -> Result<BTreeMap<TopicPartition, Offset>, CheckpointError> {
    let entry = |words: &mut std::str::Split<'_, char>| {
        let (topic, partition, offset) = (words.next()?, words.next()?, words.next()?);
        let offset: i64 = offset.parse().ok().filter(|&offset| offset >= 0)?;
        Some((TopicPartition::new(topic, partition.parse().ok()?), Offset(offset)))
    };
    Ok(parse(bytes, "a topic, a partition and an offset", entry)?.into_iter().collect())
}

/// The contents of `leader-epoch-checkpoint`.
#[must_use]
pub fn write_leader_epochs(entries: &[EpochEntry]) -> String {
    let mut text = format!("0\n{}\n", entries.len());
    for entry in entries {
        text += &format!("{} {}\n", entry.epoch, entry.start_offset);
    }
    text
}

/// Reads `leader-epoch-checkpoint`.
///
/// # Errors
/// [`CheckpointError`].
pub fn parse_leader_epochs(bytes: &[u8]) -> Result<Vec<EpochEntry>, CheckpointError> {
    parse(bytes, "an epoch and an offset", |words| {
        let (epoch, start) = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
        Some(EpochEntry { epoch: LeaderEpoch(epoch), start_offset: Offset(start) })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offsets_as_kafka_writes_them() {
        let text = "0\n2\norders 0 17\norders 1 4\n";
        let offsets = parse_offsets(text.as_bytes()).expect("a checkpoint");
        assert_eq!(offsets[&TopicPartition::new("orders", 0)], 17);
        assert_eq!(write_offsets(&offsets), text);
        assert_eq!(write_offsets(&BTreeMap::new()), "0\n0\n");
        let wrong = [
            ("", "line 1 is not version 0"),
            ("1\n0\n", "line 1 is not version 0"),
            ("0\nx\n", "line 2 is not a number of entries"),
            ("0\n2\na 0 1\n", "2 entries are stated, 1 found"),
            ("0\n1\na 0\n", "line 3 is not a topic, a partition and an offset"),
            ("0\n1\na 0 1 2\n", "line 3 is not a topic, a partition and an offset"),
            ("0\n1\na 0 -1\n", "line 3 is not a topic, a partition and an offset"),
        ];
        for (text, expected) in wrong {
            let found = parse_offsets(text.as_bytes()).map_err(|error| error.to_string());
            assert_eq!(found, Err(expected.to_owned()), "{text}");
        }
    }

    #[test]
    fn leader_epochs_as_kafka_writes_them() {
        let text = "0\n2\n1 0\n2 319\n";
        let entries = parse_leader_epochs(text.as_bytes()).expect("a checkpoint");
        assert_eq!(entries[1], EpochEntry { epoch: LeaderEpoch(2), start_offset: Offset(319) });
        assert_eq!(write_leader_epochs(&entries), text);
        assert!(parse_leader_epochs(b"0\n1\n1\n").is_err());
        assert_eq!(parse_leader_epochs(b"\xff"), Err(CheckpointError::NotText));
    }
}
