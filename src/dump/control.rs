//! Control records: the ends of transactions, and what the controllers' quorum writes for itself.
//!
//! The key is an int16 version and an int16 type. The values of types 2 to 6 are flexible messages:
//!
//! ```text
//! 2 LeaderChange    version int16 · leader int32 · voters [ id int32 ] · granting voters [ id int32 ]
//! 3 SnapshotHeader  version int16 · timestamp of the last record contained int64
//! 4 SnapshotFooter  version int16
//! 5 KRaftVersion    version int16 · kraft.version int16
//! 6 KRaftVoters     version int16 · voters [ id int32 · directory uuid ·
//!                   endpoints [ name · host · port uint16 ] · versions int16 to int16 ]
//! ```

use std::fmt::Write;

use super::fields::Fields;
use super::header::Header;
use super::json::{Object, array};
use super::source::Open;
use super::stop::Stop;
use crate::record::{ControlRecord, ControlType, RecordRef};
use crate::types::TopicId;

/// Types of control records, beyond those that end transactions.
const LEADER_CHANGE: i16 = 2;
const SNAPSHOT_HEADER: i16 = 3;
const SNAPSHOT_FOOTER: i16 = 4;
const KRAFT_VERSION: i16 = 5;
const KRAFT_VOTERS: i16 = 6;

pub(super) fn print(
    file: &Open<'_>,
    header: &Header,
    record: &RecordRef<'_>,
    out: &mut dyn Write,
) -> Result<(), Stop> {
    match text(record) {
        Some(text) => Ok(write!(out, " {text}")?),
        None => Err(file.stop(header.position, "a control record that cannot be read")),
    }
}

fn text(record: &RecordRef<'_>) -> Option<String> {
    if let Some(marker) = ControlRecord::parse(record).ok()? {
        let control_type = match marker.control_type {
            ControlType::Abort => "ABORT",
            ControlType::Commit => "COMMIT",
        };
        let epoch = marker.coordinator_epoch;
        return Some(format!("endTxnMarker: {control_type} coordinatorEpoch: {epoch}"));
    }
    let mut key = Fields::new(record.key?);
    key.i16()?;
    let mut value = Fields::new(record.value.unwrap_or_default());
    Some(match key.i16()? {
        LEADER_CHANGE => format!("LeaderChange: {}", leader_change(&mut value)?),
        SNAPSHOT_HEADER => {
            let json = Object::new().field("version", value.i16()?);
            format!(
                "SnapshotHeader {}",
                json.field("lastContainedLogTimestamp", value.i64()?).end()
            )
        }
        SNAPSHOT_FOOTER => {
            format!("SnapshotFooter {}", Object::new().field("version", value.i16()?).end())
        }
        KRAFT_VERSION => {
            let json = Object::new().field("version", value.i16()?);
            format!("KRaftVersion {}", json.field("kRaftVersion", value.i16()?).end())
        }
        KRAFT_VOTERS => format!("KRaftVoters {}", voters(&mut value)?),
        other => format!("controlType: UNKNOWN({other})"),
    })
}

fn leader_change(value: &mut Fields<'_>) -> Option<String> {
    let voters = |value: &mut Fields<'_>| {
        value.compact_items(|voter| {
            let json = Object::new().field("voterId", voter.i32()?).end();
            voter.tagged_fields()?;
            Some(json)
        })
    };
    let json = Object::new().field("version", value.i16()?).field("leaderId", value.i32()?);
    let json = json.field("voters", array(voters(value)?));
    Some(json.field("grantingVoters", array(voters(value)?)).end())
}

fn voters(value: &mut Fields<'_>) -> Option<String> {
    let json = Object::new().field("version", value.i16()?);
    let voters = value.compact_items(|voter| {
        let json = Object::new().field("voterId", voter.i32()?);
        let json = json.string("voterDirectoryId", &TopicId(voter.u128()?).to_string());
        let endpoints = voter.compact_items(endpoint)?;
        let json = json.field("endpoints", array(endpoints));
        let versions = Object::new().field("minSupportedVersion", voter.i16()?);
        let versions = versions.field("maxSupportedVersion", voter.i16()?).end();
        voter.tagged_fields()?;
        voter.tagged_fields()?;
        Some(json.field("kRaftVersionFeature", versions).end())
    });
    Some(json.field("voters", array(voters?)).end())
}

fn endpoint(endpoint: &mut Fields<'_>) -> Option<String> {
    let json = Object::new().string("name", endpoint.compact_string()?);
    let json = json.string("host", endpoint.compact_string()?).field("port", endpoint.u16()?);
    endpoint.tagged_fields()?;
    Some(json.end())
}
