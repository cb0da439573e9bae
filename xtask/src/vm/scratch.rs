//! Files that only one run needs: some 100 MB, which an interrupted run leaves behind.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

const PREFIX: &str = "run-";

/// A directory that goes with the value.
#[derive(Debug)]
pub(super) struct Scratch {
    dir: PathBuf,
}

impl Scratch {
    /// Makes `run-PID` in `parent`, and removes those of processes that are gone.
    pub(super) fn new(parent: &Path) -> Result<Self> {
        fs::create_dir_all(parent).with_context(|| format!("create {}", parent.display()))?;
        for entry in fs::read_dir(parent)? {
            let entry = entry?;
            if entry.file_name().to_str().is_some_and(is_stale) {
                fs::remove_dir_all(entry.path())?;
            }
        }
        let dir = parent.join(format!("{PREFIX}{}", std::process::id()));
        fs::create_dir_all(&dir)?;
        Ok(Self { dir })
    }

    pub(super) fn dir(&self) -> &Path {
        &self.dir
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.dir));
    }
}

fn is_stale(name: &str) -> bool {
    let pid = name.strip_prefix(PREFIX).and_then(|pid| pid.parse::<u32>().ok());
    pid.is_some_and(|pid| !Path::new("/proc").join(pid.to_string()).exists())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sweeps_what_dead_runs_left() {
        let parent = std::env::temp_dir().join(format!("xtask-vm-scratch-{}", std::process::id()));
        // Process numbers end at 2^22.
        let (dead, living) = (parent.join("run-4294967295"), parent.join("run-1"));
        fs::create_dir_all(&dead).unwrap();
        fs::create_dir_all(&living).unwrap();
        let scratch = Scratch::new(&parent).unwrap();
        assert!(!dead.exists() && living.exists() && scratch.dir().exists());
        let own = scratch.dir().to_owned();
        drop(scratch);
        assert!(!own.exists());
        fs::remove_dir_all(parent).unwrap();
    }
}
