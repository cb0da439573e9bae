//! A bpffs of a test's own. What is pinned in it goes with it.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use tempfile::TempDir;

/// A mounted bpffs, until dropped.
#[derive(Debug)]
pub struct Bpffs {
    dir: TempDir,
}

impl Bpffs {
    /// Mounts one.
    ///
    /// # Errors
    /// Fails when the kernel refuses the mount.
    pub fn mount() -> Result<Self> {
        let dir = TempDir::new()?;
        mount(Some("bpf"), dir.path(), Some("bpf"), MsFlags::empty(), None::<&str>)
            .context("mount a bpffs")?;
        Ok(Self { dir })
    }

    /// Returns where it is mounted.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    /// Returns the directory that agents are given.
    #[must_use]
    pub fn pins(&self) -> PathBuf {
        self.dir.path().join("flow-observer")
    }
}

impl Drop for Bpffs {
    fn drop(&mut self) {
        let detached = umount2(self.dir.path(), MntFlags::MNT_DETACH);
        debug_assert!(detached.is_ok(), "{detached:?}");
    }
}
