//! Directories on a bpffs.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use nix::sys::statfs::{FsType, statfs};

/// `BPF_FS_MAGIC` of <https://github.com/torvalds/linux/blob/v5.10/include/uapi/linux/magic.h>.
const BPF_FS: u32 = 0xcafe_4a11;

/// Says how much was removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Removed {
    /// Pinned maps and attachments.
    pub pins: usize,
}

/// Fails where a directory, or the one in which it is to be made, is not on a bpffs.
pub(super) fn check(dir: &Path) -> io::Result<()> {
    let there = dir.ancestors().find(|dir| dir.exists()).unwrap_or(dir);
    let FsType(kind) = statfs(there)?.filesystem_type();
    if kind as u32 == BPF_FS {
        return Ok(());
    }
    let text = format!(
        "{} is not on a bpffs; mount one (`mount -t bpf bpf /sys/fs/bpf`), and in a pod mount the node's /sys/fs/bpf",
        there.display()
    );
    Err(io::Error::new(io::ErrorKind::Unsupported, text))
}

/// Makes a directory if there is none.
pub(super) fn make_dir(dir: &Path) -> io::Result<()> {
    match fs::create_dir(dir) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => Ok(()),
    }
}

/// Returns what is in a directory, and nothing where it can't be read.
pub(super) fn entries(dir: &Path) -> Vec<PathBuf> {
    fs::read_dir(dir).into_iter().flatten().flatten().map(|entry| entry.path()).collect()
}

/// Removes a directory with everything in it. What is gone already is no error.
pub(super) fn remove_tree(dir: &Path) -> io::Result<Removed> {
    let mut removed = Removed::default();
    for path in entries(dir) {
        if path.is_dir() {
            removed.pins += remove_tree(&path)?.pins;
        } else {
            unless_gone(fs::remove_file(&path))?;
            removed.pins += 1;
        }
    }
    unless_gone(fs::remove_dir(dir))?;
    Ok(removed)
}

/// Treats what is gone already as removed.
pub(super) fn unless_gone(removed: io::Result<()>) -> io::Result<()> {
    removed.or_else(|error| if error.kind() == io::ErrorKind::NotFound { Ok(()) } else { Err(error) })
}
