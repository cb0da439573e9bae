//! Requests to an agent.

use std::error::Error;
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
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::commands::connect::{ConnectArgs, Connector, Wire};
use crate::commands::tail::TailError;
use crate::kube::agents::{AgentPod, Agents, Trouble};

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
    connector: Connector,
}

/// How bytes get there.
#[derive(Clone, Debug)]
enum Way {
    Tcp { host: String, port: u16 },
    Pod(Arc<Agents>, Arc<AgentPod>),
}

impl Target {
    pub(in crate::commands) fn new(url: &str, args: &ConnectArgs) -> Result<Self, TailError> {
        let bad = || TailError::Url(url.to_owned());
        let uri: Uri = url.parse().map_err(|_| bad())?;
        let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else { return Err(bad()) };
        let (https, port) = match scheme {
            "http" => (false, 80),
            "https" => (true, 443),
            _ => return Err(bad()),
        };
        if authority.host().is_empty() || authority.as_str().contains('@') || uri.query().is_some() {
            return Err(bad());
        }
        let host = authority.host().trim_matches(['[', ']']).to_owned();
        Ok(Self {
            url: url.to_owned(),
            connector: Connector::new(args, https, &host)?,
            way: Way::Tcp { host, port: authority.port_u16().unwrap_or(port) },
            authority: authority.to_string(),
            base: uri.path().trim_end_matches('/').to_owned(),
        })
    }

    /// The agent in this pod, through the API server.
    pub(in crate::commands) fn pod(agents: Arc<Agents>, pod: Arc<AgentPod>, connector: Connector) -> Self {
        Self {
            url: format!("node {} (pod {}/{})", pod.node, pod.namespace, pod.name),
            authority: format!("localhost:{}", pod.port),
            way: Way::Pod(agents, pod),
            base: String::new(),
            connector,
        }
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
    async fn send(&self, mut request: Builder, body: Bytes) -> Result<Response<Incoming>, TailError> {
        if let Some(token) = self.connector.authorization()? {
            request = request.header(AUTHORIZATION, token);
        }
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
        if let Some(user) = self.user().await {
            request = request.header(AUTHORIZATION, user);
        }
        let request = request.body(Full::new(body))?;
        let (stream, trouble) = self.connect().await?;
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

    /// Without a token of its own the request shows an agent in a pod that of the kubeconfig's user.
    async fn user(&self) -> Option<HeaderValue> {
        match &self.way {
            Way::Pod(agents, _) if !self.connector.has_token() => agents.authorization().await,
            _ => None,
        }
    }

    async fn connect(&self) -> Result<(Box<dyn Wire>, Trouble), Box<dyn Error + Send + Sync>> {
        let (stream, trouble): (Box<dyn Wire>, Trouble) = match &self.way {
            Way::Tcp { host, port } => {
                let stream = TcpStream::connect((host.as_str(), *port)).await?;
                (Box::new(stream), std::future::ready(None).boxed())
            }
            Way::Pod(agents, pod) => {
                let (stream, trouble) = agents.dial(pod).await?;
                (Box::new(stream), trouble)
            }
        };
        Ok((self.connector.over(stream).await?, trouble))
    }

    fn unreachable(&self, error: &(dyn Error + 'static)) -> TailError {
        let (url, mut reason) = (self.url.clone(), causes(error));
        // What answers, but not in HTTP, most likely answers in TLS.
        let garbled = error.downcast_ref().is_some_and(hyper::Error::is_parse);
        match self.way {
            Way::Tcp { .. } => TailError::Unreachable { url, reason },
            Way::Pod(..) => {
                if garbled {
                    reason.push_str(
                        "; if the agents serve TLS, --agent-tls NAME says for whom their certificate is",
                    );
                }
                TailError::Pod { url, reason }
            }
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

    fn parse(url: &str) -> Result<Target, TailError> {
        // Needs no CA of the system.
        let args = ConnectArgs { insecure_skip_tls_verify: true, ..ConnectArgs::default() };
        Target::new(url, &args)
    }

    #[rstest]
    #[case("https://node1", "node1", 443, "")]
    #[case("https://[::1]:9477/", "::1", 9477, "")]
    #[case("http://127.0.0.1:9477", "127.0.0.1", 9477, "")]
    #[case("http://[::1]:9477/", "::1", 9477, "")]
    #[case("http://node1", "node1", 80, "")]
    #[case("http://gateway/agents/node1/", "gateway", 80, "/agents/node1")]
    fn urls(#[case] url: &str, #[case] host: &str, #[case] port: u16, #[case] base: &str) {
        let target = parse(url).unwrap();
        let Way::Tcp { host: have, port: at } = &target.way else { panic!("{target:?}") };
        assert_eq!((have.as_str(), *at, target.base.as_str()), (host, port, base));
    }

    #[rstest]
    fn not_urls(
        #[values("", "127.0.0.1:9477", "wss://x", "http://", "http://u@x", "http://x?a=b", "ftp://x")]
        url: &str,
    ) {
        assert!(parse(url).unwrap_err().to_string().contains("is not a URL"));
    }

    #[test]
    fn values_are_encoded() {
        let parameters = [("since", "1h 5m".to_owned()), ("namespace", "a&b=\u{e9}+".to_owned())];
        assert_eq!(query(&parameters), "since=1h%205m&namespace=a%26b%3D%C3%A9%2B");
    }
}
