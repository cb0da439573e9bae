//! `flow-observer explain`: whether a connection is allowed, and which policies decide that.

mod batch;
#[cfg(test)]
mod tests;

use std::fs::File;
use std::io::{self, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, bail};
use clap::Args;
use flow_model::decision::Decision;
use flow_objects::{self, Loaded};
use flow_policy::query::{Explainer, Query, Reply};
use serde_json::Value;

use crate::client::ask;
use crate::client::fleet::AgentArgs;
use crate::client::print::answer_text::AnswerText;
use crate::client::print::{Format, Notes, PrintArgs, Printer, plural, printable, unless_closed};
use crate::client::questions::Agent;
use crate::commands::exit::EXIT_USAGE;
use crate::commands::snapshot;
use crate::config::{ClusterSource, EnforcerChoice};
use crate::kube::{api, server};

const AFTER: &str = "\
Examples:
  flow-observer explain web/front-5d-x1 data/valkey:6379
  flow-observer explain --all-nodes web/front-5d-x1 data/valkey:6379
  flow-observer explain --cluster dir:cluster.yaml 10.42.0.9 data/db-0:pg/TCP
  flow-observer explain web/front-5d-x1 postgres://db.prod:5432/app
  flow-observer explain --queries questions.ndjson > answers.ndjson

