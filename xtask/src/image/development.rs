//! The image for tests: the program of the development profile, which is built already, with the libraries that it loads.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};

use super::archive::Packed;
use super::target::Arch;
use super::{PROGRAM, pack};
use crate::build::PACKAGES;
use crate::run::{capture, cargo, report_step, run, target_dir};
use crate::setup::{self, Need};

/// Builds the program where it isn't built, and packs it with its libraries.
pub(super) fn make(root: &Path, arch: Arch) -> Result<Packed> {
    let program = build(root)?;
    let libraries = libraries(&capture(Command::new("ldd").arg(built(root)?))?);
    let mut files = BTreeMap::from([(PROGRAM, (0o755, program))]);
    for path in &libraries {
        let library = fs::read(path).with_context(|| format!("{path} can't be read"))?;
        files.insert(path.trim_start_matches('/'), (0o755, library));
    }
    pack(root, arch, files, false)
}

/// Builds the program where it isn't built, and returns it without the lines of backtraces, which are most of it.
pub(super) fn build(root: &Path) -> Result<Vec<u8>> {
    setup::meanwhile(root, Need::AGENT, |progress| {
        report_step("building the agent (profile dev)");
        let mut build = cargo(root, &["build", "--bin", PROGRAM]);
        progress.build("agent", build.args(PACKAGES)).map(drop)
    })?;
    let into = root.join("target/oci");
    fs::create_dir_all(&into)?;
    let stripped = into.join(format!("{PROGRAM}-dev-{}", std::process::id()));
    run(Command::new("strip").arg("-o").arg(&stripped).arg(built(root)?))?;
    let program = fs::read(&stripped)?;
    fs::remove_file(&stripped)?;
    Ok(program)
}

fn built(root: &Path) -> Result<PathBuf> {
    Ok(target_dir(root)?.join("debug").join(PROGRAM))
}

/// Returns the paths in the output of `ldd`. The kernel's own library has none.
fn libraries(ldd: &str) -> Vec<String> {
    let path = |line: &str| line.split_whitespace().find(|word| word.starts_with('/')).map(str::to_owned);
    ldd.lines().filter_map(path).collect()
}

#[cfg(test)]
mod tests;
