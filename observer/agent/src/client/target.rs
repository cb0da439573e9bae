//! An agent and the way in which requests get to it.

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

use crate::causes::causes;
use crate::client::connect::{ConnectArgs, Connector, Wire};
use crate::client::error::ClientError;
use crate::kube::agents::{AgentPod, Agents, Trouble};

/// Time limit for the connection and the head of the response.
const HEAD_LIMIT: Duration = Duration::from_secs(10);
/// Time limit for the body of a response that is read whole.
const BODY_LIMIT: Duration = Duration::from_secs(60);
/// Largest such body, in bytes.
const MAX_BODY: usize = 256 << 20;

/// An agent's address, and the credentials for it.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    /// The URL as the user wrote it, or the node and the pod.
    url: String,
    route: Route,
    authority: String,
    /// The path before `/api`, without a slash at the end.
    base: String,
    connector: Connector,
}

/// The way in which bytes get to the agent.
#[derive(Clone, Debug)]
enum Route {
    Tcp { host: String, port: u16 },
    Pod(Arc<Agents>, Arc<AgentPod>),
}

impl Target {
    /// Returns the agent at this URL.
    ///
    /// # Errors
    /// Fails when it is no URL of an agent, or a certificate or token can't be used.
    pub(crate) fn new(url: &str, args: &ConnectArgs) -> Result<Self, ClientError> {
        let bad = || ClientError::Url(url.to_owned());
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
            route: Route::Tcp { host, port: authority.port_u16().unwrap_or(port) },
            authority: authority.to_string(),
            base: uri.path().trim_end_matches('/').to_owned(),
        })
    }

    /// Returns the agent in this pod, which is reached through the API server.
    pub(crate) fn pod(agents: Arc<Agents>, pod: Arc<AgentPod>, connector: Connector) -> Self {
        Self {
            url: format!("node {} (pod {}/{})", pod.node, pod.namespace, pod.name),
            authority: format!("localhost:{}", pod.port),
            route: Route::Pod(agents, pod),
            base: String::new(),
            connector,
        }
    }

    /// Returns the name that messages use for this agent.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Opens the stream of events at `path`, after the event with this id.
    ///
    /// # Errors
    /// Fails when the agent can't be reached, refuses, or doesn't answer with events.
    pub(crate) async fn open(&self, path: &str, last_id: Option<&str>) -> Result<Incoming, ClientError> {
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
                Err(ClientError::NotAnAgent { url: self.url.clone(), content_type })
            }
        }
    }

    /// Returns the whole JSON at `path`.
    ///
    /// # Errors
    /// Fails when the agent can't be reached or refuses.
    pub(crate) async fn get(&self, path: &str) -> Result<Bytes, ClientError> {
        let request = self.request(Method::GET, path).header(ACCEPT, "application/json");
        self.whole(self.send(request, Bytes::new()).await?).await
    }

    /// Returns the whole body at `path`, also where the status is 503, with which an agent says why it isn't ready.
    ///
    /// # Errors
    /// Fails when the agent can't be reached or refuses.
    pub(crate) async fn answer(&self, path: &str) -> Result<Bytes, ClientError> {
        let response = self.respond(self.request(Method::GET, path), Bytes::new()).await?;
        match response.status() {
            StatusCode::OK | StatusCode::SERVICE_UNAVAILABLE => self.whole(response).await,
            _ => Err(self.refused(response).await),
        }
    }

    async fn whole(&self, response: Response<Incoming>) -> Result<Bytes, ClientError> {
        match timeout(BODY_LIMIT, Limited::new(response.into_body(), MAX_BODY).collect()).await {
            Ok(Ok(body)) => Ok(body.to_bytes()),
            Ok(Err(error)) => Err(self.unreachable(&*error)),
            Err(elapsed) => Err(self.unreachable(&elapsed)),
        }
    }

    /// Sends a request and returns the body of its response.
    ///
    /// # Errors
    /// Fails when the agent can't be reached or refuses.
    pub(crate) async fn ask(&self, method: Method, path: &str, body: Bytes) -> Result<Incoming, ClientError> {
        Ok(self.send(self.request(method, path), body).await?.into_body())
    }

    fn request(&self, method: Method, path: &str) -> Builder {
        Request::builder().method(method).uri(format!("{}{path}", self.base)).header(HOST, &self.authority)
    }

    /// Returns the response if its status is 200.
    async fn send(&self, request: Builder, body: Bytes) -> Result<Response<Incoming>, ClientError> {
        let response = self.respond(request, body).await?;
        match response.status() {
            StatusCode::OK => Ok(response),
            _ => Err(self.refused(response).await),
        }
    }

    async fn respond(&self, mut request: Builder, body: Bytes) -> Result<Response<Incoming>, ClientError> {
        if let Some(token) = self.connector.authorization()? {
            request = request.header(AUTHORIZATION, token);
        }
        match timeout(HEAD_LIMIT, self.exchange(request, body)).await {
            Ok(Ok(response)) => Ok(response),
            Ok(Err(error)) => Err(self.unreachable(&*error)),
            Err(elapsed) => Err(self.unreachable(&elapsed)),
        }
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
            // The kubelet's reason is more precise than the error of the connection that ends because of it.
            biased;
            Some(trouble) = trouble => Err(trouble.trim().into()),
            response = sent => Ok(response?),
        }
    }

    /// Returns the token of the kubeconfig's user, which an agent in a pod gets where no other token is given.
    async fn user(&self) -> Option<HeaderValue> {
        match &self.route {
            Route::Pod(agents, _) if !self.connector.has_token() => agents.authorization().await,
            _ => None,
        }
    }

    async fn connect(&self) -> Result<(Box<dyn Wire>, Trouble), Box<dyn Error + Send + Sync>> {
        let (stream, trouble): (Box<dyn Wire>, Trouble) = match &self.route {
            Route::Tcp { host, port } => {
                let stream = TcpStream::connect((host.as_str(), *port)).await?;
                (Box::new(stream), std::future::ready(None).boxed())
            }
            Route::Pod(agents, pod) => {
                let (stream, trouble) = agents.dial(pod).await?;
                (Box::new(stream), trouble)
            }
        };
        Ok((self.connector.over(stream).await?, trouble))
    }

    fn unreachable(&self, error: &(dyn Error + 'static)) -> ClientError {
        let (url, mut reason) = (self.url.clone(), causes(error));
        // A peer that answers in something other than HTTP most likely answers in TLS.
        let garbled = error.downcast_ref().is_some_and(hyper::Error::is_parse);
        match self.route {
            Route::Tcp { .. } => ClientError::Unreachable { url, reason },
            Route::Pod(..) => {
                if garbled {
                    reason.push_str(
                        "; if the agents serve TLS, --agent-tls NAME gives the name in their certificate",
                    );
                }
                ClientError::Pod { url, reason }
            }
        }
    }

    async fn refused(&self, response: Response<Incoming>) -> ClientError {
        let status = response.status().as_u16();
        let body = timeout(HEAD_LIMIT, Limited::new(response.into_body(), 64 << 10).collect()).await;
        let body = body.ok().and_then(Result::ok).map(Collected::to_bytes).unwrap_or_default();
        let error = serde_json::from_slice::<serde_json::Value>(&body)
            .ok()
            .and_then(|json| Some(json.get("error")?.as_str()?.to_owned()))
            .unwrap_or_else(|| "it gives no reason, so it may be no Flow Observer agent".to_owned());
        let url = self.url.clone();
        match status {
            401 | 403 => ClientError::Unauthorised { url, status, error },
            _ => ClientError::Refused { url, status, error },
        }
    }
}

#[cfg(test)]
mod tests;
