//! A copy of the world.

use std::sync::{Arc, Weak};

use super::driver::State;
use super::entry::Shared;
use crate::error::Error;
use crate::sim::{StateDiff, View, World};
use crate::types::Time;

/// A copy of the whole world at one moment. What logs hold is shared, by counting references, and
/// kept alive; the state of clients, brokers and messages under way is copied.
#[derive(Clone, Debug)]
pub struct Snapshot {
    state: State,
    cluster: Weak<Shared>,
}

impl Snapshot {
    pub(super) fn new(shared: &Arc<Shared>) -> Self {
        Snapshot { state: shared.look().state(), cluster: Arc::downgrade(shared) }
    }

    pub(super) fn state_for(&self, shared: &Arc<Shared>) -> Result<&State, Error> {
        if Weak::ptr_eq(&self.cluster, &Arc::downgrade(shared)) {
            Ok(&self.state)
        } else {
            Err(Error::InvalidArgument("the snapshot is of another cluster".to_owned()))
        }
    }

    pub(super) fn world(&self) -> &World {
        &self.state.world
    }

    /// When it was taken.
    #[must_use]
    pub fn time(&self) -> Time {
        self.state.world.now()
    }

    /// Looks into it.
    #[must_use]
    pub fn view(&self) -> View<'_> {
        View::new(&self.state.world)
    }

    /// What differs in a later snapshot.
    #[must_use]
    pub fn diff(&self, later: &Snapshot) -> StateDiff {
        self.world().diff(later.world())
    }
}
