//! Finds or installs a compiler for the BPF target, with the source of its standard library.
//!
//! `build-std` needs the source of exactly that compiler. rustup's nightly has it as a component. Where rustup can't
//! download, Debian's packages have a compiler with its source; they are unpacked, not installed.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use super::has_apt;
use super::packages::update;
use crate::progress::Progress;
use crate::run::{Environment, output, run};

/// The version of LLVM that `bpf-linker` loads.
const LLVM: &str = "22";
/// The nightly to install: later ones come with an LLVM that `bpf-linker` can't load.
const NIGHTLY: &str = "nightly-2026-05-20";
/// The variable that selects `nightly` or `debian`.
const CHOICE: &str = "FLOW_OBSERVER_EBPF_TOOLCHAIN";
/// The time in seconds that rustup gets to download 100 MB. A broken network must not hold up the set-up for longer.
const RUSTUP_SECONDS: &str = "300";

struct Toolchain {
    kind: &'static str,
    rustc: PathBuf,
    libraries: PathBuf,
}

pub(super) const ANNOUNCEMENT: &str = "finding or installing a compiler for the eBPF programs: rustup's nightly with \
                                       rust-src, or Debian's packages (100 to 144 MB)";

pub(super) fn is_missing(tools: &Path) -> bool {
    !usable(&tools.join(ebpf_object::TOOLCHAIN), std::env::var(CHOICE).ok().as_deref())
}

/// Finds or installs the toolchain.
pub(super) fn install(progress: &Progress, tools: &Path) -> Result<()> {
    let state = tools.join(ebpf_object::TOOLCHAIN);
    let toolchain = match std::env::var(CHOICE).ok().as_deref() {
        None => nightly(progress).or_else(|why| {
            progress
                .step(&format!("no rustup nightly for the eBPF target ({why:#}); trying Debian's packages"));
            debian(progress, tools)
        }),
        Some("nightly") => nightly(progress),
        Some("debian") => debian(progress, tools),
        Some(other) => {
            return Err(Environment(format!("{CHOICE}={other}: expected `nightly` or `debian`")).into());
        }
    }
    .map_err(|why| by_hand(&why))?;
    let text = format!(
        "kind={}\nrustc={}\nlibraries={}\n",
        toolchain.kind,
        toolchain.rustc.display(),
        toolchain.libraries.display()
    );
    fs::write(&state, text).with_context(|| format!("{} can't be written", state.display()))?;
    progress.step(&format!("eBPF toolchain: {} ({})", toolchain.kind, toolchain.rustc.display()));
    Ok(())
}

/// Returns the error with the remedy, after everything was tried.
fn by_hand(why: &anyhow::Error) -> anyhow::Error {
    let remedy = format!("`rustup toolchain install {NIGHTLY} --profile minimal --component rust-src`");
    Environment(format!("no toolchain for the eBPF target: {why:#}; run {remedy}, then run again")).into()
}

/// Is true when the state file names a compiler that still exists, is of the selected kind, and has the same LLVM:
/// `rustup update` changes a nightly in place.
fn usable(state: &Path, choice: Option<&str>) -> bool {
    let Ok(text) = fs::read_to_string(state) else { return false };
    let value = |key: &str| text.lines().find_map(|l| l.strip_prefix(key)?.strip_prefix('='));
    let kind = choice.is_none_or(|wanted| value("kind") == Some(wanted));
    let there =
        ["rustc", "libraries"].iter().all(|key| value(key).is_some_and(|path| Path::new(path).exists()));
    kind && there && value("libraries").is_some_and(|path| has_llvm(Path::new(path)))
}

fn nightly(progress: &Progress) -> Result<Toolchain> {
    let list = output("rustup", &["toolchain", "list"]).context("rustup is not installed")?;
    if let Some(found) = nightlies(&list).find_map(|name| installed_nightly(name).ok()) {
        return Ok(found);
    }
    progress
        .step(&format!("installing {NIGHTLY} with rust-src: compiles the eBPF programs, changes no default"));
    let args = [
        "toolchain",
        "install",
        NIGHTLY,
        "--profile",
        "minimal",
        "--component",
        "rust-src",
        "--no-self-update",
    ];
    // It runs in the foreground, so that Ctrl-C reaches rustup too.
    let mut rustup = Command::new("timeout");
    progress.run(NIGHTLY, rustup.args(["--foreground", RUSTUP_SECONDS, "rustup"]).args(args))?;
    installed_nightly(NIGHTLY)
}

/// Returns the nightlies of `rustup toolchain list`, without its remarks.
fn nightlies(list: &str) -> impl Iterator<Item = &str> {
    list.lines().filter_map(|l| l.split_whitespace().next()).filter(|name| name.starts_with("nightly"))
}

fn installed_nightly(name: &str) -> Result<Toolchain> {
    let sysroot =
        output("rustup", &["run", name, "rustc", "--print", "sysroot"]).context("it doesn't run")?;
    let sysroot = PathBuf::from(sysroot.trim());
    if !sysroot.join("lib/rustlib/src/rust/library/core").exists() {
        bail!("{name} lacks rust-src");
    }
    let libraries = sysroot.join("lib");
    if !has_llvm(&libraries) {
        bail!("the LLVM of {name} is not version {LLVM}, which bpf-linker needs");
    }
    Ok(Toolchain { kind: "nightly", rustc: sysroot.join("bin/rustc"), libraries })
}

