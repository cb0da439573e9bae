//! What a release consists of: an archive of the static program for each architecture with its bill of materials, checksums, and
//! a manifest for krew. All are the same for the same source.

mod krew;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use clap::Args;

use crate::image::archive::{digest, gzip, tar};
use crate::image::{self, Arch, PROGRAM, Program, version};
use crate::run::report_step;
use crate::setup;

/// The checksums of all other files, for `sha256sum --check`.
const CHECKSUMS: &str = "SHA256SUMS";
/// The manifest of the plugin, by its name for krew.
const MANIFEST: &str = "flow-observer.yaml";

#[derive(Args, Debug)]
pub(crate) struct DistArgs {
    /// Architectures, separated by commas
    #[arg(long, value_enum, value_delimiter = ',', default_values_t = Arch::ALL)]
    arch: Vec<Arch>,
    /// Directory for the files [default: target/dist]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Where the archives will be, for krew
    #[arg(long, value_name = "URL", default_value_t = releases())]
    base_url: String,
    /// Pack the program of the demo and the tests, for this machine's architecture: for tests, not for shipping [default
    /// directory: target/dist-dev]
    #[arg(long, conflicts_with = "arch")]
    dev: bool,
}

/// Returns where this version's files are on the project's site.
fn releases() -> String {
    format!("{}/releases/download/v{}", env!("CARGO_PKG_REPOSITORY"), version())
}

/// Builds what is missing and writes all files of a release.
///
/// # Errors
/// Fails when a program can't be built or a file can't be written.
pub(crate) fn run_task(root: &Path, args: &DistArgs) -> Result<()> {
    setup::ensure(root, setup::Need::AGENT)?;
    let default_out = if args.dev { "target/dist-dev" } else { "target/dist" };
    let out = args.out.clone().unwrap_or_else(|| root.join(default_out));
    let mut files = BTreeMap::new();
    let mut archives = Vec::new();
    for arch in architectures(args)? {
        let built = if args.dev { image::build_for_tests(root)? } else { image::build(root, arch)? };
        let name = format!("{PROGRAM}-{}-linux-{}", version(), arch.goarch());
        let packed = archive(root, &built, !args.dev).context("the archive")?;
        archives.push(krew::Archive { arch, file: format!("{name}.tar.gz"), sha256: sha256(&packed) });
        files.insert(format!("{name}.tar.gz"), packed);
        files.insert(format!("{name}.cdx.json"), built.bill);
    }
    let base = args.base_url.trim_end_matches('/');
    files.insert(MANIFEST.to_owned(), krew::manifest(version(), base, &archives)?.into_bytes());
    files.insert(CHECKSUMS.to_owned(), checksums(&files).into_bytes());
    write(&out, &files)
}

/// Packs the program of the tests, where they look for it.
///
/// # Errors
/// Fails as [`run_task`] does.
pub(crate) fn for_tests(root: &Path) -> Result<()> {
    let args = DistArgs { arch: Vec::new(), out: None, base_url: releases(), dev: true };
    run_task(root, &args)
}

fn architectures(args: &DistArgs) -> Result<Vec<Arch>> {
    if args.dev { Ok(vec![Arch::host()?]) } else { Ok(args.arch.clone()) }
}

/// Packs the program with its licences and its bill of materials: `small`, or fast.
fn archive(root: &Path, built: &Program, small: bool) -> Result<Vec<u8>> {
    let [apache, mit] = image::licences(root)?;
    let files = [
        (PROGRAM, 0o755, &built.program),
        ("LICENSE-APACHE", 0o644, &apache),
        ("LICENSE-MIT", 0o644, &mit),
        (image::SBOM, 0o644, &built.bill),
    ];
    let files = files.into_iter().map(|(path, mode, content)| (path, mode, content.as_slice()));
    Ok(gzip(&tar(files)?, small)?)
}

fn sha256(content: &[u8]) -> String {
    digest(content).replacen("sha256:", "", 1)
}

fn checksums(files: &BTreeMap<String, Vec<u8>>) -> String {
    files.iter().map(|(name, content)| format!("{}  {name}\n", sha256(content))).collect()
}

/// Writes the files in place of those of an earlier release, which must not stay beside the checksums.
fn write(out: &Path, files: &BTreeMap<String, Vec<u8>>) -> Result<()> {
    fs::create_dir_all(out).with_context(|| format!("{} can't be created", out.display()))?;
    for name in earlier(out) {
        let path = out.join(name);
        fs::remove_file(&path).with_context(|| format!("{} can't be removed", path.display()))?;
    }
    for (name, content) in files {
        let path = out.join(name);
        fs::write(&path, content).with_context(|| format!("{} can't be written", path.display()))?;
        report_step(&format!("{} ({:.1} MiB)", path.display(), content.len() as f64 / f64::from(1 << 20)));
    }
    Ok(())
}

/// Returns the files that the checksums of an earlier release name and that are there.
fn earlier(out: &Path) -> Vec<String> {
    let listed = fs::read_to_string(out.join(CHECKSUMS)).unwrap_or_default();
    let names = listed.lines().filter_map(|line| line.split_once("  ")).map(|(_, name)| name.to_owned());
    names.filter(|name| !name.contains('/') && out.join(name).is_file()).collect()
}

#[cfg(test)]
mod tests;
