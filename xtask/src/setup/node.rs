//! What a node has, for the tests of the image and of the manifests: containerd, runc, kubectl.
//!
//! Unpacked from Debian's packages, not installed: they would push Docker's packages off a machine that has those.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use crate::run::{output, run, say};

/// containerd and its `ctr`; runc; kubectl 1.20, whose kustomize is the oldest that the manifests must suit.
const PACKAGES: [&str; 3] = ["containerd", "runc", "kubernetes-client"];

/// True if something was unpacked.
pub(super) fn ensure(tools: &Path) -> Result<bool> {
    let dir = tools.join("node");
    if dir.join("usr/bin/ctr").exists() {
        return Ok(false);
    }
    if output("apt-get", &["--version"]).is_none() {
        bail!(
            "this system has no apt-get: put containerd, ctr and kubectl into {0}/usr/bin, runc into {0}/usr/sbin",
            dir.display()
        );
    }
    say(&format!(
        "unpacking Debian packages {} (36 MB) into {}: run the image and render the manifests in tests",
        PACKAGES.join(", "),
        dir.display()
    ));
    let part = tools.join(format!("node.part-{}", std::process::id()));
    let debs = part.join("debs");
    fs::create_dir_all(&debs)?;
    let unpacked = unpack(&debs, &part);
    fs::remove_dir_all(&debs)?;
    unpacked?;
    // In one step: what is cut off half-way never looks complete.
    fs::rename(&part, &dir).with_context(|| format!("{} can't be put in place", dir.display()))?;
    Ok(true)
}

fn unpack(debs: &Path, into: &Path) -> Result<()> {
    // As root, apt-get drops to a user that may not write here; it then only warns.
    run(Command::new("apt-get").current_dir(debs).args(["download", "-q"]).args(PACKAGES))?;
    for deb in fs::read_dir(debs)? {
        run(Command::new("dpkg").arg("-x").arg(deb?.path()).arg(into))?;
    }
    Ok(())
}
