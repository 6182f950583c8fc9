//! The simulation: the [`World`] and its [`Trace`].

pub mod trace;
mod world;

pub use trace::{Actor, Direction, EventId, Trace, TraceEntry, TraceEvent};
pub use world::{Call, ClientConfig, Input, Latency, Output, World};
