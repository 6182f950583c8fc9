//! The coordinator against what a real broker has answered: the recordings of `tests/referee`.
//!
//! A recording is played up to the first request that the coordinator does not serve.

use std::collections::{BTreeMap, VecDeque};
use std::fmt::Write;
use std::path::Path;
use std::time::Duration;

use bytes::Bytes;

use super::*;
use crate::api::{
    CommittedPartition, DeletableGroupResult, DeleteGroupsResponse, DescribeGroupsResponse,
    DescribedGroup, JoinGroupProtocol, LeaveGroupResponse, ListGroupsRequest, ListGroupsResponse,
    MemberIdentity, OffsetCommitPartition, OffsetFetchGroup, OffsetFetchResponse,
    OffsetFetchResponseGroup, SyncGroupAssignment,
};

/// `max.message.bytes` of `__consumer_offsets`.
const MAX_MESSAGE_BYTES: usize = 1_048_588;

/// A coordinator and its clients.
struct Stage {
    coordinator: GroupCoordinator,
    now: Time,
    /// What each client has been answered and has not looked at.
    answers: BTreeMap<String, VecDeque<Response>>,
    /// The version of each client's last request.
    versions: BTreeMap<String, i16>,
    clients: Vec<String>,
    /// Symbols of recordings, by member id.
    symbols: BTreeMap<String, String>,
    /// What was last written, by key.
    written: BTreeMap<Bytes, GroupRecord>,
    /// How many partitions each topic has.
    topics: BTreeMap<String, i32>,
    restarts: u64,
    /// What the last commit named and does not exist.
    unknown: Vec<CommittedPartition>,
    is_unloaded: bool,
}

/// One request of a recording: its fields by name.
struct Fields<'a>(BTreeMap<&'a str, &'a str>);

impl<'a> Fields<'a> {
    fn of(words: &[&'a str]) -> Self {
        Fields(words.iter().filter_map(|word| word.split_once('=')).collect())
    }

    fn or(&self, name: &str, default: &'a str) -> &'a str {
        self.0.get(name).copied().unwrap_or(default)
    }

    fn list(&self, name: &str) -> Vec<&'a str> {
        let list = self.or(name, "");
        if list.is_empty() { Vec::new() } else { list.split(',').collect() }
    }
}

fn duration(text: &str) -> Duration {
    match text.strip_suffix("ms") {
        Some(millis) => Duration::from_millis(millis.parse().unwrap()),
        None => Duration::from_secs(text.strip_suffix('s').unwrap().parse().unwrap()),
    }
}

/// A text, or one repeated.
fn bytes(text: &str) -> Bytes {
    match text.split_once('*') {
        Some((text, times)) => text.repeat(times.parse().unwrap()).into(),
        None => text.trim_matches('"').to_owned().into(),
    }
}

/// A time in milliseconds; some are negative.
fn millis(text: &str) -> i32 {
    match text.strip_suffix("ms") {
        Some(millis) => millis.parse().unwrap(),
        None => duration(text).as_millis() as i32,
    }
}

/// Bytes as a recording shows them: long runs of one letter are counted.
fn shown(bytes: &Bytes) -> String {
    let text = String::from_utf8_lossy(bytes);
    let first = text.chars().next().unwrap_or_default();
    let is_run = text.len() > 100 && text.chars().all(|other| other == first);
    if is_run { format!("{first}*{}", text.len()) } else { text.into_owned() }
}

impl Stage {
    fn new(settings: &BTreeMap<&str, &str>) -> Self {
        let setting = |name: &str, default: i32| {
            settings.get(name).map_or(default, |value| value.parse().unwrap())
        };
        let config = GroupConfig {
            initial_rebalance_delay_ms: setting("group.initial.rebalance.delay.ms", 0),
            min_session_timeout_ms: setting("group.min.session.timeout.ms", 6000),
            max_session_timeout_ms: setting("group.max.session.timeout.ms", 1_800_000),
            max_size: setting("group.max.size", i32::MAX) as usize,
            offset_metadata_max_bytes: setting("offset.metadata.max.bytes", 4096) as usize,
        };
        Stage {
            coordinator: GroupCoordinator::new(config, Random::stream(1, "member ids")),
            now: Time::VIRTUAL_START,
            answers: BTreeMap::new(),
            versions: BTreeMap::new(),
            clients: Vec::new(),
            symbols: BTreeMap::new(),
            written: BTreeMap::new(),
            topics: BTreeMap::new(),
            restarts: 0,
            unknown: Vec::new(),
            is_unloaded: false,
        }
    }

