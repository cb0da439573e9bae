//! Keeps a machine to one lab at a time, and removes leftovers.
//!
//! The drop tracepoint sees the whole machine, so two labs at once would count each other's drops as unattributed, and
//! slow each other down.

use std::fs::{self, File};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Context, Result, bail};
use nix::fcntl::{Flock, FlockArg};

use crate::{cmd, wait};

/// The prefix of every lab's namespaces; the process ID of the creator follows.
pub const PREFIX: &str = "fo-";

const LOCK: &str = "flow-observer-lab.lock";

/// The prefix of the labs' directories.
const TEMP: &str = "flow-observer-lab-";

/// The exit code of a process that Ctrl-C has ended, as shells report it.
const INTERRUPTED: i32 = 130;

/// Holds the machine's lock while a lab lives.
#[derive(Debug)]
pub struct Guard {
    _lock: Flock<File>,
    prefix: String,
    temp: tempfile::TempDir,
}

impl Guard {
    /// Waits for other labs to end, then removes the leftovers of dead ones. From then on a signal that ends the
    /// process runs its destructors first ([`wait::heed_signals`]). After such a signal this process gets no lab.
    ///
    /// # Errors
    /// Fails without root, or when the lock file can't be made.
    pub fn take() -> Result<Arc<Self>> {
        if !nix::unistd::geteuid().is_root() {
            bail!("the lab needs root: it makes network namespaces");
        }
        let path = std::env::temp_dir().join(LOCK);
        let file = File::create(&path).with_context(|| format!("lock file {}", path.display()))?;
        let lock = Flock::lock(file, FlockArg::LockExclusive)
            .map_err(|(_, errno)| errno)
            .with_context(|| format!("lock {}", path.display()))?;
        if wait::interrupted() {
            // The interrupted work has cleaned up; everything after it would only fail.
            std::process::exit(INTERRUPTED);
        }
        wait::heed_signals()?;
        sweep()?;
        let temp = tempfile::Builder::new().prefix(TEMP).tempdir()?;
        Ok(Arc::new(Self { _lock: lock, prefix: unique_prefix(), temp }))
    }

    /// Returns the full name of the namespace `name` in this lab.
    #[must_use]
    pub fn full_name(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }

    /// Returns a directory that is removed with the lab.
    #[must_use]
    pub fn dir(&self) -> &Path {
        self.temp.path()
    }
}

fn unique_prefix() -> String {
    static LABS: AtomicU32 = AtomicU32::new(0);
    format!("{PREFIX}{}-{}-", std::process::id(), LABS.fetch_add(1, Ordering::Relaxed))
}

/// Removes namespaces whose creator is dead, the processes inside them, and directories of dead labs.
fn sweep() -> Result<()> {
    for entry in fs::read_dir(std::env::temp_dir())?.flatten() {
        // This process has the lock, so no living lab can own one.
        if entry.file_name().to_string_lossy().starts_with(TEMP) {
            drop(fs::remove_dir_all(entry.path()));
        }
    }
    let Ok(entries) = fs::read_dir("/run/netns") else { return Ok(()) };
    for entry in entries {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if maker(&name).is_some_and(|pid| !Path::new(&format!("/proc/{pid}")).exists()) {
            remove(&name);
        }
    }
    Ok(())
}

/// Returns the process ID in a lab namespace's name.
fn maker(name: &str) -> Option<u32> {
    name.strip_prefix(PREFIX)?.split('-').next()?.parse().ok()
}

/// Ends the processes inside a namespace of a lab and deletes it.
pub(crate) fn remove(name: &str) {
    for pid in cmd::run(format!("ip netns pids {name}")).unwrap_or_default().split_whitespace() {
        // A thread of this very process inside the namespace lists our own pid.
        if pid != std::process::id().to_string() {
            cmd::try_run(format!("kill -KILL {pid}"));
        }
    }
    cmd::try_run(format!("ip netns del {name}"));
}

#[cfg(test)]
mod tests;
