//! What several targets ask of the code they call.

use std::net::IpAddr;
use std::sync::Arc;

use flow_model::inventory::{Inventory, Pod};
use flow_model::policies::{Protocol};
use flow_policy::{Compiled, Plain};
use flow_model::connection::{Connection, Party, Who};

/// Pods of an inventory that are asked about: a large one must not pass for a hang.
const PODS: usize = 5;

/// Both evaluators decide alike, and the explanation with them.
///
/// # Panics
/// When they don't.
pub fn agree(plain: &Plain, compiled: &Compiled, connection: &Connection<'_>) {
    let ruling = plain.rule(connection);
    assert_eq!(compiled.rule(connection), ruling, "compiled and plain, on {connection:#?}");
    let verdict = plain.judge(connection);
    assert_eq!(verdict.ruling(), ruling, "judge and rule, on {connection:#?}");
    assert!(!verdict.explanation.is_empty(), "nothing is said of {connection:#?}");
}

/// [`agree`] on connections among some pods of a cluster, nodes and strangers.
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
    let strangers = [Who::External, Who::Unknown("it is not told")].map(|who| Party { ip: outside, who });
    let nodes = inventory.nodes.iter().take(1);
    let nodes = nodes.map(|node| Party { ip: node.ips.first().copied(), who: Who::Node(&node.name) });
    let pods = inventory.pods.iter().take(PODS);
    let pods = pods.map(|pod| Party { ip: pod.ips.first().copied(), who: Who::Pod(pod) });
    strangers.into_iter().chain(nodes).chain(pods).collect()
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
