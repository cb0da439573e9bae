//! The container image: a static program with its bill of materials, and nothing else, in an OCI archive that is the same for the same source.
//!
//! glibc rather than musl: since 2.34 its resolver and `/etc/hosts` look-ups are part of libc, so that a static program
//! loads nothing at run time; and it is what the tests ran on.

pub(crate) mod archive;
mod compile;
mod development;
mod elf;
mod sbom;
mod target;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail, ensure};
use clap::Args;

use crate::run::{output, report_step, run};
use crate::setup;
use archive::{Image, Packed};
pub(crate) use target::Arch;

/// Begins with `localhost/`, so that a node without the image never asks a registry that isn't ours.
pub(crate) const NAME: &str = "localhost/flow-observer";
pub(crate) const PROGRAM: &str = "flow-observer";
/// The bill of materials, which is also beside the archive in a directory of the architecture.
pub(crate) const SBOM: &str = "flow-observer.cdx.json";
const SBOM_IN_IMAGE: &str = "sbom/flow-observer.cdx.json";
/// The limit for the program's size. Compressed it is less than half of this.
const MAX_BYTES: usize = 25 << 20;

#[derive(Args, Debug, Default)]
pub(crate) struct ImageArgs {
    /// Architecture of the nodes [default: this machine's]
    #[arg(long, value_enum)]
    arch: Option<Arch>,
    /// File for the archive [default: target/oci/flow-observer-VERSION-ARCH.tar]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Build again from a copy in another directory, and fail unless both archives are the same
    #[arg(long)]
    verify: bool,
    /// Pack the program of the demo and the tests, with the libraries that it loads, in seconds: for tests, not for
    /// shipping [default file: target/oci/flow-observer-VERSION-ARCH-dev.tar]
    #[arg(long, conflicts_with_all = ["arch", "verify"])]
    dev: bool,
}

/// Builds the program and packs it.
pub(crate) fn run_task(root: &Path, args: &ImageArgs) -> Result<()> {
    if !args.dev {
        setup::ensure(root, setup::Need::AGENT)?;
    }
    let arch = match args.arch {
        Some(arch) => arch,
        None => Arch::host()?,
    };
    let packed = if args.dev { development::make(root, arch)? } else { make(root, arch)? };
    let out = args.out.clone().unwrap_or_else(|| default_out(root, arch, args.dev));
    if let Some(dir) = out.parent() {
        fs::create_dir_all(dir)?;
    }
    // A rename is one step: another command may read the file that was there.
    let part = out.with_added_extension(format!("part-{}", std::process::id()));
    fs::write(&part, &packed.archive)
        .and_then(|()| fs::rename(&part, &out))
        .with_context(|| format!("{} can't be written", out.display()))?;
    let mib = packed.archive.len() as f64 / f64::from(1 << 20);
    report_step(&format!("{} ({mib:.1} MiB), {NAME}:{}, {}", out.display(), version(), packed.digest));
    if args.dev {
        report_step("for tests only: `cargo xtask image` builds the program for shipping");
    } else {
        report_step(&format!("on each k3s node: k3s ctr images import {}", file_name(&out)));
    }
    if args.verify {
        verify(root, arch, &packed)?;
    }
    Ok(())
}

/// Builds the image for tests and returns the archive's path.
pub(crate) fn for_tests(root: &Path) -> Result<PathBuf> {
    run_task(root, &ImageArgs { dev: true, ..ImageArgs::default() })?;
    Ok(default_out(root, Arch::host()?, true))
}

/// Returns where the tests look for the archive.
fn default_out(root: &Path, arch: Arch, dev: bool) -> PathBuf {
    let suffix = if dev { "-dev" } else { "" };
    root.join(format!("target/oci/{PROGRAM}-{}-{}{suffix}.tar", version(), arch.goarch()))
}

fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// Returns the version, which all packages of the workspace share.
pub(crate) fn version() -> &'static str {
    env!("CARGO_PKG_VERSION")
}

fn make(root: &Path, arch: Arch) -> Result<Packed> {
    let Program { program, bill } = build(root, arch)?;
    let files = BTreeMap::from([(PROGRAM, (0o755, program)), (SBOM_IN_IMAGE, (0o644, bill))]);
    pack(root, arch, files, true)
}

/// Holds a program that can be shipped, with its bill of materials.
pub(crate) struct Program {
    pub(crate) program: Vec<u8>,
    pub(crate) bill: Vec<u8>,
}

/// Builds a static program for `arch`, checks it, and lists what it is made of.
///
/// # Errors
/// Fails when it can't be built, doesn't start, is too large or depends on the machine that built it.
pub(crate) fn build(root: &Path, arch: Arch) -> Result<Program> {
    report_step(&format!(
        "building a static {PROGRAM} for {}: this takes some minutes the first time",
        arch.goarch()
    ));
    let built = compile::build(root, arch)?;
    let program = fs::read(&built).with_context(|| format!("{} can't be read", built.display()))?;
    inspect(root, &program).with_context(|| format!("{} can't be shipped", built.display()))?;
    smoke(arch, &built)?;
    ensure!(program.len() <= MAX_BYTES, "the program has {} bytes, over 25 MiB", program.len());
    let bill = sbom::make(root, arch, &program)?;
    // The Dockerfile takes both from here, without the archive.
    let beside = root.join("target/oci").join(arch.goarch());
    fs::create_dir_all(&beside)?;
    fs::copy(&built, beside.join(PROGRAM))?;
    fs::write(beside.join(SBOM), &bill)?;
    Ok(Program { program, bill })
}

