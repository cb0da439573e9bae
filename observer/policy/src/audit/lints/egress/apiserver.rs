//! Checks whether isolated operators can reach the API server. It listens on nodes: its Service's address is gone by
//! the time that policies look.

use std::net::IpAddr;

use flow_model::inventory::Inventory;
use flow_model::object_ref::ObjectRef;
use flow_model::policies::{NetworkPolicy, Peer, Protocol, Rule, Selector};
use ipnet::IpNet;

use crate::audit::lints::blocks::Ranges;
use crate::audit::lints::egress::{Isolated, Lets, lets};
use crate::audit::lints::empty::covered;
use crate::audit::view::{Group, View};

/// The ports of API servers, used when the real ones aren't known.
const PORTS: [u16; 2] = [6443, 443];
/// The labels that name the purpose of a pod.
const NAMES: [&str; 5] =
    ["app", "app.kubernetes.io/component", "app.kubernetes.io/name", "control-plane", "name"];
/// The label of CloudNativePG's instances, which watch and update their cluster's objects.
const CNPG: &str = "cnpg.io/cluster";

/// Holds what is known about the API server.
pub(super) struct ApiServer<'s> {
    view: &'s View<'s>,
    /// The backends of Service default/kubernetes.
    endpoints: Vec<(IpAddr, u16)>,
    nodes: Vec<IpAddr>,
    ranges: Ranges,
}

impl<'s> ApiServer<'s> {
    pub(super) fn new(view: &'s View<'_>) -> Self {
        Self {
            view,
            endpoints: endpoints(view.after),
            nodes: view.after.nodes.iter().flat_map(|node| node.ips.iter().copied()).collect(),
            ranges: Ranges::new(view.after),
        }
    }

    /// Describes what is missing, and which pods lack it.
    pub(super) fn problem<'g, 'i>(&self, isolated: &'i Isolated<'g>) -> Option<(String, Vec<&'i &'g Group>)> {
        let operators: Vec<_> = isolated.groups.iter().filter(|group| self.is_operator(group)).collect();
        let expected =
            || isolated.groups.is_empty() && isolated.policies.iter().any(|p| selects_operators(p));
        if (operators.is_empty() && !expected()) || isolated.rules().any(|(_, rule)| self.admits(rule)) {
            return None;
        }
        let by_service = isolated.rules().any(|(_, rule)| self.names_service(rule));
        let why = match by_service {
            true => "; it allows the address of Service kubernetes, but policies see the node behind it",
            false => "",
        };
        let port = self
            .endpoints
            .first()
            .map_or("port 6443 (or 443)".to_owned(), |(_, port)| format!("port {port}"));
        Some((
            format!("no rule lets an operator out to the API server on the nodes, TCP {port}{why}"),
            operators,
        ))
    }

    fn is_operator(&self, group: &Group) -> bool {
        let account = |name| ObjectRef::new(group.pod.namespace.clone(), name);
        let bound = group.service_account.clone().map(account);
        bound.is_some_and(|account| self.view.change.bound.contains(&account))
            || group.pod.labels.contains_key(CNPG)
            || names_operator(&group.pod.workload.name)
            || NAMES.iter().filter_map(|key| group.pod.labels.get(*key)).any(|value| names_operator(value))
    }

    fn admits(&self, rule: &Rule) -> bool {
        let on = |port| lets(rule, Protocol::Tcp, port, &|_| false) != Lets::No;
        if self.endpoints.is_empty() {
            return PORTS.into_iter().any(on)
                && (rule.peers.is_empty() || rule.peers.iter().any(|peer| self.may_hold_it(peer)));
        }
        self.endpoints.iter().any(|(ip, port)| {
            on(*port) && (rule.peers.is_empty() || rule.peers.iter().any(|peer| holds(peer, *ip)))
        })
    }

    /// Is true when the peer may match an API server: by the nodes' addresses, else by any that belongs to no pod or Service.
    fn may_hold_it(&self, peer: &Peer) -> bool {
        let Peer::Block { cidr, except } = peer else { return false };
        let of_cluster = self.ranges.is_service(*cidr) || self.ranges.is_pod(*cidr);
        let single = cidr.prefix_len() == cidr.max_prefix_len();
        !of_cluster
            && !covered(*cidr, except)
            && (single || self.nodes.is_empty() || self.nodes.iter().any(|ip| holds(peer, *ip)))
    }

    fn names_service(&self, rule: &Rule) -> bool {
        let service = |peer: &Peer| matches!(peer, Peer::Block { cidr, .. } if self.ranges.is_service(*cidr));
        rule.peers.iter().any(service) && lets(rule, Protocol::Tcp, 443, &|_| false) != Lets::No
    }
}

fn endpoints(inventory: &Inventory) -> Vec<(IpAddr, u16)> {
    let kubernetes = inventory.services.iter().find(|s| s.namespace == "default" && s.name == "kubernetes");
    kubernetes
        .iter()
        .flat_map(|service| &service.backends)
        .map(|backend| (backend.ip, backend.port))
        .collect()
}

fn holds(peer: &Peer, ip: IpAddr) -> bool {
    let inside = |net: &IpNet| net.contains(&ip);
    matches!(peer, Peer::Block { cidr, except } if inside(cidr) && !except.iter().any(inside))
}

/// Is true when the policy's selector names operators. It is the only evidence where no pod is known.
fn selects_operators(policy: &NetworkPolicy) -> bool {
    let Selector { requirements } = &policy.selector;
    let labels = crate::audit::selector::example(&policy.selector);
    requirements.iter().any(|r| r.key == CNPG && labels.contains_key(CNPG))
        || NAMES.iter().filter_map(|key| labels.get(*key)).any(|value| names_operator(value))
}

fn names_operator(name: &str) -> bool {
    name.split(['-', '.', '_', '/']).any(|part| part == "operator" || part == "controller")
}
