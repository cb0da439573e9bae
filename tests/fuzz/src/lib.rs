//! Checks that several targets share.

use std::net::IpAddr;
use std::sync::Arc;

use flow_model::connection::{Connection, Party, Who};
use flow_model::inventory::{Inventory, Pod};
use flow_model::policies::Protocol;
use flow_policy::{Compiled, Plain};

/// Pods of an inventory that take part in connections. The bound keeps a large inventory from looking like a hang.
const PODS: usize = 5;

/// Checks that both evaluators and the explanation make the same decision.
///
/// # Panics
/// When they differ.
pub fn agree(plain: &Plain, compiled: &Compiled, connection: &Connection<'_>) {
    let ruling = plain.rule(connection);
    assert_eq!(compiled.rule(connection), ruling, "compiled and plain, on {connection:#?}");
    let verdict = plain.judge(connection);
    assert_eq!(verdict.ruling(), ruling, "judge and rule, on {connection:#?}");
    assert!(!verdict.explanation.is_empty(), "no explanation of {connection:#?}");
}

/// Checks [`agree`] on connections among some pods of a cluster, its nodes and unknown parties.
pub fn agree_everywhere(inventory: &Arc<Inventory>) {
    let (plain, compiled) = (Plain::new(Arc::clone(inventory)), Compiled::new(Arc::clone(inventory)));
    let parties = parties(inventory);
    for src in &parties {
        for dst in &parties {
            for (protocol, port) in ports(dst) {
                agree(&plain, &compiled, &Connection { src: *src, dst: *dst, protocol, port });
            }
        }
    }
}

fn parties(inventory: &Inventory) -> Vec<Party<'_>> {
    let outside = Some(IpAddr::from([203, 0, 113, 7]));
    let others =
        [Who::External, Who::Unknown("the test does not name it")].map(|who| Party { ip: outside, who });
    let nodes = inventory.nodes.iter().take(1);
    let nodes = nodes.map(|node| Party { ip: node.ips.first().copied(), who: Who::Node(&node.name) });
    let pods = inventory.pods.iter().take(PODS);
    let pods = pods.map(|pod| Party { ip: pod.ips.first().copied(), who: Who::Pod(pod) });
    others.into_iter().chain(nodes).chain(pods).collect()
}

fn ports(dst: &Party<'_>) -> Vec<(Protocol, u16)> {
    let named = match dst.who {
        Who::Pod(Pod { ports, .. }) => ports.first(),
        Who::Node(_) | Who::External | Who::Unknown(_) => None,
    };
    let mut ports = vec![(Protocol::Tcp, 80), (Protocol::Udp, 53)];
    ports.extend(named.map(|port| (Protocol::Tcp, port.port)));
    ports
}
