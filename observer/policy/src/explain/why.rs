//! Sentences about what keeps a rule from matching.

mod hints;
mod ports;

use std::net::IpAddr;

use flow_model::connection::Who;
use flow_model::inventory::{Labels, Pod};
use flow_model::policies::{Direction, Operator, Selector};
use flow_model::selector::METADATA_NAME;
use ipnet::IpNet;

use crate::explain::miss::{Miss, PodSelectors};
use crate::explain::nearest::Candidate;
use crate::plain::{Match, Plain, View};

/// Describes every condition that fails.
pub(super) fn all(plain: &Plain, view: &View<'_>, candidate: &Candidate<'_>) -> String {
    let all = candidate.misses.iter().map(|miss| in_full(plain, view, candidate, miss));
    all.collect::<Vec<_>>().join("; ")
}

/// Describes what no rule admits, and what the nearest rule admits instead.
pub(super) fn short(plain: &Plain, view: &View<'_>, candidate: &Candidate<'_>) -> String {
    let Some(first) = candidate.misses.first() else { return String::new() };
    let (admits, other) = (admits(view), other(view));
    let no_rule = match view.direction {
        Direction::Ingress => "no rule admits",
        Direction::Egress => "no rule allows egress to",
    };
    let text = match first {
        Miss::Selection { .. } => {
            let why = in_full(plain, view, candidate, first);
            return format!("NetworkPolicy {} would allow it, but {why}", candidate.rule.policy.object_ref());
        }
        Miss::Port(_) => {
            let why = in_full(plain, view, candidate, first);
            return format!("{no_rule} the {other} on port {}; in the nearest, {why}", view.port);
        }
        Miss::Names(rule) => {
            let why = ports::by_kube_router(rule, view, candidate.rule.policy);
            return format!("{no_rule} the {other} on port {}; in the nearest, {why}", view.port);
        }
        Miss::Excepted(_) => {
            let why = in_full(plain, view, candidate, first);
            format!("{no_rule} {}; in the nearest, {why}", address(view))
        }
        Miss::Pods { peer, selector, pod } => {
            let of = own_labels(selector, &pod.labels);
            let none = if matches_no_pod(plain, candidate, *peer) { ", which no pod has" } else { "" };
            format!("{no_rule} pods with {of}; the nearest {admits} pods with {selector}{none}")
        }
        Miss::Namespace { peer, pod } => {
            let wanted = namespaces(peer.namespaces, &candidate.rule.policy.namespace);
            format!("{no_rule} namespace {}; the nearest {admits} {wanted}", pod.namespace)
        }
        Miss::Block { cidr, except } => {
            format!("{no_rule} {}; the nearest {admits} {}", address(view), block(cidr, except))
        }
        Miss::NoPod => format!("{no_rule} {}; the nearest {admits} pods only", outsider(view)),
    };
    // Of the other misses only that of the ports is named: a second selector of the peer matters only once the first is
    // corrected.
    let text = match candidate.misses.last() {
        Some(port @ Miss::Port(_)) => format!("{text}, and {}", in_full(plain, view, candidate, port)),
        _ => text,
    };
    match hints::of(plain, candidate, first) {
        Some(hint) => format!("{text}; {hint}"),
        None => text,
    }
}

fn in_full(plain: &Plain, view: &View<'_>, candidate: &Candidate<'_>, miss: &Miss<'_>) -> String {
    let (admits, other, policy) = (admits(view), other(view), candidate.rule.policy);
    match miss {
        Miss::Selection { pod, .. } => {
            let (selector, of) = (&policy.selector, own_labels(&policy.selector, &pod.labels));
            format!("its podSelector {selector} does not select the pod, which has {of}")
        }
        Miss::Port(rule) => ports::why(rule, view),
        Miss::Names(rule) => ports::by_kube_router(rule, view, policy),
        Miss::Excepted(hole) => {
            format!("kube-router takes the exception {hole} of one ipBlock from all ipBlocks of the rule")
        }
        Miss::Pods { peer, selector, pod } => {
            let of = own_labels(selector, &pod.labels);
            match matches_no_pod(plain, candidate, *peer) {
                true => format!("podSelector {selector} matches no pod; the {other} has {of}"),
                false => format!("{admits} pods with {selector}; the {other} has {of}"),
            }
        }
        Miss::Namespace { peer, pod } => namespace(plain, view, candidate, *peer, pod),
        Miss::Block { cidr, except } => out_of_block(view, cidr, except),
        Miss::NoPod => format!("{admits} pods only; the {other} is {}", outsider(view)),
    }
}

