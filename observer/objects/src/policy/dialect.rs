//! The differences between the kinds of tiered policies.

use flow_model::policies::{Tier, TierKind};

use crate::kinds::Kind;

/// The differences between the kinds of tiered policies.
pub(super) struct Dialect {
    /// The kind in the model.
    pub(super) kind: TierKind,
    /// These are the fields of `spec`.
    pub(super) spec: &'static [&'static str],
    /// The tier of all policies of the kind; `None` where each names its own.
    pub(super) tier: Option<Tier>,
    /// The only name that a policy may have.
    pub(super) name: Option<&'static str>,
    /// The field of a rule that matches ports.
    pub(super) ports: &'static str,
    /// The action that admits.
    pub(super) accept: &'static str,
    /// Is true when the action `Pass` exists.
    pub(super) pass: bool,
    /// Is true when `to` may have `domainNames`.
    pub(super) domains: bool,
    /// A section has at most this many rules.
    pub(super) rules: usize,
    /// A rule has at most this many peers or ports.
    pub(super) items: usize,
}

const CLUSTER: Dialect = Dialect {
    kind: TierKind::ClusterNetworkPolicy,
    spec: &["tier", "priority", "subject", "ingress", "egress"],
    tier: None,
    name: None,
    ports: "protocols",
    accept: "Accept",
    pass: true,
    domains: true,
    rules: 25,
    items: 25,
};

const ADMIN: Dialect = Dialect {
    kind: TierKind::AdminNetworkPolicy,
    spec: &["priority", "subject", "ingress", "egress"],
    tier: Some(Tier::Admin),
    name: None,
    ports: "ports",
    accept: "Allow",
    pass: true,
    domains: true,
    rules: 100,
    items: 100,
};

const BASELINE: Dialect = Dialect {
    kind: TierKind::BaselineAdminNetworkPolicy,
    spec: &["subject", "ingress", "egress"],
    tier: Some(Tier::Baseline),
    name: Some("default"),
    pass: false,
    domains: false,
    ..ADMIN
};

impl Dialect {
    /// Returns the dialect of a tiered kind; `None` for all other kinds.
    pub(super) fn of(kind: Kind) -> Option<&'static Self> {
        match kind {
            Kind::AdminNetworkPolicy => Some(&ADMIN),
            Kind::BaselineAdminNetworkPolicy => Some(&BASELINE),
            Kind::ClusterNetworkPolicy => Some(&CLUSTER),
            Kind::NetworkPolicy
            | Kind::EndpointSlice
            | Kind::Event
            | Kind::Job
            | Kind::Lease
            | Kind::Namespace
            | Kind::Node
            | Kind::Pod
            | Kind::ReplicaSet
            | Kind::Service
            | Kind::ServiceL2Status => None,
        }
    }
}
