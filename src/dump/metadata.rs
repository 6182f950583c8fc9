//! Records of `__cluster_metadata`.

/// What is printed of a record: its type, its version and its fields as JSON.
pub(super) fn decode(offset: i64, value: Option<&[u8]>) -> String {
    match to_json(value.unwrap_or_default()) {
        Ok(json) => json,
        Err(error) => format!("Error at {offset}, skipping. {error}"),
    }
}

/// The one place that asks for the metadata's own codec.
fn to_json(value: &[u8]) -> Result<String, String> {
    Err(format!("{} bytes: metadata records are not decoded", value.len()))
}
