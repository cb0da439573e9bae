//! Connections that conntrack holds and no program of the agent saw: a second witness beside the hooks.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use lab::agent::Agent;
use lab::announce::Pattern;
use lab::findings::summary;
use lab::lan;
use lab::netns::Netns;
use lab::pod::Pod;
use lab::service;
use lab::traffic::{Conversation, Server, connect};
use lab::vip::{Hold, Traffic, VIP4, Vip};
use lab::wait;
use lab::world::World;

const PORT: u16 = 8080;
const SERVICE: &str = "10.43.0.9:80";
const NODE_PORT: u16 = 30_080;
/// The node's address in the pod's second network.
const SHIM: &str = "10.99.0.1:8080";
/// Three connections within at least 20 s tell, of a pod whose interface was followed for some time.
const TOLD: Duration = Duration::from_secs(90);
/// Connections older than the agent, one of which speaks at a time.
const OLDER: usize = 150;

/// Gives a pod a second interface, as Multus does: a macvlan, in whose network the node has an interface too. What passes
/// between the two meets none of the interfaces that the agent follows. The pod is listed with its address there.
fn in_two_networks(world: &World, mut pod: Pod) -> Pod {
    pod.ip4 = [10, 99, 0, 2].into();
    let node = &world.node.ns;
    node.ip_batch(
        "link add apart0 type veth peer name apart1\n\
         link set apart0 up\n\
         link set apart1 up\n\
         link add shim0 link apart0 type macvlan mode bridge\n\
         addr add 10.99.0.1/24 dev shim0\n\
         link set shim0 up\n\
         link add second0 link apart0 type macvlan mode bridge\n",
    )
    .unwrap();
    node.ip(format!("link set second0 netns {}", pod.ns.name())).unwrap();
    pod.ns.ip_batch(&format!("addr add {}/24 dev second0\nlink set second0 up\n", pod.ip4)).unwrap();
    world.cluster.pod(&world.node.name, &pod).unwrap();
    pod
}

/// Leads the traffic of the second network through the interface that is followed.
fn in_one_network(world: &World, pod: &Pod) {
    world.node.ns.ip(format!("route add {}/32 dev cni0", pod.ip4)).unwrap();
    pod.ns.ip_batch(&format!("link del second0\naddr add {}/24 dev eth0\n", pod.ip4)).unwrap();
}

/// Pods of which each has one kind of ordinary traffic, so that none of it stands for another.
struct Ordinary {
    pods: Vec<Pod>,
    ways: Vec<(Netns, SocketAddr)>,
    _servers: Vec<Server>,
    _vip: Vip,
}

impl Ordinary {
    fn new(world: &World) -> Self {
        let node = &world.node;
        let named = ["service", "behind", "outside", "node", "six", "sixth", "vip", "port", "probed", "own"];
        let pods: Vec<Pod> = named.iter().map(|name| world.pod("web", name).unwrap()).collect();
        let [service, behind, outside, to_node, six, sixth, by_vip, by_port, probed, own] = &pods[..] else {
            panic!("{named:?}")
        };
        let (front, own_front) = (SERVICE.parse().unwrap(), "10.43.0.10:80".parse().unwrap());
        let node_port = SocketAddr::new(node.ip4().into(), NODE_PORT);
        service::forward(node, front, behind.at(PORT)).unwrap();
        service::forward(node, own_front, own.at(PORT)).unwrap();
        service::forward(node, node_port, by_port.at(PORT)).unwrap();
        for masqueraded in [format!("-s {0} -d {0}", own.ip4), format!("-d {}", by_port.ip4)] {
            let rule = format!("-t nat -A POSTROUTING {masqueraded} -j MASQUERADE");
            node.iptables(own.ip4.into(), &rule).unwrap();
        }
        let mut vip = Vip::new(SocketAddr::new(VIP4, PORT), Hold::Address);
        vip.serve(node, by_vip.at(PORT), Traffic::Cluster).unwrap();
        vip.move_to(node, Pattern::METALLB).unwrap();
        let servers = [&behind.ns, &sixth.ns, &by_vip.ns, &by_port.ns, &probed.ns, &own.ns, &world.lan.ns];
        let servers = servers.map(|ns| Server::start(ns, PORT).unwrap());
        let at = |ip: IpAddr| SocketAddr::new(ip, PORT);
        let ways = [
            (&service.ns, front),
            (&own.ns, own_front),
            (&outside.ns, at(lan::ip4(1).into())),
            (&to_node.ns, at(node.ip4().into())),
            (&six.ns, sixth.at6(PORT)),
            (&world.lan.ns, vip.at()),
            (&world.lan.ns, node_port),
            (&node.ns, probed.at(PORT)),
        ];
        let ways = ways.map(|(ns, to)| (ns.clone(), to)).to_vec();
        Self { pods, ways, _servers: servers.into(), _vip: vip }
    }