    /// Stops in good order and starts again: connections and whatever was soft are gone.
    fn restart(&mut self) {
        self.restarts += 1;
        let random = Random::stream(self.restarts, "member ids after a restart");
        self.coordinator = GroupCoordinator::new(self.coordinator.config, random);
        self.coordinator.load(self.now, self.written.values().cloned());
        self.answers.clear();
    }

    /// The groups are let go. Whoever asks from now on is answered by the broker.
    fn unload(&mut self) {
        let coordinator = self.coordinator.clone();
        self.carry_out(coordinator.unload());
        self.is_unloaded = true;
    }

    /// A member id as it is, or what a symbol stands for.
    fn id(&self, text: &str) -> String {
        let found = self.symbols.iter().find(|(_, symbol)| *symbol == text);
        found.map_or_else(|| text.trim_matches('"').to_owned(), |(id, _)| id.clone())
    }

    fn identity(&self, text: &str) -> MemberIdentity {
        let (id, instance) = match text.split_once('@') {
            Some((id, instance)) => (id, Some(instance.to_owned())),
            None => (text, None),
        };
        MemberIdentity { member_id: self.id(id), group_instance_id: instance }
    }

    /// A partition, as an item names it.
    fn partition(name: &str) -> TopicPartition {
        let (topic, number) = name.rsplit_once('-').unwrap();
        TopicPartition::new(topic, number.parse().unwrap())
    }

    /// The partitions of a commit, those put aside that do not exist: the broker refuses them.
    fn committed(&mut self, version: i16, items: &[&str]) -> Vec<OffsetCommitPartition> {
        let mut partitions = Vec::new();
        for item in items {
            let words: Vec<&str> = item.split_whitespace().collect();
            let fields = Fields::of(&words[1..]);
            let partition = Stage::partition(words[0]);
            let count = self.topics.get(&*partition.topic).copied().unwrap_or(0);
            if !(0..count).contains(&partition.partition) {
                // From version 10 on topics have ids.
                let error_code = match version {
                    10.. if count == 0 => ErrorCode::UnknownTopicId,
                    _ => ErrorCode::UnknownTopicOrPartition,
                };
                self.unknown.push(CommittedPartition { partition, error_code });
                continue;
            }
            let metadata = fields.or("metadata", "");
            let text = || String::from_utf8_lossy(&bytes(metadata)).into_owned();
            partitions.push(OffsetCommitPartition {
                partition,
                committed_offset: Offset(fields.or("offset", "0").parse().unwrap()),
                committed_leader_epoch: LeaderEpoch(fields.or("epoch", "-1").parse().unwrap()),
                committed_metadata: (metadata != "~").then(text),
            });
        }
        partitions
    }

