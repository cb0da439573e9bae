//! How full the engine's states are.

use flow_model::connection::MAX_CONNECTIONS;
use flow_policy::history;

use super::{Engine, drops};
use crate::{awaiting_drop, awaiting_name};

/// A bounded state of the engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StateSize {
    pub name: &'static str,
    pub entries: usize,
    pub capacity: usize,
}

impl Engine {
    /// Returns how full the states are that grow with traffic and changes.
    #[must_use]
    pub fn sizes(&self) -> [StateSize; 5] {
        [
            ("attempts_awaiting_drop", self.awaiting_drop.len(), awaiting_drop::LIMIT),
            ("drops_awaiting_log", self.awaiting_line.len(), drops::LIMIT),
            ("attempts_awaiting_name", self.awaiting_name.len(), awaiting_name::LIMIT),
            ("open_connections", self.connections.len(), MAX_CONNECTIONS),
            ("policy_changes", self.history.len(), history::MAX_CHANGES),
        ]
        .map(|(name, entries, capacity)| StateSize { name, entries, capacity })
    }
}
