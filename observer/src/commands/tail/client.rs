//! Requests to an agent.

use std::error::Error;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt;
use http_body_util::{BodyExt, Collected, Full, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HOST, HeaderValue};
use hyper::http::request::Builder;
use hyper::{Method, Request, Response, StatusCode, Uri};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::TailError;
use crate::cluster::agents::{AgentPod, Agents, Trouble};

/// For the connection and the head of the answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// For the rest of an answer that is read whole.
const BODY_PATIENCE: Duration = Duration::from_secs(60);
/// Bytes of such an answer.
const LARGEST: usize = 256 << 20;

/// An agent's address.
#[derive(Clone, Debug)]
pub(in crate::commands) struct Target {
    /// As the user wrote it, or the node and the pod.
    url: String,
    way: Way,
    authority: String,
    /// Path before `/api`, without a slash at the end.
    base: String,
    credentials: Credentials,
}

/// How bytes get there.
#[derive(Clone, Debug)]
enum Way {
    Tcp { host: String, port: u16 },
    Pod(Arc<Agents>, Arc<AgentPod>),
}

/// By what the agent knows who asks. Looked up for each request: tokens are renewed.
#[derive(Clone, Debug)]
pub(in crate::commands) enum Credentials {
    None,
    /// The first line of a file is a token.
    File(PathBuf),
    /// The token of the kubeconfig's user, if there is one.
    User(Arc<Agents>),
}

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

impl Target {
    pub(in crate::commands) fn parse(url: &str) -> Result<Self, TailError> {
        let bad = || TailError::Url(url.to_owned());
        let uri: Uri = url.parse().map_err(|_| bad())?;
        let (Some("http"), Some(authority)) = (uri.scheme_str(), uri.authority()) else { return Err(bad()) };
        if authority.host().is_empty() || authority.as_str().contains('@') || uri.query().is_some() {
            return Err(bad());
        }
        Ok(Self {
            url: url.to_owned(),
            way: Way::Tcp {
                host: authority.host().trim_matches(['[', ']']).to_owned(),
                port: authority.port_u16().unwrap_or(80),
            },
            authority: authority.to_string(),
            base: uri.path().trim_end_matches('/').to_owned(),
            credentials: Credentials::None,
        })
    }

    /// The agent in this pod, through the API server.
    pub(in crate::commands) fn pod(agents: Arc<Agents>, pod: Arc<AgentPod>) -> Self {
        Self {
            url: format!("node {} (pod {}/{})", pod.node, pod.namespace, pod.name),
            authority: format!("localhost:{}", pod.port),
            way: Way::Pod(agents, pod),
            base: String::new(),
            credentials: Credentials::None,
        }
    }

    /// Says who asks.
    pub(in crate::commands) fn with(self, credentials: Credentials) -> Self {
        Self { credentials, ..self }
    }

    pub(in crate::commands) fn url(&self) -> &str {
        &self.url
    }

    /// Opens the stream of events at `path`, after the event of this id.
    pub(super) async fn open(&self, path: &str, last_id: Option<&str>) -> Result<Incoming, TailError> {
        let mut request = self.request(Method::GET, path).header(ACCEPT, "text/event-stream");
        if let Some(id) = last_id {
            request = request.header("last-event-id", id);
        }
        let response = self.send(request, Bytes::new()).await?;
        let content_type = response.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
        match content_type {
            Some(media) if media.starts_with("text/event-stream") => Ok(response.into_body()),
            other => {
                let content_type = other.unwrap_or_default().to_owned();
                Err(TailError::NotAnAgent { url: self.url.clone(), content_type })
            }
        }
    }

    /// The JSON at `path`, whole.
    pub(in crate::commands) async fn get(&self, path: &str) -> Result<Bytes, TailError> {
        let request = self.request(Method::GET, path).header(ACCEPT, "application/json");
        let body = Limited::new(self.send(request, Bytes::new()).await?.into_body(), LARGEST).collect();
        match timeout(BODY_PATIENCE, body).await {
            Ok(Ok(body)) => Ok(body.to_bytes()),
            Ok(Err(error)) => Err(self.unreachable(&*error)),
            Err(elapsed) => Err(self.unreachable(&elapsed)),
        }
    }

    /// Sends a request and opens its answer.
    pub(in crate::commands) async fn ask(
        &self,
        method: Method,
        path: &str,
        body: Bytes,
    ) -> Result<Incoming, TailError> {
        Ok(self.send(self.request(method, path), body).await?.into_body())
    }

    fn request(&self, method: Method, path: &str) -> Builder {
        Request::builder().method(method).uri(format!("{}{path}", self.base)).header(HOST, &self.authority)
    }

    /// An answer with status 200.
    async fn send(&self, request: Builder, body: Bytes) -> Result<Response<Incoming>, TailError> {
        let response = match timeout(PATIENCE, self.exchange(request, body)).await {
            Ok(Ok(response)) => response,
            Ok(Err(error)) => return Err(self.unreachable(&*error)),
            Err(elapsed) => return Err(self.unreachable(&elapsed)),
        };
        if response.status() != StatusCode::OK {
            return Err(self.refused(response).await);
        }
        Ok(response)
    }

