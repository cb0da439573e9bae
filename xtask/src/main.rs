//! The repository's own commands.

mod vm;

use std::path::Path;

use anyhow::{Context, Result};
use clap::Parser;

#[derive(Debug, Parser)]
enum Xtask {
    /// Run the tests on other kernels, in QEMU guests
    Vm(vm::VmArgs),
}

fn main() -> Result<()> {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("no workspace")?;
    match Xtask::parse() {
        Xtask::Vm(args) => vm::run(&args, workspace),
    }
}
