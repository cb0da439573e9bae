//! `/api/v1/vips`: each VIP with who announces it, on the wire and by the API.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::Uri;
use serde::Serialize;

use super::App;
use super::answer::Failure;
use super::query::parameters;
use crate::core::vips::Vip;

pub(super) async fn get(State(app): State<App>, uri: Uri) -> Result<Json<Vips>, Failure> {
    parameters(&uri, &[])?;
    Ok(Json(Vips { vips: app.shared.vips.snapshot() }))
}

#[derive(Debug, Serialize)]
pub(super) struct Vips {
    /// By address.
    vips: Vec<Arc<Vip>>,
}
