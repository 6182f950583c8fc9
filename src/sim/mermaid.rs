//! The trace as a Mermaid sequence diagram.

use std::collections::BTreeSet;
use std::fmt::Write;

use super::trace::{Actor, Direction, Trace, TraceEvent};

impl Trace {
    /// The kept entries as a Mermaid `sequenceDiagram`: an arrow for each message that arrived, a
    /// crossed one for each that was lost, a note for whatever else happened.
    #[must_use]
    pub fn to_mermaid(&self) -> String {
        let actors: BTreeSet<Actor> = self.entries().map(|entry| entry.actor).collect();
        let mut out = String::from("sequenceDiagram\n");
        for actor in actors {
            let _ = writeln!(out, "    participant {actor}");
        }
        for entry in self.entries() {
            let (actor, time) = (entry.actor, entry.time);
            let _ = match &entry.event {
                TraceEvent::Delivered { from, direction, api, correlation_id } => {
                    let arrow = arrow(*direction);
                    writeln!(out, "    {from}{arrow}{actor}: {time} {api} {correlation_id}")
                }
                TraceEvent::Lost { to, api, correlation_id, .. } => {
                    writeln!(out, "    {actor}-x{to}: {time} {api} {correlation_id} lost")
                }
                // What was sent shows as an arrow when it arrives.
                TraceEvent::Sent { .. } | TraceEvent::Timer => Ok(()),
                event => {
                    let text = event.to_string().replace([';', '#'], ",");
                    writeln!(out, "    Note over {actor}: {time} {text}")
                }
            };
        }
        out
    }
}

fn arrow(direction: Direction) -> &'static str {
    match direction {
        Direction::Request => "->>",
        Direction::Response => "-->>",
    }
}
