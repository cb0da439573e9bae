//! Access to the API. Everything is guarded except for the paths listed here. So a new path is guarded by default, and
//! a path that does not exist answers like one that does.

mod cache;
mod local;
mod review;
mod reviews;
mod strikes;
mod token;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::header::{AUTHORIZATION, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use tokio_util::sync::CancellationToken;

pub use self::review::{ReviewError, Reviewer, User};
pub use self::reviews::Reviews;
pub use self::token::{TokenFile, TokenFileError};
use crate::http::answer::Failure;
use crate::http::limits::Client;
use crate::http::runbooks;
use crate::page;
use crate::sink::metrics::{HttpCounters, Refused};

/// Paths that answer everybody: those that Prometheus and the kubelet use, the list of paths, which reveals nothing
/// beyond the metrics, and their description and the page, which are the same in every cluster.
const OPEN: [&str; 5] = ["/", "/metrics", "/healthz", "/readyz", "/openapi.json"];
/// Length of the longest token, in bytes. Longer ones are refused without a review.
const MAX_TOKEN: usize = 16 << 10;

/// The way in which credentials are checked.
#[derive(Clone, Default)]
pub enum Auth {
    /// No check.
    #[default]
    Open,
    /// No check of credentials, but `Host` must be an address or localhost. A web page could otherwise point its own
    /// name at the agent (DNS rebinding) and read the answers.
    Local,
    /// A comparison with the tokens of a file.
    Token(Arc<TokenFile>),
    /// A review by the API server.
    Review(Arc<Reviews>),
}

/// The reason for which a request is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Denial {
    /// The name in `Host` is not accepted.
    ForeignHost(String),
    Unauthenticated,
    /// The user.
    Forbidden(String),
    TooManyAttempts,
    Unreviewed,
}

/// The part of a request that the check uses.
#[derive(Clone, Copy, Debug)]
struct Asked<'a> {
    client: Client,
    /// The verb of Kubernetes: the method in lower case.
    verb: &'a str,
    uri: &'a Uri,
}

/// Lets a request pass, or refuses it. It runs before anything of the body is read.
pub(super) async fn guard(
    State((auth, counters)): State<(Auth, HttpCounters)>,
    mut request: Request,
    next: Next,
) -> Response {
    let path = request.uri().path();
    if is_open(path) || matches!(auth, Auth::Open) {
        return next.run(request).await;
    }
    let Some(client) = request.extensions().get::<Client>().copied() else {
        return Failure::new(StatusCode::INTERNAL_SERVER_ERROR, "a client without an address")
            .into_response();
    };
    let verb = request.method().as_str().to_ascii_lowercase();
    let asked = Asked { client, verb: &verb, uri: request.uri() };
    let checked = auth.check(request.headers(), asked).await;
    if let Err(denial) = checked {
        tracing::debug!(client = %client.0, verb, ?path, reason = denial.reason().as_str(), "not answered");
        counters.refuse(denial.reason());
        return denial.answer(&verb, path);
    }
    // No handler needs the secret.
    request.headers_mut().remove(AUTHORIZATION);
    next.run(request).await
}

/// Is true for paths that answer everybody.
fn is_open(path: &str) -> bool {
    OPEN.contains(&path) || path.starts_with(runbooks::PREFIX) || path.starts_with(page::PREFIX)
}

impl Auth {
    async fn check(&self, headers: &HeaderMap, asked: Asked<'_>) -> Result<(), Denial> {
        let token = || bearer(headers).ok_or(Denial::Unauthenticated);
        match self {
            Self::Open => Ok(()),
            Self::Local => local::check(headers, asked.uri),
            Self::Token(file) if file.admits(token()?) => Ok(()),
            Self::Token(_) => Err(Denial::Unauthenticated),
            Self::Review(reviews) => reviews.check(token()?, asked).await,
        }
    }

    /// Follows the token file, which can change while the server runs.
    pub(super) async fn follow(self, every: Duration, cancel: CancellationToken) {
        if let Self::Token(file) = self {
            file.follow(every, cancel).await;
        }
    }
}

impl fmt::Debug for Auth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Open => "Open",
            Self::Local => "Local",
            Self::Token(_) => "Token",
            Self::Review(_) => "Review",
        })
    }
}

/// Returns the one token of the request, if it looks like one (RFC 6750).
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let (Some(value), None) = (values.next(), values.next()) else { return None };
    let (scheme, token) = value.to_str().ok()?.split_once(' ')?;
    let token = token.trim_matches(' ');
    (scheme.eq_ignore_ascii_case("bearer") && looks_like_a_token(token)).then_some(token)
}

fn looks_like_a_token(text: &str) -> bool {
    let known = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~+/=".contains(&byte);
    !text.is_empty() && text.len() <= MAX_TOKEN && text.bytes().all(known)
}

impl Denial {
    fn reason(&self) -> Refused {
        match self {
            Self::ForeignHost(_) => Refused::Host,
            Self::Unauthenticated => Refused::Unauthenticated,
            Self::Forbidden(_) => Refused::Forbidden,
            Self::TooManyAttempts => Refused::Attempts,
            Self::Unreviewed => Refused::Unreviewed,
        }
    }

    fn answer(self, verb: &str, path: &str) -> Response {
        let (status, error) = match self {
            Self::ForeignHost(host) => (
                StatusCode::FORBIDDEN,
                format!(
                    "asked for as {host:?}; without tokens {path} is answered to localhost and to addresses, so that \
                     no web page can read it; --auth none answers to every name"
                ),
            ),
            Self::Unauthenticated => (
                StatusCode::UNAUTHORIZED,
                "a valid bearer token is needed; Flow Observer's commands take one by --token-file or \
                 FLOW_OBSERVER_TOKEN"
                    .to_owned(),
            ),
            Self::Forbidden(user) => (
                StatusCode::FORBIDDEN,
                format!("{user} may not {verb} {path}; a ClusterRole with this verb and nonResourceURL permits it"),
            ),
            Self::TooManyAttempts => {
                (StatusCode::TOO_MANY_REQUESTS, "too many invalid tokens from this address".to_owned())
            }
            Self::Unreviewed => (
                StatusCode::SERVICE_UNAVAILABLE,
                "credentials can't be checked now: the API server gives no answer that can be used; the agent's log \
                 says why"
                    .to_owned(),
            ),
        };
        let mut response = Failure::new(status, error).into_response();
        let headers = response.headers_mut();
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"flow-observer\""));
        } else if status != StatusCode::FORBIDDEN {
            headers.insert(RETRY_AFTER, HeaderValue::from_static("10"));
        }
        response
    }
}

#[cfg(test)]
mod tests;
