//! Runs Debian's Go, unpacked, without modules and without a network.

use std::collections::VecDeque;
use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

use crate::run::report_step;

/// The time between two reports on the progress of a build.
const PROGRESS: Duration = Duration::from_secs(20);

/// The number of lines of a failed build that are shown.
const SHOWN: usize = 40;

#[derive(Debug)]
pub(super) struct Go {
    root: PathBuf,
    gopath: PathBuf,
    cache: PathBuf,
}

impl Go {
    /// `root` has the unpacked packages, `gopath` the source; `cache` keeps what is compiled, so that an interrupted
    /// build goes on.
    pub(super) fn new(root: &Path, gopath: &Path, cache: &Path) -> Self {
        Self { root: root.join("usr/lib/go-1.19"), gopath: gopath.to_owned(), cache: cache.to_owned() }
    }

    /// Returns the folder of Kubernetes' source.
    pub(super) fn source(&self) -> PathBuf {
        self.gopath.join(super::source::PACKAGE)
    }

    /// Returns a command that runs `program` in the source, with Go's settings and path.
    pub(super) fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        let path = std::env::var_os("PATH").unwrap_or_default();
        let dirs = [self.root.join("bin")].into_iter().chain(std::env::split_paths(&path));
        command
            .current_dir(self.source())
            // Go takes the folder from PWD, so that links stay as GOPATH has them.
            .env("PWD", self.source())
            .env("PATH", std::env::join_paths(dirs).unwrap_or(path.clone()))
            .env("GOROOT", &self.root)
            .env("GOPATH", &self.gopath)
            .env("GOCACHE", &self.cache)
            .envs([("GO111MODULE", "off"), ("CGO_ENABLED", "0"), ("GOFLAGS", ""), ("GOENV", "off")])
            .stdin(Stdio::null());
        command
    }

    /// Builds `package` into the file `to`, and reports the progress.
    pub(super) fn build(&self, name: &str, package: &str, to: &Path, flags: &[&str]) -> Result<()> {
        let mut command = self.command(&self.root.join("bin/go"));
        command.args(["build", "-v"]).args(flags).arg("-o").arg(to).arg(package).stderr(Stdio::piped());
        let mut child = command.spawn().context("Debian's Go could not be started")?;
        let output = child.stderr.take().context("no standard error")?;
        let tail = follow(name, BufReader::new(output));
        let status = child.wait()?;
        if !status.success() {
            bail!("`go build {package}` failed ({status}):\n{}", Vec::from(tail).join("\n"));
        }
        Ok(())
    }
}

/// Counts the packages that `-v` names, and returns the last lines.
fn follow(name: &str, output: impl std::io::BufRead) -> VecDeque<String> {
    let (mut tail, mut packages, mut last) = (VecDeque::new(), 0_u32, Instant::now());
    for line in output.lines().map_while(Result::ok) {
        packages += u32::from(is_package(&line));
        if last.elapsed() >= PROGRESS {
            last = Instant::now();
            report_step(&format!("  {name}: {packages} packages compiled"));
        }
        if tail.len() == SHOWN {
            tail.pop_front();
        }
        tail.push_back(line);
    }
    tail
}

fn is_package(line: &str) -> bool {
    !line.is_empty() && !line.contains([' ', '\t', ':'])
}

#[cfg(test)]
mod tests;
