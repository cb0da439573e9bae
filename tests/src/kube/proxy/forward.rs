//! Forwards connections and requests, with one upstream connection per request.

use std::future::pending;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

use bytes::Bytes;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use hyper::http::response::Parts;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode, client, server};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use super::faults::{Asked, Fault, Faults, Stage};
use super::stream;
use super::tls::Tls;

pub(super) type Body = UnsyncBoxBody<Bytes, io::Error>;

#[derive(Debug)]
pub(super) struct Front {
    pub(super) to: SocketAddr,
    pub(super) tls: Tls,
    pub(super) faults: Arc<Faults>,
}

impl Front {
    /// Takes connections until it is aborted; they break with it.
    pub(super) async fn accept(self: Arc<Self>, listener: TcpListener) {
        let Ok(listener) = tokio::net::TcpListener::from_std(listener) else { return };
        let mut connections = JoinSet::new();
        while let Ok((stream, _)) = listener.accept().await {
            let front = Arc::clone(&self);
            connections.spawn(async move { drop(front.serve(stream).await) });
        }
    }

    async fn serve(self: Arc<Self>, stream: TcpStream) -> io::Result<()> {
        let stream = self.tls.accept(stream).await?;
        let service = service_fn(move |request| {
            let front = Arc::clone(&self);
            async move { front.answer(request).await }
        });
        let connection = server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service);
        connection.with_upgrades().await.map_err(io::Error::other)
    }

    /// An error closes the connection.
    async fn answer(&self, request: Request<Incoming>) -> io::Result<Response<Body>> {
        let asked = asked(&request);
        match self.faults.befalls(&asked, Stage::Request) {
            Some(Fault::Status(code, retry_after)) => return Ok(failure(code, retry_after)),
            Some(_) => return pending().await,
            None => {}
        }
        let (head, body) = self.forward(request).await?.into_parts();
        if let Some(Fault::Listed(object)) = self.faults.befalls(&asked, Stage::List) {
            return longer(head, body, object).await;
        }
        Ok(Response::from_parts(head, stream::body(asked, body, Arc::clone(&self.faults))))
    }

    async fn forward(&self, request: Request<Incoming>) -> io::Result<Response<Incoming>> {
        let stream = TcpStream::connect(self.to).await?;
        let stream = self.tls.connect(stream).await?;
        let (mut sender, connection) =
            client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(io::Error::other)?;
        tokio::spawn(connection);
        sender.send_request(request).await.map_err(io::Error::other)
    }
}

/// Adds an object to a list.
async fn longer(mut head: Parts, body: Incoming, object: Value) -> io::Result<Response<Body>> {
    let bytes = body.collect().await.map_err(io::Error::other)?.to_bytes();
    let mut list: Value = serde_json::from_slice(&bytes)?;
    list["items"].as_array_mut().ok_or_else(|| io::Error::other("no list"))?.push(object);
    head.headers.remove(CONTENT_LENGTH);
    let body = Full::new(Bytes::from(list.to_string())).map_err(|never| match never {});
    Ok(Response::from_parts(head, body.boxed_unsync()))
}

fn asked(request: &Request<Incoming>) -> Asked {
    let query = request.uri().query().unwrap_or_default();
    let watch = query.split('&').any(|pair| matches!(pair, "watch=1" | "watch=true"));
    Asked { path: request.uri().path().to_owned(), watch }
}

fn failure(code: u16, retry_after: Option<u32>) -> Response<Body> {
    let text = json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
        "message": "a fault of the test", "reason": reason(code), "code": code,
    });
    let body = Full::new(Bytes::from(text.to_string())).map_err(|never| match never {});
    let mut answer = Response::new(body.boxed_unsync());
    *answer.status_mut() = StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    if let Some(seconds) = retry_after {
        answer.headers_mut().insert(RETRY_AFTER, seconds.into());
    }
    answer
}

/// Returns an error as kube-apiserver phrases it.
fn reason(code: u16) -> &'static str {
    match code {
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "NotFound",
        410 => "Expired",
        429 => "TooManyRequests",
        503 => "ServiceUnavailable",
        _ => "InternalError",
    }
}
