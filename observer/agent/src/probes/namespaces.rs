//! The layout of network namespaces, as the drop probe needs it.

use std::os::unix::fs::MetadataExt as _;

use observer_abi::NamespaceLayout;

use crate::probes::btf::KernelTypes;

/// Returns the offsets with the agent's own namespace.
pub(super) fn layout(types: &KernelTypes) -> Result<NamespaceLayout, String> {
    let offsets = types.namespaces.map_err(|missing| missing.to_string())?;
    Ok(NamespaceLayout { own: own()?, ..offsets })
}

/// Returns the inode number of the agent's network namespace, by which the kernel compares namespaces.
fn own() -> Result<u32, String> {
    const PATH: &str = "/proc/thread-self/ns/net";
    let inode = std::fs::metadata(PATH).map_err(|error| format!("cannot read {PATH}: {error}"))?.ino();
    known(inode).ok_or_else(|| format!("{PATH} has the unexpected inode number {inode:#x}"))
}

/// Returns the number if the program takes it for that of a namespace. A kernel that numbers them in another way would have
/// none that it knows.
fn known(inode: u64) -> Option<u32> {
    u32::try_from(inode).ok().filter(|inode| NamespaceLayout::INUMS.contains(inode))
}

#[cfg(test)]
mod tests;
