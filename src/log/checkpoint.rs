//! The checkpoint files beside the logs, as text and back.
//!
//! ```text
//! recovery-point-offset-checkpoint, log-start-offset-checkpoint,
//! replication-offset-checkpoint, cleaner-offset-checkpoint:
//! 0              version
//! 2              how many lines follow
//! orders 0 42    topic, partition, offset
//! orders 1 17
//!
//! leader-epoch-checkpoint:
//! 0              version
//! 2              how many lines follow
//! 0 0            epoch, its first offset
//! 3 42
//! ```
//!
//! Each line ends with a newline. A file that is empty or ends behind the version holds nothing: a
//! broker creates it so, before it has anything to write.

use std::fmt;
use std::str::FromStr;

use super::leader_epochs::EpochEntry;
use crate::types::{LeaderEpoch, Offset, TopicPartition};

const VERSION: i32 = 0;

/// What is wrong with a checkpoint file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckpointError {
    /// The line, from 1.
    pub line: usize,
    /// What is wrong with it.
    pub fault: CheckpointFault,
}

/// What is wrong with a line of a checkpoint file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CheckpointFault {
    /// It is no UTF-8.
    NotText,
    /// It is not what should stand there.
    Expected(&'static str),
    /// The version is not 0.
    Version(i32),
    /// Fewer or more lines follow than it says.
    Count {
        /// How many it says.
        said: usize,
        /// How many there are.
        found: usize,
    },
}

impl fmt::Display for CheckpointError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: ", self.line)?;
        match &self.fault {
            CheckpointFault::NotText => f.write_str("no UTF-8"),
            CheckpointFault::Expected(what) => write!(f, "no {what}"),
            CheckpointFault::Version(version) => {
                write!(f, "version {version}, where only {VERSION} is known")
            }
            CheckpointFault::Count { said, found } => {
                write!(f, "{said} lines were to follow, {found} do")
            }
        }
    }
}

impl std::error::Error for CheckpointError {}

/// The text of a file with an offset for each partition.
#[must_use]
pub fn encode_offsets<'a>(
    offsets: impl IntoIterator<Item = (&'a TopicPartition, Offset)>,
) -> String {
    let line = |(place, offset): (&TopicPartition, Offset)| {
        format!("{} {} {offset}", place.topic, place.partition)
    };
    encode(offsets.into_iter().map(line))
}

/// Reads a file with an offset for each partition, in the order of the file. Of a partition that
/// comes twice, the last offset counts.
///
/// # Errors
/// Which line is wrong, and why.
pub fn parse_offsets(bytes: &[u8]) -> Result<Vec<(TopicPartition, Offset)>, CheckpointError> {
    parse(bytes, "topic, partition and offset", |words| {
        let [topic, partition, offset] = words else { return None };
        let place = TopicPartition::new(*topic, number(partition)?);
        Some((place, Offset(number(offset)?)))
    })
}

/// The text of `leader-epoch-checkpoint`.
#[must_use]
pub fn encode_leader_epochs(entries: &[EpochEntry]) -> String {
    encode(entries.iter().map(|entry| format!("{} {}", entry.epoch, entry.start_offset)))
}

/// Reads `leader-epoch-checkpoint`.
///
/// # Errors
/// Which line is wrong, and why.
pub fn parse_leader_epochs(bytes: &[u8]) -> Result<Vec<EpochEntry>, CheckpointError> {
    parse(bytes, "epoch and offset", |words| {
        let [epoch, offset] = words else { return None };
        let (epoch, start_offset) = (LeaderEpoch(number(epoch)?), Offset(number(offset)?));
        Some(EpochEntry { epoch, start_offset })
    })
}

fn encode(lines: impl Iterator<Item = String>) -> String {
    let lines: Vec<String> = lines.collect();
    let mut text = format!("{VERSION}\n{}\n", lines.len());
    for line in lines {
        text.push_str(&line);
        text.push('\n');
    }
    text
}

