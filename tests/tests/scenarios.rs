//! Connections on k3s nodes, and the agent's records of them.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panic, like tests")]

use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use lab::agent::{self, Agent};
use lab::cluster::ServiceSpec;
use lab::firewall::{Firewall, Refusal};
use lab::foreign;
use lab::lan::{OUTSIDE4, OUTSIDE6};
use lab::pod::Pod;
use lab::tcx::{self, FOREIGN, Foreign, Where};
use lab::traffic::raw::Packet;
use lab::traffic::{Server, connect, connect_within};
use lab::world::World;
use lab::{overlay, service, wait};
use serde_json::Value;

const PORT: u16 = 8080;

/// A client and a serving pod on one node.
fn two_pods(world: &World) -> (Pod, Pod, Server) {
    let (client, server) = (world.pod("web", "front").unwrap(), world.pod("data", "cache").unwrap());
    let serving = Server::start(&server.ns, PORT).unwrap();
    (client, server, serving)
}

fn attempts_from(agent: &Agent, source: &str, port: u16) -> Vec<Value> {
    let of = |r: &Value| r["src"]["ip"] == source && r["src"]["port"] == port;
    agent.wait_flow("kind=attempt", of).unwrap();
    agent.flows("kind=attempt").unwrap().into_iter().filter(of).collect()
}

/// Opens a connection and returns the only record about it.
fn only_record(agent: &Agent, ns: &lab::netns::Netns, to: SocketAddr) -> Value {
    let mut open = connect(ns, to).unwrap_or_else(|e| panic!("connect to {to}: {e}"));
    open.echo().unwrap();
    let port = open.local_port().unwrap();
    let of = |r: &Value| r["src"]["port"] == port;
    let record = agent.wait_flow("kind=attempt", of).unwrap();
    let all: Vec<_> = agent.flows("kind=attempt").unwrap().into_iter().filter(of).collect();
    assert_eq!(all.len(), 1, "{all:#?}");
    assert_eq!(record["outcome"], "established", "{record}");
    record
}

fn resets(agent: &Agent, wanted: impl Fn(&Value) -> bool) -> Value {
    agent.wait_flow("kind=reset", wanted).unwrap()
}

#[test]
fn silence_is_unanswered() {
    let world = World::new().unwrap();
    let (client, server, _serving) = two_pods(&world);
    let _firewall = Firewall::new(&world.node, &server, (PORT, PORT), Refusal::Drop).unwrap();
    let agent = world.agent(&[]).unwrap();
    for to in [server.at(PORT), server.at6(PORT)] {
        connect_within(&client.ns, to, Duration::from_millis(1500)).unwrap_err();
        let ip = to.ip().to_string();
        let record = agent.wait_flow("kind=attempt", |r| r["dst"]["ip"] == ip.as_str()).unwrap();
        assert_eq!(record["outcome"], "unanswered", "{record}");
        assert_eq!(record["drop_reason"], "NETFILTER_DROP", "{record}");
    }
    agent.wait_metric("connection_attempts_total", &[("outcome", "unanswered")], 2.0).unwrap();
    let again = agent.metric("connection_attempts_total", &[]).unwrap();
    assert!((again - 2.0).abs() < f64::EPSILON, "retransmitted SYNs are no new attempts: {again}");
}

#[test]
fn a_reset_made_by_a_firewall_is_a_refusal() {
    let world = World::new().unwrap();
    let (client, server, _serving) = two_pods(&world);
    let _firewall = Firewall::new(&world.node, &server, (PORT, PORT), Refusal::TcpReset).unwrap();
    let agent = world.agent(&[]).unwrap();
    connect(&client.ns, server.at(PORT)).unwrap_err();
    let record = agent.wait_flow("kind=attempt", |_| true).unwrap();
    assert_eq!(record["outcome"], "refused", "{record}");
}

#[test]
fn other_icmp_codes_are_reported() {
    let world = World::new().unwrap();
    let client = world.pod("web", "front").unwrap();
    let agent = world.agent(&[]).unwrap();
    for (refusal, v4, v6) in
        [(Refusal::HostUnreachable, (3, 1), (1, 3)), (Refusal::AdminProhibited, (3, 13), (1, 1))]
    {
        let server = world.pod("data", "cache").unwrap();
        let _firewall = Firewall::new(&world.node, &server, (PORT, PORT), refusal).unwrap();
        for (to, icmp) in [(server.at(PORT), v4), (server.at6(PORT), v6)] {
            connect_within(&client.ns, to, Duration::from_millis(500)).unwrap_err();
            let ip = to.ip().to_string();
            let record = agent.wait_flow("kind=attempt", |r| r["dst"]["ip"] == ip.as_str()).unwrap();
            assert_eq!(record["outcome"], "rejected", "{record}");
            let reported = (record["icmp_type"].as_u64(), record["icmp_code"].as_u64());
            assert_eq!(reported, (Some(icmp.0), Some(icmp.1)), "{record}");
        }
    }
}

