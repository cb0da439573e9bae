//! Keeps maps and attachments on a bpffs, so that the kernel goes on counting while no agent runs, and the next agent takes
//! over from there.
//!
//! ```text
//! PIN_DIR/ns-COOKIE/                 one network namespace: machines may hold several nodes
//!     maps-v1-HASH/NAME              the maps, for one layout of them
//!     links/7-ingress                the attachments to interface 7
//!     links/drops                    the attachment to a tracepoint
//! ```

mod abi;
mod bpffs;
mod earlier;
mod links;
#[cfg(test)]
mod tests;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

pub(super) use self::abi::PINNED;
pub use self::bpffs::Removed;
pub(super) use self::earlier::Left;
pub(super) use self::links::name;

use self::bpffs::{entries, make_dir, remove_tree};
use crate::probes::error::ProbeError;
use crate::probes::settings::Settings;
use crate::probes::sys;

/// The directory of attachments in that of a network namespace.
const LINKS: &str = "links";
/// Begins the names of the directories with maps.
const MAPS: &str = "maps-";

/// The pins of one agent.
#[derive(Debug)]
pub struct Pins {
    node: PathBuf,
    maps: PathBuf,
    links: PathBuf,
}

impl Pins {
    /// Makes the directories for this network namespace.
    ///
    /// # Errors
    /// Fails where `dir` is not on a bpffs, or can't be written.
    pub(super) fn open(dir: &Path, object: &[u8], settings: &Settings) -> Result<Self, ProbeError> {
        let unusable = |source| ProbeError::Pins { dir: dir.to_owned(), source };
        bpffs::check(dir).map_err(unusable)?;
        let node = own_dir(dir).map_err(unusable)?;
        let maps = node.join(format!("{MAPS}{}", abi::version(object, settings).map_err(unusable)?));
        let links = node.join(LINKS);
        for made in [dir, &node, &maps, &links] {
            make_dir(made).map_err(unusable)?;
        }
        Ok(Self { node, maps, links })
    }

    /// Returns where a map of this name is pinned.
    pub(super) fn map(&self, name: &str) -> PathBuf {
        self.maps.join(name)
    }

    /// Returns the directories with maps of other layouts, which earlier agents left.
    fn earlier_maps(&self) -> Vec<PathBuf> {
        let others = entries(&self.node).into_iter().filter(|path| {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            name.starts_with(MAPS) && *path != self.maps
        });
        others.collect()
    }
}

/// Removes what agents pinned in this network namespace, and so detaches their programs.
///
/// # Errors
/// Fails where `dir` can't be read, or something in it can't be removed.
pub fn remove_all(dir: &Path) -> io::Result<Removed> {
    if !dir.try_exists()? {
        return Ok(Removed::default());
    }
    let removed = remove_tree(&own_dir(dir)?)?;
    // Other nodes on this machine may have theirs in it.
    match fs::remove_dir(dir) {
        Err(error) if error.kind() != io::ErrorKind::DirectoryNotEmpty => Err(error),
        _ => Ok(removed),
    }
}

/// Returns the directory of this network namespace. Its number is not used again until the machine restarts.
fn own_dir(dir: &Path) -> io::Result<PathBuf> {
    sys::network_namespace().map(|number| dir.join(format!("ns-{number}")))
}
