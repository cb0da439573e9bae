//! The page: its files in `observer/agent/ui/dist`, built from the sources beside them. They are committed, so that cargo
//! needs no Node.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail, ensure};
use clap::Args;

use crate::run::{report_step, run};
use crate::setup::{self, Need};

/// The folder of the page's sources.
pub(crate) const SOURCE: &str = "observer/agent/ui";
const FILES: [&str; 4] = ["app.js", "icon.svg", "index.html", "style.css"];
/// A copy of the lock file beside the packages that were installed by it.
const INSTALLED: &str = "node_modules/.flow-observer-lock.json";

#[derive(Args, Debug, Default)]
pub(crate) struct PageArgs {
    /// Change nothing, and fail when a file differs from what its source gives
    #[arg(long)]
    check: bool,
}

impl PageArgs {
    /// Returns the arguments that CI uses.
    pub(crate) fn check() -> Self {
        Self { check: true }
    }
}

/// Builds the files, or compares them with their source.
///
/// # Errors
/// Fails when the sources are wrong, npm fails, or a checked file is stale.
pub(crate) fn run_task(root: &Path, args: &PageArgs) -> Result<()> {
    setup::ensure(root, &[Need::Page])?;
    let packages = install(root)?;
    let built = root.join("target/page/dist");
    run(npm(&packages).args(["run", "--silent", "check"]))?;
    let mut node = Command::new("node");
    run(node.current_dir(&packages).arg("build.mjs").arg(&built))?;
    for name in FILES {
        let (new, path) = (read(&built.join(name))?, packages.join("dist").join(name));
        if fs::read(&path).is_ok_and(|old| old == new) {
            continue;
        }
        if args.check {
            bail!("{} is stale: run `cargo xtask ui`", path.display());
        }
        report_step(&format!("writing {}", path.display()));
        fs::write(&path, new).with_context(|| path.display().to_string())?;
    }
    let files = fs::read_dir(packages.join("dist")).context("dist")?.count();
    ensure!(files == FILES.len(), "{SOURCE}/dist has {files} files; the program has {}", FILES.len());
    Ok(())
}

/// Installs the packages of the lock file, unless they are there. Returns the folder of the sources.
///
/// # Errors
/// Fails when npm does.
pub(crate) fn install(root: &Path) -> Result<PathBuf> {
    let packages = root.join(SOURCE);
    let (lock, installed) = (packages.join("package-lock.json"), packages.join(INSTALLED));
    if fs::read(&installed).is_ok_and(|old| read(&lock).is_ok_and(|lock| lock == old)) {
        return Ok(packages);
    }
    report_step(&format!("installing the page's packages by {SOURCE}/package-lock.json"));
    run(npm(&packages).args(["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]))?;
    fs::copy(&lock, &installed).with_context(|| installed.display().to_string())?;
    Ok(packages)
}

fn npm(packages: &Path) -> Command {
    let mut npm = Command::new("npm");
    npm.current_dir(packages);
    npm
}

fn read(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).with_context(|| path.display().to_string())
}