#[test]
fn resets_of_open_connections_name_their_sender() {
    let world = World::new().unwrap();
    let (client, server, _serving) = two_pods(&world);
    let agent = world.agent(&[]).unwrap();
    for to in [server.at(PORT), server.at6(PORT)] {
        for by in ["client", "server"] {
            let mut open = connect(&client.ns, to).unwrap();
            let port = open.local_port().unwrap();
            if by == "client" {
                open.echo().unwrap();
                open.reset().unwrap();
            } else {
                open.be_reset().unwrap();
            }
            let record = resets(&agent, |r| r["src"]["port"] == port);
            assert_eq!(record["by"], by, "{record}");
            assert_eq!(record["phase"], "established", "{record}");
            assert_eq!(record["src"]["pod"], client.name.as_str(), "src opened it: {record}");
            assert_eq!(record["dst"]["port"], PORT, "{record}");
        }
    }
    for by in ["client", "server"] {
        agent.wait_metric("tcp_rst_total", &[("by", by), ("phase", "established")], 2.0).unwrap();
    }
    assert_eq!(agent.metric("tcp_rst_total", &[]).unwrap().to_string(), "4");
}

#[test]
fn a_port_scan_is_half_open() {
    let world = World::new().unwrap();
    let (client, server, _serving) = two_pods(&world);
    let agent = world.agent(&[]).unwrap();
    for (from, to) in [(client.at(4000), server.at(PORT)), (client.at6(4001), server.at6(PORT))] {
        Packet::syn(from, to, 1_000_000).send(&client.ns).unwrap();
        let record = resets(&agent, |r| r["src"]["port"] == from.port());
        assert_eq!(record["by"], "client", "{record}");
        assert_eq!(record["phase"], "handshake", "{record}");
        assert_eq!(record["dst"]["ip"], to.ip().to_string(), "{record}");
    }
}

#[test]
fn a_cluster_ip_is_one_attempt() {
    let world = World::new().unwrap();
    let (client, server, _serving) = two_pods(&world);
    let vips: [IpAddr; 2] = ["10.43.0.80".parse().unwrap(), "fd43::80".parse().unwrap()];
    let spec =
        ServiceSpec { namespace: "data", name: "cache", cluster_ips: &vips, port: 80, target_port: PORT };
    world.service(&spec, &server).unwrap();
    let agent = world.agent(&[]).unwrap();
    for (vip, backend) in [(vips[0], IpAddr::V4(server.ip4)), (vips[1], IpAddr::V6(server.ip6))] {
        let record = only_record(&agent, &client.ns, (vip, 80).into());
        assert_eq!(record["vantage"], "source", "{record}");
        assert_eq!(record["dst"]["ip"], vip.to_string(), "{record}");
        assert_eq!(record["dst"]["port"], 80, "{record}");
        assert_eq!(record["dst"]["service"], "data/cache", "{record}");
        assert_eq!(record["dst"]["pod"], server.name.as_str(), "{record}");
        assert_eq!(record["dst"]["backend_ip"], backend.to_string(), "{record}");
        assert_eq!(record["dst"]["backend_port"], PORT, "{record}");
    }
    agent.wait_metric("tcp_syn_total", &[], 2.0).unwrap();
    agent.wait_metric("tcp_syn_total", &[("vantage", "source"), ("dst_port", "80")], 2.0).unwrap();
    agent.wait_metric("connection_attempts_total", &[], 2.0).unwrap();
}

#[test]
fn a_rejected_cluster_ip_names_the_backend() {
    let world = World::new().unwrap();
    let (client, server, _serving) = two_pods(&world);
    let vips: [IpAddr; 1] = ["10.43.0.80".parse().unwrap()];
    let spec =
        ServiceSpec { namespace: "data", name: "cache", cluster_ips: &vips, port: 80, target_port: PORT };
    world.service(&spec, &server).unwrap();
    let _firewall = Firewall::new(&world.node, &server, (PORT, PORT), Refusal::PortUnreachable).unwrap();
    let agent = world.agent(&[]).unwrap();
    connect(&client.ns, (vips[0], 80).into()).unwrap_err();
    let record = agent.wait_flow("kind=attempt", |_| true).unwrap();
    assert_eq!(record["outcome"], "rejected", "{record}");
    assert_eq!(record["dst"]["service"], "data/cache", "{record}");
    assert_eq!(record["dst"]["pod"], server.name.as_str(), "the drop of the SYN joins them: {record}");
    assert_eq!(record["drop_reason"], "NETFILTER_DROP", "{record}");
}

