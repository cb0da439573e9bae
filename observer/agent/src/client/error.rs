//! The reasons why an agent can't be asked. Every variant ends a command with exit code 2.

use crate::client::connect::ConnectError;
use crate::kube::agents::ReachError;

/// An agent that can't be reached, refuses the request, or isn't an agent.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ClientError {
    #[error("`{0}` is not a URL like http://127.0.0.1:9477")]
    Url(String),
    #[error(
        "can't reach an agent at {url}: {reason}; start one with `flow-observer run`, or name another with --url or \
         FLOW_OBSERVER_URL"
    )]
    Unreachable { url: String, reason: String },
    #[error("can't reach the agent on {url}: {reason}")]
    Pod { url: String, reason: String },
    #[error("{url} answered {status}: {error}")]
    Refused { url: String, status: u16, error: String },
    #[error(
        "{url} answered {status}: {error}; give --token-file FILE with a token that it accepts, e.g. what `kubectl -n \
         flow-observer create token ACCOUNT` prints for an account that may get the path"
    )]
    Unauthorised { url: String, status: u16, error: String },
    #[error("{url} is not a Flow Observer agent: it answered with `{content_type}`, not events")]
    NotAnAgent { url: String, content_type: String },
    #[error("only one --url can be followed; --all-nodes follows the agents of all nodes")]
    SeveralUrls,
    #[error(transparent)]
    Connect(#[from] ConnectError),
    #[error(transparent)]
    Reach(#[from] ReachError),
}

impl ClientError {
    /// Returns true when the error may go away once the agent, or what stands before it, has started again.
    pub(crate) fn is_temporary(&self) -> bool {
        match self {
            Self::Unreachable { .. } | Self::Pod { .. } => true,
            Self::Refused { status, .. } => *status >= 500 || *status == 429,
            Self::Url(_)
            | Self::SeveralUrls
            | Self::NotAnAgent { .. }
            | Self::Unauthorised { .. }
            | Self::Connect(_)
            | Self::Reach(_) => false,
        }
    }
}
