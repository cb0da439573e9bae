//! Random policies of every kind, with every feature.

use arcstr::ArcStr;
use flow_model::policies::{
    Action, BrokenPolicy, NetworkPolicy, Operator, Origin, Peer, PodsPeer, PortMatch, PortSet, Protocol,
    Requirement, Rule, Selector, Tier, TierKind, TierPeer, TierPolicy, TierPort, TierRule,
};
use ipnet::IpNet;
use proptest::prelude::*;
use proptest::sample::select;

use crate::arbitrary::{KEYS, METADATA_NAME, NAMESPACES, PORT_NAMES, PORTS, VALUES, word};

pub(crate) fn network_policy() -> impl Strategy<Value = NetworkPolicy> {
    let rules = || prop::option::weighted(0.7, prop::collection::vec(rule(), 0..3));
    (word(&NAMESPACES), pod_selector(), rules(), rules()).prop_map(
        |(namespace, selector, ingress, egress)| NetworkPolicy {
            namespace,
            name: "p".into(),
            selector,
            ingress,
            egress,
            origin: Origin::default(),
        },
    )
}

fn rule() -> impl Strategy<Value = Rule> {
    let peers = prop_oneof![1 => Just(Vec::new()), 6 => prop::collection::vec(peer(), 1..4)];
    let ports = prop_oneof![1 => Just(Vec::new()), 2 => prop::collection::vec(port_match(), 1..3)];
    (peers, ports).prop_map(|(peers, ports)| Rule { peers, ports })
}

fn peer() -> impl Strategy<Value = Peer> {
    let namespaces = prop::option::of(namespace_selector());
    let pods = prop::option::of(pod_selector());
    let blocks = (net(), prop::collection::vec(net(), 0..3));
    prop_oneof![
        3 => (namespaces, pods).prop_map(|(namespaces, pods)| Peer::Pods { namespaces, pods }),
        1 => blocks.prop_map(|(cidr, except)| Peer::Block { cidr, except }),
    ]
}

fn net() -> impl Strategy<Value = IpNet> {
    let nets = [
        "0.0.0.0/0",
        "10.42.0.0/16",
        "10.42.0.0/24",
        "10.42.0.7/24",
        "10.42.0.4/30",
        "10.42.1.3/32",
        "203.0.113.0/24",
        "192.168.1.0/24",
        "::/0",
        "fd00::/8",
        "fd00:42::1:0/112",
        "fd00:42::3/128",
        "2001:db8::/32",
    ];
    select(nets.map(|net| net.parse::<IpNet>().expect("a network")).to_vec())
}

fn protocol() -> impl Strategy<Value = Protocol> {
    prop_oneof![6 => Just(Protocol::Tcp), 2 => Just(Protocol::Udp), 1 => Just(Protocol::Sctp)]
}

fn range() -> impl Strategy<Value = (u16, u16)> {
    (select(&PORTS[..]), prop_oneof![Just(0u16), 0u16..6000]).prop_map(|(first, more)| (first, first + more))
}

fn port_match() -> impl Strategy<Value = PortMatch> {
    let port = prop_oneof![
        1 => Just(PortSet::All),
        3 => range().prop_map(|(first, last)| PortSet::Range(first, last)),
        2 => word(&PORT_NAMES).prop_map(PortSet::Named),
    ];
    (protocol(), port).prop_map(|(protocol, port)| PortMatch { protocol, port })
}

fn pod_selector() -> impl Strategy<Value = Selector> {
    selector(requirement(word(&KEYS), word(&VALUES)))
}

fn namespace_selector() -> impl Strategy<Value = Selector> {
    let named = requirement(Just(METADATA_NAME.into()), word(&NAMESPACES));
    selector(prop_oneof![named, requirement(word(&KEYS), word(&VALUES))])
}

fn selector(requirement: impl Strategy<Value = Requirement>) -> impl Strategy<Value = Selector> {
    prop::collection::vec(requirement, 0..3).prop_map(|requirements| Selector { requirements })
}

fn requirement(
    key: impl Strategy<Value = ArcStr>,
    value: impl Strategy<Value = ArcStr> + Clone,
) -> impl Strategy<Value = Requirement> {
    let values = || prop::collection::vec(value.clone(), 1..3);
    let operator = prop_oneof![
        4 => values().prop_map(Operator::In),
        1 => values().prop_map(Operator::NotIn),
        1 => Just(Operator::Exists),
        1 => Just(Operator::DoesNotExist),
    ];
    (key, operator).prop_map(|(key, operator)| Requirement { key, operator })
}

fn pods_peer() -> impl Strategy<Value = PodsPeer> {
    (namespace_selector(), prop::option::of(pod_selector()))
        .prop_map(|(namespaces, pods)| PodsPeer { namespaces, pods })
}

fn tier() -> impl Strategy<Value = Tier> {
    prop_oneof![2 => Just(Tier::Admin), 1 => Just(Tier::Baseline)]
}

pub(crate) fn tier_policy() -> impl Strategy<Value = TierPolicy> {
    let rules = || prop::collection::vec(tier_rule(), 0..3);
    (0u8..9, tier(), 0..3i32, pods_peer(), rules(), rules()).prop_map(
        |(n, tier, priority, subject, ingress, egress)| TierPolicy {
            kind: TierKind::ClusterNetworkPolicy,
            name: arcstr::format!("t{n}"),
            tier,
            priority,
            subject,
            ingress,
            egress,
            origin: Origin::default(),
        },
    )
}

fn tier_rule() -> impl Strategy<Value = TierRule> {
    let action = select(&[Action::Accept, Action::Deny, Action::Pass][..]);
    let ports = prop::option::of(prop::collection::vec(tier_port(), 1..3));
    (action, prop::collection::vec(tier_peer(), 1..4), ports).prop_map(|(action, peers, ports)| TierRule {
        name: None,
        action,
        peers,
        ports,
    })
}

fn tier_peer() -> impl Strategy<Value = TierPeer> {
    prop_oneof![
        6 => pods_peer().prop_map(TierPeer::Pods),
        2 => selector(requirement(word(&KEYS), word(&VALUES))).prop_map(TierPeer::Nodes),
        3 => prop::collection::vec(net(), 1..3).prop_map(TierPeer::Networks),
        1 => Just(TierPeer::Domains(vec!["example.org".into()])),
        1 => Just(TierPeer::Unreadable("magic".into())),
    ]
}

fn tier_port() -> impl Strategy<Value = TierPort> {
    prop_oneof![
        3 => (protocol(), range()).prop_map(|(protocol, (first, last))| TierPort::Range { protocol, first, last }),
        1 => word(&PORT_NAMES).prop_map(TierPort::Named),
    ]
}

pub(crate) fn broken() -> impl Strategy<Value = BrokenPolicy> {
    let tier = prop::option::weighted(0.4, tier());
    (word(&NAMESPACES), prop::option::of(pods_peer()), any::<(bool, bool)>(), tier).prop_map(
        |(namespace, selector, (ingress, egress), tier)| BrokenPolicy {
            kind: if tier.is_some() { "ClusterNetworkPolicy" } else { "NetworkPolicy" }.into(),
            namespace: if tier.is_some() { ArcStr::new() } else { namespace },
            name: "broken".into(),
            why: "spec: not readable".into(),
            selector,
            ingress,
            egress,
            tier,
        },
    )
}
