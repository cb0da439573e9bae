//! `flow-observer findings`: what to act on, from one node or all.

mod join;
mod text;

use std::io::{self, BufWriter, Write};
use std::process::ExitCode;

use anstream::{AutoStream, ColorChoice};
use clap::Args;
use flow_model::finding::{Finding, FindingKind, State};
use jiff::tz::TimeZone;
use serde::Deserialize;

use crate::commands::EXIT_USAGE;
use crate::commands::reach::tail::Notes;
use crate::commands::reach::{ReachArgs, ask};
use crate::commands::tail::client::query;
use crate::commands::tail::{Color, Output, is_broken_pipe};

/// Print what to act on: who can't reach whom, which VIP flaps, and why.
#[derive(Args, Clone, Debug)]
pub struct FindingsArgs {
    /// Only those of this state: active, resolved.
    #[arg(long, value_name = "STATE")]
    state: Option<State>,
    /// Only those of these kinds: policy_denied, service_refused, unanswered, enforcement_mismatch, latent_denial, vip_flap,
    /// vip_conflict, rst_burst.
    #[arg(long, value_name = "K", value_delimiter = ',')]
    kind: Vec<FindingKind>,
    /// Only those with a side in this namespace.
    #[arg(long, short, value_name = "NS")]
    namespace: Option<String>,
    /// `json` prints one finding a line, as the API gives it.
    #[arg(long, short, value_enum, default_value_t)]
    output: Output,
    /// Colour the text: auto does on a terminal, unless NO_COLOR is set.
    #[arg(long, value_enum, default_value_t, value_name = "WHEN")]
    color: Color,
    #[command(flatten)]
    pub(super) reach: ReachArgs,
}

/// What `/api/v1/findings` answers.
#[derive(Debug, Deserialize)]
struct Answer {
    findings: Vec<Finding>,
}

/// Prints the findings. Those that several nodes tell are told once.
///
/// # Errors
/// When no agent can be asked, or stdout can't be written.
pub async fn run(args: FindingsArgs) -> anyhow::Result<ExitCode> {
    let stdout = io::stdout();
    let colour = args.color.wanted(AutoStream::choice(&stdout) != ColorChoice::Never);
    match findings(&args, BufWriter::new(stdout), colour, Notes).await {
        Err(error) if is_broken_pipe(&error) => Ok(ExitCode::SUCCESS),
        result => result.map(ExitCode::from),
    }
}

/// The command with its outputs as parameters; returns the exit code.
pub(super) async fn findings(
    args: &FindingsArgs,
    mut out: impl Write,
    colour: bool,
    mut notes: impl Write,
) -> anyhow::Result<u8> {
    let asked = ask::get::<Answer>(&args.reach, &path(args), &mut notes).await?;
    let findings = join::join(asked.answers.into_iter().flat_map(|(_, answer)| answer.findings));
    for finding in &findings {
        match args.output {
            Output::Json => writeln!(out, "{}", serde_json::to_string(finding)?)?,
            Output::Text => write!(out, "{}", text::Text { finding, zone: &TimeZone::system(), colour })?,
        }
    }
    out.flush()?;
    if findings.is_empty() {
        writeln!(notes, "No findings.")?;
    }
    Ok(if asked.incomplete { EXIT_USAGE } else { 0 })
}

fn path(args: &FindingsArgs) -> String {
    let kinds: Vec<_> = args.kind.iter().map(|kind| kind.as_str()).collect();
    let parameters = [
        ("state", args.state.map(|state| state.as_str().to_owned())),
        ("kind", (!kinds.is_empty()).then(|| kinds.join(","))),
        ("namespace", args.namespace.clone()),
    ];
    let parameters: Vec<_> =
        parameters.into_iter().filter_map(|(name, value)| Some((name, value?))).collect();
    format!("/api/v1/findings?{}", query(&parameters))
}
