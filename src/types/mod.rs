//! The nouns that every layer shares: offsets, epochs, names, times and ropes of bytes.
//!
//! This is the lowest layer; it knows nothing else of the crate. Each number that could be
//! mistaken for another is a type of its own, and the unit of a time stands in its type's doc.

mod ids;
mod rope;
mod time;

pub use ids::{
    BrokerId, EventId, LeaderEpoch, Offset, ProducerEpoch, ProducerId, TopicId, TopicName,
    TopicPartition,
};
pub use rope::Rope;
pub(crate) use time::micros;
pub use time::{Time, Timestamp};
