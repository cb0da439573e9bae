//! Installs everything that a fresh Debian or Ubuntu machine with git and rustup's stable toolchain lacks.

mod linker;
mod node;
mod packages;
mod services;
mod toolchain;

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};

use crate::run::report_step;

pub(crate) use packages::install;

/// Installs what is missing, after a line with the name and the reason. It is quick and quiet when nothing is missing.
pub(crate) fn ensure(root: &Path, explicit: bool) -> Result<()> {
    let tools = root.join("target/tools");
    fs::create_dir_all(&tools).with_context(|| format!("{} can't be created", tools.display()))?;
    let mut did = packages::ensure()?;
    did |= linker::ensure(root, &tools)?;
    did |= toolchain::ensure(&tools)?;
    did |= node::ensure(&tools)?;
    if explicit && !did {
        report_step("set-up is complete, nothing to do");
    }
    Ok(())
}
