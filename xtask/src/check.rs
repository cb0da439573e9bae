//! What CI runs. The tests come last, so that a log ends with what their runner says.

use std::path::Path;
use std::time::Instant;

use anyhow::Result;

use crate::run::{cargo, run, say};
use crate::{rules, setup, test, tidy, vm};

type Step = (&'static str, fn(&Path) -> Result<()>);

const STEPS: &[Step] = &[
    ("set-up", |root| setup::ensure(root, true)),
    ("formatting", |root| {
        run(&mut cargo(root, &["fmt", "--all", "--check"]))?;
        run(&mut cargo(root, &["fmt", "--manifest-path", "tests/fuzz/Cargo.toml", "--check"]))
    }),
    ("tidy", tidy::run),
    ("alert rules", |root| rules::run(root, &rules::RulesArgs::check())),
    ("lints", |root| {
        run(&mut cargo(root, &["clippy", "--locked", "--workspace", "--all-targets", "--", "-D", "warnings"]))
    }),
    ("docs", |root| {
        run(cargo(root, &["doc", "--locked", "--workspace", "--no-deps"]).env("RUSTDOCFLAGS", "-D warnings"))
    }),
    ("other kernels", |root| vm::run(&vm::VmArgs::matrix(), root)),
    ("tests", |root| test::run_all(root, &test::TestArgs::default())),
];

pub(crate) fn run_all(root: &Path) -> Result<()> {
    let mut times = Vec::new();
    for (name, step) in STEPS {
        say(&format!("ci: {name}"));
        let began = Instant::now();
        step(root)?;
        times.push(format!("{name} {} s", began.elapsed().as_secs()));
    }
    say(&format!("ci: all passed ({})", times.join(", ")));
    Ok(())
}
