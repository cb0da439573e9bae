//! Unpacks a node's programs for the tests of the image: containerd and runc.
//!
//! They are not installed, since Debian's packages would remove Docker's.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use super::has_apt;
use crate::progress::Progress;
use crate::run::run;

/// containerd with its `ctr`, and runc.
const PACKAGES: [&str; 2] = ["containerd", "runc"];

pub(super) fn is_missing(tools: &Path) -> bool {
    !tools.join("node/usr/bin/ctr").exists()
}

pub(super) fn announcement(tools: &Path) -> String {
    format!(
        "unpacking Debian packages {} (29 MB) into {}: run the image in tests",
        PACKAGES.join(", "),
        tools.join("node").display()
    )
}

/// Unpacks them.
pub(super) fn ensure(progress: &Progress, tools: &Path) -> Result<()> {
    let dir = tools.join("node");
    if !has_apt() {
        bail!(
            "this system has no apt-get: put containerd and ctr into {0}/usr/bin, runc into {0}/usr/sbin",
            dir.display()
        );
    }
    let part = tools.join(format!("node.part-{}", std::process::id()));
    let debs = part.join("debs");
    fs::create_dir_all(&debs)?;
    let unpacked = unpack(progress, &debs, &part);
    fs::remove_dir_all(&debs)?;
    unpacked?;
    // A rename is one step, so an interrupted run leaves nothing that looks complete.
    fs::rename(&part, &dir).with_context(|| format!("{} can't be put in place", dir.display()))
}

fn unpack(progress: &Progress, debs: &Path, into: &Path) -> Result<()> {
    // As root, apt-get changes to a user without the right to write here, and prints a warning that doesn't matter.
    let mut download = Command::new("apt-get");
    progress.run("packages of a node", download.current_dir(debs).args(["download", "-q"]).args(PACKAGES))?;
    for deb in fs::read_dir(debs)? {
        run(Command::new("dpkg").arg("-x").arg(deb?.path()).arg(into))?;
    }
    Ok(())
}
