//! Builds the kernel programs for the BPF target.
//!
//! The compiler comes from `cargo xtask setup`, which writes `target/tools/ebpf-toolchain`: `build-std` needs the
//! standard library's source of exactly the compiler in use, and `bpf-linker` that compiler's LLVM.
//!
//! Cargo starts the agent's build script late, because few crates wait for it. So `cargo xtask` builds the object
//! beside the agent's dependencies, and the build script finds it finished.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

/// The name of the object's file.
pub const NAME: &str = "flow-observer-probes";
/// The file in `target/tools` that describes the toolchain.
pub const TOOLCHAIN: &str = "ebpf-toolchain";
/// The file in `target/tools` that `cargo xtask` locks while it installs the toolchain.
const LOCK: &str = "setup.lock";
const NEEDS: &str = "run `cargo xtask setup` once: it installs the toolchain of the eBPF target";

/// Selects what to build.
#[derive(Debug)]
pub struct Request<'a> {
    pub cargo: &'a OsStr,
    /// The workspace's folder.
    pub root: &'a Path,
    /// The architecture of the kernel, as Rust names it.
    pub arch: &'a str,
    pub big_endian: bool,
    /// Further flags for the BPF target.
    pub flags: &'a [String],
    /// The target directory of this build.
    pub into: &'a Path,
}

/// Builds the object and returns its path. It is quick when nothing has changed.
///
/// # Errors
/// Fails when the toolchain is missing or the compiler fails; the message then holds its output.
pub fn build(request: &Request<'_>) -> Result<PathBuf, String> {
    let tools = tools(request.root);
    let toolchain = toolchain(&tools)?;
    let target = if request.big_endian { "bpfeb-unknown-none" } else { "bpfel-unknown-none" };
    let mut flags = vec![
        format!("--cfg=bpf_target_arch=\"{}\"", request.arch),
        format!("-Clinker={}", tools.join("bin/bpf-linker").display()),
        "-Cdebuginfo=2".into(),
        "-Clink-arg=--btf".into(),
    ];
    flags.extend(request.flags.iter().cloned());
    let mut cargo = Command::new(request.cargo);
    for inherited in ["RUSTC_WRAPPER", "RUSTC_WORKSPACE_WRAPPER", "RUSTDOC", "RUSTFLAGS", "CARGO_TARGET_DIR"]
    {
        cargo.env_remove(inherited);
    }
    forget_package(&mut cargo);
    // The target needs unstable features of this compiler, which `cargo xtask setup` pins.
    cargo
        .current_dir(request.root)
        .env("RUSTC", &toolchain["rustc"])
        .env("RUSTC_BOOTSTRAP", "1")
        .env("LD_LIBRARY_PATH", &toolchain["libraries"])
        .env("CARGO_ENCODED_RUSTFLAGS", flags.join("\x1f"))
        .env("CARGO_PROFILE_RELEASE_LTO", "fat")
        .env("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "1")
        .env("CARGO_PROFILE_RELEASE_PANIC", "abort")
        .args(["build", "--quiet", "--locked", "--release", "--package", "observer-ebpf", "--bin", NAME])
        .args(["--target", target, "-Zbuild-std=core", "--target-dir"])
        .arg(request.into);
    let done = cargo.output().map_err(|e| format!("cargo could not be run: {e}"))?;
    if !done.status.success() {
        let output = String::from_utf8_lossy(&done.stderr);
        return Err(format!("the eBPF object could not be built\n{}", output.trim()));
    }
    Ok(request.into.join(target).join("release").join(NAME))
}

/// Hides the package that runs this from a cargo that it starts. `cargo run` and build scripts get variables that
/// describe it. Other packages' build scripts look at variables of these names, and would run again, and with them most
/// of the build, whenever another package or a shell starts cargo.
pub fn forget_package(cargo: &mut Command) {
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("CARGO_PKG_") || text.starts_with("CARGO_MANIFEST_") {
            cargo.env_remove(&name);
        }
    }
}

/// Returns where set-up puts programs.
#[must_use]
pub fn tools(root: &Path) -> PathBuf {
    root.join("target/tools")
}

/// Returns the target directory that all builds without further flags share.
#[must_use]
pub fn shared(root: &Path) -> PathBuf {
    root.join("target/ebpf")
}

/// Opens the file that is locked during set-up.
///
/// # Errors
/// Fails when the file can't be made.
pub fn setup_lock(root: &Path) -> std::io::Result<File> {
    File::options().create(true).append(true).open(tools(root).join(LOCK))
}

/// Waits until no set-up runs. Where none ever ran there is nothing to wait for.
pub fn wait_for_setup(root: &Path) {
    if let Ok(lock) = File::open(tools(root).join(LOCK)) {
        // Where the file system has no locks, the missing toolchain is reported next.
        lock.lock_shared().unwrap_or_default();
    }
}

/// Reads the lines of `key=value` that describe the toolchain.
fn toolchain(tools: &Path) -> Result<BTreeMap<String, String>, String> {
    let text = fs::read_to_string(tools.join(TOOLCHAIN)).map_err(|_| NEEDS.to_owned())?;
    let map: BTreeMap<_, _> =
        text.lines().filter_map(|l| l.split_once('=')).map(|(k, v)| (k.to_owned(), v.to_owned())).collect();
    let complete = ["rustc", "libraries"].iter().all(|k| map.contains_key(*k));
    let there = complete && Path::new(&map["rustc"]).exists() && tools.join("bin/bpf-linker").exists();
    if there { Ok(map) } else { Err(NEEDS.to_owned()) }
}
