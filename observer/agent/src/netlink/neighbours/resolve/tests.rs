//! Tests on the real kernel, each in a network namespace of its own.

use std::process::Command;

use nix::net::if_::if_nametoindex;
use tokio::time::timeout;

use super::*;
use crate::netlink::testing::Namespace;

const LONG: Duration = Duration::from_secs(10);

/// Makes a namespace with the uplink `eth0` (10.0.0.1, fd00::1) and a gateway, and the namespace of its other end, which
/// has 10.0.0.2 and fd00::2.
fn node() -> (Namespace, Namespace) {
    let (node, lan) = (Namespace::new(), Namespace::new());
    node.ip(&format!("link add eth0 address 02:00:00:00:00:01 type veth peer name e0 netns {}", lan.path()));
    lan.ip("link set e0 address 02:00:00:00:00:02 up");
    lan.ip("addr add 10.0.0.2/24 dev e0");
    lan.ip("addr add fd00::2/64 dev e0 nodad");
    node.ip("link set eth0 up");
    node.ip("addr add 10.0.0.1/24 dev eth0");
    node.ip("addr add fd00::1/64 dev eth0 nodad");
    node.ip("route add default via 10.0.0.254");
    (node, lan)
}

/// Adds an interface that is up, with an address of its own.
fn other_interface(node: &Namespace) {
    node.ip("link add eth1 type veth peer name e1");
    node.ip("link set e1 up");
    node.ip("link set eth1 up");
    node.ip("addr add 10.0.1.1/24 dev eth1");
}

fn index(node: &Namespace, name: &str) -> u32 {
    node.inside(|| if_nametoindex(name).unwrap())
}

/// Returns what the kernel has for an address, e.g. `10.0.0.2 dev eth0 lladdr 02:00:00:00:00:02 REACHABLE`.
fn shown(node: &Namespace, ip: &str) -> String {
    let show = || Command::new("ip").args(["neigh", "show", "nud", "all", "to", ip]).output().unwrap();
    String::from_utf8(node.inside(show).stdout).unwrap().trim().to_owned()
}

fn resolver() -> Resolver {
    Resolver { requests: Socket::open(SockProtocol::NetlinkRoute).unwrap(), tried: BTreeMap::new() }
}

fn cluster(nodes: &[&[&str]]) -> Arc<Inventory> {
    let node = |ips: &&[&str]| {
        let ips = ips.iter().map(|ip| ip.parse().unwrap()).collect();
        Arc::new(Node { ips, ..Node::default() })
    };
    Arc::new(Inventory { nodes: nodes.iter().map(node).collect(), ..Inventory::default() })
}

/// Returns the addresses that would be asked for on `eth0`, sorted.
fn chosen(node: &Namespace, nodes: &[&[&str]]) -> Vec<String> {
    let (cluster, uplinks) = (cluster(nodes), BTreeSet::from([index(node, "eth0")]));
    let places = node.block_on(async { resolver().choose(&cluster.nodes, &uplinks).await.unwrap() });
    assert!(places.iter().all(|(at, _)| uplinks.contains(at)), "{places:?}");
    let mut chosen: Vec<String> = places.iter().map(|(_, ip)| ip.to_string()).collect();
    chosen.sort_unstable();
    chosen
}

#[test]
fn the_kernel_asks_for_nodes_on_the_network_of_an_uplink() {
    let (node, _lan) = node();
    let (_cluster, inventories) = watch::channel(cluster(&[&["10.0.0.2"], &["fd00::2"], &["10.9.9.9"]]));
    let (_uplinks, uplinks) = watch::channel(BTreeSet::from([index(&node, "eth0")]));
    node.block_on(async {
        let sources = Sources { is_needed: Box::new(|| true), cluster: inventories, uplinks };
        let running = tokio::spawn(resolver().run(sources, Duration::ZERO));
        for ip in ["10.0.0.2", "fd00::2"] {
            let known = async {
                while !shown(&node, ip).contains("lladdr 02:00:00:00:00:02") {
                    tokio::task::yield_now().await;
                }
            };
            assert!(timeout(LONG, known).await.is_ok(), "{ip}: {}", shown(&node, ip));
        }
        assert!(!running.is_finished());
        running.abort();
    });
    assert_eq!(shown(&node, "10.9.9.9"), "", "it is behind the gateway");
}

