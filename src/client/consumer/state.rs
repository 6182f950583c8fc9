//! What a consumer knows of one of its partitions.
//!
//! | state | what happens | becomes |
//! |---|---|---|
//! | – | it is assigned | initializing |
//! | initializing | the group has committed an offset | fetching from it |
//! | initializing | there is no committed one, but an `auto.offset.reset` | awaiting that reset |
//! | awaiting a reset | the leader answers just this question | fetching from there |
//! | awaiting a time | the leader has no record that young | awaiting a reset to the end |
//! | fetching | records are given out | fetching from behind them |
//! | fetching | just this offset is out of range, and there is a reset | awaiting that reset |
//! | any | a seek to an offset | fetching from it |
//! | any | another seek | awaiting that reset |
//!
//! What has been asked for and not answered stands in one place, the network. So nothing here has
//! to be kept in step with it, and an answer counts only where it is still wanted: one to another
//! question, or about another offset, came too late.

use super::SeekTo;
use crate::error::Error;
use crate::types::{LeaderEpoch, Offset, Time};

/// Where the next records of a partition come from: Kafka's `FetchStates`, without validation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FetchState {
    /// There is no position, and nobody has said where to find one.
    Initializing,
    /// The leader is to be asked for the position.
    AwaitReset(SeekTo),
    /// The position: the next offset to read.
    Fetching(Offset),
}

/// An assigned partition.
#[derive(Clone, Debug)]
pub struct Assigned {
    pub state: FetchState,
    pub paused: bool,
    /// It is about to be revoked: nothing more is given out.
    pub pending_revocation: bool,
    /// The leader epoch of the last record that was read; −1 if it is not known.
    pub position_epoch: LeaderEpoch,
    /// Nothing is asked of its leader before this.
    pub not_before: Time,
    /// What the last fetch told.
    pub high_watermark: Option<Offset>,
    /// What the next call that needs the partition has to fail with.
    pub error: Option<Error>,
}

impl Assigned {
    pub fn new() -> Self {
        Assigned {
            state: FetchState::Initializing,
            paused: false,
            pending_revocation: false,
            position_epoch: LeaderEpoch::UNKNOWN,
            not_before: Time(0),
            high_watermark: None,
            error: None,
        }
    }

    /// Goes on elsewhere. What went wrong before does not matter there.
    pub fn seek(&mut self, state: FetchState) {
        self.state = state;
        self.position_epoch = LeaderEpoch::UNKNOWN;
        self.not_before = Time(0);
        self.error = None;
    }

    /// Notes what went wrong. The first error is the one that is told.
    pub fn fail(&mut self, error: Error) {
        self.error.get_or_insert(error);
    }

    pub fn position(&self) -> Option<Offset> {
        match self.state {
            FetchState::Fetching(offset) => Some(offset),
            FetchState::Initializing | FetchState::AwaitReset(_) => None,
        }
    }

    /// Whether its records are given out.
    pub fn is_given_out(&self) -> bool {
        !self.paused && !self.pending_revocation
    }

    /// From where on it may be fetched now.
    pub fn fetch_offset(&self, now: Time) -> Option<Offset> {
        let may = self.is_given_out() && self.error.is_none() && self.not_before <= now;
        self.position().filter(|_| may)
    }
}
