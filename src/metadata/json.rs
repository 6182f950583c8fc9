//! A record as JSON, as Kafka's dump tool shows it.

use std::fmt::Write;

use super::message::{Body, Message, Value};
use super::schema::{Field, Type};
use super::wire::default_of;

impl Message {
    /// The record as Kafka's dump tool shows it, in one line:
    /// `{"type":"TOPIC_RECORD","version":0,"data":{…}}`.
    #[must_use]
    pub fn to_json(&self) -> String {
        let (key, version) = (self.api_key, self.version);
        let mut json = String::new();
        match (&self.body, self.schema()) {
            (Body::Fields(values), Some(schema)) => {
                let name = schema.name;
                let _ = write!(json, r#"{{"type":"{name}","version":{version},"data":"#);
                put_fields(&mut json, schema.fields, version, values);
                json.push('}');
            }
            (Body::Unknown(bytes), _) => {
                let len = bytes.len();
                let _ = write!(json, r#"{{"type":{key},"version":{version},"bytes":{len}}}"#);
            }
            (Body::Fields(_), None) => unreachable!("a record with fields has a schema"),
        }
        json
    }
}

fn put_fields(json: &mut String, fields: &'static [Field], version: u16, values: &[Value]) {
    json.push('{');
    let mut first = true;
    for (field, value) in fields.iter().zip(values) {
        if field.since > version || (field.tag.is_some() && *value == default_of(field)) {
            continue;
        }
        if !std::mem::take(&mut first) {
            json.push(',');
        }
        let _ = write!(json, r#""{}":"#, field.name);
        put_value(json, &field.kind, version, value);
    }
    json.push('}');
}

fn put_value(json: &mut String, kind: &'static Type, version: u16, value: &Value) {
    match (kind, value) {
        (_, Value::Null) => json.push_str("null"),
        (_, Value::Bool(flag)) => {
            let _ = write!(json, "{flag}");
        }
        (_, Value::Int(number)) => {
            let _ = write!(json, "{number}");
        }
        (_, Value::Uuid(id)) => {
            let _ = write!(json, r#""{id}""#);
        }
        (_, Value::String(text)) => put_text(json, text),
        (_, Value::Bytes(bytes)) => {
            let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            put_text(json, &hex);
        }
        (Type::Array(item), Value::Array(items)) => {
            json.push('[');
            for (i, value) in items.iter().enumerate() {
                if i > 0 {
                    json.push(',');
                }
                put_value(json, item, version, value);
            }
            json.push(']');
        }
        (Type::Struct(fields), Value::Struct(values)) => put_fields(json, fields, version, values),
        _ => json.push_str("null"),
    }
}

/// Text in quotes.
pub(crate) fn put_text(json: &mut String, text: &str) {
    json.push('"');
    for character in text.chars() {
        match character {
            '"' => json.push_str("\\\""),
            '\\' => json.push_str("\\\\"),
            '\n' => json.push_str("\\n"),
            '\r' => json.push_str("\\r"),
            '\t' => json.push_str("\\t"),
            control if control < ' ' => {
                let _ = write!(json, "\\u{:04X}", control as u32);
            }
            plain => json.push(plain),
        }
    }
    json.push('"');
}
