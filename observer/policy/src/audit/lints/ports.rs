//! `named-port-unresolved`.

use std::collections::BTreeSet;
use std::sync::Arc;

use arcstr::ArcStr;
use flow_model::inventory::Pod;
use flow_model::policies::{Direction, NetworkPolicy, Peer, PortSet, Protocol};

use crate::audit::draft::{Draft, Drafts};
use crate::audit::lints::{Placed, rules};
use crate::audit::report::RuleId;
use crate::audit::suggest;
use crate::audit::view::View;

const RULE: RuleId = RuleId::NamedPortUnresolved;

pub(super) fn check(view: &View<'_>, out: &mut Drafts) {
    for proposed in view.proposed() {
        let policy = &*proposed.object;
        for placed in rules(policy) {
            let mut targets = None;
            for port in &placed.rule.ports {
                let PortSet::Named(name) = &port.port else { continue };
                let targets = targets.get_or_insert_with(|| targets_of(view, policy, placed));
                match targets {
                    Err(why) => out.not_run(RULE, why.clone()),
                    Ok(pods) if resolves(pods, name, port.protocol) => {}
                    // No pod is selected: that is another finding.
                    Ok(pods) if pods.is_empty() && !only_blocks(placed) => {}
                    Ok(pods) => {
                        let message = message(placed, pods, name, port.protocol);
                        out.push(Draft::policy(RULE, policy, &proposed.place, message));
                    }
                }
            }
        }
    }
}

/// Returns the pods that connections of this rule end at.
fn targets_of<'s>(
    view: &'s View<'_>,
    policy: &NetworkPolicy,
    placed: Placed<'_>,
) -> Result<Vec<&'s Arc<Pod>>, String> {
    let unknown = |namespace: &ArcStr| format!("no pod of namespace {namespace} is known");
    match placed.direction {
        Direction::Ingress if !view.knows_pods_of(&policy.namespace) => Err(unknown(&policy.namespace)),
        Direction::Ingress => {
            let groups = view.groups(&policy.namespace).iter();
            Ok(groups.filter(|g| policy.selector.matches(&g.pod.labels)).map(|g| &g.pod).collect())
        }
        Direction::Egress if placed.rule.peers.is_empty() => {
            let pods: Vec<_> = view.all_groups().map(|group| &group.pod).collect();
            if pods.is_empty() { Err("no pod is known".to_owned()) } else { Ok(pods) }
        }
        Direction::Egress => {
            let mut pods = Vec::new();
            for peer in &placed.rule.peers {
                pods.extend(peer_pods(view, policy, peer)?);
            }
            Ok(pods)
        }
    }
}

fn peer_pods<'s>(
    view: &'s View<'_>,
    policy: &NetworkPolicy,
    peer: &Peer,
) -> Result<Vec<&'s Arc<Pod>>, String> {
    match peer {
        Peer::Pods { namespaces, pods } => {
            let within = view.peer_namespaces(policy, namespaces.as_ref());
            if let Some(namespace) = within.iter().find(|namespace| !view.knows_pods_of(namespace)) {
                return Err(format!("no pod of namespace {namespace} is known"));
            }
            let groups = within.iter().flat_map(|namespace| view.groups(namespace));
            let wanted = groups.filter(|g| pods.as_ref().is_none_or(|pods| pods.matches(&g.pod.labels)));
            Ok(wanted.map(|g| &g.pod).collect())
        }
        Peer::Block { cidr, except } => {
            let inside = |pod: &Pod| {
                pod.ips.iter().any(|ip| cidr.contains(ip) && !except.iter().any(|except| except.contains(ip)))
            };
            Ok(view.after.pods.iter().filter(|pod| inside(pod)).collect())
        }
    }
}

fn resolves(pods: &[&Arc<Pod>], name: &ArcStr, wanted: Protocol) -> bool {
    let mut ports = pods.iter().flat_map(|pod| &pod.ports);
    ports.any(|port| port.name.as_ref() == Some(name) && port.protocol == wanted.as_str())
}

fn only_blocks(placed: Placed<'_>) -> bool {
    let peers = &placed.rule.peers;
    placed.direction == Direction::Egress
        && !peers.is_empty()
        && peers.iter().all(|peer| matches!(peer, Peer::Block { .. }))
}

fn message(placed: Placed<'_>, pods: &[&Arc<Pod>], name: &ArcStr, wanted: Protocol) -> String {
    let path = placed.path();
    let wanted = wanted.as_str();
    if pods.is_empty() {
        return format!("{path}: port {name} is a name, which addresses outside the cluster don't have");
    }
    let ports = || pods.iter().flat_map(|pod| &pod.ports);
    if let Some(other) = ports().find(|port| port.name.as_ref() == Some(name)) {
        return format!("{path}: port {name} is {} on the destination pods, not {wanted}", other.protocol);
    }
    let names: BTreeSet<_> = ports().filter_map(|port| port.name.as_ref()).collect();
    let near = suggest::names(name, names.iter().copied());
    let question = match near.is_empty() && !names.is_empty() {
        true => format!(
            "; they have {}",
            names.into_iter().take(5).map(ArcStr::as_str).collect::<Vec<_>>().join(", ")
        ),
        false => suggest::question(&near.iter().map(ToString::to_string).collect::<Vec<_>>()),
    };
    format!("{path}: no destination pod has a {wanted} port named {name}{question}")
}
