//! The alert rules: one source, `deploy/prometheus/alerts.yaml`, and the files that are generated from it.

mod render;
#[cfg(test)]
mod tests;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail, ensure};
use clap::Args;

use self::render::Bases;
use crate::run::report_step;

const DIR: &str = "deploy/prometheus";
const RUNBOOKS: &str = "docs/runbooks";
const DASHBOARDS: &str = "deploy/grafana";
/// A chart can't read files outside of it.
const CHART: &str = "deploy/helm/flow-observer/files/rules.yaml";

#[derive(Args, Debug, Default)]
pub(crate) struct RulesArgs {
    /// Write nothing, and fail when a file differs from what its source gives
    #[arg(long)]
    check: bool,
    /// Address that the runbook's name is appended to [default: `runbooks` in alerts.yaml]
    #[arg(long, value_name = "URL")]
    runbook_base: Option<String>,
    /// Address that the dashboard's name is appended to [default: `dashboards` in alerts.yaml]
    #[arg(long, value_name = "URL")]
    dashboard_base: Option<String>,
    /// Directory for the two files [default: deploy/prometheus, and the chart in deploy/helm]
    #[arg(long, value_name = "DIR")]
    output: Option<PathBuf>,
}

impl RulesArgs {
    /// Returns the arguments that CI uses.
    pub(crate) fn check() -> Self {
        Self { check: true, ..Self::default() }
    }
}

/// Writes the files, or checks them.
///
/// # Errors
/// Fails when the source is wrong, a runbook is missing, a file can't be written, or a checked file is stale.
pub(crate) fn run(root: &Path, args: &RulesArgs) -> Result<()> {
    let bases = Bases { runbooks: args.runbook_base.as_deref(), dashboards: args.dashboard_base.as_deref() };
    let rendered = render::render(&read(&root.join(DIR).join("alerts.yaml"))?, bases)?;
    for page in &rendered.runbooks {
        let path = root.join(RUNBOOKS).join(format!("{page}.md"));
        ensure!(path.is_file(), "there is no runbook {}", path.display());
    }
    for page in &rendered.dashboards {
        let name = page.split_once('?').map_or(page.as_str(), |(name, _)| name);
        let path = root.join(DASHBOARDS).join(format!("{name}.json"));
        ensure!(path.is_file(), "there is no dashboard {}", path.display());
    }
    let output = args.output.clone().unwrap_or_else(|| root.join(DIR));
    let chart = args.output.is_none().then(|| (root.join(CHART), &rendered.plain));
    let both = [("rules.yaml", &rendered.object), ("rules.plain.yaml", &rendered.plain)];
    for (path, text) in both.map(|(name, text)| (output.join(name), text)).into_iter().chain(chart) {
        if fs::read_to_string(&path).is_ok_and(|old| old == *text) {
            continue;
        }
        if args.check {
            bail!("{} is stale: run `cargo xtask rules`", path.display());
        }
        report_step(&format!("writing {}", path.display()));
        fs::write(&path, text).with_context(|| path.display().to_string())?;
    }
    Ok(())
}

fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).with_context(|| path.display().to_string())
}
