//! MetalLB's `ServiceL2Status` objects against the wire.

use lab::announce::Pattern;
use lab::vip::{NODES, Setup};
use serde_json::Value;

use crate::stage::{Stage, found_none, metallb};

const REMEDY: &str = "kubectl delete servicel2status.metallb.io l2-rgt9d -n metallb-system";

/// Writes the status `object`, which names `node`.
fn knows(stage: &Stage, object: &str, node: &str) {
    for agent in &stage.agents {
        let named = |claim: &Value| {
            claim["source"] == "l2status" && claim["object"] == object && claim["node"] == node
        };
        let known = |vip: &Value| vip["api"].as_array().is_some_and(|api| api.iter().any(named));
        agent.wait_for("the status in /api/v1/vips", |a| a.vip(stage.vip).ok()?.filter(known)).unwrap();
        let labels = [("source", "l2status"), ("node", node)];
        agent.wait_metric("vip_announcer", &labels, 1.0).unwrap();
    }
}

/// The object of the incident. It always names the first node, even when the other claims the address.
#[test]
fn a_stuck_status_is_named_with_its_remedy() {
    let mut stage = Stage::new(Setup::default());
    stage.site.l2_status("l2-rgt9d", NODES[0]).unwrap();
    knows(&stage, "metallb-system/l2-rgt9d", NODES[0]);
    stage.agents.iter().for_each(|agent| found_none(agent, &["vip_conflict"]));
    stage.site.move_to(1, metallb()).unwrap();
    for agent in &stage.agents {
        let found = stage.finding(agent, "vip_conflict", &["metallb-system/l2-rgt9d", NODES[0], NODES[1]]);
        assert!(found.to_string().contains(REMEDY), "{found}");
    }
    stage.site.world.cluster.delete("ServiceL2Status", "metallb-system", "l2-rgt9d").unwrap();
    stage.site.l2_status("l2-zj9ss", NODES[1]).unwrap();
    knows(&stage, "metallb-system/l2-zj9ss", NODES[1]);
    for agent in &stage.agents {
        agent.wait_finding("vip_conflict", "resolved", |_| true).unwrap();
    }
}

#[test]
fn several_statuses_for_one_service() {
    let mut stage = Stage::new(Setup::default());
    stage.site.move_to(0, Pattern::ARPING).unwrap();
    stage.site.l2_status("l2-sv9vv", NODES[0]).unwrap();
    stage.site.l2_status("l2-rgt9d", NODES[1]).unwrap();
    for agent in &stage.agents {
        let found = stage.finding(agent, "vip_conflict", &["l2-sv9vv", "l2-rgt9d"]);
        assert!(found.to_string().contains(REMEDY), "the one that the wire contradicts: {found}");
        assert!(!found.to_string().contains("delete servicel2status.metallb.io l2-sv9vv"), "{found}");
    }
}

/// An orderly move: the new speaker's object is created, the old one is deleted, and the wire follows.
#[test]
fn statuses_that_follow_the_wire_are_no_conflict() {
    let mut stage = Stage::new(Setup::default());
    stage.site.l2_status("l2-aaaaa", NODES[0]).unwrap();
    knows(&stage, "metallb-system/l2-aaaaa", NODES[0]);
    stage.site.l2_status("l2-bbbbb", NODES[1]).unwrap();
    stage.site.move_to(1, metallb()).unwrap();
    stage.site.world.cluster.delete("ServiceL2Status", "metallb-system", "l2-aaaaa").unwrap();
    knows(&stage, "metallb-system/l2-bbbbb", NODES[1]);
    for agent in &stage.agents {
        let moves = [("source", "l2status"), ("service", "postgresql-lb")];
        agent.wait_metric("vip_moves_total", &moves, 1.0).unwrap();
        stage.counted(agent, 1.0);
        found_none(agent, &["vip_conflict", "vip_flap"]);
    }
}
