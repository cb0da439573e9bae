//! `flow-observer doctor`: whether the agent can run with this kernel and these permissions, and what the one that runs
//! can't see.

mod live;
pub(super) mod nodes;

use std::io::{self, Write};
use std::process::ExitCode;

use anstyle::{AnsiColor, Style};
use anyhow::Context as _;
use arcstr::ArcStr;
use clap::{Args, ValueEnum};
use serde::Serialize;

use crate::client::print::{PrintArgs, plural, printable};
use crate::commands::exit::EXIT_USAGE;
use crate::probes::host::{self, Check, Status};

/// Holds the options of `doctor`.
#[derive(Args, Clone, Debug)]
pub struct DoctorArgs {
    #[command(flatten)]
    print: PrintArgs<Format>,
    #[command(flatten)]
    pub(super) live: live::LiveArgs,
}

/// The formats of the report.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// Text for people
    #[default]
    Text,
    /// One JSON object
    Json,
}

#[derive(Serialize)]
struct Report<'a> {
    ok: bool,
    checks: &'a [Line],
}

/// A check, and the node that it is about if all are asked.
#[derive(Debug, Serialize)]
pub(super) struct Line {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) node: Option<ArcStr>,
    #[serde(flatten)]
    pub(super) check: Check,
}

/// Prints the checks. Ends with success when the agent can run, else with 2. It also ends with 2 when an agent that was named
/// by `--url`, or one of `--all-nodes`, could not be asked.
///
/// # Errors
/// Fails when no agent of `--all-nodes` is found, or the output can't be written.
pub async fn run(args: DoctorArgs) -> anyhow::Result<ExitCode> {
    let checks = match args.live.fleet.all_nodes {
        true => nodes::checks(&args.live.fleet).await?,
        false => {
            let mut checks = host::checks();
            checks.extend(args.live.checks().await);
            checks.into_iter().map(|check| Line { node: None, check }).collect()
        }
    };
    let ok = checks.iter().all(|line| line.check.status != Status::Fail);
    let mut out = args.print.stream();
    let written = match args.print.output {
        Format::Text => print_text(&mut out, &checks),
        Format::Json => print_json(&mut out, &Report { ok, checks: &checks }),
    };
    match written {
        // The reader of stdout went away, as in `doctor | head`.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {}
        other => other.context("the report can't be written")?,
    }
    Ok(if ok { ExitCode::SUCCESS } else { ExitCode::from(EXIT_USAGE) })
}

fn print_json(out: &mut impl Write, report: &Report<'_>) -> io::Result<()> {
    serde_json::to_writer_pretty(&mut *out, report)?;
    writeln!(out)
}

fn print_text(out: &mut impl Write, checks: &[Line]) -> io::Result<()> {
    let width = checks.iter().map(|line| line.check.name.len()).max().unwrap_or(0);
    for Line { node, check } in checks {
        let (word, style) = status(check.status);
        let node = node.iter().map(|node| format!("{}: ", printable(node))).collect::<String>();
        writeln!(out, "{style}{word:<4}{style:#}  {:<width$}  {node}{}", check.name, check.found)?;
        if let Some(advice) = check.advice {
            writeln!(out, "      {:<width$}  -> {advice}", "")?;
        }
    }
    writeln!(out, "\n{}", summary(checks))
}

fn status(status: Status) -> (&'static str, Style) {
    match status {
        Status::Ok => ("ok", AnsiColor::Green.on_default()),
        Status::Warn => ("warn", AnsiColor::Yellow.on_default()),
        Status::Fail => ("fail", AnsiColor::Red.on_default().bold()),
    }
}

fn summary(checks: &[Line]) -> String {
    let count = |status| checks.iter().filter(|line| line.check.status == status).count();
    if checks.iter().any(|line| line.node.is_some()) {
        return nodes::summary(count(Status::Fail), count(Status::Warn));
    }
    let unasked = |line: &Line| line.check.status == Status::Fail && line.check.name == live::AGENT;
    match (count(Status::Fail), count(Status::Warn)) {
        (0, 0) => "Everything works.".to_owned(),
        (1, _) if checks.iter().any(unasked) => {
            "An agent can run here, but the one that was named could not be asked.".to_owned()
        }
        (0, warnings) => format!("The agent can run; {}.", plural(warnings, "warning")),
        (failures, _) => format!("The agent can't run: {}.", plural(failures, "failure")),
    }
}

#[cfg(test)]
mod tests;
