//! The server of the page: only for this machine, only GET, and only under names that no foreign name server controls.

use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::extract::{Path, Request, State};
use axum::http::header::HOST;
use axum::http::{HeaderMap, Method, StatusCode};
use axum::middleware::{Next, from_fn_with_state, map_response};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tokio::net::TcpListener;
use tokio::time::sleep;

use crate::commands::ui::shown::Shown;
use crate::commands::ui::{answers, flows, nodes};
use crate::http::{Failure, common_headers, runbook};
use crate::page;

/// The longest time that open requests may take to end after the cancellation.
const GRACE: Duration = Duration::from_millis(300);

/// Serves at this address until the cancellation.
pub(super) async fn run(listener: TcpListener, address: SocketAddr, shown: Shown) -> anyhow::Result<()> {
    let cancel = shown.cancel.clone();
    let stopped = cancel.clone().cancelled_owned();
    let served = axum::serve(listener, router(address, shown)).with_graceful_shutdown(stopped).into_future();
    let late = async {
        cancel.cancelled().await;
        // A browser keeps its connections; nobody waits for them.
        sleep(GRACE).await;
    };
    tokio::select! {
        served = served => Ok(served?),
        () = late => Ok(()),
    }
}

fn router(address: SocketAddr, shown: Shown) -> Router {
    let paths = Router::new()
        .route("/", get(async |headers: HeaderMap| page::index(&headers)))
        .route("/ui/{name}", get(file))
        .route("/runbooks/{name}", get(runbook))
        .route("/api/v1/findings", get(answers::findings))
        .route("/api/v1/vips", get(answers::vips))
        .route("/api/v1/pairs", get(answers::pairs))
        .route("/api/v1/explain", get(answers::explain))
        .route("/api/v1/nodes", get(nodes::get))
        .route("/api/v1/flows", get(flows::get))
        .fallback(async || Failure::new(StatusCode::NOT_FOUND, "no such path; the page is at /"))
        .with_state(shown);
    // The guard is before all paths, so that a refusal reveals none.
    Router::new()
        .fallback_service(paths)
        .layer(from_fn_with_state(address, guard))
        .layer(map_response(common_headers))
}

async fn file(Path(name): Path<String>, headers: HeaderMap) -> Result<Response, Failure> {
    page::file(&name, &headers)
        .ok_or_else(|| Failure::new(StatusCode::NOT_FOUND, "the page has no such file"))
}

/// Refuses what a page of another site could send: other methods, and names that a foreign name server could point here.
async fn guard(State(address): State<SocketAddr>, request: Request, next: Next) -> Response {
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return Failure::new(StatusCode::METHOD_NOT_ALLOWED, "the page only reads").into_response();
    }
    if !is_own(request.headers(), address) {
        let error = format!("this is served as http://{address}/ only, so that no web page can read it");
        return Failure::new(StatusCode::FORBIDDEN, error).into_response();
    }
    next.run(request).await
}

/// Is true where the one `Host` is the address of this server, or localhost with its port.
fn is_own(headers: &HeaderMap, address: SocketAddr) -> bool {
    let mut hosts = headers.get_all(HOST).iter().map(|value| value.to_str().unwrap_or_default());
    let (Some(host), None) = (hosts.next(), hosts.next()) else { return false };
    let host = host.to_ascii_lowercase();
    host == address.to_string() || host == format!("localhost:{}", address.port())
}
