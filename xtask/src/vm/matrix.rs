//! Runs all kernels, a few at a time, and reports the result of each.

use std::fs;
use std::path::Path;
use std::sync::Mutex;
use std::thread;
use std::time::Duration;

use anyhow::{Result, anyhow};

use super::guest::Guest;
use super::kernel::Kernel;
use super::print_line;
use super::qemu::{self, Ended};
use super::tools::Tools;

const TAIL: usize = 60;

/// Holds the settings with which the guests run.
#[derive(Debug)]
pub(super) struct Plan<'a> {
    pub(super) jobs: usize,
    pub(super) timeout: Duration,
    pub(super) keep: bool,
    /// The folder where consoles are kept.
    pub(super) out: &'a Path,
    /// The folder for files that only this run needs.
    pub(super) scratch: &'a Path,
}

/// Runs every kernel, prints a line for each at the end, and returns how many failed.
pub(super) fn run(plan: &Plan<'_>, tools: &Tools, guest: &Guest, kernels: &[Kernel]) -> Result<usize> {
    let next = Mutex::new(kernels.iter().enumerate());
    let lines = Mutex::new(vec![None; kernels.len()]);
    let worker = || -> Result<()> {
        while let Some((place, kernel)) = take(&next)? {
            let line = one(plan, tools, guest, kernel)?;
            lines.lock().map_err(|_| anyhow!("a worker died"))?[place] = Some(line);
        }
        Ok(())
    };
    thread::scope(|scope| {
        let workers: Vec<_> = (0..plan.jobs.min(kernels.len())).map(|_| scope.spawn(worker)).collect();
        workers.into_iter().try_for_each(|worker| worker.join().map_err(|_| anyhow!("a worker died"))?)
    })?;
    let lines = lines.into_inner().map_err(|_| anyhow!("a worker died"))?;
    let lines: Vec<(bool, String)> = lines.into_iter().flatten().collect();
    print_line("");
    lines.iter().for_each(|(_, line)| print_line(line));
    Ok(lines.iter().filter(|(passed, _)| !passed).count())
}

fn take<T>(next: &Mutex<impl Iterator<Item = T>>) -> Result<Option<T>> {
    Ok(next.lock().map_err(|_| anyhow!("a worker died"))?.next())
}

/// Runs one kernel and returns whether it passed, and its line.
fn one(plan: &Plan<'_>, tools: &Tools, guest: &Guest, kernel: &Kernel) -> Result<(bool, String)> {
    let name = &kernel.series;
    let initramfs = plan.scratch.join(format!("initramfs-{name}.cpio"));
    guest.initramfs(kernel, &initramfs)?;
    let boot = || qemu::boot(tools, kernel, &initramfs, plan.timeout, |line| progress(name, line));
    let mut ended = boot();
    if ended.as_ref().is_ok_and(|ended| ended.console.up.is_none()) {
        print_line(&format!("{name}: it did not boot; trying again"));
        ended = boot();
    }
    fs::remove_file(&initramfs)?;
    let ended = ended?;
    let verdict = verdict(&ended);
    let console = plan.out.join(format!("console-{name}.log"));
    if plan.keep || verdict.is_err() {
        fs::write(&console, ended.console.lines.join("\n") + "\n")?;
    }
    let seconds = ended.took.as_secs_f64();
    let about = format!("{name:<5} {:<24}", kernel.version);
    Ok(match verdict {
        Ok(()) => (true, format!("{about} passed  {seconds:>6.1} s")),
        Err(why) => {
            report_failure(name, &why, &ended, &console);
            (false, format!("{about} FAILED  {seconds:>6.1} s  {why}"))
        }
    })
}

/// Prints the lines that show progress; the console's log has the rest.
fn progress(name: &str, line: &str) {
    if ["vm: ", "check: ", "test "].iter().any(|start| line.starts_with(start)) {
        print_line(&format!("{name:<5} {line}"));
    }
}

fn report_failure(name: &str, why: &str, ended: &Ended, console: &Path) {
    let tail = ended.console.tail(TAIL).join("\n");
    print_line(&format!("--- {name}: {why}; the end of {}:\n{tail}\n---", console.display()));
}

fn verdict(ended: &Ended) -> Result<(), String> {
    let console = &ended.console;
    if let Some(oops) = &console.oops {
        return Err(format!("the kernel failed: {oops}"));
    }
    match (console.exit, ended.timed_out) {
        (Some(0), _) => Ok(()),
        (Some(code), _) => Err(format!("exit code {code}")),
        (None, true) if console.up.is_none() => Err("it did not boot".to_owned()),
        (None, true) => Err("not done in time".to_owned()),
        (None, false) => Err("it ended without an exit code".to_owned()),
    }
}

#[cfg(test)]
mod tests;
