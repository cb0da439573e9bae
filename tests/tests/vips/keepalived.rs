//! Real VRRP.

use lab::keepalived::{self, Keepalived};
use lab::vip::{Hold, NODES, Setup};
use serde_json::json;

use crate::stage::{OPEN, Stage, found_none};

/// keepalived puts the address on the interface.
const SETUP: Hold = Hold::Address;

/// Starts both, with the first node as master.
fn both(stage: &Stage) -> [Keepalived; 2] {
    let [first, second] = stage.site.nodes();
    let files = stage.site.world.guard.dir();
    let running = [(first, 200), (second, 100)]
        .map(|(node, priority)| Keepalived::start(node, stage.vip, priority, files).unwrap());
    running[0].wait_master(true).unwrap();
    running[1].wait_master(false).unwrap();
    stage.agents.iter().for_each(|agent| drop(stage.claimed_by(agent, NODES[0])));
    running
}

#[test]
fn a_failover_is_one_move() {
    let stage = Stage::unclaimed(Setup { hold: SETUP, ..Setup::default() });
    let [first, second] = both(&stage);
    let open = stage.site.converse(OPEN).unwrap();
    first.stop().unwrap();
    second.wait_master(true).unwrap();
    let claimant = stage.claimed_by(&stage.agents[0], NODES[1])["claimant"]["mac"].clone();
    let mac = claimant.as_str().unwrap().parse().unwrap();
    stage.site.client_follows(mac).unwrap();
    stage.moved_once(mac);
    stage.orphaned(&stage.agents[1], open);
    stage.burst(&stage.agents[1], "vip_move");
    stage.agents.iter().for_each(|agent| found_none(agent, &["vip_flap", "vip_conflict"]));
    stage.site.converse(1).unwrap();
}

/// Neither receives the other's VRRP, so both are master and announce the address every second.
#[test]
fn a_split_brain_is_a_conflict() {
    let stage = Stage::unclaimed(Setup { hold: SETUP, ..Setup::default() });
    let [first, second] = both(&stage);
    keepalived::split(&stage.site.nodes()).unwrap();
    second.wait_master(true).unwrap();
    assert!(first.is_master(), "both have it");
    for agent in &stage.agents {
        let found = stage.finding(agent, "vip_conflict", &NODES);
        assert_eq!(found["nodes"], json!(NODES), "{found}");
        let text = found["evidence"].to_string();
        assert!(NODES.iter().all(|node| text.contains(node)), "who claimed it when: {found}");
    }
}
