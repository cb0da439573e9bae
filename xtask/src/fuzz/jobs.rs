//! Work on several items at the same time.

use std::num::NonZeroUsize;
use std::sync::{Mutex, PoisonError};
use std::thread;

use anyhow::{Result, anyhow};

/// Does the work on each item, on `jobs` of them at the same time, and returns the items on which it did not pass.
///
/// # Errors
/// Fails when the work on an item fails.
pub(super) fn failed<T: Sync>(
    items: &[T],
    jobs: NonZeroUsize,
    passes: impl Fn(&T) -> Result<bool> + Sync,
) -> Result<Vec<&T>> {
    let items = Mutex::new(items.iter());
    // Not in the head of a `while let`: the guard would live until the work is done.
    let next = || items.lock().unwrap_or_else(PoisonError::into_inner).next();
    let worker = || -> Result<Vec<&T>> {
        let mut failed = Vec::new();
        while let Some(item) = next() {
            if !passes(item)? {
                failed.push(item);
            }
        }
        Ok(failed)
    };
    thread::scope(|scope| {
        let workers: Vec<_> = (0..jobs.get()).map(|_| scope.spawn(worker)).collect();
        let join =
            |worker: thread::ScopedJoinHandle<'_, _>| worker.join().map_err(|_| anyhow!("a worker died"))?;
        let failed: Vec<_> = workers.into_iter().map(join).collect::<Result<_>>()?;
        Ok(failed.concat())
    })
}

#[cfg(test)]
mod tests;
