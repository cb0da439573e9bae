//! Tests on the real kernel, each in a network namespace of its own. Empty bridges stand for plain interfaces: every
//! kernel that runs pods has them.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use tokio::sync::mpsc::{Receiver, channel};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use flow_model::inventory::Node;

use super::*;
use crate::netlink::testing::Namespace;

const LONG: Duration = Duration::from_secs(10);

struct Watch {
    rx: Receiver<LinkEvent>,
    cancel: CancellationToken,
    task: JoinHandle<Result<(), NetlinkError>>,
    cluster: watch::Sender<Arc<Inventory>>,
    ethernet: watch::Receiver<BTreeSet<u32>>,
}

impl Watch {
    /// Starts to follow and takes everything up to `Synced`.
    async fn start(choice: UplinkChoice) -> (Self, Vec<LinkEvent>) {
        Self::start_with(choice, 1024, RECEIVE_BUFFER).await
    }

    async fn start_with(choice: UplinkChoice, room: usize, buffer: usize) -> (Self, Vec<LinkEvent>) {
        let (tx, rx) = channel(room);
        let cancel = CancellationToken::new();
        let (cluster, inventories) = watch::channel(Arc::default());
        let (uplinks, ethernet) = watch::channel(BTreeSet::new());
        let to = Outlets { events: tx, ethernet: uplinks };
        let task = tokio::spawn(follow_with(choice, inventories, to, cancel.clone(), buffer));
        let mut watch = Self { rx, cancel, task, cluster, ethernet };
        let mut before = Vec::new();
        loop {
            match watch.next().await {
                LinkEvent::Synced => return (watch, before),
                event => before.push(event),
            }
        }
    }

    async fn next(&mut self) -> LinkEvent {
        timeout(LONG, self.rx.recv()).await.expect("no link event").expect("follow ended")
    }

    /// Skips events until `name` has `role`.
    async fn until(&mut self, name: &str, role: Role) -> Link {
        loop {
            match self.next().await {
                LinkEvent::Up(link) if link.name == name && link.role == role => return link,
                _ => {}
            }
        }
    }

    async fn until_gone(&mut self, gone: &str) -> u32 {
        loop {
            match self.next().await {
                LinkEvent::Gone { ifindex, name } if name == gone => return ifindex,
                _ => {}
            }
        }
    }

    async fn stop(self) {
        self.cancel.cancel();
        timeout(LONG, self.task).await.unwrap().unwrap().unwrap();
    }
}

fn up<'a>(events: &'a [LinkEvent], wanted: &str) -> Option<&'a Link> {
    events.iter().find_map(|event| match event {
        LinkEvent::Up(link) if link.name == wanted => Some(link),
        _ => None,
    })
}

#[test]
fn pods_come_and_go() {
    let (node, pod) = (Namespace::new(), Namespace::new());
    node.block_on(async {
        let (mut watch, before) = Watch::start(UplinkChoice::Found).await;
        assert_eq!(up(&before, "lo").map(|link| link.role), Some(Role::Other));

        node.ip(&format!("link add veth0 type veth peer name eth0 netns {}", pod.path()));
        let made = Instant::now();
        let link = watch.until("veth0", Role::Pod).await;
        assert!(made.elapsed() < Duration::from_millis(100), "{:?}", made.elapsed());
        assert!(link.ethernet && !link.bridge && link.master.is_none());

        node.ip("link add cni0 type bridge");
        assert!(watch.until("cni0", Role::Other).await.bridge);
        node.ip("link set veth0 master cni0");
        watch.until("cni0", Role::Bridge).await;

        // A pod's end goes with its namespace, and the kernel deletes the node's end with it.
        pod.ip("link del eth0");
        assert_eq!(watch.until_gone("veth0").await, link.ifindex);
        watch.until("cni0", Role::Other).await;
        watch.stop().await;
    });
}

#[test]
fn a_peer_moved_later_makes_a_pod() {
    let (node, pod) = (Namespace::new(), Namespace::new());
    node.block_on(async {
        let (mut watch, _) = Watch::start(UplinkChoice::Found).await;
        node.ip("link add veth0 type veth peer name tmp0");
        watch.until("veth0", Role::Other).await;
        node.ip(&format!("link set tmp0 netns {}", pod.path()));
        watch.until("veth0", Role::Pod).await;
        watch.stop().await;
    });
}

#[test]
fn default_routes_make_uplinks() {
    let (node, lan) = (Namespace::new(), Namespace::new());
    node.block_on(async {
        node.ip(&format!("link add eth0 type veth peer name e0 netns {}", lan.path()));
        node.ip("link add dum0 type bridge");
        node.ip("addr add 192.0.2.1/24 dev eth0");
        node.ip("link set eth0 up");
        node.ip("link set dum0 up");
        node.ip("route add default via 192.0.2.2");
        let (mut watch, before) = Watch::start(UplinkChoice::Found).await;
        assert_eq!(up(&before, "eth0").map(|link| link.role), Some(Role::Uplink));
        assert_eq!(up(&before, "dum0").map(|link| link.role), Some(Role::Other));

        node.ip("-6 route add default dev dum0");
        watch.until("dum0", Role::Uplink).await;
        node.ip("-6 route del default dev dum0");
        watch.until("dum0", Role::Other).await;

        node.ip("route add default metric 9 nexthop via 192.0.2.3 dev eth0 nexthop dev dum0");
        watch.until("dum0", Role::Uplink).await;
        node.ip("route del default metric 9");
        watch.until("dum0", Role::Other).await;

        // IPv4 routes go when their interface goes down, without a notification.
        node.ip("link set eth0 down");
        watch.until("eth0", Role::Pod).await;
        watch.stop().await;
    });
}

