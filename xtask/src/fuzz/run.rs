//! Runs one fuzz target.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result};

use super::log::Log;
use crate::run::{report_error, report_step};

/// Limits of one input, which takes milliseconds and little memory: more is a bug.
const LIMITS: &[&str] = &["-rss_limit_mb=2048", "-timeout=10", "-max_len=16384"];

/// Names a target and its program.
pub(super) struct Run<'a> {
    pub(super) root: &'a Path,
    pub(super) target: &'a str,
    pub(super) program: PathBuf,
}

impl Run<'_> {
    /// Runs the target for some seconds. Returns false, after a report, when it found an input that fails.
    ///
    /// # Errors
    /// Fails when the target can't be run.
    pub(super) fn passes(&self, seconds: u32) -> Result<bool> {
        report_step(&format!("fuzzing {} for {seconds} s", self.target));
        let mut log = Log::create(self.target, &self.state("logs")?.join("last"))?;
        let mut command = self.command()?;
        command.arg(format!("-max_total_time={seconds}")).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child =
            command.spawn().with_context(|| format!("{} can't be run", self.program.display()))?;
        let stderr = child.stderr.take().context("the target has no standard error")?;
        for line in BufReader::new(stderr).split(b'\n') {
            log.add(&String::from_utf8_lossy(&line?))?;
        }
        let passed = child.wait()?.success();
        report_step(&format!("{}: {}", self.target, log.status));
        if !passed {
            self.report(&log);
        }
        Ok(passed)
    }

    /// Returns the command. New inputs go into the corpus; the seeds are only read.
    fn command(&self) -> Result<Command> {
        let mut command = Command::new(&self.program);
        command.args(LIMITS).arg(self.state("corpus")?);
        let ours = self.root.join("tests/fuzz");
        let (seeds, words) = (ours.join("seeds").join(self.target), ours.join("words").join(self.target));
        if seeds.exists() {
            command.arg(seeds);
        }
        if words.exists() {
            command.arg(format!("-dict={}", words.display()));
        }
        command.arg(format!("-artifact_prefix={}/", self.state("crashes")?.display()));
        Ok(command)
    }

    /// Returns a folder of this target, which is kept from run to run.
    fn state(&self, what: &str) -> Result<PathBuf> {
        let folder = self.root.join("target/fuzz").join(what).join(self.target);
        fs::create_dir_all(&folder).with_context(|| format!("{} can't be created", folder.display()))?;
        Ok(folder)
    }

    fn report(&self, log: &Log) {
        for line in &log.crash {
            anstream::eprintln!("{line}");
        }
        report_error(&format!("{} failed; its whole output is in {}", self.target, log.path.display()));
        if let Some(input) = &log.input {
            report_step(&format!("to reproduce it: {} {input}", self.program.display()));
        }
    }
}
