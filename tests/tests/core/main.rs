//! The core scenarios, which must work on every supported kernel. They also run inside small guests, so they need only
//! ip, iptables, ipset and tc.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panic, like tests")]

mod accept_queue;
mod resets;
mod sockets;

use std::io::ErrorKind;
use std::path::Path;
use std::time::Duration;

use lab::agent::Agent;
use lab::firewall::{Firewall, Refusal};
use lab::foreign;
use lab::lan;
use lab::pod::Pod;
use lab::tcx::{FOREIGN, Foreign, Where};
use lab::traffic::{Server, connect};
use lab::world::World;
use serde_json::Value;

struct Scene {
    agent: Agent,
    _serving: Server,
    client: Pod,
    server: Pod,
    world: World,
}

impl Scene {
    fn new(args: &[&str]) -> Self {
        let world = World::new().unwrap();
        let (client, server) = (world.pod("web", "front").unwrap(), world.pod("data", "cache").unwrap());
        let _serving = Server::start(&server.ns, 8080).unwrap();
        let agent = world.agent(args).unwrap();
        Self { agent, _serving, client, server, world }
    }

    /// Returns the only record of an attempt to `port`; a second one is a packet counted twice.
    fn only_attempt(&self, to: std::net::SocketAddr) -> Value {
        let of = |r: &Value| r["dst"]["ip"] == to.ip().to_string() && r["dst"]["port"] == to.port();
        let record = self.agent.wait_flow("kind=attempt", of).unwrap();
        let all: Vec<_> = self.agent.flows("kind=attempt").unwrap().into_iter().filter(of).collect();
        assert_eq!(all.len(), 1, "{all:#?}");
        record
    }

    fn check_names(&self, record: &Value) {
        assert_eq!(record["node"], "node1", "{record}");
        assert_eq!(record["vantage"], "source", "{record}");
        assert_eq!(record["src"]["pod"], self.client.name.as_str(), "{record}");
        assert_eq!(record["src"]["workload"], "front", "{record}");
        assert_eq!(record["dst"]["namespace"], "data", "{record}");
        assert_eq!(record["dst"]["pod"], self.server.name.as_str(), "{record}");
    }
}

#[test]
fn connect_is_established() {
    let scene = Scene::new(&[]);
    for to in [scene.server.at(8080), scene.server.at6(8080)] {
        let mut open = connect(&scene.client.ns, to).unwrap();
        open.echo().unwrap();
        let record = scene.only_attempt(to);
        scene.check_names(&record);
        assert_eq!(record["outcome"], "established", "{record}");
        assert_eq!(record["src"]["port"], open.local_port().unwrap(), "{record}");
        let latency = record["latency_us"].as_u64().unwrap();
        assert!(latency < 10_000_000, "{record}");
    }
    let labels = [("src_workload", "front"), ("dst_workload", "cache"), ("dst_port", "8080")];
    scene.agent.wait_metric("tcp_syn_total", &labels, 2.0).unwrap();
    scene.agent.wait_metric("connection_attempts_total", &[("outcome", "established")], 2.0).unwrap();
}

#[test]
fn a_closed_port_refuses() {
    let scene = Scene::new(&[]);
    for to in [scene.server.at(9), scene.server.at6(9)] {
        assert_eq!(connect(&scene.client.ns, to).unwrap_err().kind(), ErrorKind::ConnectionRefused);
        let record = scene.only_attempt(to);
        scene.check_names(&record);
        assert_eq!(record["outcome"], "refused", "{record}");
        assert_eq!(record.get("icmp_type"), None, "{record}");
    }
    let handshake = [("by", "server"), ("phase", "handshake")];
    scene.agent.wait_metric("tcp_rst_total", &handshake, 2.0).unwrap();
    scene.agent.wait_metric("connection_attempts_total", &[("outcome", "refused")], 2.0).unwrap();
}

