//! Checkpoints as Kafka writes them: lines of text. (To be replaced.)

use super::leader_epochs::EpochEntry;
use crate::types::{LeaderEpoch, Offset};

/// What is wrong with a checkpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckpointError(String);

impl std::fmt::Display for CheckpointError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

pub fn write_leader_epochs(entries: &[EpochEntry]) -> String {
    let mut text = format!("0\n{}\n", entries.len());
    for entry in entries {
        text += &format!("{} {}\n", entry.epoch, entry.start_offset);
    }
    text
}

pub fn parse_leader_epochs(bytes: &[u8]) -> Result<Vec<EpochEntry>, CheckpointError> {
    let text = std::str::from_utf8(bytes).map_err(|error| CheckpointError(error.to_string()))?;
    let mut entries = Vec::new();
    for line in text.lines().skip(2) {
        let numbers =
            line.split_once(' ').and_then(|(a, b)| Some((a.parse().ok()?, b.parse().ok()?)));
        let Some((epoch, start)) = numbers else {
            return Err(CheckpointError(format!("line '{line}'")));
        };
        entries.push(EpochEntry { epoch: LeaderEpoch(epoch), start_offset: Offset(start) });
    }
    Ok(entries)
}
