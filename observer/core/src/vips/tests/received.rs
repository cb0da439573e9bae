//! Holders that connections show, and Nodes' Ethernet addresses from their own announcements.

use super::*;

/// This node, node-a, has its own address on the interface that receives.
fn at_home() -> Scene {
    let mut scene = Scene::new();
    scene.vips.neighbours(&[(node_ip('a'), mac('a'))], &[mac('a')]);
    scene
}

/// Snapshots follow within a second.
fn receive(scene: &mut Scene) {
    scene.vips.received(ip(VIP), millis(scene.now));
    let later = scene.now / 1_000 + 2;
    scene.play(&later.to_string());
}

#[test]
fn who_receives_connections_to_a_vip_holds_it() {
    let mut scene = at_home();
    receive(&mut scene);
    let claimant = scene.snapshot(VIP).claimant.unwrap();
    assert_eq!((claimant.node.as_deref(), claimant.mac, claimant.received), (Some("node-a"), mac('a'), true));
    assert_eq!((scene.announcements().len(), scene.moves(ClaimSource::Wire)), (0, 0));
    // Its first announcement is no move, and a takeover is one.
    scene.play("10 a!");
    assert!(!scene.snapshot(VIP).claimant.unwrap().received);
    scene.play("20 b!");
    assert_eq!(scene.moves(ClaimSource::Wire), 1);
    assert_eq!(scene.snapshot(VIP).claimant.unwrap().node.as_deref(), Some("node-b"));
}

/// A client with an old neighbour entry still sends to the former holder.
#[test]
fn an_announcement_knows_better_than_a_connection() {
    let mut scene = at_home();
    scene.play("0 b!; 2");
    receive(&mut scene);
    assert_eq!(scene.snapshot(VIP).claimant.unwrap().mac, mac('b'));
    assert_eq!(scene.moves(ClaimSource::Wire), 0);
}

#[test]
fn a_connection_contradicts_no_object() {
    let mut scene = at_home();
    scene.play("0 l2:x=b");
    receive(&mut scene);
    scene.play("100 ");
    assert_eq!(scene.changes(), Vec::<String>::new());
}

#[test]
fn where_the_own_address_is_on_no_known_interface_nobody_is_named() {
    let mut scene = Scene::new();
    receive(&mut scene);
    assert!(scene.snapshot(VIP).claimant.is_none());
}

/// Claims of a Node's own address tell whose Ethernet address it is, also of claims before.
#[test]
fn a_node_s_own_announcement_names_its_claims() {
    let mut scene = Scene::new();
    scene.vips.neighbours(&[], &[]);
    scene.play("0 x!; 2");
    assert_eq!(scene.snapshot(VIP).claimant.unwrap().node, None);
    let own = |ip, how| AnnouncementSeen { time: at(1.0), ip, mac: mac('x'), how, outbound: false };
    scene.vips.announcement(&own(node_ip('c'), Announced::Arp));
    scene.play("5 x!");
    assert_eq!(scene.snapshot(VIP).claimant.unwrap().node.as_deref(), Some("node-c"));
    assert!(!scene.outputs.iter().any(|output| matches!(output, Output::Unclaimed { .. })));
}
