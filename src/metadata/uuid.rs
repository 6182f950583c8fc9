//! The 128-bit ids of topics, directories and incarnations, as Kafka writes them.

use std::fmt;
use std::str::FromStr;

use crate::types::TopicId;

/// A 128-bit id. As text it is URL-safe base64 without padding: 22 characters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Uuid(pub u128);

impl Uuid {
    /// The id that stands for *none*.
    pub const ZERO: Uuid = Uuid(0);
    /// The topic id of `__cluster_metadata`, and so an id that no topic draws.
    pub const METADATA_TOPIC_ID: Uuid = Uuid(1);
}

impl From<TopicId> for Uuid {
    fn from(id: TopicId) -> Self {
        Uuid(id.0)
    }
}

impl From<Uuid> for TopicId {
    fn from(id: Uuid) -> Self {
        TopicId(id.0)
    }
}

impl fmt::Display for Uuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        TopicId(self.0).fmt(f)
    }
}

/// Text is no id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoUuid;

impl fmt::Display for NoUuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an id has 22 characters of URL-safe base64")
    }
}

impl std::error::Error for NoUuid {}

impl FromStr for Uuid {
    type Err = NoUuid;

    /// Reads what `Display` writes, and the two `=` that base64 may end with. As in Java's decoder,
    /// the four bits that the last character has too many do not count.
    fn from_str(text: &str) -> Result<Self, NoUuid> {
        let digits = text.strip_suffix("==").unwrap_or(text).as_bytes();
        if digits.len() != 22 {
            return Err(NoUuid);
        }
        let mut id = 0_u128;
        for (place, digit) in digits.iter().enumerate() {
            let sextet = match digit {
                b'A'..=b'Z' => digit - b'A',
                b'a'..=b'z' => digit - b'a' + 26,
                b'0'..=b'9' => digit - b'0' + 52,
                b'-' => 62,
                b'_' => 63,
                _ => return Err(NoUuid),
            };
            id = match place {
                21 => id << 2 | u128::from(sextet >> 4),
                _ => id << 6 | u128::from(sextet),
            };
        }
        Ok(Uuid(id))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_back() {
        for id in [0, 1, u128::MAX, 0x1234_5678_9abc_def0_0fed_cba9_8765_4321] {
            assert_eq!(Uuid(id).to_string().parse(), Ok(Uuid(id)));
        }
        assert_eq!("AAAAAAAAAAAAAAAAAAAAAQ==".parse(), Ok(Uuid(1)));
        for text in ["", "AAAAAAAAAAAAAAAAAAAAA", "AAAAAAAAAAAAAAAAAAAAA+", "ääääääääääA"]
        {
            assert_eq!(text.parse::<Uuid>(), Err(NoUuid), "{text}");
        }
    }
}
