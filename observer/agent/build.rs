//! Builds the kernel side for the BPF target. The crate embeds the object.
//!
//! The compiler comes from `cargo xtask setup`, which writes `target/tools/ebpf-toolchain`: `build-std` needs the
//! standard library's source of exactly the compiler in use, and `bpf-linker` that compiler's LLVM.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

const OBJECT: &str = "flow-observer-probes";
/// Names further flags for the BPF target, in the form of `CARGO_ENCODED_RUSTFLAGS`.
const FLAGS: &str = "FLOW_OBSERVER_EBPF_RUSTFLAGS";

fn main() {
    if let Err(message) = build() {
        println!("cargo::error={message}");
    }
}

fn build() -> Result<(), String> {
    let var = |name: &str| env::var(name).map_err(|_| format!("{name} is not set"));
    let root = PathBuf::from(var("CARGO_MANIFEST_DIR")?).join("../..");
    let out = PathBuf::from(var("OUT_DIR")?);
    let tools = root.join("target/tools");
    println!("cargo::rerun-if-changed={}", root.join("observer-ebpf").display());
    println!("cargo::rerun-if-changed={}", root.join("Cargo.lock").display());
    println!("cargo::rerun-if-changed={}", tools.join("ebpf-toolchain").display());
    let toolchain = toolchain(&tools)?;
    let target =
        if var("CARGO_CFG_TARGET_ENDIAN")? == "big" { "bpfeb-unknown-none" } else { "bpfel-unknown-none" };
    let mut flags = vec![
        format!("--cfg=bpf_target_arch=\"{}\"", var("CARGO_CFG_TARGET_ARCH")?),
        format!("-Clinker={}", tools.join("bin/bpf-linker").display()),
        "-Cdebuginfo=2".into(),
        "-Clink-arg=--btf".into(),
    ];
    // `cargo xtask image` keeps the builder's paths out of the object's line information.
    println!("cargo::rerun-if-env-changed={FLAGS}");
    flags.extend(env::var(FLAGS).iter().flat_map(|more| more.split('\x1f')).map(str::to_owned));
    let mut cargo = Command::new(var("CARGO")?);
    for inherited in ["RUSTC_WRAPPER", "RUSTC_WORKSPACE_WRAPPER", "RUSTDOC", "RUSTFLAGS", "CARGO_TARGET_DIR"]
    {
        cargo.env_remove(inherited);
    }
    // The target needs unstable features of this compiler, which `cargo xtask setup` pins.
    cargo
        .current_dir(&root)
        .env("RUSTC", &toolchain["rustc"])
        .env("RUSTC_BOOTSTRAP", "1")
        .env("LD_LIBRARY_PATH", &toolchain["libraries"])
        .env("CARGO_ENCODED_RUSTFLAGS", flags.join("\x1f"))
        .env("CARGO_PROFILE_RELEASE_LTO", "fat")
        .env("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "1")
        .env("CARGO_PROFILE_RELEASE_PANIC", "abort")
        .args(["build", "--quiet", "--locked", "--release", "--package", "observer-ebpf", "--bin", OBJECT])
        .args(["--target", target, "-Zbuild-std=core", "--target-dir"])
        .arg(out.join("ebpf"));
    let done = cargo.output().map_err(|e| format!("cargo could not be run: {e}"))?;
    if !done.status.success() {
        for line in String::from_utf8_lossy(&done.stderr).lines() {
            println!("cargo::warning={line}");
        }
        return Err("the eBPF object could not be built; the warnings above are its compiler's".into());
    }
    let object = out.join("ebpf").join(target).join("release").join(OBJECT);
    fs::copy(&object, out.join(OBJECT)).map_err(|e| format!("{}: {e}", object.display()))?;
    Ok(())
}

/// Reads the lines of `key=value` that describe the toolchain.
fn toolchain(tools: &Path) -> Result<BTreeMap<String, String>, String> {
    let needs = "run `cargo xtask setup` once: it installs the toolchain of the eBPF target";
    let text = fs::read_to_string(tools.join("ebpf-toolchain")).map_err(|_| needs.to_owned())?;
    let map: BTreeMap<_, _> =
        text.lines().filter_map(|l| l.split_once('=')).map(|(k, v)| (k.to_owned(), v.to_owned())).collect();
    let complete = ["rustc", "libraries"].iter().all(|k| map.contains_key(*k));
    let there = complete && Path::new(&map["rustc"]).exists() && tools.join("bin/bpf-linker").exists();
    if there { Ok(map) } else { Err(needs.to_owned()) }
}
