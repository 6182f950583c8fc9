//! Plays a script against a broker.

use std::collections::{BTreeMap, BTreeSet};
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::answer;
use crate::codec::Value;
use crate::connection::{Connection, Reply};
use crate::names::Names;
use crate::request;
use crate::schema::Api;
use crate::script::{Piece, Request, Script, Step};

/// How long an answer that is known to come may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long to wait for one that is not known to come.
const GRACE: Duration = Duration::from_millis(400);
/// How long to watch a request that is known to be parked.
const WATCH: Duration = Duration::from_millis(200);

/// The broker that is played against.
pub struct Broker {
    /// Where it listens.
    pub address: String,
    /// The command that stops it, starts it again and returns when it listens, if there is one.
    pub restart: Option<String>,
}

/// One sequence being played.
pub struct Player<'a> {
    broker: &'a Broker,
    names: Names,
    clients: BTreeMap<String, Connection>,
}

impl<'a> Player<'a> {
    /// A player whose groups and topics carry this prefix.
    pub fn new(broker: &'a Broker, prefix: String) -> Self {
        Player { broker, names: Names::new(prefix), clients: BTreeMap::new() }
    }

    /// Plays the script; one answer a piece, empty where there is none, up to the first fault.
    pub fn play(mut self, script: &Script) -> (Vec<Vec<String>>, Result<(), String>) {
        let mut answers = Vec::new();
        if let Err(e) = self.warm_up(script) {
            return (answers, Err(e));
        }
        for piece in &script.pieces {
            match self.piece(script, piece) {
                Ok(answer) => answers.push(answer),
                Err(e) => return (answers, Err(format!("line {}: {e}", piece.line))),
            }
        }
        (answers, Ok(()))
    }

    fn piece(&mut self, script: &Script, piece: &Piece) -> Result<Vec<String>, String> {
        let patience = match (&piece.step, piece.answer.first().map(String::as_str)) {
            (Some(Step::Request(request)), _) if !may_park(request) => PATIENCE,
            (_, None) => GRACE,
            (_, Some("< parked")) => WATCH,
            (_, Some(_)) => PATIENCE,
        };
        match &piece.step {
            None => {}
            Some(Step::Wait(time)) => sleep(*time),
            Some(Step::Topic(name, partitions)) => self.create_topic(name, *partitions)?,
            Some(Step::Drop(name)) => self.drop_topic(name)?,
            Some(Step::Close(client)) => drop(self.clients.remove(client)),
            Some(Step::Restart) => {
                let command =
                    self.broker.restart.as_deref().ok_or("no command to restart the broker")?;
                self.clients.clear();
                crate::shell(command)?;
                self.warm_up(script)?;
            }
            Some(Step::Unload) => self.drop_broker_topic("__consumer_offsets".into())?,
            Some(Step::Await(client)) => return self.answer(client, patience),
            Some(Step::Request(request)) => {
                let start = Instant::now();
                loop {
                    self.send(request)?;
                    let answer = self.answer(&request.client, patience)?;
                    if !is_passing(&answer) || start.elapsed() > PATIENCE {
                        return Ok(answer);
                    }
                    sleep(Duration::from_millis(100));
                }
            }
        }
        Ok(Vec::new())
    }

    fn send(&mut self, step: &Request) -> Result<(), String> {
        let api = Api::named(&step.api).ok_or(format!("no API {}", step.api))?;
        let request = request::build(api, step, &mut self.names)?;
        self.connection(&step.client)?.send(api, step.version, &request)
    }

    fn connection(&mut self, client: &str) -> Result<&mut Connection, String> {
        if !self.clients.contains_key(client) {
            self.clients.insert(client.into(), Connection::open(&self.broker.address, client)?);
        }
        self.clients.get_mut(client).ok_or_else(|| "no connection".into())
    }

    fn answer(&mut self, client: &str, patience: Duration) -> Result<Vec<String>, String> {
        let connection =
            self.clients.get_mut(client).ok_or(format!("{client} has sent nothing"))?;
        let (api, version) = connection.waiting().ok_or(format!("{client} waits for nothing"))?;
        Ok(match connection.receive(patience)? {
            Reply::Answer(value) => answer::lines(api, version, &value, &mut self.names),
            Reply::Parked => vec!["< parked".into()],
            Reply::Closed => {
                self.clients.remove(client);
                vec!["< closed".into()]
            }
        })
    }

    /// Sends a request of the player's own and waits for the answer.
    fn ask(&mut self, api: &str, version: i16, request: &Value) -> Result<Value, String> {
        let api = Api::named(api).ok_or("no such API")?;
        let connection = self.connection("player")?;
        connection.send(api, version, request)?;
        match connection.receive(PATIENCE)? {
            Reply::Answer(value) => Ok(value),
            Reply::Parked | Reply::Closed => Err(format!("no answer to {}", api.name)),
        }
    }

    fn create_topic(&mut self, name: &str, partitions: i32) -> Result<(), String> {
        let topic = fields(vec![
            ("topic", text(&self.names.out(name))),
            ("partitions", Value::Int(i64::from(partitions))),
            ("replicas", Value::Int(1)),
            ("assignments", list(Vec::new())),
            ("configs", list(Vec::new())),
        ]);
        let request = fields(vec![
            ("topics", list(vec![topic])),
            ("timeout", Value::Int(10_000)),
            ("validate", Value::Int(0)),
        ]);
        let answer = self.ask("CreateTopics", 2, &request)?;
        match answer.list("topics").first().and_then(|topic| topic.int("error")) {
            Some(0) => {}
            other => return Err(format!("topic {name}: error {other:?}")),
        }
        let id = self.await_topic(name, |error| error == 0)?;
        self.names.learn_topic(name, id);
        Ok(())
    }

