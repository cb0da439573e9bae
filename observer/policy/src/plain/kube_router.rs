//! The rules of kube-router, where they differ from the specification.
//!
//! kube-router makes one chain for each pod and one for each policy, which holds the policy's rules of both directions.
//! A rule consists of sets of addresses, which it fills from the pods that it knows. See `pkg/controllers/netpol/policy.go`
//! and `pod.go` of kube-router 2.1 and of its fork in k3s.

use std::cmp::Ordering;
use std::net::IpAddr;

use flow_model::connection::Who;
use flow_model::decision::Decision;
use flow_model::inventory::{ContainerPort, Pod};
use flow_model::policies::{Direction, NetworkPolicy, Peer, PortMatch, PortSet, Protocol, Rule};
use ipnet::IpNet;

use crate::plain::{Basis, Match, Plain, RuleRef, View, Why, ports};
use crate::readings::is_protocol;

impl Plain {
    /// Judges a pod's way to itself through a Service. One chain decides for both directions: what one of them admits is
    /// admitted.
    pub(super) fn kube_router_itself<'a>(&'a self, view: &View<'a>, pod: &'a Pod) -> Basis<'a> {
        let (this, other) = (self.in_tiers(view, pod), self.in_tiers(&view.reversed(), pod));
        match (this.decision(), other.decision()) {
            (Decision::Allow, _) | (_, Decision::Deny) => this,
            (Decision::Deny, _) => other,
            (Decision::Unknown, Decision::Allow) => other,
            (Decision::Unknown, Decision::Unknown) => this,
        }
    }

    /// Matches where a rule of the other direction admits: both directions of a policy are in one chain, so the rules of
    /// one count for the other where the policy selects both sides.
    pub(super) fn kube_router_crosswise(&self, view: &View<'_>, pod: &Pod) -> Match {
        let crosswise = view.reversed();
        let mut rules =
            self.selecting(view.direction, pod).flat_map(|policy| RuleRef::all(policy, crosswise.direction));
        match view.peer.who {
            Who::Node(_) | Who::External => Match::No,
            Who::Unknown(why) => rules.next().map_or(Match::No, |_| Match::Maybe(why.into())),
            Who::Pod(peer) => {
                let is_selected = |rule: &RuleRef<'_>| {
                    rule.policy.namespace == peer.namespace && rule.policy.selector.matches(&peer.labels)
                };
                Match::any(rules.filter(is_selected).map(|rule| self.rule_matches(rule, &crosswise)))
            }
        }
    }

    /// Matches one rule.
    pub(super) fn kube_router_rule(&self, rule: &Rule, policy: &NetworkPolicy, view: &View<'_>) -> Match {
        let of = |wanted: fn(&Peer) -> bool| {
            let peers = rule.peers.iter().filter(|peer| wanted(peer));
            Match::any(peers.map(|peer| self.peer(peer, &policy.namespace, &view.peer)))
        };
        let blocks = || match of(|peer| !is_pods(peer)) {
            Match::Yes => view.peer.ip.map_or(Match::Yes, |ip| in_set(rule, ip)),
            matched => matched,
        };
        let numbers = Match::any(rule.ports.iter().filter(|p| !is_named(p)).map(|p| ports::port(p, view)));
        let names = || rule.ports.iter().filter_map(name);
        let on_destination = |(protocol, name)| ports::named_of_protocol(name, protocol, view);
        if rule.ports.is_empty() {
            return if rule.peers.is_empty() { Match::Yes } else { Match::any([of(is_pods), blocks()]) };
        }
        if rule.peers.is_empty() {
            let named = match view.direction {
                Direction::Ingress => Match::any(names().map(on_destination)),
                Direction::Egress => {
                    names().any(|name| self.is_number_in(&policy.namespace, name, view)).into()
                }
            };
            return Match::any([numbers, named]);
        }
        let by_pods = of(is_pods).and(|| match names().next() {
            Some(_)
                if rule.ports.iter().all(is_named) && !self.resolves_any(rule, policy, view.direction) =>
            {
                Match::Yes
            }
            _ => Match::any([numbers.clone(), Match::any(names().map(on_destination))]),
        });
        let by_blocks = blocks().and(|| match view.direction {
            Direction::Ingress => Match::any([numbers, Match::any(names().map(on_destination))]),
            Direction::Egress => numbers,
        });
        Match::any([by_pods, by_blocks])
    }

    /// Is true when a pod of the namespace gives this number to the name: a rule without peers admits it everywhere.
    fn is_number_in(&self, namespace: &str, (protocol, name): (Protocol, &str), view: &View<'_>) -> bool {
        let pods = self.pods.get(namespace).into_iter().flatten();
        protocol == view.protocol
            && pods
                .filter(|pod| is_known(pod))
                .flat_map(|pod| &pod.ports)
                .any(|port| port.port == view.port && has_name(port, protocol, name))
    }

    /// Is true when some pod has a port of one of the rule's names: for ingress a pod that the policy selects, for egress
    /// a pod that the rule has as a peer.
    fn resolves_any(&self, rule: &Rule, policy: &NetworkPolicy, direction: Direction) -> bool {
        let mut pods =
            self.pods.values().flatten().filter(|pod| is_known(pod)).filter(|pod| match direction {
                Direction::Ingress => {
                    pod.namespace == policy.namespace && policy.selector.matches(&pod.labels)
                }
                Direction::Egress => rule.peers.iter().any(|peer| self.selects(peer, policy, pod)),
            });
        pods.any(|pod| {
            let mut names = rule.ports.iter().filter_map(name);
            names.any(|(protocol, name)| pod.ports.iter().any(|port| has_name(port, protocol, name)))
        })
    }

    fn selects(&self, peer: &Peer, policy: &NetworkPolicy, pod: &Pod) -> bool {
        let Peer::Pods { namespaces, pods } = peer else { return false };
        let there = match namespaces {
            None => pod.namespace == policy.namespace,
            Some(selector) => self.namespace(selector, &pod.namespace) != Match::No,
        };
        there && pods.as_ref().is_none_or(|selector| selector.matches(&pod.labels))
    }
}

