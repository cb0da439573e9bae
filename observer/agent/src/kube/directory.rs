//! The directory source: `--cluster dir:PATH`.

mod file_watch;
#[cfg(test)]
mod tests;

use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use flow_model::inventory::Inventory;
use flow_objects::directory::take;
use flow_objects::read::Files;
use flow_objects::{ClusterError, Index, Loaded, Problem};
use tokio::sync::watch::Sender;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use crate::kube::directory::file_watch::Watch;
use crate::tasks::blocking;

/// The interval between two searches for changes that inotify doesn't report: network file systems, targets of symlinks
/// elsewhere, a directory that was replaced.
const SWEEP: Duration = Duration::from_secs(2);

/// Reads the directory at once, and again whenever it changes. `tx` gets the first inventory, and later each that differs.
/// The returned task follows it, and ends with `cancel`. It needs a tokio runtime.
///
/// A change is read when its writer has paused for 75 ms, or has closed the file. A damaged file keeps its earlier objects for
/// 30 s beside those that can be read, so that a file that is being written doesn't flap. While the directory itself is
/// missing, everything stays.
///
/// # Errors
/// Fails when the path is missing or may not be read at the start.
pub fn spawn(
    path: &Path,
    tx: Sender<Arc<Inventory>>,
    cancel: CancellationToken,
) -> Result<(Loaded, impl Future<Output = ()> + Send + use<>), ClusterError> {
    // The watch comes first, so that changes during the first reading are read again.
    let watch = Watch::new(path);
    let mut source =
        Source { files: Files::open(path)?, watch, index: Index::default(), logged: HashSet::new() };
    let loaded = take(&source.files, &mut source.index);
    source.log_new();
    tx.send_replace(Arc::clone(&loaded.inventory));
    Ok((loaded, source.run(tx, cancel)))
}

struct Source {
    files: Files,
    watch: Watch,
    index: Index,
    /// These problems were logged and still exist.
    logged: HashSet<Problem>,
}

impl Source {
    async fn run(mut self, tx: Sender<Arc<Inventory>>, cancel: CancellationToken) {
        let changes = self.watch.changes();
        // The first sweep is not at once: files may be half-written again by now, before inotify reports it.
        let mut sweep = tokio::time::interval_at(tokio::time::Instant::now() + SWEEP, SWEEP);
        sweep.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = cancel.cancelled() => return,
                () = changes.settled() => {}
                _ = sweep.tick() => if !changes.quiet() { continue },
            }
            let inventory;
            (self, inventory) = blocking(move || {
                let inventory = self.read_again();
                (self, inventory)
            })
            .await;
            if let Some(inventory) = inventory {
                tx.send_replace(inventory);
            }
        }
    }

    fn read_again(&mut self) -> Option<Arc<Inventory>> {
        self.watch.renew();
        if !self.files.refresh(std::time::Instant::now()) {
            return None;
        }
        let before = self.index.published();
        let after = take(&self.files, &mut self.index).inventory;
        self.log_new();
        (!Arc::ptr_eq(&before, &after)).then_some(after)
    }

    /// Logs each problem once for as long as it exists.
    fn log_new(&mut self) {
        let now: HashSet<_> = self.files.problems().cloned().collect();
        for problem in now.difference(&self.logged) {
            tracing::warn!("{problem}");
        }
        self.logged = now;
    }
}