    fn open(&self) -> Vec<Conversation> {
        let open = self.ways.iter().map(|(ns, to)| {
            let mut open = connect(ns, *to).unwrap_or_else(|error| panic!("{to}: {error}"));
            open.echo().unwrap();
            open
        });
        open.collect()
    }
}

fn unwitnessed(agent: &Agent) -> f64 {
    agent.metric("blind_spots", &[("reason", "unwitnessed")]).unwrap()
}

#[test]
fn connections_that_pass_no_hook_are_a_blind_spot_and_ordinary_ones_are_none() {
    let world = World::new().unwrap();
    let pod = in_two_networks(&world, world.pod("web", "two").unwrap());
    let [elder, elder_server] = ["elder", "elders"].map(|name| world.pod("web", name).unwrap());
    let ordinary = Ordinary::new(&world);
    let _serving = [&world.node.ns, &elder_server.ns].map(|ns| Server::start(ns, PORT).unwrap());
    // Conntrack forgets these, and the agent doesn't know them: each is taken up in the middle when it speaks.
    let mut older: Vec<Conversation> =
        (0..OLDER).map(|_| connect(&elder.ns, elder_server.at(PORT)).unwrap()).collect();
    let _open = ordinary.open();
    world.node.ns.exec("conntrack -F").unwrap();
    let agent = world.agent(&[]).unwrap();
    let to: SocketAddr = SHIM.parse().unwrap();
    let mut held = Vec::new();
    let mut speaks = 0;
    let found = wait::until("the blind spot", TOLD, || {
        let mut open = ordinary.open();
        open.push(connect(&pod.ns, to).unwrap());
        // They stay open until the next ones are.
        held = open;
        older[speaks / 8 % OLDER].echo().unwrap();
        speaks += 1;
        agent.findings_of("blind_spot", "active").ok()?.pop()
    });
    let found = found.unwrap_or_else(|error| panic!("{error}: {}", agent.log()));
    let named = format!("of pod web/{} at {}: the kernel tracks connections", pod.name, pod.ip4);
    assert!(summary(&found).contains(&named), "{found}");
    let evidence = found["evidence"].to_string();
    assert!(evidence.contains(&pod.veth) && evidence.contains("bpftool net"), "{found}");
    assert!((unwitnessed(&agent) - 1.0).abs() < f64::EPSILON, "{}", agent.log());
    assert_eq!(agent.findings_of("blind_spot", "active").unwrap().len(), 1, "{}", agent.shown_findings());
    assert_eq!(ordinary.pods.len(), 10);

    in_one_network(&world, &pod);
    wait::until("the pod to be seen", TOLD, || {
        held = vec![connect(&pod.ns, to).ok()?];
        (unwitnessed(&agent) < 1.0).then_some(())
    })
    .unwrap_or_else(|error| panic!("{error}: {}", agent.log()));
    agent.wait_finding("blind_spot", "resolved", |_| true).unwrap();
}
