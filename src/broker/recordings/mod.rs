//! Groups against what a real broker has answered: the recordings of `tests/referee`, played to a
//! whole broker. Each is played up to the first request that the broker does not serve.
#![allow(clippy::unwrap_used)]

mod request;
mod show;

use std::collections::{BTreeMap, VecDeque};
use std::fmt::Write;
use std::path::Path;
use std::time::Duration;

use bytes::Bytes;

use super::*;
use crate::api::{
    CreatableTopic, CreateTopicsRequest, DeleteTopicsRequest, FindCoordinatorRequest,
};
use crate::config::parse_broker_file;
use crate::coordinator::{decode, encode};

/// A broker and its clients.
struct Stage {
    broker: Broker,
    now: Time,
    /// What each client has been answered and has not looked at.
    answers: BTreeMap<String, VecDeque<Response>>,
    /// The version of each client's last request.
    versions: BTreeMap<String, i16>,
    /// Each client's connection.
    connections: BTreeMap<String, ConnectionId>,
    opened: u64,
    /// Symbols of recordings, by member id.
    symbols: BTreeMap<String, String>,
    /// What recordings write for bytes that are no text.
    texts: BTreeMap<Bytes, String>,
}

fn duration(text: &str) -> Duration {
    match text.strip_suffix("ms") {
        Some(millis) => Duration::from_millis(millis.parse().unwrap()),
        None => Duration::from_secs(text.strip_suffix('s').unwrap().parse().unwrap()),
    }
}

impl Stage {
    /// A broker that has its groups' topic, and whatever else a recording sets.
    fn new(settings: &BTreeMap<&str, &str>) -> Self {
        let mut configs = BTreeMap::from([("group.initial.rebalance.delay.ms", "0")]);
        configs.extend(settings);
        let configs = parse_broker_file(configs).unwrap();
        let mut stage = Stage {
            broker: super::tests::in_memory(configs),
            now: Time::VIRTUAL_START,
            answers: BTreeMap::new(),
            versions: BTreeMap::new(),
            connections: BTreeMap::new(),
            opened: 0,
            symbols: BTreeMap::new(),
            texts: BTreeMap::new(),
        };
        let coordinator_keys = vec![String::new()];
        let find = FindCoordinatorRequest { key_type: 0, coordinator_keys };
        stage.send("player", Request::FindCoordinator(find));
        stage
    }

    fn create(&mut self, name: &str, num_partitions: i32) {
        let (name, configs) = (name.into(), Vec::new());
        let topic = CreatableTopic { name, num_partitions, replication_factor: 1, configs };
        self.send("player", Request::CreateTopics(CreateTopicsRequest { topics: vec![topic] }));
    }

    fn drop(&mut self, topic: &str) {
        let request = DeleteTopicsRequest { topics: vec![topic.into()] };
        self.send("player", Request::DeleteTopics(request));
    }

    /// Stops and starts again: connections and whatever was soft are gone.
    fn restart(&mut self) {
        self.broker.restart(self.now).unwrap();
        self.connections.clear();
        self.answers.clear();
    }

    fn close(&mut self, client: &str) {
        self.answers.remove(client);
        if let Some(connection) = self.connections.remove(client) {
            self.broker.on_disconnect(connection);
        }
    }

    fn send(&mut self, client: &str, request: Request) {
        let connection = *self.connections.entry(client.to_owned()).or_insert_with(|| {
            self.opened += 1;
            ConnectionId(self.opened)
        });
        let effects = self.broker.handle(self.now, connection, 0, client, request);
        self.take(effects);
        self.pass(Duration::ZERO);
    }

    /// Keeps the answers for those who wait for them.
    fn take(&mut self, effects: Vec<BrokerEffect>) {
        for effect in effects {
            match effect {
                BrokerEffect::Reply { connection, response, .. } => {
                    let mut known = self.connections.iter();
                    let client = known.find(|(_, other)| **other == connection);
                    if let Some((client, _)) = client {
                        self.answers.entry(client.clone()).or_default().push_back(response);
                    }
                }
                BrokerEffect::Event(BrokerEvent::GroupChanged { from, to, .. }) => {
                    assert!(from.may_become(to));
                }
                BrokerEffect::Event(_) => {}
                BrokerEffect::Close { connection } => panic!("{connection:?} was closed"),
            }
        }
    }

