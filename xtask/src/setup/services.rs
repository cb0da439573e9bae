//! Debian packages bring services that start at once and at every boot. The lab wants their programs only.

use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};

use crate::run::{output, run};

/// Asked by Debian's maintainer scripts before they start anything; 101 forbids it
/// (<https://people.debian.org/~hmh/invokerc.d-policyrc.d-specification.txt>).
const POLICY: &str = "/usr/sbin/policy-rc.d";
const FORBID: &str =
    "#!/bin/sh\n# Of `cargo xtask setup`, for the time of an installation. Safe to remove.\nexit 101\n";

/// Packages among those of the set-up that have a service of the same name.
const SERVICES: &[&str] = &["prometheus", "prometheus-alertmanager"];

/// While it lives, installed packages start nothing.
#[derive(Debug)]
pub(super) struct NoStarts(Option<PathBuf>);

impl NoStarts {
    /// Where a policy is in place already, it stays as it is.
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

/// Keeps the services of packages that were just installed from starting at boot, and stops those that a foreign policy let start.
pub(super) fn disable(installed: &[&str]) -> Result<()> {
    if output("systemctl", &["--version"]).is_none() {
        return Ok(());
    }
    let running = Path::new("/run/systemd/system").exists();
    for service in SERVICES.iter().filter(|service| installed.contains(service)) {
        let mut command = Command::new("systemctl");
        command.arg("disable").args(running.then_some("--now")).args(["--quiet", service]);
        run(&mut command)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_policy_goes_with_its_guard_and_a_foreign_one_stays() {
        let path = std::env::temp_dir().join(format!("flow-observer-policy-{}", std::process::id()));
        let guard = NoStarts::at(&path).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), FORBID);
        drop(NoStarts::at(&path).unwrap());
        assert!(path.exists(), "the second guard must leave what the first one made");
        drop(guard);
        assert!(!path.exists());
    }
}
