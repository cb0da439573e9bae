//! Building programs from Go modules, with a line now and then about how far it is.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use serde::Deserialize;

use crate::run::{capture, report_step};

/// Between two lines about a build.
const PROGRESS: Duration = Duration::from_secs(15);
/// Lines of a failed build that are shown.
const SHOWN: usize = 30;

/// Where the module proxy's answer about a module was put.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Module {
    pub(super) go_mod: String,
    /// The unpacked module.
    pub(super) dir: String,
}

/// Downloads a module, `path@version`.
pub(super) fn download(module: &str, dir: &Path) -> Result<Module> {
    let json = capture(go(dir).args(["mod", "download", "-json", module]))?;
    serde_json::from_str(&json).with_context(|| format!("`go mod download -json {module}`"))
}

/// Runs `go` with these arguments and reports the number of packages that it compiled.
pub(super) fn run(what: &str, command: &mut Command) -> Result<()> {
    let mut child = command.stderr(Stdio::piped()).spawn().context("go could not be started")?;
    let stderr = child.stderr.take().context("go has no standard error")?;
    let last = follow(what, BufReader::new(stderr));
    let status = child.wait()?;
    if !status.success() {
        bail!("{what}: {command:?} failed ({status}):\n{}", Vec::from(last).join("\n"));
    }
    Ok(())
}

/// `go` in this directory, with settings that don't depend on the user's.
pub(super) fn go(dir: &Path) -> Command {
    let mut command = Command::new("go");
    command
        .current_dir(dir)
        .envs([("CGO_ENABLED", "0"), ("GOFLAGS", "-buildvcs=false -modcacherw"), ("GOTOOLCHAIN", "local")])
        .stdin(Stdio::null());
    command
}

/// `-v` prints the name of each package as it is compiled.
fn follow(what: &str, lines: impl BufRead) -> VecDeque<String> {
    let (mut last, mut packages, mut reported) = (VecDeque::new(), 0_u32, Instant::now());
    for line in lines.lines().map_while(Result::ok) {
        packages += u32::from(is_package(&line));
        if reported.elapsed() >= PROGRESS {
            reported = Instant::now();
            report_step(&format!("  {what}: {packages} packages compiled"));
        }
        if last.len() == SHOWN {
            last.pop_front();
        }
        last.push_back(line);
    }
    last
}

fn is_package(line: &str) -> bool {
    !line.is_empty() && !line.contains([' ', '\t', ':'])
}

#[cfg(test)]
mod tests;
