//! Coverage-guided fuzzing: libFuzzer on the targets of `tests/fuzz`.

mod jobs;
mod log;
mod run;

use std::fs;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::thread;

use anyhow::{Context as _, Result, bail};
use clap::Args;

use self::run::Run;
use crate::run::{Environment, cargo, output, report_step};
use crate::setup;

/// Counters on every edge and comparison, as `cargo fuzz` has them, by flags that a stable compiler takes. There is no
/// sanitizer: the code is safe Rust, and the targets look for panics, overflows and hangs.
const FLAGS: &[&str] = &[
    "-Cpasses=sancov-module",
    "-Cllvm-args=-sanitizer-coverage-level=4",
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
    "-Cllvm-args=-sanitizer-coverage-pc-table",
    "-Cllvm-args=-sanitizer-coverage-trace-compares",
];
/// Takes a third of the build when it is optimised. Its readers are generic and are compiled where they are called.
const UNOPTIMISED: &str = "profile.release.package.k8s-openapi.opt-level=0";
/// Seconds per target in CI.
const CI_SECONDS: u32 = 20;

#[derive(Args, Debug)]
pub(crate) struct FuzzArgs {
    /// The target in `tests/fuzz/src/bin` to run [default: all]
    target: Option<String>,
    /// Seconds that each target runs
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u32).range(1..))]
    seconds: u32,
    /// Targets that run at the same time
    #[arg(long, default_value = "1")]
    jobs: NonZeroUsize,
    /// Build the targets, run none
    #[arg(long)]
    build: bool,
}

impl FuzzArgs {
    /// Returns what CI runs: all targets for a short time, on all processors.
    pub(crate) fn ci() -> Self {
        let jobs = thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
        Self { target: None, seconds: CI_SECONDS, jobs, build: false }
    }
}

/// Builds the targets, then runs those that are asked for.
///
/// # Errors
/// Fails when a target can't be built or run, and when it found an input that fails.
pub(crate) fn fuzz(root: &Path, args: &FuzzArgs) -> Result<()> {
    let targets = targets(root, args.target.as_deref())?;
    setup::ensure(root, setup::Need::FUZZER)?;
    let programs = build(root)?;
    if args.build {
        return Ok(());
    }
    let passes = |target: &String| Run { root, target, program: programs.join(target) }.passes(args.seconds);
    let failed = jobs::failed(&targets, args.jobs, passes)?;
    if !failed.is_empty() {
        let failed: Vec<_> = failed.into_iter().map(String::as_str).collect();
        bail!("fuzz: {} failed", failed.join(", "));
    }
    Ok(())
}

/// Returns the target of this name, or all.
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

/// Builds the targets and returns the folder of their programs.
fn build(root: &Path) -> Result<PathBuf> {
    report_step("building the fuzz targets (release, with coverage counters)");
    let version = output("rustc", &["-vV"]).context("rustc can't be run")?;
    let host = version.lines().find_map(|line| line.strip_prefix("host: "));
    let host = host.context("rustc names no host")?;
    let into = root.join("target/fuzz");
    // Naming a target keeps the flags away from build scripts and macros.
    let mut build = cargo(root, &["build", "--quiet", "--locked", "--release", "--bins", "--target", host]);
    build.args(["--config", UNOPTIMISED]);
    build.arg("--manifest-path").arg(root.join("tests/fuzz/Cargo.toml")).arg("--target-dir").arg(&into);
    crate::run::run(build.env("CARGO_ENCODED_RUSTFLAGS", FLAGS.join("\x1f")))?;
    Ok(into.join(host).join("release"))
}
