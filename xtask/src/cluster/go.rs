//! Building programs from Go modules.

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result};
use serde::Deserialize;

use crate::progress::Progress;
use crate::run::{Environment, capture, output};

/// The oldest Go that builds all components.
const GO: (u32, u32) = (1, 26);
/// Settings that don't depend on the user's.
pub(super) const SETTINGS: [(&str, &str); 3] =
    [("CGO_ENABLED", "0"), ("GOFLAGS", "-buildvcs=false -modcacherw -trimpath"), ("GOTOOLCHAIN", "local")];

/// Where the module proxy's answer about a module was put.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Module {
    pub(super) go_mod: String,
    /// The unpacked module.
    pub(super) dir: String,
}

/// Downloads a module, `path@version`.
pub(super) fn download(progress: &Progress, module: &str, dir: &Path) -> Result<Module> {
    let json = progress.quiet(&format!("downloading {module}"), || {
        capture(go(dir).args(["mod", "download", "-json", module]))
    })?;
    serde_json::from_str(&json).with_context(|| format!("`go mod download -json {module}`"))
}

/// `go` in this directory.
pub(super) fn go(dir: &Path) -> Command {
    let mut command = Command::new("go");
    command.current_dir(dir).envs(SETTINGS).stdin(Stdio::null());
    command
}

/// Fails with the remedy unless there is a Go that builds all components.
pub(super) fn need() -> Result<()> {
    need_version(output("go", &["env", "GOVERSION"]).as_deref())
}

fn need_version(version: Option<&str>) -> Result<()> {
    let (major, minor) = GO;
    let remedy = format!(
        "Kubernetes, Helm and VictoriaLogs are built from Go modules, which needs Go {major}.{minor} or later: install it from \
         https://go.dev/dl/, or with a package manager that has it, and put `go` on the PATH"
    );
    match version {
        None => Err(Environment(format!("there is no Go on this machine. {remedy}")).into()),
        Some(version) if parsed(version).is_some_and(|found| found >= GO) => Ok(()),
        Some(version) => Err(Environment(format!("this machine has {}. {remedy}", version.trim())).into()),
    }
}

/// `go1.26.8` as numbers.
fn parsed(version: &str) -> Option<(u32, u32)> {
    let mut numbers = version.trim().strip_prefix("go")?.split(['.', '-', ' ']);
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests;
