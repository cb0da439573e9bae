//! Work in the background, on processor time that nothing else wants.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Mutex, MutexGuard, Once, PoisonError};
use std::thread;

use anyhow::{Context as _, Result, bail};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use signal_hook::low_level::emulate_default_handler;

use crate::run::report_step;

/// Holds the process groups in the background, so that a signal can end them all.
static GROUPS: Mutex<BTreeSet<Pid>> = Mutex::new(BTreeSet::new());

/// Holds a command with everything that it starts. All of it ends when the value is dropped, and by signals.
#[derive(Debug)]
pub(crate) struct Background {
    child: Child,
    /// Where its output goes, unless that is this process's own.
    log: Option<PathBuf>,
    group: Pid,
}

impl Background {
    /// Starts `cargo xtask TASK ARGS`, which writes to `target/TASK.log`.
    ///
    /// # Errors
    /// Fails when the task can't be started.
    pub(crate) fn start(root: &Path, task: &str, args: &[&str]) -> Result<Self> {
        let log = root.join("target").join(format!("{task}.log"));
        fs::create_dir_all(root.join("target"))?;
        let (out, err) = (File::create(&log)?, File::options().append(true).open(&log)?);
        report_step(&format!("`cargo xtask {task}` continues in the background; see {}", log.display()));
        let mut command = Command::new("chrt");
        // SCHED_IDLE: it must not slow down the scenarios.
        command.args(["--idle", "0"]).arg(std::env::current_exe()?).arg(task).args(args).current_dir(root);
        Self::spawn(command.stdout(out).stderr(err), Some(log))
    }

    fn spawn(command: &mut Command, log: Option<PathBuf>) -> Result<Self> {
        catch_signals()?;
        // In a group of its own, so that its compilers can be ended with it; but then Ctrl-C doesn't reach it.
        command.stdin(Stdio::null()).process_group(0);
        // Held while it starts: a signal in between would end every group but this one.
        let mut groups = groups();
        let child = command.spawn().with_context(|| format!("{command:?} could not be started"))?;
        let group = Pid::from_raw(i32::try_from(child.id())?);
        groups.insert(group);
        Ok(Self { child, log, group })
    }

    /// Waits until it ends.
    ///
    /// # Errors
    /// Fails when the task fails; the message holds its log.
    pub(crate) fn wait(mut self) -> Result<()> {
        let status = self.ended()?;
        if !status.success() {
            let log = self.log.as_ref().map(|log| fs::read_to_string(log).unwrap_or_default());
            bail!("a background task failed ({status}):\n{}", log.unwrap_or_default());
        }
        Ok(())
    }

    fn ended(&mut self) -> Result<ExitStatus> {
        let status = self.child.wait().context("wait for a background task")?;
        groups().remove(&self.group);
        Ok(status)
    }
}

/// Runs `cargo xtask ARGS` with the output of this process, and waits for it. A signal ends it as it ends what is in the
/// background, and it may take its time to clean up.
///
/// # Errors
/// Fails when the task fails.
pub(crate) fn run_apart(root: &Path, args: &[&str]) -> Result<()> {
    let mut command = Command::new(std::env::current_exe()?);
    let status = Background::spawn(command.args(args).current_dir(root), None)?.ended()?;
    if !status.success() {
        bail!("`cargo xtask {}` failed ({status})", args.join(" "));
    }
    Ok(())
}

impl Drop for Background {
    fn drop(&mut self) {
        if groups().remove(&self.group) {
            end(self.group);
        }
        self.child.wait().map(drop).unwrap_or_default();
    }
}

/// Ends all groups when a signal ends this process. The handler stays installed, because a signal that was caught once
/// has no effect of its own any more.
fn catch_signals() -> Result<()> {
    static INSTALLED: Once = Once::new();
    let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP]).context("signals can't be caught")?;
    INSTALLED.call_once(|| {
        thread::spawn(move || {
            for signal in signals.forever() {
                // Held until the process ends, so that nothing starts in between.
                let mut groups = groups();
                std::mem::take(&mut *groups).into_iter().for_each(end);
                emulate_default_handler(signal).unwrap_or_default();
            }
        });
    });
    Ok(())
}

/// Ends a group. One that has ended already is no error.
fn end(group: Pid) {
    killpg(group, Signal::SIGTERM).unwrap_or_default();
}

/// A panic that held the lock left nothing half-done.
fn groups() -> MutexGuard<'static, BTreeSet<Pid>> {
    GROUPS.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
