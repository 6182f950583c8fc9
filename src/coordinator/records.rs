//! Groups and offsets as records of `__consumer_offsets`, byte for byte as Kafka 4.3 writes them.
//!
//! ```text
//! key    int16 1 · group string · topic string · partition int32
//! value  int16 4 · offset int64 · leaderEpoch int32 · metadata compact string ·
//!        commitTimestamp int64 · tagged fields (0: topic id)
//!        int16 1 · offset int64 · metadata string · commitTimestamp int64 · expireTimestamp int64
//!
//! key    int16 2 · group string
//! value  int16 3 · protocolType string · generation int32 · protocol string? · leader string? ·
//!        currentStateTimestamp int64 · members [
//!            memberId string · groupInstanceId string? · clientId string · clientHost string ·
//!            rebalanceTimeout int32 · sessionTimeout int32 · subscription bytes · assignment bytes ]
//! ```
//!
//! [`api`](crate::api) says how strings, bytes and arrays look. An offset that brings its own time
//! of retention is written as version 1, which has neither leader epoch nor topic id. A record
//! without a value is a tombstone.
//!
//! # Simplifications versus Kafka
//! Other versions of the values are not read: of groups those before 3 (Kafka 2.3), of offsets 0, 2
//! and 3 (before Kafka 4.1).

use bytes::Bytes;

use crate::api::{DecodeError, Reader, StringTooLong, put_bytes, put_string};
use crate::types::{LeaderEpoch, Offset, Timestamp, TopicId, TopicPartition};

/// A record of `__consumer_offsets`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GroupRecord {
    /// A group as it is.
    Group(GroupMetadata),
    /// How far a group has come in a partition.
    Offset(OffsetRecord),
    /// A group is gone.
    GroupTombstone {
        /// The group.
        group_id: String,
    },
    /// How far a group has come in a partition is forgotten.
    OffsetTombstone {
        /// The group.
        group_id: String,
        /// The partition.
        partition: TopicPartition,
    },
}

/// How far a group has come in a partition, as it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OffsetRecord {
    /// The group.
    pub group_id: String,
    /// The partition.
    pub partition: TopicPartition,
    /// The topic's id; zero if it is not known.
    pub topic_id: TopicId,
    /// The offset of the next record.
    pub offset: Offset,
    /// The leader epoch of the last record read; −1 if it is not known.
    pub leader_epoch: LeaderEpoch,
    /// What the client wants to remember.
    pub metadata: String,
    /// When it was committed.
    pub commit_timestamp: Timestamp,
    /// When it ends, if the commit has said so itself.
    pub expire_timestamp: Option<Timestamp>,
}

/// A group as it is written: what comes back after a restart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupMetadata {
    /// The group.
    pub group_id: String,
    /// Its protocol type; empty for one that never had a member.
    pub protocol_type: String,
    /// Its generation.
    pub generation: i32,
    /// The protocol chosen.
    pub protocol_name: Option<String>,
    /// The member that assigns.
    pub leader: Option<String>,
    /// Since when it has been in its state.
    pub state_timestamp: Timestamp,
    /// Its members with their assignments.
    pub members: Vec<MemberMetadata>,
}

/// A member as it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemberMetadata {
    /// Its id.
    pub member_id: String,
    /// Its `group.instance.id`, if it is static.
    pub group_instance_id: Option<String>,
    /// The client's `client.id`.
    pub client_id: String,
    /// Where the client speaks from.
    pub client_host: String,
    /// How long it may take to come back in a rebalance, in milliseconds.
    pub rebalance_timeout_ms: i32,
    /// How long it may be silent, in milliseconds.
    pub session_timeout_ms: i32,
    /// Its metadata for the protocol chosen.
    pub subscription: Bytes,
    /// What it was given.
    pub assignment: Bytes,
}

/// What a key begins with that names a group and a partition.
const OFFSET_KEY: i16 = 1;

/// The version of an offset's value.
const OFFSET_VALUE: i16 = 4;

/// The version of the value of an offset that brings its own time of retention.
const EXPIRING_OFFSET_VALUE: i16 = 1;

/// The tag of an offset's topic id.
const TOPIC_ID_TAG: usize = 0;

/// What a key begins with that names a group.
const GROUP_KEY: i16 = 2;

/// The version of a group's value.
const GROUP_VALUE: i16 = 3;

/// The smallest member: four empty strings, two numbers and twice no bytes.
const SMALLEST_MEMBER: usize = 24;