    /// The request of a step; `None` for what the coordinator does not serve.
    fn request(
        &mut self,
        api: &str,
        version: i16,
        fields: &Fields<'_>,
        items: &[&str],
    ) -> Option<GroupRequest> {
        let group_id = fields.or("group", "g").trim_matches('"').to_owned();
        let member_id = self.id(fields.or("member", ""));
        let instance = fields.or("instance", "~");
        let group_instance_id = (instance != "~").then(|| instance.to_owned());
        let generation_id = fields.or("generation", "-1").parse().unwrap();
        Some(match api {
            "JoinGroup" => {
                let session_timeout_ms = millis(fields.or("session", "30s"));
                let rebalance = millis(fields.or("rebalance", "30s"));
                let protocol = |text: &str| {
                    let (name, metadata) = text.split_once(':').unwrap();
                    JoinGroupProtocol { name: name.to_owned(), metadata: bytes(metadata) }
                };
                GroupRequest::JoinGroup(JoinGroupRequest {
                    version,
                    group_id,
                    session_timeout_ms,
                    rebalance_timeout_ms: if version == 0 { session_timeout_ms } else { rebalance },
                    member_id,
                    group_instance_id,
                    protocol_type: fields.or("type", "consumer").trim_matches('"').to_owned(),
                    protocols: fields.list("protocols").into_iter().map(protocol).collect(),
                })
            }
            "SyncGroup" => {
                let nullable = |text: &str| (version >= 5 && text != "~").then(|| text.to_owned());
                let assignment = |text: &str| {
                    let (id, assignment) = text.split_once(':').unwrap();
                    SyncGroupAssignment { member_id: self.id(id), assignment: bytes(assignment) }
                };
                GroupRequest::SyncGroup(SyncGroupRequest {
                    version,
                    group_id,
                    generation_id,
                    member_id,
                    group_instance_id,
                    protocol_type: nullable(fields.or("type", "consumer")),
                    protocol_name: nullable(fields.or("protocol", "range")),
                    assignments: fields.list("assignments").into_iter().map(assignment).collect(),
                })
            }
            "OffsetCommit" if fields.or("retention", "-1") == "-1" => {
                self.unknown.clear();
                let partitions = self.committed(version, items);
                GroupRequest::OffsetCommit(OffsetCommitRequest {
                    version,
                    group_id,
                    generation_id,
                    member_id,
                    group_instance_id,
                    partitions,
                })
            }
            "Heartbeat" => GroupRequest::Heartbeat(HeartbeatRequest {
                group_id,
                generation_id,
                member_id,
                group_instance_id,
            }),
            "LeaveGroup" => {
                let members = match version {
                    0..3 => vec![MemberIdentity { member_id, group_instance_id: None }],
                    _ => fields.list("members").into_iter().map(|m| self.identity(m)).collect(),
                };
                GroupRequest::LeaveGroup(LeaveGroupRequest { group_id, members })
            }
            _ => return None,
        })
    }

    /// Requests that are answered at once, by a look or with a tombstone.
    fn administer(
        &mut self,
        api: &str,
        version: i16,
        fields: &Fields<'_>,
        items: &[&str],
    ) -> Option<Response> {
        let names = |name: &str| -> Vec<String> {
            fields.list(name).into_iter().map(|name| name.trim_matches('"').to_owned()).collect()
        };
        Some(match api {
            "DescribeGroups" if fields.or("operations", "false") == "false" => {
                let describe = |id: String| self.coordinator.describe(version, &id);
                let groups = names("groups").into_iter().map(describe).collect();
                Response::DescribeGroups(DescribeGroupsResponse { groups })
            }
            "OffsetFetch" => {
                let mut groups: Vec<OffsetFetchGroup> = Vec::new();
                let all = |fields: &Fields<'_>| fields.or("topics", "") == "all";
                if version < 8 {
                    let partitions = (!all(fields)).then(Vec::new);
                    let group_id = fields.or("group", "g").trim_matches('"').to_owned();
                    groups.push(OffsetFetchGroup { group_id, partitions });
                }
                for item in items {
                    let words: Vec<&str> = item.split_whitespace().collect();
                    if words[0] == "group" {
                        let partitions = (!all(&Fields::of(&words[2..]))).then(Vec::new);
                        let group_id = words[1].trim_matches('"').to_owned();
                        groups.push(OffsetFetchGroup { group_id, partitions });
                    } else if let Some(OffsetFetchGroup { partitions: Some(all), .. }) =
                        groups.last_mut()
                    {
                        all.push(Stage::partition(words[0]));
                    }
                }
                let groups = groups.iter().map(|group| self.coordinator.fetch_offsets(group));
                let mut groups: Vec<_> = groups.collect();
                // From version 10 on topics have ids, and the edge knows which there are.
                for found in groups.iter_mut().flat_map(|group| &mut group.partitions) {
                    if version >= 10 && !self.topics.contains_key(&*found.partition.topic) {
                        found.error_code = ErrorCode::UnknownTopicId;
                    }
                }
                Response::OffsetFetch(OffsetFetchResponse { groups })
            }
            "ListGroups" => {
                let (states_filter, types_filter) = (names("states"), names("types"));
                let request = ListGroupsRequest { states_filter, types_filter };
                let (error_code, groups) = (ErrorCode::None, self.coordinator.list(&request));
                Response::ListGroups(ListGroupsResponse { error_code, groups })
            }
            "DeleteGroups" => {
                let mut results: Vec<DeletableGroupResult> = Vec::new();
                for group_id in names("groups") {
                    if results.iter().any(|result| result.group_id == group_id) {
                        continue;
                    }
                    let deleted = self.coordinator.may_delete(&group_id);
                    if deleted.is_ok() {
                        for partition in self.coordinator.committed_partitions(&group_id) {
                            self.written.remove(&offset_key(&group_id, &partition).unwrap());
                        }
                        self.coordinator.forget(&group_id);
                        self.written.remove(&group_key(&group_id).unwrap());
                    }
                    let error_code = deleted.err().unwrap_or(ErrorCode::None);
                    results.push(DeletableGroupResult { group_id, error_code });
                }
                Response::DeleteGroups(DeleteGroupsResponse { results })
            }
            _ => return None,
        })
    }

