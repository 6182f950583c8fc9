//! The timeline as text: a line for each span, with its beginning and how long it lasted.

use std::fmt;
use std::time::Duration;

use super::{GroupTimeline, Lasts, MemberHas};
use crate::types::{Time, TopicPartition};

impl fmt::Display for GroupTimeline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "group '{}' from {} to {}", self.group_id.escape_debug(), self.from, self.to)?;
        writeln!(f, "coordinator")?;
        for span in &self.states {
            let text = format!("{}, generation {}", span.state, span.generation);
            line(f, span.from, span.lasts(), &text)?;
        }
        for (member, spans) in &self.members {
            writeln!(f, "{member}")?;
            for span in spans {
                line(f, span.from, span.lasts(), &span.has.to_string())?;
            }
        }
        let rows = |sums: Vec<(String, Duration)>| -> Vec<(String, Duration)> {
            sums.into_iter().filter(|(_, sum)| !sum.is_zero()).collect()
        };
        let members = self.stood_still().into_iter().map(|(who, sum)| (who.to_string(), sum));
        sums(f, "stood still", &rows(members.collect()))?;
        let named = |(name, sum): (TopicPartition, Duration)| (name.to_string(), sum);
        let nobodys = self.without_owner().into_iter().map(named);
        sums(f, "without an owner", &rows(nobodys.collect()))?;
        let several = self.with_several_owners().into_iter().map(named);
        sums(f, "with several owners", &rows(several.collect()))
    }
}

impl fmt::Display for MemberHas {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            MemberHas::Partitions { partitions, generation } => {
                let names: Vec<String> = partitions.iter().map(ToString::to_string).collect();
                write!(f, "{} (generation {generation})", names.join(" "))
            }
            MemberHas::StandsStill => write!(f, "stands still"),
            MemberHas::Idle => write!(f, "is idle"),
        }
    }
}

fn line(f: &mut fmt::Formatter<'_>, from: Time, lasts: Duration, text: &str) -> fmt::Result {
    writeln!(f, "{from:>13} {:>13}  {text}", seconds(lasts))
}

fn sums(f: &mut fmt::Formatter<'_>, title: &str, rows: &[(String, Duration)]) -> fmt::Result {
    if rows.is_empty() {
        return Ok(());
    }
    writeln!(f, "{title}")?;
    rows.iter().try_for_each(|(name, sum)| writeln!(f, "{:>27}  {name}", seconds(*sum)))
}

fn seconds(duration: Duration) -> String {
    format!("{}.{:06} s", duration.as_secs(), duration.subsec_micros())
}
