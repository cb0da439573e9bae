//! Runs the lab's programs, built in release mode.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context as _, Result};
use clap::Args;

use crate::run::{cargo, need_root, report_step, run, target_dir};
use crate::{cluster, setup};

#[derive(Args, Debug)]
pub(crate) struct DemoArgs {
    /// The incident: `postgres` (a policy loses a namespace) or `vip` (a load-balancer address flaps)
    #[arg(default_value = "postgres")]
    name: String,
    /// Keep the lab running until Ctrl-C, to explore it
    #[arg(long)]
    keep: bool,
    /// Print one JSON object per line, for programs
    #[arg(long)]
    json: bool,
}

#[derive(Args, Debug)]
pub(crate) struct BenchArgs {
    /// `classifiers` (ns per packet), `announcements` (ns per ARP frame, and the agent under an ARP flood), `verdicts`
    /// (ns per verdict), `load` (the agent under a connection storm) or `kube` (its memory beside a large cluster)
    /// [default: all]
    what: Vec<String>,
}

pub(crate) fn demo(root: &Path, args: &DemoArgs) -> Result<ExitCode> {
    let mut rest = vec![args.name.as_str()];
    rest.extend(args.keep.then_some("--keep"));
    rest.extend(args.json.then_some("--json"));
    exec(root, "demo", &rest, None)
}

pub(crate) fn bench(root: &Path, args: &BenchArgs) -> Result<ExitCode> {
    let what: Vec<&str> = args.what.iter().map(String::as_str).collect();
    let kubernetes =
        if what.is_empty() || what.contains(&"kube") { Some(cluster::api_server()?) } else { None };
    exec(root, "bench", &what, kubernetes)
}

fn exec(root: &Path, bin: &str, args: &[&str], kubernetes: Option<PathBuf>) -> Result<ExitCode> {
    need_root(&format!("`cargo xtask {bin}`"))?;
    setup::ensure(root, false)?;
    report_step("building (release)");
    run(&mut cargo(
        root,
        &["build", "--quiet", "--locked", "--release", "-p", "observer", "-p", "lab", "--bins"],
    ))?;
    let built = target_dir(root)?.join("release");
    let mut program = Command::new(built.join(bin));
    program.args(args).env("FLOW_OBSERVER_BIN", built.join("flow-observer"));
    program.envs(kubernetes.map(|dir| (cluster::PROGRAMS, dir)));
    // Ctrl-C reaches the program as well. It cleans up, and this process waits for it.
    ignore_interrupts()?;
    let status = program.status().with_context(|| format!("{bin} could not be started"))?;
    Ok(ExitCode::from(u8::try_from(status.code().unwrap_or(1)).unwrap_or(1)))
}

fn ignore_interrupts() -> Result<()> {
    // A blocked or ignored signal would be inherited, so this process handles it and does nothing. The program installs
    // its own handlers.
    ctrlc::set_handler(|| {}).context("Ctrl-C could not be caught")
}
