//! `cargo xtask cluster test`: the scenarios on a cluster of their own, which is gone afterwards.

use std::fs;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use clap::Args;
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

use super::place::Place;
use super::wait::Interrupt;
use super::{TESTS, UpArgs, images, stop, up};
use crate::build::Built;
use crate::image;
use crate::run::{Environment, report_step};
use crate::setup::{self, Need};

/// What the scenarios need beside the cluster.
const NEEDS: &[Need] = &[Need::Linker, Need::Probes, Need::Lab, Need::Prometheus];
/// Between two looks at the running scenarios.
const PAUSE: Duration = Duration::from_millis(100);

/// Which scenarios run, and where.
#[derive(Args, Clone, Debug)]
pub(crate) struct TestArgs {
    /// Run only scenarios whose name contains this
    filter: Option<String>,
    #[command(flatten)]
    up: UpArgs,
    /// Random sets of policies that are compared with the enforcer
    #[arg(long, value_name = "N", default_value_t = 20)]
    policies: u32,
    /// Keep the cluster afterwards, to look at it
    #[arg(long)]
    keep: bool,
}

/// Builds, and runs the scenarios.
pub(super) fn run(root: &Path, place: &Place, args: &TestArgs) -> Result<()> {
    let built = setup::meanwhile(root, NEEDS, |progress| {
        report_step("building the agent and its tests");
        Built::beside(root, progress)
    })?;
    on_built(root, place, args, &built)
}

fn on_built(root: &Path, place: &Place, args: &TestArgs, built: &Built) -> Result<()> {
    up::up(place, &args.up, |_| Ok(()))?;
    let interrupt = Interrupt::catch()?;
    let result = scenarios(root, place, args, built, &interrupt);
    if result.is_err() {
        keep_logs(root, place)?;
    }
    if args.keep {
        report_step(&format!(
            "the cluster stays; `cargo xtask cluster down --name {}` ends it",
            place.name()
        ));
    } else {
        stop::down(place)?;
    }
    result
}

fn scenarios(
    root: &Path,
    place: &Place,
    args: &TestArgs,
    built: &Built,
    interrupt: &Interrupt,
) -> Result<()> {
    let program = built.executable("flow-observer")?;
    images::load(place, &place.nodes()?, &image::for_tests(root)?)?;
    images::tag(
        place,
        &format!("{}:{}", image::NAME, image::version()),
        &format!("{}:upgrade", image::NAME),
    )?;
    report_step("scenarios on the cluster");
    let mut tests = Command::new(built.executable(TESTS)?);
    tests
        .args(args.filter.iter())
        .env("FLOW_OBSERVER_BIN", program)
        .env("FLOW_OBSERVER_CLUSTER_DIR", place.dir())
        .env("FLOW_OBSERVER_CLUSTER_NAME", place.name())
        .env("FLOW_OBSERVER_XTASK", std::env::current_exe()?)
        .env("FLOW_OBSERVER_POLICIES", args.policies.to_string());
    // In a group of its own, so that its end reaches what it runs.
    let child = tests.process_group(0).spawn().context("the scenarios could not be started")?;
    follow(child, interrupt)
}

/// Waits for the scenarios, and ends them when a signal comes.
fn follow(mut child: Child, interrupt: &Interrupt) -> Result<()> {
    loop {
        if let Some(status) = child.try_wait()? {
            if status.success() {
                return Ok(());
            }
            bail!("the scenarios on the cluster failed ({status})");
        }
        if interrupt.check().is_err() {
            // It has nothing to clean up: the cluster goes as a whole.
            killpg(Pid::from_raw(child.id().try_into()?), Signal::SIGKILL).unwrap_or_default();
            child.wait()?;
            return Err(Environment("interrupted".to_owned()).into());
        }
        thread::sleep(PAUSE);
    }
}

/// Copies the logs of the nodes' services before the cluster goes.
fn keep_logs(root: &Path, place: &Place) -> Result<()> {
    let to = root.join("target/cluster-logs");
    for node in place.nodes()? {
        let into = to.join(&node);
        fs::create_dir_all(&into)?;
        for log in logs(&place.node_dir(&node)) {
            fs::copy(&log, into.join(log.file_name().unwrap_or_default()))?;
        }
    }
    report_step(&format!("the logs of the cluster's services are in {}", to.display()));
    Ok(())
}

fn logs(dir: &Path) -> Vec<PathBuf> {
    let files = fs::read_dir(dir).into_iter().flatten().flatten().map(|entry| entry.path());
    files.filter(|path| path.extension().is_some_and(|extension| extension == "log")).collect()
}
