//! `flow-observer snapshot`: what `audit` and `explain` need of a cluster, in a file.

pub(super) mod file;
#[cfg(test)]
mod tests;

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use arcstr::ArcStr;
use clap::Args;
use flow_model::baseline::{Baseline, Missing, VERSION};
use flow_model::inventory::Inventory;
use flow_policy::audit::{flows_of, join};
use jiff::Timestamp;

use crate::client::ask::{self, Answers};
use crate::client::fleet::{AgentArgs, FleetArgs};
use crate::client::print::{Notes, printable, unless_closed};
use crate::kube::agents::Absent;
use crate::kube::{agents, api, server};

/// The path at which an agent answers with the cluster and its flows.
pub(super) const PATH: &str = "/api/v1/snapshot";

/// Time limit for reading the API server's objects.
const API_LIMIT: Duration = Duration::from_secs(120);

const AFTER: &str = "\
Examples:
  flow-observer snapshot cluster.json                  # the cluster, by the kubeconfig
  flow-observer snapshot --all-nodes cluster.json      # and the connections that the agents observed
  flow-observer audit --manifests policies/ --flows cluster.json
  flow-observer explain --cluster dir:cluster.json web/front-5d-x1 data/valkey:6379

The file holds pods, Services, nodes, namespaces and policies, each without what no verdict needs. It never holds
Secrets or ConfigMaps, which aren't read. Without --url and --all-nodes the account needs to list and watch
namespaces. What else it may not list and watch is named here and in the file, and verdicts by it are then unknown.

Exit codes:
  0  written, also where something is missing in it
  2  the API server or the agents can't be asked, or the file can't be written";

/// Holds the options of `snapshot`.
#[derive(Args, Clone, Debug)]
#[command(after_help = AFTER)]
#[command(mut_arg("url", |url| url.help("Take the cluster and its flows from this agent instead of from the API server")))]
#[command(mut_arg("all_nodes", |all| all.help("Take the cluster and the flows from the agents of all nodes, through the API server")))]
pub struct SnapshotArgs {
    /// The file, which is replaced at once when all is read; `-` is standard output
    #[arg(value_name = "FILE", default_value = "-")]
    file: PathBuf,
    #[command(flatten)]
    agents: AgentArgs,
}

/// Reads the cluster, and writes it.
///
/// # Errors
/// Fails when the API server or the agents can't be asked, or the file can't be written.
pub async fn run(args: SnapshotArgs) -> anyhow::Result<ExitCode> {
    unless_closed(snapshot(&args, io::stdout(), Notes).await.map(|()| ExitCode::SUCCESS))
}

/// The command with its outputs as parameters.
async fn snapshot(args: &SnapshotArgs, mut out: impl Write, mut notes: impl Write) -> anyhow::Result<()> {
    let agents = &args.agents;
    let snapshot = match agents.fleet.all_nodes || !agents.url.is_empty() {
        true => of_agents(agents, &mut notes).await?,
        false => of_server(&agents.fleet).await?,
    };
    for missing in &snapshot.missing {
        let missing = printable(&missing.to_string());
        writeln!(notes, "warning: {missing}")?;
    }
    let mut json = serde_json::to_vec(&snapshot)?;
    json.push(b'\n');
    if args.file == Path::new("-") {
        out.write_all(&json)?;
        return Ok(out.flush()?);
    }
    let name = args.file.display();
    file::write(&args.file, &json).with_context(|| format!("{name} can't be written"))?;
    let Inventory { pods, policies, .. } = &*snapshot.inventory;
    let policies = policies.namespaced.len() + policies.tiered.len();
    let (pods, flows) = (pods.len(), snapshot.flows.len());
    writeln!(notes, "{name}: {pods} pods, {policies} policies, {flows} observed flows")?;
    Ok(())
}

/// Reads the API server. It knows no flows.
async fn of_server(args: &FleetArgs) -> anyhow::Result<Baseline> {
    let config = agents::config(args.kubeconfig.as_deref(), args.context.clone()).await?;
    let server::Reading { mut inventory, missing } =
        server::read(&api::client_of(config)?, API_LIMIT).await?;
    Arc::make_mut(&mut inventory).objects.clear();
    let (node, time) = (ArcStr::new(), Timestamp::now());
    Ok(Baseline { version: VERSION, node, time, inventory, flows: Vec::new(), lost: 0, missing })
}

/// Asks one agent, or all.
///
/// # Errors
/// Fails when no agent answers, or one is of another release.
pub(super) async fn of_agents(args: &AgentArgs, notes: impl Write) -> anyhow::Result<Baseline> {
    let Answers { answers, absent, .. } = ask::get::<Baseline>(args, PATH, notes).await?;
    let all: Vec<_> = answers.into_iter().map(|(_, baseline)| baseline).collect();
    if let Some(other) = all.iter().find(|baseline| baseline.version != VERSION) {
        let (node, version) = (&other.node, other.version);
        anyhow::bail!(
            "the agent on {node} writes version {version} of the snapshot, this flow-observer version {VERSION}: use the \
             agent's own release"
        );
    }
    let mut joined = join(&all).context("no agent answered")?;
    let missing = absent
        .into_iter()
        .map(|Absent { node, reason }| Missing { what: flows_of(&node), why: reason.into() });
    joined.missing.extend(missing);
    Ok(joined)
}
