//! The files to read.

use std::collections::{BTreeMap, HashSet};
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use crate::error::ClusterError;
use crate::problem::{Extent, Problem};

/// At most this many files are read. No export has more, so a longer list means the wrong directory.
const MAX_FILES: usize = 10_000;

/// Directories are read at most this deep below the named one.
const MAX_DEPTH: usize = 16;

/// The attributes by which a change of a file is recognised. The change time shows changes that keep size and modification
/// time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stamp {
    file: (u64, u64),
    pub(super) size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

/// These are the files with their sizes, and the problems of the listing.
type Found = (Vec<(PathBuf, u64)>, Vec<Problem>);

/// Returns the files that a path stands for: those of a directory, or itself.
///
/// # Errors
/// Fails when the path is missing or may not be read.
pub(crate) fn manifest_files(root: &Path) -> Result<Found, ClusterError> {
    probe(root)?;
    let listing =
        Listing::of(root).map_err(|source| ClusterError::Unreadable { path: root.to_owned(), source })?;
    Ok((listing.files.into_iter().map(|(path, stamp)| (path, stamp.size)).collect(), listing.problems))
}

/// The files to read, and the problems of finding them.
#[derive(Default)]
pub(super) struct Listing {
    pub(super) files: BTreeMap<PathBuf, Stamp>,
    pub(super) problems: Vec<Problem>,
    /// These directories were read, so that a symlink to a parent ends.
    seen: HashSet<(u64, u64)>,
    full: bool,
}

impl Listing {
    /// Lists the files under a path.
    pub(super) fn of(root: &Path) -> io::Result<Self> {
        let mut listing = Self::default();
        let meta = fs::metadata(root)?;
        if !meta.is_dir() {
            listing.files.insert(root.to_owned(), (&meta).into());
            return Ok(listing);
        }
        listing.directory(root, &meta, 0)?;
        if listing.files.is_empty() {
            listing.problem(root, Extent::Files, "holds no *.yaml, *.yml or *.json file");
        }
        Ok(listing)
    }

    fn directory(&mut self, path: &Path, meta: &Metadata, depth: usize) -> io::Result<()> {
        if !self.seen.insert((meta.dev(), meta.ino())) {
            return Ok(());
        }
        if depth > MAX_DEPTH {
            let message = format!("is more than {MAX_DEPTH} directories deep: left out");
            self.problem(path, Extent::Unreadable, &message);
            return Ok(());
        }
        for entry in fs::read_dir(path)? {
            self.entry(&entry?.path(), depth);
        }
        Ok(())
    }

    fn entry(&mut self, path: &Path, depth: usize) {
        // This also leaves out `..data` and the dated directories of a mounted ConfigMap: its files are symlinks beside them.
        if path.file_name().is_none_or(|name| name.as_encoded_bytes().starts_with(b".")) {
            return;
        }
        let result = match fs::metadata(path) {
            // The file was renamed or removed since the directory was listed, for which an event follows.
            Err(e) if e.kind() == io::ErrorKind::NotFound && fs::symlink_metadata(path).is_err() => Ok(()),
            Err(e) if e.kind() == io::ErrorKind::NotFound => {
                self.problem(path, Extent::Unreadable, "is a symlink to a path that does not exist");
                Ok(())
            }
            Err(e) => Err(e),
            Ok(meta) if meta.is_dir() => self.directory(path, &meta, depth + 1),
            Ok(meta) if meta.is_file() && is_manifest(path) => {
                self.file(path, &meta);
                Ok(())
            }
            Ok(_) => Ok(()),
        };
        if let Err(error) = result {
            self.problem(path, Extent::Unreadable, &format!("can't be read: {error}"));
        }
    }

    fn file(&mut self, path: &Path, meta: &Metadata) {
        if self.files.len() < MAX_FILES {
            self.files.insert(path.to_owned(), meta.into());
        } else if !std::mem::replace(&mut self.full, true) {
            self.problem(
                path,
                Extent::Unreadable,
                &format!("more than {MAX_FILES} files: this and others are left out"),
            );
        }
    }

    fn problem(&mut self, path: &Path, extent: Extent, message: &str) {
        self.problems.push(Problem::of_file(path, extent, message));
    }
}

impl From<&Metadata> for Stamp {
    fn from(meta: &Metadata) -> Self {
        Self {
            file: (meta.dev(), meta.ino()),
            size: meta.len(),
            modified: (meta.mtime(), meta.mtime_nsec()),
            changed: (meta.ctime(), meta.ctime_nsec()),
        }
    }
}

/// Checks that the path exists and may be read.
pub(super) fn probe(root: &Path) -> Result<(), ClusterError> {
    let opened = fs::metadata(root).and_then(|meta| match meta.is_dir() {
        true => fs::read_dir(root).map(drop),
        false => fs::File::open(root).map(drop),
    });
    let path = || root.to_owned();
    opened.map_err(|source| match source.kind() {
        io::ErrorKind::NotFound => ClusterError::Missing { path: path() },
        _ => ClusterError::Unreadable { path: path(), source },
    })
}

fn is_manifest(path: &Path) -> bool {
    is_kustomization(path)
        || path.extension().and_then(|e| e.to_str()).is_some_and(|e| matches!(e, "yaml" | "yml" | "json"))
}

/// The names that a kustomization's file may have.
pub(crate) const KUSTOMIZATIONS: [&str; 3] = ["kustomization.yaml", "kustomization.yml", "Kustomization"];

/// Is true for the file that makes a directory a chart.
pub(crate) fn is_chart(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name == "Chart.yaml")
}

/// Is true for the file of a kustomization.
pub(crate) fn is_kustomization(path: &Path) -> bool {
    path.file_name().and_then(|name| name.to_str()).is_some_and(|name| KUSTOMIZATIONS.contains(&name))
}