/// Without `NLM_F_EXCL` the kernel takes `PERMANENT` from an entry, and asks again for those that are stale.
#[test]
fn an_entry_keeps_its_state_and_its_address() {
    let (node, _lan) = node();
    let eth0 = index(&node, "eth0");
    for (n, state) in ["permanent", "stale", "reachable", "noarp", "failed"].into_iter().enumerate() {
        for ip in [format!("10.0.0.{}", n + 10), format!("fd00::{}", n + 10)] {
            let mac = if state == "failed" { "" } else { "lladdr 02:00:00:00:00:aa" };
            node.ip(&format!("neigh add {ip} {mac} dev eth0 nud {state}"));
            let before = shown(&node, &ip);
            let answer =
                node.block_on(async { solicit(&mut resolver().requests, (eth0, ip.parse().unwrap())) });
            assert_eq!(answer, Err(Errno::EEXIST), "{before}");
            assert_eq!(shown(&node, &ip), before);
        }
    }
}

#[test]
fn only_direct_neighbours_without_an_entry_are_chosen() {
    let (node, _lan) = node();
    other_interface(&node);
    node.ip("neigh add 10.0.0.5 lladdr 02:00:00:00:00:05 dev eth0 nud permanent");
    node.ip("neigh add 10.0.0.6 dev eth0 nud failed");
    node.ip("neigh add 10.0.1.7 lladdr 02:00:00:00:00:07 dev eth1 nud permanent");
    let nodes: &[&[&str]] = &[
        &["10.0.0.1", "fd00::1"],    // itself
        &["10.0.0.2"],               // new
        &["fd00::2"],                // new
        &["::ffff:10.0.0.3"],        // new, written as IPv6
        &["10.9.9.9"],               // behind the gateway
        &["10.0.1.8"],               // not at an uplink
        &["10.0.0.5", "fd00::5"],    // known by its other address
        &["10.0.0.6"],               // asked for in vain
        &["10.0.1.7", "10.0.0.7"],   // known elsewhere, but not at the uplink
        &["2001:db8::1"],            // no route
        &["127.0.0.2", "224.0.0.1"], // nobody's
    ];
    assert_eq!(chosen(&node, nodes), ["10.0.0.2", "10.0.0.3", "10.0.0.7", "fd00::2"]);
}

#[test]
fn an_address_is_asked_for_once_a_minute() {
    let (node, _lan) = node();
    let (cluster, uplinks) = (cluster(&[&["10.0.0.9"]]), BTreeSet::from([index(&node, "eth0")]));
    node.block_on(async {
        let mut resolver = resolver();
        assert_eq!(resolver.choose(&cluster.nodes, &uplinks).await.unwrap().len(), 1);
        assert_eq!(resolver.choose(&cluster.nodes, &uplinks).await.unwrap(), []);
        let long_ago = Instant::now().checked_sub(AGAIN).unwrap();
        resolver.tried.values_mut().for_each(|at| *at = long_ago);
        assert_eq!(resolver.choose(&cluster.nodes, &uplinks).await.unwrap().len(), 1);
    });
}

#[test]
fn a_node_with_many_neighbours_asks_for_no_more() {
    let (node, _lan) = node();
    node.ip("addr add 10.1.0.1/16 dev eth0");
    let file = tempfile::NamedTempFile::new().unwrap();
    let add = |n: usize| {
        format!(
            "neigh add 10.1.{}.{} lladdr 02:00:00:00:00:aa dev eth0 nud permanent\n",
            n / 200 + 1,
            n % 200
        )
    };
    std::fs::write(file.path(), (0..MAX_ENTRIES).map(add).collect::<String>()).unwrap();
    assert_eq!(chosen(&node, &[&["10.0.0.2"]]), ["10.0.0.2"]);
    node.ip(&format!("-batch {}", file.path().display()));
    assert_eq!(chosen(&node, &[&["10.0.0.2"]]), Vec::<String>::new());
}
