//! What the agents answer, joined as the commands join it.

use arcstr::ArcStr;
use axum::Json;
use axum::extract::{RawQuery, State};
use axum::http::Uri;
use axum::response::{IntoResponse, Response};
use flow_model::finding::Finding;
use flow_model::vip::KnownVip;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::client::questions::Agent;
use crate::client::{ask, joined_findings, joined_vips};
use crate::commands::joined::Asked;
use crate::commands::ui::shown::{Shown, Source, failure};
use crate::http::Failure;

#[derive(Deserialize)]
struct Findings {
    findings: Vec<Finding>,
}

#[derive(Deserialize)]
struct Vips {
    vips: Vec<KnownVip>,
}

#[derive(Deserialize)]
struct Pairs {
    pairs: Vec<Map<String, Value>>,
}

/// Parameters of `/api/v1/explain`.
#[derive(Deserialize)]
struct Question {
    src: String,
    dst: String,
}

/// Answers with the findings of all agents, joined, and the nodes that they come from.
pub(super) async fn findings(
    State(shown): State<Shown>,
    RawQuery(query): RawQuery,
) -> Result<Response, Failure> {
    let asked: Asked<Findings> = shown.ask("/api/v1/findings", query).await?;
    let findings = asked.answers.into_iter().flat_map(|(_, answer)| answer.findings);
    let findings = joined_findings::join(findings);
    let options = shown.options();
    Ok(Json(json!({ "findings": findings, "nodes": asked.coverage, "options": options })).into_response())
}

/// Answers with the VIPs as all agents see them, joined.
pub(super) async fn vips(State(shown): State<Shown>, RawQuery(query): RawQuery) -> Result<Response, Failure> {
    let asked: Asked<Vips> = shown.ask("/api/v1/vips", query).await?;
    let by_node =
        |(node, answer): (Option<ArcStr>, Vips)| answer.vips.into_iter().map(move |vip| (node.clone(), vip));
    let vips = joined_vips::join(asked.answers.into_iter().flat_map(by_node));
    Ok(Json(json!({ "vips": vips, "nodes": asked.coverage })).into_response())
}

/// Answers with the pairs of all agents. Each has the node that counted it.
pub(super) async fn pairs(
    State(shown): State<Shown>,
    RawQuery(query): RawQuery,
) -> Result<Response, Failure> {
    let asked: Asked<Pairs> = shown.ask("/api/v1/pairs", query).await?;
    let with_node = |(node, answer): (Option<ArcStr>, Pairs)| {
        answer.pairs.into_iter().map(move |mut pair| {
            pair.extend(node.as_ref().map(|node| ("node".to_owned(), json!(node))));
            pair
        })
    };
    let pairs: Vec<_> = asked.answers.into_iter().flat_map(with_node).collect();
    Ok(Json(json!({ "pairs": pairs, "nodes": asked.coverage })).into_response())
}

/// Answers one question, by one agent: all know the same cluster.
pub(super) async fn explain(State(shown): State<Shown>, uri: Uri) -> Result<Response, Failure> {
    let question = axum::extract::Query::<Question>::try_from_uri(&uri);
    let axum::extract::Query(Question { src, dst }) = question.map_err(|_| {
        Failure::bad_request("two parameters are needed, e.g. ?src=web/front&dst=data/db:5432")
    })?;
    let target = match &shown.source {
        Source::One(target) => target.clone(),
        Source::All(fleet) => ask::any(fleet).await.map_err(|error| failure(&error))?,
    };
    let answer = Agent::new(target).ask_one(&src, &dst).await.map_err(|error| failure(&error))?;
    Ok(Json(answer).into_response())
}
