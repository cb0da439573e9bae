//! From here to agents: one by its URL, or those of all nodes through the API server.

pub(super) mod ask;
pub(super) mod merge;
pub(super) mod tail;
#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;

use crate::commands::connect::{ConnectArgs, Connector};
use crate::commands::tail::TailError;
use crate::commands::tail::client::Target;
use crate::kube::agents::{AgentPod, Agents, ReachError, Where};

/// The agent of the node one is on.
const HERE: &str = "http://127.0.0.1:9477";

/// Which agents, and how they are reached.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Agents")]
pub struct ReachArgs {
    /// The agent to ask [default: http://127.0.0.1:9477]
    #[arg(long, env = "FLOW_OBSERVER_URL")]
    pub url: Option<String>,
    /// Ask the agents of all nodes instead, through the API server; nothing but that must be reachable from here
    #[arg(long)]
    pub all_nodes: bool,
    /// Where the agents' pods are
    #[arg(long, value_name = "NS", default_value = "flow-observer")]
    pub agent_namespace: String,
    /// Labels of the agents' pods
    #[arg(long, value_name = "LABELS", default_value = "app.kubernetes.io/name=flow-observer")]
    pub agent_selector: String,
    /// The way to the API server [default: a pod's ServiceAccount, then $KUBECONFIG and ~/.kube/config]
    #[arg(long, value_name = "FILE", env = "FLOW_OBSERVER_KUBECONFIG")]
    pub kubeconfig: Option<PathBuf>,
    /// Context of the kubeconfig [default: its current one]
    #[arg(long, value_name = "NAME")]
    pub context: Option<String>,
    /// The agents of --all-nodes serve TLS, with a certificate for NAME
    #[arg(long, value_name = "NAME")]
    pub agent_tls: Option<String>,
    /// Without a token, --all-nodes shows the agents that of the kubeconfig's user.
    #[command(flatten)]
    pub connect: ConnectArgs,
}

/// The agents of all nodes.
#[derive(Clone, Debug)]
pub(in crate::commands) struct Fleet {
    agents: Arc<Agents>,
    connector: Connector,
}

impl ReachArgs {
    /// The one agent of `--url`.
    pub(in crate::commands) fn target(&self) -> Result<Target, TailError> {
        Target::new(self.url.as_deref().unwrap_or(HERE), &self.connect)
    }

    /// Those of all nodes; nothing is asked yet.
    pub(in crate::commands) async fn fleet(&self) -> Result<Fleet, TailError> {
        let agents = Agents::new(Where {
            kubeconfig: self.kubeconfig.clone(),
            context: self.context.clone(),
            namespace: self.agent_namespace.clone(),
            selector: self.agent_selector.clone(),
        });
        let name = self.agent_tls.as_deref();
        let connector = Connector::new(&self.connect, name.is_some(), name.unwrap_or("localhost"))?;
        Ok(Fleet { agents: Arc::new(agents.await?), connector })
    }
}

impl Fleet {
    pub(in crate::commands) async fn find(&self) -> Result<Vec<AgentPod>, ReachError> {
        self.agents.find().await
    }

    pub(in crate::commands) fn target(&self, pod: AgentPod) -> Target {
        Target::pod(Arc::clone(&self.agents), Arc::new(pod), self.connector.clone())
    }
}
