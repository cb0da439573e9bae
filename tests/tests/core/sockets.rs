//! Whose sockets they are, where addresses don't tell: pods in the node's own network, by their cgroups.

use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr};

use lab::cgroup::{InPod, is_unified};
use lab::traffic::idle::SHORTLY;
use lab::traffic::{Server, connect, connect_within};
use lab::world::World;
use serde_json::Value;

use super::Scene;

const PROBE: [(&str, &str); 1] = [("probe", "sockets")];
const PORT: u16 = 9100;

/// Returns the node's addresses with a port.
fn node_at(world: &World, port: u16) -> [SocketAddr; 2] {
    [IpAddr::from(world.node.ip4()), world.node.ip6().into()].map(|ip| SocketAddr::new(ip, port))
}

fn is_to(record: &Value, to: SocketAddr) -> bool {
    record["dst"]["ip"] == to.ip().to_string() && record["dst"]["port"] == to.port()
}

#[test]
fn a_client_in_the_nodes_network_is_named_by_its_cgroup() {
    let scene = Scene::new(&[]);
    let Scene { world, agent, server, .. } = &scene;
    let uid = world.cluster.host_pod(&world.node, "kube-system", "speaker").unwrap();
    agent.wait_metric("probe_attached", &PROBE, 1.0).unwrap();
    agent.wait_metric("cluster_objects", &[("kind", "Pod")], 3.0).unwrap();
    let node = &world.node.ns;
    server.ns.exec("iptables -w -I INPUT -p tcp --dport 81 -j DROP").unwrap();
    {
        let _pod = InPod::enter(&uid).unwrap();
        connect(node, server.at(8080)).unwrap().echo().unwrap();
        connect(node, server.at6(8080)).unwrap().echo().unwrap();
        assert_eq!(connect(node, server.at(9)).unwrap_err().kind(), ErrorKind::ConnectionRefused);
        assert_eq!(connect_within(node, server.at(81), SHORTLY).unwrap_err().kind(), ErrorKind::TimedOut);
    }
    connect(node, server.at(10)).unwrap_err();
    for (to, outcome) in [
        (server.at(8080), "established"),
        (server.at6(8080), "established"),
        (server.at(9), "refused"),
        (server.at(81), "unanswered"),
    ] {
        let record = scene.only_attempt(to);
        assert_eq!(record["outcome"], outcome, "{record}");
        assert_eq!(record["src"]["pod"], "speaker", "{record}");
        assert_eq!(record["src"]["namespace"], "kube-system", "{record}");
        assert_eq!(record["src"]["node"], "node1", "{record}");
    }
    let other = scene.only_attempt(server.at(10));
    assert_eq!(other["src"]["node"], "node1", "{other}");
    assert_eq!(other["src"].get("pod"), None, "it is no pod's process: {other}");
}

#[test]
fn a_server_in_the_nodes_network_is_named_by_its_cgroup() {
    let world = World::new().unwrap();
    let client = world.pod("web", "front").unwrap();
    let uid = world.cluster.host_pod(&world.node, "monitoring", "exporter").unwrap();
    let node = &world.node.ns;
    let older = {
        let _pod = InPod::enter(&uid).unwrap();
        Server::start(node, PORT + 1).unwrap()
    };
    let agent = world.agent(&[]).unwrap();
    agent.wait_metric("probe_attached", &PROBE, 1.0).unwrap();
    let _serving = {
        let _pod = InPod::enter(&uid).unwrap();
        Server::start(node, PORT).unwrap()
    };
    let named = |to: SocketAddr| {
        connect(&client.ns, to).unwrap().echo().unwrap();
        let named = |r: &Value| is_to(r, to) && r["dst"]["pod"] == "exporter";
        agent.flows("kind=attempt").unwrap().into_iter().find(named)
    };
    for to in node_at(&world, PORT) {
        let record = agent.wait_for("the name of a listener", |_| named(to)).unwrap();
        assert_eq!(record["dst"]["namespace"], "monitoring", "{record}");
        assert_eq!(record["dst"]["node"], "node1", "{record}");
    }
    let [to, _] = node_at(&world, PORT + 1);
    if is_unified().unwrap() {
        // The kernel keeps the cgroup at the socket, and tells it when a connection is accepted.
        agent.wait_for("the name of an older listener", |_| named(to)).unwrap();
    } else {
        // Nothing tells it; the connections above show that listeners were read since.
        connect(&client.ns, to).unwrap().echo().unwrap();
        let record = agent.wait_flow("kind=attempt", |r| is_to(r, to)).unwrap();
        assert_eq!(record["dst"].get("pod"), None, "{record}");
    }
    drop(older);
}
