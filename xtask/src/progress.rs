//! Shows what runs: work that takes long prints a line at least every ten seconds.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{IsTerminal as _, Read as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

use crate::run::{last_step, report_lines, report_step};

/// The longest time without a line.
const SILENCE: Duration = Duration::from_secs(10);
/// What cargo's lines about its progress begin with. All others are messages for people.
const CARGO_WORDS: &[&str] = &[
    "Adding",
    "Blocking",
    "Compiling",
    "Downloaded",
    "Downloading",
    "Finished",
    "Fresh",
    "Installed",
    "Installing",
    "Locking",
    "Replaced",
    "Replacing",
    "Updating",
];

/// Runs commands side by side, and reports them while they run.
#[derive(Debug)]
pub(crate) struct Progress {
    /// The folder of the commands' logs.
    logs: PathBuf,
    state: Mutex<State>,
    ended: Condvar,
}

#[derive(Debug, Default)]
struct State {
    running: Vec<Task>,
    /// Is set while cargo draws its own progress on the terminal.
    drawn: bool,
    over: bool,
}

#[derive(Debug)]
struct Task {
    name: String,
    began: Instant,
    log: PathBuf,
}

impl Progress {
    /// Runs `work`, and reports meanwhile what it runs. Logs go to the folder `logs`.
    pub(crate) fn during<T>(logs: &Path, work: impl FnOnce(&Self) -> T) -> T {
        let progress = Self { logs: logs.to_owned(), state: Mutex::default(), ended: Condvar::new() };
        thread::scope(|scope| {
            // Also after a panic: the scope waits for the thread.
            let _end = End(&progress);
            scope.spawn(|| progress.report());
            work(&progress)
        })
    }

    /// Runs a command, whose output goes to the log `name` and is shown when the command fails.
    ///
    /// # Errors
    /// Fails when the command can't be started or fails.
    pub(crate) fn run(&self, name: &str, command: &mut Command) -> Result<()> {
        self.logged(name, command, false).map(drop)
    }

    /// Runs cargo to build something, and returns its standard output. On a terminal, cargo draws its progress itself.
    ///
    /// # Errors
    /// Fails when cargo can't be started or fails.
    pub(crate) fn build(&self, name: &str, cargo: &mut Command) -> Result<Vec<u8>> {
        if !std::io::stderr().is_terminal() {
            return self.logged(name, cargo, true);
        }
        self.lock().drawn = true;
        let output = cargo.stdin(Stdio::null()).stderr(Stdio::inherit()).output();
        self.lock().drawn = false;
        let output = output.with_context(|| format!("{name}: cargo could not be started"))?;
        if !output.status.success() {
            bail!("{name} failed ({})", output.status);
        }
        Ok(output.stdout)
    }

    fn logged(&self, name: &str, command: &mut Command, keep: bool) -> Result<Vec<u8>> {
        let file: String = name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
        let log = self.logs.join(format!("{file}.log"));
        fs::create_dir_all(&self.logs)?;
        let writer = File::create(&log).with_context(|| format!("{} can't be written", log.display()))?;
        let stdout = if keep { Stdio::piped() } else { writer.try_clone()?.into() };
        let began = Instant::now();
        self.lock().running.push(Task { name: name.to_owned(), began, log: log.clone() });
        let output = command.stdin(Stdio::null()).stdout(stdout).stderr(writer).spawn();
        let output = output.and_then(std::process::Child::wait_with_output);
        self.lock().running.retain(|task| task.name != name);
        let output = output.with_context(|| format!("{name}: {command:?} could not be started"))?;
        let text = fs::read_to_string(&log).unwrap_or_default();
        if !output.status.success() {
            bail!("{name} failed ({}; {}):\n{}", output.status, log.display(), messages(&text));
        }
        if keep {
            report_lines(&messages(&text));
        }
        self.done(name, began);
        Ok(output.stdout)
    }

    /// Runs something that reports nothing itself.
    ///
    /// # Errors
    /// Fails when `work` fails.
    pub(crate) fn quiet<T>(&self, name: &str, work: impl FnOnce() -> Result<T>) -> Result<T> {
        let began = Instant::now();
        self.lock().running.push(Task { name: name.to_owned(), began, log: PathBuf::new() });
        let result = work();
        self.lock().running.retain(|task| task.name != name);
        let result = result?;
        self.done(name, began);
        Ok(result)
    }

    fn done(&self, name: &str, began: Instant) {
        // What was there already is not worth a line.
        if began.elapsed() >= Duration::from_secs(1) {
            self.step(&format!("{name}: done in {}", seconds(began.elapsed())));
        }
    }

    /// Reports a step, in place of cargo's line on a terminal.
    pub(crate) fn step(&self, what: &str) {
        if self.lock().drawn {
            anstream::eprint!("\r\x1b[K");
        }
        report_step(what);
    }

    /// Reports what runs, until the end.
    fn report(&self) {
        let mut state = self.lock();
        while !state.over {
            let wait = SILENCE.saturating_sub(last_step().elapsed());
            if wait.is_zero() {
                let line = if state.drawn { None } else { state.line() };
                if let Some(line) = line {
                    report_step(&line);
                }
            }
            let wait = if wait.is_zero() { SILENCE } else { wait };
            state = self.ended.wait_timeout(state, wait).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// A panic that held the lock left nothing half-done.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Ends the reports when it is dropped.
struct End<'a>(&'a Progress);

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.0.lock().over = true;
        self.0.ended.notify_all();
    }
}

impl State {
    /// Returns what runs and how far it is, or `None` when nothing runs.
    fn line(&self) -> Option<String> {
        let tasks: Vec<_> = self.running.iter().map(Task::line).collect();
        (!tasks.is_empty()).then(|| tasks.join("; "))
    }
}

impl Task {
    fn line(&self) -> String {
        let mut line = format!("{} ({})", self.name, seconds(self.began.elapsed()));
        let mut log = String::new();
        // A log that can't be read now, perhaps inside a character, is read again later.
        let read = File::open(&self.log).and_then(|mut file| file.read_to_string(&mut log));
        if read.is_ok()
            && let Some(state) = progress_of(&log)
        {
            // Writing to a string can't fail.
            write!(line, ", {state}").unwrap_or_default();
        }
        line
    }
}

/// Returns how far a command is by its log: the number of crates of a build, and the last line.
fn progress_of(log: &str) -> Option<String> {
    let crates = log.lines().filter(|line| line.trim_start().starts_with("Compiling ")).count();
    let last = log.lines().rev().map(str::trim).find(|line| !line.is_empty())?;
    // Without the folder of a crate of ours.
    let last: String = last.split(" (/").next().unwrap_or(last).chars().take(70).collect();
    Some(if crates > 0 { format!("{crates} crates, {last}") } else { last })
}

/// Returns a log without cargo's lines of progress.
fn messages(log: &str) -> String {
    let own = |line: &&str| {
        let first = line.split_whitespace().next().unwrap_or_default();
        !(line.starts_with(' ') && CARGO_WORDS.contains(&first))
    };
    log.lines().filter(own).collect::<Vec<_>>().join("\n")
}

fn seconds(time: Duration) -> String {
    match time.as_secs() {
        short @ ..60 => format!("{short} s"),
        long => format!("{} min {} s", long / 60, long % 60),
    }
}

#[cfg(test)]
mod tests;
