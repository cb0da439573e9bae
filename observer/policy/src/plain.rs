//! The plain evaluator: it reads like the specification, and explains.
//!
//! Ingress is judged at the destination and egress at the source, each on its own. A fact that is missing makes a
//! match "maybe"; it becomes `unknown` only where the decision depends on it.

mod broken;
mod matching;
mod namespaced;
mod peers;
mod ports;
mod tiers;
mod view;

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use arcstr::ArcStr;
use flow_model::connection::{Connection, Who};
use flow_model::decision::{Decision, Direction, Ruling, Verdict};
use flow_model::inventory::{Inventory, Labels, Pod};
use flow_model::policies::{BrokenPolicy, NetworkPolicy, Rule, Tier, TierPolicy, TierRule};

use crate::explain;

pub(super) use matching::{Match, Why};
pub(super) use namespaced::ports_match;
pub(super) use ports::is_protocol;
pub(super) use tiers::TierRef;
pub(super) use view::View;

/// Judges connections by the policies of one inventory.
#[derive(Clone, Debug)]
pub struct Plain {
    inventory: Arc<Inventory>,
    namespaces: HashMap<ArcStr, Labels>,
    /// By namespace, without those that have finished.
    pods: HashMap<ArcStr, Vec<Arc<Pod>>>,
    nodes: HashMap<ArcStr, Labels>,
    node_of: HashMap<IpAddr, ArcStr>,
    policies: HashMap<ArcStr, Vec<Arc<NetworkPolicy>>>,
    /// By priority, then name.
    admin: Vec<Arc<TierPolicy>>,
    baseline: Vec<Arc<TierPolicy>>,
}

/// How one direction is decided.
#[derive(Clone, Debug)]
pub(super) struct Judgement<'a> {
    pub(super) basis: Basis<'a>,
    /// NetworkPolicies that select the pod in this direction.
    pub(super) selecting: Vec<&'a NetworkPolicy>,
    /// Tiered policies whose subject is the pod, and that say something of this direction.
    pub(super) tiered: Vec<&'a TierPolicy>,
}

/// What a decision rests on.
#[derive(Clone, Debug)]
pub(super) enum Basis<'a> {
    /// Allow: policies select pods, and this side is none of this cluster.
    Outside,
    /// Allow: a node, or a pod in its network.
    HostNetwork,
    /// Allow: a pod can't block itself.
    Itself,
    /// Allow: a pod and its own node.
    OwnNode,
    /// Allow: no policy selects the pod.
    NotIsolated,
    /// Allow: by rules of NetworkPolicies.
    Rules(Vec<RuleRef<'a>>),
    /// Allow or deny: by a rule of a tiered policy.
    Tier(TierRef<'a>),
    /// Deny: NetworkPolicies select the pod, and none has a rule that admits.
    Isolated,
    /// A fact is missing.
    Unknown(Why),
}

/// A rule of a NetworkPolicy.
#[derive(Clone, Copy, Debug)]
pub(super) struct RuleRef<'a> {
    pub(super) policy: &'a NetworkPolicy,
    pub(super) index: usize,
}

impl Plain {
    /// Indexes an inventory.
    #[must_use]
    pub fn new(inventory: Arc<Inventory>) -> Self {
        let mut policies: HashMap<ArcStr, Vec<_>> = HashMap::new();
        for policy in &inventory.policies.namespaced {
            policies.entry(policy.namespace.clone()).or_default().push(policy.clone());
        }
        let mut pods: HashMap<ArcStr, Vec<_>> = HashMap::new();
        for pod in inventory.pods.iter().filter(|pod| !pod.finished) {
            pods.entry(pod.namespace.clone()).or_default().push(pod.clone());
        }
        let nodes = inventory.nodes.iter();
        Self {
            namespaces: inventory.namespaces.iter().map(|ns| (ns.name.clone(), ns.labels.clone())).collect(),
            nodes: nodes.clone().map(|node| (node.name.clone(), node.labels.clone())).collect(),
            node_of: nodes
                .flat_map(|node| node.ips.iter().map(|ip| (ip.to_canonical(), node.name.clone())))
                .collect(),
            pods,
            policies,
            admin: of_tier(&inventory, Tier::Admin),
            baseline: of_tier(&inventory, Tier::Baseline),
            inventory,
        }
    }

    /// What the policies say of a connection, and why.
    #[must_use]
    pub fn judge(&self, connection: &Connection<'_>) -> Verdict {
        explain::verdict(self, connection)
    }

    /// The decisions of [`Plain::judge`] alone.
    #[must_use]
    pub fn rule(&self, connection: &Connection<'_>) -> Ruling {
        let decide = |direction| self.direction(&View::new(connection, direction)).basis.decision();
        Ruling { ingress: decide(Direction::Ingress), egress: decide(Direction::Egress) }
    }

