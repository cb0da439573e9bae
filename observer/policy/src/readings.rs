//! How pods, parties and policies of the model are read by both evaluators, the explanations and the history.
//!
//! This module uses only the model. Everything that the two evaluators decide for themselves stays out of it, so that
//! the property tests compare two independent readings of the specification.

use arcstr::ArcStr;
use flow_model::connection::{Connection, Party, Who};
use flow_model::inventory::{ContainerPort, Pod};
use flow_model::policies::{Direction, NetworkPolicy, Protocol, Rule, TierPolicy, TierRule};
use ipnet::IpNet;

/// Stands for a node whose name isn't known.
static UNKNOWN_NODE: ArcStr = arcstr::literal!("");

/// Returns the connection as policies see it: both parties are settled, and IPv4-mapped addresses are IPv4.
pub(crate) fn settled<'a>(connection: &Connection<'a>) -> Connection<'a> {
    let party = |party: Party<'a>| Party { ip: party.ip.map(|ip| ip.to_canonical()), who: settle(party.who) };
    Connection { src: party(connection.src), dst: party(connection.dst), ..*connection }
}

/// Returns who a party is for policies. A pod in its node's network counts as the node. A finished pod owns no address,
/// so another pod may have it now.
fn settle(who: Who<'_>) -> Who<'_> {
    match who {
        Who::Pod(pod) if pod.finished => Who::Unknown("the pod has finished and owns no address"),
        Who::Pod(pod) if pod.host_network => Who::Node(pod.node.as_ref().unwrap_or(&UNKNOWN_NODE)),
        who => who,
    }
}

/// Is true for a container port of this protocol.
pub(crate) fn is_protocol(port: &ContainerPort, protocol: Protocol) -> bool {
    port.protocol == protocol.as_str()
}

/// The ports that Services open on nodes, by the default of the API server. kube-router polices what pods send to the
/// other ports of their own node (`pkg/controllers/netpol/npc_iptables.go`).
pub(crate) fn is_node_port(protocol: Protocol, port: u16) -> bool {
    protocol != Protocol::Sctp && (30_000..=32_767).contains(&port)
}

/// Explains a block like 0.0.0.0/24, in which no host has an address: its author meant every address.
pub(crate) fn zero_network(cidr: &IpNet) -> Option<String> {
    let network = cidr.network();
    let all = if network.is_ipv4() { "0.0.0.0/0" } else { "::/0" };
    // A single unspecified address is no host's either.
    (network.is_unspecified() && cidr.prefix_len() >= 8)
        .then(|| format!("no host has an address in {cidr}; {all} is every address"))
}

/// Is true for two versions of one pod, which may differ in their labels.
pub(crate) fn is_same_pod(a: &Pod, b: &Pod) -> bool {
    (&a.name, &a.namespace, &a.uid) == (&b.name, &b.namespace, &b.uid)
}

/// Returns the rules of a NetworkPolicy, or `None` where the policy doesn't isolate in this direction.
pub(crate) fn rules(policy: &NetworkPolicy, direction: Direction) -> Option<&[Rule]> {
    match direction {
        Direction::Ingress => policy.ingress.as_deref(),
        Direction::Egress => policy.egress.as_deref(),
    }
}

/// Returns the rules of a tiered policy in one direction.
pub(crate) fn tier_rules(policy: &TierPolicy, direction: Direction) -> &[TierRule] {
    match direction {
        Direction::Ingress => &policy.ingress,
        Direction::Egress => &policy.egress,
    }
}
