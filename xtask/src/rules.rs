//! The alert rules: one source, `deploy/prometheus/alerts.yaml`, and two files made from it.

mod render;
#[cfg(test)]
mod tests;

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, bail};
use clap::Args;

use crate::run::say;

const DIR: &str = "deploy/prometheus";
const RUNBOOKS: &str = "docs/runbooks";

#[derive(Args, Debug, Default)]
pub(crate) struct RulesArgs {
    /// Write nothing; fail if a file is not what the source says
    #[arg(long)]
    check: bool,
}

impl RulesArgs {
    /// What CI does.
    pub(crate) fn check() -> Self {
        Self { check: true }
    }
}

/// Writes both files, or checks them.
pub(crate) fn run(root: &Path, args: &RulesArgs) -> Result<()> {
    let rendered = render::render(&read(&root.join(DIR).join("alerts.yaml"))?)?;
    for page in &rendered.runbooks {
        let path = root.join(RUNBOOKS).join(format!("{page}.md"));
        path.is_file().then_some(()).with_context(|| format!("no runbook {}", path.display()))?;
    }
    for (name, text) in [("rules.yaml", &rendered.object), ("rules.plain.yaml", &rendered.plain)] {
        let path = root.join(DIR).join(name);
        if fs::read_to_string(&path).is_ok_and(|old| old == *text) {
            continue;
        }
        if args.check {
            bail!("{} is stale: run `cargo xtask rules`", path.display());
        }
        say(&format!("writing {DIR}/{name}"));
        fs::write(&path, text).with_context(|| path.display().to_string())?;
    }
    Ok(())
}

fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).with_context(|| path.display().to_string())
}
