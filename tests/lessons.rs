//! Runs the lessons in `tests/lessons`: scripts of comments, commands and, below `---`, what they
//! print.
//!
//! `UPDATE_LESSONS=1 cargo test --test lessons` writes what is printed into the scripts; whoever
//! does that checks each changed line against the rule that the lesson names.
#![allow(clippy::unwrap_used)]

#[path = "stage/group.rs"]
mod group;

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use kafkarium::{
    ApiKey, BrokerId, Cluster, Consumer, Delivery, Error, EventId, Fault, Offset, Producer, Record,
    Snapshot, Time, Timestamp, TopicPartition, TopicSpec,
};

#[test]
fn lessons() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/lessons");
    let mut paths: Vec<_> =
        std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let only = std::env::var("LESSON").ok();
    let (mut failed, mut count) = (Vec::new(), 0);
    for path in &paths {
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        if only.as_ref().is_some_and(|only| *only != name) {
            continue;
        }
        count += 1;
        let text = std::fs::read_to_string(path).unwrap();
        let played = play(&text);
        // The same script twice is the same output and the same trace.
        assert_eq!(played, play(&text), "{name} differs when it is run again");
        if std::env::var_os("UPDATE_LESSONS").is_some() {
            std::fs::write(path, &played.0).unwrap();
        } else if played.0 != text {
            failed
                .push(format!("--- {name}: LESSON={name} cargo test --test lessons\n{}", played.0));
        }
    }
    assert!(failed.is_empty(), "these lessons came out otherwise:\n{}", failed.join("\n"));
    assert!(count >= if only.is_some() { 1 } else { 25 }, "{count} lessons of that name");
}

/// What the document shows of a rebalance is what happens.
#[test]
fn the_document_walks_through_the_lesson() {
    let lesson = include_str!("lessons/86_a_rebalance_step_by_step.lesson");
    let document = include_str!("../docs/group-protocol.md");
    let blocks = document.split("```text\n").skip(1).map(|rest| rest.split("```").next().unwrap());
    let lines: Vec<&str> = blocks.flat_map(str::lines).map(str::trim).collect();
    let shown: Vec<&str> = lines.into_iter().filter(|line| !line.is_empty()).collect();
    assert!(shown.len() > 30, "{} lines", shown.len());
    for line in shown {
        assert!(lesson.lines().any(|played| played == line), "this does not happen: {line}");
    }
}

/// Runs a script; gives it back with what was printed, and the fingerprint of its trace.
fn play(script: &str) -> (String, u32) {
    let mut stage = Stage::new();
    let mut out = String::new();
    let mut lines = script.lines().peekable();
    while let Some(line) = lines.next() {
        if line != "---" {
            writeln!(out, "{line}").unwrap();
            stage.obey(line);
            continue;
        }
        while lines.next_if(|line| !line.is_empty()).is_some() {}
        write!(out, "---\n{}", std::mem::take(&mut stage.printed)).unwrap();
    }
    (out, stage.cluster.trace().fingerprint())
}

struct Stage {
    cluster: Cluster,
    producers: BTreeMap<String, Producer>,
    consumers: BTreeMap<String, Consumer>,
    deliveries: BTreeMap<String, Vec<(String, Delivery)>>,
    snapshot: Option<Snapshot>,
    shown: EventId,
    /// What listeners and callbacks have said.
    told: Arc<Mutex<Vec<String>>>,
    printed: String,
}

/// A command's words: plain ones in order, `name=value` ones by name.
struct Words<'a> {
    plain: Vec<&'a str>,
    named: Vec<(&'a str, &'a str)>,
}

impl<'a> Words<'a> {
    fn of(line: &'a str) -> Self {
        let (mut plain, mut named) = (Vec::new(), Vec::new());
        for word in line.split_whitespace() {
            match word.split_once('=') {
                Some(pair) => named.push(pair),
                None => plain.push(word),
            }
        }
        Words { plain, named }
    }

    fn at(&self, place: usize) -> &'a str {
        self.plain
            .get(place)
            .copied()
            .unwrap_or_else(|| panic!("a word is missing: {:?}", self.plain))
    }

    fn take(&mut self, name: &str) -> Option<&'a str> {
        let place = self.named.iter().position(|(known, _)| *known == name)?;
        Some(self.named.remove(place).1)
    }

    fn partition(&self, place: usize) -> TopicPartition {
        let (topic, partition) = self.at(place).rsplit_once('-').unwrap();
        TopicPartition::new(topic, partition.parse().unwrap())
    }
}

fn duration(text: &str) -> Duration {
    let (number, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap());
    let number: u64 = number.parse().unwrap();
    match unit {
        "us" => Duration::from_micros(number),
        "ms" => Duration::from_millis(number),
        "s" => Duration::from_secs(number),
        "h" => Duration::from_secs(3600 * number),
        "d" => Duration::from_secs(86_400 * number),
        _ => panic!("no unit '{unit}'"),
    }
}