/// The key of a group's record.
fn group_key(group_id: &str) -> Result<Bytes, StringTooLong> {
    let mut out = Vec::with_capacity(4 + group_id.len());
    out.extend_from_slice(&GROUP_KEY.to_be_bytes());
    put_string(&mut out, Some(group_id))?;
    Ok(out.into())
}

/// The key of an offset's record.
fn offset_key(group_id: &str, partition: &TopicPartition) -> Result<Bytes, StringTooLong> {
    let mut out = Vec::with_capacity(10 + group_id.len() + partition.topic.len());
    out.extend_from_slice(&OFFSET_KEY.to_be_bytes());
    put_string(&mut out, Some(group_id))?;
    put_string(&mut out, Some(&partition.topic))?;
    out.extend_from_slice(&partition.partition.to_be_bytes());
    Ok(out.into())
}

/// A record's key and value; a tombstone has none.
///
/// # Errors
/// When one of its strings is too long for it.
pub fn encode(record: &GroupRecord) -> Result<(Bytes, Option<Bytes>), StringTooLong> {
    Ok(match record {
        GroupRecord::Group(group) => (group_key(&group.group_id)?, Some(encode_group(group)?)),
        GroupRecord::Offset(offset) => {
            (offset_key(&offset.group_id, &offset.partition)?, Some(encode_offset(offset)?))
        }
        GroupRecord::GroupTombstone { group_id } => (group_key(group_id)?, None),
        GroupRecord::OffsetTombstone { group_id, partition } => {
            (offset_key(group_id, partition)?, None)
        }
    })
}

fn encode_offset(record: &OffsetRecord) -> Result<Bytes, StringTooLong> {
    let mut out = Vec::with_capacity(44 + record.metadata.len());
    if let Some(expire_timestamp) = record.expire_timestamp {
        out.extend_from_slice(&EXPIRING_OFFSET_VALUE.to_be_bytes());
        out.extend_from_slice(&record.offset.0.to_be_bytes());
        put_string(&mut out, Some(&record.metadata))?;
        out.extend_from_slice(&record.commit_timestamp.0.to_be_bytes());
        out.extend_from_slice(&expire_timestamp.0.to_be_bytes());
        return Ok(out.into());
    }
    out.extend_from_slice(&OFFSET_VALUE.to_be_bytes());
    out.extend_from_slice(&record.offset.0.to_be_bytes());
    out.extend_from_slice(&record.leader_epoch.0.to_be_bytes());
    let mut len = record.metadata.len() + 1;
    while len >= 0x80 {
        out.push(len as u8 | 0x80);
        len >>= 7;
    }
    out.push(len as u8);
    out.extend_from_slice(record.metadata.as_bytes());
    out.extend_from_slice(&record.commit_timestamp.0.to_be_bytes());
    if record.topic_id == TopicId::ZERO {
        out.push(0);
    } else {
        out.extend_from_slice(&[1, TOPIC_ID_TAG as u8, 16]);
        out.extend_from_slice(&record.topic_id.0.to_be_bytes());
    }
    Ok(out.into())
}

/// The value of a group's record.
fn encode_group(group: &GroupMetadata) -> Result<Bytes, StringTooLong> {
    let mut out = Vec::new();
    out.extend_from_slice(&GROUP_VALUE.to_be_bytes());
    put_string(&mut out, Some(&group.protocol_type))?;
    out.extend_from_slice(&group.generation.to_be_bytes());
    put_string(&mut out, group.protocol_name.as_deref())?;
    put_string(&mut out, group.leader.as_deref())?;
    out.extend_from_slice(&group.state_timestamp.0.to_be_bytes());
    out.extend_from_slice(&(group.members.len() as i32).to_be_bytes());
    for member in &group.members {
        put_string(&mut out, Some(&member.member_id))?;
        put_string(&mut out, member.group_instance_id.as_deref())?;
        put_string(&mut out, Some(&member.client_id))?;
        put_string(&mut out, Some(&member.client_host))?;
        out.extend_from_slice(&member.rebalance_timeout_ms.to_be_bytes());
        out.extend_from_slice(&member.session_timeout_ms.to_be_bytes());
        put_bytes(&mut out, Some(&member.subscription));
        put_bytes(&mut out, Some(&member.assignment));
    }
    Ok(out.into())
}

