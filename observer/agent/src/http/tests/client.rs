//! An agent's HTTP side on a port of its own, and clients for it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use flow_model::output::Output;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::header::{HeaderName, HeaderValue};
use hyper::{HeaderMap, Request, Response};
use hyper_util::rt::TokioIo;
use jiff::Timestamp;
use serde_json::Value;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::http::{Pace, Settings, serve_at};
use crate::sink::testing::at;
use crate::sink::{Shared, SinkConfig, Sinks};

/// Nothing here takes long; a test that waits this long has failed.
pub(super) const PATIENCE: Duration = Duration::from_secs(20);

const PACE: Pace = Pace { keep_alive: Duration::from_millis(50), reload: Duration::from_millis(10) };

/// Waits for what must come.
pub(super) async fn eventually(condition: impl Fn() -> bool) {
    within_patience(async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    })
    .await;
}

pub(super) async fn within_patience<T>(future: impl Future<Output = T>) -> T {
    timeout(PATIENCE, future).await.expect("in time")
}

pub(super) struct Agent {
    pub(super) shared: Arc<Shared>,
    pub(super) address: SocketAddr,
    pub(super) cancel: CancellationToken,
    pub(super) server: JoinHandle<std::io::Result<()>>,
    sinks: Sinks,
}

pub(super) struct Answer {
    pub(super) status: u16,
    headers: HeaderMap,
    pub(super) body: String,
}

impl Agent {
    pub(super) async fn start() -> Self {
        Self::with(|_| {}).await
    }

    pub(super) async fn with(configure: impl FnOnce(&mut SinkConfig)) -> Self {
        Self::launch(configure, Settings::default()).await
    }

    pub(super) async fn set(settings: Settings) -> Self {
        Self::launch(|_| {}, settings).await
    }

    async fn launch(configure: impl FnOnce(&mut SinkConfig), settings: Settings) -> Self {
        let mut config = SinkConfig { started: at(-86_400), ..SinkConfig::new("node1".into()) };
        configure(&mut config);
        let (sinks, shared) = Sinks::new(&config);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let cancel = CancellationToken::new();
        let server = serve_at(PACE, listener, Arc::clone(&shared), settings, cancel.clone());
        let server = tokio::spawn(server);
        Self { shared, address, cancel, server, sinks }
    }

    pub(super) fn emit(&mut self, output: Output) {
        self.sinks.emit(output, Timestamp::now());
    }

    pub(super) async fn get(&self, path: &str, headers: &[(&str, &str)]) -> Answer {
        self.request("GET", path, headers).await
    }

    pub(super) async fn request(&self, method: &str, path: &str, headers: &[(&str, &str)]) -> Answer {
        Self::answer(self.open(method, path, headers, Bytes::new()).await).await
    }

    pub(super) async fn post(&self, path: &str, body: String) -> Answer {
        Self::answer(self.open("POST", path, &[], body.into()).await).await
    }

    async fn answer(response: Response<Incoming>) -> Answer {
        let (head, body) = response.into_parts();
        let body = timeout(PATIENCE, body.collect()).await.unwrap().unwrap().to_bytes();
        let body = String::from_utf8(body.to_vec()).unwrap();
        Answer { status: head.status.as_u16(), headers: head.headers, body }
    }

    pub(super) async fn stream(&self, path: &str, headers: &[(&str, &str)]) -> Lines {
        let response = self.open("GET", path, headers, Bytes::new()).await;
        assert_eq!(response.status(), 200);
        Lines { body: response.into_body(), buffer: BytesMut::new() }
    }

    async fn open(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Bytes,
    ) -> Response<Incoming> {
        let stream = TcpStream::connect(self.address).await.unwrap();
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        let mut request = Request::builder().method(method).uri(path);
        if !headers.iter().any(|(name, _)| *name == "host") {
            request = request.header("host", "localhost");
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Full::new(body)).unwrap();
        timeout(PATIENCE, sender.send_request(request)).await.unwrap().unwrap()
    }
}

impl Answer {
    /// Parses an answer that was read as text, with a body that is not in chunks.
    pub(super) fn parse(text: &str) -> Self {
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        let mut lines = head.lines();
        let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
        let headers = lines.map(|line| line.split_once(": ").unwrap());
        let headers = headers.map(|(name, value)| {
            (HeaderName::from_bytes(name.as_bytes()).unwrap(), HeaderValue::from_str(value).unwrap())
        });
        Self { status, headers: headers.collect(), body: body.to_owned() }
    }

    pub(super) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    pub(super) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }
}

/// A body, read line by line.
pub(super) struct Lines {
    body: Incoming,
    buffer: BytesMut,
}

impl Lines {
    /// The next line; `None` at the proper end.
    pub(super) async fn next(&mut self) -> Option<String> {
        loop {
            if let Some(end) = self.buffer.iter().position(|byte| *byte == b'\n') {
                let line = self.buffer.split_to(end + 1);
                return Some(String::from_utf8(line[..end].to_vec()).unwrap());
            }
            let frame = timeout(PATIENCE, self.body.frame()).await.expect("a line in time")?;
            self.buffer.extend_from_slice(&frame.unwrap().into_data().unwrap());
        }
    }
}
