//! Requests, as recordings tell them.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::{Stage, duration};
use crate::api::{
    DeleteGroupsRequest, DescribeGroupsRequest, FindCoordinatorRequest, HeartbeatRequest,
    JoinGroupProtocol, JoinGroupRequest, LeaveGroupRequest, ListGroupsRequest, MemberIdentity,
    OffsetCommitPartition, OffsetCommitRequest, OffsetDeleteRequest, OffsetFetchGroup,
    OffsetFetchRequest, Request, SyncGroupAssignment, SyncGroupRequest,
};
use crate::types::{LeaderEpoch, Offset, TopicPartition};

/// One request of a recording: its fields by name.
pub struct Fields<'a>(BTreeMap<&'a str, &'a str>);

impl<'a> Fields<'a> {
    pub fn of(words: &[&'a str]) -> Self {
        Fields(words.iter().filter_map(|word| word.split_once('=')).collect())
    }

    fn or(&self, name: &str, default: &'a str) -> &'a str {
        self.0.get(name).copied().unwrap_or(default)
    }

    fn list(&self, name: &str) -> Vec<&'a str> {
        let list = self.or(name, "");
        if list.is_empty() { Vec::new() } else { list.split(',').collect() }
    }

    fn names(&self, name: &str) -> Vec<String> {
        self.list(name).into_iter().map(|name| name.trim_matches('"').to_owned()).collect()
    }

    fn group_id(&self) -> String {
        self.or("group", "g").trim_matches('"').to_owned()
    }
}

/// A text, or one repeated.
fn repeated(text: &str) -> String {
    match text.split_once('*') {
        Some((text, times)) => text.repeat(times.parse().unwrap()),
        None => text.trim_matches('"').to_owned(),
    }
}

/// A time in milliseconds; some are negative.
fn millis(text: &str) -> i32 {
    match text.strip_suffix("ms") {
        Some(millis) => millis.parse().unwrap(),
        None => duration(text).as_millis() as i32,
    }
}

/// A partition, as an item names it.
fn partition(name: &str) -> TopicPartition {
    let (topic, number) = name.rsplit_once('-').unwrap();
    TopicPartition::new(topic, number.parse().unwrap())
}

/// A partition of a commit.
fn committed(item: &str) -> OffsetCommitPartition {
    let words: Vec<&str> = item.split_whitespace().collect();
    let fields = Fields::of(&words[1..]);
    let metadata = fields.or("metadata", "");
    OffsetCommitPartition {
        partition: partition(words[0]),
        committed_offset: Offset(fields.or("offset", "0").parse().unwrap()),
        committed_leader_epoch: LeaderEpoch(fields.or("epoch", "-1").parse().unwrap()),
        committed_metadata: (metadata != "~").then(|| repeated(metadata)),
    }
}

/// The groups of OffsetFetch, each with the partitions below it.
fn fetched(version: i16, fields: &Fields<'_>, items: &[&str]) -> Vec<OffsetFetchGroup> {
    let mut groups: Vec<OffsetFetchGroup> = Vec::new();
    let all = |fields: &Fields<'_>| fields.or("topics", "") == "all";
    if version < 8 {
        let partitions = (!all(fields)).then(Vec::new);
        groups.push(OffsetFetchGroup { group_id: fields.group_id(), partitions });
    }
    for item in items {
        let words: Vec<&str> = item.split_whitespace().collect();
        if words[0] == "group" {
            let partitions = (!all(&Fields::of(&words[2..]))).then(Vec::new);
            let group_id = words[1].trim_matches('"').to_owned();
            groups.push(OffsetFetchGroup { group_id, partitions });
        } else if let Some(OffsetFetchGroup { partitions: Some(all), .. }) = groups.last_mut() {
            all.push(partition(words[0]));
        }
    }
    groups
}

impl Stage {
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

    /// Bytes: a text, or a subscription, by its version if that is not 0.
    fn bytes(&mut self, text: &str) -> Bytes {
        let parts = text.strip_prefix("subscription").and_then(|rest| rest.split_once('('));
        let Some((version, topics)) = parts else { return repeated(text).into() };
        let version: i16 = if version.is_empty() { 0 } else { version.parse().unwrap() };
        let topics: Vec<&str> = topics.trim_end_matches(')').split('+').collect();
        let mut bytes = version.to_be_bytes().to_vec();
        bytes.extend_from_slice(&(topics.len() as i32).to_be_bytes());
        for topic in topics {
            bytes.extend_from_slice(&(topic.len() as i16).to_be_bytes());
            bytes.extend_from_slice(topic.as_bytes());
        }
        bytes.extend_from_slice(&(-1_i32).to_be_bytes());
        let bytes = Bytes::from(bytes);
        self.texts.insert(bytes.clone(), text.to_owned());
        bytes
    }

    /// The request of a step; `None` for what the broker does not serve.
    pub fn request(
        &mut self,
        api: &str,
        version: i16,
        fields: &Fields<'_>,
        items: &[&str],
    ) -> Option<Request> {
        let group_id = fields.group_id();
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
                    JoinGroupProtocol { name: name.to_owned(), metadata: self.bytes(metadata) }
                };
                Request::JoinGroup(JoinGroupRequest {
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
                    SyncGroupAssignment {
                        member_id: self.id(id),
                        assignment: self.bytes(assignment),
                    }
                };
                Request::SyncGroup(SyncGroupRequest {
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
            "OffsetCommit" => Request::OffsetCommit(OffsetCommitRequest {
                version,
                group_id,
                generation_id,
                member_id,
                group_instance_id,
                retention_time_ms: fields.or("retention", "-1").parse().unwrap(),
                partitions: items.iter().map(|item| committed(item)).collect(),
            }),
            "OffsetFetch" => {
                let groups = fetched(version, fields, items);
                Request::OffsetFetch(OffsetFetchRequest { groups })
            }
            "OffsetDelete" => {
                let partitions = items.iter().map(|item| partition(item.trim())).collect();
                Request::OffsetDelete(OffsetDeleteRequest { group_id, partitions })
            }
            "DescribeGroups" => Request::DescribeGroups(DescribeGroupsRequest {
                version,
                groups: fields.names("groups"),
                include_authorized_operations: fields.or("operations", "false") == "true",
            }),
            "ListGroups" => {
                let (states_filter, types_filter) = (fields.names("states"), fields.names("types"));
                Request::ListGroups(ListGroupsRequest { states_filter, types_filter })
            }
            "DeleteGroups" => {
                let groups = fields.names("groups");
                Request::DeleteGroups(DeleteGroupsRequest { groups })
            }
            "FindCoordinator" => Request::FindCoordinator(FindCoordinatorRequest {
                key_type: fields.or("kind", "0").parse().unwrap(),
                coordinator_keys: match version {
                    0..4 => vec![group_id],
                    _ => fields.names("groups"),
                },
            }),
            "Heartbeat" => Request::Heartbeat(HeartbeatRequest {
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
                Request::LeaveGroup(LeaveGroupRequest { group_id, members })
            }
            _ => return None,
        })
    }
}
