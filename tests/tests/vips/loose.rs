//! The fate of a packet in mid-stream depends on the new node's connection tracking.

use std::io::ErrorKind;
use std::net::IpAddr;
use std::time::Duration;

use lab::vip::{Hold, Setup};

use crate::stage::{OPEN, Stage, found_none, metallb};

fn set_loose(stage: &Stage, value: &str) {
    for node in stage.site.nodes() {
        node.ns.sysctl("net.netfilter.nf_conntrack_tcp_loose", value).unwrap();
    }
}

/// Loose: the packet is forwarded to a pod, which has no such connection. Strict: the node has the address, so it
/// answers. The client can't see the difference.
#[test]
fn both_ways_end_in_a_reset() {
    for loose in ["1", "0"] {
        let mut stage = Stage::new(Setup { hold: Hold::Address, ..Setup::default() });
        set_loose(&stage, loose);
        let open = stage.site.converse(OPEN).unwrap();
        let before = stage.site.pods[1].ns.counter("Tcp", "OutRsts").unwrap();
        let mac = stage.site.move_to(1, metallb()).unwrap();
        stage.moved_once(mac);
        stage.orphaned(&stage.agents[1], open);
        stage.burst(&stage.agents[1], "vip_move");
        let by_the_pod = stage.site.pods[1].ns.counter("Tcp", "OutRsts").unwrap() - before;
        assert_eq!(by_the_pod, if loose == "1" { OPEN as u64 } else { 0 }, "loose {loose}");
    }
}

/// Strict, the address on no interface, and kube-proxy's rule against invalid packets: the client gets no answer.
#[test]
fn silence_is_no_reset() {
    let mut stage = Stage::new(Setup::default());
    set_loose(&stage, "0");
    for node in stage.site.nodes() {
        let v4: IpAddr = node.ip4().into();
        node.iptables(v4, "-I FORWARD -m conntrack --ctstate INVALID -j DROP").unwrap();
    }
    let open = stage.site.converse(OPEN).unwrap();
    let mac = stage.site.move_to(1, metallb()).unwrap();
    for mut conversation in open {
        conversation.be_patient(Duration::from_millis(300)).unwrap();
        let error = conversation.echo().unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut), "{error}");
    }
    stage.moved_once(mac);
    for agent in &stage.agents {
        agent.wait_metric("tcp_rst_total", &[("phase", "orphan")], 0.0).unwrap();
        found_none(agent, &["rst_burst"]);
    }
}
