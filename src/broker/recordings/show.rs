//! Answers, as recordings show them.

use std::fmt::Write;

use bytes::Bytes;

use super::Stage;
use crate::api::{
    CommittedPartition, Coordinator, DeletableGroupResult, DeletedOffset, DescribedGroup,
    LeaveGroupResponse, OffsetFetchResponseGroup, Response,
};
use crate::error::ErrorCode;
use crate::types::TopicPartition;

impl Stage {
    /// An answer, as a recording shows it.
    pub fn show(&mut self, version: i16, response: &Response) -> String {
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
                    members.push(format!("{who}:{}", self.shown(&other.metadata)));
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
                write!(out, " assignment={}", self.shown(&r.assignment)).unwrap();
            }
            Response::Heartbeat(r) => write!(out, "error={}", r.error_code.name()).unwrap(),
            Response::LeaveGroup(r) => out = self.show_leave(version, r),
            Response::OffsetCommit(r) => {
                let partition = |one: &CommittedPartition| {
                    (
                        one.partition.clone(),
                        self.edge_error(version, &one.partition, one.error_code),
                    )
                };
                show_errors(&mut out, r.partitions.iter().map(partition).collect());
            }
            Response::OffsetDelete(r) => {
                write!(out, "error={}", r.error_code.name()).unwrap();
                let partition = |one: &DeletedOffset| (one.partition.clone(), one.error_code);
                show_errors(&mut out, r.partitions.iter().map(partition).collect());
            }
            Response::FindCoordinator(r) if version < 4 => {
                write!(out, "error={}", r.coordinators[0].error_code.name()).unwrap();
            }
            Response::FindCoordinator(r) => {
                for Coordinator { key, error_code, .. } in &r.coordinators {
                    write!(out, "\n    group {key} error={}", error_code.name()).unwrap();
                }
            }
            Response::OffsetFetch(r) => {
                if (2..8).contains(&version) {
                    write!(out, "error={}", r.groups[0].error_code.name()).unwrap();
                }
                for group in &r.groups {
                    self.show_offsets(&mut out, version, group);
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
        if group.authorized_operations != i32::MIN {
            write!(out, " operations={}", group.authorized_operations).unwrap();
        }
        let mut members = Vec::new();
        for member in &group.members {
            let mut line = format!("\n        member {}", self.symbol(&member.member_id));
            if version >= 4 {
                let instance = member.group_instance_id.clone();
                write!(line, " instance={}", instance.unwrap_or_else(|| "~".to_owned())).unwrap();
            }
            let (client, metadata) = (&member.client_id, self.shown(&member.member_metadata));
            let assignment = self.shown(&member.member_assignment);
            write!(line, " client={client} metadata={metadata} assignment={assignment}").unwrap();
            members.push(line);
        }
        members.sort();
        out += &members.concat();
        out
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

    fn show_offsets(&self, out: &mut String, version: i16, group: &OffsetFetchResponseGroup) {
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
            let error = self.edge_error(version, partition, found.error_code).name();
            write!(out, " metadata={} error={error}", self.shown(&metadata.into())).unwrap();
        }
    }

    /// From version 10 on topics go by their ids, and where these become names it is known which
    /// there are.
    fn edge_error(&self, version: i16, partition: &TopicPartition, error: ErrorCode) -> ErrorCode {
        let is_known = self.broker.image().topic(&partition.topic).is_some();
        if version >= 10 && !is_known { ErrorCode::UnknownTopicId } else { error }
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

    /// Bytes as a recording shows them: long runs of one letter are counted.
    fn shown(&self, bytes: &Bytes) -> String {
        if let Some(text) = self.texts.get(bytes) {
            return text.clone();
        }
        let text = String::from_utf8_lossy(bytes);
        let first = text.chars().next().unwrap_or_default();
        let is_run = text.len() > 100 && text.chars().all(|other| other == first);
        if is_run { format!("{first}*{}", text.len()) } else { text.into_owned() }
    }
}

fn show_errors(out: &mut String, mut errors: Vec<(TopicPartition, ErrorCode)>) {
    errors.sort();
    for (partition, error) in errors {
        write!(out, "\n    {partition} error={}", error.name()).unwrap();
    }
}