/// `entry` makes something of the words of a line.
fn parse<T>(
    bytes: &[u8],
    expected: &'static str,
    entry: impl Fn(&[&str]) -> Option<T>,
) -> Result<Vec<T>, CheckpointError> {
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let before = &bytes[..error.valid_up_to()];
        let line = 1 + before.iter().filter(|&&byte| byte == b'\n').count();
        CheckpointError { line, fault: CheckpointFault::NotText }
    })?;
    let error = |line, fault| CheckpointError { line, fault };
    let mut lines = text.lines();
    let Some(version) = lines.next() else { return Ok(Vec::new()) };
    let version: i32 = number(version).ok_or(error(1, CheckpointFault::Expected("version")))?;
    if version != VERSION {
        return Err(error(1, CheckpointFault::Version(version)));
    }
    let Some(count) = lines.next() else { return Ok(Vec::new()) };
    let said: usize = number(count).ok_or(error(2, CheckpointFault::Expected("count")))?;
    let mut entries = Vec::new();
    for (place, line) in lines.enumerate() {
        let malformed = error(place + 3, CheckpointFault::Expected(expected));
        // A line that begins with a blank has an empty word in front.
        if line.starts_with(char::is_whitespace) {
            return Err(malformed);
        }
        let words: Vec<&str> = line.split_ascii_whitespace().collect();
        entries.push(entry(&words).ok_or(malformed)?);
    }
    match entries.len() {
        found if found == said => Ok(entries),
        found => Err(error(2, CheckpointFault::Count { said, found })),
    }
}

fn number<N: FromStr>(word: &str) -> Option<N> {
    word.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_back() {
        let offsets = [("orders", 0, 42), ("orders", 1, 0), ("a", 2, i64::MAX)].map(
            |(topic, partition, offset)| (TopicPartition::new(topic, partition), Offset(offset)),
        );
        let text = encode_offsets(offsets.iter().map(|(place, offset)| (place, *offset)));
        assert_eq!(text, "0\n3\norders 0 42\norders 1 0\na 2 9223372036854775807\n");
        assert_eq!(parse_offsets(text.as_bytes()), Ok(offsets.into()));

        let entry =
            |epoch, start| EpochEntry { epoch: LeaderEpoch(epoch), start_offset: Offset(start) };
        let epochs = [entry(0, 0), entry(3, 42)];
        let text = encode_leader_epochs(&epochs);
        assert_eq!(text, "0\n2\n0 0\n3 42\n");
        assert_eq!(parse_leader_epochs(text.as_bytes()), Ok(epochs.into()));
        for nothing in ["", "0", "0\n", "0\n0\n"] {
            assert_eq!(parse_leader_epochs(nothing.as_bytes()), Ok(Vec::new()), "{nothing:?}");
        }
        assert_eq!(encode_leader_epochs(&[]), "0\n0\n");
    }

    #[test]
    fn the_line_that_is_wrong_is_named() {
        let table: &[(&[u8], &str)] = &[
            (b"\n", "line 1: no version"),
            (b"zero\n", "line 1: no version"),
            (b"1\n0\n", "line 1: version 1, where only 0 is known"),
            (b"0\n-1\n", "line 2: no count"),
            (b"0\n99999999999999999999\n", "line 2: no count"),
            (b"0\n2\na 0 1\n", "line 2: 2 lines were to follow, 1 do"),
            (b"0\n4000000000\n", "line 2: 4000000000 lines were to follow, 0 do"),
            (b"0\n1\na 0 1\n\n", "line 4: no topic, partition and offset"),
            (b"0\n1\na 0\n", "line 3: no topic, partition and offset"),
            (b"0\n1\n a 0 1\n", "line 3: no topic, partition and offset"),
            (b"0\n1\na 2147483648 1\n", "line 3: no topic, partition and offset"),
            (b"0\n1\na 0 1 2\n", "line 3: no topic, partition and offset"),
            (b"0\n1\na\xff 0 1\n", "line 3: no UTF-8"),
        ];
        for (bytes, expected) in table {
            let error = parse_offsets(bytes).unwrap_err().to_string();
            assert_eq!(error, *expected, "{}", bytes.escape_ascii());
        }
        let error = parse_leader_epochs(b"0\n1\n1 x\n").unwrap_err();
        assert_eq!(error.to_string(), "line 3: no epoch and offset");
        // Blanks at a line's end and lines that end as on Windows are read, as in Kafka.
        assert_eq!(parse_offsets(b"0\r\n1\r\na\t0  1 \r\n").map(|read| read.len()), Ok(1));
    }
}