/// A time of the run, as `+5ms` after its start.
fn timestamp(text: &str) -> Timestamp {
    Time::VIRTUAL_START.after(duration(text.trim_start_matches('+'))).timestamp()
}

/// A timestamp as a time of the run.
fn since_start(timestamp: Timestamp) -> i64 {
    timestamp.0 - Time::VIRTUAL_START.timestamp().0
}

fn api(name: &str) -> ApiKey {
    match name {
        "Produce" => ApiKey::Produce,
        "Fetch" => ApiKey::Fetch,
        "ListOffsets" => ApiKey::ListOffsets,
        "Metadata" => ApiKey::Metadata,
        "CreateTopics" => ApiKey::CreateTopics,
        "FindCoordinator" => ApiKey::FindCoordinator,
        "JoinGroup" => ApiKey::JoinGroup,
        "SyncGroup" => ApiKey::SyncGroup,
        "Heartbeat" => ApiKey::Heartbeat,
        "LeaveGroup" => ApiKey::LeaveGroup,
        "OffsetCommit" => ApiKey::OffsetCommit,
        "OffsetFetch" => ApiKey::OffsetFetch,
        "InitProducerId" => ApiKey::InitProducerId,
        _ => panic!("no api '{name}'"),
    }
}

impl Stage {
    fn new() -> Self {
        Stage {
            cluster: Cluster::builder().seed(1).journal(true).build().unwrap(),
            producers: BTreeMap::new(),
            consumers: BTreeMap::new(),
            deliveries: BTreeMap::new(),
            snapshot: None,
            shown: EventId(0),
            told: Arc::default(),
            printed: String::new(),
        }
    }

    fn print(&mut self, line: impl std::fmt::Display) {
        writeln!(self.printed, "{line}").unwrap();
    }

    fn obey(&mut self, line: &str) {
        if line.is_empty() || line.starts_with('#') {
            return;
        }
        let mut words = Words::of(line);
        let command = words.plain.remove(0);
        let result = match command {
            "cluster" => self.build(&mut words),
            "topic" | "partitions" | "alter" | "delete" | "topics" | "configs" => {
                self.admin(command, &mut words)
            }
            "producer" | "send" | "results" | "flush" | "close" => {
                self.produce(command, &mut words)
            }
            "log" | "lookup" => self.log(command, &words),
            "trace" => {
                self.trace(&words);
                Ok(())
            }
            "timeline" | "picture" => {
                self.timeline(command, &mut words);
                Ok(())
            }
            "advance" => self.cluster.advance(duration(words.at(0))),
            "step" => self.cluster.step().map(drop),
            "time" => {
                let now = self.cluster.now();
                self.print(format_args!("{now}"));
                Ok(())
            }
            "snapshot" => {
                self.snapshot = Some(self.cluster.snapshot().unwrap());
                Ok(())
            }
            "restore" => self.cluster.restore(self.snapshot.as_ref().unwrap()),
            "poll-all" => self.poll_all(&words),
            "groups" | "describe-group" | "lag-of" | "reset-offsets" | "plan-offsets"
            | "delete-group" | "delete-offsets" => self.group_admin(command, &words),
            "forget" => {
                self.consumers.remove(words.at(0));
                Ok(())
            }
            "crash" => self.cluster.crash(BrokerId(1)),
            "restart" => self.cluster.restart(BrokerId(1)),
            "pause-broker" => self.cluster.pause(BrokerId(1), duration(words.at(0))),
            "lose-request" | "lose-response" | "reset-before" | "reset-after" | "delay-request"
            | "delay-response" | "duplicate-request" => self.fault(command, &words),
            _ => self.consume(command, &mut words),
        };
        if let Err(error) = result {
            self.print(format_args!("error: {error}"));
        }
    }

    fn build(&mut self, words: &mut Words<'_>) -> Result<(), Error> {
        let mut builder = Cluster::builder().journal(true);
        builder = builder.seed(words.take("seed").map_or(1, |seed| seed.parse().unwrap()));
        if let Some((min, max)) = words.take("latency").and_then(|range| range.split_once("..")) {
            builder = builder.latency(duration(min), duration(max));
        }
        for (name, value) in &words.named {
            builder = builder.config(*name, *value);
        }
        self.cluster = builder.build()?;
        Ok(())
    }

