//! `flow-observer findings`: what needs action, from one node or all.

use std::io::Write;
use std::process::ExitCode;

use clap::Args;
use flow_model::finding::{Finding, FindingKind, State};
use serde::Deserialize;

use crate::client::fleet::AgentArgs;
use crate::client::print::finding_text::FindingText;
use crate::client::print::{Notes, PrintArgs, Printer, unless_closed};
use crate::client::{joined_findings, query};
use crate::commands::joined;
use crate::commands::names::{self, names};

/// Holds the options of `findings`.
#[derive(Args, Clone, Debug)]
pub struct FindingsArgs {
    /// Only findings in this state
    #[arg(long, value_name = "STATE", value_parser = names::<State>())]
    state: Option<State>,
    /// Only findings of these kinds
    #[arg(long, value_name = "KIND", value_delimiter = ',', value_parser = names::<FindingKind>())]
    kind: Vec<FindingKind>,
    /// Only findings with a side in this namespace
    #[arg(long, short, value_name = "NS")]
    namespace: Option<String>,
    #[command(flatten)]
    print: PrintArgs,
    #[command(flatten)]
    pub(super) agents: AgentArgs,
}

/// The response of `/api/v1/findings`.
#[derive(Debug, Deserialize)]
struct Response {
    findings: Vec<Finding>,
}

/// Prints the findings. A finding that several nodes report is printed once.
///
/// # Errors
/// Fails when no agent can be asked, or stdout can't be written.
pub async fn run(args: FindingsArgs) -> anyhow::Result<ExitCode> {
    unless_closed(print(&args, args.print.printer(), Notes).await)
}

/// The command with its outputs as parameters.
pub(super) async fn print(
    args: &FindingsArgs,
    mut out: Printer<impl Write>,
    notes: impl Write,
) -> anyhow::Result<ExitCode> {
    let join = |answers: Vec<(_, Response)>| {
        let mut joined =
            joined_findings::join(answers.into_iter().flat_map(|(_, response)| response.findings));
        joined.retain(|finding| args.state.is_none_or(|state| finding.state == state));
        joined
    };
    let print = |findings: &[Finding]| {
        let mut each = findings.iter();
        each.try_for_each(|finding| out.print(finding, |look| FindingText { finding, look }.to_string()))?;
        out.flush()
    };
    joined::print((&args.agents, &args.path()), join, print, "No findings.", notes).await
}

impl FindingsArgs {
    /// Returns what agents are asked. They are not asked for one state: what has ended on one node may go on elsewhere.
    fn path(&self) -> String {
        let parameters = [
            ("kind", names::joined(self.kind.iter().map(|kind| kind.as_str()))),
            ("namespace", self.namespace.clone()),
        ];
        query::path("/api/v1/findings", parameters)
    }
}
