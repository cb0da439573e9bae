//! `bpf-linker`, into `target/tools`.

use std::path::Path;

use anyhow::Result;

use crate::run::{cargo, run, say};

/// It loads the LLVM of the toolchain that compiles; this version speaks LLVM 22.
const VERSION: &str = "0.10.3";

/// True if it was installed.
pub(super) fn ensure(root: &Path, tools: &Path) -> Result<bool> {
    if tools.join("bin/bpf-linker").exists() {
        return Ok(false);
    }
    say(&format!(
        "building bpf-linker {VERSION} into {}: links the eBPF object (about a minute)",
        tools.display()
    ));
    let mut install =
        cargo(root, &["install", "--quiet", "bpf-linker", "--version", VERSION, "--locked", "--root"]);
    // A wrapper or flags meant for the workspace have no business here, and its build files would linger.
    install.env_remove("RUSTFLAGS").env_remove("CARGO_TARGET_DIR");
    run(install.arg(tools))?;
    Ok(true)
}
