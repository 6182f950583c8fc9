//! What lessons do with groups.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use kafkarium::{
    Consumer, Error, Offset, OffsetAndMetadata, OffsetReset, RebalanceListener, ResetTo, Time,
    TopicPartition,
};

use super::{Stage, Words, duration};

/// A listener that says what it is told, and may do something about it.
struct Told {
    name: String,
    does: String,
    lines: Arc<Mutex<Vec<String>>>,
}

impl Told {
    fn say(&self, what: &str, partitions: &[TopicPartition]) {
        let line = format!("{} is told: {what} {}", self.name, list(partitions));
        self.lines.lock().unwrap().push(line);
    }

    fn note(&self, what: &str, result: &Result<(), Error>) {
        let result = result.as_ref().map_or_else(Error::to_string, |()| "done".to_owned());
        self.lines.lock().unwrap().push(format!("{} {what}: {result}", self.name));
    }
}

impl RebalanceListener for Told {
    fn on_partitions_revoked(
        &mut self,
        consumer: &mut Consumer,
        partitions: &[TopicPartition],
    ) -> Result<(), Error> {
        self.say("revoked", partitions);
        if self.does == "commit" && !partitions.is_empty() {
            self.note("commits", &consumer.commit_sync());
        }
        Ok(())
    }

    fn on_partitions_assigned(
        &mut self,
        consumer: &mut Consumer,
        partitions: &[TopicPartition],
    ) -> Result<(), Error> {
        self.say("assigned", partitions);
        if self.does == "rewind" {
            for partition in partitions {
                consumer.seek_to_beginning(partition)?;
            }
        }
        match &*self.does {
            "fail" => Err(Error::InvalidArgument("the listener does not like it".to_owned())),
            _ => Ok(()),
        }
    }

    fn on_partitions_lost(
        &mut self,
        consumer: &mut Consumer,
        partitions: &[TopicPartition],
    ) -> Result<(), Error> {
        self.say("lost", partitions);
        if self.does == "commit" {
            self.note("commits", &consumer.commit_sync());
        }
        Ok(())
    }
}

fn list(partitions: &[TopicPartition]) -> String {
    if partitions.is_empty() {
        return "nothing".to_owned();
    }
    partitions.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
}

impl Stage {
    /// Prints what listeners and callbacks have said.
    pub fn print_told(&mut self) {
        let lines = std::mem::take(&mut *self.told.lock().unwrap());
        for line in lines {
            self.print(line);
        }
    }

    /// Polls several consumers together; without any, all.
    pub fn poll_all(&mut self, words: &Words<'_>) -> Result<(), Error> {
        let timeout = duration(words.at(0));
        let names: Vec<String> = match &words.plain[1..] {
            [] => self.consumers.keys().cloned().collect(),
            some => some.iter().map(|name| (*name).to_owned()).collect(),
        };
        let mut consumers: Vec<(String, Consumer)> = names
            .into_iter()
            .map(|name| {
                let consumer = self.consumers.remove(&name).unwrap();
                (name, consumer)
            })
            .collect();
        let mut all: Vec<&mut Consumer> = consumers.iter_mut().map(|(_, one)| one).collect();
        let polled = self.cluster.poll_all(&mut all, timeout);
        self.print_told();
        let results = polled.map(|polled| {
            for ((name, _), result) in consumers.iter().zip(polled) {
                match result {
                    Ok(records) => {
                        let mut counts: BTreeMap<TopicPartition, (i64, usize)> = BTreeMap::new();
                        for record in &records {
                            let partition = record.topic_partition().clone();
                            counts.entry(partition).or_insert((record.offset().0, 0)).1 += 1;
                        }
                        for (partition, (from, count)) in counts {
                            let last = from + count as i64 - 1;
                            self.print(format_args!("{name} {partition} offsets {from}..={last}"));
                        }
                    }
                    Err(error) => self.print(format_args!("{name} error: {error}")),
                }
            }
        });
        self.consumers.extend(consumers);
        results
    }

    /// Prints a group's timeline or the picture of its rebalances, from a time of the run on.
    pub fn timeline(&mut self, command: &str, words: &mut Words<'_>) {
        let from = words.take("from").map_or(Duration::ZERO, duration);
        let timeline = self.cluster.trace().group_timeline(words.at(0));
        let timeline = timeline.between(Time::VIRTUAL_START.after(from), Time::NEVER);
        self.printed += &match command {
            "timeline" => timeline.to_string(),
            _ => timeline.to_mermaid(),
        };
    }

