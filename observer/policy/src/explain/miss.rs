//! What keeps a rule from matching.

use flow_model::connection::Who;
use flow_model::inventory::{Labels, Pod};
use flow_model::policies::{Operator, Peer, Rule, Selector};
use ipnet::IpNet;

use crate::plain::{Match, Plain, RuleRef, View, ports_match};

/// One condition that doesn't hold.
#[derive(Clone, Copy, Debug)]
pub(super) enum Miss<'a> {
    /// The policy's own podSelector: the pod at the selected side, and whether it was most likely meant.
    Selection {
        pod: &'a Pod,
        meant: bool,
    },
    Port(&'a Rule),
    /// A peer's podSelector.
    Pods {
        peer: PodSelectors<'a>,
        selector: &'a Selector,
        pod: &'a Pod,
    },
    /// A peer's namespaceSelector, or without one the policy's own namespace.
    Namespace {
        peer: PodSelectors<'a>,
        pod: &'a Pod,
    },
    Block {
        cidr: &'a IpNet,
        except: &'a [IpNet],
    },
    /// Selectors match pods, and the other side is none.
    NoPod,
}

/// The selectors of one peer.
#[derive(Clone, Copy, Debug)]
pub(super) struct PodSelectors<'a> {
    pub(super) namespaces: Option<&'a Selector>,
    pub(super) pods: Option<&'a Selector>,
}

impl Miss<'_> {
    /// Of rules that miss equally often, the one with the smaller class is nearer.
    pub(super) fn class(&self) -> u8 {
        match self {
            Self::Selection { meant: true, .. } => 0,
            Self::Port(_) => 1,
            Self::Pods { .. } => 2,
            Self::Namespace { .. } => 3,
            Self::Block { .. } => 4,
            Self::Selection { meant: false, .. } => 5,
            Self::NoPod => 6,
        }
    }

    /// How alike what is wanted and what is there are written, 0 to 1000.
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
            Self::Port(_) | Self::NoPod => 0,
        }
    }
}

/// How near a rule is, the smallest nearest: fewest conditions failing first, then the kind of the failing one, then
/// names that look alike.
pub(super) fn rank(
    plain: &Plain,
    rule: RuleRef<'_>,
    misses: &[Miss<'_>],
    view: &View<'_>,
) -> impl Ord + use<> {
    let unlike: u32 = misses.iter().map(|miss| 1000 - miss.likeness(plain, rule, view)).sum();
    (misses.len(), misses.iter().map(Miss::class).min(), unlike)
}

/// A podSelector that selects nothing at all is a mistake; one that nearly selects this pod was meant for it.
pub(super) fn meant(plain: &Plain, selector: &Selector, pod: &Pod) -> bool {
    alike(selector, &pod.labels) >= 800 && !plain.any_pod(|namespace| *namespace == pod.namespace, selector)
}

/// What keeps a rule of a policy that selects the pod from matching: by the peer that comes closest, and the port.
pub(super) fn misses<'a>(plain: &Plain, rule: RuleRef<'a>, view: &View<'a>) -> Vec<Miss<'a>> {
    let Some(body) = rule.body(view.direction) else { return Vec::new() };
    let peers = body.peers.iter().map(|peer| of_peer(plain, rule, peer, view));
    let mut misses = peers.min_by_key(|misses| rank(plain, rule, misses, view)).unwrap_or_default();
    if ports_match(body, view) == Match::No {
        misses.push(Miss::Port(body));
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

/// Of the requirements that fail, the value most like the one that is there.
fn alike(selector: &Selector, labels: &Labels) -> u32 {
    let failing = selector.requirements.iter().filter_map(|requirement| {
        let value = labels.get(&requirement.key)?;
        let Operator::In(values) = &requirement.operator else { return None };
        values.iter().filter(|wanted| *wanted != value).map(|wanted| likeness(wanted, value)).max()
    });
    failing.max().unwrap_or(0)
}

/// A name inside another one is nearly the same.
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
