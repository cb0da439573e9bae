//! The files in which an agent leaves to the next what it knows. Each is replaced as a whole.
//!
//! Nothing is synced to the disk: a file that a machine lost with its power is not whole, and is ignored.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use arcstr::ArcStr;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tracing::warn;

use crate::sealed;

/// The version of the files. Raise it when an older agent's content would be misread; a field that is new and has a default
/// needs no new version.
const VERSION: u32 = 1;
/// The names of the files.
const FILES: [&str; 3] = ["counts", "findings", "journal"];

/// A directory with state.
#[derive(Clone, Debug)]
pub struct StateDir {
    dir: PathBuf,
    node: ArcStr,
}

/// A file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StateFile {
    /// Counters, and how much of the journal is in them.
    Counts,
    /// Findings, and the changes of policies.
    Findings,
}

#[derive(Serialize)]
struct Written<'a, T> {
    version: u32,
    node: &'a ArcStr,
    content: &'a T,
}

#[derive(Deserialize)]
struct Origin {
    version: u32,
    node: ArcStr,
}

#[derive(Deserialize)]
struct Content<T> {
    content: T,
}

impl StateDir {
    /// Makes the directory if there is none.
    ///
    /// # Errors
    /// Fails when it can't be made or written.
    pub fn open(dir: &Path, node: ArcStr) -> io::Result<Self> {
        fs::create_dir_all(dir)?;
        // The files name workloads and addresses.
        fs::set_permissions(dir, Permissions::from_mode(0o700))?;
        let probe = dir.join("new");
        fs::write(&probe, "")?;
        fs::remove_file(&probe)?;
        Ok(Self { dir: dir.to_owned(), node })
    }

    /// Returns what an agent of this node wrote. A file that can't be used is reported and ignored.
    #[must_use]
    pub fn read<T: DeserializeOwned>(&self, file: StateFile) -> Option<T> {
        let path = self.path(file);
        match self.parse(&path) {
            Ok(content) => Some(content),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => {
                warn!(file = %path.display(), %error, "the state of the agent before is ignored: this one begins without it");
                None
            }
        }
    }

    /// Replaces a file.
    ///
    /// # Errors
    /// Fails when it can't be written. The file is as before then.
    pub fn write<T: Serialize>(&self, file: StateFile, content: &T) -> io::Result<()> {
        let written = Written { version: VERSION, node: &self.node, content };
        let line = sealed::seal(&serde_json::to_string(&written)?);
        let new = self.dir.join("new");
        fs::write(&new, line)?;
        fs::rename(&new, self.path(file))
    }

    /// Returns the path of the journal of counts.
    #[must_use]
    pub fn journal(&self) -> PathBuf {
        self.dir.join("journal")
    }

    fn parse<T: DeserializeOwned>(&self, path: &Path) -> io::Result<T> {
        let text = fs::read_to_string(path)?;
        let json =
            sealed::open(text.trim_end_matches('\n')).ok_or_else(|| io::Error::other("it is not whole"))?;
        let Origin { version, node } = serde_json::from_str(json)?;
        if version != VERSION {
            return Err(io::Error::other(format!(
                "it has the version {version}, and this agent reads {VERSION}"
            )));
        }
        if node != self.node {
            return Err(io::Error::other(format!("it is of the node {node}")));
        }
        Ok(serde_json::from_str::<Content<T>>(json)?.content)
    }

    fn path(&self, file: StateFile) -> PathBuf {
        self.dir.join(match file {
            StateFile::Counts => FILES[0],
            StateFile::Findings => FILES[1],
        })
    }
}

/// Removes the files of agents from a directory, and the directory if nothing else is in it. Returns the number of files.
///
/// # Errors
/// Fails when something can't be removed.
pub fn remove_all(dir: &Path) -> io::Result<usize> {
    let mut removed = 0;
    for name in FILES.into_iter().chain(["new", "journal.new"]) {
        match fs::remove_file(dir.join(name)) {
            Ok(()) => removed += 1,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    // It may be a mount, or hold something else.
    drop(fs::remove_dir(dir));
    Ok(removed)
}

#[cfg(test)]
mod tests;
