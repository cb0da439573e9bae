//! A pod with a macvlan on the uplink, which has no interface on the node that the agent could follow.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panic, like tests")]

use std::net::SocketAddr;
use std::time::Duration;

use lab::announce::Pattern;
use lab::pod::Pod;
use lab::traffic::{Server, connect, connect_within};
use lab::vip::{Hold, Traffic, VIP4, Vip};
use lab::world::World;
use lab::{lan, wait};

const PORT: u16 = 8080;
/// Three connections within at least 20 s tell.
const TOLD: Duration = Duration::from_secs(60);

/// Replaces a pod's veth by a macvlan with an address of the LAN.
fn on_the_uplink(world: &World, mut pod: Pod) -> Pod {
    pod.ip4 = lan::ip4(77);
    world.node.ns.ip("link add mac0 link eth0 type macvlan mode bridge").unwrap();
    world.node.ns.ip(format!("link set mac0 netns {}", pod.ns.name())).unwrap();
    let lines = format!("link del eth0\nlink set mac0 up\naddr add {}/24 dev mac0\n", pod.ip4);
    pod.ns.ip_batch(&lines).unwrap();
    world.cluster.pod(&world.node.name, &pod).unwrap();
    pod
}

/// Gives two pods a macvlan on an interface of their own: what passes between them is seen by no hook.
fn apart(world: &World, pods: [Pod; 2]) -> [Pod; 2] {
    let node = &world.node.ns;
    node.ip_batch("link add apart0 type veth peer name apart1\nlink set apart0 up\nlink set apart1 up\n")
        .unwrap();
    let mut host = 0;
    pods.map(|mut pod| {
        host += 1;
        pod.ip4 = [10, 99, 0, host].into();
        node.ip(format!("link add apart{host}m link apart0 type macvlan mode bridge")).unwrap();
        node.ip(format!("link set apart{host}m netns {}", pod.ns.name())).unwrap();
        let lines =
            format!("link del eth0\nlink set apart{host}m up\naddr add {}/24 dev apart{host}m\n", pod.ip4);
        pod.ns.ip_batch(&lines).unwrap();
        world.cluster.pod(&world.node.name, &pod).unwrap();
        pod
    })
}

/// Serves a VIP of the node from the pod. The node masquerades its clients, so that the pod never sees their addresses.
fn behind_vip(world: &World, pod: &Pod) -> Vip {
    let mut vip = Vip::new(SocketAddr::new(VIP4, PORT), Hold::Address);
    vip.serve(&world.node, pod.at(PORT), Traffic::Cluster).unwrap();
    vip.move_to(&world.node, Pattern::METALLB).unwrap();
    vip
}

#[test]
fn a_pod_that_is_seen_at_the_uplink_only_is_a_blind_spot() {
    let world = World::new().unwrap();
    let pod = on_the_uplink(&world, world.pod("web", "front").unwrap());
    let (seen, outside) = (world.pod("web", "seen").unwrap(), SocketAddr::new(lan::ip4(1).into(), PORT));
    let served = world.pod("web", "served").unwrap();
    let _serving = [&world.lan.ns, &served.ns].map(|netns| Server::start(netns, PORT).unwrap());
    let vip = behind_vip(&world, &served);
    let agent = world.agent(&[]).unwrap();
    let found = wait::until("the blind spot", TOLD, || {
        // A pod with a veth does the same, and is none; nor is one behind a VIP.
        connect(&world.lan.ns, vip.at()).ok()?.echo().ok()?;
        [&seen, &pod].iter().try_for_each(|pod| connect(&pod.ns, outside)?.echo()).ok()?;
        agent.findings_of("blind_spot", "active").ok()?.pop()
    });
    let found = found.unwrap_or_else(|error| panic!("{error}: {:?}", agent.flows("kind=attempt")));
    let sentence =
        format!("the agent on node1 may not see all traffic of pod web/{} at {}: ", pod.name, pod.ip4);
    assert!(found["summary"].as_str().unwrap().starts_with(&sentence), "{found}");
    let by_vip = agent.wait_flow("kind=attempt", |r| r["dst"]["ip"] == VIP4.to_string()).unwrap();
    assert_eq!(by_vip["vantage"], "transit", "{by_vip}");
    assert_eq!(by_vip["dst"]["pod"], served.name.as_str(), "{by_vip}");
    agent.wait_metric("blind_spots", &[("reason", "unfollowed")], 1.0).unwrap();
    world.delete_pod(pod).unwrap();
    agent.wait_metric("blind_spots", &[("reason", "unfollowed")], 0.0).unwrap();
}

#[test]
fn the_sockets_of_a_pod_that_no_hook_sees_tell_of_its_attempts() {
    const SILENT: u16 = 81;
    let world = World::new().unwrap();
    let pods = [("web", "front"), ("data", "cache")].map(|(ns, name)| world.pod(ns, name).unwrap());
    let [client, server] = apart(&world, pods);
    let seen = world.pod("web", "seen").unwrap();
    let _serving = [&server.ns, &seen.ns].map(|netns| Server::start(netns, PORT).unwrap());
    server.ns.exec(format!("iptables -w -I INPUT -p tcp --dport {SILENT} -j DROP")).unwrap();
    let agent = world.agent(&[]).unwrap();
    let of = |port: u16| agent.flows(&format!("kind=attempt&port={port}")).unwrap();
    // The agent looks for such pods at intervals; what was before is not seen.
    wait::until("an attempt that a socket tells of", TOLD, || {
        connect(&client.ns, server.at(PORT)).ok()?.echo().ok()?;
        of(PORT).pop()
    })
    .unwrap();
    let before = of(PORT).len();
    connect(&client.ns, server.at(PORT)).unwrap().echo().unwrap();
    connect(&client.ns, server.at(9)).unwrap_err();
    connect_within(&client.ns, server.at(SILENT), Duration::from_millis(1_500)).unwrap_err();
    for (port, outcome) in [(PORT, "established"), (9, "refused"), (SILENT, "unanswered")] {
        let record = agent.wait_flow(&format!("kind=attempt&port={port}"), |_| true).unwrap();
        assert_eq!(record["outcome"], outcome, "{record}");
        assert_eq!(record["vantage"], "source", "{record}");
        assert_eq!(record["src"]["pod"], client.name.as_str(), "{record}");
        assert_eq!(record["dst"]["pod"], server.name.as_str(), "{record}");
    }
    agent.wait_for("one record for each", |_| (of(PORT).len() > before).then_some(())).unwrap();
    assert_eq!([of(PORT).len(), of(9).len(), of(SILENT).len()], [before + 1, 1, 1]);
    // A pod with a veth is not told twice, nor what it says to itself.
    connect(&seen.ns, seen.at(PORT)).unwrap().echo().unwrap();
    connect(&world.node.ns, seen.at(PORT)).unwrap().echo().unwrap();
    agent.wait_flow("kind=attempt", |r| r["dst"]["pod"] == seen.name.as_str()).unwrap();
    let all = agent.flows("kind=attempt").unwrap();
    assert_eq!(all.iter().filter(|r| r["dst"]["pod"] == seen.name.as_str()).count(), 1, "{all:#?}");
    let pair = [("src_workload", "front"), ("dst_workload", "cache")];
    let with = |label: (&'static str, &'static str)| [pair[0], pair[1], label];
    agent.wait_metric("connection_attempts_total", &with(("outcome", "refused")), 1.0).unwrap();
    agent.wait_metric("connection_attempts_total", &with(("outcome", "unanswered")), 1.0).unwrap();
    agent.wait_metric("tcp_syn_total", &with(("dst_port", "81")), 2.0).unwrap();
}
