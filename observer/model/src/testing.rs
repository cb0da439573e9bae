//! Small clusters for tests, in a few lines, and updates of findings.
//!
//! Selectors are written `app=web,tier=a|b,tier!=c,key,!key`. A rule is `PEERS : PORTS`, both lists separated by spaces
//! and either may be empty: `ns(team=a)&pods(app=web) 10.0.0.0/8!10.1.0.0/16 : 80 udp/53 8000-8080 http sctp/*`. Rules
//! of tiered policies also take `nodes(..)`, `dns(example.org)` and `?field`, a peer that can't be read.

#![allow(clippy::unwrap_used, reason = "only tests build clusters, and a wrong test fails here")]

pub mod clusters;

use std::net::IpAddr;
use std::sync::Arc;

use arcstr::ArcStr;
use ipnet::IpNet;
use jiff::Timestamp;

use crate::connection::{Connection, Party, Who};
use crate::finding::{Finding, FindingChange, FindingUpdate, State};
use crate::flow::{FlowTuple, Outcome, Vantage};
use crate::input::AttemptSeen;
use crate::inventory::{ContainerPort, Inventory, Labels, Namespace, Node, Pod, Workload};
use crate::policies::{
    Action, BrokenPolicy, NetworkPolicy, Operator, Origin, Peer, PodsPeer, PortMatch, PortSet, Protocol,
    Requirement, Rule, Selector, Tier, TierKind, TierPeer, TierPolicy, TierPort, TierRule,
};

/// Returns an attempt of a pod to a Service: seen where it left the pod, with one SYN and no details.
pub fn attempt_seen(time: Timestamp, outcome: Outcome) -> AttemptSeen {
    let (src, dst) = ([10, 42, 0, 10].into(), [10, 43, 0, 9].into());
    let tuple = FlowTuple { src, sport: 40_000, dst, dport: 5432, backend: None };
    AttemptSeen { isn: 77, ..AttemptSeen::new(time, tuple, Vantage::Source, outcome) }
}

/// An inventory in the making.
#[derive(Clone, Debug, Default)]
pub struct Cluster {
    pub inventory: Inventory,
}

impl Cluster {
    /// Returns a cluster with the namespaces of this list, each `name` or `name:team=a,env=b`, separated by spaces.
    pub fn new(namespaces: &str) -> Self {
        let mut cluster = Self::default();
        for text in namespaces.split_whitespace() {
            let (name, labels) = text.split_once(':').unwrap_or((text, ""));
            cluster.inventory.namespaces.push(Arc::new(namespace(name, labels)));
        }
        cluster
    }

    pub fn pod(mut self, pod: Pod) -> Self {
        self.inventory.pods.push(Arc::new(pod));
        self
    }

    pub fn node(mut self, name: &str, node_labels: &str, ip: &str) -> Self {
        let ips = vec![ip.parse().unwrap()];
        let node = Node {
            name: name.into(),
            labels: labels(node_labels),
            ips,
            pod_cidrs: Vec::new(),
            ..Node::default()
        };
        self.inventory.nodes.push(Arc::new(node));
        self
    }

    pub fn policy(mut self, policy: NetworkPolicy) -> Self {
        self.inventory.policies.namespaced.push(Arc::new(policy));
        self.inventory
            .policies
            .namespaced
            .sort_by_key(|policy| (policy.namespace.clone(), policy.name.clone()));
        self
    }

    pub fn tier(mut self, policy: TierPolicy) -> Self {
        self.inventory.policies.tiered.push(Arc::new(policy));
        self
    }

    pub fn broken(mut self, policy: BrokenPolicy) -> Self {
        self.inventory.policies.broken.push(Arc::new(policy));
        self
    }

    pub fn inventory(&self) -> Arc<Inventory> {
        Arc::new(self.inventory.clone())
    }

    /// `namespace/pod`, `node:name`, an address outside, or `?` (`?address`): somebody unknown.
    pub fn party<'a>(&'a self, text: &str) -> Party<'a> {
        let outside = |text: &str| text.parse::<IpAddr>().ok();
        if let Some(address) = text.strip_prefix('?') {
            return Party { ip: outside(address), who: Who::Unknown("who it is") };
        }
        if let Some(name) = text.strip_prefix("node:") {
            let node = self.inventory.nodes.iter().find(|node| node.name == name).unwrap();
            return Party { ip: node.ips.first().copied(), who: Who::Node(&node.name) };
        }
        if let Some(ip) = outside(text) {
            return Party { ip: Some(ip), who: Who::External };
        }
        let pod = self.inventory.pods.iter().find(|pod| format!("{}/{}", pod.namespace, pod.name) == text);
        let pod = pod.unwrap_or_else(|| panic!("no pod {text}"));
        Party { ip: pod.ips.first().copied(), who: Who::Pod(pod) }
    }

    /// From, to, and `5432` or `udp/53`.
    pub fn connection<'a>(&'a self, src: &str, dst: &str, port: &str) -> Connection<'a> {
        let (protocol, port) = with_protocol(port);
        let port = port.parse().unwrap();
        Connection { src: self.party(src), dst: self.party(dst), protocol, port }
    }
}

