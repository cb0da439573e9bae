//! Builds the kernel side for the BPF target, or takes it from `cargo xtask`, which builds it earlier. The crate embeds
//! the object.

use std::path::PathBuf;
use std::{env, fs};

use ebpf_object::{NAME, Request, TOOLCHAIN};

/// Names further flags for the BPF target, in the form of `CARGO_ENCODED_RUSTFLAGS`.
const FLAGS: &str = "FLOW_OBSERVER_EBPF_RUSTFLAGS";

fn main() {
    if let Err(message) = build() {
        let mut lines = message.lines();
        println!("cargo::error={}", lines.next().unwrap_or_default());
        lines.for_each(|line| println!("cargo::warning={line}"));
    }
}

fn build() -> Result<(), String> {
    let var = |name: &str| env::var(name).map_err(|_| format!("{name} is not set"));
    let root = PathBuf::from(var("CARGO_MANIFEST_DIR")?).join("../..");
    let out = PathBuf::from(var("OUT_DIR")?);
    for watched in ["observer-ebpf", "Cargo.lock"] {
        println!("cargo::rerun-if-changed={}", root.join(watched).display());
    }
    println!("cargo::rerun-if-changed={}", ebpf_object::tools(&root).join(TOOLCHAIN).display());
    // `cargo xtask image` keeps the builder's paths out of the object's line information.
    println!("cargo::rerun-if-env-changed={FLAGS}");
    let flags: Vec<_> =
        env::var(FLAGS).iter().flat_map(|more| more.split('\x1f')).map(str::to_owned).collect();
    // Builds with other flags must not replace each other's object.
    let into = if flags.is_empty() { ebpf_object::shared(&root) } else { out.join("ebpf") };
    ebpf_object::wait_for_setup(&root);
    let object = ebpf_object::build(&Request {
        cargo: var("CARGO")?.as_ref(),
        root: &root,
        arch: &var("CARGO_CFG_TARGET_ARCH")?,
        big_endian: var("CARGO_CFG_TARGET_ENDIAN")? == "big",
        flags: &flags,
        into: &into,
    })?;
    fs::copy(&object, out.join(NAME)).map_err(|e| format!("{}: {e}", object.display()))?;
    Ok(())
}
