//! Records of `__cluster_metadata`.

use crate::metadata::{self, Message};

/// What is printed of a record: its type, its version and its fields as JSON.
pub(super) fn decode(offset: i64, value: Option<&[u8]>) -> String {
    match to_json(value.unwrap_or_default()) {
        Ok(json) => json,
        Err(error) => format!("Error at {offset}, skipping. {error}"),
    }
}

fn to_json(value: &[u8]) -> Result<String, String> {
    let record = metadata::decode(value).map_err(|error| error.to_string())?;
    match record.message {
        Message::Other { api_key, .. } => Err(format!("type {api_key} is unknown")),
        _ => Ok(metadata::to_json(&record)),
    }
}
