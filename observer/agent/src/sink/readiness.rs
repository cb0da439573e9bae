//! The conditions that the agent waits for before it is ready.

use std::collections::BTreeMap;
use std::sync::Arc;

use arcstr::ArcStr;
use parking_lot::Mutex;

/// A set of named pending conditions. The agent is ready when none is pending.
#[derive(Clone, Debug, Default)]
pub struct Readiness {
    pending: Arc<Mutex<BTreeMap<&'static str, usize>>>,
    stale: Arc<Mutex<BTreeMap<&'static str, ArcStr>>>,
}

impl Readiness {
    /// Makes this condition pending until the guard is dropped. Names may be used more than once.
    #[must_use = "dropping the guard says ready"]
    pub fn guard(&self, name: &'static str) -> ReadinessGuard {
        *self.pending.lock().entry(name).or_default() += 1;
        ReadinessGuard { readiness: self.clone(), name }
    }

    /// Records why something is out of date; `None` when it is up to date again. The agent stays ready, because a
    /// restart would not help.
    pub fn set_stale(&self, name: &'static str, why: Option<ArcStr>) {
        match why {
            Some(why) => drop(self.stale.lock().insert(name, why)),
            None => drop(self.stale.lock().remove(name)),
        }
    }

    /// Returns what is stale now, and why.
    #[must_use]
    pub fn stale(&self) -> BTreeMap<&'static str, ArcStr> {
        self.stale.lock().clone()
    }

    /// Returns the pending conditions, sorted; empty when the agent is ready.
    #[must_use]
    pub fn pending(&self) -> Vec<&'static str> {
        self.pending.lock().keys().copied().collect()
    }
}

/// A pending condition. Dropping it fulfils the condition.
#[derive(Debug)]
pub struct ReadinessGuard {
    readiness: Readiness,
    name: &'static str,
}

impl Drop for ReadinessGuard {
    fn drop(&mut self) {
        let mut pending = self.readiness.pending.lock();
        if let Some(count) = pending.get_mut(self.name) {
            *count -= 1;
            if *count == 0 {
                pending.remove(self.name);
            }
        }
    }
}

#[cfg(test)]
mod tests;
