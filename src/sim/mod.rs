//! The simulation: the [`World`], its [`Trace`], and a [`View`] into it.

pub mod trace;
mod view;
mod world;

pub use trace::{Actor, Direction, EventId, Trace, TraceEntry, TraceEvent};
pub use view::View;
pub use world::{Call, ClientConfig, Input, Latency, Output, World};
