//! The HTTP API on the contents of the sinks, for people, Prometheus and commands such as `flow-observer tail`.
//!
//! It reads [`Shared`] and nothing else. [`auth`] guards it.

mod answer;
mod app;
pub mod auth;
mod explain;
mod files;
mod findings;
mod flows;
mod limits;
mod openapi;
mod page;
mod pairs;
mod query;
mod rate;
mod runbooks;
mod server;
mod snapshot;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
mod tls;
mod vips;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::header::{
    ACCEPT, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY, VARY,
    X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::middleware::{from_fn_with_state, map_response};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get};
use axum::{Json, Router};
use serde_json::json;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

pub(crate) use self::answer::Failure;
use self::app::App;
use self::auth::Auth;
pub use self::limits::Limits;
use self::limits::Places;
use self::rate::Rate;
pub(crate) use self::runbooks::get as runbook;
use self::server::Server;
pub use self::tls::{Tls, TlsError};
use crate::sink::Shared;
use crate::sink::metrics::{Format, HttpCounters};

const KEEP_ALIVE: Duration = Duration::from_secs(10);

/// Settings of the server. By default it answers everybody, without TLS.
#[derive(Debug, Default)]
pub struct Settings {
    /// The rule for who may ask for `/api`.
    pub auth: Auth,
    /// Certificate and key. Without them, connections are not encrypted.
    pub tls: Option<Tls>,
    /// Bounds on clients and requests.
    pub limits: Limits,
}

/// Serves everybody until `cancel`, and returns within a second of it, whatever clients do.
///
/// # Errors
/// Fails when the listener can't accept any more.
pub async fn serve(listener: TcpListener, shared: Arc<Shared>, cancel: CancellationToken) -> io::Result<()> {
    serve_with(listener, shared, Settings::default(), cancel).await
}

/// Serves with these settings until `cancel`, and returns within a second of it, whatever clients do.
///
/// # Errors
/// Fails when the listener can't accept any more.
pub async fn serve_with(
    listener: TcpListener,
    shared: Arc<Shared>,
    settings: Settings,
    cancel: CancellationToken,
) -> io::Result<()> {
    let pace = Pace { keep_alive: KEEP_ALIVE, reload: files::EVERY };
    serve_at(pace, listener, shared, settings, cancel).await
}

/// Intervals that tests shorten.
#[derive(Clone, Copy)]
struct Pace {
    keep_alive: Duration,
    /// Interval between two checks of certificate and token files.
    reload: Duration,
}

async fn serve_at(
    pace: Pace,
    listener: TcpListener,
    shared: Arc<Shared>,
    settings: Settings,
    cancel: CancellationToken,
) -> io::Result<()> {
    let Settings { auth, tls, limits } = settings;
    let app = App {
        shared: Arc::clone(&shared),
        limits: limits.clone(),
        // The tail limits the number of all streams.
        streams: Places::new(usize::MAX, limits.streams_per_client),
        cancel: cancel.clone(),
        keep_alive: pace.keep_alive,
    };
    let acceptor = tls.as_ref().map(Tls::acceptor);
    let counters = shared.metrics.http_counters();
    let guard = (auth.clone(), counters.clone());
    let rate = Rate::new(limits.pace, counters.clone());
    let server = Server::new(router(app, guard, rate), acceptor, limits, counters, cancel.clone());
    let reload = async {
        let certificate = async {
            if let Some(tls) = tls {
                tls.follow(pace.reload, cancel.clone()).await;
            }
        };
        tokio::join!(certificate, auth.follow(pace.reload, cancel.clone()));
        // Only the end of the server ends this.
        std::future::pending::<()>().await;
    };
    tokio::select! {
        served = server.run(listener) => served,
        () = reload => Ok(()),
    }
}

/// Puts the guard before all paths, not behind each: the answer of a path to a wrong method would otherwise reveal it.
fn router(app: App, guard: (Auth, HttpCounters), rate: Rate) -> Router {
    Router::new()
        .fallback_service(paths(app))
        .layer(from_fn_with_state(guard, auth::guard))
        .layer(from_fn_with_state(rate, rate::limit))
        .layer(map_response(common_headers))
}

