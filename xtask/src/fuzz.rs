//! Coverage-guided fuzzing: libFuzzer on the targets of `tests/fuzz`.

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use clap::Args;

use crate::run::{Environment, cargo, complain, output, run, say};
use crate::setup;

/// Counters on every edge and comparison, as `cargo fuzz` has them, by flags that a stable compiler takes. No sanitizer:
/// the code is safe Rust, and what is looked for are panics, overflows and hangs.
const FLAGS: &[&str] = &[
    "-Cpasses=sancov-module",
    "-Cllvm-args=-sanitizer-coverage-level=4",
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
    "-Cllvm-args=-sanitizer-coverage-pc-table",
    "-Cllvm-args=-sanitizer-coverage-trace-compares",
];
/// More is a bug; and a single input takes milliseconds.
const LIMITS: &[&str] = &["-rss_limit_mb=2048", "-timeout=10", "-max_len=16384"];
/// Between two lines about a target that runs.
const PROGRESS: Duration = Duration::from_secs(10);
/// Lines of a crash to show: the message and where.
const SHOWN: usize = 60;

#[derive(Args, Debug)]
pub(crate) struct FuzzArgs {
    /// Which one of `tests/fuzz/src/bin` [default: each in turn]
    target: Option<String>,
    /// How long each runs
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u32).range(1..))]
    seconds: u32,
}

pub(crate) fn fuzz(root: &Path, args: &FuzzArgs) -> Result<()> {
    let targets = targets(root, args.target.as_deref())?;
    setup::ensure(root, false)?;
    let built = build(root)?;
    let mut failed = Vec::new();
    for target in targets {
        let run = Run { root, target: &target, program: built.join(&target) };
        if !run.passes(args.seconds)? {
            failed.push(target);
        }
    }
    if !failed.is_empty() {
        bail!("fuzz: {} failed", failed.join(", "));
    }
    Ok(())
}

/// The one that is named, or all.
fn targets(root: &Path, name: Option<&str>) -> Result<Vec<String>> {
    let files = fs::read_dir(root.join("tests/fuzz/src/bin")).context("tests/fuzz/src/bin can't be read")?;
    let names = files.flatten().filter_map(|file| Some(file.path().file_stem()?.to_str()?.to_owned()));
    let mut targets: Vec<_> = names.collect();
    targets.sort();
    let Some(name) = name else { return Ok(targets) };
    if !targets.iter().any(|target| target == name) {
        let known = targets.join(", ");
        return Err(Environment(format!("no fuzz target `{name}`; there are {known}")).into());
    }
    Ok(vec![name.to_owned()])
}

/// Where the targets are, after building them.
fn build(root: &Path) -> Result<PathBuf> {
    say("building the fuzz targets (release, with coverage counters)");
    let version = output("rustc", &["-vV"]).context("rustc can't be run")?;
    let host = version.lines().find_map(|line| line.strip_prefix("host: "));
    let host = host.context("rustc names no host")?;
    let into = root.join("target/fuzz");
    // A target of its own keeps the flags from build scripts and macros.
    let mut build = cargo(root, &["build", "--quiet", "--release", "--bins", "--target", host]);
    build.arg("--manifest-path").arg(root.join("tests/fuzz/Cargo.toml")).arg("--target-dir").arg(&into);
    run(build.env("CARGO_ENCODED_RUSTFLAGS", FLAGS.join("\x1f")))?;
    Ok(into.join(host).join("release"))
}

struct Run<'a> {
    root: &'a Path,
    target: &'a str,
    program: PathBuf,
}

