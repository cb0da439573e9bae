//! `/api/v1/findings`: what needs human action, now and within the last hour.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::Uri;
use flow_model::agent_info::AgentInfo;
use flow_model::finding::Finding;
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

use crate::http::answer::Failure;
use crate::http::app::App;
use crate::http::query::FindingsQuery;

pub(super) async fn get(State(app): State<App>, uri: Uri) -> Result<Json<Findings>, Failure> {
    let query = FindingsQuery::parse(&uri)?;
    let mut findings = app.shared.findings.snapshot(Timestamp::now());
    findings.retain(|finding| query.matches(finding));
    Ok(Json(Findings { findings, agent: app.shared.info_of_agent() }))
}

#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Findings {
    /// Active ones first, then the newest.
    findings: Vec<Arc<Finding>>,
    /// The agent that answers. What ended before its start, it does not know.
    agent: AgentInfo,
}
