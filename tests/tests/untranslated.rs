//! Clients that answer their Service's backend with a RST, because NAT did not give a packet of it the Service's address.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panic, like tests")]

use std::net::{IpAddr, SocketAddr};

use lab::agent::Agent;
use lab::cluster::ServiceSpec;
use lab::node::Node;
use lab::overlay;
use lab::pod::Pod;
use lab::traffic::raw::{Packet, flags};
use lab::traffic::{Conversation, Server, connect};
use lab::world::World;
use serde_json::Value;

const PORT: u16 = 8080;
const FRONT: u16 = 80;

/// A client, and a Service with one backend.
struct Scene {
    world: World,
    _other: Option<Node>,
    client: Pod,
    server: Pod,
    _serving: Server,
    /// The Service's addresses, with the backend's and the client's.
    ways: [(IpAddr, SocketAddr, IpAddr); 2],
}

impl Scene {
    /// Client and backend on one node.
    fn new() -> Self {
        let world = World::new().unwrap();
        let server = world.pod("data", "cache").unwrap();
        Self::with(world, server, None)
    }

    /// The backend is on another node: no hook of the client's node sees its address before it answers with a RST.
    fn across() -> Self {
        let world = World::new().unwrap();
        let other = world.add_node("node2", 2).unwrap();
        overlay::join(&[&world.node, &other]).unwrap();
        let server = world.pod_on(&other, "data", "cache").unwrap();
        Self::with(world, server, Some(other))
    }

    fn with(world: World, server: Pod, other: Option<Node>) -> Self {
        let client = world.pod("web", "front").unwrap();
        let serving = Server::start(&server.ns, PORT).unwrap();
        let vips: [IpAddr; 2] = ["10.43.0.80".parse().unwrap(), "fd43::80".parse().unwrap()];
        let spec = ServiceSpec {
            namespace: "data",
            name: "cache",
            cluster_ips: &vips,
            port: FRONT,
            target_port: PORT,
        };
        world.service(&spec, &server).unwrap();
        let ways =
            [(vips[0], server.at(PORT), client.ip4.into()), (vips[1], server.at6(PORT), client.ip6.into())];
        Self { world, _other: other, client, server, _serving: serving, ways }
    }

    /// Opens a connection, and returns it with its client port.
    fn open(&self, vip: IpAddr) -> (Conversation, u16) {
        let mut open = connect(&self.client.ns, (vip, FRONT).into()).unwrap();
        open.echo().unwrap();
        let port = open.local_port().unwrap();
        (open, port)
    }

    /// Sends packets from the backend that belong to no window. Of two sequence numbers so far apart one is above it, and so
    /// invalid; one below it is taken for a repetition.
    fn stray(&self, backend: SocketAddr, client: SocketAddr) {
        for seq in [1, 1 << 31] {
            let stray = Packet { from: backend, to: client, seq, ack: 0x7000_0000, flags: flags::ACK };
            stray.send(&self.server.ns).unwrap();
        }
    }
}

/// Checks the record of a client's RST, and returns it.
fn told(agent: &Agent, port: u16, vip: IpAddr, cause: &str) -> Value {
    let record = agent.wait_flow("kind=reset", |r| r["src"]["port"] == port).unwrap();
    assert_eq!(record["cause"], cause, "{record}");
    assert_eq!(record["by"], "client", "{record}");
    assert_eq!(record["dst"]["ip"], vip.to_string(), "{record}");
    assert_eq!(record["dst"]["port"], FRONT, "{record}");
    assert_eq!(record["dst"]["backend_port"], PORT, "{record}");
    assert_eq!(record["dst"]["pod"].as_str().unwrap().split('-').next(), Some("cache"), "{record}");
    record
}

/// Opens a connection for each way, lets a packet stray after `meanwhile`, and returns the checked records.
fn strayed(scene: &Scene, meanwhile: impl Fn(), cause: &str) -> Vec<Value> {
    let agent = scene.world.agent(&[]).unwrap();
    let told = |(vip, backend, client)| {
        let (_open, port) = scene.open(vip);
        agent.wait_flow("kind=attempt", |r| r["src"]["port"] == port).unwrap();
        meanwhile();
        scene.stray(backend, SocketAddr::new(client, port));
        told(&agent, port, vip, cause)
    };
    scene.ways.into_iter().map(told).collect()
}

#[test]
fn a_packet_that_is_taken_for_invalid() {
    for record in strayed(&Scene::new(), || (), "conntrack_invalid") {
        assert_eq!(record["phase"], "established", "{record}");
    }
}

#[test]
fn a_packet_that_is_taken_for_invalid_on_another_node() {
    strayed(&Scene::across(), || (), "conntrack_invalid");
}

/// The agent learns of connections from the kernel's table, or asks for this one.
#[test]
fn a_packet_of_a_connection_that_is_older_than_the_agent() {
    let scene = Scene::new();
    let open = scene.ways.map(|(vip, ..)| scene.open(vip));
    let agent = scene.world.agent(&[]).unwrap();
    for ((vip, backend, client), (_, port)) in scene.ways.into_iter().zip(&open) {
        scene.stray(backend, SocketAddr::new(client, *port));
        told(&agent, *port, vip, "conntrack_invalid");
    }
}

#[test]
fn a_packet_of_a_connection_that_is_tracked_no_more() {
    let scene = Scene::new();
    let forget = || drop(scene.world.node.ns.exec("conntrack -F").unwrap());
    strayed(&scene, forget, "conntrack_gone");
}

/// What the client itself ends goes to the Service's address.
#[test]
fn a_reset_of_the_clients_own_accord_has_no_cause() {
    let scene = Scene::new();
    let agent = scene.world.agent(&[]).unwrap();
    for (vip, ..) in scene.ways {
        let (open, port) = scene.open(vip);
        agent.wait_flow("kind=attempt", |r| r["src"]["port"] == port).unwrap();
        open.reset().unwrap();
        let record = agent.wait_flow("kind=reset", |r| r["src"]["port"] == port).unwrap();
        assert_eq!((&record["by"], &record["cause"]), (&"client".into(), &Value::Null), "{record}");
    }
}