/// A path and the handlers of its methods.
type Route = (&'static str, fn() -> MethodRouter<App>);

/// Every path. `openapi.json` describes them; a test compares the two.
const ROUTES: [Route; 13] = [
    ("/", || get(index)),
    ("/metrics", || get(metrics)),
    ("/healthz", || get(async || "ok\n")),
    ("/readyz", || get(readyz)),
    ("/openapi.json", || get(openapi::get)),
    ("/runbooks/{name}", || get(runbooks::get)),
    ("/ui/{name}", || get(page::get)),
    ("/api/v1/flows", || get(flows::get)),
    ("/api/v1/pairs", || get(pairs::get)),
    ("/api/v1/explain", || get(explain::get).post(explain::post)),
    ("/api/v1/snapshot", || get(snapshot::get)),
    ("/api/v1/findings", || get(findings::get)),
    ("/api/v1/vips", || get(vips::get)),
];

fn paths(app: App) -> Router {
    ROUTES
        .iter()
        .fold(Router::new(), |router, (path, methods)| router.route(path, methods()))
        .fallback(async || Failure::new(StatusCode::NOT_FOUND, "no such path; GET / lists what there is"))
        .method_not_allowed_fallback(async || {
            Failure::new(StatusCode::METHOD_NOT_ALLOWED, "this path does not answer this method")
        })
        .with_state(app)
}

/// Headers of every answer but the page's files, which have some of their own. Browsers must not keep, run or frame it, or
/// read it for another site.
const HEADERS: [(HeaderName, HeaderValue); 6] = [
    (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (CACHE_CONTROL, HeaderValue::from_static("no-store")),
    (CONTENT_SECURITY_POLICY, HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'")),
    (X_FRAME_OPTIONS, HeaderValue::from_static("DENY")),
    (REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    (HeaderName::from_static("cross-origin-resource-policy"), HeaderValue::from_static("same-origin")),
];

pub(crate) async fn common_headers(mut response: Response) -> Response {
    for (name, value) in HEADERS {
        response.headers_mut().entry(name).or_insert(value);
    }
    response
}

/// Answers browsers with the page, and everybody else with the list of paths.
async fn index(State(app): State<App>, headers: HeaderMap) -> Response {
    if page::is_browser(&headers) {
        return crate::page::index(&headers);
    }
    ([(VARY, "accept")], paths_and_facts(&app)).into_response()
}

fn paths_and_facts(app: &App) -> String {
    use std::fmt::Write;
    let mut text = format!(
        "Flow Observer {}\n
/metrics            metrics for Prometheus
/healthz            200 while the agent runs
/readyz             200 when ready, else what is pending; with what is out of date or can't be seen
/openapi.json       all of this for programs: parameters, answers, errors
/runbooks/{{name}}    what to do about an alert; /runbooks/README lists the pages
/ui/{{name}}          the files of the page that browsers get at /
/api/v1/flows       live tail: ?namespace= &pod=NS/NAME &kind= &outcome= &since=5m &follow=false
/api/v1/pairs       counters per pair: ?namespace= &pod=NS/NAME
/api/v1/findings    what needs action: ?kind= &state= &namespace=
/api/v1/vips        load-balancer addresses: who announces each, its moves, and the announcers by the API
/api/v1/explain     verdict of the policies: ?src=NS/POD &dst=NS/SVC:5432/TCP; POST takes questions, one JSON a line
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
    let mut blind = app.shared.sight.list();
    // This path is open to everybody, and findings name the pods.
    blind.iter_mut().for_each(|spot| spot.addresses.clear());
    let ready = pending.is_empty();
    if ready && stale.is_empty() && blind.is_empty() {
        return "ready\n".into_response();
    }
    let mut body = if ready { json!({ "ready": true }) } else { json!({ "pending": pending }) };
    if !stale.is_empty() {
        body["stale"] = json!(stale);
    }
    if !blind.is_empty() {
        body["blind_spots"] = json!(blind);
    }
    // A restart would not mend what can't be seen or is out of date.
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(body)).into_response()
}
