//! The lines about the agents of all nodes.

use arcstr::ArcStr;
use futures_util::StreamExt;
use futures_util::stream;

use crate::client::ask::MAX_CONCURRENT;
use crate::client::fleet::FleetArgs;
use crate::client::print::{plural, printable};
use crate::commands::doctor::Line;
use crate::commands::doctor::live::{self, AGENT};
use crate::kube::agents::{Absent, AgentPod, Survey};
use crate::probes::host::{Check, Status};

const LOOK: &str = "`kubectl -n flow-observer get pods -o wide` shows the agents' pods; what happens on that node is not seen";

/// Asks all agents, and returns their lines by node, with one for each node that has no agent.
///
/// # Errors
/// Fails when the agents can't be found.
pub(in crate::commands) async fn checks(args: &FleetArgs) -> anyhow::Result<Vec<Line>> {
    let fleet = args.connect().await?;
    let Survey { pods, mut absent, unknown } = fleet.survey().await?;
    // An agent that is not ready says itself what it waits for.
    absent.retain(|absent| pods.iter().all(|pod| pod.node != absent.node));
    let ask = |pod: AgentPod| {
        let (node, target) = (pod.node.clone(), fleet.target(pod));
        async move { lines(&node, live::asked(&target).await) }
    };
    let asked: Vec<_> = stream::iter(pods).map(ask).buffered(MAX_CONCURRENT).collect().await;
    let mut all: Vec<_> = asked.into_iter().flatten().collect();
    all.extend(absent.into_iter().map(missing));
    all.sort_by(|a, b| a.node.cmp(&b.node));
    all.extend(unknown.map(|why| {
        let found = format!("whether there are nodes without an agent is not known: {why}");
        Line { node: None, check: live::warn(AGENT, &found, LOOK) }
    }));
    Ok(all)
}

fn lines(node: &ArcStr, asked: Result<Vec<Check>, String>) -> Vec<Line> {
    let unasked = |why: String| {
        vec![Check { name: AGENT, status: Status::Fail, found: printable(&why), advice: Some(LOOK) }]
    };
    let checks = asked.unwrap_or_else(unasked);
    checks.into_iter().map(|check| Line { node: Some(node.clone()), check }).collect()
}

fn missing(Absent { node, reason }: Absent) -> Line {
    Line { node: Some(node), check: live::warn(AGENT, &reason, LOOK) }
}

/// Returns the last line: how many agents could not be asked, and how many warnings there are.
pub(super) fn summary(failures: usize, warnings: usize) -> String {
    match (failures, warnings) {
        (0, 0) => "All agents are ready and see everything.".to_owned(),
        (0, warnings) => format!("All agents were asked; {}.", plural(warnings, "warning")),
        (failures, _) => format!("{} could not be asked.", plural(failures, "agent")),
    }
}
