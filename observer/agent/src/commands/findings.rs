//! `flow-observer findings`: what needs action, from one node or all.

mod changes;
mod watch;

use std::io::Write;
use std::process::ExitCode;

use anyhow::bail;
use clap::Args;
use flow_model::finding::{Finding, FindingKind, State};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::client::coverage::Coverage;
use crate::client::fleet::AgentArgs;
use crate::client::print::finding_text::FindingText;
use crate::client::print::{ListFormat, Notes, PrintArgs, Printer, unless_closed};
use crate::client::{joined_findings, query};
use crate::commands::filters::{self, FilterArgs};
use crate::commands::joined::{self, Asked};
use crate::commands::names::{self, names};
use crate::commands::stop::Stop;
use crate::filter::Subject;

/// Holds the options of `findings`.
#[derive(Args, Clone, Debug)]
#[command(after_help = filters::OF_FINDINGS)]
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
    /// Print the findings, and then each change as a line, until Ctrl-C; with -o json, one object for each
    #[arg(long)]
    watch: bool,
    #[command(flatten)]
    print: PrintArgs<ListFormat>,
    #[command(flatten)]
    filters: FilterArgs,
    #[command(flatten)]
    pub(super) agents: AgentArgs,
}

/// The response of `/api/v1/findings`.
#[derive(Debug, Deserialize)]
struct Response {
    findings: Vec<Finding>,
}

/// The output of `-o document`.
#[derive(Serialize)]
struct Document<'a> {
    nodes: &'a Coverage,
    findings: &'a [Finding],
}

/// Prints the findings. A finding that several nodes report is printed once.
///
/// # Errors
/// Fails when no agent can be asked, or stdout can't be written.
pub async fn run(args: FindingsArgs) -> anyhow::Result<ExitCode> {
    let printer = args.print.printer();
    if !args.watch {
        return unless_closed(print(&args, printer, Notes).await);
    }
    if args.print.output == ListFormat::Document {
        bail!("-o document is one answer, and --watch has no end: use -o json");
    }
    let watched = watch::watch(&args, printer, Notes, Stop::listen()?.received()).await;
    unless_closed(watched).map(|()| ExitCode::SUCCESS)
}

/// The command with its outputs as parameters.
pub(super) async fn print(
    args: &FindingsArgs,
    mut out: Printer<impl Write>,
    mut notes: impl Write,
) -> anyhow::Result<ExitCode> {
    let (mut findings, asked) = joined_of(args, &mut notes).await?;
    findings.retain(|finding| args.state.is_none_or(|state| finding.state == state));
    match args.print.output {
        ListFormat::Document => out.json(&Document { nodes: &asked.coverage, findings: &findings })?,
        ListFormat::Text | ListFormat::Json => findings
            .iter()
            .try_for_each(|finding| out.print(finding, |look| FindingText { finding, look }.to_string()))?,
    }
    out.flush()?;
    if findings.is_empty() {
        writeln!(notes, "No findings.")?;
    }
    if args.state != Some(State::Active) {
        asked.coverage.note_memory(&out.look, Timestamp::now(), &mut notes)?;
    }
    Ok(asked.exit_code())
}

/// Asks the agents, and joins what they report.
async fn joined_of(
    args: &FindingsArgs,
    notes: &mut impl Write,
) -> anyhow::Result<(Vec<Finding>, Asked<Response>)> {
    let mut asked = joined::ask::<Response>(&args.agents, &args.path()?, notes).await?;
    let answers = std::mem::take(&mut asked.answers).into_iter();
    Ok((joined_findings::join(answers.flat_map(|(_, response)| response.findings)), asked))
}

impl FindingsArgs {
    /// Returns what agents are asked. They are not asked for one state: what has ended on one node may go on elsewhere.
    fn path(&self) -> anyhow::Result<String> {
        let own = [
            ("kind", names::joined(self.kind.iter().map(|kind| kind.as_str()))),
            ("namespace", self.namespace.clone()),
        ];
        let filters = self.filters.parameters(Subject::Finding)?.into_iter();
        let filters = filters.map(|(name, value)| (name, Some(value)));
        Ok(query::path("/api/v1/findings", own.into_iter().chain(filters)))
    }
}
