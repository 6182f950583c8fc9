//! Kafkarium is Apache Kafka in a glass box: an in-process, deterministic Kafka whose every event
//! can be stepped, copied, rewound and replayed.
#![forbid(unsafe_code)]

pub mod error;
pub mod hash;
pub mod random;
pub mod record;
pub mod topic;
pub mod types;

pub use error::ErrorCode;