    /// Lets time pass, and whatever is due.
    fn pass(&mut self, by: Duration) {
        let until = self.now.after(by);
        while let Some(due) = self.broker.next_deadline().filter(|&due| due <= until) {
            self.now = self.now.max(due);
            let effects = self.broker.on_deadline(self.now);
            self.take(effects);
        }
        self.now = until;
    }

    /// Whatever has been written for groups reads as what is written so.
    fn check_written(&self, name: &str) {
        let of_groups = |name: &&TopicPartition| &*name.topic == "__consumer_offsets";
        for partition in self.broker.partitions().keys().filter(of_groups) {
            for batch in self.broker.batches(partition, Offset::ZERO) {
                for record in batch.records().map(Result::unwrap) {
                    let Some(value) = record.value.map(Bytes::copy_from_slice) else { continue };
                    let key = record.key.map(Bytes::copy_from_slice).unwrap();
                    let read = decode(&key, &value).unwrap().unwrap();
                    assert_eq!(encode(&read), Ok((key, Some(value))), "{name}: {read:?}");
                }
            }
        }
    }

    /// The next answer to a client, as a recording shows it.
    fn answer(&mut self, client: &str) -> String {
        let next = self.answers.get_mut(client).and_then(VecDeque::pop_front);
        let version = self.versions.get(client).copied().unwrap_or_default();
        match next {
            None => "parked".to_owned(),
            Some(response) => self.show(version, &response),
        }
    }
}

/// Plays a recording; gives how many answers were compared.
fn play(name: &str, text: &str) -> usize {
    let lines: Vec<&str> = text.lines().collect();
    let settings = lines.iter().filter_map(|line| line.strip_prefix("set ")?.split_once('='));
    let mut stage = Stage::new(&settings.collect());
    let mut compared = 0;
    let (mut asked, mut asked_api) = (String::new(), "");
    for (number, line) in lines.iter().enumerate() {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words.as_slice() {
            [] | ["set", ..] => {}
            ["topic", topic, count] => stage.create(topic, count.parse().unwrap()),
            ["drop", topic] => stage.drop(topic),
            [comment, ..] if comment.starts_with('#') => {}
            ["wait", time] => stage.pass(duration(time)),
            ["restart"] => stage.restart(),
            ["unload"] => stage.drop("__consumer_offsets"),
            ["close", client] => stage.close(client),
            ["await", client] => (*client).clone_into(&mut asked),
            [">", client, api, version, fields @ ..] => {
                let version: i16 = version.strip_prefix('v').unwrap().parse().unwrap();
                let fields = request::Fields::of(fields);
                (*client).clone_into(&mut asked);
                asked_api = api;
                stage.versions.insert(asked.clone(), version);
                let below = lines[number + 1..].iter().take_while(|line| line.starts_with("    "));
                let items: Vec<&str> = below.copied().collect();
                match stage.request(api, version, &fields, &items) {
                    Some(request) => stage.send(client, request),
                    None => panic!("{name}:{}: {api} is not served", number + 1),
                }
            }
            ["<", first @ ..] => {
                let mut expected = first.join(" ");
                for item in lines[number + 1..].iter().take_while(|line| line.starts_with("    ")) {
                    write!(expected, "\n{item}").unwrap();
                }
                if asked_api == "FindCoordinator" {
                    expected = without_messages(&expected);
                }
                assert_eq!(stage.answer(&asked), expected, "{name}:{}", number + 1);
                compared += 1;
            }
            _ if line.starts_with("    ") => {}
            [happens, ..] => panic!("{name}:{}: what is {happens}?", number + 1),
        }
    }
    stage.check_written(name);
    compared
}

/// FindCoordinator explains errors in words of Kafka's; here the code has to do.
fn without_messages(answer: &str) -> String {
    let lines = answer.lines().map(|line| line.split(" message=").next().unwrap_or_default());
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn members_are_answered_as_a_real_broker_answers_them() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/referee/groups");
    let mut files: Vec<_> = std::fs::read_dir(dir).unwrap().map(|e| e.unwrap().path()).collect();
    files.sort();
    let (mut compared, mut failed) = (0, Vec::new());
    for path in &files {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let text = std::fs::read_to_string(path).unwrap();
        match std::panic::catch_unwind(|| play(&name, &text)) {
            Ok(answers) => compared += answers,
            Err(_) => failed.push(name),
        }
    }
    println!("{} recordings, {compared} answers, all equal", files.len());
    assert_eq!(failed, Vec::<String>::new(), "these recordings differ");
}