    fn drop_topic(&mut self, name: &str) -> Result<(), String> {
        self.drop_broker_topic(self.names.out(name))?;
        self.await_topic(name, |error| error == 3)?;
        sleep(Duration::from_millis(200)); // the coordinator learns of it a little later
        Ok(())
    }

    fn drop_broker_topic(&mut self, name: String) -> Result<(), String> {
        let topics = list(vec![text(&name)]);
        let request = fields(vec![("topics", topics), ("timeout", Value::Int(10_000))]);
        let answer = self.ask("DeleteTopics", 1, &request)?;
        match answer.list("topics").first().and_then(|topic| topic.int("error")) {
            Some(0) => Ok(()),
            other => Err(format!("topic {name}: error {other:?}")),
        }
    }

    /// Waits until the broker's metadata say so of the topic; gives its id.
    fn await_topic(&mut self, name: &str, fits: fn(i64) -> bool) -> Result<[u8; 16], String> {
        let topic =
            fields(vec![("topicid", Value::Uuid([0; 16])), ("topic", text(&self.names.out(name)))]);
        let request = fields(vec![
            ("topics", list(vec![topic])),
            ("auto", Value::Int(0)),
            ("cluster", Value::Int(0)),
            ("operations", Value::Int(0)),
        ]);
        until(|player: &mut Self| {
            let answer = player.ask("Metadata", 10, &request)?;
            let topic = answer.list("topics").first().ok_or("no topic in the metadata")?;
            let ready = topic.int("error").is_some_and(fits)
                && topic
                    .list("partitions")
                    .iter()
                    .all(|partition| partition.int("error") == Some(0));
            match topic.get("topicid") {
                Some(Value::Uuid(id)) if ready => Ok(Some(*id)),
                _ => Ok(None),
            }
        })(self)
    }

    /// Waits until the coordinator of each group of the script is there and has loaded.
    fn warm_up(&mut self, script: &Script) -> Result<(), String> {
        let mut groups = BTreeSet::from(["g".to_owned()]);
        for piece in &script.pieces {
            let Some(Step::Request(request)) = &piece.step else { continue };
            for (name, value) in &request.fields {
                if name == "transaction" {
                    let key = text(&self.names.out(value));
                    let find = fields(vec![("group", key), ("kind", Value::Int(1))]);
                    until(|player: &mut Self| {
                        let answer = player.ask("FindCoordinator", 2, &find)?;
                        Ok((answer.int("error") == Some(0)).then_some(()))
                    })(self)?;
                } else if name == "group" || name == "groups" {
                    groups.extend(value.split(',').map(Into::into));
                }
            }
            let heads = request.items.iter().filter(|item| item.head.len() == 2);
            groups.extend(heads.filter_map(|item| item.head.last().cloned()));
        }
        for group in groups.iter().filter(|group| !group.is_empty()) {
            let name = text(&self.names.out(group));
            let find = fields(vec![("group", name.clone()), ("kind", Value::Int(0))]);
            until(|player: &mut Self| {
                let answer = player.ask("FindCoordinator", 2, &find)?;
                Ok((answer.int("error") == Some(0)).then_some(()))
            })(self)?;
            let describe =
                fields(vec![("groups", list(vec![name])), ("operations", Value::Int(0))]);
            until(|player: &mut Self| {
                let answer = player.ask("DescribeGroups", 5, &describe)?;
                let error = answer.list("groups").first().and_then(|group| group.int("error"));
                Ok((!matches!(error, Some(14..=16))).then_some(()))
            })(self)?;
        }
        Ok(())
    }
}

/// Only these two wait for other members.
fn may_park(request: &Request) -> bool {
    matches!(request.api.as_str(), "JoinGroup" | "SyncGroup")
}

/// Whether the coordinator of a transaction only asks for a little time: it loads, or ends the
/// transaction before.
fn is_passing(answer: &[String]) -> bool {
    answer.first().is_some_and(|line| {
        line.starts_with("< error=COORDINATOR_LOAD_IN_PROGRESS")
            || line.starts_with("< error=CONCURRENT_TRANSACTIONS")
    })
}

/// Tries again until there is a result, for half a minute.
fn until<P, T>(
    mut attempt: impl FnMut(&mut P) -> Result<Option<T>, String>,
) -> impl FnMut(&mut P) -> Result<T, String> {
    move |player| {
        let start = Instant::now();
        loop {
            if let Some(result) = attempt(player)? {
                return Ok(result);
            }
            if start.elapsed() > Duration::from_secs(30) {
                return Err("the broker does not get ready".into());
            }
            sleep(Duration::from_millis(100));
        }
    }
}

fn fields(fields: Vec<(&str, Value)>) -> Value {
    Value::Struct(fields.into_iter().map(|(name, value)| (name.into(), value)).collect())
}

fn text(text: &str) -> Value {
    Value::Str(Some(text.into()))
}

fn list(elements: Vec<Value>) -> Value {
    Value::List(Some(elements))
}
