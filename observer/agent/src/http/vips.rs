//! `/api/v1/vips`: each VIP with its announcers, on the network and by the API.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::Uri;
use flow_model::agent_info::AgentInfo;
use flow_model::vip::KnownVip;
use schemars::JsonSchema;
use serde::Serialize;

use crate::http::answer::Failure;
use crate::http::app::App;
use crate::http::query::parameters;

pub(super) async fn get(State(app): State<App>, uri: Uri) -> Result<Json<Vips>, Failure> {
    parameters(&uri, &[])?;
    Ok(Json(Vips { vips: app.shared.vips.snapshot(), agent: app.shared.info_of_agent() }))
}

#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Vips {
    /// By address.
    vips: Vec<Arc<KnownVip>>,
    /// The agent that answers. What hosts announced before its start, it has not heard.
    agent: AgentInfo,
}
