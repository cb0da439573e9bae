//! The facts that findings are made from: records and connections, with their surroundings.

use std::net::IpAddr;
use std::sync::Arc;

use flow_model::finding::Cause;
use flow_model::flow::{FlowTuple, Vantage};
use flow_model::inventory::Probe;
use flow_model::record::{Attempt, Endpoint, FlowVerdict, Reset};
use jiff::Timestamp;

/// Holds an attempt whose outcome is known, and its surroundings.
#[derive(Clone, Debug)]
pub struct AttemptFacts<'a> {
    pub time: Timestamp,
    /// The attempt, with its verdict.
    pub attempt: &'a Attempt,
    /// The start time of the pod at each side, where it is a pod and the time is known: enforcement lags by seconds.
    pub src_start: Option<Timestamp>,
    pub dst_start: Option<Timestamp>,
    /// The time at which policies, or labels that they select by, last changed, as far as this agent saw.
    pub policy_change: Option<Timestamp>,
    /// Is true shortly before and after a change: what contradicts the verdict proves nothing yet.
    pub settling: bool,
    /// The number of backends of the Service port that was addressed.
    pub backends: Option<Backends>,
    /// The probe of the server's pod that its own node's attempt looks like. Another program of the node may have made it.
    pub probe: Option<Probe>,
    /// The change by which the policies came to refuse it, where they do and no finding has begun yet.
    pub cause: Option<&'a Cause>,
}

/// Holds a reset and what is known about it.
#[derive(Clone, Copy, Debug)]
pub struct ResetFacts<'a> {
    pub time: Timestamp,
    pub reset: &'a Reset,
    /// The VIP through which the client addressed the server.
    pub vip: Option<IpAddr>,
}

/// Counts the backends of a Service port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backends {
    pub ready: usize,
    pub all: usize,
}

/// Holds an open connection with its verdict under today's policies.
#[derive(Clone, Debug)]
pub struct JudgedConnection {
    pub src: Endpoint,
    pub dst: Endpoint,
    pub vantage: Vantage,
    pub verdict: Arc<FlowVerdict>,
}

/// Groups the open connections between two workloads on one port that today's policies would refuse.
#[derive(Clone, Debug)]
pub struct LatentGroup {
    /// The two sides of the oldest connection, as an example.
    pub src: Endpoint,
    pub dst: Endpoint,
    pub vantage: Vantage,
    pub verdict: Arc<FlowVerdict>,
    /// The number of connections open now.
    pub open: u64,
    /// The time at which the oldest was first seen.
    pub since: Timestamp,
    /// Is true when at least one is older than the agent.
    pub older: bool,
    /// The change that caused it, its time and its field manager: "NetworkPolicy postgres/default-deny-ingress was
    /// changed at 2026-04-29T10:12:03Z by OpenTofu: `ingress[0]` no longer admits namespace pal-e-docs".
    pub cause: Option<Cause>,
    /// A few of the connections.
    pub examples: Vec<FlowTuple>,
}
