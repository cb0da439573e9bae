//! `/api/v1/pairs`: counters per pair of pods.

use std::net::IpAddr;

use arcstr::ArcStr;
use axum::Json;
use axum::extract::State;
use axum::http::Uri;
use flow_model::flow::{Counts, Vantage};
use flow_model::object_ref::ObjectRef;
use flow_model::record::Endpoint;
use schemars::JsonSchema;
use serde::Serialize;

use crate::http::answer::Failure;
use crate::http::app::App;
use crate::http::query::names_only;
use crate::sink::pairs::{PairRow, PairRows};

pub(super) async fn get(State(app): State<App>, uri: Uri) -> Result<Json<Pairs>, Failure> {
    let filter = names_only(&uri)?;
    let mut rows = app.shared.pairs.snapshot();
    rows.rows.retain(|row| filter.matches_endpoints(&row.src, &row.dst));
    Ok(Json(rows.into()))
}

#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Pairs {
    pairs: Vec<Row>,
    /// Counts without a row of their own. No filter applies to them.
    other: Counters,
}

#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Pair")]
struct Row {
    src: Source,
    dst: Endpoint,
    vantage: Vantage,
    #[serde(flatten)]
    counters: Counters,
}

/// An endpoint without port: a pair has the connections from all ports.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "PairSource")]
struct Source {
    ip: IpAddr,
    #[serde(skip_serializing_if = "Option::is_none")]
    service: Option<ObjectRef>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    namespace: Option<ArcStr>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pod: Option<ArcStr>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    workload: Option<ArcStr>,
    #[serde(skip_serializing_if = "Option::is_none", rename = "kind")]
    #[schemars(with = "Option<String>")]
    workload_kind: Option<ArcStr>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    node: Option<ArcStr>,
}

#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "PairCounts")]
struct Counters {
    syn: u64,
    syn_retransmits: u64,
    rst: Resets,
    attempts: Attempts,
}

#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "ResetCounts")]
struct Resets {
    client: Phases,
    server: Phases,
}

#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "PhaseCounts")]
struct Phases {
    handshake: u64,
    established: u64,
    orphan: u64,
}

#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "AttemptCounts")]
struct Attempts {
    established: u64,
    refused: u64,
    rejected: u64,
    unanswered: u64,
}

impl From<PairRows> for Pairs {
    fn from(PairRows { rows, other }: PairRows) -> Self {
        Self { pairs: rows.into_iter().map(Row::from).collect(), other: other.into() }
    }
}

impl From<PairRow> for Row {
    fn from(PairRow { pair, src, dst, counts }: PairRow) -> Self {
        Self { src: src.into(), dst, vantage: pair.vantage, counters: counts.into() }
    }
}

impl From<Endpoint> for Source {
    fn from(endpoint: Endpoint) -> Self {
        let Endpoint { ip, service, namespace, pod, workload, workload_kind, node, .. } = endpoint;
        Self { ip, service, namespace, pod, workload, workload_kind, node }
    }
}

impl From<Counts> for Counters {
    fn from(Counts { syn, syn_retransmits, rst: [client, server], outcomes }: Counts) -> Self {
        let [established, refused, rejected, unanswered] = outcomes.map(count);
        Self {
            syn: count(syn),
            syn_retransmits: count(syn_retransmits),
            rst: Resets { client: client.into(), server: server.into() },
            attempts: Attempts { established, refused, rejected, unanswered },
        }
    }
}

impl From<[i64; 3]> for Phases {
    fn from(counts: [i64; 3]) -> Self {
        let [handshake, established, orphan] = counts.map(count);
        Self { handshake, established, orphan }
    }
}

/// Returns a count that is never negative. A sum is negative only for a moment, while the kernel corrects a vantage.
fn count(n: i64) -> u64 {
    n.max(0).unsigned_abs()
}
