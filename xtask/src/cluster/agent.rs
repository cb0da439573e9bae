//! The agent's image for clusters of this machine: the program that the tests run, with the libraries that it loads.
//!
//! `cargo xtask image` builds the image that ships, a static program. That takes minutes, and nothing here depends on it.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};

use super::place::Place;
use crate::build::Built;
use crate::image::archive::Image;
use crate::image::{self, Arch};
use crate::run::{capture, report_step};
use crate::setup;

const PROGRAM: &str = "flow-observer";

/// Builds the agent as for the tests, packs it, and returns the archive's path.
pub(super) fn build(root: &Path, place: &Place) -> Result<PathBuf> {
    setup::ensure(root, false)?;
    report_step("building the agent");
    let built = Built::agent(root)?;
    pack(built.executable(PROGRAM)?, &place.dir().join("images"), image::version())
}

/// Packs the program into `dir` and returns the archive's path.
pub(super) fn pack(program: &Path, dir: &Path, tag: &str) -> Result<PathBuf> {
    let stripped = dir.join(PROGRAM);
    capture(Command::new("strip").arg("-o").arg(&stripped).arg(program))?;
    let mut files = BTreeMap::from([(PROGRAM.to_owned(), stripped.clone())]);
    for library in libraries(&capture(Command::new("ldd").arg(program))?) {
        files.insert(library.trim_start_matches('/').to_owned(), library.into());
    }
    ensure!(files.len() > 1, "ldd names no library of {}", program.display());
    let content: Result<BTreeMap<&str, (u32, Vec<u8>)>> = files
        .iter()
        .map(|(path, source)| {
            let bytes = fs::read(source).with_context(|| source.display().to_string())?;
            Ok((path.as_str(), (0o755, bytes)))
        })
        .collect();
    let image = Image {
        arch: Arch::host()?.goarch(),
        name: image::NAME,
        tag,
        files: content?,
        entrypoint: "/flow-observer",
        labels: BTreeMap::new(),
    };
    let archive = dir.join(format!("{PROGRAM}-{tag}.tar"));
    fs::write(&archive, image.pack()?.archive)?;
    fs::remove_file(stripped)?;
    Ok(archive)
}

/// The files that `ldd` found, the loader among them. The vDSO is no file.
fn libraries(ldd: &str) -> Vec<&str> {
    let words = ldd.lines().map(|line| line.rsplit("=>").next().unwrap_or_default());
    words.filter_map(|rest| rest.split_whitespace().next()).filter(|word| word.starts_with('/')).collect()
}

#[cfg(test)]
mod tests;
