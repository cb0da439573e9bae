//! `flow-observer tail`: the flow records of agents as they happen.

mod summary;
#[cfg(test)]
mod tests;

use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use flow_model::flow::Outcome;
use flow_model::record::Kind;
use jiff::Timestamp;

use crate::client::fleet::AgentArgs;
use crate::client::follow::{Follower, Selection};
use crate::client::nodes;
use crate::client::print::record_lines::{RecordPrinter, RecordSink};
use crate::client::print::{Notes, PrintArgs, unless_closed};
use crate::commands::filters::{self, FilterArgs};
use crate::commands::names::{joined, names, names_without};
use crate::commands::stop::Stop;
use crate::duration;
use crate::filter::Subject;
use crate::sink::tail::PodName;

/// The kind of record that is printed as a note on stderr, whatever kinds are asked for.
const MEMORY: &str = "memory";

/// Holds the options of `tail`.
#[derive(Args, Clone, Debug)]
#[command(after_help = filters::OF_RECORDS)]
pub struct TailArgs {
    /// Only flows with a side in this namespace
    #[arg(long, short, value_name = "NS")]
    pub namespace: Option<String>,
    /// Only flows from or to this pod
    #[arg(long, value_name = "NS/NAME")]
    pub pod: Option<PodName>,
    /// Only records of these kinds
    #[arg(long, value_name = "KIND", value_delimiter = ',', value_parser = names_without::<Kind>(&[MEMORY]))]
    pub kind: Vec<Kind>,
    /// Only attempts with these outcomes
    #[arg(long, value_name = "OUTCOME", value_delimiter = ',', value_parser = names::<Outcome>())]
    pub outcome: Vec<Outcome>,
    /// Begin with the records of the last 5m, for example, or since a time like 2026-11-21T02:53:08Z. Where an agent does not
    /// remember all of them, standard error says since when it has records of which kind
    #[arg(long, value_parser = parse_since)]
    pub since: Option<String>,
    /// Stop after the records that agents have already
    #[arg(long)]
    pub no_follow: bool,
    /// Print the pairs with the most attempts in each 10s, for example, instead of records; with -o json, one object for
    /// each interval. An attempt that the nodes of both sides see counts once
    #[arg(long, value_name = "INTERVAL", value_parser = parse_interval)]
    pub summary: Option<Duration>,
    #[command(flatten)]
    pub print: PrintArgs,
    #[command(flatten)]
    pub filters: FilterArgs,
    #[command(flatten)]
    pub agents: AgentArgs,
}

/// Prints records until the replay ends (`--no-follow`) or the reader of stdout goes away.
///
/// # Errors
/// Fails when no agent can be read, or stdout can't be written.
pub async fn run(args: TailArgs) -> anyhow::Result<ExitCode> {
    let printer = args.print.printer();
    let result = match args.summary {
        Some(every) => summary::summarise(&args, every, printer, Notes, Stop::listen()?.received()).await,
        None => tail(&args, RecordPrinter::new(printer), Notes).await,
    };
    unless_closed(result).map(|()| ExitCode::SUCCESS)
}

/// The command with its outputs as parameters. `notes` receives lost and restored connections.
pub(super) async fn tail(
    args: &TailArgs,
    out: RecordPrinter<impl Write>,
    notes: impl Write + Clone + Send + Sync + 'static,
) -> anyhow::Result<()> {
    let out = if args.agents.fleet.all_nodes { out.with_nodes() } else { out };
    follow(args, out, notes).await
}

/// Gives the records of one agent, or of all, to `out`.
async fn follow(
    args: &TailArgs,
    out: impl RecordSink,
    notes: impl Write + Clone + Send + Sync + 'static,
) -> anyhow::Result<()> {
    let selection = args.selection()?;
    if args.agents.fleet.all_nodes {
        return nodes::run(&args.agents.fleet.connect().await?, &selection, out, notes).await;
    }
    one_agent(args, selection, out, notes).await
}

async fn one_agent(
    args: &TailArgs,
    selection: Selection,
    mut out: impl RecordSink,
    notes: impl Write,
) -> anyhow::Result<()> {
    let mut follower = Follower::new(args.agents.one()?, selection, notes);
    while let Some(line) = follower.next().await? {
        let time = out.line(&line)?;
        follower.printed(time);
        if !follower.has_more() {
            out.flush()?;
        }
    }
    Ok(out.flush()?)
}

impl TailArgs {
    fn selection(&self) -> anyhow::Result<Selection> {
        let own = [
            ("namespace", self.namespace.clone()),
            ("pod", self.pod.as_ref().map(ToString::to_string)),
            ("kind", joined(self.kind.iter().map(|kind| kind.as_str()))),
            ("outcome", joined(self.outcome.iter().map(|outcome| outcome.as_str()))),
        ];
        let own = own.into_iter().filter_map(|(name, value)| Some((name, value?)));
        Ok(Selection {
            filters: own.chain(self.filters.parameters(Subject::Record)?).collect(),
            since: self.since.clone(),
            follow: !self.no_follow,
        })
    }
}

/// Returns an interval of a second up to a day.
fn parse_interval(text: &str) -> Result<Duration, String> {
    let interval = Duration::try_from(duration::parse(text)?).map_err(|error| error.to_string())?;
    let bounds = Duration::from_secs(1)..=Duration::from_secs(86_400);
    if bounds.contains(&interval) { Ok(interval) } else { Err("it is not within 1s and 1d".to_owned()) }
}

/// Checks the value for a quick error, but returns it as written: the agent's clock counts.
fn parse_since(since: &str) -> Result<String, String> {
    if duration::parse(since).is_ok() || since.parse::<Timestamp>().is_ok() {
        return Ok(since.to_owned());
    }
    Err("neither a duration like 5m nor a time like 2026-11-21T02:53:08Z".to_owned())
}