/// Returns the program of the development profile, which may load libraries, with its bill of materials. It is for tests.
///
/// # Errors
/// Fails when it can't be built.
pub(crate) fn build_for_tests(root: &Path) -> Result<Program> {
    let program = development::build(root)?;
    let bill = sbom::make(root, Arch::host()?, &program)?;
    Ok(Program { program, bill })
}

/// Packs the program with the licences.
fn pack(root: &Path, arch: Arch, mut files: BTreeMap<&str, (u32, Vec<u8>)>, small: bool) -> Result<Packed> {
    let [apache, mit] = licences(root)?;
    files.insert("licenses/LICENSE-APACHE", (0o644, apache));
    files.insert("licenses/LICENSE-MIT", (0o644, mit));
    let labels = BTreeMap::from([
        ("org.opencontainers.image.title", "Flow Observer"),
        ("org.opencontainers.image.version", version()),
        ("org.opencontainers.image.licenses", env!("CARGO_PKG_LICENSE")),
    ]);
    let image = Image {
        arch: arch.goarch(),
        name: NAME,
        tag: version(),
        files,
        entrypoint: concat!("/", "flow-observer"),
        labels,
        small,
    };
    Ok(image.pack()?)
}

/// Returns the texts of both licences.
pub(crate) fn licences(root: &Path) -> Result<[Vec<u8>; 2]> {
    let text = |name: &str| fs::read(root.join(name)).with_context(|| name.to_owned());
    Ok([text("LICENSE-APACHE")?, text("LICENSE-MIT")?])
}

/// Checks that the program starts: natively, or as far as an emulator of the architecture gets.
fn smoke(arch: Arch, program: &Path) -> Result<()> {
    let program = program.to_string_lossy();
    let Some(emulator) = arch.ensure_emulator()? else {
        return output(&program, &["--version"]).map(drop).context("the program doesn't start");
    };
    let (version, doctor) =
        (output(&emulator, &[&program, "--version"]), printed(&emulator, &[&program, "doctor"]));
    ensure!(version.is_some(), "the program doesn't start under {emulator}");
    // The emulator has no bpf(2), so some lines report failures. All lines must be there nevertheless.
    ensure!(
        doctor.contains("architecture") && doctor.contains(arch.machine()),
        "`doctor` under {emulator}: {doctor}"
    );
    report_step(&format!(
        "{emulator}: {}`doctor` printed {} lines",
        version.unwrap_or_default(),
        doctor.lines().count()
    ));
    Ok(())
}

/// Returns the output of a program, even when it fails.
fn printed(program: &str, args: &[&str]) -> String {
    let out = Command::new(program).args(args).output();
    out.map(|out| String::from_utf8_lossy(&out.stdout).into_owned()).unwrap_or_default()
}

/// Checks that the program needs no loader, since an empty image has none, and that it doesn't contain the builder's
/// directories, which differ between machines.
fn inspect(root: &Path, program: &[u8]) -> Result<()> {
    ensure!(elf::is_static(program)?, "it wants a dynamic loader");
    let home = std::env::var("HOME").unwrap_or_default();
    for path in [root.to_string_lossy().into_owned(), format!("{home}/.cargo"), format!("{home}/.rustup")] {
        if contains(program, path.as_bytes()) {
            bail!("it holds the builder's path {path}");
        }
    }
    Ok(())
}

fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    haystack.windows(needle.len()).any(|window| window == needle)
}

/// Builds the same source in another directory, without earlier results.
fn verify(root: &Path, arch: Arch, first: &Packed) -> Result<()> {
    let copy = std::env::temp_dir().join(format!("flow-observer-verify-{}", std::process::id()));
    report_step(&format!("building again in {}", copy.display()));
    let second = copy_source(root, &copy).and_then(|()| make(&copy, arch));
    fs::remove_dir_all(&copy)?;
    let second = second?;
    if first.archive != second.archive {
        bail!("the second build differs: {} and {}", first.digest, second.digest);
    }
    report_step("both builds gave the same archive");
    Ok(())
}

/// Copies the files that git knows, as they are now, and the tools.
fn copy_source(root: &Path, to: &Path) -> Result<()> {
    let root_text = root.to_string_lossy();
    let list = output("git", &["-C", &root_text, "ls-files"]).context("this is no git checkout")?;
    for path in list.lines().filter(|path| root.join(path).is_file()) {
        let target = to.join(path);
        fs::create_dir_all(target.parent().unwrap_or(to))?;
        fs::copy(root.join(path), target)?;
    }
    fs::create_dir_all(to.join("target"))?;
    run(Command::new("ln").arg("-s").arg(fs::canonicalize(root.join("target/tools"))?).arg(to.join("target")))
}
