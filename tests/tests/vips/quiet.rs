//! Events that must raise nothing, and floods that must not hide real moves.

use std::fs;
use std::net::IpAddr;

use flow_model::mac::Mac;
use lab::agent::Agent;
use lab::announce::{Pattern, Wire, malformed};
use lab::vip::{NODES, Setup, VIP4, VIP6};

use crate::stage::{Stage, found_none, metallb};

/// The number of frames in each part of the flood.
const FLOOD: u32 = 25_000;
/// The limit for the agent's growth during the flood.
const GROWTH_KIB: u64 = 32 * 1024;

/// Checks that only one real move is reported. It comes last, so everything before it has been processed.
fn only_one_move(stage: &mut Stage) {
    let mac = stage.site.move_to(1, metallb()).unwrap();
    stage.moved_once(mac);
    for agent in &stage.agents {
        found_none(agent, &["vip_flap", "vip_conflict", "rst_burst"]);
        agent.wait_metric("events_lost_total", &[], 0.0).unwrap();
    }
}

/// MetalLB sends its ten frames again at every reconcile; kube-vip never stops.
#[test]
fn announcements_repeated_are_no_news() {
    for vip in [VIP4, VIP6] {
        let mut stage = Stage::new(Setup { vip, ..Setup::default() });
        for _ in 0..20 {
            stage.site.move_to(0, Pattern::METALLB.at_once()).unwrap();
        }
        stage.site.move_to(0, Pattern::KUBE_VIP.at_once().rounds(1_000)).unwrap();
        stage.site.move_to(0, Pattern::ARPING).unwrap();
        stage.site.converse(3).unwrap();
        only_one_move(&mut stage);
    }
}

#[test]
fn malformed_claims_are_none() {
    for vip in [VIP4, VIP6] {
        let mut stage = Stage::new(Setup { vip, ..Setup::default() });
        for host in [&stage.site.client.ns, &stage.site.second.ns] {
            let wire = Wire::open(host).unwrap();
            for (_, frame) in malformed(vip, Mac([2, 0xba, 0xd0, 0, 0, 1])) {
                wire.send(&frame).unwrap();
            }
        }
        only_one_move(&mut stage);
    }
}

/// Claims of addresses that are not VIPs cost only time.
#[test]
fn unknown_addresses_are_not_reported() {
    let mut stage = Stage::new(Setup::default());
    let others: [IpAddr; 2] = ["10.0.20.201".parse().unwrap(), "fd20::c9".parse().unwrap()];
    let wire = Wire::open(&stage.site.client.ns).unwrap();
    for ip in others {
        wire.announce(ip, metallb()).unwrap();
        wire.announce_as(ip, Mac([2, 0, 0, 0, 0, 7]), metallb()).unwrap();
    }
    only_one_move(&mut stage);
    for agent in &stage.agents {
        assert!(others.iter().all(|ip| agent.vip(*ip).unwrap().is_none()));
        assert_eq!(
            agent.flows("kind=announcement").unwrap().len(),
            2,
            "{:?}",
            agent.flows("kind=announcement")
        );
    }
}

#[test]
fn a_flood_hides_no_move() {
    let mut stage = Stage::new(Setup::default());
    let before: Vec<u64> = stage.agents.iter().map(resident).collect();
    let wire = Wire::open(&stage.site.client.ns).unwrap();
    for to in [1, 0, 1] {
        wire.flood(FLOOD).unwrap();
        stage.site.move_to(to, metallb()).unwrap();
    }
    wire.flood(FLOOD).unwrap();
    for (agent, before) in stage.agents.iter().zip(before) {
        stage.counted(agent, 3.0);
        stage.moved(agent, NODES[1], 3);
        agent.wait_metric("events_lost_total", &[], 0.0).unwrap();
        let after = resident(agent);
        assert!(after < before + GROWTH_KIB, "grew from {before} to {after} KiB");
    }
}

/// Returns the resident memory of an agent in KiB.
fn resident(agent: &Agent) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", agent.pid())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.split_whitespace().next().unwrap().parse().unwrap()
}
