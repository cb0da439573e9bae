//! The URL of an endpoint, as OpenTelemetry's exporters take it.

use std::fmt;
use std::str::FromStr;

use hyper::Uri;

/// The path that a base URL gets, as the specification says:
/// <https://opentelemetry.io/docs/specs/otel/protocol/exporter/#endpoint-urls-for-otlphttp>.
const LOGS: &str = "/v1/logs";

/// The reason why a text is no URL of an endpoint.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected http://HOST[:PORT][/PATH] or https://..., without a user or a query in a base URL")]
pub struct UrlError;

/// The URL to which log records are posted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Url {
    pub(super) https: bool,
    pub(super) host: String,
    pub(super) port: u16,
    /// Host and port, as the `Host` header has them.
    pub(super) authority: String,
    /// The path, with the query if there is one.
    pub(super) path: String,
}

/// The URL of an endpoint for all signals: logs have a path below it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BaseUrl(Url);

impl BaseUrl {
    /// Returns the URL for logs.
    #[must_use]
    pub fn logs(&self) -> Url {
        let path = format!("{}{LOGS}", self.0.path.trim_end_matches('/'));
        Url { path, ..self.0.clone() }
    }
}

impl FromStr for Url {
    type Err = UrlError;

    fn from_str(text: &str) -> Result<Self, UrlError> {
        let uri: Uri = text.parse().map_err(|_| UrlError)?;
        let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
            return Err(UrlError);
        };
        let (https, port) = match scheme {
            "http" => (false, 80),
            "https" => (true, 443),
            _ => return Err(UrlError),
        };
        if authority.host().is_empty() || authority.as_str().contains('@') {
            return Err(UrlError);
        }
        Ok(Self {
            https,
            host: authority.host().trim_matches(['[', ']']).to_owned(),
            port: authority.port_u16().unwrap_or(port),
            authority: authority.to_string(),
            path: uri.path_and_query().map_or("/", |path| path.as_str()).to_owned(),
        })
    }
}

impl FromStr for BaseUrl {
    type Err = UrlError;

    fn from_str(text: &str) -> Result<Self, UrlError> {
        let url: Url = text.parse()?;
        if url.path.contains('?') { Err(UrlError) } else { Ok(Self(url)) }
    }
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.https { "https" } else { "http" };
        // A query may hold a key.
        let path = self.path.split('?').next().unwrap_or_default();
        write!(f, "{scheme}://{}{path}", self.authority)
    }
}

#[cfg(test)]
mod tests;
