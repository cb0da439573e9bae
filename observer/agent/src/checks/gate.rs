//! Limits how many checks run: one per target, and a bounded number in total.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::{Mutex as Turns, OwnedMutexGuard, OwnedSemaphorePermit, Semaphore};

/// Most checks that run at the same time.
pub(super) const MAX_RUNNING: usize = 16;

/// Gives turns, for each target in the order of the requests.
#[derive(Debug)]
pub(super) struct Gate {
    lanes: Mutex<HashMap<SocketAddr, Arc<Turns<()>>>>,
    permits: Arc<Semaphore>,
}

/// The right to connect to one target, until dropped.
#[derive(Debug)]
pub(super) struct Turn {
    _lane: OwnedMutexGuard<()>,
    _permit: Option<OwnedSemaphorePermit>,
}

impl Default for Gate {
    fn default() -> Self {
        Self { lanes: Mutex::default(), permits: Arc::new(Semaphore::new(MAX_RUNNING)) }
    }
}

impl Gate {
    /// Waits for a turn at this target.
    pub(super) async fn turn(&self, target: SocketAddr) -> Turn {
        // The lane comes first: a check that waits for a permit then blocks only its own target.
        let lane = self.lane(target).lock_owned().await;
        // The semaphore is never closed, so there is no error.
        let permit = Arc::clone(&self.permits).acquire_owned().await.ok();
        Turn { _lane: lane, _permit: permit }
    }

    fn lane(&self, target: SocketAddr) -> Arc<Turns<()>> {
        let mut lanes = self.lanes.lock();
        // Services change their addresses, so lanes without a check are removed.
        lanes.retain(|_, lane| Arc::strong_count(lane) > 1);
        let canonical = SocketAddr::new(target.ip().to_canonical(), target.port());
        Arc::clone(lanes.entry(canonical).or_default())
    }
}

#[cfg(test)]
mod tests;
