//! Faults, and the requests that they affect.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use serde_json::{Value, json};
use tokio::sync::watch;

/// Ways to fail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// A failure of this code, with `Retry-After` where the seconds are given.
    Status(u16, Option<u32>),
    /// The watch reports that its version has expired, and ends.
    Gone,
    /// The body ends in the middle of a line, and so does the connection.
    Cut,
    /// A few bytes at a time, with a pause between.
    Slow(Duration),
    /// The request is read; no answer ever comes.
    Silence,
    /// The answer begins, then nothing more arrives; the connection stays open.
    Freeze,
    /// A line between two events of a watch, once for each time that it may strike.
    Line(Bytes),
    /// An answer's list has one more object, which no server would store.
    Listed(Value),
}

/// The requests that a fault affects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct On {
    part: String,
    watches: Option<bool>,
    times: Option<u32>,
}

impl On {
    /// Selects requests whose path has this part, e.g. `/pods`.
    #[must_use]
    pub fn path(part: &str) -> Self {
        Self { part: part.to_owned(), watches: None, times: None }
    }

    /// Selects all requests.
    #[must_use]
    pub fn all() -> Self {
        Self::path("")
    }

    /// Selects only watches.
    #[must_use]
    pub fn watches(self) -> Self {
        Self { watches: Some(true), ..self }
    }

    /// Selects everything but watches.
    #[must_use]
    pub fn lists(self) -> Self {
        Self { watches: Some(false), ..self }
    }

    /// Limits the number of requests that it affects.
    #[must_use]
    pub fn times(self, times: u32) -> Self {
        Self { times: Some(times), ..self }
    }

    fn takes(&self, request: &Asked) -> bool {
        request.path.contains(&self.part) && self.watches.is_none_or(|w| w == request.watch)
    }
}

/// A request, as faults see it.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    pub(super) path: String,
    pub(super) watch: bool,
}

/// The time at which a fault takes effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    Request,
    List,
    Body,
}

impl Fault {
    /// Returns an event of an object that no server would store, for one watch that is quiet meanwhile.
    #[must_use]
    pub fn added(object: &Value) -> Self {
        Self::Line(format!("{}\n", json!({"type": "ADDED", "object": object})).into())
    }

    fn stage(&self) -> Stage {
        match self {
            Self::Status(..) | Self::Silence => Stage::Request,
            Self::Listed(_) => Stage::List,
            Self::Gone | Self::Cut | Self::Slow(_) | Self::Freeze | Self::Line(_) => Stage::Body,
        }
    }
}

#[derive(Debug)]
struct Rule {
    id: u64,
    on: On,
    fault: Fault,
    hits: u32,
}

/// All active faults.
#[derive(Debug)]
pub(super) struct Faults {
    rules: Mutex<(u64, Vec<Rule>)>,
    changed: watch::Sender<()>,
}

impl Default for Faults {
    fn default() -> Self {
        Self { rules: Mutex::default(), changed: watch::Sender::new(()) }
    }
}

impl Faults {
    pub(super) fn inject(faults: &Arc<Self>, on: On, fault: Fault) -> Injected {
        let id = {
            let mut rules = faults.lock();
            rules.0 += 1;
            let id = rules.0;
            rules.1.push(Rule { id, on, fault, hits: 0 });
            id
        };
        faults.changed.send_replace(());
        Injected { faults: Arc::clone(faults), id }
    }

    /// Returns the newest fault that affects the request now, and counts it.
    pub(super) fn befalls(&self, request: &Asked, stage: Stage) -> Option<Fault> {
        let mut rules = self.lock();
        let left = |rule: &Rule| rule.on.times.is_none_or(|times| rule.hits < times);
        let rule =
            rules.1.iter_mut().rev().find(|r| r.fault.stage() == stage && r.on.takes(request) && left(r))?;
        rule.hits += 1;
        Some(rule.fault.clone())
    }

    pub(super) fn subscribe(&self) -> watch::Receiver<()> {
        self.changed.subscribe()
    }

    fn lock(&self) -> MutexGuard<'_, (u64, Vec<Rule>)> {
        self.rules.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An active fault. Dropping it removes the fault; frozen streams stay frozen.
#[derive(Debug)]
pub struct Injected {
    faults: Arc<Faults>,
    id: u64,
}

impl Injected {
    /// Returns how often it took effect.
    #[must_use]
    pub fn hits(&self) -> u32 {
        self.faults.lock().1.iter().find(|rule| rule.id == self.id).map_or(0, |rule| rule.hits)
    }

    /// Waits until it took effect this often.
    ///
    /// # Errors
    /// Fails when the fault doesn't take effect this often in time.
    pub fn wait_hits(&self, hits: u32) -> anyhow::Result<()> {
        let struck = || (self.hits() >= hits).then_some(());
        crate::wait::until(&format!("a fault to strike {hits} times"), crate::wait::DEADLINE, struck)
    }
}

impl Drop for Injected {
    fn drop(&mut self) {
        self.faults.lock().1.retain(|rule| rule.id != self.id);
    }
}

#[cfg(test)]
mod tests;
