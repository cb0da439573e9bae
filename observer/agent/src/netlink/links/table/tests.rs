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

/// Returns the reason of each uplink.
fn reasons(events: &[LinkEvent]) -> Vec<(u32, Because)> {
    let of = |event: &LinkEvent| match event {
        LinkEvent::Up(link) => Some((link.ifindex, link.because?)),
        LinkEvent::Gone { .. } | LinkEvent::Synced => None,
    };
    events.iter().filter_map(of).collect()
}

fn place(ifindex: u32, ip: &str) -> Place {
    (ifindex, ip.parse().unwrap())
}

#[test]
fn what_a_tunnel_sends_by_is_an_uplink() {
    let vxlan = |ifindex| raw(ifindex, "flannel.1", "vxlan");
    let own = [place(2, "10.9.0.1"), place(3, "10.8.0.1"), place(4, "fd09::1"), place(5, "10.7.0.1")];
    for (tunnel, expect) in [
        (LinkMessage { underlay: Some(2), local: Some("10.8.0.1".parse().unwrap()), ..vxlan(9) }, Some(2)),
        (LinkMessage { local: Some("10.8.0.1".parse().unwrap()), ..vxlan(9) }, Some(3)),
        (LinkMessage { local: Some("fd09::1".parse().unwrap()), ..vxlan(9) }, Some(4)),
        // Never a dummy, nor by a number of another namespace.
        (LinkMessage { local: Some("10.7.0.1".parse().unwrap()), ..vxlan(9) }, None),
        (LinkMessage { underlay: Some(2), peer_elsewhere: true, ..vxlan(9) }, None),
        (vxlan(9), None),
    ] {
        let mut table = LinkTable::new(UplinkChoice::Found);
        for (ifindex, kind) in [(2, ""), (3, "vlan"), (4, "bond"), (5, "dummy")] {
            table.apply(raw(ifindex, &format!("if{ifindex}"), kind));
        }
        table.set_addresses(own.into(), [].into());
        table.apply(tunnel.clone());
        let expect: Vec<_> = expect.into_iter().map(|ifindex| (ifindex, Because::Underlay)).collect();
        assert_eq!(reasons(&table.changes()), expect, "{tunnel:?}");
        table.remove(9);
        assert_eq!(reasons(&table.changes()), []);
        assert!(table.reported.values().all(|link| link.role != Role::Uplink));
    }
}

#[test]
fn each_uplink_has_a_reason() {
    let mut table = LinkTable::new(UplinkChoice::Also(vec!["if6".into()]));
    for (ifindex, kind) in [(2, ""), (3, ""), (4, ""), (5, "dummy"), (6, ""), (7, "")] {
        table.apply(raw(ifindex, &format!("if{ifindex}"), kind));
    }
    table.apply(LinkMessage { master: Some(9), ..raw(8, "if8", "bond") });
    table.apply(raw(9, "br0", "bridge"));
    table.set_default_routes([2, 9].into(), [3].into());
    let own = [place(4, "10.9.0.1"), place(5, "10.9.0.1"), place(7, "10.0.0.7")];
    table.set_addresses(own.into(), ["10.9.0.1".parse().unwrap()].into());
    let expect = [
        (2, Because::DefaultRoute),
        (3, Because::OtherDefaultRoute),
        (4, Because::NodeAddress),
        (6, Because::Named),
        (8, Because::Port),
        (9, Because::DefaultRoute),
    ];
    assert_eq!(reasons(&table.changes()), expect);
}

#[test]
fn names_replace_what_is_found_and_a_plus_adds_to_it() {
    let parsed =
        |names: &[&str]| UplinkChoice::parse(&names.iter().map(|n| (*n).to_owned()).collect::<Vec<_>>());
    let names = |names: &[&str]| names.iter().map(|n| (*n).to_owned()).collect::<Vec<_>>();
    assert_eq!(parsed(&[]), UplinkChoice::Found);
    assert_eq!(parsed(&["+eth1", "+eth2"]), UplinkChoice::Also(names(&["eth1", "eth2"])));
    assert_eq!(parsed(&["eth1", "+eth2"]), UplinkChoice::Named(names(&["eth1", "eth2"])));
    for (choice, expect) in [(parsed(&["+if3"]), vec![2, 3]), (parsed(&["if3"]), vec![3])] {
        let mut table = LinkTable::new(choice);
        table.apply(raw(2, "if2", ""));
        table.apply(raw(3, "if3", ""));
        table.set_default_routes([2].into(), [].into());
        assert_eq!(reasons(&table.changes()).iter().map(|(ifindex, _)| *ifindex).collect::<Vec<_>>(), expect);
    }
}
