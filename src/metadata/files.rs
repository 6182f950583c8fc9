//! The small files of a broker's directory: lines of text, and JSON.
//!
//! | file | looks like |
//! |---|---|
//! | `meta.properties` | `node.id=1`, `directory.id=…`, `version=1`, `cluster.id=…`, a line each |
//! | `partition.metadata` | `version: 0` and `topic_id: …`, without a line's end behind it |
//! | `.kafka_cleanshutdown` | `{"version":0,"brokerEpoch":17}` |
//! | `quorum-state` | `{"clusterId":"","leaderId":1,"leaderEpoch":2,…}` |

use std::fmt;

use crate::types::{BrokerId, LeaderEpoch, TopicId};

/// What is wrong with one of the files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FileError {
    /// It is not text.
    NotText,
    /// A line that is none of this file, counted from 1.
    Line(usize, &'static str),
    /// Something is missing that has to be there.
    Missing(&'static str),
    /// A version that Kafka 4.3 does not have.
    Version(String),
}

impl fmt::Display for FileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FileError::NotText => f.write_str("is not UTF-8"),
            FileError::Line(line, expected) => write!(f, "line {line} is not {expected}"),
            FileError::Missing(name) => write!(f, "has no {name}"),
            FileError::Version(version) => write!(f, "has version '{version}'"),
        }
    }
}

impl std::error::Error for FileError {}

/// `meta.properties`: whose directory it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MetaProperties {
    /// `cluster.id`.
    pub cluster_id: String,
    /// `node.id`.
    pub node_id: BrokerId,
    /// `directory.id`.
    pub directory_id: TopicId,
}

impl MetaProperties {
    /// The file's contents.
    #[must_use]
    pub fn to_text(&self) -> String {
        let MetaProperties { cluster_id, node_id, directory_id } = self;
        format!(
            "node.id={node_id}\ndirectory.id={directory_id}\nversion=1\ncluster.id={cluster_id}\n"
        )
    }

    /// Reads the file's contents. Other properties are passed over, as in Kafka.
    ///
    /// # Errors
    /// [`FileError`].
    pub fn parse(bytes: &[u8]) -> Result<Self, FileError> {
        let text = std::str::from_utf8(bytes).map_err(|_| FileError::NotText)?;
        let (mut cluster_id, mut node_id, mut directory_id, mut version) = (None, None, None, None);
        for (i, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with(['#', '!']) {
                continue;
            }
            let pair = line.split_once('=').map(|(name, value)| (name.trim(), value.trim()));
            let (name, value) = pair.ok_or(FileError::Line(i + 1, "a property"))?;
            match name {
                "version" => version = Some(value),
                "cluster.id" => cluster_id = Some(value.to_owned()),
                "node.id" => {
                    let number = value.parse().map_err(|_| FileError::Line(i + 1, "a node.id"))?;
                    node_id = Some(BrokerId(number));
                }
                "directory.id" => {
                    let id = TopicId::parse(value);
                    directory_id = Some(id.ok_or(FileError::Line(i + 1, "a directory.id"))?);
                }
                _ => {}
            }
        }
        match version {
            Some("1") => {}
            Some(other) => return Err(FileError::Version(other.to_owned())),
            None => return Err(FileError::Missing("version")),
        }
        Ok(MetaProperties {
            cluster_id: cluster_id.ok_or(FileError::Missing("cluster.id"))?,
            node_id: node_id.ok_or(FileError::Missing("node.id"))?,
            directory_id: directory_id.unwrap_or(TopicId::ZERO),
        })
    }
}

/// `partition.metadata`: which topic's partition a directory is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PartitionMetadata {
    /// The topic's id.
    pub topic_id: TopicId,
}

impl PartitionMetadata {
    /// The file's contents.
    #[must_use]
    pub fn to_text(self) -> String {
        format!("version: 0\ntopic_id: {}", self.topic_id)
    }

    /// Reads the file's contents.
    ///
    /// # Errors
    /// [`FileError`].
    pub fn parse(bytes: &[u8]) -> Result<Self, FileError> {
        let text = std::str::from_utf8(bytes).map_err(|_| FileError::NotText)?;
        let mut lines = text.lines();
        let version = lines.next().and_then(|line| line.strip_prefix("version: "));
        match version.ok_or(FileError::Line(1, "a version"))? {
            "0" => {}
            other => return Err(FileError::Version(other.to_owned())),
        }
        let id = lines.next().and_then(|line| line.strip_prefix("topic_id: "));
        let topic_id = id.and_then(TopicId::parse).ok_or(FileError::Line(2, "a topic_id"))?;
        Ok(PartitionMetadata { topic_id })
    }
}

/// `.kafka_cleanshutdown`: the broker was stopped, and everything is durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CleanShutdown {
    /// Under which epoch it was registered.
    pub broker_epoch: i64,
}

impl CleanShutdown {
    /// The file's contents.
    #[must_use]
    pub fn to_text(self) -> String {
        format!(r#"{{"version":0,"brokerEpoch":{}}}"#, self.broker_epoch)
    }
}

/// `quorum-state`: who led the metadata when this node last looked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QuorumState {
    /// The leader, who is the only voter.
    pub leader: BrokerId,
    /// Its epoch.
    pub leader_epoch: LeaderEpoch,
}

impl QuorumState {
    /// The file's contents.
    #[must_use]
    pub fn to_text(self) -> String {
        let (id, epoch) = (self.leader, self.leader_epoch);
        format!(
            "{{\"clusterId\":\"\",\"leaderId\":{id},\"leaderEpoch\":{epoch},\"votedId\":-1,\
             \"appliedOffset\":0,\"currentVoters\":[{{\"voterId\":{id}}}],\"data_version\":0}}"
        )
    }
}
