//! `flow-observer vips`: the load-balancer addresses, as one node sees them or all do.

mod join;
mod text;

use std::io::{self, BufWriter, Write};
use std::process::ExitCode;

use anstream::{AutoStream, ColorChoice};
use clap::Args;
use flow_model::vip::Vip;
use jiff::tz::TimeZone;
use serde::Deserialize;

use crate::commands::EXIT_USAGE;
use crate::commands::reach::tail::Notes;
use crate::commands::reach::{ReachArgs, ask};
use crate::commands::tail::{Color, Output, is_broken_pipe};

/// Print the load-balancer addresses: who announces each, and what the API says.
#[derive(Args, Clone, Debug)]
pub struct VipsArgs {
    /// `json` prints one address a line, as the API gives it.
    #[arg(long, short, value_enum, default_value_t)]
    output: Output,
    /// Colour the text: auto does on a terminal, unless NO_COLOR is set.
    #[arg(long, value_enum, default_value_t, value_name = "WHEN")]
    color: Color,
    #[command(flatten)]
    pub(super) reach: ReachArgs,
}

/// What `/api/v1/vips` answers.
#[derive(Debug, Deserialize)]
struct Answer {
    vips: Vec<Vip>,
}

/// Prints the VIPs. Nodes that see the same claimant are told together.
///
/// # Errors
/// When no agent can be asked, or stdout can't be written.
pub async fn run(args: VipsArgs) -> anyhow::Result<ExitCode> {
    let stdout = io::stdout();
    let colour = args.color.wanted(AutoStream::choice(&stdout) != ColorChoice::Never);
    match vips(&args, BufWriter::new(stdout), colour, Notes).await {
        Err(error) if is_broken_pipe(&error) => Ok(ExitCode::SUCCESS),
        result => result.map(ExitCode::from),
    }
}

async fn vips(
    args: &VipsArgs,
    mut out: impl Write,
    colour: bool,
    mut notes: impl Write,
) -> anyhow::Result<u8> {
    let asked = ask::get::<Answer>(&args.reach, "/api/v1/vips", &mut notes).await?;
    let told = asked
        .answers
        .into_iter()
        .flat_map(|(node, answer)| answer.vips.into_iter().map(move |vip| (node.clone(), vip)));
    let seen = join::join(told);
    match args.output {
        Output::Json => {
            for seen in &seen {
                writeln!(out, "{}", serde_json::to_string(seen)?)?;
            }
        }
        Output::Text => write!(out, "{}", text::Table { seen: &seen, zone: &TimeZone::system(), colour })?,
    }
    out.flush()?;
    if seen.is_empty() {
        writeln!(notes, "No load-balancer addresses are known.")?;
    }
    Ok(if asked.incomplete { EXIT_USAGE } else { 0 })
}