Questions are JSON objects, one per line. A side may also be an {\"ip\"}, a {\"ns\",\"service\"} or a DNS
name {\"host\"}:
  {\"id\":1,\"src\":{\"ns\":\"web\",\"pod\":\"a\"},\"dst\":{\"ns\":\"data\",\"pod\":\"db\"},\"port\":5432}
Documents that can't be read, charts and kustomizations that aren't rendered, and policies of network plugins are named as
warnings; an answer that may depend on one is unknown, and names it.
A question that can't be answered gets \"unknown\" and an \"error\"; the others are still answered.

Exit codes:
  0  allowed, or not known: the answer gives the reason, and `decision` of -o json tells them apart
  1  denied; with --queries, at least one connection is denied
  2  a side does not exist, the question can't be understood, or no agent could be asked";

/// Holds the options of `explain`.
#[derive(Args, Clone, Debug)]
#[command(after_help = AFTER)]
pub struct ExplainArgs {
    // No environment variable: the agent's own would keep `explain` in its pod from asking the agent.
    /// Judge by the objects of a directory or file, `dir:PATH`, also one of `flow-observer snapshot`, or of the API server,
    /// `kube`, instead of asking an agent
    #[arg(long, value_name = "SOURCE")]
    cluster: Option<ClusterSource>,
    /// What enforces the policies, with --cluster: the answer is what it does. Agents answer by their own setting
    #[arg(long, value_enum, value_name = "NAME", requires = "cluster", default_value_t = EnforcerChoice::Auto)]
    enforcer: EnforcerChoice,
    /// Answer the questions of FILE (`-` for standard input), one JSON object per line, in the same order. The answers are JSON,
    /// with and without -o json
    #[arg(long, value_name = "FILE", conflicts_with_all = ["from", "to"])]
    queries: Option<PathBuf>,
    #[command(flatten)]
    print: PrintArgs,
    #[command(flatten)]
    pub(super) agents: AgentArgs,
    /// The client: NS/POD, NS/WORKLOAD, NS/SERVICE (the pods behind it), a DNS name or an IP address
    #[arg(required_unless_present = "queries")]
    from: Option<String>,
    /// The server: NS/POD, NS/SERVICE, NS/WORKLOAD, a DNS name (db.prod.svc.cluster.local), a URL or an IP address. The port is a number or a name, and may be left out
    /// where there is only one. An IPv6 address with a port is written in brackets
    #[arg(required_unless_present = "queries", value_name = "TO[:PORT][/PROTO]")]
    to: Option<String>,
}

/// Time limit for reading the API server's objects.
const API_LIMIT: Duration = Duration::from_secs(60);

/// The source of the answers.
enum Source {
    Directory(Box<Explainer>),
    Agent(Agent),
}

/// Answers one question, or a file of them.
///
/// # Errors
/// Fails when the question can't be understood, a side does not exist, or no agent can be asked.
pub async fn run(args: ExplainArgs) -> anyhow::Result<ExitCode> {
    unless_closed(explain(&args, args.print.printer(), Notes).await.map(ExitCode::from))
}

/// The command with its outputs as parameters; returns the exit code.
async fn explain(args: &ExplainArgs, mut out: Printer<impl Write>, notes: impl Write) -> anyhow::Result<u8> {
    let source = Source::open(args, notes).await?;
    match (&args.queries, &args.from, &args.to) {
        (Some(path), _, _) => {
            let denied = batch::run(&source, input(path)?, &mut out.out).await?;
            Ok(denied.into())
        }
        (None, Some(from), Some(to)) => one(&source, (from, to), &mut out).await,
        (None, _, _) => bail!("FROM and TO are needed, or --queries FILE"),
    }
}

async fn one(source: &Source, (from, to): (&str, &str), out: &mut Printer<impl Write>) -> anyhow::Result<u8> {
    let query = Query::parse(from, to)?;
    let answer = match source {
        Source::Directory(explainer) => Reply::new(Value::Null, explainer.answer(&query)),
        Source::Agent(agent) => agent.ask_one(from, to).await?,
    };
    if let (Format::Text, Some(error)) = (out.format, &answer.error) {
        bail!("{}", printable(error));
    }
    out.print(&answer, |look| AnswerText { answer: &answer, look }.to_string())?;
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
            // All agents know the same cluster, so one answer is enough.
            None if args.agents.fleet.all_nodes => {
                Ok(Self::Agent(Agent::new(ask::any(&args.agents.fleet.connect().await?).await?)))
            }
            None => {
                let target = match args.agents.url.as_slice() {
                    [] | [_] => args.agents.one()?,
                    _ => ask::first(args.agents.targets()?.into_iter()).await?,
                };
                Ok(Self::Agent(Agent::new(target)))
            }
            Some(ClusterSource::Dir(path)) => {
                let loaded = files(path).with_context(|| format!("--cluster dir:{}", path.display()))?;
                Ok(Self::Directory(Box::new(explainer(loaded, args.enforcer, notes)?)))
            }
            Some(ClusterSource::Kube) => {
                let client =
                    api::client(args.agents.fleet.kubeconfig.as_deref()).await.context("--cluster kube")?;
                Ok(Self::Directory(Box::new(explainer(
                    server::read(&client, API_LIMIT).await?.loaded(),
                    args.enforcer,
                    notes,
                )?)))
            }
            Some(ClusterSource::None) => bail!("with --cluster none there is nothing to judge by"),
        }
    }
}

/// Reads objects, or a file that `flow-observer snapshot` wrote.
fn files(path: &Path) -> anyhow::Result<Loaded> {
    match snapshot::file::read_if_one(path)? {
        Some(snapshot) => {
            let problems = server::problems(path, &snapshot.missing);
            Ok(Loaded { inventory: snapshot.inventory, problems })
        }
        None => Ok(flow_objects::directory::load(path)?),
    }
}

/// Warns of objects that can't be read: an answer may depend on them.
fn explainer(loaded: Loaded, enforcer: EnforcerChoice, mut notes: impl Write) -> anyhow::Result<Explainer> {
    for problem in &loaded.problems {
        writeln!(notes, "warning: {}", printable(&problem.to_string()))?;
    }
    let open = loaded.problems.iter().filter(|problem| problem.is_open()).count();
    if open > 0 {
        let them = if open == 1 { "it" } else { "them" };
        writeln!(
            notes,
            "warning: {} not read or not judged; an answer that may depend on {them} is unknown",
            plural(open, "object")
        )?;
    }
    Ok(Explainer::new(enforcer.over(loaded.inventory)))
}

fn input(path: &Path) -> anyhow::Result<BufReader<Box<dyn Read>>> {
    let input: Box<dyn Read> = if path == Path::new("-") {
        Box::new(io::stdin())
    } else {
        Box::new(File::open(path).with_context(|| format!("{} can't be read", path.display()))?)
    };
    Ok(BufReader::with_capacity(64 << 10, input))
}
