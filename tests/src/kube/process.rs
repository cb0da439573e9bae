//! A server's process with its log.

use std::fs::{self, File};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, bail};

use super::place::Place;

/// Lines at the end of a log that an error shows.
const SHOWN: usize = 20;

/// A process that is killed when dropped.
#[derive(Debug)]
pub(super) struct Process {
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts a command whose output is appended to `log`.
    pub(super) fn start(place: &Place, command: &mut Command, log: &Path) -> Result<Self> {
        let file = File::options().create(true).append(true).open(log)?;
        // A Ctrl-C at the terminal is for the test, which then ends its servers.
        command.stdin(Stdio::null()).stdout(file.try_clone()?).stderr(file).process_group(0);
        let name = command.get_program().to_string_lossy().into_owned();
        let child = place.run(|| command.spawn()).with_context(|| format!("start {name}"))?;
        Ok(Self { child, log: log.to_owned() })
    }

    /// Fails once it has ended.
    pub(super) fn check(&mut self) -> Result<()> {
        if let Some(status) = self.child.try_wait()? {
            bail!("it ended ({status}):\n{}", self.tail());
        }
        Ok(())
    }

    /// Returns the end of its log.
    pub(super) fn tail(&self) -> String {
        let log = fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(SHOWN)..].join("\n")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