/// Reads a record from its key and value, which is no tombstone. `None` for the key of something
/// else.
///
/// # Errors
/// Where the bytes are not what Kafka writes.
pub fn decode(key: &[u8], value: &Bytes) -> Result<Option<GroupRecord>, DecodeError> {
    let key = Bytes::copy_from_slice(key);
    let mut reader = Reader::new(&key);
    Ok(match reader.i16()? {
        OFFSET_KEY => {
            let group_id = reader.string()?;
            let topic = reader.string()?;
            let partition = TopicPartition::new(topic.as_str(), reader.i32()?);
            Some(GroupRecord::Offset(decode_offset(group_id, partition, value)?))
        }
        GROUP_KEY => Some(GroupRecord::Group(decode_group(reader.string()?, value)?)),
        _ => None,
    })
}

fn decode_offset(
    group_id: String,
    partition: TopicPartition,
    value: &Bytes,
) -> Result<OffsetRecord, DecodeError> {
    let mut reader = Reader::new(value);
    let version = reader.i16()?;
    if !matches!(version, OFFSET_VALUE | EXPIRING_OFFSET_VALUE) {
        return Err(DecodeError { position: 0, expected: "version 4 or 1" });
    }
    let mut record = OffsetRecord {
        group_id,
        partition,
        topic_id: TopicId::ZERO,
        offset: Offset(reader.i64()?),
        leader_epoch: LeaderEpoch(-1),
        metadata: String::new(),
        commit_timestamp: Timestamp::NONE,
        expire_timestamp: None,
    };
    if version == EXPIRING_OFFSET_VALUE {
        record.metadata = reader.string()?;
        record.commit_timestamp = Timestamp(reader.i64()?);
        record.expire_timestamp = Some(Timestamp(reader.i64()?));
        return Ok(record);
    }
    record.leader_epoch = LeaderEpoch(reader.i32()?);
    record.metadata = reader.compact_string()?;
    record.commit_timestamp = Timestamp(reader.i64()?);
    reader.tagged_fields(|tag, field| {
        if tag == TOPIC_ID_TAG {
            let error = DecodeError { position: 0, expected: "topic id" };
            let bits = <[u8; 16]>::try_from(&field[..]).map_err(|_| error)?;
            record.topic_id = TopicId(u128::from_be_bytes(bits));
        }
        Ok(())
    })?;
    Ok(record)
}

