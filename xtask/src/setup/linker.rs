//! Builds `bpf-linker` into `target/tools`.

use std::path::Path;

use anyhow::Result;

use crate::progress::Progress;
use crate::run::cargo;

/// The version. It loads the LLVM of the toolchain that compiles, which must be LLVM 22.
const VERSION: &str = "0.10.3";

pub(super) fn is_missing(tools: &Path) -> bool {
    !tools.join("bin/bpf-linker").exists()
}

pub(super) fn announcement(tools: &Path) -> String {
    format!(
        "building bpf-linker {VERSION} into {}: links the eBPF object (half a minute of both processors)",
        tools.display()
    )
}

/// Builds and installs it. It spends its time inside LLVM, so optimising it takes longer than it saves.
pub(super) fn install(progress: &Progress, root: &Path, tools: &Path) -> Result<()> {
    let mut install = cargo(root, &["install", "bpf-linker", "--version", VERSION, "--locked"]);
    install.args(["--bin", "bpf-linker", "--root"]).arg(tools);
    install.env("CARGO_PROFILE_RELEASE_OPT_LEVEL", "0").env("CARGO_PROFILE_RELEASE_DEBUG", "false");
    // Wrappers and flags of the workspace must not apply here, and build files must not stay.
    install.env_remove("RUSTFLAGS").env_remove("CARGO_TARGET_DIR");
    progress.run("bpf-linker", &mut install)
}
