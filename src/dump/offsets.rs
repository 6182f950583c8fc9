//! Records of `__consumer_offsets` as JSON: what groups have committed, and who is in them.

use bytes::Bytes;

use super::fields::Fields;
use super::json::{Object, array, base64};
use crate::coordinator::{self, GroupMetadata, GroupRecord, MemberMetadata, OffsetRecord};
use crate::types::TopicId;

/// What a key begins with that names a group and a partition; 0 is what it was once.
const OFFSET_KEYS: [i16; 2] = [0, 1];
/// What a key begins with that names a group.
const GROUP_KEY: i16 = 2;
/// The keys of Kafka 4.3, of whose records not all are read here.
const KNOWN_KEYS: std::ops::RangeInclusive<i16> = 0..=18;
/// The protocol type whose members' bytes have a known form.
const CONSUMER: &str = "consumer";

/// Key and payload as they are printed.
pub(super) fn decode(
    offset: i64,
    key: &[u8],
    value: Option<&[u8]>,
) -> (Option<String>, Option<String>) {
    match try_decode(offset, key, value) {
        Ok((key, payload)) => (Some(key), payload),
        Err(what) => (Some(format!("Error at offset {offset}, skipping. {what}")), None),
    }
}

fn try_decode(
    offset: i64,
    key: &[u8],
    value: Option<&[u8]>,
) -> Result<(String, Option<String>), String> {
    let mut fields = Fields::new(key);
    let kind = fields.i16().ok_or("Could not read version from key's buffer.")?;
    if !KNOWN_KEYS.contains(&kind) {
        let unknown = format!("Unknown record type {kind} at offset {offset}, skipping.");
        return Ok((unknown, None));
    }
    let data = key_data(kind, &mut fields)
        .ok_or_else(|| format!("a key of type {kind} that cannot be read"))?
        .ok_or_else(|| format!("records of type {kind} are not decoded"))?;
    let json = Object::new().string("type", &kind.to_string()).field("data", data).end();
    let Some(value) = value else { return Ok((json, Some("<DELETE>".to_owned()))) };
    let value = Bytes::copy_from_slice(value);
    let version = Fields::new(&value).i16().unwrap_or_default();
    let data = match coordinator::decode(key, &value).map_err(|error| error.to_string())? {
        Some(GroupRecord::Group(group)) => group_data(&group),
        Some(GroupRecord::Offset(record)) => offset_data(&record),
        _ => return Err(format!("records of type {kind} are not decoded")),
    };
    let payload = Object::new().string("version", &version.to_string()).field("data", data).end();
    Ok((json, Some(payload)))
}

/// The key behind its type. The inner `None` stands for a type that is not read.
fn key_data(kind: i16, fields: &mut Fields<'_>) -> Option<Option<String>> {
    let mut json = Object::new();
    if OFFSET_KEYS.contains(&kind) {
        json = json.string("group", fields.string()?).string("topic", fields.string()?);
        json = json.field("partition", fields.i32()?);
    } else if kind == GROUP_KEY {
        json = json.string("group", fields.string()?);
    } else {
        return Some(None);
    }
    Some(Some(json.end()))
}

fn offset_data(record: &OffsetRecord) -> String {
    let mut json = Object::new().field("offset", record.offset);
    if record.expire_timestamp.is_none() {
        json = json.field("leaderEpoch", record.leader_epoch);
    }
    json = json.string("metadata", &record.metadata);
    json = json.field("commitTimestamp", record.commit_timestamp.0);
    if let Some(expire_timestamp) = record.expire_timestamp {
        json = json.field("expireTimestamp", expire_timestamp.0);
    }
    if record.topic_id != TopicId::ZERO {
        json = json.string("topicId", &record.topic_id.to_string());
    }
    json.end()
}

fn group_data(group: &GroupMetadata) -> String {
    let is_consumer = group.protocol_type == CONSUMER;
    let members = group.members.iter().map(|member| member_data(member, is_consumer));
    Object::new()
        .string("protocolType", &group.protocol_type)
        .field("generation", group.generation)
        .nullable_string("protocol", group.protocol_name.as_deref())
        .nullable_string("leader", group.leader.as_deref())
        .field("currentStateTimestamp", group.state_timestamp.0)
        .field("members", array(members))
        .end()
}

fn member_data(member: &MemberMetadata, is_consumer: bool) -> String {
    let mut subscription = None;
    let mut assignment = None;
    if is_consumer {
        subscription = subscription_data(&member.subscription);
        assignment = assignment_data(&member.assignment);
    }
    Object::new()
        .string("memberId", &member.member_id)
        .nullable_string("groupInstanceId", member.group_instance_id.as_deref())
        .string("clientId", &member.client_id)
        .string("clientHost", &member.client_host)
        .field("rebalanceTimeout", member.rebalance_timeout_ms)
        .field("sessionTimeout", member.session_timeout_ms)
        .field("subscription", subscription.unwrap_or_else(|| base64(&member.subscription)))
        .field("assignment", assignment.unwrap_or_else(|| base64(&member.assignment)))
        .end()
}

/// What a consumer has told its group; the fields depend on the version, so that it is not read by
/// the one who assigns.
fn subscription_data(bytes: &[u8]) -> Option<String> {
    let mut fields = Fields::new(bytes);
    let version = fields.i16()?;
    let topics = fields.items(|topic| topic.string().map(super::json::string))?;
    let mut json = Object::new().field("topics", array(topics));
    json = json.nullable_bytes("userData", fields.nullable_bytes()?);
    if version >= 1 {
        json = json.field("ownedPartitions", array(fields.items(partitions)?));
    }
    if version >= 2 {
        json = json.field("generationId", fields.i32()?);
    }
    if version >= 3 {
        json = json.nullable_string("rackId", fields.nullable_string()?);
    }
    Some(json.end())
}

fn assignment_data(bytes: &[u8]) -> Option<String> {
    let mut fields = Fields::new(bytes);
    fields.i16()?;
    let json = Object::new().field("assignedPartitions", array(fields.items(partitions)?));
    Some(json.nullable_bytes("userData", fields.nullable_bytes()?).end())
}

/// A topic with its partitions.
fn partitions(fields: &mut Fields<'_>) -> Option<String> {
    let json = Object::new().string("topic", fields.string()?);
    let partitions = fields.items(|partition| partition.i32().map(|id| id.to_string()))?;
    Some(json.field("partitions", array(partitions)).end())
}
