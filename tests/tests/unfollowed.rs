//! A pod with a macvlan on the uplink, which has no interface on the node that the agent could follow.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panic, like tests")]

use std::net::SocketAddr;
use std::time::Duration;

use lab::pod::Pod;
use lab::traffic::{Server, connect};
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

#[test]
fn a_pod_that_is_seen_at_the_uplink_only_is_a_blind_spot() {
    let world = World::new().unwrap();
    let pod = on_the_uplink(&world, world.pod("web", "front").unwrap());
    let (seen, outside) = (world.pod("web", "seen").unwrap(), SocketAddr::new(lan::ip4(1).into(), PORT));
    let _serving = Server::start(&world.lan.ns, PORT).unwrap();
    let agent = world.agent(&[]).unwrap();
    let found = wait::until("the blind spot", TOLD, || {
        // A pod with a veth does the same, and is none.
        [&pod, &seen].iter().try_for_each(|pod| connect(&pod.ns, outside)?.echo()).ok()?;
        agent.findings_of("blind_spot", "active").ok()?.pop()
    });
    let found = found.unwrap_or_else(|error| panic!("{error}: {:?}", agent.flows("kind=attempt")));
    let sentence = format!("the agent on node1 may not see all traffic of pod web/{}: ", pod.name);
    assert!(found["summary"].as_str().unwrap().starts_with(&sentence), "{found}");
    agent.wait_metric("blind_spots", &[("reason", "unfollowed")], 1.0).unwrap();
    world.delete_pod(pod).unwrap();
    agent.wait_metric("blind_spots", &[("reason", "unfollowed")], 0.0).unwrap();
}
