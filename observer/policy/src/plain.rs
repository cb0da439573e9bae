//! The plain evaluator, which reads like the specification.
//!
//! Ingress is judged at the destination and egress at the source, each on its own. A missing fact makes a match "maybe".
//! The decision becomes `unknown` only where it depends on such a match.

mod broken;
mod judgement;
mod kube_router;
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
use flow_model::decision::{Decision, Ruling};
use flow_model::inventory::{Inventory, Labels, Pod};
use flow_model::network::Enforcer;
use flow_model::policies::{Direction, NetworkPolicy, Tier, TierPolicy};

use crate::readings;

pub(crate) use judgement::{Basis, Judgement, RuleRef};
pub(crate) use kube_router::exception;
pub(crate) use matching::{Match, Why};
pub(crate) use namespaced::ports_match;
pub(crate) use tiers::TierRef;
pub(crate) use view::View;

/// Judges connections by the policies of one inventory.
#[derive(Clone, Debug)]
pub struct Plain {
    inventory: Arc<Inventory>,
    namespaces: HashMap<ArcStr, Labels>,
    /// Pods that have not finished, by namespace.
    pods: HashMap<ArcStr, Vec<Arc<Pod>>>,
    nodes: HashMap<ArcStr, Labels>,
    node_of: HashMap<IpAddr, ArcStr>,
    policies: HashMap<ArcStr, Vec<Arc<NetworkPolicy>>>,
    enforcer: Enforcer,
    /// Policies of the Admin tier, sorted by priority, then by name.
    admin: Vec<Arc<TierPolicy>>,
    baseline: Vec<Arc<TierPolicy>>,
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
            enforcer: inventory.enforcer,
            inventory,
        }
    }

    /// Returns the decisions alone. [`Plain::judge`] adds the reasons.
    #[must_use]
    pub fn rule(&self, connection: &Connection<'_>) -> Ruling {
        let decide = |direction| self.direction(&self.view(connection, direction)).basis.decision();
        Ruling { ingress: decide(Direction::Ingress), egress: decide(Direction::Egress) }
    }

    /// Returns the enforcer by whose rules it judges.
    #[must_use]
    pub fn enforcer(&self) -> Enforcer {
        self.enforcer
    }

    /// Returns the inventory whose policies decide.
    #[must_use]
    pub fn inventory(&self) -> &Arc<Inventory> {
        &self.inventory
    }

    /// Returns one direction of a connection.
    pub(crate) fn view<'a>(&self, connection: &Connection<'a>, direction: Direction) -> View<'a> {
        View::new(connection, direction, self.enforcer)
    }

    /// Judges one direction.
    pub(crate) fn direction<'a>(&'a self, view: &View<'a>) -> Judgement<'a> {
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

    /// Judges a subject that may be any pod. Where no policy acts on this direction, no pod is isolated.
    fn unknown_subject(&self, direction: Direction, why: &'static str) -> Basis<'_> {
        let policies = &self.inventory.policies;
        let any = policies.namespaced.iter().any(|policy| readings::rules(policy, direction).is_some())
            || policies.tiered.iter().any(|policy| !readings::tier_rules(policy, direction).is_empty())
            || policies.broken.iter().any(|policy| broken::acts_on(policy, direction));
        if any { Basis::Unknown(why.into()) } else { Basis::NotIsolated }
    }

    /// Judges a pod. Traffic from itself and (for ingress) from its own node is always allowed; then the tiers decide.
    fn pod<'a>(&'a self, view: &View<'a>, pod: &'a Pod) -> Basis<'a> {
        if view.is_itself(pod) {
            return if view.by_kube_router() { self.kube_router_itself(view, pod) } else { Basis::Itself };
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

    /// Judges by the Admin tier, then NetworkPolicy, then the Baseline tier.
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

fn of_tier(inventory: &Inventory, tier: Tier) -> Vec<Arc<TierPolicy>> {
    let mut policies: Vec<_> =
        inventory.policies.tiered.iter().filter(|policy| policy.tier == tier).cloned().collect();
    policies.sort_by(|a, b| (a.priority, &a.name).cmp(&(b.priority, &b.name)));
    policies
}
