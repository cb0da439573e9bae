//! All tests: units, then the scenarios on this machine's kernel.

use std::path::Path;

use anyhow::Result;
use clap::Args;

use crate::run::{self, cargo, need_root, say, target_dir};
use crate::{image, kube, setup};

#[derive(Args, Debug, Default)]
pub(crate) struct TestArgs {
    /// Run only tests whose name contains this
    filter: Option<String>,
}

/// Fails when a test fails, and when the scenarios can't run: nothing is skipped.
pub(crate) fn run(root: &Path, args: &TestArgs) -> Result<()> {
    need_root("the test suite")?;
    setup::ensure(root, false)?;
    let kube = kube::ensure()?;
    let filter: Vec<&str> = args.filter.iter().map(String::as_str).collect();
    // Some minutes, so not for a filter that asks for other tests.
    if args.filter.as_deref().is_none_or(|filter| filter.contains("image")) {
        image::run_task(root, &image::ImageArgs::default())?;
    }
    say("building the agent");
    run_cargo(root, &["build", "--locked", "-p", "observer"])?;
    say("unit tests");
    run_cargo(
        root,
        &[&["test", "--locked", "-p", "observer", "-p", "observer-ebpf", "-p", "xtask"], filter.as_slice()]
            .concat(),
    )?;
    say("scenarios on this kernel");
    let agent = target_dir(root)?.join("debug/flow-observer");
    // The drop tracepoint hears of the whole machine, so that labs run one at a time.
    let mut scenarios = cargo(root, &["test", "--locked", "-p", "lab", "--no-fail-fast"]);
    scenarios
        .args(&filter)
        .args(["--", "--test-threads=1"])
        .env("FLOW_OBSERVER_BIN", agent)
        .env(kube::ENV, kube);
    run::run(&mut scenarios)
}

fn run_cargo(root: &Path, args: &[&str]) -> Result<()> {
    run::run(&mut cargo(root, args))
}
