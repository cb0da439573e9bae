//! Reasons why a list or a watch failed.

use std::time::Duration;

use http_body_util::BodyExt as _;
use kube::client::Body;
use serde_json::Value;

use crate::kube::server::state::Stale;
use crate::kube::words;

/// At most this many bytes of an error response are read.
const MAX_STATUS: usize = 64 << 10;

/// The longest wait that a server can ask for.
const MAX_WAIT: Duration = Duration::from_mins(5);

/// The reason why a list or a watch failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Failure {
    /// Status 410: the version is too old, and the kind must be listed again.
    #[error("the resource version has expired")]
    Expired,
    /// Status 404.
    #[error("the server has no such resource")]
    Absent,
    /// Status 403.
    #[error("forbidden: {0}; the ClusterRole of the agent's account must grant get, list and watch on it")]
    Forbidden(String),
    /// Status 401.
    #[error(
        "unauthorized (401): {0}; the token or certificate is not valid (any more): renew it; tokens' files and \
         kubeconfigs are read again"
    )]
    Unauthorized(String),
    /// Status 429 or 503 with `Retry-After`.
    #[error("the server is busy: {text}")]
    Busy { text: String, wait: Duration },
    /// Any other failure.
    #[error("{0}")]
    Other(String),
    /// A watch of a kind that doesn't change, or a dead watch. Only a new one shows which.
    #[error("no data for {} s", .0.as_secs())]
    Quiet(Duration),
    /// The agent stops, and nothing receives changes.
    #[error("stopped")]
    Stopped,
}

impl Failure {
    /// A server that sent nothing within the limit.
    pub(super) fn silent(limit: Duration) -> Self {
        Self::Other(format!("no data for {} s", limit.as_secs()))
    }

    /// Reads the answer to a request that was not granted.
    pub(super) async fn of_response(parts: http::response::Parts, body: Body) -> Self {
        let wait =
            parts.headers.get(http::header::RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
        let text = http_body_util::Limited::new(body, MAX_STATUS)
            .collect()
            .await
            .map(http_body_util::Collected::to_bytes);
        let status = text.ok().and_then(|text| serde_json::from_slice::<Value>(&text).ok());
        Self::of_status(parts.status.as_u16(), status.as_ref(), wait.map(Duration::from_secs))
    }

    /// Reads a `Status` object, which comes by itself or as an `ERROR` event.
    pub(super) fn of_status(code: u16, status: Option<&Value>, wait: Option<Duration>) -> Self {
        let message = status.and_then(|status| status["message"].as_str()).unwrap_or("no reason given");
        let text = message.chars().take(300).collect();
        match (code, wait) {
            (401, _) => Self::Unauthorized(text),
            (403, _) => Self::Forbidden(text),
            (404, _) => Self::Absent,
            (410, _) => Self::Expired,
            (429 | 503, Some(wait)) => Self::Busy { text, wait: wait.min(MAX_WAIT) },
            _ => Self::Other(format!("the server answered {code}: {text}")),
        }
    }
}

impl From<&Failure> for Stale {
    fn from(failure: &Failure) -> Self {
        Self { why: failure.to_string().into(), refused: matches!(failure, Failure::Unauthorized(_)) }
    }
}

impl From<kube::Error> for Failure {
    fn from(error: kube::Error) -> Self {
        let why = words::of_request(&error);
        Self::Other(match error {
            kube::Error::Service(_) | kube::Error::HyperError(_) => format!("no answer: {why}"),
            _ => why,
        })
    }
}

#[cfg(test)]
mod tests;
