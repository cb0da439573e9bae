//! Whether an entry of `from` or `to` matches the other side.

use std::net::IpAddr;

use arcstr::ArcStr;
use flow_model::connection::{Party, Who};
use flow_model::decision::Direction;
use flow_model::inventory::{Labels, Pod};
use flow_model::policies::{Peer, PodsPeer, Selector, TierPeer};
use flow_model::selector::METADATA_NAME;
use ipnet::IpNet;

use crate::plain::{Match, Plain, View, Why};

impl Plain {
    /// An entry of a NetworkPolicy of this namespace.
    pub(crate) fn peer(&self, peer: &Peer, namespace: &ArcStr, party: &Party<'_>) -> Match {
        match peer {
            Peer::Block { cidr, except } => at_address(party, |ip| in_block(cidr, except, ip)),
            Peer::Pods { namespaces, pods } => of_pod(party, |pod| {
                let in_namespace = match namespaces {
                    None => (pod.namespace == *namespace).into(),
                    Some(selector) => self.namespace(selector, &pod.namespace),
                };
                in_namespace.and(|| by_labels(pods.as_ref(), pod))
            }),
        }
    }

    /// An entry of a tiered policy. Those that can't be read are dealt with by the rule.
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

    /// Pods by namespace and by label.
    pub(super) fn pods(&self, peer: &PodsPeer, pod: &Pod) -> Match {
        self.namespace(&peer.namespaces, &pod.namespace).and(|| by_labels(peer.pods.as_ref(), pod))
    }

    /// Of a namespace whose object we don't have, the label that the API server sets is known all the same.
    pub(crate) fn namespace(&self, selector: &Selector, name: &ArcStr) -> Match {
        let labels = self.namespaces.get(name);
        Match::all(selector.requirements.iter().map(|requirement| match labels {
            _ if requirement.key == METADATA_NAME => requirement.admits(Some(name)).into(),
            Some(labels) => requirement.admits(labels.get(&requirement.key)).into(),
            None => Match::Maybe(format!("namespace {name} is not known").into()),
        }))
    }

    /// Whether a pod that runs is of these namespaces and has these labels.
    pub(crate) fn any_pod(&self, in_namespace: impl Fn(&ArcStr) -> bool, pods: &Selector) -> bool {
        let mut there = self.pods.iter().filter(|(namespace, _)| in_namespace(namespace));
        there.any(|(_, all)| all.iter().any(|pod| pods.matches(&pod.labels)))
    }

    /// Whether a namespace, as an object or as that of a pod, has these labels, or may have them.
    pub(crate) fn any_namespace(&self, selector: &Selector) -> bool {
        self.namespaces.keys().chain(self.pods.keys()).any(|name| self.namespace(selector, name) != Match::No)
    }

    /// A label of a namespace, as far as is known.
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

/// Selectors match pods that have a network of their own.
fn of_pod(party: &Party<'_>, matches: impl FnOnce(&Pod) -> Match) -> Match {
    match party.who {
        Who::Pod(pod) => matches(pod),
        Who::Node(_) | Who::External => Match::No,
        Who::Unknown(why) => Match::Maybe(why.into()),
    }
}

/// Blocks match addresses, whoever has them.
fn at_address(party: &Party<'_>, matches: impl FnOnce(IpAddr) -> bool) -> Match {
    match party.ip {
        Some(ip) => matches(ip).into(),
        None => Match::Maybe(Why::Borrowed("the address of the other side is not known")),
    }
}

/// Names stand for addresses outside the cluster, and nothing here resolves them.
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
