//! What the agent can't see of pods is said, by every way in which it can be asked.

use std::process::Command;

use lab::agent::{Agent, binary};
use lab::findings::summary;
use lab::netns::Netns;
use lab::pod::Pod;
use lab::tcx::{Foreign, Where};
use lab::traffic::{Server, connect};
use lab::world::World;
use serde_json::Value;

/// Connects some times, and checks that each attempt has the outcome that it had.
fn talk(agent: &Agent, client: &Pod, server: &Pod, times: usize) {
    let labels = [("outcome", "established")];
    let before = agent.metric("connection_attempts_total", &labels).unwrap();
    for _ in 0..times {
        connect(&client.ns, server.at(8080)).unwrap().echo().unwrap();
    }
    let after = before + times as f64;
    agent.wait_metric("connection_attempts_total", &labels, after).unwrap();
}

fn blind_spots(agent: &Agent, reason: &str) -> f64 {
    agent.metric("blind_spots", &[("reason", reason)]).unwrap()
}

fn doctor(ns: &Netns) -> String {
    let program = binary().unwrap();
    let output = ns.run(|| Command::new(program).arg("doctor").output().unwrap());
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Is true when the evidence has all of `parts`.
fn told(finding: &Value, parts: &[&str]) -> bool {
    let evidence = finding["evidence"].to_string();
    parts.iter().all(|part| evidence.contains(part))
}

/// Returns how a finding names a pod that is hidden.
fn hidden(pod: &Pod) -> String {
    format!("pod {}/{} (behind {})", pod.namespace, pod.name, pod.veth)
}

fn ifindex(ns: &Netns, device: &str) -> u32 {
    let shown = ns.ip(format!("-o link show dev {device}")).unwrap();
    shown.split(':').next().unwrap().parse().unwrap()
}

#[test]
fn a_pod_that_packets_reach_past_its_interface_is_a_blind_spot() {
    let world = World::new().unwrap();
    let (client, server) = (world.pod("web", "front").unwrap(), world.pod("data", "cache").unwrap());
    let _serving = Server::start(&server.ns, 8080).unwrap();
    let agent = world.agent(&[]).unwrap();
    let ns = &world.node.ns;
    talk(&agent, &client, &server, 5);
    let redirect = Foreign::redirect_to_peer(ns, &client.veth, ifindex(ns, &server.veth)).unwrap();
    talk(&agent, &client, &server, 5);
    let found = agent.wait_finding("blind_spot", "active", |_| true).unwrap();
    assert!(summary(&found).contains(&hidden(&server)), "{found}");
    assert!(told(&found, &["bpf_redirect_peer", "bpf.hostLegacyRouting"]), "{found}");
    assert!((blind_spots(&agent, "bypassed") - 1.0).abs() < f64::EPSILON);
    agent.wait_metric("probe_attached", &[("probe", "pods")], 0.0).unwrap();
    let lines = doctor(ns);
    assert!(
        lines.contains("blind spot") && lines.contains(&format!("bypassed ({})", server.veth)),
        "{lines}"
    );
    drop(redirect);
    talk(&agent, &client, &server, 5);
    let others = agent.findings_of("blind_spot", "active").unwrap();
    assert_eq!(others.len(), 1, "{}", agent.shown_findings());
}

/// Where the answers go past the client's interface, no hook sees them arrive. The client's own socket does.
#[test]
fn a_socket_tells_the_outcome_that_no_hook_sees() {
    let world = World::new().unwrap();
    let (client, server) = (world.pod("web", "front").unwrap(), world.pod("data", "cache").unwrap());
    let _serving = Server::start(&server.ns, 8080).unwrap();
    let agent = world.agent(&[]).unwrap();
    agent.wait_metric("probe_attached", &[("probe", "sockets")], 1.0).unwrap();
    let ns = &world.node.ns;
    let _redirect = Foreign::redirect_to_peer(ns, &server.veth, ifindex(ns, &client.veth)).unwrap();
    connect(&client.ns, server.at(8080)).unwrap().echo().unwrap();
    connect(&client.ns, server.at(9)).unwrap_err();
    for (port, outcome, phase) in [(8080, "established", 0.0), (9, "refused", 1.0)] {
        let of = |r: &Value| r["dst"]["port"] == port;
        let record = agent.wait_flow("kind=attempt", of).unwrap();
        assert_eq!(record["outcome"], outcome, "{record}");
        assert_eq!(record["vantage"], "source", "{record}");
        let all = agent.flows("kind=attempt").unwrap();
        assert_eq!(all.iter().filter(|r| of(r)).count(), 1, "{all:#?}");
        // Without the socket the attempt ends when it has been silent for 5 s.
        assert!(record["latency_us"].as_u64().unwrap() < 5_000_000, "{record}");
        agent.wait_metric("connection_attempts_total", &[("outcome", outcome)], 1.0).unwrap();
        let labels = [("by", "server"), ("phase", "handshake"), ("dst_port", &port.to_string())];
        agent.wait_metric("tcp_rst_total", &labels, phase).unwrap();
    }
}

#[test]
fn a_program_in_front_of_the_agents_is_a_blind_spot_until_it_goes() {
    let world = World::new().unwrap();
    let (client, server) = (world.pod("web", "front").unwrap(), world.pod("data", "cache").unwrap());
    let _serving = Server::start(&server.ns, 8080).unwrap();
    let agent = world.agent(&["--attach", "clsact"]).unwrap();
    talk(&agent, &client, &server, 5);
    assert!(blind_spots(&agent, "in_front").abs() < f64::EPSILON);
    let front = Foreign::attach(&world.node.ns, &client.veth, Where::ClsactFirst).unwrap();
    let found = agent.wait_finding("blind_spot", "active", |_| true).unwrap();
    assert!(summary(&found).contains(&hidden(&client)), "{found}");
    assert!(told(&found, &["runs before the agent's program", "restart the agent"]), "{found}");
    drop(front);
    agent.wait_finding("blind_spot", "resolved", |_| true).unwrap();
    assert!(blind_spots(&agent, "in_front").abs() < f64::EPSILON);
    talk(&agent, &client, &server, 5);
}