    async fn exchange(
        &self,
        mut request: Builder,
        body: Bytes,
    ) -> Result<Response<Incoming>, Box<dyn Error + Send + Sync>> {
        if let Some(header) = self.credentials.header().await? {
            request = request.header(AUTHORIZATION, header);
        }
        let request = request.body(Full::new(body))?;
        let (stream, trouble) = self.way.connect().await?;
        let sent = async {
            let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
            tokio::spawn(async move {
                if let Err(error) = connection.await {
                    tracing::debug!(%error, "connection to the agent");
                }
            });
            sender.send_request(request).await
        };
        tokio::select! {
            // The kubelet's reason says more than the connection that ends with it.
            biased;
            Some(trouble) = trouble => Err(trouble.trim().into()),
            response = sent => Ok(response?),
        }
    }

    fn unreachable(&self, error: &dyn Error) -> TailError {
        let (url, reason) = (self.url.clone(), causes(error));
        match self.way {
            Way::Tcp { .. } => TailError::Unreachable { url, reason },
            Way::Pod(..) => TailError::Pod { url, reason },
        }
    }

    async fn refused(&self, response: Response<Incoming>) -> TailError {
        let status = response.status().as_u16();
        let body = timeout(PATIENCE, Limited::new(response.into_body(), 64 << 10).collect()).await;
        let body = body.ok().and_then(Result::ok).map(Collected::to_bytes).unwrap_or_default();
        let error = serde_json::from_slice::<serde_json::Value>(&body)
            .ok()
            .and_then(|json| Some(json.get("error")?.as_str()?.to_owned()))
            .unwrap_or_else(|| "no reason given".to_owned());
        let url = self.url.clone();
        match status {
            401 | 403 => TailError::Unauthorised { url, status, error },
            _ => TailError::Refused { url, status, error },
        }
    }
}

impl Way {
    async fn connect(&self) -> Result<(Box<dyn Stream>, Trouble), Box<dyn Error + Send + Sync>> {
        match self {
            Self::Tcp { host, port } => {
                let stream = TcpStream::connect((host.as_str(), *port)).await?;
                Ok((Box::new(stream), std::future::ready(None).boxed()))
            }
            Self::Pod(agents, pod) => {
                let (stream, trouble) = agents.dial(pod).await?;
                Ok((Box::new(stream), trouble))
            }
        }
    }
}

impl Credentials {
    async fn header(&self) -> Result<Option<HeaderValue>, Box<dyn Error + Send + Sync>> {
        let path = match self {
            Self::None => return Ok(None),
            Self::User(agents) => return Ok(agents.authorization().await),
            Self::File(path) => path,
        };
        let unusable = |why: &str| format!("the token file {} can't be used: {why}", path.display());
        let text = tokio::fs::read_to_string(path).await.map_err(|error| unusable(&error.to_string()))?;
        let token = text.lines().next().unwrap_or_default().trim();
        let header = HeaderValue::try_from(format!("Bearer {token}")).ok().filter(|_| !token.is_empty());
        let mut header = header.ok_or_else(|| unusable("its first line is no token"))?;
        header.set_sensitive(true);
        Ok(Some(header))
    }
}

/// An error with what caused it: hyper says only `connection error` by itself.
pub(in crate::commands) fn causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

/// A query string from names and values.
pub(in crate::commands) fn query(parameters: &[(&str, String)]) -> String {
    let pairs = parameters.iter().map(|(name, value)| format!("{name}={}", percent_encode(value)));
    pairs.collect::<Vec<_>>().join("&")
}

fn percent_encode(value: &str) -> String {
    use std::fmt::Write;
    let mut out = String::with_capacity(value.len());
    for byte in value.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~/:,".contains(&byte) {
            out.push(byte.into());
        } else {
            // Writing to a String does not fail.
            write!(out, "%{byte:02X}").ok();
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("http://127.0.0.1:9477", "127.0.0.1", 9477, "")]
    #[case("http://[::1]:9477/", "::1", 9477, "")]
    #[case("http://node1", "node1", 80, "")]
    #[case("http://gateway/agents/node1/", "gateway", 80, "/agents/node1")]
    fn urls(#[case] url: &str, #[case] host: &str, #[case] port: u16, #[case] base: &str) {
        let target = Target::parse(url).unwrap();
        let Way::Tcp { host: have, port: at } = &target.way else { panic!("{target:?}") };
        assert_eq!((have.as_str(), *at, target.base.as_str()), (host, port, base));
    }

    #[rstest]
    fn not_urls(
        #[values("", "127.0.0.1:9477", "https://x", "http://", "http://u@x", "http://x?a=b", "ftp://x")]
        url: &str,
    ) {
        assert!(Target::parse(url).unwrap_err().to_string().contains("is not a URL"));
    }

    #[test]
    fn values_are_encoded() {
        let parameters = [("since", "1h 5m".to_owned()), ("namespace", "a&b=\u{e9}+".to_owned())];
        assert_eq!(query(&parameters), "since=1h%205m&namespace=a%26b%3D%C3%A9%2B");
    }
}
