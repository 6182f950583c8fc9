//! What can go wrong: Kafka's error codes, and the one error type that users of the crate meet.

mod code;

use std::fmt;
use std::time::Duration;

pub use code::ErrorCode;

use crate::types::{EventId, Offset, TopicPartition};

/// What an operation of a handle can end with.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// The broker answered with an error, or a client found what Kafka has a code for.
    Kafka {
        /// Kafka's code.
        code: ErrorCode,
        /// What it is about.
        context: String,
    },
    /// A configuration that cannot be: an unknown name, a value out of range, a contradiction.
    Config(String),
    /// The time that a configuration or the caller gave is up.
    Timeout {
        /// What was waited for.
        what: String,
        /// How long.
        after: Duration,
    },
    /// A record that can never be sent.
    RecordTooLarge {
        /// Its size with the overhead of a batch, in bytes.
        size: usize,
        /// The most that may be.
        limit: u64,
        /// The property that says so.
        config: &'static str,
    },
    /// The position lies outside the log and `auto.offset.reset` is `none`.
    OffsetOutOfRange {
        /// Where.
        partition: TopicPartition,
        /// The position.
        offset: Offset,
    },
    /// There is no position and `auto.offset.reset` is `none`.
    NoOffset {
        /// Where.
        partition: TopicPartition,
    },
    /// Offsets were not committed, and the same commit never will be: the consumer is no member of
    /// its group any more. Kafka's `CommitFailedException`.
    CommitFailed(String),
    /// A partition that the consumer has not been assigned.
    NotAssigned(TopicPartition),
    /// A broker cannot start on its disk: whose directory it is, what the system answered, or what
    /// is wrong with a file, and where.
    Storage(String),
    /// An argument that makes no sense; says which and why.
    InvalidArgument(String),
    /// The handle has been closed.
    Closed,
    /// The handle or operation is younger than the snapshot that the world went back to.
    Rewound,
    /// Another thread is driving this virtual clock. Threads need `.real_time()`; several clients
    /// of one thread are driven together by `poll_all`.
    ConcurrentDrive,
    /// Nothing can happen any more and the operation is not done: whatever it waits for is paused,
    /// crashed, or held by a script.
    Stalled {
        /// What was waited for.
        what: String,
    },
    /// An invariant given to `always` does not hold.
    InvariantBroken {
        /// Its name.
        name: String,
        /// What it said.
        why: String,
        /// The event after which it did not hold any more.
        event: EventId,
    },
}

impl Error {
    /// An error of Kafka's with its context.
    #[must_use]
    pub fn kafka(code: ErrorCode, context: impl Into<String>) -> Self {
        Error::Kafka { code, context: context.into() }
    }

    /// Kafka's code, for errors that have one.
    #[must_use]
    pub fn code(&self) -> Option<ErrorCode> {
        match self {
            Error::Kafka { code, .. } => Some(*code),
            Error::Config(_) => Some(ErrorCode::InvalidConfig),
            Error::Timeout { .. } => Some(ErrorCode::RequestTimedOut),
            Error::RecordTooLarge { .. } => Some(ErrorCode::MessageTooLarge),
            Error::OffsetOutOfRange { .. } => Some(ErrorCode::OffsetOutOfRange),
            _ => None,
        }
    }

    /// Whether the same call may succeed if it is made again.
    #[must_use]
    pub fn is_retriable(&self) -> bool {
        match self {
            Error::Kafka { code, .. } => code.is_retriable(),
            Error::Timeout { .. } => true,
            _ => false,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Kafka { code, context } => write!(f, "{code}: {context}"),
            Error::Config(why) => write!(f, "invalid configuration: {why}"),
            Error::Timeout { what, after } => {
                write!(f, "timed out after {} ms: {what}", after.as_millis())
            }
            Error::RecordTooLarge { size, limit, config } => {
                write!(f, "a record of {size} bytes is above {config}, {limit}")
            }
            Error::OffsetOutOfRange { partition, offset } => write!(
                f,
                "offset {offset} is outside the log of {partition}, and auto.offset.reset is none"
            ),
            Error::NoOffset { partition } => {
                write!(f, "{partition} has no position, and auto.offset.reset is none")
            }
            Error::CommitFailed(why) => write!(f, "the commit failed: {why}"),
            Error::NotAssigned(partition) => {
                write!(f, "{partition} is not assigned to this consumer")
            }
            Error::InvalidArgument(why) => write!(f, "invalid argument: {why}"),
            Error::Closed => write!(f, "the handle is closed"),
            Error::Rewound => write!(f, "the world went back to before this existed"),
            Error::ConcurrentDrive => write!(
                f,
                "another thread drives this virtual clock: build the cluster with .real_time() to \
                 use threads, or drive several clients at once with poll_all"
            ),
            Error::Storage(why) => write!(f, "the broker cannot start: {why}"),
            Error::Stalled { what } => {
                write!(f, "nothing can happen any more while waiting for {what}")
            }
            Error::InvariantBroken { name, why, event } => {
                write!(f, "invariant '{name}' broken by event {event}: {why}")
            }
        }
    }
}

impl std::error::Error for Error {}
