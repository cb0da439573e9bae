//! Flows: their addresses, where on the node they were seen, and how they ended.

use std::net::IpAddr;
use std::time::Duration;

use arcstr::ArcStr;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use strum::{Display, EnumString, IntoStaticStr, VariantArray, VariantNames};

use crate::names::{as_str, unknown_name};

as_str!(Vantage, Outcome, Side, Phase, SentBy);

/// Addresses of a flow, from the side that opened it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct FlowTuple {
    pub src: IpAddr,
    pub sport: u16,
    /// The address, as the client used it.
    pub dst: IpAddr,
    pub dport: u16,
    /// The address and the port after DNAT, where seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backend: Option<(IpAddr, u16)>,
}

/// A pair of addresses whose connections the kernel counts together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Pair {
    pub src: IpAddr,
    pub dst: IpAddr,
    pub dport: u16,
    pub vantage: Vantage,
}

/// Increments of one pair. They are signed, because the kernel corrects a vantage by a negative increment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    pub syn: i64,
    pub syn_retransmits: i64,
    /// `[Side][Phase]`.
    pub rst: [[i64; 3]; 2],
    /// In the order established, refused, rejected, unanswered.
    pub outcomes: [i64; 4],
}

/// The time that handshakes took, by bucket. The last bucket is that of the longest ones.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Latencies {
    pub buckets: [u64; LATENCY_BOUNDS_US.len() + 1],
    /// All times together.
    pub sum: Duration,
}

/// The bounds of the buckets of [`Latencies`], microseconds.
pub const LATENCY_BOUNDS_US: [u64; 15] = [
    100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000,
    2_500_000, 5_000_000,
];

/// The place of the observing node: at the client, at the server, or between them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[derive(Display, IntoStaticStr, VariantArray, VariantNames, EnumString)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case", parse_err_ty = String, parse_err_fn = unknown_name::<Self>)]
pub enum Vantage {
    Source,
    Destination,
    Transit,
}

/// The outcome of an attempt: `refused` by a RST, `rejected` by ICMP, `unanswered` 5 s after its last SYN.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[derive(Display, IntoStaticStr, VariantArray, VariantNames, EnumString)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case", parse_err_ty = String, parse_err_fn = unknown_name::<Self>)]
pub enum Outcome {
    Established,
    Refused,
    Rejected,
    Unanswered,
}

/// The sender of a RST.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[derive(Display, IntoStaticStr, VariantArray, VariantNames, EnumString)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case", parse_err_ty = String, parse_err_fn = unknown_name::<Self>)]
pub enum Side {
    Client,
    Server,
}

/// The stage that a connection had reached when a RST ended it. An `orphan` is a connection whose SYN this node never
/// saw, and which was not in the connection table when the agent started.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[derive(Display, IntoStaticStr, VariantArray, VariantNames, EnumString)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case", parse_err_ty = String, parse_err_fn = unknown_name::<Self>)]
pub enum Phase {
    Handshake,
    Established,
    Orphan,
}

impl Phase {
    /// Returns its name, with an explanation where it has a meaning of its own here.
    #[must_use]
    pub const fn explained(self) -> &'static str {
        match self {
            Self::Handshake => "handshake",
            Self::Established => "established",
            Self::Orphan => "orphan (its start was not seen here)",
        }
    }
}

/// What is known of who sent a RST, and why. Nothing is, of one that another machine sent, and where the kernel does not
/// announce resets (before Linux 6.10).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RstOrigin {
    /// Whether the TCP of this node's kernel sent the RST.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sent_by: Option<SentBy>,
    /// The kernel's reason for sending it, such as `no_socket`: the name in its `enum sk_rst_reason`, in lower case.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub reason: Option<ArcStr>,
}

/// The causes of a RST by which a client's pod answers a packet of its server that NAT left as it was: it comes from the
/// backend, which the client doesn't know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[derive(Display, IntoStaticStr, VariantArray, VariantNames)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum ResetCause {
    /// The node still tracks the connection: connection tracking took the server's packet for invalid.
    ConntrackInvalid,
    /// The node doesn't track the connection any more: its entry expired, or somebody removed it.
    ConntrackGone,
    /// It isn't known whether the node still tracks the connection.
    NotTranslated,
}

impl ResetCause {
    /// Returns what happened, as a clause.
    #[must_use]
    pub const fn explained(self) -> &'static str {
        match self {
            Self::ConntrackInvalid => "connection tracking took what the server sent for invalid",
            Self::ConntrackGone => "connection tracking had no entry any more",
            Self::NotTranslated => "NAT left what the server sent as it was",
        }
    }
}

/// The sender of a RST. `kernel_tcp`: the TCP of this node's kernel, for a socket or because there is none.
/// `not_kernel_tcp`: the RST comes from this node, but its kernel's TCP did not send it: a firewall's REJECT, a proxy or a
/// virtual machine with a TCP of its own, or a raw socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[derive(Display, IntoStaticStr, VariantArray, VariantNames, EnumString)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case", parse_err_ty = String, parse_err_fn = unknown_name::<Self>)]
pub enum SentBy {
    KernelTcp,
    NotKernelTcp,
}

/// The number of attempts that an attempt stands for where nothing is said.
pub(crate) const fn one() -> u64 {
    1
}

pub(crate) const fn is_one(n: &u64) -> bool {
    *n == 1
}
