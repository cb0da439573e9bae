//! Moves by announcements that the tests send.

use lab::findings::says;
use lab::vip::{Hold, NODES, Setup, Traffic, VIP6};
use serde_json::json;

use crate::stage::{OPEN, Stage, found_none, metallb};

/// Moves the VIP under open connections, and checks everything that is reported about it.
fn a_move(setup: Setup) {
    let mut stage = Stage::new(setup);
    let open = stage.site.converse(OPEN).unwrap();
    let mac = stage.site.move_to(1, metallb()).unwrap();
    stage.moved_once(mac);
    stage.orphaned(&stage.agents[1], open);
    let found = stage.burst(&stage.agents[1], "vip_move");
    assert!(says(&found["cause"], &NODES), "{found}");
    assert!(found["nodes"].as_array().unwrap().contains(&json!(NODES[1])), "{found}");
    assert_eq!(found["src"]["ip"], stage.site.client_ip().to_string(), "{found}");
    for agent in &stage.agents {
        found_none(agent, &["vip_flap", "vip_conflict"]);
    }
    // The resets also reach a pod of the old node if it serves.
    if setup.shared {
        let explained = |found: &serde_json::Value| !found["cause"].is_null();
        let elsewhere = stage.agents[0].wait_finding("rst_burst", "active", explained).unwrap();
        assert!(says(&elsewhere["cause"], &["vip_move"]), "{elsewhere}");
    } else {
        found_none(&stage.agents[0], &["rst_burst"]);
    }
    stage.site.converse(1).unwrap();
}

#[test]
fn a_speaker_says_so() {
    a_move(Setup::default());
}

#[test]
fn the_address_is_on_the_interface() {
    a_move(Setup { hold: Hold::Address, ..Setup::default() });
}

#[test]
fn a_neighbour_advertisement_moves_ipv6() {
    a_move(Setup { vip: VIP6, ..Setup::default() });
}

/// The pods see an address of the node; records have the client's.
#[test]
fn clients_are_masqueraded() {
    a_move(Setup { traffic: Traffic::Cluster, ..Setup::default() });
}

/// The announcing node has no pod of the Service. Its forwarded packets are reset elsewhere, and reported here.
#[test]
fn the_pod_is_on_another_node() {
    a_move(Setup { traffic: Traffic::Cluster, shared: true, ..Setup::default() });
}

#[test]
fn seven_moves_are_a_flap() {
    let mut stage = Stage::new(Setup::default());
    for to in [1, 0, 1, 0, 1, 0, 1] {
        stage.site.move_to(to, metallb()).unwrap();
    }
    for agent in &stage.agents {
        stage.counted(agent, 7.0);
        let found = stage.finding(agent, "vip_flap", &["moved node3 <-> node4 7 times"]);
        assert_eq!(found["nodes"], json!(NODES), "{found}");
        assert!(
            found["evidence"].as_array().is_some_and(|e| e.len() >= 7),
            "each claimant and when: {found}"
        );
        agent.wait_metric("findings", &[("kind", "vip_flap")], 1.0).unwrap();
        stage.moved(agent, NODES[1], 7);
    }
}

/// The incident: every move resets all connections, and each reset is reported.
#[test]
fn resets_of_every_move_are_counted() {
    let mut stage = Stage::new(Setup::default());
    for to in [1, 0, 1] {
        let open = stage.site.converse(OPEN).unwrap();
        stage.site.move_to(to, metallb()).unwrap();
        stage.orphaned(&stage.agents[to], open);
        stage.burst(&stage.agents[to], "vip_move");
    }
    let orphans = [("phase", "orphan")];
    stage.agents[0].wait_metric("tcp_rst_total", &orphans, OPEN as f64).unwrap();
    stage.agents[1].wait_metric("tcp_rst_total", &orphans, 2.0 * OPEN as f64).unwrap();
}
