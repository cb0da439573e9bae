//! A SYN flood of bounded size, on a real kernel.

use std::net::{Ipv4Addr, SocketAddr};

use lab::findings::summary;
use lab::traffic::Server;
use lab::traffic::raw::Packet;
use lab::world::World;

const PORT: u16 = 8080;
/// SYNs, each from an address of its own that answers nothing.
const SYNS: u32 = 400;

#[test]
fn a_flood_of_half_open_handshakes_is_one_finding() {
    let world = World::new().unwrap();
    let server = world.pod("data", "cache").unwrap();
    let _serving = Server::start(&server.ns, PORT).unwrap();
    // The kernel follows connections only for a rule that needs it.
    world
        .node
        .iptables(server.ip4.into(), "-A FORWARD -m conntrack --ctstate ESTABLISHED -j ACCEPT")
        .unwrap();
    let agent = world.agent(&["--flood-rate", "10"]).unwrap();
    let outside = &world.lan.ns;
    // The pod is reached through its node, as by a router that knows the pods' network.
    outside.ip(format!("route replace {}/32 via {}", server.ip4, world.node.ip4())).unwrap();
    // Answers to addresses that nobody has end at the router, without a reset.
    outside.ip("route replace blackhole 198.18.0.0/16").unwrap();
    for n in 0..SYNS {
        let from = SocketAddr::new(Ipv4Addr::from(0xC612_0000 + n).into(), 40_000);
        Packet::syn(from, server.at(PORT), 1_000_000 + n).send(outside).unwrap();
    }
    let found = agent.wait_finding("syn_flood", "active", |_| true).unwrap();
    assert_eq!(found["dst"]["pod"], server.name.as_str(), "{found}");
    assert!(summary(&found).starts_with("data/cache ("), "{found}");
    let cause = found["cause"].as_str().unwrap();
    assert!(cause.starts_with("probably spoofed"), "{found}");
    assert!(agent.findings_of("unanswered", "active").unwrap().len() <= 1, "{}", agent.shown_findings());
}
