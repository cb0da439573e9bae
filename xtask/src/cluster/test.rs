//! `cargo xtask cluster test`: the scenarios on a cluster of their own, which is gone afterwards.

use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use clap::Args;
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

use super::finish::finish;
use super::place::Place;
use super::wait::Interrupt;
use super::{Enforcer, TESTS, UpArgs, images, up};
use crate::build::Built;
use crate::image;
use crate::page;
use crate::run::{Environment, report_step};
use crate::setup::{self, Need};

/// What the scenarios need beside the cluster.
const NEEDS: &[Need] = &[Need::Linker, Need::Probes, Need::Lab, Need::Prometheus, Need::Page];
/// Scenarios place pods on as many nodes.
const NODES: u8 = 3;
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
    #[arg(long, value_name = "N", default_value_t = 42)]
    policies: u32,
    /// Keep the cluster afterwards, to look at it
    #[arg(long)]
    keep: bool,
}

/// Builds, and runs the scenarios.
pub(super) fn run(root: &Path, place: &Place, args: &TestArgs) -> Result<()> {
    check(&args.up)?;
    place.free()?;
    let binaries = up::prepare(root, &args.up.kubernetes)?;
    let built = setup::meanwhile(root, NEEDS, |progress| {
        report_step("building the agent and its tests");
        Built::beside(root, progress)
    })?;
    page::install(root)?;
    let archive = image::for_tests(root)?;
    let interrupt = Interrupt::catch()?;
    place.claim()?;
    let started = up::start(place, &args.up, &binaries, &interrupt);
    let has_started = started.is_ok();
    let result = started.and_then(|()| scenarios(place, args, &built, &archive, &interrupt));
    // Scenarios that are ended by a signal leave their changes.
    if args.keep && has_started && interrupt.check().is_ok() {
        let name = place.name();
        report_step(&format!("the cluster stays; `cargo xtask cluster down --name {name}` ends it"));
        return result;
    }
    finish(root, place, result, &interrupt)
}

/// Refuses clusters on which the scenarios, and what the demo shows, can't happen.
pub(super) fn check(up: &UpArgs) -> Result<()> {
    if up.enforcer == Enforcer::None {
        let why = "the scenarios and the demo show what is enforced: they need `--enforcer kube-router`";
        return Err(Environment(why.to_owned()).into());
    }
    if up.nodes < NODES {
        let why =
            format!("the scenarios and the demo use {NODES} nodes: they need `--nodes {NODES}` or more");
        return Err(Environment(why).into());
    }
    Ok(())
}

fn scenarios(
    place: &Place,
    args: &TestArgs,
    built: &Built,
    archive: &Path,
    interrupt: &Interrupt,
) -> Result<()> {
    let program = built.executable("flow-observer")?;
    images::load(place, archive, interrupt)?;
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
        // This program, also when another build has taken its path.
        .env("FLOW_OBSERVER_XTASK", format!("/proc/{}/exe", std::process::id()))
        .env("FLOW_OBSERVER_POLICIES", args.policies.to_string());
    // In a group of its own, so that Ctrl-C reaches it through `follow` only.
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
            // It takes nothing back, and what it runs beside goes on in groups of their own: all of that ends with the
            // cluster, which is stopped in any case.
            killpg(Pid::from_raw(child.id().try_into()?), Signal::SIGKILL).unwrap_or_default();
            child.wait()?;
            return interrupt.check();
        }
        thread::sleep(PAUSE);
    }
}

#[cfg(test)]
mod tests;
