//! Keeps services from starting. Debian's packages start theirs at once and at every boot; the lab needs only the
//! programs.

use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};

use crate::run::{output, run};

/// The script that Debian's maintainer scripts ask before they start a service; exit code 101 forbids it
/// (<https://people.debian.org/~hmh/invokerc.d-policyrc.d-specification.txt>).
const POLICY: &str = "/usr/sbin/policy-rc.d";
const FORBID: &str =
    "#!/bin/sh\n# Of `cargo xtask setup`, for the time of an installation. Safe to remove.\nexit 101\n";

/// The packages of the set-up that have a service, with its name.
const SERVICES: &[(&str, &str)] = &[
    ("prometheus", "prometheus"),
    ("prometheus-alertmanager", "prometheus-alertmanager"),
    ("etcd-server", "etcd"),
    ("containerd", "containerd"),
];

/// Keeps installed packages from starting services until it is dropped.
#[derive(Debug)]
pub(super) struct NoStarts(Option<PathBuf>);

impl NoStarts {
    /// Writes the policy, unless the machine has one.
    pub(super) fn new() -> Result<Self> {
        Self::at(Path::new(POLICY))
    }

    fn at(path: &Path) -> Result<Self> {
        match OpenOptions::new().write(true).create_new(true).mode(0o755).open(path) {
            Ok(mut file) => {
                let ours = Self(Some(path.to_owned()));
                file.write_all(FORBID.as_bytes()).with_context(|| path.display().to_string())?;
                Ok(ours)
            }
            Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(Self(None)),
            Err(error) => Err(error).with_context(|| path.display().to_string()),
        }
    }
}

impl Drop for NoStarts {
    fn drop(&mut self) {
        if let Some(path) = &self.0 {
            drop(fs::remove_file(path));
        }
    }
}

/// Keeps the services of new packages from starting at boot, and stops those that the machine's own policy let start.
pub(super) fn disable(installed: &[&str]) -> Result<()> {
    if output("systemctl", &["--version"]).is_none() {
        return Ok(());
    }
    let running = Path::new("/run/systemd/system").exists();
    for (_, service) in SERVICES.iter().filter(|(package, _)| installed.contains(package)) {
        let mut command = Command::new("systemctl");
        command.arg("disable").args(running.then_some("--now")).args(["--quiet", service]);
        run(&mut command)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
