//! `flow-observer vips`: the load-balancer addresses as one node or all nodes see them.

use std::io::Write;
use std::process::ExitCode;

use clap::Args;
use flow_model::vip::Vip;
use serde::Deserialize;

use crate::client::fleet::AgentArgs;
use crate::client::print::vip_table::VipTable;
use crate::client::print::{Format, Notes, PrintArgs, Printer, unless_closed};
use crate::client::{ask, joined_vips};
use crate::commands::exit::asked;

/// Holds the options of `vips`.
#[derive(Args, Clone, Debug)]
pub struct VipsArgs {
    #[command(flatten)]
    print: PrintArgs,
    #[command(flatten)]
    pub(super) agents: AgentArgs,
}

/// The response of `/api/v1/vips`.
#[derive(Debug, Deserialize)]
struct Response {
    vips: Vec<Vip>,
}

/// Prints the VIPs. Nodes that see the same claimant share a row.
///
/// # Errors
/// Fails when no agent can be asked, or stdout can't be written.
pub async fn run(args: VipsArgs) -> anyhow::Result<ExitCode> {
    unless_closed(print(&args, args.print.printer(), Notes).await)
}

async fn print(
    args: &VipsArgs,
    mut out: Printer<impl Write>,
    mut notes: impl Write,
) -> anyhow::Result<ExitCode> {
    let answers = ask::get::<Response>(&args.agents, "/api/v1/vips", &mut notes).await?;
    let incomplete = answers.incomplete;
    let by_node = |(node, response): (Option<_>, Response)| {
        response.vips.into_iter().map(move |vip| (node.clone(), vip))
    };
    let seen = joined_vips::join(answers.answers.into_iter().flat_map(by_node));
    match out.format {
        Format::Json => seen.iter().try_for_each(|seen| out.json(seen))?,
        Format::Text => write!(out.out, "{}", VipTable { seen: &seen, look: &out.look })?,
    }
    out.flush()?;
    if seen.is_empty() {
        writeln!(notes, "No load-balancer addresses are known.")?;
    }
    Ok(asked(incomplete))
}