    fn admin(&mut self, command: &str, words: &mut Words<'_>) -> Result<(), Error> {
        let admin = self.cluster.admin();
        match command {
            "topic" => {
                let partitions = words.take("partitions").map_or(-1, |n| n.parse().unwrap());
                let mut spec = TopicSpec::partitions(partitions);
                if let Some(factor) = words.take("replication") {
                    spec = spec.replication_factor(factor.parse().unwrap());
                }
                for (name, value) in &words.named {
                    spec = spec.config(*name, *value);
                }
                admin.create_topic(words.at(0), spec).map(drop)
            }
            "partitions" => admin.create_partitions(words.at(0), words.at(1).parse().unwrap()),
            "delete" => admin.delete_topic(words.at(0)),
            "topics" => {
                let names = admin.list_topics()?;
                self.print(if names.is_empty() { "no topics".to_owned() } else { names.join(" ") });
                Ok(())
            }
            "alter" => {
                let changes: Vec<_> = words
                    .named
                    .iter()
                    .map(|(name, value)| (*name, Some(*value).filter(|value| *value != "default")))
                    .collect();
                admin.alter_topic_configs(words.at(0), &changes)
            }
            _ => {
                let entries = admin.describe_topic_configs(words.at(0))?;
                for entry in entries.iter().filter(|entry| words.plain[1..].contains(&&*entry.name))
                {
                    let value = entry.value.as_deref().unwrap_or("null");
                    self.print(format_args!("{} = {value} ({:?})", entry.name, entry.source));
                }
                Ok(())
            }
        }
    }

    fn produce(&mut self, command: &str, words: &mut Words<'_>) -> Result<(), Error> {
        let name = words.at(0).to_owned();
        if command == "producer" {
            let producer = self.cluster.producer(words.named.iter().copied())?;
            self.producers.insert(name, producer);
            return Ok(());
        }
        let producer = self.producers[&name].clone();
        match command {
            "send" => {
                let times = words.take("times").map_or(1, |times| times.parse().unwrap());
                for i in 0..times {
                    self.send(&name, &producer, words, i)?;
                }
                Ok(())
            }
            "flush" => producer.flush(),
            "close" => producer.close(duration(words.at(1))),
            _ => {
                for (value, delivery) in self.deliveries.remove(&name).unwrap_or_default() {
                    let fate = match delivery.try_result() {
                        None => "in flight".to_owned(),
                        Some(Err(error)) => error.to_string(),
                        Some(Ok(delivered)) => {
                            format!("partition {} offset {}", delivered.partition, delivered.offset)
                        }
                    };
                    self.print(format_args!("{value}: {fate}"));
                }
                Ok(())
            }
        }
    }

    fn send(
        &mut self,
        name: &str,
        producer: &Producer,
        words: &Words<'_>,
        i: usize,
    ) -> Result<(), Error> {
        let get = |wanted: &str| words.named.iter().find(|(n, _)| *n == wanted).map(|(_, v)| *v);
        let mut record = Record::to(words.at(1));
        if let Some(key) = get("key") {
            record = record.key(key);
        }
        if let Some(partition) = get("partition") {
            record = record.partition(partition.parse().unwrap());
        }
        if let Some(at) = get("timestamp") {
            record = record.timestamp(timestamp(at));
        }
        let value = match (get("value"), get("size")) {
            (Some(value), _) if i > 0 => Some(format!("{value}{}", i + 1)),
            (Some(value), _) => Some(value.to_owned()),
            (None, Some(size)) => Some("x".repeat(size.parse().unwrap())),
            (None, None) => None,
        };
        let shown = match &value {
            None => "null".to_owned(),
            Some(value) if value.len() > 20 => format!("{} B", value.len()),
            Some(value) => value.clone(),
        };
        if let Some(value) = value {
            record = record.value(value);
        }
        let delivery = producer.send(record)?;
        self.deliveries.entry(name.to_owned()).or_default().push((shown, delivery));
        Ok(())
    }

    fn consume(&mut self, command: &str, words: &mut Words<'_>) -> Result<(), Error> {
        let name = words.at(0).to_owned();
        if command == "consumer" {
            let consumer = self.cluster.consumer(words.named.iter().copied())?;
            self.consumers.insert(name, consumer);
            return Ok(());
        }
        let mut consumer = self.consumers.remove(&name).unwrap();
        let result = self.with_consumer(command, words, &mut consumer);
        self.consumers.insert(name, consumer);
        result
    }

