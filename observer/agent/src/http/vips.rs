//! `/api/v1/vips`: each VIP with its announcers, on the network and by the API.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::Uri;
use flow_model::vip::Vip;
use schemars::JsonSchema;
use serde::Serialize;

use crate::http::answer::Failure;
use crate::http::app::App;
use crate::http::query::parameters;

pub(super) async fn get(State(app): State<App>, uri: Uri) -> Result<Json<Vips>, Failure> {
    parameters(&uri, &[])?;
    Ok(Json(Vips { vips: app.shared.vips.snapshot() }))
}

#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Vips {
    /// By address.
    vips: Vec<Arc<Vip>>,
}
