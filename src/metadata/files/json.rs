//! As much JSON as the small files need: each value with the line that it stands in.

use super::error::FileError;

/// Arrays and objects within each other, at most.
const MAX_DEPTH: usize = 16;

/// A value.
#[derive(Clone, Debug, PartialEq)]
pub struct Value {
    line: usize,
    content: Content,
}

#[derive(Clone, Debug, PartialEq)]
enum Content {
    Null,
    Bool,
    /// As it is written.
    Number(String),
    String(String),
    Array(Vec<Value>),
    Object(Vec<(String, Value)>),
}

/// The fields of an object.
#[derive(Clone, Debug)]
pub struct Fields {
    line: usize,
    fields: Vec<(String, Value)>,
}

impl Fields {
    /// A field; of several with this name the last one.
    pub fn get(&self, name: &str) -> Option<Value> {
        let found = self.fields.iter().rev().find(|(other, _)| other == name);
        found.map(|(_, value)| value.clone())
    }

    /// A field that must be there.
    pub fn need(&self, name: &'static str) -> Result<Value, FileError> {
        self.get(name).ok_or(FileError::missing(self.line, name))
    }
}

impl Value {
    /// The value unless it is null.
    pub fn nullable(self) -> Option<Value> {
        Some(self).filter(|value| value.content != Content::Null)
    }

    pub fn object(self) -> Result<Fields, FileError> {
        match self.content {
            Content::Object(fields) => Ok(Fields { line: self.line, fields }),
            _ => Err(FileError::expected(self.line, "JSON object")),
        }
    }

    pub fn items(self, what: &'static str) -> Result<Vec<Value>, FileError> {
        match self.content {
            Content::Array(items) => Ok(items),
            _ => Err(FileError::expected(self.line, what)),
        }
    }

    pub fn string(self, what: &'static str) -> Result<String, FileError> {
        match self.content {
            Content::String(text) => Ok(text),
            _ => Err(FileError::expected(self.line, what)),
        }
    }

    /// A whole number that fits.
    pub fn int<N: std::str::FromStr>(self, what: &'static str) -> Result<N, FileError> {
        let wrong = FileError::expected(self.line, what);
        match self.content {
            Content::Number(text) => text.parse().map_err(|_| wrong),
            _ => Err(wrong),
        }
    }
}

/// Reads one value and nothing else.
pub fn parse(text: &str) -> Result<Value, FileError> {
    let mut parser = Parser { rest: text, line: 1 };
    let value = parser.value(0)?;
    parser.blanks();
    if parser.rest.is_empty() { Ok(value) } else { parser.fail("end of the JSON") }
}

struct Parser<'a> {
    rest: &'a str,
    line: usize,
}

