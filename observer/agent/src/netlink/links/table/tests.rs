//! Roles, and interfaces that take an index again.

use super::*;
use crate::netlink::link_message::ARPHRD_ETHER;

fn raw(ifindex: u32, name: &str, kind: &str) -> LinkMessage {
    let address = vec![2, 0, 0, 0, 0, u8::try_from(ifindex).unwrap()];
    LinkMessage {
        ifindex,
        name: name.into(),
        kind: kind.into(),
        arphrd: ARPHRD_ETHER,
        up: true,
        address,
        ..LinkMessage::default()
    }
}

fn pod(ifindex: u32, master: Option<u32>) -> LinkMessage {
    LinkMessage { peer_elsewhere: true, peer: Some(2), master, ..raw(ifindex, "veth", "veth") }
}

fn roles(events: &[LinkEvent]) -> Vec<(u32, Option<Role>)> {
    events
        .iter()
        .map(|event| match event {
            LinkEvent::Up(link) => (link.ifindex, Some(link.role)),
            LinkEvent::Gone { ifindex, .. } => (*ifindex, None),
            LinkEvent::Synced => (0, None),
        })
        .collect()
}

#[test]
fn a_bridge_gets_its_role_from_its_ports() {
    let mut table = LinkTable::new(UplinkChoice::Found);
    table.apply(raw(1, "cni0", "bridge"));
    table.apply(pod(5, None));
    assert_eq!(roles(&table.changes()), [(1, Some(Role::Other)), (5, Some(Role::Pod))]);
    table.apply(pod(5, Some(1)));
    assert_eq!(roles(&table.changes()), [(1, Some(Role::Bridge)), (5, Some(Role::Pod))]);
    table.remove(5);
    assert_eq!(roles(&table.changes()), [(5, None), (1, Some(Role::Other))]);
    assert_eq!(table.changes(), []);
}

#[test]
fn a_veth_with_the_default_route_is_the_uplink() {
    let mut table = LinkTable::new(UplinkChoice::Found);
    table.apply(pod(5, None));
    table.set_default_routes([5].into(), [].into());
    assert_eq!(roles(&table.changes()), [(5, Some(Role::Uplink))]);
    table.set_default_routes([].into(), [].into());
    assert_eq!(roles(&table.changes()), [(5, Some(Role::Pod))]);
}

#[test]
fn an_uplink_is_known_as_one_until_it_goes() {
    let mut table = LinkTable::new(UplinkChoice::Found);
    let was_uplink = |table: &mut LinkTable| match &table.changes()[..] {
        [.., LinkEvent::Up(link)] => link.was_uplink,
        events => panic!("{events:?}"),
    };
    table.apply(pod(5, None));
    assert!(!was_uplink(&mut table));
    table.set_default_routes([5].into(), [].into());
    assert!(was_uplink(&mut table));
    table.set_default_routes([].into(), [].into());
    assert!(was_uplink(&mut table));
    table.apply(pod(5, Some(1)));
    assert!(was_uplink(&mut table));
    table.remove(5);
    table.apply(pod(5, None));
    assert!(!was_uplink(&mut table), "another interface");
}

#[test]
fn named_uplinks_are_exactly_those() {
    let mut table = LinkTable::new(UplinkChoice::Named(vec!["eth1".into()]));
    table.apply(raw(2, "eth0", ""));
    table.set_default_routes([2].into(), [].into());
    assert_eq!(table.missing_uplinks(), ["eth1"]);
    table.apply(raw(3, "eth1", ""));
    assert_eq!(table.missing_uplinks(), [""; 0]);
    assert_eq!(roles(&table.changes()), [(2, Some(Role::Other)), (3, Some(Role::Uplink))]);
}

