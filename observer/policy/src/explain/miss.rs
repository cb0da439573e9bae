//! The conditions that keep a rule from matching.

use flow_model::connection::Who;
use flow_model::inventory::{Labels, Pod};
use flow_model::policies::{Operator, Peer, PortSet, Rule, Selector};
use ipnet::IpNet;

use crate::plain::{Match, Plain, RuleRef, View, exception, ports_match};

/// The port of DNS.
const DNS: u16 = 53;

/// Names one condition that doesn't hold.
#[derive(Clone, Copy, Debug)]
pub(super) enum Miss<'a> {
    /// The policy's own podSelector doesn't select this pod; `meant` if it was most likely written for it.
    Selection {
        pod: &'a Pod,
        meant: bool,
    },
    Port(&'a Rule),
    /// By the specification the rule matches. kube-router takes the names of its ports otherwise.
    Names(&'a Rule),
    /// By the specification the rule matches. kube-router takes this exception of one ipBlock from all.
    Excepted(&'a IpNet),
    /// A peer's podSelector doesn't match.
    Pods {
        peer: PodSelectors<'a>,
        selector: &'a Selector,
        pod: &'a Pod,
    },
    /// A peer's namespaceSelector doesn't match, or without one the policy's own namespace.
    Namespace {
        peer: PodSelectors<'a>,
        pod: &'a Pod,
    },
    Block {
        cidr: &'a IpNet,
        except: &'a [IpNet],
    },
    /// Selectors match pods, and the other side is no pod.
    NoPod,
}

/// Holds the selectors of one peer.
#[derive(Clone, Copy, Debug)]
pub(super) struct PodSelectors<'a> {
    pub(super) namespaces: Option<&'a Selector>,
    pub(super) pods: Option<&'a Selector>,
}

impl Miss<'_> {
    /// Returns a rank for the kind of miss. Of two rules that miss equally often, the one with the smaller rank is nearer.
    pub(super) fn class(&self) -> u8 {
        match self {
            Self::Selection { meant: true, .. } | Self::Names(_) | Self::Excepted(_) => 0,
            Self::Port(rule) if rule.peers.is_empty() => 5,
            Self::Port(_) => 1,
            Self::Pods { .. } => 2,
            Self::Namespace { .. } => 3,
            Self::Block { .. } => 4,
            Self::Selection { meant: false, .. } => 6,
            Self::NoPod => 7,
        }
    }

    /// Returns how similar the wanted and the actual value look, from 0 to 1000.
    pub(super) fn likeness(&self, plain: &Plain, rule: RuleRef<'_>, view: &View<'_>) -> u32 {
        match self {
            Self::Selection { pod, .. } => alike(&rule.policy.selector, &pod.labels),
            Self::Pods { selector, pod, .. } => alike(selector, &pod.labels),
            Self::Namespace { peer, pod } => {
                match (peer.namespaces, plain.namespace_labels(&pod.namespace)) {
                    (None, _) => likeness(&rule.policy.namespace, &pod.namespace),
                    (Some(selector), Some(labels)) => alike(selector, labels),
                    (Some(_), None) => 0,
                }
            }
            Self::Block { cidr, .. } => view.peer.ip.map_or(0, |ip| shared_bits(cidr, ip)),
            Self::Port(_) | Self::Names(_) | Self::Excepted(_) | Self::NoPod => 0,
        }
    }
}