#[test]
fn a_policy_rejects_with_icmp() {
    let scene = Scene::new(&[]);
    let _firewall =
        Firewall::new(&scene.world.node, &scene.server, (8080, 8080), Refusal::PortUnreachable).unwrap();
    for (to, icmp) in [(scene.server.at(8080), (3, 3)), (scene.server.at6(8080), (1, 4))] {
        assert_eq!(connect(&scene.client.ns, to).unwrap_err().kind(), ErrorKind::ConnectionRefused);
        let record = scene.only_attempt(to);
        scene.check_names(&record);
        assert_eq!(record["outcome"], "rejected", "{record}");
        assert_eq!(
            (record["icmp_type"].as_u64(), record["icmp_code"].as_u64()),
            (Some(icmp.0), Some(icmp.1))
        );
    }
    scene.agent.wait_metric("connection_attempts_total", &[("outcome", "rejected")], 2.0).unwrap();
    scene.agent.wait_metric("tcp_rst_total", &[], 0.0).unwrap();
}

#[test]
fn a_rejected_syn_is_a_drop_with_a_reason() {
    let scene = Scene::new(&[]);
    let _firewall =
        Firewall::new(&scene.world.node, &scene.server, (8080, 8080), Refusal::PortUnreachable).unwrap();
    for to in [scene.server.at(8080), scene.server.at6(8080)] {
        connect(&scene.client.ns, to).unwrap_err();
        let ip = to.ip().to_string();
        let drop = scene.agent.wait_flow("kind=drop", |r| r["dst"]["ip"] == ip.as_str()).unwrap();
        assert_eq!(drop["src"]["pod"], scene.client.name.as_str(), "{drop}");
        assert_eq!(drop["dst"]["pod"], scene.server.name.as_str(), "{drop}");
        assert_eq!(drop["tcp_flags"], "SYN", "{drop}");
        if kernel_gives_reasons() {
            assert_eq!(drop["reason"], "NETFILTER_DROP", "{drop}");
        }
    }
    let labels = [("src_workload", "front"), ("dst_workload", "cache")];
    let seen = |a: &Agent| a.metric("drops_total", &labels).ok().filter(|n| *n >= 2.0);
    scene.agent.wait_for("two drops in the metrics", seen).unwrap();
}

/// Two nodes of one kernel, as with kind and k3d: the drop tracepoint shows each agent the drops of both.
#[test]
fn drops_belong_to_the_node_whose_namespaces_they_happen_in() {
    const TRIES: u32 = 10;
    let world = World::new().unwrap();
    let other_node = world.add_node("node2", 2).unwrap();
    let (client, server) = (world.pod("web", "front").unwrap(), world.pod("data", "cache").unwrap());
    let elsewhere = world.pod_on(&other_node, "data", "replica").unwrap();
    for (from, to) in [(&world.node, &other_node), (&other_node, &world.node)] {
        from.ns.ip(format!("route add {}/24 via {}", to.pod_ip4(0), to.ip4())).unwrap();
        from.ns.ip(format!("route add {}/64 via {}", to.pod_ip6(0), to.ip6())).unwrap();
    }
    let (first, second) = (world.agent(&[]).unwrap(), world.agent_on(&other_node, &[]).unwrap());
    let agents = [&first, &second];
    let node = &world.node.ns;
    // The place that refuses, the rule that does, the client, the server, and which agent counts it.
    let refusals = [
        (node, "FORWARD -d", &client.ns, &server, 0),
        (node, "OUTPUT -d", node, &server, 0),
        (&server.ns, "INPUT -d", &client.ns, &server, 0),
        (&client.ns, "OUTPUT -d", &client.ns, &server, 0),
        (&server.ns, "INPUT -i lo -d", &server.ns, &server, 0),
        (&elsewhere.ns, "INPUT -d", &client.ns, &elsewhere, 1),
        (&other_node.ns, "FORWARD -d", &client.ns, &elsewhere, 1),
        // The last ones tell that everything before them is counted.
        (node, "FORWARD -d", &client.ns, &server, 0),
        (&other_node.ns, "FORWARD -d", &client.ns, &elsewhere, 1),
    ];
    // The wire between the nodes is no node's, although it holds the other end of each node's uplink.
    let outside = (lan::ip4(1), 9100).into();
    world.lan.ns.exec("iptables -w -I INPUT -p tcp --dport 9100 -j REJECT --reject-with tcp-reset").unwrap();
    assert_eq!(connect(node, outside).unwrap_err().kind(), ErrorKind::ConnectionRefused);

    let ports = 9001..;
    let mut expected = Vec::new();
    for ((place, rule, from, to, counts), port) in refusals.into_iter().zip(ports) {
        for (tool, at) in [("iptables", to.at(port)), ("ip6tables", to.at6(port))] {
            // A RST is not rate-limited as ICMP errors are, so no SYN is repeated.
            let rule = format!("{rule} {} -p tcp --dport {port} -j REJECT --reject-with tcp-reset", at.ip());
            place.exec(format!("{tool} -w -I {rule}")).unwrap();
            for _ in 0..TRIES {
                assert_eq!(connect(from, at).unwrap_err().kind(), ErrorKind::ConnectionRefused, "{rule}");
            }
        }
        expected.push((rule, port.to_string(), counts));
    }
    let all = f64::from(2 * TRIES);
    for (_, port, counts) in expected.iter().rev().take(2) {
        agents[*counts].wait_metric("drops_total", &[("dst_port", port)], all).unwrap();
    }
    let counted: Vec<_> = expected
        .iter()
        .map(|(rule, port, _)| {
            (*rule, agents.map(|agent| agent.metric("drops_total", &[("dst_port", port)]).unwrap()))
        })
        .collect();
    let wanted: Vec<_> = expected
        .iter()
        .map(|(rule, _, counts)| (*rule, if *counts == 0 { [all, 0.0] } else { [0.0, all] }))
        .collect();
    assert_eq!(counted, wanted);
    for agent in agents {
        assert_eq!(agent.metric("drops_total", &[("dst_port", "9100")]).unwrap(), 0.0);
        assert_eq!(agent.metric("drops_unattributed_total", &[("namespace", "unknown")]).unwrap(), 0.0);
        assert!(agent.metric("drops_unattributed_total", &[("namespace", "other")]).unwrap() > all);
    }
}