fn decode_group(group_id: String, value: &Bytes) -> Result<GroupMetadata, DecodeError> {
    let mut reader = Reader::new(value);
    if reader.i16()? != GROUP_VALUE {
        return Err(DecodeError { position: 0, expected: "version 3" });
    }
    let protocol_type = reader.string()?;
    let generation = reader.i32()?;
    let protocol_name = reader.nullable_string()?;
    let leader = reader.nullable_string()?;
    let state_timestamp = Timestamp(reader.i64()?);
    let members = reader.items(SMALLEST_MEMBER, |reader| {
        Ok(MemberMetadata {
            member_id: reader.string()?,
            group_instance_id: reader.nullable_string()?,
            client_id: reader.string()?,
            client_host: reader.string()?,
            rebalance_timeout_ms: reader.i32()?,
            session_timeout_ms: reader.i32()?,
            subscription: reader.bytes()?,
            assignment: reader.bytes()?,
        })
    })?;
    Ok(GroupMetadata {
        group_id,
        protocol_type,
        generation,
        protocol_name,
        leader,
        state_timestamp,
        members,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(hex: &str) -> Bytes {
        let byte = |at: usize| u8::from_str_radix(&hex[at..at + 2], 16).unwrap();
        (0..hex.len()).step_by(2).map(byte).collect()
    }

    fn member(id: &str, instance: Option<&str>, client: &str) -> MemberMetadata {
        MemberMetadata {
            member_id: id.to_owned(),
            group_instance_id: instance.map(str::to_owned),
            client_id: client.to_owned(),
            client_host: "/127.0.0.1".to_owned(),
            rebalance_timeout_ms: 300_000,
            session_timeout_ms: 45_000,
            subscription: Bytes::from_static(b"S"),
            assignment: Bytes::from_static(b"T0"),
        }
    }

    /// Written by the classes of Kafka 4.3.1, `GroupMetadataKey` and `GroupMetadataValue`.
    const KEY: &str = "000200086261726973746173";
    const EMPTY: &str = "0003000000000000ffffffff0000019b76daa80000000000";
    const GROUP: &str = "00030008636f6e73756d657200000003000572616e67650003612d310000019b76daa80500000002\
        0003612d31ffff000161000a2f3132372e302e302e31000493e00000afc80000000153000000025430\
        000469312d3200026931000162000a2f3132372e302e302e310000ea60000027100000000000000000";

    fn groups() -> [(GroupMetadata, Bytes); 2] {
        let empty = GroupMetadata::empty("baristas", Timestamp(1_767_225_600_000));
        let second = MemberMetadata {
            rebalance_timeout_ms: 60_000,
            session_timeout_ms: 10_000,
            subscription: Bytes::new(),
            assignment: Bytes::new(),
            ..member("i1-2", Some("i1"), "b")
        };
        let group = GroupMetadata {
            protocol_type: "consumer".to_owned(),
            generation: 3,
            protocol_name: Some("range".to_owned()),
            leader: Some("a-1".to_owned()),
            state_timestamp: Timestamp(1_767_225_600_005),
            members: vec![member("a-1", None, "a"), second],
            ..empty.clone()
        };
        [(empty, bytes(EMPTY)), (group, bytes(GROUP))]
    }

    #[test]
    fn groups_are_written_as_kafka_writes_them() {
        assert_eq!(group_key("baristas"), Ok(bytes(KEY)));
        for (group, golden) in groups() {
            let record = GroupRecord::Group(group);
            assert_eq!(encode(&record), Ok((bytes(KEY), Some(golden.clone()))));
            assert_eq!(decode(&bytes(KEY), &golden), Ok(Some(record)));
        }
        let tombstone = GroupRecord::GroupTombstone { group_id: "baristas".to_owned() };
        assert_eq!(encode(&tombstone), Ok((bytes(KEY), None)));
        let other_key = bytes("0003000862617269737461730006");
        assert_eq!(decode(&other_key, &bytes(EMPTY)), Ok(None));
    }

    /// Written by `OffsetCommitKey` and `OffsetCommitValue` of 4.3.1; the second with a topic id.
    #[test]
    fn offsets_are_written_as_kafka_writes_them() {
        let key = bytes("00010008626172697374617300066f726465727300000005");
        let golden = bytes("0004000000000000002a00000003026d0000019b76daa80000");
        let with_id = bytes(
            "0004000000000000002a00000003026d0000019b76daa80001001000000000000000010000000000000002",
        );
        let expiring = bytes("0001000000000000002a00016d0000019b76daa8000000019b76dabb88");
        let record = OffsetRecord {
            group_id: "baristas".to_owned(),
            partition: TopicPartition::new("orders", 5),
            topic_id: TopicId::ZERO,
            offset: Offset(42),
            leader_epoch: LeaderEpoch(3),
            metadata: "m".to_owned(),
            commit_timestamp: Timestamp(1_767_225_600_000),
            expire_timestamp: None,
        };
        let topic_id = TopicId(1 << 64 | 2);
        let own_time = OffsetRecord {
            leader_epoch: LeaderEpoch(-1),
            expire_timestamp: Some(Timestamp(1_767_225_605_000)),
            ..record.clone()
        };
        let identified = OffsetRecord { topic_id, ..record.clone() };
        for (record, golden) in [(record, golden), (identified, with_id), (own_time, expiring)] {
            let record = GroupRecord::Offset(record);
            assert_eq!(encode(&record), Ok((key.clone(), Some(golden.clone()))));
            assert_eq!(decode(&key, &golden), Ok(Some(record)));
            for len in 0..golden.len() {
                assert!(decode(&key, &golden.slice(..len)).is_err(), "cut at {len}");
            }
        }
        let partition = TopicPartition::new("orders", 5);
        let tombstone = GroupRecord::OffsetTombstone { group_id: "baristas".to_owned(), partition };
        assert_eq!(encode(&tombstone), Ok((key, None)));
    }

    #[test]
    fn a_string_whose_length_does_not_fit_is_refused() {
        let long = "g".repeat(32_768);
        assert!(group_key(&long[1..]).is_ok());
        assert_eq!(group_key(&long), Err(StringTooLong { bytes: 32_768 }));
        let mut group = GroupMetadata::empty("baristas", Timestamp(0));
        group.members = vec![member("a", Some(&long), "client")];
        assert_eq!(encode(&GroupRecord::Group(group)), Err(StringTooLong { bytes: 32_768 }));
    }

    #[test]
    fn damaged_records_are_refused_wherever_they_are_cut_or_changed() {
        for (_, golden) in groups() {
            for len in 0..golden.len() {
                assert!(decode(&bytes(KEY), &golden.slice(..len)).is_err(), "cut at {len}");
            }
            for at in 0..golden.len() {
                for value in [0, 0x7f, 0x80, 0xff] {
                    let mut changed = golden.to_vec();
                    changed[at] = value;
                    // Whatever it reads as, it neither panics nor takes much memory.
                    let _ = decode(&bytes(KEY), &changed.into());
                }
            }
        }
        assert!(decode(&[0, 2, 0], &bytes(EMPTY)).is_err());
    }
}