    fn send(&mut self, client: &str, request: GroupRequest) {
        let connection = match self.clients.iter().position(|other| other == client) {
            Some(known) => known,
            None => {
                self.clients.push(client.to_owned());
                self.clients.len() - 1
            }
        };
        let caller = Caller { connection: connection as u64, correlation_id: 0 };
        let (now, client_host) = (self.now, "/127.0.0.1");
        let context = Context { now, caller, client_id: client, client_host };
        let effects = self.coordinator.handle(context, request);
        self.carry_out(effects);
        self.pass(Duration::ZERO);
    }

    fn carry_out(&mut self, effects: Vec<GroupEffect>) {
        let mut effects = VecDeque::from(effects);
        while let Some(effect) = effects.pop_front() {
            match effect {
                GroupEffect::Reply { caller, response } => {
                    let client = self.clients[caller.connection as usize].clone();
                    self.answers.entry(client).or_default().push_back(response);
                }
                GroupEffect::Append { records, then } => {
                    let written: Vec<_> =
                        records.iter().map(|record| encode(record).unwrap()).collect();
                    let size = written.iter().map(|(key, value)| key.len() + value.len());
                    let fits = size.sum::<usize>() <= MAX_MESSAGE_BYTES;
                    let result = if fits { Ok(()) } else { Err(ErrorCode::RecordListTooLarge) };
                    for ((key, value), record) in written.into_iter().zip(&records) {
                        // What is read again is what was written.
                        assert_eq!(decode(&key, &value).as_ref(), Ok(&Some(record.clone())));
                        if fits {
                            self.written.insert(key, record.clone());
                        }
                    }
                    effects.extend(self.coordinator.appended(self.now, records, then, result));
                }
                GroupEffect::StateChanged { from, to, .. } => assert!(from.may_become(to)),
            }
        }
    }

    /// Lets time pass, and whatever is due.
    fn pass(&mut self, by: Duration) {
        let until = self.now.after(by);
        while let Some(due) = self.coordinator.next_deadline().filter(|&due| due <= until) {
            self.now = self.now.max(due);
            let effects = self.coordinator.on_deadline(self.now);
            self.carry_out(effects);
        }
        self.now = until;
    }

