//! The states of a classic group, and the ways between them.
//!
//! | from \ to | Empty | PreparingRebalance | CompletingRebalance | Stable | Dead |
//! |---|---|---|---|---|---|
//! | Empty | | a member joins | | | deleted, unloaded |
//! | PreparingRebalance | nobody has come back | | all are there, or the time is up | | unloaded |
//! | CompletingRebalance | | someone joins, leaves or is silent | | the leader has synced | unloaded |
//! | Stable | | someone joins, leaves or is silent | | | unloaded |
//! | Dead | | | | | |

use std::fmt;

/// Where a group stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum GroupState {
    /// It has no members; it may have offsets.
    Empty,
    /// Its members are called together.
    PreparingRebalance,
    /// They have a new generation, and wait for the leader's assignment.
    CompletingRebalance,
    /// Each member has its assignment.
    Stable,
    /// It is gone from this coordinator.
    Dead,
}

impl GroupState {
    /// Whether the table above has a way.
    #[must_use]
    pub fn may_become(self, to: GroupState) -> bool {
        use GroupState::{CompletingRebalance, Dead, Empty, PreparingRebalance, Stable};
        match to {
            Empty => self == PreparingRebalance,
            PreparingRebalance => matches!(self, Empty | CompletingRebalance | Stable),
            CompletingRebalance => self == PreparingRebalance,
            Stable => self == CompletingRebalance,
            Dead => self != Dead,
        }
    }
}

impl fmt::Display for GroupState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            GroupState::Empty => "Empty",
            GroupState::PreparingRebalance => "PreparingRebalance",
            GroupState::CompletingRebalance => "CompletingRebalance",
            GroupState::Stable => "Stable",
            GroupState::Dead => "Dead",
        })
    }
}
