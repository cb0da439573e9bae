//! The agents that a command asks: one by its URL, or those of all nodes through the API server.

use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;

use crate::client::connect::{ConnectArgs, Connector};
use crate::client::error::ClientError;
use crate::client::target::Target;
use crate::default_address::ADDRESS;
use crate::kube::agents::{AgentPod, Agents, ReachError, Survey, Where};

/// Holds the options that choose agents and say how to reach them.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Agents")]
pub struct AgentArgs {
    // No default value: the kubectl plugin asks one agent only when this is given.
    #[arg(long, env = "FLOW_OBSERVER_URL", value_delimiter = ',',
        help = format!("The agent to ask; several, with commas, for all but `tail` [default: {}]", local()))]
    pub url: Vec<String>,
    #[command(flatten)]
    pub fleet: FleetArgs,
}

/// Holds the options that choose the agents of all nodes, and say how to reach agents.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Agents")]
pub struct FleetArgs {
    /// Ask the agents of all nodes instead, through the API server; only the API server has to be reachable from here
    #[arg(long)]
    pub all_nodes: bool,
    /// Namespace of the agents' pods
    #[arg(long, value_name = "NS", default_value = "flow-observer")]
    pub agent_namespace: String,
    /// Labels of the agents' pods
    #[arg(long, value_name = "LABELS", default_value = "app.kubernetes.io/name=flow-observer")]
    pub agent_selector: String,
    /// Kubeconfig for the API server [default: a pod's ServiceAccount, then $KUBECONFIG and ~/.kube/config]
    #[arg(long, value_name = "FILE", env = "FLOW_OBSERVER_KUBECONFIG")]
    pub kubeconfig: Option<PathBuf>,
    /// Context of the kubeconfig [default: its current one]
    #[arg(long, value_name = "NAME")]
    pub context: Option<String>,
    /// The agents of --all-nodes serve TLS, with a certificate for NAME
    #[arg(long, value_name = "NAME")]
    pub agent_tls: Option<String>,
    /// Without a token, --all-nodes sends the agents the token of the kubeconfig's user.
    #[command(flatten)]
    pub connect: ConnectArgs,
}

/// Returns the URL of the agent on the node where the command runs.
fn local() -> String {
    format!("http://{ADDRESS}")
}

/// Finds the agents of all nodes and connects to them.
#[derive(Clone, Debug)]
pub(crate) struct Fleet {
    agents: Arc<Agents>,
    connector: Connector,
}

impl AgentArgs {
    /// Returns the one agent of `--url`.
    ///
    /// # Errors
    /// Fails when several are given, or the URL, a certificate or a token can't be used.
    pub(crate) fn one(&self) -> Result<Target, ClientError> {
        match self.url.as_slice() {
            [] => Target::new(&local(), &self.fleet.connect),
            [url] => Target::new(url, &self.fleet.connect),
            _ => Err(ClientError::SeveralUrls),
        }
    }

    /// Returns the agents of `--url`, which may be several.
    ///
    /// # Errors
    /// Fails when a URL, a certificate or a token can't be used.
    pub(crate) fn targets(&self) -> Result<Vec<Target>, ClientError> {
        match self.url.as_slice() {
            [] => self.one().map(|target| vec![target]),
            urls => urls.iter().map(|url| Target::new(url, &self.fleet.connect)).collect(),
        }
    }
}

impl FleetArgs {
    /// Returns the agents of all nodes. Sends no request yet.
    ///
    /// # Errors
    /// Fails when there is no usable kubeconfig, or a certificate or token can't be used.
    pub(crate) async fn connect(&self) -> Result<Fleet, ClientError> {
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
    /// Returns the pods in which agents run now.
    ///
    /// # Errors
    /// Fails when the API server can't be asked, or knows no such pod.
    pub(crate) async fn find(&self) -> Result<Vec<AgentPod>, ReachError> {
        self.agents.find().await
    }

    /// Returns the agents, and the nodes whose agents are missing.
    ///
    /// # Errors
    /// Fails as [`Fleet::find`] does.
    pub(crate) async fn survey(&self) -> Result<Survey, ReachError> {
        self.agents.survey().await
    }

    /// Returns the agent in this pod.
    pub(crate) fn target(&self, pod: AgentPod) -> Target {
        Target::pod(Arc::clone(&self.agents), Arc::new(pod), self.connector.clone())
    }
}