#[test]
fn across_nodes_each_agent_has_its_vantage() {
    let world = World::new().unwrap();
    let second = world.add_node("node2", 2).unwrap();
    overlay::join(&[&world.node, &second]).unwrap();
    let client = world.pod("web", "front").unwrap();
    let server = world.pod_on(&second, "data", "cache").unwrap();
    let _serving = Server::start(&server.ns, PORT).unwrap();
    let agents = [world.agent(&[]).unwrap(), world.agent_on(&second, &[]).unwrap()];
    for to in [server.at(PORT), server.at6(PORT)] {
        let mut open = connect(&client.ns, to).unwrap();
        open.echo().unwrap();
        let port = open.local_port().unwrap();
        for (agent, node, vantage) in [(&agents[0], "node1", "source"), (&agents[1], "node2", "destination")]
        {
            let source = if to.is_ipv4() { client.ip4.to_string() } else { client.ip6.to_string() };
            let all = attempts_from(agent, &source, port);
            assert_eq!(all.len(), 1, "{node}: {all:#?}");
            let record = &all[0];
            assert_eq!(record["node"], node, "{record}");
            assert_eq!(record["vantage"], vantage, "{record}");
            assert_eq!(record["src"]["pod"], client.name.as_str(), "{record}");
            assert_eq!(record["dst"]["pod"], server.name.as_str(), "{record}");
        }
        open.be_reset().unwrap();
        for agent in &agents {
            let reset = resets(agent, |r| r["src"]["port"] == port);
            assert_eq!((&reset["by"], &reset["phase"]), (&"server".into(), &"established".into()), "{reset}");
        }
    }
    for agent in &agents {
        agent.wait_metric("tcp_syn_total", &[], 2.0).unwrap();
        agent.wait_metric("tcp_rst_total", &[], 2.0).unwrap();
    }
}

#[test]
fn a_host_network_client_arrives() {
    let world = World::new().unwrap();
    let (_client, server, _serving) = two_pods(&world);
    let agent = world.agent(&[]).unwrap();
    for to in [server.at(PORT), server.at6(PORT)] {
        let record = only_record(&agent, &world.node.ns, to);
        assert_eq!(record["vantage"], "destination", "{record}");
        assert_eq!(record["dst"]["pod"], server.name.as_str(), "{record}");
    }
}

#[test]
fn traffic_from_and_to_the_outside_is_counted_once() {
    let world = World::new().unwrap();
    let (client, server, _serving) = two_pods(&world);
    let _outside = Server::start(&world.lan.ns, 443).unwrap();
    let external = world.lan.host(&world.guard, "external", 50).unwrap();
    let node_port: SocketAddr = (world.node.ip4(), 30080).into();
    service::forward(&world.node, node_port, server.at(PORT)).unwrap();
    let agent = world.agent(&[]).unwrap();

    let inbound = only_record(&agent, &external.ns, node_port);
    assert_eq!(inbound["vantage"], "destination", "{inbound}");
    assert_eq!(inbound["src"]["ip"], external.ip4.to_string(), "{inbound}");
    assert_eq!(inbound["dst"]["pod"], server.name.as_str(), "{inbound}");

    for to in [(IpAddr::V4(OUTSIDE4), 443).into(), (IpAddr::V6(OUTSIDE6), 443).into()] {
        let outbound = only_record(&agent, &client.ns, to);
        assert_eq!(outbound["vantage"], "source", "{outbound}");
        assert_eq!(outbound["src"]["pod"], client.name.as_str(), "not the masqueraded address: {outbound}");
    }
    agent.wait_metric("tcp_syn_total", &[], 3.0).unwrap();
    agent.wait_metric("connection_attempts_total", &[], 3.0).unwrap();
}

#[test]
fn the_node_itself_talking_outside_is_transit() {
    let world = World::new().unwrap();
    let _outside = Server::start(&world.lan.ns, 443).unwrap();
    let agent = world.agent(&[]).unwrap();
    let record = only_record(&agent, &world.node.ns, (IpAddr::V4(OUTSIDE4), 443).into());
    assert_eq!(record["vantage"], "transit", "{record}");
}