/// A running pod on no node in particular: `pod("web", "client", &[("app", "web")], "10.42.0.5")`.
pub fn pod(namespace: &str, name: &str, labels: &[(&str, &str)], ip: &str) -> Pod {
    Pod {
        namespace: namespace.into(),
        name: name.into(),
        uid: format!("{namespace}-{name}").into(),
        labels: labels.iter().map(|(key, value)| (ArcStr::from(*key), ArcStr::from(*value))).collect(),
        node: None,
        ips: vec![ip.parse().unwrap()],
        host_network: false,
        finished: false,
        deleting: false,
        start: None,
        workload: Workload { kind: "Deployment".into(), name: name.into() },
        ports: Vec::new(),
        ..Pod::default()
    }
}

impl Pod {
    pub fn on(mut self, node: &str) -> Self {
        self.node = Some(node.into());
        self
    }

    /// A named container port: `port("http", "TCP", 8080)`.
    pub fn port(mut self, name: &str, protocol: &str, port: u16) -> Self {
        self.ports.push(ContainerPort {
            name: Some(name.into()),
            protocol: protocol.into(),
            port,
            ..ContainerPort::default()
        });
        self
    }
}

pub fn namespace(name: &str, text: &str) -> Namespace {
    let mut labels = labels(text);
    labels.insert("kubernetes.io/metadata.name".into(), name.into());
    Namespace { name: name.into(), labels }
}

/// Selects every pod of its namespace and isolates in no direction yet.
pub fn policy(namespace: &str, name: &str) -> NetworkPolicy {
    NetworkPolicy {
        namespace: namespace.into(),
        name: name.into(),
        selector: Selector::default(),
        ingress: None,
        egress: None,
        origin: Origin::default(),
    }
}

impl NetworkPolicy {
    /// `spec.podSelector`.
    pub fn on(mut self, text: &str) -> Self {
        self.selector = selector(text);
        self
    }

    pub fn ingress(mut self, rules: &[&str]) -> Self {
        self.ingress = Some(rules.iter().map(|text| rule(text)).collect());
        self
    }

    pub fn egress(mut self, rules: &[&str]) -> Self {
        self.egress = Some(rules.iter().map(|text| rule(text)).collect());
        self
    }
}

/// An AdminNetworkPolicy on every pod, without rules yet.
pub fn admin(name: &str, priority: i32) -> TierPolicy {
    TierPolicy {
        kind: TierKind::AdminNetworkPolicy,
        name: name.into(),
        tier: Tier::Admin,
        priority,
        subject: PodsPeer { namespaces: Selector::default(), pods: None },
        ingress: Vec::new(),
        egress: Vec::new(),
        origin: Origin::default(),
    }
}

/// The BaselineAdminNetworkPolicy.
pub fn baseline() -> TierPolicy {
    TierPolicy { kind: TierKind::BaselineAdminNetworkPolicy, tier: Tier::Baseline, ..admin("default", 0) }
}

impl TierPolicy {
    /// Its subject: `ns(team=a)&pods(app=web)`.
    pub fn on(mut self, text: &str) -> Self {
        self.subject = pods_peer(text);
        self
    }

    pub fn ingress(mut self, action: Action, text: &str) -> Self {
        self.ingress.push(tier_rule(action, text));
        self
    }

    pub fn egress(mut self, action: Action, text: &str) -> Self {
        self.egress.push(tier_rule(action, text));
        self
    }
}

/// A NetworkPolicy that can't be read, in both directions, on any pod of its namespace.
pub fn broken(namespace: &str, name: &str, why: &str) -> BrokenPolicy {
    BrokenPolicy {
        kind: "NetworkPolicy".into(),
        namespace: namespace.into(),
        name: name.into(),
        why: why.into(),
        selector: None,
        ingress: true,
        egress: true,
        tier: None,
    }
}

/// A tiered policy that can't be read.
pub fn broken_tier(tier: Tier, name: &str, why: &str) -> BrokenPolicy {
    let kind = "ClusterNetworkPolicy".into();
    BrokenPolicy { kind, tier: Some(tier), ..broken("", name, why) }
}