    /// The symbol for a member id, a new one if it is new.
    fn symbol(&mut self, id: &str) -> String {
        let is_drawn = id.len() > 36 && id.as_bytes()[id.len() - 37] == b'-';
        if !is_drawn {
            return id.to_owned();
        }
        if let Some(symbol) = self.symbols.get(id) {
            return symbol.clone();
        }
        let first = format!("${}", &id[..id.len() - 37]);
        let names = std::iter::once(first.clone()).chain((2..).map(|n| format!("{first}.{n}")));
        let taken: Vec<String> = self.symbols.values().cloned().collect();
        let symbol = names.into_iter().find(|name| !taken.contains(name)).unwrap();
        self.symbols.insert(id.to_owned(), symbol.clone());
        symbol
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

    fn show(&mut self, version: i16, response: &Response) -> String {
        let null = |text: &Option<String>| text.clone().unwrap_or_else(|| "~".to_owned());
        let mut out = String::new();
        match response {
            Response::JoinGroup(r) => {
                write!(out, "error={} generation={}", r.error_code.name(), r.generation_id)
                    .unwrap();
                if version >= 7 {
                    let (kind, name) = (null(&r.protocol_type), null(&r.protocol_name));
                    write!(out, " type={kind} protocol={name}").unwrap();
                } else {
                    let name = r.protocol_name.clone().unwrap_or_default();
                    write!(out, " protocol={name}").unwrap();
                }
                write!(out, " leader={}", self.symbol(&r.leader)).unwrap();
                if version >= 9 {
                    write!(out, " skip={}", r.skip_assignment).unwrap();
                }
                let member = self.symbol(&r.member_id);
                let mut members: Vec<String> = Vec::new();
                for other in &r.members {
                    let mut who = self.symbol(&other.member_id);
                    if let (5.., Some(instance)) = (version, &other.group_instance_id) {
                        write!(who, "@{instance}").unwrap();
                    }
                    members.push(format!("{who}:{}", shown(&other.metadata)));
                }
                members.sort();
                write!(out, " member={member} members={}", members.join(",")).unwrap();
            }
            Response::SyncGroup(r) => {
                write!(out, "error={}", r.error_code.name()).unwrap();
                if version >= 5 {
                    let (kind, name) = (null(&r.protocol_type), null(&r.protocol_name));
                    write!(out, " type={kind} protocol={name}").unwrap();
                }
                write!(out, " assignment={}", shown(&r.assignment)).unwrap();
            }
            Response::Heartbeat(r) => write!(out, "error={}", r.error_code.name()).unwrap(),
            Response::LeaveGroup(r) => out = self.show_leave(version, r),
            Response::OffsetCommit(r) => {
                let mut partitions: Vec<_> = r.partitions.iter().chain(&self.unknown).collect();
                partitions.sort_by(|a, b| a.partition.cmp(&b.partition));
                for CommittedPartition { partition, error_code } in partitions {
                    write!(out, "\n    {partition} error={}", error_code.name()).unwrap();
                }
            }
            Response::OffsetFetch(r) => {
                if (2..8).contains(&version) {
                    write!(out, "error={}", r.groups[0].error_code.name()).unwrap();
                }
                for group in &r.groups {
                    show_offsets(&mut out, version, group);
                }
            }
            Response::DescribeGroups(r) => {
                let mut groups: Vec<_> = r.groups.iter().collect();
                groups.sort_by(|a, b| a.group_id.cmp(&b.group_id));
                for group in groups {
                    out.push_str(&self.show_group(version, group));
                }
            }
            Response::ListGroups(r) => {
                out = format!("error={}", r.error_code.name());
                for group in &r.groups {
                    let (id, kind) = (&group.group_id, &group.protocol_type);
                    write!(out, "\n    group {id} type={kind}").unwrap();
                    if version >= 4 {
                        write!(out, " state={}", group.group_state).unwrap();
                    }
                    if version >= 5 {
                        write!(out, " kind={}", group.group_type).unwrap();
                    }
                }
            }
            Response::DeleteGroups(r) => {
                let mut results: Vec<_> = r.results.iter().collect();
                results.sort_by(|a, b| a.group_id.cmp(&b.group_id));
                for DeletableGroupResult { group_id, error_code } in results {
                    let (id, error) = (group_id, error_code.name());
                    write!(out, "\n    group {id} error={error}").unwrap();
                }
            }
            other => unreachable!("{other:?}"),
        }
        out
    }

    fn show_group(&mut self, version: i16, group: &DescribedGroup) -> String {
        let (id, error) = (&group.group_id, group.error_code.name());
        let mut out = format!("\n    group {id} error={error}");
        if version >= 6 {
            let message = group.error_message.as_ref().map(|message| format!("\"{message}\""));
            write!(out, " message={}", message.unwrap_or_else(|| "~".to_owned())).unwrap();
        }
        let (state, kind) = (&group.group_state, &group.protocol_type);
        write!(out, " state={state} type={kind} protocol={}", group.protocol_data).unwrap();
        let mut members = Vec::new();
        for member in &group.members {
            let mut line = format!("\n        member {}", self.symbol(&member.member_id));
            if version >= 4 {
                let instance = member.group_instance_id.clone();
                write!(line, " instance={}", instance.unwrap_or_else(|| "~".to_owned())).unwrap();
            }
            let (client, metadata) = (&member.client_id, shown(&member.member_metadata));
            let assignment = shown(&member.member_assignment);
            write!(line, " client={client} metadata={metadata} assignment={assignment}").unwrap();
            members.push(line);
        }
        members.sort();
        out + &members.concat()
    }

    fn show_leave(&mut self, version: i16, response: &LeaveGroupResponse) -> String {
        if version < 3 {
            let only = response.members.first().map(|member| member.error_code);
            return format!("error={}", only.unwrap_or(response.error_code).name());
        }
        let mut members = Vec::new();
        for member in &response.members {
            let mut shown = self.symbol(&member.identity.member_id);
            if let Some(instance) = &member.identity.group_instance_id {
                write!(shown, "@{instance}").unwrap();
            }
            members.push(format!("{shown}:{}", member.error_code.name()));
        }
        format!("error={} members={}", response.error_code.name(), members.join(","))
    }
}

fn show_offsets(out: &mut String, version: i16, group: &OffsetFetchResponseGroup) {
    let mut indent = "    ";
    if version >= 8 {
        let (id, error) = (&group.group_id, group.error_code.name());
        write!(out, "\n    group {id} error={error}").unwrap();
        indent = "        ";
    }
    let mut partitions: Vec<_> = group.partitions.iter().collect();
    partitions.sort_by(|a, b| a.partition.cmp(&b.partition));
    for found in partitions {
        let (partition, offset) = (&found.partition, found.committed_offset);
        write!(out, "\n{indent}{partition} offset={offset}").unwrap();
        if version >= 5 {
            write!(out, " epoch={}", found.committed_leader_epoch.0).unwrap();
        }
        let metadata = found.metadata.clone().unwrap_or_default();
        let error = found.error_code.name();
        write!(out, " metadata={} error={error}", shown(&metadata.into())).unwrap();
    }
}

/// Recordings that differ because of what is not there yet; each has to differ.
const NOT_YET: [(&str, &str); 3] = [
    ("expire-empty-group.txt", "groups do not expire"),
    ("expire-offsets.txt", "offsets do not expire"),
    ("expire-unsubscribed.txt", "offsets do not expire"),
];

/// Recordings that are played up to what the coordinator does not serve: an API, a field of it, or
/// something that happens to the broker. What comes after an unload is answered by the broker.
const UP_TO: [(&str, &str); 22] = [
    ("commit-versions.txt", "OffsetCommit"),
    ("describe-operations.txt", "DescribeGroups"),
    ("expire-retention-time.txt", "OffsetCommit"),
    ("fetch-deleted-topic-of-members.txt", "drop"),
    ("fetch-deleted-topic.txt", "drop"),
    ("find-coordinator.txt", "FindCoordinator"),
    ("group-id-empty.txt", "OffsetDelete"),
    ("offset-delete-empty.txt", "OffsetDelete"),
    ("offset-delete-missing.txt", "OffsetDelete"),
    ("offset-delete-other-type.txt", "OffsetDelete"),
    ("offset-delete-simple.txt", "OffsetDelete"),
    ("offset-delete-states.txt", "OffsetDelete"),
    ("offset-delete-subscribed.txt", "OffsetDelete"),
    ("offset-delete-unreadable-subscription.txt", "OffsetDelete"),
    ("restart-offsets.txt", "OffsetDelete"),
    ("txn-abort.txt", "InitProducerId"),
    ("txn-commit.txt", "InitProducerId"),
    ("txn-completing.txt", "InitProducerId"),
    ("txn-delete-group.txt", "InitProducerId"),
    ("txn-identity.txt", "InitProducerId"),
    ("txn-overtaken.txt", "InitProducerId"),
    ("unload-parked.txt", "Heartbeat"),
];

/// Plays a recording; gives how many answers were compared, and at what it stopped before its end.
fn play(name: &str, text: &str) -> (usize, Option<String>) {
    let lines: Vec<&str> = text.lines().collect();
    let settings = lines.iter().filter_map(|line| line.strip_prefix("set ")?.split_once('='));
    let mut stage = Stage::new(&settings.collect());
    let mut compared = 0;
    let mut asked = String::new();
    for (number, line) in lines.iter().enumerate() {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words.as_slice() {
            [] | ["set", ..] => {}
            ["topic", topic, count] => {
                stage.topics.insert((*topic).to_owned(), count.parse().unwrap());
            }
            [comment, ..] if comment.starts_with('#') => {}
            ["wait", time] => stage.pass(duration(time)),
            ["restart"] => stage.restart(),
            ["unload"] => stage.unload(),
            ["close", client] => drop(stage.answers.remove(*client)),
            ["await", client] => (*client).clone_into(&mut asked),
            [">", client, api, version, fields @ ..] => {
                let version: i16 = version.strip_prefix('v').unwrap().parse().unwrap();
                let fields = Fields::of(fields);
                (*client).clone_into(&mut asked);
                stage.versions.insert(asked.clone(), version);
                let below = lines[number + 1..].iter().take_while(|line| line.starts_with("    "));
                let items: Vec<&str> = below.copied().collect();
                if stage.is_unloaded {
                    return (compared, Some((*api).to_owned()));
                }
                if let Some(request) = stage.request(api, version, &fields, &items) {
                    stage.send(client, request);
                } else if let Some(response) = stage.administer(api, version, &fields, &items) {
                    stage.answers.entry(asked.clone()).or_default().push_back(response);
                } else {
                    return (compared, Some((*api).to_owned()));
                }
            }
            ["<", first @ ..] => {
                let mut expected = first.join(" ");
                for item in lines[number + 1..].iter().take_while(|line| line.starts_with("    ")) {
                    write!(expected, "\n{item}").unwrap();
                }
                assert_eq!(stage.answer(&asked), expected, "{name}:{}", number + 1);
                compared += 1;
            }
            _ if line.starts_with("    ") => {}
            [happens, ..] => return (compared, Some((*happens).to_owned())),
        }
    }
    (compared, None)
}

#[test]
fn members_are_answered_as_a_real_broker_answers_them() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/referee/groups");
    let mut files: Vec<_> = std::fs::read_dir(dir).unwrap().map(|e| e.unwrap().path()).collect();
    files.sort();
    let (mut compared, mut partly, mut failed) = (0, Vec::new(), Vec::new());
    for path in &files {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let text = std::fs::read_to_string(path).unwrap();
        match std::panic::catch_unwind(|| play(&name, &text)) {
            Ok((answers, stop)) => {
                compared += answers;
                partly.extend(stop.map(|at| (name, at)));
            }
            Err(_) => failed.push(name),
        }
    }
    let not_yet: Vec<String> = NOT_YET.iter().map(|(name, _)| (*name).to_owned()).collect();
    let whole = files.len() - partly.len() - failed.len();
    println!("{compared} answers of {} recordings equal, {whole} of them whole", files.len());
    let up_to = UP_TO.map(|(name, at)| (name.to_owned(), at.to_owned()));
    assert_eq!(partly, up_to, "these recordings are played up to there");
    assert_eq!(failed, not_yet, "these recordings differ");
}
