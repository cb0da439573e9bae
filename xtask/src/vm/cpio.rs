//! Writes initramfs archives: cpio in its "newc" form. Everything in them belongs to root.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use anyhow::{Context, Result};

const DIR: u32 = 0o040_755;
const FILE: u32 = 0o100_000;
const SYMLINK: u32 = 0o120_777;
/// The size to which cpio pads archives. The kernel needs the next of several archives at a multiple of 4.
const BLOCK: usize = 512;

/// Holds files by their path, without a leading slash. Folders precede their content, as the kernel needs it.
#[derive(Debug, Default)]
pub(super) struct Archive {
    entries: BTreeMap<String, (u32, Vec<u8>)>,
}

impl Archive {
    /// Adds a directory and its parents.
    pub(super) fn dir(&mut self, path: &str) {
        self.parents(path);
        self.entries.entry(path.to_owned()).or_insert((DIR, Vec::new()));
    }

    /// Adds a file with permissions `mode`.
    pub(super) fn file(&mut self, path: &str, mode: u32, content: impl Into<Vec<u8>>) {
        self.parents(path);
        self.entries.insert(path.to_owned(), (FILE | mode & 0o777, content.into()));
    }

    /// Adds a copy of a file of this machine, with its permissions.
    pub(super) fn copy(&mut self, path: &str, from: &Path) -> Result<()> {
        let read = || Ok::<_, io::Error>((fs::metadata(from)?.permissions().mode(), fs::read(from)?));
        let (mode, content) = read().with_context(|| format!("read {}", from.display()))?;
        self.file(path, mode, content);
        Ok(())
    }

    /// Adds a symlink.
    pub(super) fn symlink(&mut self, path: &str, target: &str) {
        self.parents(path);
        self.entries.insert(path.to_owned(), (SYMLINK, target.into()));
    }

    /// Writes the archive.
    pub(super) fn write(&self, out: &mut impl Write) -> io::Result<()> {
        let mut written = 0;
        for (inode, (path, (mode, content))) in (1_u32..).zip(&self.entries) {
            written += entry(out, inode, path, *mode, content)?;
        }
        written += entry(out, 0, "TRAILER!!!", 0, &[])?;
        pad(out, written, BLOCK)?;
        Ok(())
    }

    fn parents(&mut self, path: &str) {
        for (end, _) in path.match_indices('/') {
            self.entries.entry(path[..end].to_owned()).or_insert((DIR, Vec::new()));
        }
    }
}

fn entry(out: &mut impl Write, inode: u32, path: &str, mode: u32, content: &[u8]) -> io::Result<usize> {
    let size = u32::try_from(content.len()).map_err(io::Error::other)?;
    let name = u32::try_from(path.len() + 1).map_err(io::Error::other)?;
    let mut head = String::from("070701");
    for field in [inode, mode, 0, 0, 1, 0, size, 0, 0, 0, 0, name, 0] {
        head += &format!("{field:08X}");
    }
    head += path;
    head.push('\0');
    out.write_all(head.as_bytes())?;
    let head = head.len() + pad(out, head.len(), 4)?;
    out.write_all(content)?;
    Ok(head + content.len() + pad(out, content.len(), 4)?)
}

fn pad(out: &mut impl Write, written: usize, to: usize) -> io::Result<usize> {
    let missing = written.next_multiple_of(to) - written;
    out.write_all(&vec![0; missing])?;
    Ok(missing)
}

#[cfg(test)]
mod tests;
