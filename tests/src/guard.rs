//! One lab at a time on a machine, and no leftovers.
//!
//! The drop tracepoint sees the whole machine, so two labs at once would see each other's drops.

use std::fs::{self, File};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Context, Result, bail};
use nix::fcntl::{Flock, FlockArg};

use crate::{cmd, wait};

/// Every namespace of every lab starts with this, then the pid of its maker.
pub const PREFIX: &str = "fo-";

const LOCK: &str = "flow-observer-lab.lock";

/// Directories of labs start with this.
const TEMP: &str = "flow-observer-lab-";

/// What shells say of a process that Ctrl-C has ended.
const INTERRUPTED: i32 = 130;

/// Held for as long as a lab lives.
#[derive(Debug)]
pub struct Guard {
    _lock: Flock<File>,
    prefix: String,
    temp: tempfile::TempDir,
}

impl Guard {
    /// Waits for other labs to end, then removes what dead ones left. From then on a signal that ends a process ends
    /// this one by way of its destructors ([`wait::heed_signals`]). After such a signal nobody gets a lab here.
    ///
    /// # Errors
    /// Without root, or when the lock file can't be made.
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
            // What the signal found at work has cleaned up; whatever else was to be tried would only fail.
            std::process::exit(INTERRUPTED);
        }
        wait::heed_signals()?;
        sweep()?;
        let temp = tempfile::Builder::new().prefix(TEMP).tempdir()?;
        Ok(Arc::new(Self { _lock: lock, prefix: unique_prefix(), temp }))
    }

    /// Full name of the namespace called `name` in this lab.
    #[must_use]
    pub fn full_name(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }

    /// A directory that goes with the lab.
    #[must_use]
    pub fn dir(&self) -> &Path {
        self.temp.path()
    }
}

fn unique_prefix() -> String {
    static LABS: AtomicU32 = AtomicU32::new(0);
    format!("{PREFIX}{}-{}-", std::process::id(), LABS.fetch_add(1, Ordering::Relaxed))
}

/// Removes namespaces whose maker is dead, the processes left inside them, and directories of dead labs.
fn sweep() -> Result<()> {
    for entry in fs::read_dir(std::env::temp_dir())?.flatten() {
        // The lock is ours, so no lab is alive that could own one.
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

/// Pid in a lab namespace's name.
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
