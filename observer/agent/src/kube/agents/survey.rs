//! The agents that there are, and the nodes whose agents are missing: an answer without them is one from a part of the nodes.

use std::collections::{BTreeMap, BTreeSet};

use arcstr::ArcStr;
use k8s_openapi::api::core::v1::Pod;
use kube::api::ListParams;
use serde::Serialize;

use crate::kube::agents::{AgentPod, Agents, ReachError};

/// Holds what a list of pods and nodes shows.
#[derive(Clone, Debug)]
pub struct Survey {
    /// The pods that run, sorted by node. Those that are not ready are among them.
    pub pods: Vec<AgentPod>,
    /// The nodes of which no agent gives a whole answer, sorted.
    pub absent: Vec<Absent>,
    /// The reason why it is not known whether there are nodes without an agent.
    pub unknown: Option<String>,
}

/// Holds a node whose agent is missing.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Absent {
    /// The node, or the URL of an agent that did not say its node.
    pub node: ArcStr,
    /// The reason, for people.
    pub reason: String,
}

impl Agents {
    /// Returns the agents, and the nodes without one.
    ///
    /// # Errors
    /// Fails when the pods can't be listed, or no agent runs. If only the nodes can't be, the survey says so.
    pub async fn survey(&self) -> Result<Survey, ReachError> {
        let listed = self.list().await?;
        let pods = self.running(&listed)?;
        let (nodes, unknown) = match self.nodes.list_metadata(&ListParams::default()).await {
            Ok(nodes) => (nodes.items.into_iter().filter_map(|node| node.metadata.name).collect(), None),
            Err(error) => (Vec::new(), Some(self.error_of_cluster(error, "list", "nodes").to_string())),
        };
        Ok(Survey { absent: absent(&listed, &pods, &nodes), pods, unknown })
    }
}

/// Returns the nodes of `nodes` without a pod that runs, and those whose pod does not run or is not ready.
fn absent(listed: &[Pod], running: &[AgentPod], nodes: &[String]) -> Vec<Absent> {
    let mut reasons: BTreeMap<&str, String> =
        nodes.iter().map(|node| (node.as_str(), "no agent's pod is there".to_owned())).collect();
    for pod in listed {
        if let Some(node) = pod.spec.as_ref().and_then(|spec| spec.node_name.as_deref()) {
            reasons.insert(node, why(pod));
        }
    }
    let ready: BTreeSet<_> = running.iter().filter(|pod| pod.ready).map(|pod| pod.node.as_str()).collect();
    reasons.retain(|node, _| !ready.contains(node));
    for pod in running.iter().filter(|pod| !ready.contains(pod.node.as_str())) {
        let reason = format!("its agent's pod {} is not ready, and may know only a part", pod.name);
        reasons.insert(&pod.node, reason);
    }
    reasons.into_iter().map(|(node, reason)| Absent { node: node.into(), reason }).collect()
}

/// Returns why a pod is no agent that can be asked.
fn why(pod: &Pod) -> String {
    let name = pod.metadata.name.as_deref().unwrap_or_default();
    let phase = pod.status.as_ref().and_then(|status| status.phase.as_deref());
    match (pod.metadata.deletion_timestamp.is_some(), phase) {
        (true, _) => format!("its agent's pod {name} is being deleted"),
        (false, Some(phase)) => format!("its agent's pod {name} is {phase}"),
        (false, None) => format!("its agent's pod {name} has no status yet"),
    }
}

#[cfg(test)]
mod tests;
