//! `flow-observer vips`: the load-balancer addresses as one node or all nodes see them.

use std::io::Write;
use std::process::ExitCode;

use clap::Args;
use flow_model::vip::Vip;
use serde::Deserialize;

use crate::client::fleet::AgentArgs;
use crate::client::joined_vips::{self, Seen};
use crate::client::print::vip_table::VipTable;
use crate::client::print::{Format, Notes, PrintArgs, Printer, unless_closed};
use crate::commands::joined;

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

async fn print(args: &VipsArgs, mut out: Printer<impl Write>, notes: impl Write) -> anyhow::Result<ExitCode> {
    let by_node = |(node, response): (Option<_>, Response)| {
        response.vips.into_iter().map(move |vip| (node.clone(), vip))
    };
    let join = |answers: Vec<_>| joined_vips::join(answers.into_iter().flat_map(by_node));
    let print = |seen: &[Seen]| {
        match out.format {
            Format::Json => seen.iter().try_for_each(|seen| out.json(seen))?,
            Format::Text => write!(out.out, "{}", VipTable { seen, look: &out.look })?,
        }
        out.flush()
    };
    joined::print((&args.agents, "/api/v1/vips"), join, print, "No load-balancer addresses are known.", notes)
        .await
}
