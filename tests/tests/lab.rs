//! Tests of the lab itself, without an agent: its traffic has the effects that the scenarios expect.

use std::io::ErrorKind;
use std::time::Duration;

use lab::cluster::ServiceSpec;
use lab::firewall::{Firewall, Refusal};
use lab::foreign;
use lab::lan::{OUTSIDE4, OUTSIDE6};
use lab::tcx::{self, Foreign, Where};
use lab::traffic::burst::{self, Lane, Tally};
use lab::traffic::raw::Packet;
use lab::traffic::{Server, connect, connect_within};
use lab::world::World;
use lab::{overlay, service, wait};

#[test]
fn pods_talk_directly_and_through_a_cluster_ip() {
    let world = World::new().unwrap();
    let (client, server) = (world.pod("web", "front").unwrap(), world.pod("data", "cache").unwrap());
    let _serving = Server::start(&server.ns, 8080).unwrap();
    let vips = ["10.43.0.80".parse().unwrap(), "fd43::80".parse().unwrap()];
    let spec =
        ServiceSpec { namespace: "data", name: "cache", cluster_ips: &vips, port: 80, target_port: 8080 };
    world.service(&spec, &server).unwrap();
    for to in [server.at(8080), server.at6(8080), (vips[0], 80).into(), (vips[1], 80).into()] {
        connect(&client.ns, to).unwrap().echo().unwrap_or_else(|e| panic!("{to}: {e}"));
        connect(&world.node.ns, to).unwrap().echo().unwrap_or_else(|e| panic!("node to {to}: {e}"));
    }
    let closed = connect(&client.ns, server.at(9)).unwrap_err();
    assert_eq!(closed.kind(), ErrorKind::ConnectionRefused);
}

#[test]
fn a_firewall_refuses_new_connections_only() {
    let world = World::new().unwrap();
    let (client, server) = (world.pod("web", "front").unwrap(), world.pod("data", "cache").unwrap());
    let _serving = Server::start(&server.ns, 8080).unwrap();
    let firewall = Firewall::new(&world.node, &server, (8080, 8080), Refusal::PortUnreachable).unwrap();
    firewall.allow_pod(&client).unwrap();
    for to in [server.at(8080), server.at6(8080)] {
        let mut open = connect(&client.ns, to).unwrap();
        firewall.deny_pod(&client).unwrap();
        let resets = world.node.ns.counter("Tcp", "OutRsts").unwrap();
        assert_eq!(connect(&client.ns, to).unwrap_err().kind(), ErrorKind::ConnectionRefused, "{to}");
        assert_eq!(world.node.ns.counter("Tcp", "OutRsts").unwrap(), resets, "an ICMP error, no RST");
        open.echo().unwrap();
        firewall.allow_pod(&client).unwrap();
    }
}

/// Both pods' policies must admit a connection: a mark of the client's firewall has no effect at the server's.
#[test]
fn a_firewall_for_what_a_pod_sends() {
    let world = World::new().unwrap();
    let (client, server) = (world.pod("web", "front").unwrap(), world.pod("data", "cache").unwrap());
    let _serving = Server::start(&server.ns, 8080).unwrap();
    let refusal = Refusal::PortUnreachable;
    let egress = Firewall::egress(&world.node, &client, (8080, 8080), refusal).unwrap();
    let ingress = Firewall::new(&world.node, &server, (8080, 8080), refusal).unwrap();
    let refused = |to| connect(&client.ns, to).is_err_and(|e| e.kind() == ErrorKind::ConnectionRefused);
    for to in [server.at(8080), server.at6(8080)] {
        let (from, peer) = if to.is_ipv4() {
            (client.ip4.into(), server.ip4.into())
        } else {
            (client.ip6.into(), server.ip6.into())
        };
        assert!(refused(to), "{to}: neither admits");
        egress.allow(peer).unwrap();
        assert!(refused(to), "{to}: the server's does not admit");
        ingress.allow(from).unwrap();
        connect(&client.ns, to).unwrap().echo().unwrap();
        egress.deny(peer).unwrap();
        assert!(refused(to), "{to}: the client's does not admit");
    }
}

#[test]
fn a_service_without_backends_is_rejected() {
    let world = World::new().unwrap();
    let client = world.pod("web", "front").unwrap();
    for front in ["10.43.0.80:80".parse().unwrap(), "[fd43::80]:80".parse().unwrap()] {
        service::refuse(&world.node, front).unwrap();
        let resets = world.node.ns.counter("Tcp", "OutRsts").unwrap();
        assert_eq!(connect(&client.ns, front).unwrap_err().kind(), ErrorKind::ConnectionRefused, "{front}");
        assert_eq!(world.node.ns.counter("Tcp", "OutRsts").unwrap(), resets, "an ICMP error, no RST");
    }
}

