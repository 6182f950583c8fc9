//! What can go wrong: Kafka's error codes, and the one error type that users of the crate meet.

mod code;

pub use code::ErrorCode;
