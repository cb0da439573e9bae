//! Installs `bpf-linker` into `target/tools`.

use std::path::Path;

use anyhow::Result;

use crate::run::{cargo, report_step, run};

/// The version. It loads the LLVM of the toolchain that compiles, which must be LLVM 22.
const VERSION: &str = "0.10.3";

/// Installs it where it is missing. Is true if it was installed.
pub(super) fn ensure(root: &Path, tools: &Path) -> Result<bool> {
    if tools.join("bin/bpf-linker").exists() {
        return Ok(false);
    }
    report_step(&format!(
        "building bpf-linker {VERSION} into {}: links the eBPF object (about a minute)",
        tools.display()
    ));
    let mut install =
        cargo(root, &["install", "--quiet", "bpf-linker", "--version", VERSION, "--locked", "--root"]);
    // Wrappers and flags of the workspace must not apply here, and build files must not stay.
    install.env_remove("RUSTFLAGS").env_remove("CARGO_TARGET_DIR");
    run(install.arg(tools))?;
    Ok(true)
}
