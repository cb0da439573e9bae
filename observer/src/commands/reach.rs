//! From here to agents: one by its URL, or those of all nodes through the API server.

pub(super) mod ask;
pub(super) mod merge;
pub(super) mod tail;
#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;

use super::tail::TailError;
use super::tail::client::{Credentials, Target};
use crate::cluster::agents::{AgentPod, Agents, ReachError, Where};

/// Which agents, and how they are reached.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Agents")]
pub struct ReachArgs {
    /// The agent to ask
    #[arg(long, env = "FLOW_OBSERVER_URL", default_value = "http://127.0.0.1:9477")]
    pub url: String,
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
    /// A file whose first line is the token that agents want [default with --all-nodes: the kubeconfig user's own]
    #[arg(long, value_name = "FILE", env = "FLOW_OBSERVER_TOKEN_FILE")]
    pub token_file: Option<PathBuf>,
}

/// The agents of all nodes.
#[derive(Clone, Debug)]
pub(in crate::commands) struct Fleet {
    agents: Arc<Agents>,
    credentials: Credentials,
}

impl ReachArgs {
    /// The one agent of `--url`.
    pub(in crate::commands) fn target(&self) -> Result<Target, TailError> {
        let credentials = self.token_file.clone().map_or(Credentials::None, Credentials::File);
        Ok(Target::parse(&self.url)?.with(credentials))
    }

    /// Those of all nodes; nothing is asked yet.
    pub(in crate::commands) async fn fleet(&self) -> Result<Fleet, ReachError> {
        let agents = Agents::new(Where {
            kubeconfig: self.kubeconfig.clone(),
            context: self.context.clone(),
            namespace: self.agent_namespace.clone(),
            selector: self.agent_selector.clone(),
        });
        let agents = Arc::new(agents.await?);
        let user = || Credentials::User(Arc::clone(&agents));
        let credentials = self.token_file.clone().map_or_else(user, Credentials::File);
        Ok(Fleet { agents, credentials })
    }
}

impl Fleet {
    pub(in crate::commands) async fn find(&self) -> Result<Vec<AgentPod>, ReachError> {
        self.agents.find().await
    }

    pub(in crate::commands) fn target(&self, pod: AgentPod) -> Target {
        Target::pod(Arc::clone(&self.agents), Arc::new(pod)).with(self.credentials.clone())
    }
}
