//! Finds whether an entry of `from` or `to` matches the other side.

use std::net::IpAddr;

use arcstr::ArcStr;
use flow_model::connection::{Party, Who};
use flow_model::inventory::{Labels, Pod};
use flow_model::network::Enforcer;
use flow_model::policies::{Direction, Peer, PodsPeer, Selector, TierPeer};
use flow_model::selector::METADATA_NAME;
use ipnet::IpNet;

use crate::plain::{Match, Plain, View, Why};

impl Plain {
    /// Matches an entry of a NetworkPolicy in this namespace.
    pub(crate) fn peer(&self, peer: &Peer, namespace: &ArcStr, party: &Party<'_>) -> Match {
        match peer {
            Peer::Block { cidr, except } => {
                let matched = at_address(party, |ip| in_block(cidr, except, ip));
                if matched == Match::Yes { self.block_applies(party) } else { matched }
            }
            Peer::Pods { namespaces, pods } => of_pod(party, |pod| {
                let in_namespace = match namespaces {
                    None => (pod.namespace == *namespace).into(),
                    Some(selector) => self.namespace(selector, &pod.namespace),
                };
                in_namespace.and(|| by_labels(pods.as_ref(), pod))
            }),
        }
    }

    /// Matches where the enforcer applies blocks to such a party. Cilium's are about what is outside the cluster, unless it
    /// is told otherwise.
    fn block_applies(&self, party: &Party<'_>) -> Match {
        match (self.enforcer, party.who) {
            (Enforcer::Cilium, Who::Pod(_) | Who::Node(_) | Who::Unknown(_)) => Match::Maybe(Why::Borrowed(
                "Cilium applies an ipBlock to pods and nodes only if it is set up so",
            )),
            _ => Match::Yes,
        }
    }

    /// Matches an entry of a tiered policy. The rule as a whole deals with an entry that can't be read.
    pub(super) fn tier_peer(&self, peer: &TierPeer, view: &View<'_>) -> Match {
        match (peer, view.direction) {
            (TierPeer::Pods(pods), _) => of_pod(&view.peer, |pod| self.pods(pods, pod)),
            (TierPeer::Nodes(selector), Direction::Egress) => self.is_node(selector, &view.peer),
            (TierPeer::Networks(networks), Direction::Egress) => {
                at_address(&view.peer, |ip| networks.iter().any(|network| network.contains(&ip)))
            }
            (TierPeer::Domains(_), Direction::Egress) => of_domain(&view.peer),
            (TierPeer::Nodes(_) | TierPeer::Networks(_) | TierPeer::Domains(_), Direction::Ingress) => {
                Match::No
            }
            (TierPeer::Unreadable(_), _) => Match::No,
        }
    }

    /// Matches pods by namespace and by label.
    pub(super) fn pods(&self, peer: &PodsPeer, pod: &Pod) -> Match {
        self.namespace(&peer.namespaces, &pod.namespace).and(|| by_labels(peer.pods.as_ref(), pod))
    }

    /// Matches the labels of a namespace. Where its object is missing, the name is still known, because the API server sets
    /// it as a label.
    pub(crate) fn namespace(&self, selector: &Selector, name: &ArcStr) -> Match {
        let labels = self.namespaces.get(name);
        Match::all(selector.requirements.iter().map(|requirement| match labels {
            _ if requirement.key == METADATA_NAME => requirement.admits(Some(name)).into(),
            Some(labels) => requirement.admits(labels.get(&requirement.key)).into(),
            None => Match::Maybe(format!("namespace {name} is not known").into()),
        }))
    }

    /// Is true if a running pod is in one of these namespaces and has these labels.
    pub(crate) fn any_pod(&self, in_namespace: impl Fn(&ArcStr) -> bool, pods: &Selector) -> bool {
        let mut found = self.pods.iter().filter(|(namespace, _)| in_namespace(namespace));
        found.any(|(_, all)| all.iter().any(|pod| pods.matches(&pod.labels)))
    }

    /// Is true if a namespace has these labels or may have them. Namespaces that only a pod names count too.
    pub(crate) fn any_namespace(&self, selector: &Selector) -> bool {
        self.namespaces.keys().chain(self.pods.keys()).any(|name| self.namespace(selector, name) != Match::No)
    }

    /// Returns the labels of a namespace whose object is known.
    pub(crate) fn namespace_labels(&self, name: &ArcStr) -> Option<&Labels> {
        self.namespaces.get(name)
    }

    fn is_node(&self, selector: &Selector, party: &Party<'_>) -> Match {
        let by_ip = party.ip.and_then(|ip| self.node_of.get(&ip));
        let node = match (party.who, by_ip) {
            (Who::Pod(_), _) => return Match::No,
            (Who::Node(node), _) | (_, Some(node)) => node,
            (Who::External, None) => return Match::No,
            (Who::Unknown(why), None) => return Match::Maybe(why.into()),
        };
        match self.nodes.get(node) {
            _ if selector.requirements.is_empty() => Match::Yes,
            Some(labels) => selector.matches(labels).into(),
            None => Match::Maybe(format!("node {node} is not known").into()),
        }
    }
}

fn by_labels(selector: Option<&Selector>, pod: &Pod) -> Match {
    selector.is_none_or(|selector| selector.matches(&pod.labels)).into()
}

/// Matches a pod with a network of its own: selectors match no others.
fn of_pod(party: &Party<'_>, matches: impl FnOnce(&Pod) -> Match) -> Match {
    match party.who {
        Who::Pod(pod) => matches(pod),
        Who::Node(_) | Who::External => Match::No,
        Who::Unknown(why) => Match::Maybe(why.into()),
    }
}

/// Matches the address, whatever has it: blocks know nothing of pods.
fn at_address(party: &Party<'_>, matches: impl FnOnce(IpAddr) -> bool) -> Match {
    match party.ip {
        Some(ip) => matches(ip).into(),
        None => Match::Maybe(Why::Borrowed("the address of the other side is not known")),
    }
}

/// Matches a domain name, as far as is known: names stand for addresses outside the cluster, and nothing here resolves
/// them.
fn of_domain(party: &Party<'_>) -> Match {
    match party.who {
        Who::Pod(_) | Who::Node(_) => Match::No,
        Who::External => Match::Maybe(Why::Borrowed("which domain name the address stands for is not known")),
        Who::Unknown(why) => Match::Maybe(why.into()),
    }
}

fn in_block(cidr: &IpNet, except: &[IpNet], ip: IpAddr) -> bool {
    cidr.contains(&ip) && !except.iter().any(|hole| hole.contains(&ip))
}
