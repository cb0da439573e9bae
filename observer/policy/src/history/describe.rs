//! Descriptions of rules, peers and ports.

use std::fmt::Display;

use flow_model::policies::{
    Action, Direction, Operator, Peer, PodsPeer, PortMatch, PortSet, Protocol, Rule, Selector, TierPeer,
    TierRule,
};
use flow_model::selector::METADATA_NAME;
use ipnet::IpNet;

/// Names that a list shows before it counts the rest.
const SHOWN: usize = 3;

/// Describes a rule: "namespace pal-e-docs, port 5432".
pub(super) fn rule(rule: &Rule, direction: Direction) -> String {
    let ports = rule.ports.iter().map(port);
    if rule.peers.is_empty() {
        return listed(std::iter::once(any(direction).to_owned()).chain(ports));
    }
    listed(rule.peers.iter().map(peer).chain(ports))
}

/// Describes the peers of a rule that names none.
pub(super) fn any(direction: Direction) -> &'static str {
    match direction {
        Direction::Ingress => "any source",
        Direction::Egress => "any destination",
    }
}

pub(super) fn peer(peer: &Peer) -> String {
    match peer {
        Peer::Pods { namespaces, pods } => pods_in(namespaces.as_ref(), pods.as_ref()),
        Peer::Block { cidr, except } => block(cidr, except),
    }
}

pub(super) fn port(port: &PortMatch) -> String {
    let protocol = match port.protocol {
        Protocol::Tcp => "",
        Protocol::Udp => "UDP ",
        Protocol::Sctp => "SCTP ",
    };
    match &port.port {
        PortSet::All if protocol.is_empty() => "every TCP port".to_owned(),
        PortSet::All => format!("every {protocol}port"),
        PortSet::Range(first, last) if first == last => format!("{protocol}port {first}"),
        PortSet::Range(first, last) => format!("{protocol}ports {first}-{last}"),
        PortSet::Named(name) => format!("{protocol}port {name}"),
    }
}

/// Describes a rule of a tiered policy: "deny namespace web, 10.0.0.0/8".
pub(super) fn tier_rule(rule: &TierRule) -> String {
    let action = match rule.action {
        Action::Accept => "accept",
        Action::Deny => "deny",
        Action::Pass => "pass",
    };
    format!("{action} {}", listed(rule.peers.iter().map(tier_peer)))
}

fn tier_peer(peer: &TierPeer) -> String {
    match peer {
        TierPeer::Pods(PodsPeer { namespaces, pods }) => pods_in(Some(namespaces), pods.as_ref()),
        TierPeer::Nodes(selector) => format!("nodes with {selector}"),
        TierPeer::Networks(networks) => listed(networks),
        TierPeer::Domains(names) => listed(names),
        TierPeer::Unreadable(field) => format!("an unreadable {field}"),
    }
}

/// Describes a podSelector: "app=web", or "every pod".
pub(super) fn pods(selector: &Selector) -> String {
    if selector.requirements.is_empty() { "every pod".to_owned() } else { selector.to_string() }
}

fn pods_in(namespaces: Option<&Selector>, pods: Option<&Selector>) -> String {
    let pods = pods.filter(|pods| !pods.requirements.is_empty()).map(|pods| format!("pods with {pods}"));
    match (namespaces.map(namespace), pods) {
        (None, None) => "every pod of its namespace".to_owned(),
        (None, Some(pods)) => pods,
        (Some(namespace), None) => namespace,
        (Some(namespace), Some(pods)) => format!("{pods} in {namespace}"),
    }
}

fn namespace(selector: &Selector) -> String {
    match selector.requirements.as_slice() {
        [] => "every namespace".to_owned(),
        [one] if one.key == METADATA_NAME => match &one.operator {
            Operator::In(names) if names.len() == 1 => format!("namespace {}", names.concat()),
            Operator::In(names) => format!("namespaces {}", names.join(", ")),
            Operator::NotIn(_) | Operator::Exists | Operator::DoesNotExist => {
                format!("namespaces with {selector}")
            }
        },
        _ => format!("namespaces with {selector}"),
    }
}

fn block(cidr: &IpNet, except: &[IpNet]) -> String {
    if except.is_empty() { cidr.to_string() } else { format!("{cidr} except {}", listed(except)) }
}

/// Joins names: "a, b, c and 2 more".
pub(super) fn listed(names: impl IntoIterator<Item = impl Display>) -> String {
    let names: Vec<String> = names.into_iter().map(|name| name.to_string()).collect();
    let shown = names.iter().take(SHOWN).map(String::as_str).collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(SHOWN) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}
