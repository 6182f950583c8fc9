//! Kafka's rule for topic names.

use std::fmt;

/// The longest legal name, in bytes.
pub const MAX_NAME_LENGTH: usize = 249;

/// Why a name is illegal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum InvalidTopicName {
    /// It is empty.
    Empty,
    /// It is `.` or `..`, which no directory may be called.
    Dots(String),
    /// It is longer than [`MAX_NAME_LENGTH`].
    TooLong(usize),
    /// It has a character other than ASCII letters, digits, `.`, `_` and `-`.
    Character(String, char),
}

impl fmt::Display for InvalidTopicName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            InvalidTopicName::Empty => write!(f, "a topic name must not be empty"),
            InvalidTopicName::Dots(name) => write!(f, "a topic must not be called '{name}'"),
            InvalidTopicName::TooLong(length) => write!(
                f,
                "a topic name may have {MAX_NAME_LENGTH} characters, this one has {length}"
            ),
            InvalidTopicName::Character(name, character) => write!(
                f,
                "topic name '{name}' has {character:?}; only ASCII letters, digits, '.', '_' and \
                 '-' are legal"
            ),
        }
    }
}

impl std::error::Error for InvalidTopicName {}

/// Checks a name by Kafka's rule.
///
/// # Errors
/// [`InvalidTopicName`] says which part of the rule is broken.
pub fn validate_name(name: &str) -> Result<(), InvalidTopicName> {
    if name.is_empty() {
        return Err(InvalidTopicName::Empty);
    }
    if name == "." || name == ".." {
        return Err(InvalidTopicName::Dots(name.to_owned()));
    }
    if name.len() > MAX_NAME_LENGTH {
        return Err(InvalidTopicName::TooLong(name.len()));
    }
    let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    match name.chars().find(|&c| !legal(c)) {
        Some(character) => Err(InvalidTopicName::Character(name.to_owned(), character)),
        None => Ok(()),
    }
}

/// Whether two names would be one and the same metric name, in which `.` becomes `_`. Kafka refuses
/// to create the second one.
#[must_use]
pub fn collide(a: &str, b: &str) -> bool {
    let same = |x: u8| if x == b'.' { b'_' } else { x };
    a.len() == b.len() && a.bytes().zip(b.bytes()).all(|(x, y)| same(x) == same(y))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        let long = "a".repeat(MAX_NAME_LENGTH);
        for legal in ["a", "Orders.v1_eu-west", "...", "_", &long] {
            assert_eq!(validate_name(legal), Ok(()), "{legal}");
        }
        let too_long = "a".repeat(MAX_NAME_LENGTH + 1);
        for illegal in ["", ".", "..", "a b", "주문", "a/b", "a\0", &too_long] {
            assert!(validate_name(illegal).is_err(), "{illegal}");
        }
    }

    #[test]
    fn collisions() {
        assert!(collide("a.b", "a_b"));
        assert!(collide("a.b", "a.b"));
        assert!(!collide("a.b", "a-b"));
        assert!(!collide("a.b", "a_bc"));
    }
}
