//! `flow-observer vips`: the load-balancer addresses as one node or all nodes see them.

use std::io::Write;
use std::process::ExitCode;

use arcstr::ArcStr;
use clap::Args;
use flow_model::vip::KnownVip;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::client::coverage::Coverage;
use crate::client::fleet::AgentArgs;
use crate::client::joined_vips::{self, Seen};
use crate::client::print::vip_table::VipTable;
use crate::client::print::{ListFormat, Notes, PrintArgs, Printer, unless_closed};
use crate::commands::joined;

/// Holds the options of `vips`.
#[derive(Args, Clone, Debug)]
pub struct VipsArgs {
    #[command(flatten)]
    print: PrintArgs<ListFormat>,
    #[command(flatten)]
    pub(super) agents: AgentArgs,
}

/// The response of `/api/v1/vips`.
#[derive(Debug, Deserialize)]
struct Response {
    vips: Vec<KnownVip>,
}

/// The output of `-o document`.
#[derive(Serialize)]
struct Document<'a> {
    nodes: &'a Coverage,
    vips: &'a [Seen],
}

/// Prints the VIPs. Nodes that see the same claimant share a row.
///
/// # Errors
/// Fails when no agent can be asked, or stdout can't be written.
pub async fn run(args: VipsArgs) -> anyhow::Result<ExitCode> {
    unless_closed(print(&args, args.print.printer(), Notes).await)
}

/// The command with its outputs as parameters.
pub(super) async fn print(
    args: &VipsArgs,
    mut out: Printer<impl Write>,
    mut notes: impl Write,
) -> anyhow::Result<ExitCode> {
    let mut asked = joined::ask::<Response>(&args.agents, "/api/v1/vips", &mut notes).await?;
    let by_node = |(node, response): (Option<ArcStr>, Response)| {
        response.vips.into_iter().map(move |vip| (node.clone(), vip))
    };
    let vips = joined_vips::join(std::mem::take(&mut asked.answers).into_iter().flat_map(by_node));
    match args.print.output {
        ListFormat::Document => out.json(&Document { nodes: &asked.coverage, vips: &vips })?,
        ListFormat::Json => vips.iter().try_for_each(|seen| out.json(seen))?,
        ListFormat::Text => {
            let (now, heard_from) = (Timestamp::now(), asked.coverage.first_start());
            write!(out.out, "{}", VipTable { seen: &vips, look: &out.look, now, heard_from })?;
        }
    }
    out.flush()?;
    if vips.is_empty() {
        writeln!(notes, "No load-balancer addresses are known.")?;
    }
    Ok(asked.exit_code())
}