    /// What is judged by.
    #[must_use]
    pub fn inventory(&self) -> &Arc<Inventory> {
        &self.inventory
    }

    /// Judges one direction.
    pub(super) fn direction<'a>(&'a self, view: &View<'a>) -> Judgement<'a> {
        match view.subject.who {
            Who::External => Basis::Outside.alone(),
            Who::Node(_) => Basis::HostNetwork.alone(),
            Who::Unknown(why) => self.unknown_subject(view.direction, why).alone(),
            Who::Pod(pod) => Judgement {
                basis: self.pod(view, pod),
                selecting: self.selecting(view.direction, pod).collect(),
                tiered: self.tiered(view.direction, pod),
            },
        }
    }

    /// It may be any pod: without a policy for this direction none is isolated.
    fn unknown_subject(&self, direction: Direction, why: &'static str) -> Basis<'_> {
        let policies = &self.inventory.policies;
        let any = policies.namespaced.iter().any(|policy| rules(policy, direction).is_some())
            || policies.tiered.iter().any(|policy| !tier_rules(policy, direction).is_empty())
            || policies.broken.iter().any(|policy| acts_on(policy, direction));
        if any { Basis::Unknown(why.into()) } else { Basis::NotIsolated }
    }

    /// Itself and (ingress) its own node always; then the tiers.
    fn pod<'a>(&'a self, view: &View<'a>, pod: &'a Pod) -> Basis<'a> {
        if view.is_itself(pod) {
            return Basis::Itself;
        }
        match (view.direction, view.own_node(pod)) {
            (Direction::Ingress, Match::Yes) => Basis::OwnNode,
            (Direction::Ingress, Match::Maybe(why)) => match self.in_tiers(view, pod) {
                denied if denied.decision() == Decision::Deny => Basis::Unknown(why),
                other => other,
            },
            _ => self.in_tiers(view, pod),
        }
    }

    /// Admin, then NetworkPolicy, then Baseline.
    fn in_tiers<'a>(&'a self, view: &View<'a>, pod: &'a Pod) -> Basis<'a> {
        if let Some(broken) = self.broken_tier(Tier::Admin, view.direction, pod) {
            return Basis::Unknown(broken::why(broken));
        }
        self.tier(&self.admin, view, pod).or_below(|| self.network_policies(view, pod))
    }

    fn below_network_policies<'a>(&'a self, view: &View<'a>, pod: &'a Pod) -> Basis<'a> {
        if let Some(broken) = self.broken_tier(Tier::Baseline, view.direction, pod) {
            return Basis::Unknown(broken::why(broken));
        }
        self.tier(&self.baseline, view, pod).or_below(|| Basis::NotIsolated)
    }
}

impl<'a> Basis<'a> {
    pub(super) fn decision(&self) -> Decision {
        match self {
            Self::Outside | Self::HostNetwork | Self::Itself | Self::OwnNode => Decision::Allow,
            Self::NotIsolated | Self::Rules(_) => Decision::Allow,
            Self::Tier(rule) => rule.decision(),
            Self::Isolated => Decision::Deny,
            Self::Unknown(_) => Decision::Unknown,
        }
    }

    /// Of a side that no policy selects.
    fn alone(self) -> Judgement<'a> {
        Judgement { basis: self, selecting: Vec::new(), tiered: Vec::new() }
    }

    /// Which of these it is depends on what isn't known: the decision they share, else unknown.
    fn either(self, other: Self, why: Why) -> Self {
        if self.decision() == other.decision() { other } else { Self::Unknown(why) }
    }
}

/// The rules of a NetworkPolicy; `None` where it doesn't isolate.
pub(super) fn rules(policy: &NetworkPolicy, direction: Direction) -> Option<&[Rule]> {
    match direction {
        Direction::Ingress => policy.ingress.as_deref(),
        Direction::Egress => policy.egress.as_deref(),
    }
}

/// The rules of a tiered policy.
pub(super) fn tier_rules(policy: &TierPolicy, direction: Direction) -> &[TierRule] {
    match direction {
        Direction::Ingress => &policy.ingress,
        Direction::Egress => &policy.egress,
    }
}

fn acts_on(policy: &BrokenPolicy, direction: Direction) -> bool {
    match direction {
        Direction::Ingress => policy.ingress,
        Direction::Egress => policy.egress,
    }
}

fn of_tier(inventory: &Inventory, tier: Tier) -> Vec<Arc<TierPolicy>> {
    let mut policies: Vec<_> =
        inventory.policies.tiered.iter().filter(|policy| policy.tier == tier).cloned().collect();
    policies.sort_by(|a, b| (a.priority, &a.name).cmp(&(b.priority, &b.name)));
    policies
}