impl Parser<'_> {
    fn fail<T>(&self, what: &'static str) -> Result<T, FileError> {
        Err(FileError::expected(self.line, what))
    }

    fn blanks(&mut self) {
        let rest = self.rest.trim_start_matches([' ', '\t', '\r', '\n']);
        self.line += self.rest[..self.rest.len() - rest.len()].matches('\n').count();
        self.rest = rest;
    }

    /// Whether this comes next; it is taken then.
    fn takes(&mut self, token: &str) -> bool {
        self.blanks();
        let rest = self.rest.strip_prefix(token);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    fn value(&mut self, depth: usize) -> Result<Value, FileError> {
        self.blanks();
        let line = self.line;
        let content = if self.takes("{") {
            Content::Object(self.fields(depth + 1)?)
        } else if self.takes("[") {
            Content::Array(self.items(depth + 1)?)
        } else if self.takes("\"") {
            Content::String(self.string()?)
        } else if self.takes("null") {
            Content::Null
        } else if self.takes("true") || self.takes("false") {
            Content::Bool
        } else {
            Content::Number(self.number()?)
        };
        Ok(Value { line, content })
    }

    fn fields(&mut self, depth: usize) -> Result<Vec<(String, Value)>, FileError> {
        let mut fields = Vec::new();
        if depth > MAX_DEPTH {
            return self.fail("shallow JSON");
        }
        if self.takes("}") {
            return Ok(fields);
        }
        loop {
            if !self.takes("\"") {
                return self.fail("name of a JSON field");
            }
            let name = self.string()?;
            if !self.takes(":") {
                return self.fail("colon of a JSON field");
            }
            fields.push((name, self.value(depth)?));
            if self.takes("}") {
                return Ok(fields);
            }
            if !self.takes(",") {
                return self.fail("end of a JSON object");
            }
        }
    }

    fn items(&mut self, depth: usize) -> Result<Vec<Value>, FileError> {
        let mut items = Vec::new();
        if depth > MAX_DEPTH {
            return self.fail("shallow JSON");
        }
        if self.takes("]") {
            return Ok(items);
        }
        loop {
            items.push(self.value(depth)?);
            if self.takes("]") {
                return Ok(items);
            }
            if !self.takes(",") {
                return self.fail("end of a JSON array");
            }
        }
    }

    fn number(&mut self) -> Result<String, FileError> {
        let part = |c: char| c.is_ascii_digit() || matches!(c, '-' | '+' | '.' | 'e' | 'E');
        let rest = self.rest.trim_start_matches(part);
        let number = &self.rest[..self.rest.len() - rest.len()];
        if number.starts_with('+') || number.parse::<f64>().is_err() {
            return self.fail("JSON value");
        }
        self.rest = rest;
        Ok(number.to_owned())
    }

    /// A string whose first quote has been taken.
    fn string(&mut self) -> Result<String, FileError> {
        let mut units: Vec<u16> = Vec::new();
        let mut chars = self.rest.chars();
        loop {
            let c = match chars.next() {
                Some('"') => break,
                Some('\\') => match chars.next() {
                    Some('u') => {
                        let digits = chars.as_str().split_at_checked(4);
                        let digits = digits.filter(|(digits, _)| {
                            digits.bytes().all(|digit| digit.is_ascii_hexdigit())
                        });
                        let Some((digits, rest)) = digits else {
                            return self.fail("end of a JSON string");
                        };
                        units.extend(u16::from_str_radix(digits, 16).ok());
                        chars = rest.chars();
                        continue;
                    }
                    Some('b') => '\u{8}',
                    Some('f') => '\u{c}',
                    Some('n') => '\n',
                    Some('r') => '\r',
                    Some('t') => '\t',
                    Some(c @ ('"' | '\\' | '/')) => c,
                    _ => return self.fail("end of a JSON string"),
                },
                Some(c) if c >= ' ' => c,
                _ => return self.fail("end of a JSON string"),
            };
            units.extend_from_slice(c.encode_utf16(&mut [0; 2]));
        }
        self.rest = chars.as_str();
        Ok(String::from_utf16_lossy(&units))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values() {
        let text =
            "{ \"a\" : [1,\n-2.5e3, null, true], \"b\":\"x\\\"\\u00e9\\ud834\\udd1e\", \"b\":{} }";
        let object = parse(text).unwrap().object().unwrap();
        let items = object.need("a").unwrap().items("a").unwrap();
        assert_eq!(items[0].clone().int("a"), Ok(1_i32));
        assert_eq!(items[1].clone().int::<i32>("a").unwrap_err().to_string(), "line 2: no a");
        assert_eq!(items[2].clone().nullable(), None);
        assert!(object.need("b").unwrap().object().unwrap().get("x").is_none());
        assert_eq!(object.need("c").unwrap_err().to_string(), "line 1: c is missing");
        assert_eq!(parse("\"\\ud834\\udd1e\"").unwrap().string("b").unwrap(), "\u{1d11e}");
    }

    #[test]
    fn what_is_no_json() {
        let deep = "[".repeat(100_000);
        let table = [
            ("", "line 1: no JSON value"),
            ("\n{\n", "line 3: no name of a JSON field"),
            ("{\"a\"}", "line 1: no colon of a JSON field"),
            ("{\"a\":1", "line 1: no end of a JSON object"),
            ("[1 2]", "line 1: no end of a JSON array"),
            ("[1,]", "line 1: no JSON value"),
            ("\"a", "line 1: no end of a JSON string"),
            ("\"\\u12é4\"", "line 1: no end of a JSON string"),
            ("\"\\x\"", "line 1: no end of a JSON string"),
            ("1 1", "line 1: no end of the JSON"),
            ("--1", "line 1: no JSON value"),
            (&deep, "line 1: no shallow JSON"),
        ];
        for (text, expected) in table {
            assert_eq!(parse(text).unwrap_err().to_string(), expected);
        }
    }
}
