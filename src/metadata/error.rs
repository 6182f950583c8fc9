//! What is wrong with bytes that were to be a record of the metadata log.

use std::fmt;

/// Why bytes are no record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MetadataError {
    /// The frame around the message has a version that is not 1.
    FrameVersion(u32),
    /// The number that says which message follows, or its version, is no positive int16.
    Number {
        /// Which of the two.
        what: &'static str,
        /// What stands there.
        number: u32,
    },
    /// The message has a version that Kafka 4.3 does not know.
    Version {
        /// The message.
        message: &'static str,
        /// The version.
        version: i16,
        /// The highest one that is known.
        highest: i16,
    },
    /// The bytes end too early, or hold what cannot be.
    Malformed {
        /// The message.
        message: &'static str,
        /// Where in the value, in bytes from its beginning.
        position: usize,
        /// The field that should stand there, as Kafka's JSON names it.
        field: &'static str,
    },
    /// Bytes follow the message.
    Trailing {
        /// The message.
        message: &'static str,
        /// How many.
        bytes: usize,
    },
    /// A record without a value, or without what a control record needs.
    Missing(&'static str),
}

impl fmt::Display for MetadataError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            MetadataError::FrameVersion(version) => {
                write!(f, "a frame of version {version}, where only 1 is known")
            }
            MetadataError::Number { what, number } => write!(f, "{number} is no {what}"),
            MetadataError::Version { message, version, highest } => {
                write!(f, "version {version} of {message}, where {highest} is the highest known")
            }
            MetadataError::Malformed { message, position, field } => {
                write!(f, "{message}: no {field} at byte {position}")
            }
            MetadataError::Trailing { message, bytes } => {
                write!(f, "{message}: {bytes} bytes follow it")
            }
            MetadataError::Missing(what) => write!(f, "a record without {what}"),
        }
    }
}

impl std::error::Error for MetadataError {}