fn is_named(entry: &PortMatch) -> bool {
    matches!(entry.port, PortSet::Named(_))
}

fn name(entry: &PortMatch) -> Option<(Protocol, &str)> {
    match &entry.port {
        PortSet::Named(name) => Some((entry.protocol, name)),
        PortSet::All | PortSet::Range(..) => None,
    }
}

/// Matches an address that some ipBlock of the rule admits. All ipBlocks of a rule and their exceptions are one set of
/// networks, of which the narrowest decides.
fn in_set(rule: &Rule, ip: IpAddr) -> Match {
    let length = |network: Option<&IpNet>| network.map(length);
    match length(narrowest(blocks(rule).map(|(cidr, _)| cidr), ip)).cmp(&length(exception(rule, ip))) {
        Ordering::Greater => Match::Yes,
        Ordering::Less => Match::No,
        Ordering::Equal => Match::Maybe(Why::Borrowed(
            "one ipBlock of the rule admits a network that another one excepts, and kube-router keeps one of the two",
        )),
    }
}

/// Returns the narrowest exception that has the address, of all ipBlocks of the rule.
pub(crate) fn exception(rule: &Rule, ip: IpAddr) -> Option<&IpNet> {
    narrowest(blocks(rule).flat_map(|(_, except)| except), ip)
}

fn blocks(rule: &Rule) -> impl Iterator<Item = (&IpNet, &[IpNet])> {
    rule.peers.iter().filter_map(|peer| match peer {
        Peer::Block { cidr, except } => Some((cidr, &except[..])),
        Peer::Pods { .. } => None,
    })
}

fn narrowest<'a>(networks: impl Iterator<Item = &'a IpNet>, ip: IpAddr) -> Option<&'a IpNet> {
    networks.filter(|network| network.contains(&ip)).max_by_key(|network| length(network))
}

/// Returns the length of the prefix. Sets hold none of length 0, but its two halves.
fn length(network: &IpNet) -> u8 {
    network.prefix_len().max(1)
}

fn is_pods(peer: &Peer) -> bool {
    matches!(peer, Peer::Pods { .. })
}

/// Is true for a pod that kube-router takes into account.
fn is_known(pod: &Pod) -> bool {
    !pod.host_network && !pod.finished && !pod.ips.is_empty()
}

/// Is true for a port of this name. The names of sidecars' ports are not known to kube-router.
fn has_name(port: &ContainerPort, protocol: Protocol, name: &str) -> bool {
    !port.sidecar && port.name.as_deref() == Some(name) && is_protocol(port, protocol)
}