#[test]
fn a_new_pod_is_seen_from_its_first_connections() {
    let world = World::new().unwrap();
    let (_client, server, _serving) = two_pods(&world);
    let agent = world.agent(&[]).unwrap();
    for _ in 0..5 {
        let pod = world.pod("web", "late").unwrap();
        let mut open = connect(&pod.ns, server.at(PORT)).unwrap();
        open.echo().unwrap();
        let all = attempts_from(&agent, &pod.ip4.to_string(), open.local_port().unwrap());
        assert_eq!(all.len(), 1, "{all:#?}");
        world.delete_pod(pod).unwrap();
    }
}

#[test]
fn a_pod_that_goes_leaves_no_probe() {
    let world = World::new().unwrap();
    let (_client, _server, _serving) = two_pods(&world);
    let agent = world.agent(&[]).unwrap();
    // The enforcer's log is read some time after the start.
    const PROBE: [(&str, &str); 1] = [("probe", "pods")];
    let before = agent.metric("probe_attached", &PROBE).unwrap();
    let pods: Vec<_> = (0..5).map(|_| world.pod("web", "late").unwrap()).collect();
    for pod in &pods {
        on_tcx(&agent, &world, pod);
    }
    for pod in pods {
        world.delete_pod(pod).unwrap();
    }
    agent.wait_metric("probe_attached", &PROBE, before).unwrap();
    assert_eq!(agent.get("/readyz").unwrap().status, 200);
}

/// Waits until the agent's programs are on a pod's veth.
fn on_tcx(agent: &Agent, world: &World, pod: &Pod) {
    let ours = || {
        let names = tcx::programs(&world.node.ns, &pod.veth).ok()?;
        (names.iter().filter(|n| n.starts_with(foreign::OURS)).count() == 2).then_some(())
    };
    wait::until("our programs on a new veth", wait::DEADLINE, ours)
        .unwrap_or_else(|e| panic!("{e}\n{}", agent.log()));
}

#[test]
fn a_reused_address_names_the_new_pod() {
    let world = World::new().unwrap();
    let (_client, server, _serving) = two_pods(&world);
    let agent = world.agent(&[]).unwrap();
    let old = world.pod_at(99, "web", "old").unwrap();
    let names = |pod: &Pod| {
        agent.wait_for("a record that names the pod", |agent| {
            let port = connect(&pod.ns, server.at(PORT)).ok()?.local_port().ok()?;
            let records = attempts_from(agent, &pod.ip4.to_string(), port);
            (records[0]["src"]["pod"] == pod.name.as_str()).then_some(())
        })
    };
    names(&old).unwrap();
    world.delete_pod(old).unwrap();
    let new = world.pod_at(99, "job", "new").unwrap();
    names(&new).unwrap();
}

#[test]
fn the_last_reset_of_a_deleted_pod_names_it() {
    let world = World::new().unwrap();
    let (client, server, _serving) = two_pods(&world);
    let agent = world.agent(&[]).unwrap();
    let mut open = connect(&client.ns, server.at(PORT)).unwrap();
    open.echo().unwrap();
    let port = open.local_port().unwrap();
    attempts_from(&agent, &client.ip4.to_string(), port);
    let pods = agent.metric("cluster_objects", &[("kind", "Pod")]).unwrap();
    world.cluster.delete("Pod", "web", &client.name).unwrap();
    agent.wait_metric("cluster_objects", &[("kind", "Pod")], pods - 1.0).unwrap();
    open.reset().unwrap();
    let record = resets(&agent, |r| r["src"]["port"] == port);
    assert_eq!(record["src"]["pod"], client.name.as_str(), "{record}");
    assert_eq!(record["phase"], "established", "{record}");
}

#[test]
fn connections_older_than_the_agent_are_known() {
    let world = World::new().unwrap();
    let (client, server, _serving) = two_pods(&world);
    let vip: IpAddr = "10.43.0.80".parse().unwrap();
    let spec =
        ServiceSpec { namespace: "data", name: "cache", cluster_ips: &[vip], port: 80, target_port: PORT };
    world.service(&spec, &server).unwrap();
    let targets = [server.at(PORT), server.at6(PORT), (vip, 80).into()];
    let mut open: Vec<_> = targets.map(|to| connect(&client.ns, to).unwrap()).into();
    open.iter_mut().for_each(|c| c.echo().unwrap());
    let agent = world.agent(&[]).unwrap();
    for (to, conversation) in targets.into_iter().zip(open) {
        let port = conversation.local_port().unwrap();
        conversation.be_reset().unwrap();
        let record = resets(&agent, |r| r["src"]["port"] == port);
        assert_eq!((&record["by"], &record["phase"]), (&"server".into(), &"established".into()), "{record}");
        assert_eq!(record["dst"]["ip"], to.ip().to_string(), "as the client addressed it: {record}");
        assert_eq!(record["vantage"], "source", "{record}");
    }
    agent.wait_metric("tcp_rst_total", &[], 3.0).unwrap();
    agent.wait_metric("connection_attempts_total", &[], 0.0).unwrap();
}

