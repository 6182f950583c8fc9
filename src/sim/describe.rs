//! The state as text, a line a thing, and what differs between two states.

use std::collections::BTreeMap;
use std::fmt;

use super::world::World;
use crate::client::ClientId;

/// What differs between two worlds: for each thing its state in the first and in the second.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StateDiff {
    /// Name of the thing, its state in the first world, its state in the second; `None` where it
    /// does not exist.
    pub changes: Vec<(String, Option<String>, Option<String>)>,
}

impl fmt::Display for StateDiff {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, before, after) in &self.changes {
            let text = |state: &Option<String>| state.clone().unwrap_or_else(|| "-".to_owned());
            writeln!(f, "{name}: {} => {}", text(before), text(after))?;
        }
        Ok(())
    }
}

impl World {
    /// The state of everything that has a name.
    pub fn describe(&self) -> BTreeMap<String, String> {
        let mut lines = BTreeMap::new();
        lines.insert("clock".to_owned(), self.now.to_string());
        lines.insert("events queued".to_owned(), self.queue.len().to_string());
        for (id, node) in &self.brokers {
            let state = if node.crashed { "down" } else { "up" };
            lines.insert(format!("broker-{id}"), state.to_owned());
            for (name, partition) in node.broker.partitions() {
                let log = partition.log();
                let bases: Vec<String> =
                    log.segments().map(|segment| segment.base_offset().to_string()).collect();
                let state = format!(
                    "log {}..{}, high watermark {}, leader epoch {}, segments [{}]",
                    log.log_start_offset(),
                    log.log_end_offset(),
                    partition.high_watermark(),
                    partition.leader_epoch(),
                    bases.join(" "),
                );
                lines.insert(format!("broker-{id} {name}"), state);
            }
        }
        for (id, node) in (0..).map(ClientId).zip(&self.clients) {
            for (part, state) in node.client.describe() {
                let name = format!("{} {part}", self.actor(id));
                lines.insert(name.trim_end().to_owned(), state);
            }
        }
        lines
    }

    /// What differs in `other`.
    pub fn diff(&self, other: &World) -> StateDiff {
        let (before, after) = (self.describe(), other.describe());
        let names: std::collections::BTreeSet<&String> =
            before.keys().chain(after.keys()).collect();
        let change = |name: &String| {
            let (old, new) = (before.get(name).cloned(), after.get(name).cloned());
            (old != new).then(|| (name.clone(), old, new))
        };
        StateDiff { changes: names.into_iter().filter_map(change).collect() }
    }
}