/// `app=web,tier=a|b,tier!=c,key,!key`.
pub fn selector(text: &str) -> Selector {
    let requirements = text.split(',').filter(|text| !text.is_empty()).map(requirement);
    Selector { requirements: requirements.collect() }
}

fn requirement(text: &str) -> Requirement {
    let values = |text: &str| text.split('|').map(ArcStr::from).collect();
    let (key, operator) = if let Some((key, list)) = text.split_once("!=") {
        (key, Operator::NotIn(values(list)))
    } else if let Some((key, list)) = text.split_once('=') {
        (key, Operator::In(values(list)))
    } else if let Some(key) = text.strip_prefix('!') {
        (key, Operator::DoesNotExist)
    } else {
        (text, Operator::Exists)
    };
    Requirement { key: key.into(), operator }
}

/// `PEERS : PORTS`.
pub fn rule(text: &str) -> Rule {
    let (peers, ports) = halves(text);
    Rule {
        peers: peers.split_whitespace().map(peer).collect(),
        ports: ports.split_whitespace().map(port).collect(),
    }
}

fn halves(text: &str) -> (&str, &str) {
    text.split_once(": ").unwrap_or((text, ""))
}

fn peer(text: &str) -> Peer {
    if !text.contains('(') {
        let mut nets = text.split('!').map(|net| net.parse::<IpNet>().unwrap());
        return Peer::Block { cidr: nets.next().unwrap(), except: nets.collect() };
    }
    Peer::Pods { namespaces: inside(text, "ns("), pods: inside(text, "pods(") }
}

fn inside(text: &str, what: &str) -> Option<Selector> {
    let (_, rest) = text.split_once(what)?;
    Some(selector(rest.split_once(')').unwrap().0))
}

fn pods_peer(text: &str) -> PodsPeer {
    PodsPeer { namespaces: inside(text, "ns(").unwrap_or_default(), pods: inside(text, "pods(") }
}

fn port(text: &str) -> PortMatch {
    let (protocol, port) = with_protocol(text);
    let set = match range(port) {
        _ if port == "*" => PortSet::All,
        Some((first, last)) => PortSet::Range(first, last),
        None => PortSet::Named(port.into()),
    };
    PortMatch { protocol, port: set }
}

fn range(text: &str) -> Option<(u16, u16)> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    Some((first.parse().ok()?, last.parse().ok()?))
}

fn with_protocol(text: &str) -> (Protocol, &str) {
    match text.split_once('/') {
        Some(("udp", port)) => (Protocol::Udp, port),
        Some(("sctp", port)) => (Protocol::Sctp, port),
        Some((_, port)) => (Protocol::Tcp, port),
        None => (Protocol::Tcp, text),
    }
}

fn tier_rule(action: Action, text: &str) -> TierRule {
    let (peers, ports) = halves(text);
    let ports: Vec<_> = ports.split_whitespace().map(tier_port).collect();
    let ports = Some(ports).filter(|ports| !ports.is_empty());
    TierRule { name: None, action, peers: peers.split_whitespace().map(tier_peer).collect(), ports }
}

fn tier_peer(text: &str) -> TierPeer {
    if let Some(field) = text.strip_prefix('?') {
        return TierPeer::Unreadable(field.into());
    }
    if let Some(name) = text.strip_prefix("dns(") {
        return TierPeer::Domains(vec![name.trim_end_matches(')').into()]);
    }
    match inside(text, "nodes(") {
        Some(selector) => TierPeer::Nodes(selector),
        None if text.contains('(') => TierPeer::Pods(pods_peer(text)),
        None => TierPeer::Networks(vec![text.parse().unwrap()]),
    }
}

fn tier_port(text: &str) -> TierPort {
    let (protocol, port) = with_protocol(text);
    match range(port) {
        _ if port == "*" => TierPort::Range { protocol, first: 0, last: u16::MAX },
        Some((first, last)) => TierPort::Range { protocol, first, last },
        None => TierPort::Named(port.into()),
    }
}

/// `app=web,tier=a`.
pub fn labels(text: &str) -> Labels {
    let pairs = text.split(',').filter_map(|pair| pair.split_once('='));
    pairs.map(|(key, value)| (ArcStr::from(key), ArcStr::from(value))).collect()
}

impl From<Finding> for FindingUpdate {
    /// Returns the update with which a finding in this state begins or ends.
    fn from(finding: Finding) -> Self {
        let change = match finding.state {
            State::Active => FindingChange::Appeared,
            State::Resolved => FindingChange::Resolved,
        };
        Self { change, finding }
    }
}