#[test]
fn an_index_used_again_is_another_interface() {
    let mut table = LinkTable::new(UplinkChoice::Found);
    table.apply(pod(5, None));
    table.changes();
    table.remove(5);
    table.apply(pod(5, None));
    assert_eq!(roles(&table.changes()), [(5, None), (5, Some(Role::Pod))]);
    // The same, unseen: found by the dump after an overrun.
    table.reset(vec![LinkMessage { address: vec![9; 6], ..pod(5, None) }]);
    assert_eq!(roles(&table.changes()), [(5, None), (5, Some(Role::Pod))]);
    table.reset(vec![]);
    assert_eq!(roles(&table.changes()), [(5, None)]);
}

#[test]
fn after_a_peer_leaves_the_links_are_read_again() {
    let mut table = LinkTable::new(UplinkChoice::Found);
    table.apply(LinkMessage { peer: Some(6), ..raw(5, "a", "veth") });
    table.apply(LinkMessage { peer: Some(5), ..raw(6, "b", "veth") });
    assert!(table.remove(6));
    assert!(!table.remove(5));
}

#[test]
fn a_default_route_is_doubted_when_its_interface_goes_down() {
    let mut table = LinkTable::new(UplinkChoice::Found);
    table.apply(raw(2, "eth0", ""));
    table.set_default_routes([2].into(), [].into());
    assert!(!table.apply(raw(2, "eth0", "")));
    assert!(table.apply(LinkMessage { up: false, ..raw(2, "eth0", "") }));
}

#[test]
fn what_leads_to_no_other_machine_is_no_uplink() {
    let mut table = LinkTable::new(UplinkChoice::Found);
    table.apply(raw(2, "dummy0", "dummy"));
    table.apply(LinkMessage { peer: Some(4), ..raw(3, "cni_host", "veth") });
    table.set_default_routes([2, 3].into(), [].into());
    assert_eq!(roles(&table.changes()), [(2, Some(Role::Other)), (3, Some(Role::Other))]);
}

#[test]
fn a_bridge_that_is_an_uplink_leads_out_through_its_ports() {
    let mut table = LinkTable::new(UplinkChoice::Found);
    table.apply(raw(1, "br0", "bridge"));
    table.apply(LinkMessage { master: Some(1), ..raw(2, "eth0", "") });
    table.apply(LinkMessage { master: Some(9), ..raw(3, "eth1", "") });
    table.apply(pod(5, Some(1)));
    table.set_default_routes([1].into(), [].into());
    let events = table.changes();
    let expected = [Role::Uplink, Role::Uplink, Role::Other, Role::Pod];
    assert_eq!(roles(&events), [1, 2, 3, 5].into_iter().zip(expected.map(Some)).collect::<Vec<_>>());
    let ports = events.iter().filter(|event| matches!(event, LinkEvent::Up(link) if link.bridge_port));
    assert_eq!(ports.count(), 2, "eth0 and the pod");
}

#[test]
fn a_policy_that_routes_through_a_pod_makes_no_uplink() {
    let mut table = LinkTable::new(UplinkChoice::Found);
    table.apply(raw(1, "cni0", "bridge"));
    table.apply(pod(5, Some(1)));
    table.apply(pod(6, None));
    table.apply(raw(2, "wan1", ""));
    table.set_default_routes([].into(), [1, 2, 6].into());
    let expected = [(1, Role::Bridge), (2, Role::Uplink), (5, Role::Pod), (6, Role::Pod)];
    assert_eq!(roles(&table.changes()), expected.map(|(ifindex, role)| (ifindex, Some(role))));
}

#[test]
fn a_dummy_in_a_bridge_that_leads_out_is_no_uplink() {
    let mut table = LinkTable::new(UplinkChoice::Found);
    table.apply(raw(1, "br0", "bridge"));
    table.apply(LinkMessage { master: Some(1), ..raw(2, "dummy0", "dummy") });
    table.set_default_routes([1].into(), [].into());
    assert_eq!(roles(&table.changes()), [(1, Some(Role::Uplink)), (2, Some(Role::Other))]);
}
