//! Reads the output of libFuzzer.

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};

use crate::run::report_step;

/// The time between two reports about a running target.
const PROGRESS: Duration = Duration::from_secs(10);
/// The number of lines of a crash that are shown: enough for the message and the stack.
const SHOWN: usize = 60;

/// Holds the important part of a target's output; all of it goes to a file.
pub(super) struct Log {
    target: String,
    pub(super) path: PathBuf,
    file: File,
    /// Holds the newest counts.
    pub(super) status: String,
    reported: Instant,
    /// Holds the lines from the first sign of a crash on.
    pub(super) crash: Vec<String>,
    /// Names the file with the input that caused the crash.
    pub(super) input: Option<String>,
}

impl Log {
    /// Creates the log of a target at `path`.
    ///
    /// # Errors
    /// Fails when the file can't be created.
    pub(super) fn create(target: &str, path: &Path) -> Result<Self> {
        let file = File::create(path).with_context(|| format!("{} can't be written", path.display()))?;
        let (target, path, status) = (target.to_owned(), path.to_owned(), "nothing was run".to_owned());
        Ok(Self { target, path, file, status, reported: Instant::now(), crash: Vec::new(), input: None })
    }

    /// Keeps a line, and reports the counts from time to time.
    ///
    /// # Errors
    /// Fails when the file can't be written.
    pub(super) fn add(&mut self, line: &str) -> Result<()> {
        writeln!(self.file, "{line}")?;
        if let Some(status) = status(line) {
            self.status = status;
            if self.reported.elapsed() >= PROGRESS {
                self.reported = Instant::now();
                report_step(&format!("{}: {}", self.target, self.status));
            }
        }
        if let Some((_, input)) = line.split_once("Test unit written to ") {
            self.input = Some(input.to_owned());
        }
        let crashed = !self.crash.is_empty() || line.contains("panicked at") || line.contains("ERROR: ");
        if crashed && self.crash.len() < SHOWN {
            self.crash.push(line.to_owned());
        }
        Ok(())
    }
}

/// Returns the counts in a line like `#1024 pulse cov: 90 ft: 201 corp: 30/9b lim: 4096 exec/s: 512 rss: 27Mb`.
fn status(line: &str) -> Option<String> {
    let (runs, rest) = line.strip_prefix('#')?.split_once('\t')?;
    let mut words = rest.split_whitespace();
    let mut after = |name: &str| words.find(|word| *word == name).and_then(|_| words.next());
    let (edges, corpus, rate, memory) = (after("cov:")?, after("corp:")?, after("exec/s:")?, after("rss:")?);
    let kept = corpus.split('/').next()?;
    Some(format!("{runs} runs, {edges} edges, {kept} inputs kept, {rate} runs/s, {memory}"))
}

#[cfg(test)]
mod tests;
