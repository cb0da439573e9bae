//! What findings are made from: records and connections, with what is known around them.

use std::net::IpAddr;
use std::sync::Arc;

use flow_model::flow::{FlowTuple, Vantage};
use flow_model::record::{Attempt, Endpoint, FlowVerdict, Reset};
use jiff::Timestamp;

/// An attempt whose outcome is known, and its surroundings.
#[derive(Clone, Debug)]
pub struct AttemptFacts<'a> {
    pub time: Timestamp,
    /// With its verdict.
    pub attempt: &'a Attempt,
    /// When the pod at each side started, where it is a pod and that is known: enforcement lags by seconds.
    pub src_start: Option<Timestamp>,
    pub dst_start: Option<Timestamp>,
    /// When policies, or labels that they look at, changed last, as far as this agent saw.
    pub policy_change: Option<Timestamp>,
    /// Backends of the Service addressed, for its port.
    pub backends: Option<Backends>,
}

/// A reset, and what is known about it.
#[derive(Clone, Copy, Debug)]
pub struct ResetFacts<'a> {
    pub time: Timestamp,
    pub reset: &'a Reset,
    /// The VIP through which the client addressed the server.
    pub vip: Option<IpAddr>,
}

/// How many backends a Service port has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backends {
    pub ready: usize,
    pub all: usize,
}

/// An open connection under today's policies.
#[derive(Clone, Debug)]
pub struct JudgedConnection {
    pub src: Endpoint,
    pub dst: Endpoint,
    pub vantage: Vantage,
    pub verdict: Arc<FlowVerdict>,
}

/// Open connections between two workloads on one port that today's policies would refuse.
#[derive(Clone, Debug)]
pub struct LatentGroup {
    /// An example, the oldest.
    pub src: Endpoint,
    pub dst: Endpoint,
    pub vantage: Vantage,
    pub verdict: Arc<FlowVerdict>,
    /// Connections open now.
    pub open: u64,
    /// When the oldest was first seen.
    pub since: Timestamp,
    /// At least one is older than the agent.
    pub older: bool,
    /// Which change brought it about, when, and by which field manager: "NetworkPolicy postgres/default-deny-ingress was changed
    /// at 2026-04-29T10:12:03Z by OpenTofu: `ingress[0]` no longer admits namespace pal-e-docs".
    pub cause: Option<String>,
    /// A few of the connections.
    pub examples: Vec<FlowTuple>,
}
