//! Runs the lab's programs: the demo and the soak as the tests build them, the benchmarks in release mode.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context as _, Result, ensure};
use clap::Args;

use crate::build::PACKAGES;
use crate::cluster;
use crate::run::{cargo, need_root, report_step, target_dir};
use crate::setup::{self, Need};

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
    /// (ns per verdict), `audit` (one command, from start to end), `load` (the agent under a connection storm) or `kube` (its memory beside a large cluster)
    /// [default: all]
    what: Vec<String>,
}

#[derive(Args, Debug)]
pub(crate) struct SoakArgs {
    /// The length of the load, beside the time to start and to stop everything
    #[arg(long, default_value_t = 1)]
    minutes: u64,
    /// Pods that exist at any time beside those of the load [default: 200 from 5 minutes on, else 40]
    #[arg(long)]
    pods: Option<u8>,
    /// Pods that are replaced in a second, if the machine can
    #[arg(long, default_value_t = 5)]
    churn: u64,
    /// Connections in a second of a burst, if the machine can
    #[arg(long, default_value_t = 20_000)]
    rate: u64,
    /// Build the agent in release mode, as for the figures in docs/PERFORMANCE.md
    #[arg(long)]
    release: bool,
    /// `text`, or `json` for one object with all figures
    #[arg(short, long, default_value = "text")]
    output: String,
}

impl SoakArgs {
    fn words(&self) -> Vec<String> {
        let numbers = [("--minutes", self.minutes), ("--churn", self.churn), ("--rate", self.rate)];
        let pods = self.pods.map(|pods| ("--pods", u64::from(pods)));
        let numbers =
            numbers.into_iter().chain(pods).map(|(name, number)| [name.to_owned(), number.to_string()]);
        numbers.flatten().chain(["-o".to_owned(), self.output.clone()]).collect()
    }
}

/// Soaks for a minute.
///
/// # Errors
/// Fails when the agent doesn't endure.
pub(crate) fn soak_briefly(root: &Path) -> Result<()> {
    let brief = SoakArgs {
        minutes: 1,
        pods: None,
        churn: 5,
        rate: 20_000,
        release: false,
        output: "text".to_owned(),
    };
    ensure!(soak(root, &brief)? == ExitCode::SUCCESS, "the agent does not endure");
    Ok(())
}

pub(crate) fn soak(root: &Path, args: &SoakArgs) -> Result<ExitCode> {
    let (profile, folder) = if args.release { ("release", "release") } else { ("dev", "debug") };
    let words = args.words();
    let words: Vec<_> = words.iter().map(String::as_str).collect();
    let kubernetes = cluster::api_server(root)?;
    exec(root, &Program { name: "soak", profile, folder }, &words, Some(kubernetes))
}

pub(crate) fn demo(root: &Path, args: &DemoArgs) -> Result<ExitCode> {
    let mut rest = vec![args.name.as_str()];
    rest.extend(args.keep.then_some("--keep"));
    rest.extend(args.json.then_some("--json"));
    exec(root, &Program { name: "demo", profile: "dev", folder: "debug" }, &rest, None)
}

pub(crate) fn bench(root: &Path, args: &BenchArgs) -> Result<ExitCode> {
    let what: Vec<_> = args.what.iter().map(String::as_str).collect();
    let kubernetes =
        if what.is_empty() || what.contains(&"kube") { Some(cluster::api_server(root)?) } else { None };
    exec(root, &Program { name: "bench", profile: "release", folder: "release" }, &what, kubernetes)
}

/// A program of the lab. The demo runs for seconds, so that optimising it would only cost time; and the tests use the
/// same build.
struct Program {
    name: &'static str,
    profile: &'static str,
    folder: &'static str,
}

fn exec(root: &Path, program: &Program, args: &[&str], kubernetes: Option<PathBuf>) -> Result<ExitCode> {
    let Program { name, profile, folder } = *program;
    need_root(&format!("`cargo xtask {name}`"))?;
    let built = target_dir(root)?.join(folder);
    let agent = built.join("flow-observer");
    if !agent.exists() {
        report_step("the first build takes some minutes; later ones take seconds");
    }
    setup::meanwhile(root, Need::LAB, |progress| {
        report_step(&format!("building the agent and the lab (profile {profile})"));
        let bins = ["--bin", "flow-observer", "--bin", name];
        let mut build = cargo(root, &["build", "--profile", profile]);
        progress.build("agent and lab", build.args(PACKAGES).args(bins)).map(drop)
    })?;
    let mut program = Command::new(built.join(name));
    program.args(args).env("FLOW_OBSERVER_BIN", agent);
    program.envs(kubernetes.map(|dir| (cluster::PROGRAMS, dir)));
    // Ctrl-C reaches the program as well. It cleans up, and this process waits for it.
    ignore_interrupts()?;
    let status = program.status().with_context(|| format!("{name} could not be started"))?;
    Ok(ExitCode::from(u8::try_from(status.code().unwrap_or(1)).unwrap_or(1)))
}

fn ignore_interrupts() -> Result<()> {
    // A blocked or ignored signal would be inherited, so this process handles it and does nothing. The program installs
    // its own handlers.
    ctrlc::set_handler(|| {}).context("Ctrl-C could not be caught")
}
