//! One request to the endpoint, and what its answer means.

#[cfg(test)]
mod tests;

use std::error::Error;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Collected, Full, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::{CONTENT_ENCODING, CONTENT_TYPE, HOST, HeaderMap, HeaderValue, RETRY_AFTER, USER_AGENT};
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceResponse;
use prost::Message as _;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;

use crate::causes::causes;
use crate::client::connect::{ConnectArgs, ConnectError, Wire, tls_connector};
use crate::otlp::headers::Headers;
use crate::otlp::{Settings, Url};

const PROTOBUF: &str = "application/x-protobuf";
/// The largest answer that is read.
const MAX_ANSWER: usize = 64 << 10;
/// The longest wait that an endpoint can ask for.
const MAX_WAIT: Duration = Duration::from_secs(300);
/// The characters of an answer that a message quotes.
const QUOTED: usize = 200;

/// The reason why nothing can be sent at all.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// Certificates can't be read, or no certificate can be for this host.
    #[error("--otlp-ca-file {}: {source}", path.as_ref().map_or_else(|| "(the system's)".into(), |path| path.display().to_string()))]
    Tls {
        /// The path as given.
        path: Option<PathBuf>,
        /// What is wrong.
        source: ConnectError,
    },
    /// The headers can't be used.
    #[error("--otlp-headers: {0}")]
    Headers(#[from] super::HeadersError),
}

/// The end of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The records were taken, except for this number.
    Accepted { rejected: u64, why: String },
    /// The same request may succeed later; the endpoint may say when.
    Later { why: String, after: Option<Duration> },
    /// It never will.
    Refused { why: String },
}

/// Sends requests, one after the other, over one connection where possible.
pub struct Exporter {
    url: Url,
    headers: Headers,
    tls: Option<(TlsConnector, ServerName<'static>)>,
    timeout: Duration,
    connection: Option<SendRequest<Full<Bytes>>>,
}

impl Exporter {
    /// Connects to nothing yet.
    ///
    /// # Errors
    /// Fails when certificates can't be read, or headers can't be sent.
    pub fn new(settings: &Settings) -> Result<Self, ExportError> {
        let Settings { url, headers, ca_file, timeout, .. } = settings;
        let tls = if url.https {
            let source = |source| ExportError::Tls { path: ca_file.clone(), source };
            let args = ConnectArgs { ca_file: ca_file.clone(), ..ConnectArgs::default() };
            Some(tls_connector(&args, &url.host).map_err(source)?)
        } else {
            None
        };
        headers.now()?;
        Ok(Self { url: url.clone(), headers: headers.clone(), tls, timeout: *timeout, connection: None })
    }

    /// Returns the URL without what may be secret.
    #[must_use]
    pub fn url(&self) -> String {
        self.url.to_string()
    }

    /// Sends a compressed request and returns what became of it.
    pub async fn post(&mut self, body: Bytes) -> Answer {
        let limit = self.timeout;
        match timeout(limit, self.exchange(body)).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(error)) => self.failed(causes(&*error)),
            Err(_) => self.failed(format!("no answer within {limit:?}")),
        }
    }

    /// The next request uses a new connection.
    fn failed(&mut self, why: String) -> Answer {
        self.connection = None;
        Answer::Later { why, after: None }
    }

    async fn exchange(&mut self, body: Bytes) -> Result<Answer, Box<dyn Error + Send + Sync>> {
        let request = self.request(body)?;
        let response = self.connection().await?.send_request(request).await?;
        answer(response).await
    }

    fn request(&self, body: Bytes) -> Result<Request<Full<Bytes>>, Box<dyn Error + Send + Sync>> {
        let mut request = Request::builder()
            .method(Method::POST)
            .uri(&self.url.path)
            .header(HOST, &self.url.authority)
            .header(USER_AGENT, concat!("flow-observer/", env!("CARGO_PKG_VERSION")))
            .body(Full::new(body))?;
        request.headers_mut().extend(self.headers.now()?);
        request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(PROTOBUF));
        request.headers_mut().insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        Ok(request)
    }

    /// Returns the open connection, or a new one.
    async fn connection(&mut self) -> Result<&mut SendRequest<Full<Bytes>>, Box<dyn Error + Send + Sync>> {
        if let Some(mut open) = self.connection.take() {
            // The endpoint may have closed it while nothing was sent.
            if open.ready().await.is_ok() {
                return Ok(self.connection.insert(open));
            }
        }
        let new = self.connect().await?;
        Ok(self.connection.insert(new))
    }

    async fn connect(&self) -> Result<SendRequest<Full<Bytes>>, Box<dyn Error + Send + Sync>> {
        let stream = TcpStream::connect((self.url.host.as_str(), self.url.port)).await?;
        let stream: Box<dyn Wire> = match &self.tls {
            Some((tls, name)) => Box::new(tls.connect(name.clone(), stream).await?),
            None => Box::new(stream),
        };
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "connection to the OTLP endpoint");
            }
        });
        Ok(sender)
    }
}

impl std::fmt::Debug for Exporter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Exporter").field("url", &self.url()).finish_non_exhaustive()
    }
}

/// Reads an answer as the protocol says: <https://opentelemetry.io/docs/specs/otlp/#otlphttp-response>.
async fn answer(response: Response<Incoming>) -> Result<Answer, Box<dyn Error + Send + Sync>> {
    let (head, body) = response.into_parts();
    let body = Limited::new(body, MAX_ANSWER).collect().await;
    if head.status.is_success() {
        // An answer that can't be read says nothing against the records: they were taken.
        let body = body.map(Collected::to_bytes).unwrap_or_default();
        return Ok(accepted(&head.headers, body));
    }
    let body = body.map(Collected::to_bytes).unwrap_or_default();
    let why = format!("status {}{}", head.status.as_u16(), quoted(&body));
    Ok(match head.status {
        StatusCode::TOO_MANY_REQUESTS
        | StatusCode::BAD_GATEWAY
        | StatusCode::SERVICE_UNAVAILABLE
        | StatusCode::GATEWAY_TIMEOUT => Answer::Later { why, after: retry_after(&head.headers) },
        _ => Answer::Refused { why },
    })
}

fn accepted(headers: &HeaderMap, body: Bytes) -> Answer {
    let is_protobuf = headers.get(CONTENT_TYPE).is_some_and(|media| media.as_bytes() == PROTOBUF.as_bytes());
    let decoded = is_protobuf.then(|| ExportLogsServiceResponse::decode(body).ok()).flatten();
    let partial = decoded.and_then(|response| response.partial_success).unwrap_or_default();
    Answer::Accepted {
        rejected: u64::try_from(partial.rejected_log_records).unwrap_or_default(),
        why: partial.error_message.chars().take(QUOTED).collect(),
    }
}

/// Returns the beginning of an answer in text, for a message.
fn quoted(body: &[u8]) -> String {
    let text: String = String::from_utf8_lossy(body)
        .chars()
        .map(|c| if c.is_control() || c == char::REPLACEMENT_CHARACTER { ' ' } else { c })
        .take(QUOTED)
        .collect();
    if text.trim().is_empty() { String::new() } else { format!(": {}", text.trim()) }
}

/// Returns how long the endpoint asks to wait: seconds, or a time.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?;
    let wait = match text.trim().parse() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => {
            let time = jiff::fmt::rfc2822::parse(text).ok()?.timestamp();
            SystemTime::from(time).duration_since(SystemTime::now()).unwrap_or_default()
        }
    };
    Some(wait.min(MAX_WAIT))
}
