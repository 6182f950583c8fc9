//! Why a file is not read any further.

use std::fmt;

/// Why a file is not read any further.
#[derive(Debug)]
pub(super) enum Stop {
    /// Nothing can be printed any more.
    Out,
    /// The bytes at a position make no sense, or cannot be read.
    At {
        /// The file.
        path: String,
        /// Where in it, in bytes.
        position: u64,
        /// What is wrong.
        what: String,
    },
}

impl Stop {
    pub(super) fn new(path: &str, position: u64, what: impl fmt::Display) -> Self {
        Stop::At { path: path.to_owned(), position, what: what.to_string() }
    }
}

impl From<fmt::Error> for Stop {
    fn from(_: fmt::Error) -> Self {
        Stop::Out
    }
}