#[test]
fn foreign_programs_on_tcx_survive() {
    let world = World::new().unwrap();
    let (client, server, _serving) = two_pods(&world);
    let ns = &world.node.ns;
    let _before = Foreign::attach(ns, &client.veth, Where::Tcx).unwrap();
    let foreign_count = || tcx::programs(ns, &client.veth).unwrap().iter().filter(|n| *n == FOREIGN).count();
    let agent = world.agent(&[]).unwrap();
    let _after = Foreign::attach(ns, &client.veth, Where::Tcx).unwrap();
    assert_eq!(foreign_count(), 4);
    only_record(&agent, &client.ns, server.at(PORT));
    agent.stop().unwrap();
    assert_eq!((foreign_count(), tcx::our_programs(ns).unwrap()), (4, vec![]));
    let agent = world.agent(&[]).unwrap();
    agent.kill().unwrap();
    // The kernel detaches links with the last reference, a moment after the process has ended.
    let gone = || tcx::our_programs(ns).ok().filter(Vec::is_empty);
    wait::until("our programs to go", wait::DEADLINE, gone).unwrap();
    assert_eq!(foreign_count(), 4);
    let agent = world.agent(&[]).unwrap();
    only_record(&agent, &client.ns, server.at(PORT));
    assert_eq!(foreign_count(), 4);
}

#[test]
fn sigterm_leaves_nothing_behind() {
    let world = World::new().unwrap();
    let (client, server, _serving) = two_pods(&world);
    for mode in ["tcx", "clsact"] {
        let agent = world.agent(&["--attach", mode]).unwrap();
        only_record(&agent, &client.ns, server.at(PORT));
        agent.stop().unwrap();
        assert_eq!(foreign::our_filters(&world.node.ns).unwrap(), Vec::<String>::new(), "{mode}");
        assert_eq!(tcx::our_programs(&world.node.ns).unwrap(), Vec::<String>::new(), "{mode}");
    }
}

/// A CNI may replace the qdisc, and our filters go with it.
#[test]
fn programs_that_somebody_removed_are_attached_again() {
    let world = World::new().unwrap();
    let (client, server, _serving) = two_pods(&world);
    let agent = world.agent(&["--attach", "clsact"]).unwrap();
    only_record(&agent, &client.ns, server.at(PORT));
    agent.wait_metric("connection_attempts_total", &[], 1.0).unwrap();
    for veth in [&client.veth, &server.veth] {
        world.node.ns.exec(format!("tc qdisc del dev {veth} clsact")).unwrap();
    }
    agent
        .wait_for("a connection to be seen again", |agent| {
            drop(connect(&client.ns, server.at(PORT)).unwrap());
            (agent.metric("connection_attempts_total", &[]).unwrap() > 1.0).then_some(())
        })
        .unwrap();
}

/// The mode may change between two runs; filters of the old one would count everything twice.
#[test]
fn a_restart_removes_what_a_killed_agent_left() {
    let world = World::new().unwrap();
    let (client, server, _serving) = two_pods(&world);
    world.agent(&["--attach", "clsact"]).unwrap().kill().unwrap();
    assert!(!foreign::our_filters(&world.node.ns).unwrap().is_empty());
    let agent = world.agent(&["--attach", "tcx"]).unwrap();
    assert_eq!(foreign::our_filters(&world.node.ns).unwrap(), Vec::<String>::new());
    only_record(&agent, &client.ns, server.at(PORT));
    agent.wait_metric("tcp_syn_total", &[], 1.0).unwrap();
}

#[test]
fn a_replay_has_the_same_flows() {
    let world = World::new().unwrap();
    let (client, server, _serving) = two_pods(&world);
    let recording = world.guard.dir().join("recording");
    let agent = world.agent(&["--record", path(&recording)]).unwrap();
    for _ in 0..10 {
        connect(&client.ns, server.at(PORT)).unwrap().be_reset().unwrap();
        connect(&client.ns, server.at(9)).unwrap_err();
    }
    let recorded = agent.wait_for("all flows", |a| a.flows("").ok().filter(|f| f.len() >= 30)).unwrap();
    agent.stop().unwrap();
    let output =
        Command::new(agent::binary().unwrap()).arg("replay").arg(&recording).args(["-o", "json"]).output();
    let output = output.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    let replayed: Vec<Value> = text.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    assert_eq!(replayed, recorded);
}

fn path(path: &Path) -> &str {
    path.to_str().unwrap()
}