impl Run<'_> {
    fn passes(&self, seconds: u32) -> Result<bool> {
        say(&format!("fuzzing {} for {seconds} s", self.target));
        let mut log = Log::create(self.target, &self.state("logs")?.join("last"))?;
        let mut command = self.command()?;
        command.arg(format!("-max_total_time={seconds}")).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child =
            command.spawn().with_context(|| format!("{} can't be run", self.program.display()))?;
        let stderr = child.stderr.take().context("its output is not there")?;
        for line in BufReader::new(stderr).split(b'\n') {
            log.add(&String::from_utf8_lossy(&line?))?;
        }
        let passed = child.wait()?.success();
        say(&format!("{}: {}", self.target, log.status));
        if !passed {
            self.complain(&log);
        }
        Ok(passed)
    }

    /// What is found goes into the corpus; the seeds are read only.
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

    /// A folder of this target's, kept from run to run.
    fn state(&self, what: &str) -> Result<PathBuf> {
        let folder = self.root.join("target/fuzz").join(what).join(self.target);
        fs::create_dir_all(&folder).with_context(|| format!("{} can't be created", folder.display()))?;
        Ok(folder)
    }

    fn complain(&self, log: &Log) {
        for line in &log.crash {
            anstream::eprintln!("{line}");
        }
        complain(&format!("{} failed; all it said is in {}", self.target, log.path.display()));
        if let Some(input) = &log.input {
            say(&format!("to see it again: {} {input}", self.program.display()));
        }
    }
}

/// What a target prints, and what of it matters.
struct Log {
    target: String,
    path: PathBuf,
    file: File,
    /// The newest of its counts.
    status: String,
    said: Instant,
    /// From the first sign of a crash on.
    crash: Vec<String>,
    /// What made it crash.
    input: Option<String>,
}

impl Log {
    fn create(target: &str, path: &Path) -> Result<Self> {
        let file = File::create(path).with_context(|| format!("{} can't be written", path.display()))?;
        let (target, path, status) = (target.to_owned(), path.to_owned(), "nothing was run".to_owned());
        Ok(Self { target, path, file, status, said: Instant::now(), crash: Vec::new(), input: None })
    }

    fn add(&mut self, line: &str) -> Result<()> {
        writeln!(self.file, "{line}")?;
        if let Some(status) = status(line) {
            self.status = status;
            if self.said.elapsed() >= PROGRESS {
                self.said = Instant::now();
                say(&format!("{}: {}", self.target, self.status));
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

/// In our words, of `#1024 pulse cov: 90 ft: 201 corp: 30/9b lim: 4096 exec/s: 512 rss: 27Mb`.
fn status(line: &str) -> Option<String> {
    let (runs, rest) = line.strip_prefix('#')?.split_once('\t')?;
    let mut words = rest.split_whitespace();
    let mut after = |name: &str| words.find(|word| *word == name).and_then(|_| words.next());
    let (edges, corpus, rate, memory) = (after("cov:")?, after("corp:")?, after("exec/s:")?, after("rss:")?);
    let kept = corpus.split('/').next()?;
    Some(format!("{runs} runs, {edges} edges, {kept} inputs kept, {rate} runs/s, {memory}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_libfuzzer_counts() {
        let line = "#1024\tREDUCE cov: 90 ft: 201 corp: 30/9Kb lim: 4096 exec/s: 512 rss: 27Mb L: 4/4 MS: 1 EraseBytes-";
        assert_eq!(status(line).unwrap(), "1024 runs, 90 edges, 30 inputs kept, 512 runs/s, 27Mb");
        assert_eq!(status("INFO: seed corpus: files: 3"), None);
        assert_eq!(status("#2\tsomething else"), None);
    }

    #[test]
    fn keeps_a_crash_and_its_input() {
        let path = std::env::temp_dir().join(format!("flow-observer-fuzz-log-{}", std::process::id()));
        let mut log = Log::create("ring", &path).unwrap();
        for line in ["before", "thread panicked at x.rs", "why", "y; Test unit written to a/crash-1"] {
            log.add(line).unwrap();
        }
        fs::remove_file(&path).unwrap();
        assert_eq!(log.crash.len(), 3);
        assert_eq!(log.input.as_deref(), Some("a/crash-1"));
    }
}
