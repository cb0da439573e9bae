//! Work that takes only what else would be idle.

use std::fs::{self, File};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};

use anyhow::{Context as _, Result, bail};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

use crate::run::say;

/// A task of ours in a process of its own.
#[derive(Debug)]
pub(crate) struct Background {
    task: String,
    child: Child,
    log: PathBuf,
    done: bool,
}

impl Background {
    /// Starts `cargo xtask TASK`, which writes to a log.
    ///
    /// # Errors
    /// When it can't be started.
    pub(crate) fn start(root: &Path, task: &str) -> Result<Self> {
        let log = root.join("target").join(format!("{task}.log"));
        fs::create_dir_all(root.join("target"))?;
        let (out, err) = (File::create(&log)?, File::options().append(true).open(&log)?);
        say(&format!("`cargo xtask {task}` goes on in the background; see {}", log.display()));
        let mut command = Command::new("chrt");
        // SCHED_IDLE: the scenarios must not feel it. A group of its own, so that its compilers end with it.
        command.args(["--idle", "0"]).arg(std::env::current_exe()?).arg(task).current_dir(root);
        let child = command.process_group(0).stdout(out).stderr(err).spawn();
        let child = child.context("`chrt` (util-linux) could not be started")?;
        Ok(Self { task: task.to_owned(), child, log, done: false })
    }

    /// Waits for it; fails as it does, with its log.
    pub(crate) fn wait(mut self) -> Result<()> {
        let status = self.child.wait().context("wait for a background task")?;
        self.done = true;
        if !status.success() {
            let log = fs::read_to_string(&self.log).unwrap_or_default();
            bail!("`cargo xtask {}` failed ({status}):\n{log}", self.task);
        }
        Ok(())
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        if self.done {
            return;
        }
        if let Ok(pid) = i32::try_from(self.child.id()) {
            // Gone already is as good.
            killpg(Pid::from_raw(pid), Signal::SIGTERM).ok();
        }
        self.child.wait().map(drop).unwrap_or_default();
    }
}

#[cfg(test)]
mod tests {
    use std::process::Stdio;

    use super::*;

    fn background(script: &str, out: impl Into<Stdio>, log: &Path) -> Background {
        let child = Command::new("sh").args(["-c", script]).process_group(0).stdout(out).spawn().unwrap();
        Background { task: "it".into(), child, log: log.to_owned(), done: false }
    }

    #[test]
    fn failures_come_with_the_log_and_nothing_outlives_its_owner() {
        let dir = std::env::temp_dir().join(format!("xtask-background-{}", std::process::id()));
        fs::create_dir_all(&dir).unwrap();
        let log = dir.join("log");
        let file = || File::create(&log).unwrap();
        background("true", file(), &log).wait().unwrap();
        let error = background("echo what went wrong; exit 3", file(), &log).wait().unwrap_err();
        assert!(format!("{error:#}").contains("what went wrong"), "{error:#}");
        // `sleep` is the shell's child: the whole group ends, or this waits for a minute.
        let (reader, writer) = std::io::pipe().unwrap();
        drop(background("sleep 60; true", writer, &log));
        assert_eq!(std::io::read_to_string(reader).unwrap(), "");
        fs::remove_dir_all(&dir).unwrap();
    }
}
