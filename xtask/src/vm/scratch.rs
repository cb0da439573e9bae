//! Files that only one run needs: about 100 MB, which an interrupted run leaves behind.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

const PREFIX: &str = "run-";

/// A directory that is removed with the value.
#[derive(Debug)]
pub(super) struct Scratch {
    dir: PathBuf,
}

impl Scratch {
    /// Makes `run-PID` in `parent`, and removes those of processes that have ended.
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
mod tests;
