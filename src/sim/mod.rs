//! The simulation: the [`World`], its [`Trace`], its [`Journal`], and a [`View`] into it.
//!
//! | file | holds |
//! |---|---|
//! | `world.rs` | the value itself, its one door, the clock |
//! | `queue.rs` | what will happen |
//! | `input.rs` | what goes through the door |
//! | `effects.rs` | carrying out what nodes want done; their deadlines |
//! | `wire.rs` | messages under way, connections, pauses |
//! | `nodes.rs` | brokers that go and come back, and their disks |
//! | `fault.rs` | what goes wrong with messages, scripted or drawn |
//! | `trace.rs`, `trace_text.rs`, `mermaid.rs` | what happened, because of what |
//! | `group_timeline/` | what the trace tells of a group: who had which partitions when |
//! | `journal.rs` | all inputs, to run them again |
//! | `pending.rs`, `view.rs`, `describe.rs` | what may happen next, what there is, what differs |

mod calls;
mod describe;
mod effects;
mod fault;
pub mod group_timeline;
mod input;
mod journal;
mod mermaid;
mod nodes;
mod pending;
mod queue;
pub mod trace;
mod trace_text;
mod view;
mod wire;
mod world;

pub use describe::StateDiff;
pub use fault::{DiskFault, Fault, FaultKind, RandomFaults};
pub use input::{Call, ClientConfig, Input, Node, Output};
pub use journal::Journal;
pub(crate) use journal::{Checkpoints, JournalPosition};
pub use pending::Pending;
pub(crate) use trace::TracePosition;
pub use trace::{Actor, Direction, Trace, TraceEntry, TraceEvent};
pub use view::{GroupView, MemberView, View};
pub use world::{DiskKind, Latency, Setup, World};

pub use crate::broker::GroupState;
