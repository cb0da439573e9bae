//! Errors of finding agents and connecting to them.

use crate::kube::api::ApiError;

/// The reason why agents can't be reached.
#[derive(Debug, thiserror::Error)]
pub enum ReachError {
    /// There are no usable settings for an API server.
    #[error(transparent)]
    Api(#[from] ApiError),
    /// The kubeconfig's user lacks a permission.
    #[error(
        "the kubeconfig's user may not {verbs} {resource} in namespace {namespace} ({answer}); a Role with the verbs {verbs} on the \
         resource {resource} is needed there"
    )]
    Forbidden {
        /// The verbs that are needed.
        verbs: &'static str,
        /// The resource on which they are needed.
        resource: &'static str,
        /// The namespace in which they are needed.
        namespace: String,
        /// The answer of the API server.
        answer: String,
    },
    /// The kubeconfig's user lacks a permission in the whole cluster.
    #[error(
        "the kubeconfig's user may not {verbs} {resource} ({answer}); a ClusterRole with the verb {verbs} on the resource \
         {resource} is needed"
    )]
    ForbiddenInCluster {
        /// The verbs that are needed.
        verbs: &'static str,
        /// The resource on which they are needed.
        resource: &'static str,
        /// The answer of the API server.
        answer: String,
    },
    /// No agent runs.
    #[error(
        "no agent found: no pod with label {selector} runs in namespace {namespace}{pending}; install the agent with \
         `kubectl apply -k deploy/overlays/k3s`, or name others with --agent-namespace and --agent-selector"
    )]
    NoPods {
        /// The namespace of the search.
        namespace: String,
        /// The label of the search.
        selector: String,
        /// A sentence about pods that do not run.
        pending: String,
    },
    /// The API server, or the pod behind it, does not answer as expected.
    #[error("{0}")]
    Failed(String),
}
