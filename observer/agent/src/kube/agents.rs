//! Finds agents and connects to them by a port-forward through the API server, so that only the server must be reachable.

mod bearer;
mod error;
mod forward;
mod survey;
#[cfg(test)]
pub(crate) mod testing;

use std::fmt;
use std::path::{Path, PathBuf};

use arcstr::ArcStr;
use hyper::header::HeaderValue;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Node, Pod};
use kube::api::{Api, ListParams};
use kube::client::UpgradeConnectionError;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};

use self::bearer::Bearer;
use crate::default_address::PORT;
use crate::kube::api::{self, ApiError};
use crate::kube::words;

pub use self::error::ReachError;
pub use self::forward::{Forward, Trouble};
pub use self::survey::{Absent, Survey};

/// The name of the agent's port in its pod.
const PORT_NAME: &str = "http";

/// The agents to look for, and the credentials to use.
#[derive(Clone, Debug)]
pub struct Where {
    /// The kubeconfig, if not in one of the usual places.
    pub kubeconfig: Option<PathBuf>,
    /// Its context, if not the current one.
    pub context: Option<String>,
    /// Namespace of the agents' pods.
    pub namespace: String,
    /// Label selector of the agents' pods.
    pub selector: String,
}

/// Finds agents and opens connections to them.
pub struct Agents {
    pods: Api<Pod>,
    nodes: Api<Node>,
    namespace: String,
    selector: String,
    bearer: Bearer,
}

/// A pod in which an agent runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgentPod {
    /// The pod's namespace.
    pub namespace: ArcStr,
    /// The pod's name.
    pub name: ArcStr,
    /// Distinguishes it from a later pod of the same name.
    pub uid: ArcStr,
    /// The node whose traffic the agent observes.
    pub node: ArcStr,
    /// The port on which the agent listens.
    pub port: u16,
    /// Is true when its readiness probe succeeds.
    pub ready: bool,
    /// The time at which the pod started, by its node's clock.
    pub start: Option<Timestamp>,
}

impl Agents {
    /// Makes a client, which connects to nothing yet.
    ///
    /// # Errors
    /// Fails when there are no settings for an API server, or they can't be used.
    pub async fn new(r#where: Where) -> Result<Self, ReachError> {
        let Where { kubeconfig, context, namespace, selector } = r#where;
        let config = config(kubeconfig.as_deref(), context).await?;
        let client = api::client_of(config.clone())?;
        Ok(Self::of_client(client, Bearer::new(config), namespace, selector))
    }

    fn of_client(client: Client, bearer: Bearer, namespace: String, selector: String) -> Self {
        let (pods, nodes) = (Api::namespaced(client.clone(), &namespace), Api::all(client));
        Self { pods, nodes, namespace, selector, bearer }
    }

    /// Returns the pods that run now, sorted by node.
    ///
    /// # Errors
    /// Fails when the API server can't be asked, or no agent runs.
    pub async fn find(&self) -> Result<Vec<AgentPod>, ReachError> {
        self.running(&self.list().await?)
    }

    async fn list(&self) -> Result<Vec<Pod>, ReachError> {
        // Not from a cache: in an older list an agent could appear a second time.
        let parameters = ListParams::default().labels(&self.selector);
        let pods = self.pods.list(&parameters).await.map_err(|error| self.error(error, "list", "pods"))?;
        Ok(pods.items)
    }

    /// Returns those that run, sorted by node.
    fn running(&self, pods: &[Pod]) -> Result<Vec<AgentPod>, ReachError> {
        let mut agents: Vec<_> = pods.iter().filter_map(agent).collect();
        agents.sort_by(|a, b| (&a.node, &a.name).cmp(&(&b.node, &b.name)));
        if agents.is_empty() {
            let all = pods.len();
            let pending = if all == 0 { String::new() } else { format!(" ({all} there, none running)") };
            let (namespace, selector) = (self.namespace.clone(), self.selector.clone());
            return Err(ReachError::NoPods { namespace, selector, pending });
        }
        Ok(agents)
    }

