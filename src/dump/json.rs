//! JSON as Kafka's tools print it: without spaces, fields in the order of the schema.

use std::fmt::Write;

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
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for c in text.chars() {
        match c {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\u{8}' => quoted.push_str("\\b"),
            '\t' => quoted.push_str("\\t"),
            '\n' => quoted.push_str("\\n"),
            '\u{c}' => quoted.push_str("\\f"),
            '\r' => quoted.push_str("\\r"),
            c if c < ' ' => quoted.push_str(&format!("\\u{:04X}", u32::from(c))),
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

/// Bytes in base64 with padding, in quotation marks.
pub(super) fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::from("\"");
    for chunk in bytes.chunks(3) {
        let byte = |at: usize| u32::from(chunk.get(at).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for digit in 0..4 {
            let sextet = bits >> (18 - 6 * digit) & 0x3f;
            let is_padding = digit > chunk.len();
            text.push(if is_padding { '=' } else { char::from(DIGITS[sextet as usize]) });
        }
    }
    text.push('"');
    text
}
