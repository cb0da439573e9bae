//! `flow-observer explain`: may this reach that, and which policies say so.

mod agent;
mod batch;
#[cfg(test)]
mod tests;
mod text;

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anstream::{AutoStream, ColorChoice};
use anyhow::{Context as _, bail};
use clap::Args;
use flow_model::decision::Decision;
use flow_objects::{self, Loaded};
use flow_policy::query::{Explainer, Query, Reply};
use serde_json::Value;

use self::agent::Agent;
use crate::commands::EXIT_USAGE;
use crate::commands::config::ClusterSource;
use crate::commands::reach::{self, ReachArgs};
use crate::commands::tail::{Color, Output, is_broken_pipe};
use crate::kube::{api, server};

const AFTER: &str = "\
Examples:
  flow-observer explain web/front-5d-x1 data/valkey:6379
  flow-observer explain --all-nodes web/front-5d-x1 data/valkey:6379
  flow-observer explain --cluster dir:cluster.yaml 10.42.0.9 data/db-0:pg/TCP
  flow-observer explain --queries questions.ndjson > answers.ndjson

Questions are one JSON object a line; a side may also be an {\"ip\"} or a {\"ns\",\"service\"}:
  {\"id\":1,\"src\":{\"ns\":\"web\",\"pod\":\"a\"},\"dst\":{\"ns\":\"data\",\"pod\":\"db\"},\"port\":5432}
What can't be answered is \"unknown\", with an \"error\", and doesn't stop the others.

Exit codes:
  0  allowed, or not known: the answer says why, and `decision` of -o json tells which
  1  denied; of --queries at least one
  2  a side does not exist, the question isn't one, or nobody could be asked";

/// Say whether the policies allow a connection, and why.
#[derive(Args, Clone, Debug)]
#[command(after_help = AFTER)]
pub struct ExplainArgs {
    // No environment twin: the agent's own would keep `explain` in its pod from asking the agent.
    /// Judge by the objects of a directory or file, `dir:PATH`, or of the API server, `kube`, instead of asking an agent
    #[arg(long, value_name = "SOURCE")]
    cluster: Option<ClusterSource>,
    /// Answer the questions of FILE (`-` for standard input), one JSON object a line, in their order
    #[arg(long, value_name = "FILE", conflicts_with_all = ["from", "to", "output"])]
    queries: Option<PathBuf>,
    /// `json` prints the answer as the API gives it
    #[arg(short, long, value_enum, default_value_t)]
    output: Output,
    /// Colour the text: auto does on a terminal, unless NO_COLOR is set
    #[arg(long, value_enum, default_value_t, value_name = "WHEN")]
    color: Color,
    #[command(flatten)]
    pub(super) reach: ReachArgs,
    /// Who connects: NS/POD, NS/WORKLOAD, NS/SERVICE (a pod behind it) or an IP address
    #[arg(required_unless_present = "queries")]
    from: Option<String>,
    /// Where to: NS/POD, NS/SERVICE, NS/WORKLOAD or an IP address; the port is a number or a name, and may be left out where
    /// there is only one. IPv6 with a port stands in brackets
    #[arg(required_unless_present = "queries", value_name = "TO[:PORT][/PROTO]")]
    to: Option<String>,
}

/// The API server's objects are read in this time, or not at all.
const API: Duration = Duration::from_secs(60);

/// Who answers.
enum Source {
    Directory(Box<Explainer>),
    Agent(Agent),
}

/// Answers one question, or a file of them.
///
/// # Errors
/// When the question can't be understood or names what isn't there, or when nobody can be asked.
pub async fn run(args: ExplainArgs) -> anyhow::Result<ExitCode> {
    let stdout = io::stdout();
    let colour = match args.color {
        Color::Auto => AutoStream::choice(&stdout) != ColorChoice::Never,
        Color::Always => true,
        Color::Never => false,
    };
    match explain(&args, BufWriter::new(stdout), colour, io::stderr()).await {
        Err(error) if is_broken_pipe(&error) => Ok(ExitCode::SUCCESS),
        result => result.map(ExitCode::from),
    }
}

/// The command with its outputs as parameters.
async fn explain(
    args: &ExplainArgs,
    mut out: impl Write,
    colour: bool,
    notes: impl Write,
) -> anyhow::Result<u8> {
    let source = Source::open(args, notes).await?;
    match (&args.queries, &args.from, &args.to) {
        (Some(path), _, _) => {
            let denied = batch::run(&source, input(path)?, &mut out).await?;
            Ok(denied.into())
        }
        (None, Some(from), Some(to)) => one(&source, (from, to), args.output, colour, &mut out).await,
        (None, _, _) => bail!("FROM and TO are needed, or --queries FILE"),
    }
}

async fn one(
    source: &Source,
    (from, to): (&str, &str),
    format: Output,
    colour: bool,
    out: &mut impl Write,
) -> anyhow::Result<u8> {
    let query = Query::parse(from, to)?;
    let answer = match source {
        Source::Directory(explainer) => Reply::new(Value::Null, explainer.answer(&query)),
        Source::Agent(agent) => agent.ask_one(from, to).await?,
    };
    match (format, &answer.error) {
        (Output::Json, _) => writeln!(out, "{}", serde_json::to_string(&answer)?)?,
        (Output::Text, Some(error)) => bail!("{}", crate::commands::tail::printable(error)),
        (Output::Text, None) => write!(out, "{}", text::Text { answer: &answer, colour })?,
    }
    out.flush()?;
    Ok(match (answer.error, answer.decision) {
        (Some(_), _) => EXIT_USAGE,
        (None, Decision::Deny) => 1,
        (None, Decision::Allow | Decision::Unknown) => 0,
    })
}

impl Source {
    async fn open(args: &ExplainArgs, notes: impl Write) -> anyhow::Result<Self> {
        match &args.cluster {
            // All know the same cluster: one answer will do.
            None if args.reach.all_nodes => {
                Ok(Self::Agent(Agent::new(reach::ask::any(&args.reach.fleet().await?).await?)))
            }
            None => Ok(Self::Agent(Agent::new(args.reach.target()?))),
            Some(ClusterSource::Dir(path)) => {
                let loaded = flow_objects::directory::load(path)
                    .with_context(|| format!("--cluster dir:{}", path.display()))?;
                Ok(Self::Directory(Box::new(explainer(loaded, notes)?)))
            }
            Some(ClusterSource::Kube) => {
                let client = api::client(args.reach.kubeconfig.as_deref()).await.context("--cluster kube")?;
                Ok(Self::Directory(Box::new(explainer(server::load(&client, API).await?, notes)?)))
            }
            Some(ClusterSource::None) => bail!("with --cluster none there is nothing to judge by"),
        }
    }
}

/// What can't be read is told: an answer may rest on it.
fn explainer(loaded: Loaded, mut notes: impl Write) -> anyhow::Result<Explainer> {
    for problem in &loaded.problems {
        writeln!(notes, "warning: {}", crate::commands::tail::printable(&problem.to_string()))?;
    }
    Ok(Explainer::new(loaded.inventory))
}

fn input(path: &Path) -> anyhow::Result<BufReader<Box<dyn Read>>> {
    let input: Box<dyn Read> = if path == Path::new("-") {
        Box::new(io::stdin())
    } else {
        Box::new(File::open(path).with_context(|| format!("{} can't be read", path.display()))?)
    };
    Ok(BufReader::with_capacity(64 << 10, input))
}
