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
    receive_from(scene, "192.0.2.77");
}

fn receive_from(scene: &mut Scene, client: &str) {
    scene.vips.received(ip(client), ip(VIP), millis(scene.now));
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

/// Behind a router, or with an old neighbour entry of the client, a node receives without having had the address.
#[test]
fn the_first_announcement_after_a_connection_is_no_move() {
    let mut scene = at_home();
    receive(&mut scene);
    scene.play("10 b!; 12");
    assert_eq!(scene.snapshot(VIP).claimant.unwrap().node.as_deref(), Some("node-b"));
    assert_eq!(scene.moves(ClaimSource::Wire), 0);
}

#[test]
fn a_connection_announces_nothing_when_a_status_is_gone() {
    let mut scene = at_home();
    scene.play("0 l2:o=a; 20 l2:o-; 40");
    receive(&mut scene);
    scene.play("60");
    assert!(scene.snapshot(VIP).claimant.unwrap().received);
    assert_eq!(scene.changes(), Vec::<String>::new());
}

#[test]
fn what_this_machine_sends_is_not_received() {
    let mut scene = at_home();
    scene.vips.neighbours(&[(node_ip('a'), mac('a')), (ip("192.0.2.9"), mac('a'))], &[mac('a')]);
    receive_from(&mut scene, "192.0.2.9");
    assert!(scene.snapshot(VIP).claimant.is_none());
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
