//! The steps of CI. The cluster comes last: its programs are built meanwhile, on a machine that has none yet.

use std::path::Path;
use std::time::Instant;

use anyhow::Result;

use crate::background::Background;
use crate::run::{cargo, report_step, run};
use crate::{cluster, demo, fuzz, page, rules, setup, test, tidy, vm};

type Step = (&'static str, fn(&Path) -> Result<()>);

const STEPS: &[Step] = &[
    ("formatting", |root| {
        run(&mut cargo(root, &["fmt", "--all", "--check"]))?;
        run(&mut cargo(root, &["fmt", "--manifest-path", "tests/fuzz/Cargo.toml", "--check"]))
    }),
    ("tidy", tidy::run),
    ("alert rules", |root| rules::run(root, &rules::RulesArgs::check())),
    ("page", |root| page::run_task(root, &page::PageArgs::check())),
    ("lints", |root| {
        run(&mut cargo(root, &["clippy", "--locked", "--workspace", "--all-targets", "--", "-D", "warnings"]))
    }),
    ("docs", |root| {
        run(cargo(root, &["doc", "--locked", "--workspace", "--no-deps"]).env("RUSTDOCFLAGS", "-D warnings"))
    }),
    ("other kernels", other_kernels),
    ("fuzzing", |root| fuzz::fuzz(root, &fuzz::FuzzArgs::ci())),
    ("tests", |root| test::run_all(root, &test::TestArgs::default())),
    ("soak", demo::soak_briefly),
];

/// Runs the guests, and meanwhile builds the fuzz targets. They run later: an input that takes milliseconds would time
/// out on the processor time that guests leave.
fn other_kernels(root: &Path) -> Result<()> {
    let targets = Background::start(root, "fuzz", &["--build"])?;
    vm::run(&vm::VmArgs::matrix(), root)?;
    report_step("waiting for the fuzz targets");
    targets.wait()
}

/// Runs every step, and stops at the first that fails.
///
/// # Errors
/// Fails when a step fails.
pub(crate) fn run_all(root: &Path) -> Result<()> {
    // Late steps need it, after half an hour.
    cluster::can_be_had()?;
    let mut times = Vec::new();
    timed(&mut times, "set-up", || setup::all(root))?;
    let programs = cluster::Programs::start(root)?;
    for (name, step) in STEPS {
        timed(&mut times, name, || step(root))?;
    }
    timed(&mut times, "cluster", || programs.test(root))?;
    report_step(&format!("ci: all passed ({})", times.join(", ")));
    Ok(())
}

fn timed(times: &mut Vec<String>, name: &str, step: impl FnOnce() -> Result<()>) -> Result<()> {
    report_step(&format!("ci: {name}"));
    let began = Instant::now();
    step()?;
    times.push(format!("{name} {} s", began.elapsed().as_secs()));
    Ok(())
}