fn has_llvm(libraries: &Path) -> bool {
    let Ok(entries) = fs::read_dir(libraries) else { return false };
    let wanted = [format!("libLLVM-{LLVM}"), format!("libLLVM.so.{LLVM}")];
    entries.flatten().any(|e| wanted.iter().any(|w| e.file_name().to_string_lossy().starts_with(w.as_str())))
}

fn debian(progress: &Progress, tools: &Path) -> Result<Toolchain> {
    let unpacked = tools.join("rust-web");
    let toolchain =
        Toolchain { kind: "debian", rustc: unpacked.join("usr/bin/rustc"), libraries: libraries(&unpacked) };
    if !complete(&unpacked) {
        if !has_apt() {
            bail!("this system has no apt-get");
        }
        download(progress, &unpacked)?;
    }
    link_source(&unpacked)?;
    Ok(toolchain)
}

fn libraries(unpacked: &Path) -> PathBuf {
    unpacked.join(format!("usr/lib/{}-linux-gnu", std::env::consts::ARCH))
}

fn complete(unpacked: &Path) -> bool {
    unpacked.join("usr/bin/rustc").exists() && has_llvm(&libraries(unpacked)) && source(unpacked).is_some()
}

/// Returns the compiler's packages with the versioned ones that they depend on; `None` where apt knows none.
fn compiler_packages() -> Option<Vec<String>> {
    let mut packages: Vec<String> =
        ["rustc-web", "rust-web-src", "libstd-rust-web-dev"].map(String::from).to_vec();
    packages.extend(depends("libstd-rust-web-dev", "libstd-rust-web-"));
    let owners = packages.clone();
    packages.extend(owners.iter().flat_map(|owner| depends(owner, "libllvm")));
    packages.sort();
    packages.dedup();
    packages.iter().any(|p| p.starts_with("libllvm")).then_some(packages)
}

fn download(progress: &Progress, unpacked: &Path) -> Result<()> {
    let mut packages = compiler_packages();
    if packages.is_none() && nix::unistd::geteuid().is_root() {
        update(|apt| progress.run("apt's package lists", apt))?;
        packages = compiler_packages();
    }
    let packages = packages.context("this system's packages have no rustc-web")?;
    progress.step(&format!(
        "unpacking Debian packages {} (144 MB) into {}: compile the eBPF programs",
        packages.join(", "),
        unpacked.display()
    ));
    let debs = unpacked.with_extension("debs");
    drop(fs::remove_dir_all(&debs));
    fs::create_dir_all(&debs)?;
    let part = unpacked.with_extension("part");
    drop(fs::remove_dir_all(&part));
    fs::create_dir_all(&part)?;
    // As root, apt-get changes to a user without the right to write here, and prints a warning that doesn't matter.
    let mut download = Command::new("apt-get");
    progress
        .run("Debian's compiler", download.current_dir(&debs).args(["download", "-q"]).args(&packages))?;
    for deb in fs::read_dir(&debs)? {
        run(Command::new("dpkg").arg("-x").arg(deb?.path()).arg(&part))?;
    }
    fs::remove_dir_all(&debs)?;
    // A rename is one step, so an interrupted run leaves nothing that looks complete.
    drop(fs::remove_dir_all(unpacked));
    fs::rename(&part, unpacked).with_context(|| format!("{} can't be put in place", unpacked.display()))?;
    Ok(())
}

/// Returns the dependencies of a package whose names begin with `prefix`.
fn depends(package: &str, prefix: &str) -> Vec<String> {
    let text = output("apt-cache", &["depends", package]).unwrap_or_default();
    let names = text.lines().filter_map(|l| l.trim().strip_prefix("Depends: "));
    names.filter(|n| n.starts_with(prefix)).map(str::to_owned).collect()
}

fn source(unpacked: &Path) -> Option<PathBuf> {
    let versions = fs::read_dir(unpacked.join("usr/src")).ok()?;
    versions.flatten().map(|e| e.path()).find(|p| p.join("library/core/Cargo.toml").exists())
}

/// Links the source to where cargo looks for it, under the sysroot. Debian's link to /usr/src is absolute.
fn link_source(unpacked: &Path) -> Result<()> {
    let source = source(unpacked).context("the unpacked packages hold no standard library source")?;
    let name = source.file_name().context("the source has no name")?;
    let link = unpacked.join("usr/lib/rustlib/src/rust");
    if link.join("library/core/Cargo.toml").exists() {
        return Ok(());
    }
    if link.symlink_metadata().is_ok() {
        fs::remove_file(&link)?;
    }
    if let Some(parent) = link.parent() {
        fs::create_dir_all(parent)?;
    }
    std::os::unix::fs::symlink(Path::new("../../../src").join(name), &link)?;
    Ok(())
}

#[cfg(test)]
mod tests;
