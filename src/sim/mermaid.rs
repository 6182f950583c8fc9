//! The trace as a Mermaid sequence diagram.

use std::collections::BTreeSet;
use std::fmt::Write;

use super::trace::{Actor, Direction, Trace, TraceEntry, TraceEvent};

impl Trace {
    /// The kept entries as a Mermaid `sequenceDiagram`: an arrow for each message that arrived, a
    /// crossed one for each that was lost, a note for whatever else happened.
    ///
    /// GitHub draws no diagram of more than 50,000 characters: see
    /// [`group_timeline`](Trace::group_timeline) for a picture of what concerns a group.
    #[must_use]
    pub fn to_mermaid(&self) -> String {
        draw(self.entries(), true)
    }
}

/// Draws entries, with or without the numbers of the messages. What happens to one actor at one
/// moment, one thing right after the other, shares a note.
pub(super) fn draw<'a>(
    entries: impl Iterator<Item = &'a TraceEntry> + Clone,
    numbers: bool,
) -> String {
    let actors: BTreeSet<Actor> = entries.clone().flat_map(actors).collect();
    let mut out = String::from("sequenceDiagram");
    for actor in actors {
        let _ = write!(out, "\n    participant {actor}");
    }
    let mut noted = None;
    for entry in entries {
        let (actor, time) = (entry.actor, entry.time);
        let number = |id: i32| if numbers { format!(" {id}") } else { String::new() };
        let here = noted.take();
        let _ = match &entry.event {
            TraceEvent::Delivered { from, direction, api, correlation_id } => {
                let arrow = arrow(*direction);
                write!(out, "\n    {from}{arrow}{actor}: {time} {api}{}", number(*correlation_id))
            }
            TraceEvent::Lost { to, api, correlation_id, .. } => {
                write!(out, "\n    {actor}-x{to}: {time} {api}{} lost", number(*correlation_id))
            }
            // What was sent shows as an arrow when it arrives.
            TraceEvent::Sent { .. } | TraceEvent::Timer => {
                noted = here;
                Ok(())
            }
            event => {
                noted = Some((actor, time));
                let text = harmless(&event.to_string());
                if here == noted {
                    write!(out, "<br/>{text}")
                } else {
                    write!(out, "\n    Note over {actor}: {time} {text}")
                }
            }
        };
    }
    out.push('\n');
    out
}

fn actors(entry: &TraceEntry) -> impl Iterator<Item = Actor> + use<> {
    let other = match entry.event {
        TraceEvent::Delivered { from, .. } => Some(from),
        TraceEvent::Lost { to, .. } => Some(to),
        _ => None,
    };
    other.into_iter().chain([entry.actor])
}

/// Text without what Mermaid takes for its own: the end of a statement, an entity, a comment or
/// directive, a tag. An arrow stays one.
fn harmless(text: &str) -> String {
    text.replace("->", "→")
        .chars()
        .map(|c| match c {
            ';' | '#' => ',',
            '%' | '<' | '>' | '{' | '}' => '?',
            c if c.is_control() => ' ',
            c => c,
        })
        .collect()
}

fn arrow(direction: Direction) -> &'static str {
    match direction {
        Direction::Request => "->>",
        Direction::Response => "-->>",
    }
}

#[cfg(test)]
mod tests {
    use super::harmless;

    #[test]
    fn a_group_may_be_called_anything() {
        let text = "group 'a\n<b>;%%{init}#' Empty -> Dead";
        assert_eq!(harmless(text), "group 'a ?b?,???init?,' Empty → Dead");
    }
}