#[test]
fn firewalls_refuse_in_many_ways() {
    let world = World::new().unwrap();
    let client = world.pod("web", "front").unwrap();
    for (refusal, kind) in [
        (Refusal::HostUnreachable, ErrorKind::HostUnreachable),
        (Refusal::AdminProhibited, ErrorKind::HostUnreachable),
        (Refusal::TcpReset, ErrorKind::ConnectionRefused),
        (Refusal::Drop, ErrorKind::TimedOut),
    ] {
        let server = world.pod("data", "cache").unwrap();
        let _serving = Server::start(&server.ns, 8080).unwrap();
        let _firewall = Firewall::new(&world.node, &server, (8080, 8080), refusal).unwrap();
        for to in [server.at(8080), server.at6(8080)] {
            let error = connect_within(&client.ns, to, Duration::from_secs(1)).unwrap_err();
            // Over IPv6 these errors are soft: the client tries again. On a busy machine the kernel's timeout may come
            // first, and then it returns the error of the ICMP message.
            let soft = [ErrorKind::TimedOut, ErrorKind::HostUnreachable, ErrorKind::PermissionDenied];
            let is_soft = to.is_ipv6() && kind == ErrorKind::HostUnreachable;
            let expected: &[ErrorKind] = if is_soft { &soft } else { &[kind] };
            assert!(expected.contains(&error.kind()), "{refusal:?} {to}: {error}");
        }
    }
}

#[test]
fn nodes_reach_each_other_and_the_outside() {
    let world = World::new().unwrap();
    let second = world.add_node("node2", 2).unwrap();
    overlay::join(&[&world.node, &second]).unwrap();
    let client = world.pod("web", "front").unwrap();
    let server = world.pod_on(&second, "data", "cache").unwrap();
    let _serving = Server::start(&server.ns, 8080).unwrap();
    let _outside = Server::start(&world.lan.ns, 443).unwrap();
    let external = world.lan.host(&world.guard, "external", 50).unwrap();
    let node_port = (second.ip4(), 30080).into();
    service::forward(&second, node_port, server.at(8080)).unwrap();
    for (from, to) in [
        (&client.ns, server.at(8080)),
        (&client.ns, server.at6(8080)),
        (&client.ns, (OUTSIDE4, 443).into()),
        (&client.ns, (OUTSIDE6, 443).into()),
        (&external.ns, node_port),
        (&external.ns, (OUTSIDE4, 443).into()),
    ] {
        let answer = connect(from, to).and_then(|mut c| c.echo());
        answer.unwrap_or_else(|e| panic!("{} to {to}: {e}", from.name()));
    }
}

#[test]
fn an_address_can_be_reused_at_once() {
    let world = World::new().unwrap();
    let server = world.pod("data", "cache").unwrap();
    let _serving = Server::start(&server.ns, 8080).unwrap();
    for round in 0..3 {
        let client = world.pod_at(99, "web", "front").unwrap();
        for to in [server.at(8080), server.at6(8080)] {
            let answer = connect_within(&client.ns, to, Duration::from_secs(5)).and_then(|mut c| c.echo());
            answer.unwrap_or_else(|e| panic!("round {round}: {e}"));
        }
        world.delete_pod(client).unwrap();
    }
}

#[test]
fn a_scanner_resets_by_itself() {
    let world = World::new().unwrap();
    let (client, server) = (world.pod("web", "front").unwrap(), world.pod("data", "cache").unwrap());
    let _serving = Server::start(&server.ns, 8080).unwrap();
    for (count, from, to) in [(1, client.at(4000), server.at(8080)), (2, client.at6(4000), server.at6(8080))]
    {
        Packet::syn(from, to, 7).send(&client.ns).unwrap();
        let resets = || client.ns.counter("Tcp", "OutRsts").ok().filter(|n| *n == count);
        wait::until("the kernel's RST", wait::DEADLINE, resets).unwrap();
    }
}

#[test]
fn bursts_are_tallied_exactly() {
    let world = World::new().unwrap();
    let clients: Vec<_> = (0..3).map(|_| world.pod("web", "front").unwrap()).collect();
    let server = world.pod("data", "cache").unwrap();
    let _serving = Server::start(&server.ns, 8080).unwrap();
    let lanes: Vec<_> = clients
        .iter()
        .flat_map(|c| [8080, 9].map(|port| Lane { client: c.ns.clone(), to: server.at(port), count: 30 }))
        .collect();
    let tallies = burst::run(&lanes).unwrap();
    let open = Tally { established: 30, client_resets: 10, server_resets: 10, refused: 0 };
    let closed = Tally { refused: 30, ..Tally::default() };
    assert_eq!(tallies, [open, closed, open, closed, open, closed]);
    let sent: u64 = clients.iter().map(|c| c.ns.counter("Tcp", "OutRsts").unwrap()).sum();
    assert_eq!(sent, 30);
    assert_eq!(server.ns.counter("Tcp", "OutRsts").unwrap(), 30 + 90);
}

#[test]
fn foreign_programs_come_and_go() {
    let world = World::new().unwrap();
    let pod = world.pod("web", "front").unwrap();
    let (ns, veth) = (&world.node.ns, pod.veth.as_str());
    let on_tcx = Foreign::attach(ns, veth, Where::Tcx).unwrap();
    let on_clsact = Foreign::attach(ns, veth, Where::Clsact).unwrap();
    assert_eq!(tcx::programs(ns, veth).unwrap(), [tcx::FOREIGN; 2]);
    assert_eq!(foreign::filters(ns, veth, tcx::FOREIGN).unwrap().len(), 2);
    assert!(foreign::our_filters(ns).unwrap().is_empty());
    drop((on_tcx, on_clsact));
    assert!(tcx::programs(ns, veth).unwrap().is_empty());
    assert!(foreign::filters(ns, veth, tcx::FOREIGN).unwrap().is_empty());
}
