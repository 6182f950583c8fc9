//! JSON as Kafka's tools print it: without spaces, fields in the order of the schema. Strings and
//! bytes look as those of the metadata do.

use std::fmt::Write;

use bytes::Bytes;

use crate::metadata::json::Json;

/// An object that is written field by field.
#[derive(Debug)]
pub(super) struct Object {
    text: String,
}

impl Object {
    pub(super) fn new() -> Self {
        Object { text: "{".to_owned() }
    }

    /// A field whose value is JSON already, or prints as JSON does: numbers.
    pub(super) fn field(mut self, name: &str, value: impl std::fmt::Display) -> Self {
        let comma = if self.text.len() == 1 { "" } else { "," };
        // Strings take whatever is written.
        let _ = write!(self.text, "{comma}\"{name}\":{value}");
        self
    }

    pub(super) fn string(self, name: &str, value: &str) -> Self {
        self.field(name, string(value))
    }

    pub(super) fn nullable_string(self, name: &str, value: Option<&str>) -> Self {
        self.field(name, value.map_or_else(|| "null".to_owned(), string))
    }

    pub(super) fn nullable_bytes(self, name: &str, value: Option<&[u8]>) -> Self {
        self.field(name, value.map_or_else(|| "null".to_owned(), base64))
    }

    pub(super) fn end(mut self) -> String {
        self.text.push('}');
        self.text
    }
}

/// An array of what is JSON already.
pub(super) fn array(items: impl IntoIterator<Item = String>) -> String {
    format!("[{}]", items.into_iter().collect::<Vec<_>>().join(","))
}

/// A string in quotation marks.
pub(super) fn string(text: &str) -> String {
    json(text)
}

/// Bytes in base64, in quotation marks.
pub(super) fn base64(bytes: &[u8]) -> String {
    json(&Bytes::copy_from_slice(bytes))
}

fn json(value: &(impl Json + ?Sized)) -> String {
    let mut text = String::new();
    value.json(0, &mut text);
    text
}