/// The wire holds the other end of a node's uplink, also while the node has neither a default route nor its address.
#[test]
fn a_former_uplink_leads_to_no_pod() {
    const TRIES: u32 = 5;
    let world = World::new().unwrap();
    let agent = world.agent(&[]).unwrap();
    let (node, outside) = (&world.node.ns, (lan::ip4(1), 9100).into());
    let followed = |role: &'static str, n| {
        let seen =
            move |a: &Agent| a.metric("interfaces_followed", &[("role", role)]).ok().filter(|now| *now == n);
        agent.wait_for("the interfaces followed", seen).unwrap();
    };
    followed("uplink", 1.0);
    node.ip("route del default").unwrap();
    node.ip("-6 route del default").unwrap();
    // An interface with an address of a Node is an uplink too.
    node.ip(format!("addr del {}/24 dev eth0", world.node.ip4())).unwrap();
    node.ip(format!("-6 addr del {}/64 dev eth0", world.node.ip6())).unwrap();
    node.ip(format!("addr add {}/24 dev eth0", lan::ip4(200))).unwrap();
    followed("uplink", 0.0);
    world.lan.ns.exec("iptables -w -I INPUT -p tcp --dport 9100 -j REJECT --reject-with tcp-reset").unwrap();
    let other = || agent.metric("drops_unattributed_total", &[("namespace", "other")]).unwrap();
    let before = other();
    for _ in 0..TRIES {
        assert_eq!(connect(node, outside).unwrap_err().kind(), ErrorKind::ConnectionRefused);
    }
    agent
        .wait_for("the drops to be counted", |_| (other() >= before + f64::from(TRIES)).then_some(()))
        .unwrap();
    assert_eq!(agent.metric("drops_total", &[("dst_port", "9100")]).unwrap(), 0.0);
}

/// Is true on 5.17 and newer, where the tracepoint's format names a reason.
fn kernel_gives_reasons() -> bool {
    kernel_is_at_least(5, 17)
}

fn kernel_is_at_least(major: u32, minor: u32) -> bool {
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap();
    let mut numbers = release.split(['.', '-']).map_while(|n| n.parse::<u32>().ok());
    (numbers.next().unwrap(), numbers.next().unwrap()) >= (major, minor)
}