#[test]
fn default_routes_of_other_tables_make_uplinks_too() {
    let node = Namespace::new();
    node.block_on(async {
        for name in ["dum0", "dum1"] {
            node.ip(&format!("link add {name} type bridge"));
            node.ip(&format!("link set {name} up"));
        }
        let (mut watch, _) = Watch::start(UplinkChoice::Found).await;
        node.ip("route add default dev dum0 table 7");
        watch.until("dum0", Role::Uplink).await;
        node.ip("route add 192.0.2.0/24 dev dum1 table 7");
        node.ip("route add default dev dum1");
        watch.until("dum1", Role::Uplink).await;
        watch.stop().await;
    });
}

#[test]
fn an_address_of_a_node_makes_an_uplink() {
    let (node, lan) = (Namespace::new(), Namespace::new());
    node.block_on(async {
        node.ip(&format!("link add private0 type veth peer name e0 netns {}", lan.path()));
        node.ip("link set private0 up");
        let (mut watch, before) = Watch::start(UplinkChoice::Found).await;
        assert_eq!(up(&before, "private0").map(|link| link.role), Some(Role::Pod));
        let ips = vec!["192.0.2.1".parse().unwrap()];
        let nodes = vec![Arc::new(Node { ips, ..Node::default() })];
        watch.cluster.send_replace(Arc::new(Inventory { nodes, ..Inventory::default() }));
        node.ip("addr add 192.0.2.1/24 dev private0");
        let uplink = watch.until("private0", Role::Uplink).await;
        assert!(watch.ethernet.borrow().contains(&uplink.ifindex));
        watch.cluster.send_replace(Arc::default());
        watch.until("private0", Role::Pod).await;
        watch.stop().await;
    });
}

#[test]
fn a_named_uplink_may_appear_later() {
    let node = Namespace::new();
    node.block_on(async {
        let (mut watch, _) = Watch::start(UplinkChoice::Named(vec!["up9".into()])).await;
        node.ip("link add dum0 type bridge");
        node.ip("link set dum0 up");
        node.ip("route add default dev dum0");
        watch.until("dum0", Role::Other).await;
        node.ip("link add up9 type bridge");
        watch.until("up9", Role::Uplink).await;
        node.ip("link set up9 name other9");
        watch.until("other9", Role::Other).await;
        watch.stop().await;
    });
}

#[test]
fn devices_without_ethernet_are_reported() {
    let node = Namespace::new();
    node.block_on(async {
        node.ip("tuntap add dev tun0 mode tun");
        node.ip("tuntap add dev tap0 mode tap");
        let (watch, before) = Watch::start(UplinkChoice::Found).await;
        assert_eq!(up(&before, "tun0").map(|link| link.ethernet), Some(false));
        assert_eq!(up(&before, "tap0").map(|link| link.ethernet), Some(true));
        watch.stop().await;
    });
}

#[test]
fn two_hundred_pods_at_once_are_all_seen() {
    let (node, pods) = (Namespace::new(), Namespace::new());
    let names: BTreeSet<String> = (0..200).map(|i| format!("veth{i}")).collect();
    node.block_on(async {
        // A queue of one holds the follower back for most of the storm.
        let (mut watch, _) = Watch::start_with(UplinkChoice::Found, 1, RECEIVE_BUFFER).await;
        let add =
            |name: &String| format!("link add {name} type veth peer name p{name} netns {}\n", pods.path());
        batch(&node, &names.iter().map(add).collect::<String>());
        let mut seen = BTreeSet::new();
        while seen.len() < names.len() {
            match watch.next().await {
                LinkEvent::Up(link) if link.role == Role::Pod => seen.insert(link.name),
                _ => continue,
            };
        }
        assert_eq!(seen, names);
        batch(&node, &names.iter().map(|name| format!("link del {name}\n")).collect::<String>());
        while !seen.is_empty() {
            if let LinkEvent::Gone { name, .. } = watch.next().await {
                seen.remove(&name);
            }
        }
        watch.stop().await;
    });
}

#[test]
fn an_overrun_is_repaired() {
    let (node, pods) = (Namespace::new(), Namespace::new());
    node.block_on(async {
        // Nothing is read meanwhile, and the kernel has room for a few notifications only.
        let (mut watch, before) = Watch::start_with(UplinkChoice::Found, 1, 4096).await;
        let add = |i| format!("link add veth{i} type veth peer name p{i} netns {}\n", pods.path());
        batch(&node, &(0..60).map(add).collect::<String>());
        batch(&node, &(0..40).map(|i| format!("link del veth{i}\n")).collect::<String>());
        let expected: BTreeSet<String> = (40..60).map(|i| format!("veth{i}")).collect();
        let mut pods: BTreeMap<u32, String> = BTreeMap::new();
        assert_eq!(up(&before, "veth40"), None);
        while pods.values().cloned().collect::<BTreeSet<_>>() != expected {
            match watch.next().await {
                LinkEvent::Up(link) if link.role == Role::Pod => pods.insert(link.ifindex, link.name),
                LinkEvent::Gone { ifindex, .. } => pods.remove(&ifindex),
                _ => None,
            };
        }
        // Later changes are reported as before.
        node.ip("link del veth59");
        watch.until_gone("veth59").await;
        watch.stop().await;
    });
}

/// Runs many commands in one `ip` process.
fn batch(ns: &Namespace, commands: &str) {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), commands).unwrap();
    ns.ip(&format!("-batch {}", file.path().display()));
}
