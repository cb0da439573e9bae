//! A pod with a macvlan on the uplink, which has no interface on the node that the agent could follow.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panic, like tests")]

use std::net::SocketAddr;
use std::time::Duration;

use lab::announce::Pattern;
use lab::pod::Pod;
use lab::traffic::{Server, connect};
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
