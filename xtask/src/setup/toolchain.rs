//! A compiler for the BPF target that comes with its standard library's source.
//!
//! `build-std` needs the source of exactly that compiler. rustup's nightly has it as a component; where rustup can't
//! download, Debian packages a compiler with its source, which is unpacked, not installed.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use crate::run::{Environment, output, run, say};

/// What `bpf-linker` loads.
const LLVM: &str = "22";
/// Forces `nightly` or `debian`.
const CHOICE: &str = "FLOW_OBSERVER_EBPF_TOOLCHAIN";
/// Seconds that rustup may take: 100 MB, or a network that leads nowhere.
const RUSTUP_SECONDS: &str = "300";

struct Toolchain {
    kind: &'static str,
    rustc: PathBuf,
    libraries: PathBuf,
}

/// True if something was done.
pub(super) fn ensure(tools: &Path) -> Result<bool> {
    let state = tools.join("ebpf-toolchain");
    let choice = std::env::var(CHOICE).ok();
    if usable(&state, choice.as_deref()) {
        return Ok(false);
    }
    let toolchain = match choice.as_deref() {
        None => nightly().or_else(|why| {
            say(&format!("no rustup nightly for the eBPF target ({why:#}); trying Debian's packages"));
            debian(tools)
        })?,
        Some("nightly") => nightly()?,
        Some("debian") => debian(tools)?,
        Some(other) => {
            return Err(Environment(format!("{CHOICE}={other}: expected `nightly` or `debian`")).into());
        }
    };
    let text = format!(
        "kind={}\nrustc={}\nlibraries={}\n",
        toolchain.kind,
        toolchain.rustc.display(),
        toolchain.libraries.display()
    );
    fs::write(&state, text).with_context(|| format!("{} can't be written", state.display()))?;
    say(&format!("eBPF toolchain: {} ({})", toolchain.kind, toolchain.rustc.display()));
    Ok(true)
}

/// The state file names a compiler that is still there, and of the kind asked for.
fn usable(state: &Path, choice: Option<&str>) -> bool {
    let Ok(text) = fs::read_to_string(state) else { return false };
    let value = |key: &str| text.lines().find_map(|l| l.strip_prefix(key)?.strip_prefix('='));
    let kind = choice.is_none_or(|wanted| value("kind") == Some(wanted));
    let there =
        ["rustc", "libraries"].iter().all(|key| value(key).is_some_and(|path| Path::new(path).exists()));
    kind && there
}

fn nightly() -> Result<Toolchain> {
    if let Ok(found) = installed_nightly() {
        return Ok(found);
    }
    if output("rustup", &["--version"]).is_none() {
        bail!("rustup is not installed");
    }
    say("installing a minimal rustup nightly with rust-src: compiles the eBPF programs, changes no default");
    let args = [
        "toolchain",
        "install",
        "nightly",
        "--profile",
        "minimal",
        "--component",
        "rust-src",
        "--no-self-update",
    ];
    run(Command::new("timeout").arg(RUSTUP_SECONDS).arg("rustup").args(args))?;
    installed_nightly()
}

fn installed_nightly() -> Result<Toolchain> {
    let sysroot = output("rustup", &["run", "nightly", "rustc", "--print", "sysroot"])
        .context("there is no nightly")?;
    let sysroot = PathBuf::from(sysroot.trim());
    if !sysroot.join("lib/rustlib/src/rust/library/core").exists() {
        bail!("the nightly lacks rust-src");
    }
    let libraries = sysroot.join("lib");
    if !has_llvm(&libraries) {
        bail!("the nightly's LLVM is not version {LLVM}, which bpf-linker needs");
    }
    Ok(Toolchain { kind: "nightly", rustc: sysroot.join("bin/rustc"), libraries })
}

fn has_llvm(libraries: &Path) -> bool {
    let Ok(entries) = fs::read_dir(libraries) else { return false };
    let wanted = [format!("libLLVM-{LLVM}"), format!("libLLVM.so.{LLVM}")];
    entries.flatten().any(|e| wanted.iter().any(|w| e.file_name().to_string_lossy().starts_with(w.as_str())))
}

fn debian(tools: &Path) -> Result<Toolchain> {
    let unpacked = tools.join("rust-web");
    let toolchain = Toolchain {
        kind: "debian",
        rustc: unpacked.join("usr/bin/rustc"),
        libraries: unpacked.join("usr/lib/x86_64-linux-gnu"),
    };
    if !complete(&unpacked) {
        if output("apt-get", &["--version"]).is_none() {
            let message = "no toolchain for the eBPF target: install rustup's nightly with rust-src \
                           (`rustup toolchain install nightly --component rust-src`), then run again";
            return Err(Environment(message.into()).into());
        }
        download(&unpacked)?;
    }
    link_source(&unpacked)?;
    Ok(toolchain)
}

fn complete(unpacked: &Path) -> bool {
    unpacked.join("usr/bin/rustc").exists()
        && has_llvm(&unpacked.join("usr/lib/x86_64-linux-gnu"))
        && source(unpacked).is_some()
}

fn download(unpacked: &Path) -> Result<()> {
    let mut packages: Vec<String> =
        ["rustc-web", "rust-web-src", "libstd-rust-web-dev"].map(String::from).to_vec();
    packages.extend(depends("libstd-rust-web-dev", "libstd-rust-web-"));
    let owners = packages.clone();
    packages.extend(owners.iter().flat_map(|owner| depends(owner, "libllvm")));
    packages.sort();
    packages.dedup();
    if !packages.iter().any(|p| p.starts_with("libllvm")) {
        return Err(Environment("this system's packages have no rustc-web; install rustup's nightly with rust-src, then run again".into()).into());
    }
    say(&format!(
        "unpacking Debian packages {} (144 MB) into {}: compile the eBPF programs",
        packages.join(", "),
        unpacked.display()
    ));
    let debs = unpacked.with_extension("debs");
    drop(fs::remove_dir_all(&debs));
    fs::create_dir_all(&debs)?;
    fs::create_dir_all(unpacked)?;
    // As root, apt-get drops to a user that may not write here; it then only warns.
    run(Command::new("apt-get").current_dir(&debs).args(["download", "-q"]).args(&packages))?;
    for deb in fs::read_dir(&debs)? {
        run(Command::new("dpkg").arg("-x").arg(deb?.path()).arg(unpacked))?;
    }
    fs::remove_dir_all(&debs)?;
    Ok(())
}

/// Dependencies of a package whose names begin with `prefix`.
fn depends(package: &str, prefix: &str) -> Vec<String> {
    let text = output("apt-cache", &["depends", package]).unwrap_or_default();
    let names = text.lines().filter_map(|l| l.trim().strip_prefix("Depends: "));
    names.filter(|n| n.starts_with(prefix)).map(str::to_owned).collect()
}

fn source(unpacked: &Path) -> Option<PathBuf> {
    let versions = fs::read_dir(unpacked.join("usr/src")).ok()?;
    versions.flatten().map(|e| e.path()).find(|p| p.join("library/core/Cargo.toml").exists())
}

/// cargo looks for the source under the sysroot; Debian keeps it in /usr/src and links it absolutely.
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