#[test]
fn every_probe_is_attached() {
    let scene = Scene::new(&[]);
    let metrics = scene.agent.metrics().unwrap();
    let probes: Vec<_> = metrics.iter().filter(|s| s.matches("flow_observer_probe_attached", &[])).collect();
    assert!(!probes.is_empty());
    for probe in probes {
        assert!(probe.value >= 1.0, "{probe:?}\n{}", scene.agent.log());
    }
}

/// Foreign programs before and after the agent's, on clsact, which every kernel has.
#[test]
fn foreign_programs_on_clsact_survive() {
    let world = World::new().unwrap();
    let (client, server) = (world.pod("web", "front").unwrap(), world.pod("data", "cache").unwrap());
    let _serving = Server::start(&server.ns, 8080).unwrap();
    let ns = &world.node.ns;
    let _before = Foreign::attach(ns, &client.veth, Where::Clsact).unwrap();
    let attached = |expected: usize, when: &str| {
        let filters = foreign::filters(ns, &client.veth, FOREIGN).unwrap();
        assert_eq!(filters.len(), expected, "{when}: {filters:?}");
    };
    let sees_traffic = |agent: &Agent| {
        let before = agent.metric("tcp_syn_total", &[]).unwrap();
        connect(&client.ns, server.at(8080)).unwrap().echo().unwrap();
        agent.wait_metric("tcp_syn_total", &[], before + 1.0).unwrap();
    };
    let agent = world.agent(&["--attach", "clsact"]).unwrap();
    attached(2, "after the start");
    sees_traffic(&agent);
    let _after = Foreign::attach(ns, &client.veth, Where::Clsact).unwrap();
    sees_traffic(&agent);
    agent.stop().unwrap();
    attached(4, "after the stop");
    assert_eq!(foreign::our_filters(ns).unwrap(), Vec::<String>::new());

    let agent = world.agent(&["--attach", "clsact"]).unwrap();
    agent.kill().unwrap();
    attached(4, "after SIGKILL");
    connect(&client.ns, server.at(8080)).unwrap().echo().unwrap();
    let left = foreign::our_filters(ns).unwrap().len();
    assert!(left > 0, "a killed agent can't take its filters along");

    let agent = world.agent(&["--attach", "clsact"]).unwrap();
    attached(4, "after the restart");
    assert_eq!(foreign::our_filters(ns).unwrap().len(), left, "old filters are replaced, not added to");
    sees_traffic(&agent);
    agent.stop().unwrap();
    attached(4, "at the end");
    assert_eq!(foreign::our_filters(ns).unwrap(), Vec::<String>::new());
}

#[test]
fn sigterm_ends_the_agent_in_time() {
    let scene = Scene::new(&[]);
    let proc = format!("/proc/{}", scene.agent.pid());
    assert!(Path::new(&proc).exists());
    // A client that never reads must not block it.
    let follower = scene.world.node.ns.run(|| {
        use std::io::Write;
        let mut stream = std::net::TcpStream::connect(lab::agent::LISTEN).unwrap();
        stream.write_all(b"GET /api/v1/flows HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(1))).unwrap();
        stream
    });
    scene.agent.stop().unwrap();
    assert!(!Path::new(&proc).exists());
    drop(follower);
}

#[test]
fn a_second_agent_says_so_and_exits() {
    let scene = Scene::new(&[]);
    let run = || {
        let agent = lab::agent::binary().unwrap();
        std::process::Command::new(agent).args(["run", "--listen", "127.0.0.1:19999"]).output().unwrap()
    };
    let second = scene.world.node.ns.run(run);
    let stderr = String::from_utf8_lossy(&second.stderr);
    assert_eq!(second.status.code(), Some(2), "{stderr}");
    let first = format!("another agent (pid {}) already watches this node", scene.agent.pid());
    assert!(stderr.contains(&first), "{stderr}");
    connect(&scene.client.ns, scene.server.at(8080)).unwrap();
    scene.only_attempt(scene.server.at(8080));
}
