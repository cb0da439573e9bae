//! Random connections to ask about.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use arcstr::ArcStr;
use flow_model::connection::{Connection, Party, Who};
use flow_model::inventory::{Inventory, Pod};
use flow_model::policies::Protocol;
use proptest::prelude::*;
use proptest::sample::{Index, select};

use crate::arbitrary::{NODES, PORTS, pod, word};

/// Describes a connection without its cluster, so that it can be asked about in any.
#[derive(Clone, Debug)]
pub struct Question {
    src: Side,
    dst: Side,
    protocol: Protocol,
    port: u16,
}

#[derive(Clone, Debug)]
enum Side {
    /// A pod of the inventory, at one of its addresses, at another, or at none that is known.
    Pod(Index, Option<Index>, Option<IpAddr>),
    /// A pod that the inventory lacks: it is gone, or not there yet.
    Absent(Pod, Option<IpAddr>),
    Node(ArcStr, Option<IpAddr>),
    External(Option<IpAddr>),
    Unknown(Option<IpAddr>),
}

/// Generates any question.
pub fn question() -> impl Strategy<Value = Question> {
    let protocol = prop_oneof![
        6 => Just(Protocol::Tcp),
        2 => Just(Protocol::Udp),
        1 => Just(Protocol::Sctp),
    ];
    let port = prop_oneof![4 => select(&PORTS[..]), 1 => any::<u16>()];
    (side(), side(), protocol, port).prop_map(|(src, dst, protocol, port)| Question {
        src,
        dst,
        protocol,
        port,
    })
}

fn side() -> impl Strategy<Value = Side> {
    let ip = || prop::option::weighted(0.9, prop_oneof![pod_ip(), outside_ip()]);
    let own = prop::option::weighted(0.95, any::<Index>());
    prop_oneof![
        12 => (any::<Index>(), own, prop::option::weighted(0.5, pod_ip())).prop_map(|(n, own, ip)| Side::Pod(n, own, ip)),
        2 => (pod(), ip()).prop_map(|(pod, ip)| Side::Absent(pod, ip)),
        2 => (word(&NODES), ip()).prop_map(|(node, ip)| Side::Node(node, ip)),
        3 => ip().prop_map(Side::External),
        1 => ip().prop_map(Side::Unknown),
    ]
}

impl Question {
    /// Returns the connection that the question means in this cluster.
    #[must_use]
    pub fn of<'a>(&'a self, inventory: &'a Inventory) -> Connection<'a> {
        let party = |side: &'a Side| side.of(inventory);
        Connection { src: party(&self.src), dst: party(&self.dst), protocol: self.protocol, port: self.port }
    }
}

impl Side {
    fn of<'a>(&'a self, inventory: &'a Inventory) -> Party<'a> {
        let (ip, who) = match self {
            Self::Pod(n, own, ip) if !inventory.pods.is_empty() => {
                let pod = &inventory.pods[n.index(inventory.pods.len())];
                let own = own.filter(|_| !pod.ips.is_empty()).map(|at| pod.ips[at.index(pod.ips.len())]);
                (own.or(*ip), Who::Pod(pod))
            }
            Self::Pod(_, _, ip) | Self::External(ip) => (*ip, Who::External),
            Self::Absent(pod, ip) => (*ip, Who::Pod(pod)),
            Self::Node(name, ip) => (*ip, Who::Node(name)),
            Self::Unknown(ip) => (*ip, Who::Unknown("the test does not name it")),
        };
        Party { ip, who }
    }
}

/// Generates an address of a pod, known or not.
pub(super) fn pod_ip() -> impl Strategy<Value = IpAddr> {
    (any::<bool>(), 0u8..2, 1u8..9).prop_map(|(v4, net, last)| match v4 {
        true => Ipv4Addr::new(10, 42, net, last).into(),
        false => Ipv6Addr::new(0xfd00, 0x42, 0, 0, 0, 0, net.into(), last.into()).into(),
    })
}

fn outside_ip() -> impl Strategy<Value = IpAddr> {
    select(vec!["203.0.113.7", "192.168.1.1", "10.42.1.200", "2001:db8::7", "fe80::1"])
        .prop_map(|ip| ip.parse().expect("an address"))
}
