//! The HTTP side: what the sinks know, for people, Prometheus and `flow-observer tail`.
//!
//! Reads [`Shared`] and nothing else.

mod answer;
mod explain;
mod findings;
mod flows;
mod pairs;
mod query;
mod snapshot;
#[cfg(test)]
mod tests;
mod vips;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::header::{ACCEPT, CACHE_CONTROL, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::middleware::map_response;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::serve::ListenerExt;
use axum::{Json, Router};
use serde_json::json;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use self::answer::Failure;
use crate::sink::Shared;
use crate::sink::metrics::Format;

/// How long open requests may take to end after the cancellation.
const GRACE: Duration = Duration::from_millis(500);
const KEEP_ALIVE: Duration = Duration::from_secs(10);

/// What each handler gets.
#[derive(Clone)]
struct App {
    shared: Arc<Shared>,
    /// Ends the streams.
    cancel: CancellationToken,
    /// Silence after which a stream of events says that it is alive.
    keep_alive: Duration,
}

/// Serves until `cancel`; returns within a second of it, whatever clients do.
///
/// # Errors
/// When the listener can't accept any more.
pub async fn serve(listener: TcpListener, shared: Arc<Shared>, cancel: CancellationToken) -> io::Result<()> {
    serve_app(listener, App { shared, cancel, keep_alive: KEEP_ALIVE }).await
}

async fn serve_app(listener: TcpListener, app: App) -> io::Result<()> {
    let cancel = app.cancel.clone();
    let listener = listener.tap_io(|stream| {
        // A record is small, and worth seeing now.
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "TCP_NODELAY");
        }
    });
    let server = axum::serve(listener, router(app)).with_graceful_shutdown(cancel.clone().cancelled_owned());
    let late = async {
        cancel.cancelled().await;
        tokio::time::sleep(GRACE).await;
    };
    tokio::select! {
        result = server => result,
        // A client that does not read its answer is not waited for.
        () = late => Ok(()),
    }
}

fn router(app: App) -> Router {
    Router::new()
        .route("/", get(index))
        .route("/metrics", get(metrics))
        .route("/healthz", get(async || "ok\n"))
        .route("/readyz", get(readyz))
        .route("/api/v1/flows", get(flows::get))
        .route("/api/v1/pairs", get(pairs::get))
        .route("/api/v1/explain", get(explain::get).post(explain::post))
        .route("/api/v1/snapshot", get(snapshot::get))
        .route("/api/v1/findings", get(findings::get))
        .route("/api/v1/vips", get(vips::get))
        .fallback(async || Failure::new(StatusCode::NOT_FOUND, "no such path; GET / lists what there is"))
        .method_not_allowed_fallback(async || {
            Failure::new(StatusCode::METHOD_NOT_ALLOWED, "this path does not answer this method")
        })
        .layer(map_response(common_headers))
        .with_state(app)
}

async fn common_headers(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

async fn index(State(app): State<App>) -> String {
    use std::fmt::Write;
    let mut text = format!(
        "Flow Observer {}\n
/metrics            metrics for Prometheus
/healthz            200 while the agent runs
/readyz             200 when ready, else what is pending
/api/v1/flows       live tail: ?namespace= &pod=NS/NAME &kind= &outcome= &since=5m &follow=false
/api/v1/pairs       counters per pair: ?namespace= &pod=NS/NAME
/api/v1/findings    what to act on: ?kind= &state= &namespace=
/api/v1/vips        load-balancer addresses: who announces each, its moves, what the API says
/api/v1/explain     what the policies say: ?src=NS/POD &dst=NS/SVC:5432/TCP; POST takes questions, one JSON a line
/api/v1/snapshot    flows seen and the cluster, for `flow-observer audit --flows`
",
        env!("CARGO_PKG_VERSION")
    );
    for (n, (key, value)) in app.shared.info().into_iter().enumerate() {
        let gap = if n == 0 { "\n" } else { "" };
        // Writing to a String does not fail.
        writeln!(text, "{gap}{key}: {value}").ok();
    }
    text
}

async fn metrics(State(app): State<App>, headers: HeaderMap) -> Result<Response, Failure> {
    // Several Accept lines mean the same as one with commas.
    let accept: Vec<&str> = headers.get_all(ACCEPT).iter().filter_map(|v| v.to_str().ok()).collect();
    let format = Format::from_accept(Some(&accept.join(",")));
    let text = app.shared.metrics.encode(format).map_err(|error| {
        Failure::new(StatusCode::INTERNAL_SERVER_ERROR, format!("metrics can't be encoded: {error}"))
    })?;
    Ok(([(CONTENT_TYPE, format.content_type())], text).into_response())
}

async fn readyz(State(app): State<App>) -> Response {
    let pending = app.shared.readiness.pending();
    let stale = app.shared.readiness.stale();
    match (pending.is_empty(), stale.is_empty()) {
        (true, true) => "ready\n".into_response(),
        (true, false) => Json(json!({ "ready": true, "stale": stale })).into_response(),
        (false, true) => {
            (StatusCode::SERVICE_UNAVAILABLE, Json(json!({ "pending": pending }))).into_response()
        }
        (false, false) => {
            (StatusCode::SERVICE_UNAVAILABLE, Json(json!({ "pending": pending, "stale": stale })))
                .into_response()
        }
    }
}
