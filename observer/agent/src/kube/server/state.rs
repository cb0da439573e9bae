//! The state of the source: whether it has what the API server has, and who learns of it.

use std::fmt;
use std::time::Duration;

use arcstr::ArcStr;

/// Defines how long the source waits.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// The longest wait before a request that failed, is forbidden or found nothing is repeated.
    pub retry: Duration,
    /// Silence after which a watch is opened again. Servers send a bookmark about every minute.
    pub silence: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self { retry: Duration::from_secs(30), silence: Duration::from_secs(90) }
    }
}

/// Indicates whether the objects of a kind are those of the API server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sync {
    /// The kind was listed and is watched.
    Synced,
    /// The server doesn't have this kind.
    Absent,
    /// The kind can't be followed; its last objects stay.
    Stale(Stale),
}

/// The reason why a kind isn't followed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stale {
    /// The reason, for people.
    pub why: ArcStr,
    /// Is true when the server refuses the agent's credentials. That affects every kind and won't pass by itself.
    pub refused: bool,
}

/// A function that takes the name of a kind and its state.
pub type SyncHook = dyn Fn(&'static str, &Sync) + Send;

/// Functions that the source calls.
pub struct Hooks {
    /// Is called when the state of a kind changed.
    pub sync: Box<SyncHook>,
    /// Is called when the first snapshot is published: every kind was listed, or can't be for now.
    pub ready: Box<dyn FnOnce() + Send>,
}

impl fmt::Debug for Hooks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hooks").finish_non_exhaustive()
    }
}