    fn with_consumer(
        &mut self,
        command: &str,
        words: &Words<'_>,
        consumer: &mut Consumer,
    ) -> Result<(), Error> {
        let all = || (1..words.plain.len()).map(|place| words.partition(place));
        match command {
            "assign" => consumer.assign(all()),
            "pause" => consumer.pause(all()),
            "resume" => consumer.resume(all()),
            "poll" => {
                let polled = consumer.poll(duration(words.at(1)));
                self.print_told();
                let records = polled?;
                if records.is_empty() {
                    self.print("nothing");
                }
                for record in records {
                    let text = |bytes: Option<&[u8]>| match bytes {
                        None => "null".to_owned(),
                        Some(bytes) if bytes.len() > 20 => format!("{} B", bytes.len()),
                        Some(bytes) => String::from_utf8_lossy(bytes).into_owned(),
                    };
                    let key = record.key().map(|_| format!("{}=", text(record.key())));
                    self.print(format_args!(
                        "{} offset {}: {}{}",
                        record.topic_partition(),
                        record.offset(),
                        key.unwrap_or_default(),
                        text(record.value())
                    ));
                }
                Ok(())
            }
            "seek" => {
                let partition = words.partition(1);
                match words.at(2) {
                    "beginning" => consumer.seek_to_beginning(partition),
                    "end" => consumer.seek_to_end(partition),
                    at if at.starts_with('+') => consumer.seek_to_time(partition, timestamp(at)),
                    offset => consumer.seek(partition, Offset(offset.parse().unwrap())),
                }
            }
            "position" => {
                let position = consumer.position(words.partition(1))?;
                self.print(format_args!("position {position}"));
                Ok(())
            }
            "lag" => {
                let lag = consumer.lag(words.partition(1))?;
                self.print(format_args!("lag {lag:?}"));
                Ok(())
            }
            "offsets" => {
                let partition = words.partition(1);
                let start = consumer.beginning_offsets([&partition])?[&partition];
                let end = consumer.end_offsets([&partition])?[&partition];
                self.print(format_args!("{partition} from {start} to {end}"));
                Ok(())
            }
            "offset-at" => {
                let wanted = (words.partition(1), timestamp(words.at(2)));
                let found = consumer.offsets_for_times([wanted])?.into_values().next().flatten();
                match found {
                    None => self.print("no record is that young"),
                    Some((offset, at)) => {
                        let at = since_start(at);
                        self.print(format_args!("offset {offset} at {at} ms"));
                    }
                }
                Ok(())
            }
            _ => self.with_member(command, words, consumer),
        }
    }

    fn log(&mut self, command: &str, words: &Words<'_>) -> Result<(), Error> {
        let name = words.partition(0);
        let lines = self.cluster.view(|view| {
            let partition = view.partition(&name).unwrap();
            let (log, disk) = (partition.log(), view.disk(&name).unwrap());
            let mut lines = Vec::new();
            if command == "lookup" {
                let wanted = Offset(words.at(1).parse().unwrap());
                let segment = log.segments().rfind(|s| s.base_offset() <= wanted).unwrap();
                lines.push(match segment.offset_index().lookup(disk, wanted).unwrap() {
                    None => format!("segment {}, from its start", segment.base_offset()),
                    Some(entry) => format!(
                        "segment {}, index entry for offset {}: from position {}",
                        segment.base_offset(),
                        entry.offset,
                        entry.position
                    ),
                });
                return lines;
            }
            lines.push(format!(
                "start {} end {} high watermark {}",
                log.log_start_offset(),
                log.log_end_offset(),
                partition.high_watermark()
            ));
            for segment in log.segments() {
                let index: Vec<String> = segment
                    .offset_index()
                    .entries(disk)
                    .unwrap()
                    .into_iter()
                    .map(|entry| format!("{}@{}", entry.offset, entry.position))
                    .collect();
                let times: Vec<String> = segment
                    .time_index()
                    .entries(disk)
                    .unwrap()
                    .into_iter()
                    .map(|entry| format!("{}ms@{}", since_start(entry.timestamp), entry.offset))
                    .collect();
                lines.push(format!(
                    "segment {}: {} B, index [{}], timeindex [{}]",
                    segment.base_offset(),
                    segment.size_in_bytes(),
                    index.join(" "),
                    times.join(" ")
                ));
            }
            lines
        });
        for line in lines {
            self.print(line);
        }
        Ok(())
    }

    /// Prints what has been traced since the last time and contains one of the words.
    fn trace(&mut self, words: &Words<'_>) {
        let (trace, shown) = (self.cluster.trace(), self.shown);
        for entry in trace.entries().filter(|entry| entry.id > shown) {
            let line = format!("{} {} {}", entry.time, entry.actor, entry.event);
            if words.plain.iter().any(|word| line.contains(word)) {
                self.print(line);
            }
        }
        self.shown = trace.last();
    }

    fn fault(&mut self, command: &str, words: &Words<'_>) -> Result<(), Error> {
        let api = api(words.at(0));
        self.cluster.inject(match command {
            "lose-request" => Fault::lose_request(api),
            "lose-response" => Fault::lose_response(api),
            "reset-before" => Fault::reset_before(api),
            "reset-after" => Fault::reset_after(api),
            "delay-request" => Fault::delay_request(api, duration(words.at(1))),
            "delay-response" => Fault::delay_response(api, duration(words.at(1))),
            _ => Fault::duplicate_request_after(api, duration(words.at(1))),
        })
    }
}
