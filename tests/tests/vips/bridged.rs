//! A node that has its address on a bridge: each packet passes two uplinks, the bridge and its port, and counts once.

use lab::vip::{NODES, SERVICE, Setup, VIP4, VIP6};

use crate::stage::{OPEN, Stage, metallb};

#[test]
fn what_passes_a_bridge_and_its_port_counts_once() {
    for vip in [VIP4, VIP6] {
        let mut stage = Stage::unclaimed(Setup { vip, bridged: true, ..Setup::default() });
        stage.site.move_to(1, metallb()).unwrap();
        stage.agents.iter().for_each(|agent| drop(stage.claimed_by(agent, NODES[1])));
        let open = stage.site.converse(OPEN).unwrap();

        stage.site.move_to(0, metallb()).unwrap();
        let agent = &stage.agents[0];
        stage.moved(agent, NODES[0], 1);
        stage.counted(agent, 1.0);
        let claims = stage.announcements(agent);
        assert_eq!(claims.len(), 2, "a claim and a move: {claims:#?}");

        stage.orphaned(agent, open);
        agent.wait_metric("tcp_rst_total", &[], OPEN as f64).unwrap();
        for conversation in stage.site.converse(OPEN).unwrap() {
            let port = conversation.local_port().unwrap();
            let record = agent.wait_flow("kind=attempt", |r| r["src"]["port"] == port).unwrap();
            assert_eq!(record["dst"]["service"], SERVICE, "{record}");
            assert!(record["dst"]["pod"].is_string(), "{record}");
        }
        // A packet that counts twice would show by now: these came later.
        let _last = stage.site.converse(1).unwrap();
        let all = OPEN as f64 + 1.0;
        agent.wait_metric("tcp_syn_total", &[], all).unwrap();
        agent.wait_metric("connection_attempts_total", &[], all).unwrap();
        agent.wait_metric("connection_attempts_total", &[("outcome", "established")], all).unwrap();
        agent.wait_metric("tcp_rst_total", &[], OPEN as f64).unwrap();
    }
}
