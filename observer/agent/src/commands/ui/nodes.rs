//! `/api/v1/nodes` of the page's server: the state of each agent, what it can't see, and what it lost.

use std::collections::BTreeMap;

use arcstr::{ArcStr, literal};
use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use futures_util::{StreamExt, stream};
use serde_json::{Map, Value, json};

use crate::client::ask::MAX_CONCURRENT;
use crate::client::target::Target;
use crate::commands::ui::shown::{Shown, Source, failure};
use crate::http::Failure;
use crate::kube::agents::{AgentPod, Survey};

/// The series that count losses.
const LOST: &str = "flow_observer_events_lost_total{stage=\"";

/// Answers with a line for each node, by name. A node without an agent has an `error`.
pub(super) async fn get(State(shown): State<Shown>) -> Result<Response, Failure> {
    let nodes = match &shown.source {
        Source::One(target) => vec![state(literal!(""), target).await],
        Source::All(fleet) => {
            let Survey { pods, mut absent, .. } =
                fleet.survey().await.map_err(|error| failure(&error.into()))?;
            // An agent that is not ready says itself what it waits for.
            absent.retain(|absent| pods.iter().all(|pod| pod.node != absent.node));
            let ask = |pod: AgentPod| {
                let (node, target) = (pod.node.clone(), fleet.target(pod));
                async move { state(node, &target).await }
            };
            let mut nodes: Vec<_> =
                stream::iter(pods).map(ask).buffered(MAX_CONCURRENT).collect::<Vec<_>>().await;
            nodes.extend(
                absent.into_iter().map(|one| json!({ "node": one.node, "error": one.reason, "lost": {} })),
            );
            nodes.sort_by_key(|node| node["node"].as_str().unwrap_or_default().to_owned());
            nodes
        }
    };
    Ok(Json(json!({ "nodes": nodes })).into_response())
}

/// Returns what an agent says of itself.
async fn state(node: ArcStr, target: &Target) -> Value {
    let (ready, metrics) = tokio::join!(target.answer("/readyz"), target.answer("/metrics"));
    let mut state = match ready {
        // `ready` without more is no JSON.
        Ok(ready) => serde_json::from_slice(&ready).unwrap_or_default(),
        Err(error) => Map::from_iter([("error".to_owned(), json!(error.to_string()))]),
    };
    let metrics = metrics.unwrap_or_default();
    state.insert("node".to_owned(), json!(node));
    state.insert("lost".to_owned(), json!(losses(&String::from_utf8_lossy(&metrics))));
    Value::Object(state)
}

/// Returns the losses by stage.
fn losses(metrics: &str) -> BTreeMap<&str, f64> {
    let lines = metrics.lines().filter_map(|line| line.strip_prefix(LOST)?.split_once("\"} "));
    lines.filter_map(|(stage, count)| Some((stage, count.parse().ok()?))).collect()
}
