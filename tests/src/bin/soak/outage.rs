//! An API server that goes away and comes back. Objects change meanwhile.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Result;
use lab::kube::ApiServer;

/// The server is away for this long at least.
const AWAY: Duration = Duration::from_secs(3);

/// Kills the server, and starts it again.
pub(crate) fn play(api: &mut ApiServer, stop: &AtomicBool) -> Result<()> {
    api.kill();
    let back = Instant::now() + AWAY;
    while Instant::now() < back && !stop.load(Ordering::Relaxed) {
        thread::sleep(Duration::from_millis(20));
    }
    api.restart()
}