    /// Opens a connection to the agent's port. It lasts as long as the stream.
    ///
    /// # Errors
    /// Fails when the API server refuses, or the pod no longer exists. Errors of its kubelet come later, from
    /// [`Trouble`].
    pub async fn dial(&self, pod: &AgentPod) -> Result<(Forward, Trouble), ReachError> {
        let forwarder = self.pods.portforward(&pod.name, &[pod.port]).await;
        // A websocket is opened by GET; servers since 1.35 want the verb of kubectl's POST as well.
        let forwarder = forwarder.map_err(|error| self.error(error, "get and create", "pods/portforward"))?;
        Forward::new(forwarder, pod.port)
            .ok_or_else(|| ReachError::Failed(format!("port {} of {} is not forwarded", pod.port, pod.name)))
    }

    /// Returns the `Authorization` header of the kubeconfig's user, if that is a bearer token.
    pub async fn authorization(&self) -> Option<HeaderValue> {
        self.bearer.header().await
    }

    fn error_of_cluster(
        &self,
        error: kube::Error,
        verbs: &'static str,
        resource: &'static str,
    ) -> ReachError {
        match self.error(error, verbs, resource) {
            ReachError::Forbidden { verbs, resource, answer, .. } => {
                ReachError::ForbiddenInCluster { verbs, resource, answer }
            }
            other => other,
        }
    }

    fn error(&self, error: kube::Error, verbs: &'static str, resource: &'static str) -> ReachError {
        let namespace = self.namespace.clone();
        match error {
            kube::Error::Api(status) if status.is_forbidden() => {
                ReachError::Forbidden { verbs, resource, namespace, answer: status.message }
            }
            kube::Error::UpgradeConnection(UpgradeConnectionError::ProtocolSwitch(status)) => {
                match status.as_u16() {
                    403 => ReachError::Forbidden { verbs, resource, namespace, answer: status.to_string() },
                    404 => ReachError::Failed("the pod no longer exists".to_owned()),
                    _ => {
                        ReachError::Failed(format!("the API server answered the port-forward with {status}"))
                    }
                }
            }
            kube::Error::Api(status) => ReachError::Failed(format!(
                "the API server: {}",
                words::of_request(&kube::Error::Api(status))
            )),
            error => ReachError::Failed(format!(
                "the API server can't be asked: {}; its address is that of the kubeconfig's context",
                words::of_request(&error)
            )),
        }
    }
}

impl fmt::Debug for Agents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { namespace, selector, .. } = self;
        f.debug_struct("Agents")
            .field("namespace", namespace)
            .field("selector", selector)
            .finish_non_exhaustive()
    }
}

/// Reads the settings of a context, or the usual ones without it.
pub(crate) async fn config(kubeconfig: Option<&Path>, context: Option<String>) -> Result<Config, ApiError> {
    if context.is_none() {
        return api::config(kubeconfig).await;
    }
    let usual = || Path::new("$KUBECONFIG or ~/.kube/config");
    let failed =
        |why| ApiError::Kubeconfig { path: kubeconfig.unwrap_or_else(usual).to_owned(), why: Box::new(why) };
    let file = kubeconfig.map_or_else(Kubeconfig::read, Kubeconfig::read_from).map_err(failed)?;
    let options = KubeConfigOptions { context, ..KubeConfigOptions::default() };
    Config::from_custom_kubeconfig(file, &options).await.map_err(failed)
}

/// Returns the agent of a pod that runs and is not being deleted.
fn agent(pod: &Pod) -> Option<AgentPod> {
    let (spec, status) = (pod.spec.as_ref()?, pod.status.as_ref()?);
    if status.phase.as_deref() != Some("Running") || pod.metadata.deletion_timestamp.is_some() {
        return None;
    }
    let mut ports = spec.containers.iter().flat_map(|container| container.ports.iter().flatten());
    let named = ports.find(|port| port.name.as_deref() == Some(PORT_NAME));
    let mut conditions = status.conditions.iter().flatten();
    Some(AgentPod {
        namespace: pod.metadata.namespace.as_deref()?.into(),
        name: pod.metadata.name.as_deref()?.into(),
        uid: pod.metadata.uid.as_deref().unwrap_or_default().into(),
        node: spec.node_name.as_deref()?.into(),
        port: named.and_then(|port| u16::try_from(port.container_port).ok()).unwrap_or(PORT),
        ready: conditions.any(|condition| condition.type_ == "Ready" && condition.status == "True"),
        start: status.start_time.as_ref().map(|time| time.0),
    })
}