    /// A command about groups as an administrator sees them.
    pub fn group_admin(&mut self, command: &str, words: &Words<'_>) -> Result<(), Error> {
        let admin = self.cluster.admin();
        let group = words.plain.first().copied().unwrap_or_default();
        match command {
            "groups" => {
                for group in admin.list_groups()? {
                    self.print(format_args!("{} is {}", group.group_id, group.state));
                }
                Ok(())
            }
            "describe-group" => {
                let described = admin.describe_group(group)?;
                let members = described.members.len();
                let (state, assignor) = (described.state, described.protocol);
                self.print(format_args!("{group} is {state}, {members} members, by '{assignor}'"));
                Ok(())
            }
            "lag-of" => {
                for row in admin.group_lag(group)?.partitions {
                    let text = |offset: Option<Offset>| {
                        offset.map_or_else(|| "-".to_owned(), |offset| offset.to_string())
                    };
                    let lag = row.lag.map_or_else(|| "-".to_owned(), |lag| lag.to_string());
                    self.print(format_args!(
                        "{} current {} end {} lag {lag} of {}",
                        row.partition,
                        text(row.current_offset),
                        text(row.log_end_offset),
                        row.client_id.as_deref().unwrap_or("-")
                    ));
                }
                Ok(())
            }
            "delete-group" => admin.delete_group(group),
            "delete-offsets" => {
                let partitions = (1..words.plain.len()).map(|place| words.partition(place));
                admin.delete_group_offsets(group, partitions)
            }
            _ => {
                let (name, value) = words.named[0];
                let number = || Offset(value.parse().unwrap());
                let to = match (name, value) {
                    ("to", "earliest") => ResetTo::Earliest,
                    ("to", "latest") => ResetTo::Latest,
                    ("to", "current") => ResetTo::Current,
                    ("offset", _) => ResetTo::Offset(number()),
                    ("shift", _) => ResetTo::ShiftBy(value.parse().unwrap()),
                    ("back", _) => ResetTo::ByDuration(duration(value)),
                    _ => panic!("no reset '{name}={value}'"),
                };
                let reset = OffsetReset::new().topic(words.at(1), to);
                let plan = match command {
                    "plan-offsets" => admin.plan_group_offsets(group, &reset)?,
                    _ => admin.alter_group_offsets(group, &reset)?,
                };
                for new in plan.offsets {
                    let warning = new.warning.map(|warning| format!(" ({warning})"));
                    let warning = warning.unwrap_or_default();
                    self.print(format_args!("{} to {}{warning}", new.partition, new.offset));
                }
                Ok(())
            }
        }
    }

    /// A command about a consumer as a member.
    pub fn with_member(
        &mut self,
        command: &str,
        words: &Words<'_>,
        consumer: &mut Consumer,
    ) -> Result<(), Error> {
        let name = words.at(0).to_owned();
        let get = |wanted: &str| words.named.iter().find(|(n, _)| *n == wanted).map(|(_, v)| *v);
        let result = match command {
            "subscribe" => {
                let does = get("listener").map(str::to_owned);
                let lines = self.told.clone();
                let listener = does.map(|does| Told { name, does, lines });
                let topics = words.plain[1..].iter().flat_map(|word| topics(word));
                match (get("pattern"), listener) {
                    (Some(pattern), None) => consumer.subscribe_pattern(pattern),
                    (Some(pattern), Some(told)) => consumer.subscribe_pattern_with(pattern, told),
                    (None, None) => consumer.subscribe(topics),
                    (None, Some(told)) => consumer.subscribe_with(topics, told),
                }
            }
            "unsubscribe" => consumer.unsubscribe(),
            "leave" => consumer.close(),
            "enforce-rebalance" => consumer.enforce_rebalance(),
            "commit" => match offsets(words) {
                offsets if offsets.is_empty() => consumer.commit_sync(),
                offsets => consumer.commit_sync_offsets(offsets),
            },
            "commit-async" => {
                let lines = self.told.clone();
                let callback = move |result: Result<(), Error>| {
                    let result = result.map_or_else(|e| e.to_string(), |()| "done".to_owned());
                    lines.lock().unwrap().push(format!("{name}'s commit: {result}"));
                };
                match offsets(words) {
                    offsets if offsets.is_empty() => consumer.commit_async_with(callback),
                    offsets => consumer.commit_async_offsets(offsets, callback),
                }
            }
            "committed" => {
                let partitions = (1..words.plain.len()).map(|place| words.partition(place));
                let partitions: Vec<_> = partitions.collect();
                let committed = consumer.committed(partitions.iter())?;
                for partition in partitions {
                    match committed.get(&partition) {
                        None => self.print(format_args!("{partition} -")),
                        Some(at) if at.metadata.is_empty() => {
                            self.print(format_args!("{partition} {}", at.offset));
                        }
                        Some(at) => {
                            self.print(format_args!("{partition} {} '{}'", at.offset, at.metadata));
                        }
                    }
                }
                Ok(())
            }
            "assignment" => {
                let assigned = list(&consumer.assignment());
                self.print(format_args!("{name} has {assigned}"));
                Ok(())
            }
            "crash-client" => self.cluster.crash(consumer.id()),
            "pause-client" => self.cluster.pause(consumer.id(), duration(words.at(1))),
            _ => panic!("no command '{command}'"),
        };
        self.print_told();
        result
    }
}

/// A topic, or with `name*3` the topics `name-0` to `name-2`.
fn topics(word: &str) -> Vec<String> {
    let Some((name, count)) = word.split_once('*') else { return vec![word.to_owned()] };
    (0..count.parse().unwrap()).map(|number: usize| format!("{name}-{number}")).collect()
}

/// `orders-0@5`: the offsets to commit, all with the metadata of `metadata=`.
fn offsets(words: &Words<'_>) -> BTreeMap<TopicPartition, OffsetAndMetadata> {
    let metadata = words.named.iter().find(|(name, _)| *name == "metadata");
    let metadata = metadata.map_or("", |(_, value)| value);
    let one = |word: &&str| {
        let (partition, offset) = word.split_once('@').unwrap();
        let (topic, number) = partition.rsplit_once('-').unwrap();
        let mut at = OffsetAndMetadata::from(offset.parse::<i64>().unwrap());
        metadata.clone_into(&mut at.metadata);
        (TopicPartition::new(topic, number.parse().unwrap()), at)
    };
    words.plain[1..].iter().map(one).collect()
}