/// Ranks how near a rule is; the smallest rank is nearest. A rule for DNS is far from any other connection. Then it
/// compares the number of failing conditions, their kind, and how similar the names look.
pub(super) fn rank(
    plain: &Plain,
    rule: RuleRef<'_>,
    misses: &[Miss<'_>],
    view: &View<'_>,
) -> impl Ord + use<> {
    let unlike: u32 = misses.iter().map(|miss| 1000 - miss.likeness(plain, rule, view)).sum();
    let for_dns = misses.iter().any(|miss| matches!(miss, Miss::Port(rule) if is_for_dns(rule)));
    (for_dns && view.port != DNS, misses.len(), misses.iter().map(Miss::class).min(), unlike)
}

/// Is true for a rule whose only purpose is DNS, as nearly every policy of egress has one.
fn is_for_dns(rule: &Rule) -> bool {
    rule.ports.iter().all(|entry| match &entry.port {
        PortSet::Range(first, last) => (*first, *last) == (DNS, DNS),
        PortSet::Named(name) => name.starts_with("dns"),
        PortSet::All => false,
    })
}

/// Is true if a podSelector was most likely meant for this pod: it nearly selects it, and it selects no other pod.
pub(super) fn meant(plain: &Plain, selector: &Selector, pod: &Pod) -> bool {
    alike(selector, &pod.labels) >= 800 && !plain.any_pod(|namespace| *namespace == pod.namespace, selector)
}

/// Returns what keeps a rule from matching: the misses of the peer that comes closest, and that of the ports. The policy
/// selects the pod.
pub(super) fn misses<'a>(plain: &Plain, rule: RuleRef<'a>, view: &View<'a>) -> Vec<Miss<'a>> {
    let Some(body) = rule.body(view.direction) else { return Vec::new() };
    let peers = body.peers.iter().map(|peer| of_peer(plain, rule, peer, view));
    let mut misses = peers.min_by_key(|misses| rank(plain, rule, misses, view)).unwrap_or_default();
    if ports_match(body, view) == Match::No {
        misses.push(Miss::Port(body));
    }
    if misses.is_empty() && plain.rule_matches(rule, view) == Match::No {
        let has_names = body.ports.iter().any(|entry| matches!(entry.port, PortSet::Named(_)));
        let hole = view.peer.ip.and_then(|ip| exception(body, ip)).filter(|_| !has_names);
        misses.push(hole.map_or(Miss::Names(body), Miss::Excepted));
    }
    misses
}

fn of_peer<'a>(plain: &Plain, rule: RuleRef<'a>, peer: &'a Peer, view: &View<'a>) -> Vec<Miss<'a>> {
    if plain.peer(peer, &rule.policy.namespace, &view.peer) != Match::No {
        return Vec::new();
    }
    match (peer, view.peer.who) {
        (Peer::Block { cidr, except }, _) => vec![Miss::Block { cidr, except }],
        (Peer::Pods { namespaces, pods }, Who::Pod(pod)) => {
            let peer = PodSelectors { namespaces: namespaces.as_ref(), pods: pods.as_ref() };
            of_selectors(plain, rule, peer, pod)
        }
        (Peer::Pods { .. }, _) => vec![Miss::NoPod],
    }
}

fn of_selectors<'a>(plain: &Plain, rule: RuleRef<'a>, peer: PodSelectors<'a>, pod: &'a Pod) -> Vec<Miss<'a>> {
    let there = match peer.namespaces {
        None => pod.namespace == rule.policy.namespace,
        Some(selector) => plain.namespace(selector, &pod.namespace) != Match::No,
    };
    let namespace = (!there).then_some(Miss::Namespace { peer, pod });
    let pods = peer.pods.filter(|selector| !selector.matches(&pod.labels));
    namespace.into_iter().chain(pods.map(|selector| Miss::Pods { peer, selector, pod })).collect()
}

/// Returns the highest similarity between a wanted value and the actual one, among the requirements that fail.
fn alike(selector: &Selector, labels: &Labels) -> u32 {
    let failing = selector.requirements.iter().filter_map(|requirement| {
        let value = labels.get(&requirement.key)?;
        let Operator::In(values) = &requirement.operator else { return None };
        values.iter().filter(|wanted| *wanted != value).map(|wanted| likeness(wanted, value)).max()
    });
    failing.max().unwrap_or(0)
}

/// Returns the similarity of two names. A name inside another one counts as nearly the same.
fn likeness(a: &str, b: &str) -> u32 {
    if a.contains(b) || b.contains(a) {
        return 950;
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "from 0 to 1000")]
    {
        (strsim::jaro_winkler(a, b) * 1000.0) as u32
    }
}

fn shared_bits(cidr: &IpNet, ip: std::net::IpAddr) -> u32 {
    let bits = match (cidr.network(), ip) {
        (std::net::IpAddr::V4(net), std::net::IpAddr::V4(ip)) => {
            (net.to_bits() ^ ip.to_bits()).leading_zeros()
        }
        (std::net::IpAddr::V6(net), std::net::IpAddr::V6(ip)) => {
            (net.to_bits() ^ ip.to_bits()).leading_zeros()
        }
        _ => return 0,
    };
    bits.min(u32::from(cidr.prefix_len())) + 1
}
