//! Tests on the real kernel, each in a network namespace of its own.

use std::net::IpAddr;

use flow_model::mac::Mac;
use tokio::sync::mpsc::{Receiver, channel};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::*;
use crate::netlink::testing::Namespace;

const LONG: Duration = Duration::from_secs(10);
const LIMITS: Limits = Limits { buffer: BUFFER, max: MAX, pause: Duration::from_millis(20) };

struct Watch {
    rx: Receiver<Input>,
    cancel: CancellationToken,
    task: JoinHandle<Result<(), NetlinkError>>,
}

impl Watch {
    fn start(limits: Limits) -> Self {
        let (tx, rx) = channel(1);
        let cancel = CancellationToken::new();
        let task = tokio::spawn(follow_with(tx, cancel.clone(), limits));
        Self { rx, cancel, task }
    }

    /// Returns the next snapshot: `ip mac` of neighbours, then own addresses. IPv6 link-local addresses come at any
    /// time.
    async fn next(&mut self) -> (Vec<String>, Vec<String>) {
        let input = timeout(LONG, self.rx.recv()).await.expect("no input").expect("follow ended");
        let Input::Neighbours { neighbours, own } = input else { panic!("{input:?}") };
        let local = |ip: &IpAddr| matches!(ip, IpAddr::V6(ip) if ip.is_unicast_link_local());
        let neighbours = neighbours.iter().filter(|(ip, _)| !local(ip));
        (
            neighbours.map(|(ip, mac)| format!("{ip} {mac}")).collect(),
            own.iter().map(Mac::to_string).collect(),
        )
    }

    /// Takes snapshots until one has these neighbours and own addresses.
    async fn until(&mut self, neighbours: &[&str], own: &[&str]) {
        let mut last = None;
        let seek = async {
            loop {
                let snapshot = self.next().await;
                if snapshot.0 == neighbours && snapshot.1 == own {
                    return;
                }
                last = Some(snapshot);
            }
        };
        assert!(timeout(LONG, seek).await.is_ok(), "{neighbours:?} {own:?} never came, but {last:?}");
    }

    async fn stop(self) {
        self.cancel.cancel();
        timeout(LONG, self.task).await.unwrap().unwrap().unwrap();
    }
}

/// Makes a namespace with an Ethernet interface that is up and has a carrier, without which the kernel forgets
/// neighbours, and the namespace of its other end.
fn node() -> (Namespace, Namespace) {
    let (node, lan) = (Namespace::new(), Namespace::new());
    node.ip(&format!("link add eth0 address 02:00:00:00:00:01 type veth peer name e0 netns {}", lan.path()));
    lan.ip("link set e0 up");
    node.ip("link set eth0 up");
    (node, lan)
}

#[test]
fn neighbours_and_own_addresses_come_change_and_go() {
    let (node, _lan) = node();
    node.ip("neigh add 10.0.0.2 lladdr 02:00:00:00:00:02 dev eth0 nud permanent");
    node.ip("neigh add 10.0.0.9 dev eth0 nud failed");
    node.block_on(async {
        let mut watch = Watch::start(LIMITS);
        let mac = "02:00:00:00:00:01";
        assert_eq!(watch.next().await, (vec!["10.0.0.2 02:00:00:00:00:02".into()], vec![mac.into()]));

        node.ip("-6 neigh add fd00::3 lladdr 02:00:00:00:00:03 dev eth0 nud stale");
        watch.until(&["10.0.0.2 02:00:00:00:00:02", "fd00::3 02:00:00:00:00:03"], &[mac]).await;
        node.ip("neigh replace 10.0.0.2 lladdr 02:00:00:00:00:04 dev eth0 nud reachable");
        watch.until(&["10.0.0.2 02:00:00:00:00:04", "fd00::3 02:00:00:00:00:03"], &[mac]).await;
        node.ip("-6 neigh del fd00::3 dev eth0");
        watch.until(&["10.0.0.2 02:00:00:00:00:04"], &[mac]).await;

        node.ip("addr add 10.0.0.1/24 dev eth0");
        watch.until(&["10.0.0.1 02:00:00:00:00:01", "10.0.0.2 02:00:00:00:00:04"], &[mac]).await;
        node.ip("link add eth1 address 02:00:00:00:00:07 type bridge");
        watch
            .until(&["10.0.0.1 02:00:00:00:00:01", "10.0.0.2 02:00:00:00:00:04"], &[mac, "02:00:00:00:00:07"])
            .await;
        node.ip("link del eth0");
        watch.until(&[], &["02:00:00:00:00:07"]).await;
        watch.stop().await;
    });
}