fn namespace(
    plain: &Plain,
    view: &View<'_>,
    candidate: &Candidate<'_>,
    peer: PodSelectors<'_>,
    pod: &Pod,
) -> String {
    let (admits, other, its) = (admits(view), other(view), &pod.namespace);
    let Some(selector) = peer.namespaces else {
        let own = &candidate.rule.policy.namespace;
        return format!("{admits} pods of its own namespace {own}; the {other}'s namespace is {its}");
    };
    let by_name = selector.requirements.iter().all(|requirement| requirement.key == METADATA_NAME);
    let has = match plain.namespace_labels(its).filter(|_| !by_name) {
        Some(labels) => format!("{its}, which has {}", own_labels(selector, labels)),
        None => its.to_string(),
    };
    let none = if plain.any_namespace(selector) { "" } else { "; no namespace matches that selector" };
    format!("{admits} namespaces with {selector}; the {other}'s namespace is {has}{none}")
}

/// Describes namespaces: "namespace pal-e-app" for the name that every namespace has as a label, else the selector.
fn namespaces(selector: Option<&Selector>, own: &str) -> String {
    let Some(selector) = selector else { return format!("its own namespace {own} only") };
    match selector.requirements.as_slice() {
        [one] if one.key == METADATA_NAME => match &one.operator {
            Operator::In(names) if names.len() == 1 => format!("namespace {}", names.concat()),
            Operator::In(names) => format!("namespaces {}", names.join(", ")),
            _ => format!("namespaces with {selector}"),
        },
        _ => format!("namespaces with {selector}"),
    }
}

fn out_of_block(view: &View<'_>, cidr: &IpNet, except: &[IpNet]) -> String {
    let address = address(view);
    let Some(ip) = view.peer.ip else { return format!("{} {}", admits(view), block(cidr, except)) };
    match except.iter().find(|hole| hole.contains(&ip)) {
        Some(hole) if cidr.contains(&ip) => format!("{cidr} has {address} excepted by {hole}"),
        _ if cidr.network().is_ipv4() != ip.is_ipv4() => {
            let family = if cidr.network().is_ipv4() { "IPv4" } else { "IPv6" };
            format!("{cidr} is {family} only; the {} is {address}", other(view))
        }
        _ => format!("{} {cidr}; the {} is {address}", admits(view), other(view)),
    }
}

fn block(cidr: &IpNet, except: &[IpNet]) -> String {
    let holes: Vec<_> = except.iter().map(ToString::to_string).collect();
    let except = if holes.is_empty() { String::new() } else { format!(" except {}", holes.join(", ")) };
    format!("{cidr}{except}")
}

/// Describes the labels that an object has under the keys of a selector.
fn own_labels(selector: &Selector, labels: &Labels) -> String {
    let mut texts = Vec::new();
    for key in selector.requirements.iter().map(|requirement| &requirement.key) {
        let text = match labels.get(key) {
            Some(value) => format!("{key}={value}"),
            None => format!("no label {key}"),
        };
        if !texts.contains(&text) {
            texts.push(text);
        }
    }
    texts.join(", ")
}

/// Is true if these selectors match no pod at all.
fn matches_no_pod(plain: &Plain, candidate: &Candidate<'_>, peer: PodSelectors<'_>) -> bool {
    let own = &candidate.rule.policy.namespace;
    peer.pods.is_some_and(|pods| match peer.namespaces {
        None => !plain.any_pod(|namespace| namespace == own, pods),
        Some(selector) => !plain.any_pod(|namespace| plain.namespace(selector, namespace) != Match::No, pods),
    })
}

fn admits(view: &View<'_>) -> &'static str {
    match view.direction {
        Direction::Ingress => "admits",
        Direction::Egress => "allows egress to",
    }
}

/// Returns the side that the selected pod talks with.
fn other(view: &View<'_>) -> &'static str {
    match view.direction {
        Direction::Ingress => "client",
        Direction::Egress => "destination",
    }
}

fn address(view: &View<'_>) -> String {
    view.peer.ip.as_ref().map_or_else(|| "an address that is not known".to_owned(), IpAddr::to_string)
}

fn outsider(view: &View<'_>) -> String {
    match view.peer.who {
        Who::Node(node) => format!("node {node} or a pod in its network"),
        _ => format!("{}, outside the cluster", address(view)),
    }
}
