//! Daemons whose packages the lab needs: it starts them itself, where and when it needs them.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use crate::run::output;

/// Debian asks this program before a package may start or stop a service; 101 forbids it.
const POLICY: &str = "/usr/sbin/policy-rc.d";
const FORBID: &str = "#!/bin/sh\n# Made by cargo xtask setup while it installs packages.\nexit 101\n";

/// While it lives, packages that are installed start no service.
#[derive(Debug)]
pub(super) struct Held(Option<PathBuf>);

impl Held {
    pub(super) fn new() -> Result<Self> {
        Self::at(Path::new(POLICY)).with_context(|| format!("{POLICY} can't be written"))
    }

    /// A policy that is there already stays: it is the administrator's.
    fn at(path: &Path) -> io::Result<Self> {
        if path.exists() {
            return Ok(Self(None));
        }
        let held = Self(Some(path.to_owned()));
        fs::write(path, FORBID)?;
        fs::set_permissions(path, Permissions::from_mode(0o755))?;
        Ok(held)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if let Some(path) = &self.0 {
            drop(fs::remove_file(path));
        }
    }
}

/// Keeps a service that has just been installed from starting with the machine.
pub(super) fn disable(service: &str) {
    // Without systemd nothing would start it.
    drop(output("systemctl", &["disable", "--quiet", service]));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_goes_as_it_came() {
        let path = std::env::temp_dir().join(format!("policy-rc.d-{}", std::process::id()));
        let held = Held::at(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o755);
        drop(Held::at(&path).unwrap());
        assert!(path.exists(), "the second found one and leaves it");
        drop(held);
        assert!(!path.exists());
    }
}