#[test]
fn a_state_without_effect_is_not_reported() {
    let (node, _lan) = node();
    node.block_on(async {
        let mut watch = Watch::start(LIMITS);
        let mut inputs = vec![watch.rx.recv().await.unwrap()];
        for state in ["reachable", "stale", "delay", "reachable"] {
            node.ip(&format!("neigh replace 10.0.0.2 lladdr 02:00:00:00:00:02 dev eth0 nud {state}"));
        }
        node.ip("neigh add 10.0.0.9 dev eth0 nud failed");
        node.ip("neigh add 10.0.0.3 lladdr 02:00:00:00:00:03 dev eth0");
        let third = |input: &Input| {
            matches!(input, Input::Neighbours { neighbours, .. } if neighbours.iter().any(|(ip, _)| ip.to_string() == "10.0.0.3"))
        };
        while !inputs.last().is_some_and(third) {
            inputs.push(timeout(LONG, watch.rx.recv()).await.unwrap().unwrap());
        }
        assert!(inputs.windows(2).all(|pair| pair[0] != pair[1]), "{inputs:?}");
        watch.stop().await;
    });
}

#[test]
fn changes_in_one_pause_are_one_input() {
    let (node, _lan) = node();
    node.block_on(async {
        let pause = Duration::from_millis(500);
        let mut watch = Watch::start(Limits { pause, ..LIMITS });
        watch.next().await;
        let before = Instant::now();
        batch(&node, &(1..=100).map(add).collect::<String>());
        let mut inputs = 0;
        while watch.next().await.0.len() < 100 {
            inputs += 1;
        }
        // The batch may straddle the end of a pause, no more than once in each.
        assert!(inputs <= before.elapsed().as_millis() / pause.as_millis() + 1, "{inputs} inputs");
        watch.stop().await;
    });
}

#[test]
fn an_overrun_is_repaired() {
    let (node, _lan) = node();
    node.block_on(async {
        // The kernel has room for a few notifications only.
        let mut watch = Watch::start(Limits { buffer: 4096, ..LIMITS });
        watch.next().await;
        batch(&node, &(1..=200).map(add).collect::<String>());
        batch(&node, &(1..=199).map(|i| format!("neigh del 10.0.0.{i} dev eth0\n")).collect::<String>());
        watch.until(&["10.0.0.200 02:00:00:00:00:c8"], &["02:00:00:00:00:01"]).await;
        // Later changes are reported as before.
        node.ip("neigh del 10.0.0.200 dev eth0");
        watch.until(&[], &["02:00:00:00:00:01"]).await;
        watch.stop().await;
    });
}

#[test]
fn neighbours_without_room_are_read_once_there_is_some() {
    let (node, _lan) = node();
    batch(&node, &(1..=10).map(add).collect::<String>());
    node.block_on(async {
        let mut watch = Watch::start(Limits { max: 8, ..LIMITS });
        let (first, own) = watch.next().await;
        assert!((1..=8).contains(&first.len()), "{first:?}");
        let delete = |line: &String| format!("neigh del {} dev eth0\n", &line[..line.find(' ').unwrap()]);
        batch(&node, &first.iter().map(delete).collect::<String>());
        let all = (1..=10).map(|i| format!("10.0.0.{i} 02:00:00:00:00:{i:02x}"));
        let rest: Vec<_> = all.filter(|line| !first.contains(line)).collect();
        let own: Vec<_> = own.iter().map(String::as_str).collect();
        watch.until(&rest.iter().map(String::as_str).collect::<Vec<_>>(), &own).await;
        watch.stop().await;
    });
}

#[test]
fn it_ends_when_the_receiver_is_closed() {
    let (node, _lan) = node();
    node.block_on(async {
        let Watch { mut rx, task, .. } = Watch::start(LIMITS);
        rx.recv().await.unwrap();
        drop(rx);
        node.ip("neigh add 10.0.0.3 lladdr 02:00:00:00:00:03 dev eth0");
        timeout(LONG, task).await.unwrap().unwrap().unwrap();
    });
}

fn add(i: u8) -> String {
    format!("neigh add 10.0.0.{i} lladdr 02:00:00:00:00:{i:02x} dev eth0 nud permanent\n")
}

/// Runs many commands in one `ip` process.
fn batch(ns: &Namespace, commands: &str) {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), commands).unwrap();
    ns.ip(&format!("-batch {}", file.path().display()));
}
