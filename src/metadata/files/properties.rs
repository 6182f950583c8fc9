//! Java's properties files.
//!
//! A line is a key, then blanks, `=` or `:`, then a value. One that begins with `#` or `!` is a
//! comment; one that ends with `\` goes on in the next, whose first blanks do not count. `\t`,
//! `\n`, `\r`, `\f` and `\uXXXX` stand for characters, `\` and any other character for that
//! character. Bytes are Latin-1.

use super::error::FileError;

/// A property, with the line that it begins in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Property {
    pub line: usize,
    pub key: String,
    pub value: String,
}

/// Reads the properties in their order.
pub fn parse(bytes: &[u8]) -> Result<Vec<Property>, FileError> {
    let text: String = bytes.iter().copied().map(char::from).collect();
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    let mut lines = (1..).zip(text.split('\n'));
    let mut properties = Vec::new();
    while let Some((line, natural)) = lines.next() {
        let begin = natural.trim_start_matches(blank);
        if begin.is_empty() || begin.starts_with(['#', '!']) {
            continue;
        }
        let mut logical = begin.to_owned();
        while goes_on(&logical) {
            logical.pop();
            let Some((_, more)) = lines.next() else { break };
            logical.push_str(more.trim_start_matches(blank));
        }
        let (key, value) = split(&logical);
        let unescaped =
            |text| unescape(text).ok_or(FileError::expected(line, "\\uXXXX of four digits"));
        properties.push(Property { line, key: unescaped(key)?, value: unescaped(value)? });
    }
    Ok(properties)
}

/// How a value is written.
pub fn escape(value: &str) -> String {
    let mut out = String::new();
    for (place, c) in value.chars().enumerate() {
        match c {
            ' ' if place == 0 => out.push_str("\\ "),
            '\t' => out.push_str("\\t"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\u{c}' => out.push_str("\\f"),
            '\\' | '=' | ':' | '#' | '!' => out.extend(['\\', c]),
            ' '..='~' => out.push(c),
            _ => {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    out.push_str(&format!("\\u{unit:04X}"));
                }
            }
        }
    }
    out
}

fn blank(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\u{c}')
}

/// Whether a line ends with a `\` that no other one takes its meaning from.
fn goes_on(line: &str) -> bool {
    line.chars().rev().take_while(|&c| c == '\\').count() % 2 == 1
}

fn split(line: &str) -> (&str, &str) {
    let mut escaped = false;
    let end = line.find(|c| {
        let ends = !escaped && (blank(c) || c == '=' || c == ':');
        escaped = c == '\\' && !escaped;
        ends
    });
    let (key, rest) = line.split_at(end.unwrap_or(line.len()));
    let rest = rest.trim_start_matches(blank);
    let rest = rest.strip_prefix(['=', ':']).unwrap_or(rest);
    (key, rest.trim_start_matches(blank))
}

/// Halves of characters that stand alone become U+FFFD.
fn unescape(text: &str) -> Option<String> {
    let mut units: Vec<u16> = Vec::new();
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        let c = match c {
            '\\' => match chars.next() {
                None => break,
                Some('t') => '\t',
                Some('n') => '\n',
                Some('r') => '\r',
                Some('f') => '\u{c}',
                Some('u') => {
                    let (digits, rest) = chars.as_str().split_at_checked(4)?;
                    if !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
                        return None;
                    }
                    units.push(u16::from_str_radix(digits, 16).ok()?);
                    chars = rest.chars();
                    continue;
                }
                Some(other) => other,
            },
            other => other,
        };
        units.extend_from_slice(c.encode_utf16(&mut [0; 2]));
    }
    Some(String::from_utf16_lossy(&units))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As `java.util.Properties` reads them.
    #[test]
    fn odd_lines() {
        type Read = &'static [(usize, &'static str, &'static str)];
        let table: &[(&str, Read)] = &[
            ("", &[]),
            ("# a\n! b\n\n  \t\n", &[]),
            ("a=b", &[(1, "a", "b")]),
            ("a = b \r\nc:d\re f", &[(1, "a", "b "), (2, "c", "d"), (3, "e", "f")]),
            ("#\\\na", &[(2, "a", "")]),
            ("a=b\\\n   c\nd=e", &[(1, "a", "bc"), (3, "d", "e")]),
            ("a=b\\\\\nc", &[(1, "a", "b\\"), (2, "c", "")]),
            ("a\\=b=c=d", &[(1, "a=b", "c=d")]),
            ("a==b", &[(1, "a", "=b")]),
            ("\\u0041\\t=\\q\\", &[(1, "A\t", "q")]),
            ("a=\\ud834\\udd1e", &[(1, "a", "\u{1d11e}")]),
        ];
        for (text, expected) in table {
            let read = parse(text.as_bytes()).unwrap();
            let read: Vec<(usize, &str, &str)> =
                read.iter().map(|p| (p.line, &*p.key, &*p.value)).collect();
            assert_eq!(read, *expected, "{text:?}");
        }
        let error = parse(b"a=b\nc=\\u12").unwrap_err();
        assert_eq!(error.to_string(), "line 2: no \\uXXXX of four digits");
    }

    #[test]
    fn what_is_escaped_is_read_again() {
        for value in ["", " a b ", "=:#!\\", "\t\n\r\u{c}\0", "é\u{1d11e}\u{7f}"] {
            let read = parse(format!("k={}", escape(value)).as_bytes()).unwrap();
            assert_eq!(read[0].value, value);
        }
    }
}
