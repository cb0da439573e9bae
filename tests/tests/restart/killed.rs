//! An agent that is killed at any moment loses no count: the next one has those of the clients.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use lab::agent::Agent;
use lab::traffic::burst::{self, Lane, Tally};

use crate::Scene;

const KILLS: usize = 20;
/// Closed, and open.
const PORTS: [u16; 2] = [8079, 8080];
/// Connections of each lane in one round. The load ends between rounds.
const ROUND: u32 = 500;
/// Connections between two kills, at most.
const APART: u64 = 3_000;

/// Connects until told to stop, and returns how the connections ended.
fn load(scene: &Scene, stop: &AtomicBool) -> Tally {
    let lanes =
        PORTS.map(|port| Lane { client: scene.client.ns.clone(), to: scene.server.at(port), count: ROUND });
    let mut sum = Tally::default();
    while !stop.load(Ordering::Relaxed) {
        for tally in burst::run(&lanes).unwrap() {
            sum.established += tally.established;
            sum.refused += tally.refused;
            sum.client_resets += tally.client_resets;
            sum.server_resets += tally.server_resets;
        }
    }
    sum
}

fn attempts(agent: &Agent) -> f64 {
    agent.metric("connection_attempts_total", &[]).unwrap()
}

/// Kills agents while the load runs, each at another moment, and returns the last one.
fn kill_many(scene: &Scene, mut agent: Agent) -> Agent {
    let mut seen = 0.0;
    for _ in 0..KILLS {
        let enough = seen + fastrand::u64(1..APART) as f64;
        let counted = |agent: &Agent| Some(attempts(agent)).filter(|now| *now >= enough);
        seen = agent.wait_for("more connections to be counted", counted).unwrap();
        agent.kill().unwrap();
        agent = scene.keeping_agent(&[]);
        let after =
            agent.wait_for("the counters", |agent| agent.metrics().ok().map(|_| attempts(agent))).unwrap();
        assert!(after >= seen, "the counter fell from {seen} to {after}");
        seen = after;
    }
    agent
}

#[test]
fn twenty_kills_lose_and_repeat_no_count() {
    let scene = Scene::new();
    let stop = AtomicBool::new(false);
    let agent = scene.keeping_agent(&[]);
    let (agent, sent) = thread::scope(|scope| {
        let clients = scope.spawn(|| load(&scene, &stop));
        let killed = scope.spawn(|| kill_many(&scene, agent));
        let agent = killed.join();
        stop.store(true, Ordering::Relaxed);
        (agent.unwrap(), clients.join().unwrap())
    });
    let total = f64::from(sent.established + sent.refused);
    agent.wait_metric("connection_attempts_total", &[], total).unwrap();
    for (outcome, count) in [("established", sent.established), ("refused", sent.refused)] {
        agent.wait_metric("connection_attempts_total", &[("outcome", outcome)], f64::from(count)).unwrap();
    }
    let retransmits = scene.client.ns.counter("TcpExt", "TCPSynRetrans").unwrap();
    agent.wait_metric("tcp_syn_total", &[], total + retransmits as f64).unwrap();
    for (by, phase, count) in [
        ("client", "established", sent.client_resets),
        ("server", "established", sent.server_resets),
        ("server", "handshake", sent.refused),
    ] {
        agent.wait_metric("tcp_rst_total", &[("by", by), ("phase", phase)], f64::from(count)).unwrap();
    }
    // By name, and in the table of pairs.
    let labels = [("src_workload", "front"), ("dst_workload", "cache")];
    agent.wait_metric("connection_attempts_total", &labels, total).unwrap();
    let pairs = agent.pairs().unwrap();
    let listed: u64 = pairs["pairs"].as_array().unwrap().iter().filter_map(|pair| pair["syn"].as_u64()).sum();
    assert_eq!(listed, sent.established as u64 + u64::from(sent.refused) + retransmits, "{pairs}");
    eprintln!("{total} connections over {KILLS} kills");
}
