//! Records as the JSON that Kafka's `dump-log --cluster-metadata-decoder` prints of them.
//!
//! Fields come in the order of Kafka's descriptions. A tagged field that is its default is left
//! out, ids are URL-safe base64 without padding, bytes are base64 with padding.
//!
//! # Simplifications versus Kafka
//!
//! A fraction has as few digits as tell it apart; Java before 19 prints some of them with one digit
//! more. Kafka's tool has no JSON for a record that it does not know.

use std::fmt::Write;

use bytes::Bytes;

use super::control::ControlMessage;
use super::records::{Message, Record};
use super::uuid::Uuid;

/// The record as JSON: `{"type":"TOPIC_RECORD","version":0,"data":{…}}`.
#[must_use]
pub fn to_json(record: &Record) -> String {
    let mut out = String::new();
    let mut object = Object::begin(record.version, &mut out);
    if let Message::Other { api_key, body } = &record.message {
        object.field("apiKey", api_key);
        object.field("version", &record.version);
        object.field("data", body);
    } else {
        object.field("type", record.message.record_type());
        object.field("version", &record.version);
        object.field("data", &record.message);
    }
    object.end();
    out
}

/// The control record as JSON, without the name that the tool puts in front.
#[must_use]
pub fn control_to_json(message: &ControlMessage) -> String {
    let mut out = String::new();
    message.json(message.version(), &mut out);
    out
}

/// What has a form in JSON.
pub trait Json {
    /// Appends it, as a structure of this version shows it.
    fn json(&self, version: i16, out: &mut String);
}

/// An object under construction.
#[derive(Debug)]
pub struct Object<'a> {
    out: &'a mut String,
    version: i16,
    separator: &'static str,
}

impl<'a> Object<'a> {
    /// Opens it.
    pub fn begin(version: i16, out: &'a mut String) -> Self {
        Object { out, version, separator: "{" }
    }

    /// Adds a field.
    pub fn field(&mut self, name: &str, value: &(impl Json + ?Sized)) {
        self.out.push_str(self.separator);
        self.separator = ",";
        name.json(self.version, self.out);
        self.out.push(':');
        value.json(self.version, self.out);
    }

    /// Closes it.
    pub fn end(self) {
        self.out.push_str(if self.separator == "{" { "{}" } else { "}" });
    }
}

macro_rules! shown {
    ($($kind:ty),*) => {$(
        impl Json for $kind {
            fn json(&self, _: i16, out: &mut String) {
                // Writing into a string does not fail.
                let _ = write!(out, "{self}");
            }
        }
    )*};
}

shown!(i8, i16, u16, i32, i64, bool);

impl Json for f64 {
    fn json(&self, _: i16, out: &mut String) {
        let size = self.abs();
        let _ = if self.is_infinite() {
            write!(out, "\"{}Infinity\"", if *self < 0.0 { "-" } else { "" })
        } else if self.is_nan() {
            write!(out, "\"NaN\"")
        } else if size == 0.0 || (1e-3..1e7).contains(&size) {
            write!(out, "{self:?}")
        } else {
            let text = format!("{self:E}");
            let (digits, exponent) = text.split_once('E').unwrap_or((&text, "0"));
            let point = if digits.contains('.') { "" } else { ".0" };
            write!(out, "{digits}{point}E{exponent}")
        };
    }
}

impl Json for str {
    fn json(&self, _: i16, out: &mut String) {
        out.push('"');
        for c in self.chars() {
            match c {
                '"' => out.push_str("\\\""),
                '\\' => out.push_str("\\\\"),
                '\n' => out.push_str("\\n"),
                '\r' => out.push_str("\\r"),
                '\t' => out.push_str("\\t"),
                '\u{8}' => out.push_str("\\b"),
                '\u{c}' => out.push_str("\\f"),
                '\0'..'\u{20}' => {
                    let _ = write!(out, "\\u{:04X}", u32::from(c));
                }
                _ => out.push(c),
            }
        }
        out.push('"');
    }
}

impl Json for String {
    fn json(&self, version: i16, out: &mut String) {
        self.as_str().json(version, out);
    }
}

impl Json for Uuid {
    fn json(&self, version: i16, out: &mut String) {
        self.to_string().json(version, out);
    }
}

impl Json for Bytes {
    fn json(&self, _: i16, out: &mut String) {
        const ALPHABET: &[u8; 64] =
            b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        out.push('"');
        for three in self.chunks(3) {
            let byte = |at: usize| u32::from(three.get(at).copied().unwrap_or(0));
            let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
            for digit in 0..4 {
                let sextet = bits >> (18 - 6 * digit) & 0x3f;
                let padding = digit as usize > three.len();
                out.push(if padding { '=' } else { char::from(ALPHABET[sextet as usize]) });
            }
        }
        out.push('"');
    }
}

impl<T: Json> Json for Option<T> {
    fn json(&self, version: i16, out: &mut String) {
        match self {
            None => out.push_str("null"),
            Some(value) => value.json(version, out),
        }
    }
}

impl<T: Json> Json for Vec<T> {
    fn json(&self, version: i16, out: &mut String) {
        out.push('[');
        for (place, item) in self.iter().enumerate() {
            if place > 0 {
                out.push(',');
            }
            item.json(version, out);
        }
        out.push(']');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(value: &(impl Json + ?Sized)) -> String {
        let mut out = String::new();
        value.json(0, &mut out);
        out
    }

    /// As Java's `Double.toString` has them.
    #[test]
    fn fractions() {
        let table = [
            (0.0, "0.0"),
            (1024.0, "1024.0"),
            (0.001, "0.001"),
            (0.000_25, "2.5E-4"),
            (9_999_999.5, "9999999.5"),
            (10_000_000.0, "1.0E7"),
            (-1.25e20, "-1.25E20"),
            (f64::INFINITY, "\"Infinity\""),
        ];
        for (value, expected) in table {
            assert_eq!(text(&value), expected);
        }
    }

    #[test]
    fn strings_and_bytes() {
        assert_eq!(text("a\"\\\n\u{1f}é"), "\"a\\\"\\\\\\n\\u001Fé\"");
        for (bytes, expected) in [("", "\"\""), ("a", "\"YQ==\""), ("ab", "\"YWI=\"")] {
            assert_eq!(text(&Bytes::from(bytes)), expected);
        }
    }
}
