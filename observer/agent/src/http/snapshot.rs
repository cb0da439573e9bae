//! `/api/v1/snapshot`: the baseline that `flow-observer audit --flows` reads.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::http::{StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use flow_model::baseline::{Baseline, Missing, VERSION};
use flow_model::inventory::Inventory;
use jiff::Timestamp;

use crate::http::answer::Failure;
use crate::http::app::App;
use crate::http::query::parameters;
use crate::sink::Shared;

pub(super) async fn get(State(app): State<App>, uri: Uri) -> Result<Response, Failure> {
    parameters(&uri, &[])?;
    let shared = Arc::clone(&app.shared);
    // Megabytes of JSON must not block the threads that serve other requests.
    let json = tokio::task::spawn_blocking(move || serde_json::to_vec(&take(&shared, Timestamp::now())));
    let json = json.await.map_err(|e| e.to_string()).and_then(|json| json.map_err(|e| e.to_string()));
    let json = json.map_err(|error| {
        Failure::new(StatusCode::INTERNAL_SERVER_ERROR, format!("the snapshot can't be written: {error}"))
    })?;
    Ok(([(CONTENT_TYPE, "application/json")], Body::from(json)).into_response())
}

fn take(shared: &Shared, time: Timestamp) -> Baseline {
    let (flows, lost) = shared.baseline.snapshot();
    let inventory = Inventory { objects: BTreeMap::new(), ..Inventory::clone(&shared.inventory()) };
    let node = shared.node().clone();
    let stale = shared.readiness.stale().into_iter();
    let missing = stale.map(|(what, why)| Missing { what: what.into(), why }).collect();
    Baseline { version: VERSION, node, time, inventory: inventory.into(), flows, lost, missing }
}
