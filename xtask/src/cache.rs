//! The directory that keeps downloads and builds between runs, for all checkouts of a user.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use nix::fcntl::{Flock, FlockArg};

use crate::run::report_step;

/// Names `$FLOW_OBSERVER_CACHE/PART`, else `PART` in `$XDG_CACHE_HOME/flow-observer`, else in `~/.cache/flow-observer`.
#[derive(Debug)]
pub(crate) struct Cache {
    root: PathBuf,
}

impl Cache {
    pub(crate) fn open(part: &str) -> Result<Self> {
        let root = match (std::env::var_os("FLOW_OBSERVER_CACHE"), std::env::var_os("XDG_CACHE_HOME")) {
            (Some(dir), _) => PathBuf::from(dir),
            (None, Some(dir)) => PathBuf::from(dir).join("flow-observer"),
            (None, None) => std::env::home_dir()
                .context("no home directory: set FLOW_OBSERVER_CACHE")?
                .join(".cache/flow-observer"),
        };
        let root = std::path::absolute(root)?.join(part);
        fs::create_dir_all(&root).with_context(|| format!("create {}", root.display()))?;
        Ok(Self { root })
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    /// Waits until no other process fills the cache.
    pub(crate) fn lock(&self) -> Result<Flock<File>> {
        let file = File::create(self.path("lock"))?;
        let file = match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Ok(lock) => return Ok(lock),
            Err((file, _)) => file,
        };
        report_step(&format!("waiting for another process that fills {}", self.root.display()));
        Flock::lock(file, FlockArg::LockExclusive).map_err(|(_, error)| error).context("lock the cache")
    }

    /// Returns the directory `name`, which `fill_with` fills unless it exists.
    pub(crate) fn dir(&self, name: &str, fill_with: impl FnOnce(&Path) -> Result<()>) -> Result<PathBuf> {
        let dir = self.path(name);
        fill(&dir, fill_with)?;
        Ok(dir)
    }
}

/// Fills a directory unless it exists. It appears only when it is complete.
pub(crate) fn fill(dir: &Path, fill_with: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
    if dir.is_dir() {
        return Ok(());
    }
    let partial = dir.with_added_extension("partial");
    if partial.exists() {
        fs::remove_dir_all(&partial)?;
    }
    fs::create_dir_all(&partial)?;
    fill_with(&partial)?;
    Ok(fs::rename(&partial, dir)?)
}

#[cfg(test)]
mod tests;
