//! `cargo xtask kube`: a real Kubernetes API server, for the tests and for experiments.
//!
//! Debian has Kubernetes' source, the Go that compiles it, etcd and kubectl. They are unpacked in a cache outside the
//! checkout, so that a machine builds them once. Nothing is installed.

mod apt;
mod build;
mod go;
mod openapi;
mod source;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context, Result};
use clap::{Args, Subcommand};

use crate::cache::Cache;
use crate::run::{cargo, report_step, run as run_command, target_dir};
use crate::setup::{self, Need};

/// The version of the build's recipe. Results of older versions are built again.
const RECIPE: u32 = 1;

/// The programs that a finished build has in `bin`.
const PROGRAMS: [&str; 3] = ["kube-apiserver", "kubectl", "etcd"];

/// The variable that names a build outside the cache.
pub(crate) const ENV: &str = "FLOW_OBSERVER_KUBE";

#[derive(Args, Debug)]
pub(crate) struct KubeArgs {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Build kube-apiserver from Debian's source package, unless the cache has it (3 to 6 minutes, 3 GB of disk, of
    /// which 250 MB stay); print where it is
    #[command(after_help = "The cache is $FLOW_OBSERVER_CACHE/kube, else ~/.cache/flow-observer/kube. \
                            A build that was interrupted goes on where it ended.")]
    Build,
    /// Start etcd and kube-apiserver on loopback, with RBAC and an admin's kubeconfig, in target/kube; print how to
    /// use them
    Start,
    /// Stop both, and delete their objects
    Stop,
    /// Print whether they run, where, and since when
    Status,
    /// Run kubectl against the started server, as its admin: `cargo xtask kube kubectl get pods -A`
    Kubectl {
        /// Arguments of kubectl
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<String>,
    },
}

pub(crate) fn run(root: &Path, args: &KubeArgs) -> Result<ExitCode> {
    match &args.what {
        What::Build => {
            anstream::println!("{}", ensure()?.display());
            Ok(ExitCode::SUCCESS)
        }
        What::Start => forward(root, &["start".to_owned()]),
        What::Stop => forward(root, &["stop".to_owned()]),
        What::Status => forward(root, &["status".to_owned()]),
        What::Kubectl { args } => forward(root, &[&["kubectl".to_owned()], args.as_slice()].concat()),
    }
}

/// Returns the directory of a finished build, and builds it where it is missing. A build in the cache needs no network.
pub(crate) fn ensure() -> Result<PathBuf> {
    if let Some(dir) = std::env::var_os(ENV) {
        return Ok(dir.into());
    }
    let cache = Cache::open("kube")?;
    if let Some(dir) = current(&cache) {
        return Ok(dir);
    }
    let _lock = cache.lock()?;
    // The process that held the lock may have built it.
    if let Some(dir) = current(&cache) {
        return Ok(dir);
    }
    build::build(&cache).context("build kube-apiserver; `cargo xtask kube build` continues where this ended")
}

/// Returns the build that the link `current` names, if it is complete and of this recipe.
fn current(cache: &Cache) -> Option<PathBuf> {
    let dir = cache.path(fs::read_link(cache.path("current")).ok()?.to_str()?);
    let ours = dir.to_str()?.ends_with(&suffix());
    let whole = PROGRAMS.iter().all(|program| dir.join("bin").join(program).is_file());
    (ours && whole).then_some(dir)
}

fn suffix() -> String {
    format!("-recipe{RECIPE}")
}

/// Runs the lab's program `kube`, which starts and stops servers.
fn forward(root: &Path, args: &[String]) -> Result<ExitCode> {
    setup::ensure(root, &[Need::Linker, Need::Probes, Need::ApiServer])?;
    let build = ensure()?;
    let mut make = cargo(root, &["build", "--quiet", "--locked", "-p", "lab", "--bin", "kube"]);
    run_command(&mut make)?;
    let target = target_dir(root)?;
    let mut program = Command::new(target.join("debug/kube"));
    program.arg(target.join("kube")).args(args).env(ENV, build);
    let status = program.status().context("the lab's kube could not be started")?;
    Ok(ExitCode::from(u8::try_from(status.code().unwrap_or(1)).unwrap_or(1)))
}

/// Reports a step, and afterwards how long it took.
fn step<T>(what: &str, work: impl FnOnce() -> Result<T>) -> Result<T> {
    report_step(what);
    let began = std::time::Instant::now();
    let done = work()?;
    report_step(&format!("  done in {} s", began.elapsed().as_secs()));
    Ok(done)
}

#[cfg(test)]
mod tests;
