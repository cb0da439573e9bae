//! Messages in every state, floods and arbitrary bytes.

use proptest::prelude::*;

use super::*;
use crate::netlink::neighbours::message::{IFA_ADDRESS, IFA_LOCAL, NDA_DST, NDA_LLADDR, NDMSG};
use crate::netlink::rtnetlink::{AF_INET, AF_INET6};

const ETH: [u8; 6] = [2, 0, 0, 0, 0, 1];
const OTHER: [u8; 6] = [2, 0, 0, 0, 0, 2];

fn attr(kind: u16, value: &[u8]) -> Vec<u8> {
    let len = u16::try_from(4 + value.len()).unwrap();
    let mut out = [len.to_ne_bytes(), kind.to_ne_bytes()].concat();
    out.extend(value);
    out.resize(out.len().next_multiple_of(4), 0);
    out
}

fn neigh(family: u8, interface: u8, state: u16, attributes: &[Vec<u8>]) -> Vec<u8> {
    let [low, high] = state.to_ne_bytes();
    let header = [&[family, 0, 0, 0][..], &u32::from(interface).to_ne_bytes(), &[low, high, 0, 1]];
    [header.concat(), attributes.concat()].concat()
}

/// Returns the neighbour 10.0.0.`host` at interface 2.
fn v4(host: u8, state: u16, mac: [u8; 6]) -> Vec<u8> {
    neigh(AF_INET, 2, state, &[attr(NDA_DST, &[10, 0, 0, host]), attr(NDA_LLADDR, &mac)])
}

fn link(interface: u8, arphrd: u16, mac: &[u8]) -> Vec<u8> {
    let [low, high] = arphrd.to_ne_bytes();
    let header = [&[0, 0, low, high][..], &u32::from(interface).to_ne_bytes(), &[0; 8]].concat();
    [header, attr(1, mac)].concat()
}

fn own(family: u8, interface: u8, attributes: &[Vec<u8>]) -> Vec<u8> {
    [&[family, 24, 0, 0][..], &u32::from(interface).to_ne_bytes(), &attributes.concat()].concat()
}

fn table(messages: &[(u16, Vec<u8>)]) -> Table {
    let mut table = Table::new(MAX);
    messages.iter().for_each(|(kind, body)| table.apply(*kind, body));
    table
}

const MAX: usize = 8;

/// Returns `ip mac` of each neighbour, then the own addresses.
fn shown(table: &Table) -> Vec<String> {
    let (neighbours, own) = table.snapshot();
    let neighbours = neighbours.iter().map(|(ip, mac)| format!("{ip} {mac}"));
    neighbours.chain(own.iter().map(ToString::to_string)).collect()
}

#[test]
fn states_with_an_address_count() {
    for (state, usable) in [
        (0x00, false),
        (0x01, false),
        (0x02, true),
        (0x04, true),
        (0x08, true),
        (0x10, true),
        (0x20, false),
        (0x40, false),
        (0x80, true),
    ] {
        let table = table(&[(NEWNEIGH, v4(1, state, ETH))]);
        let expect: &[&str] = if usable { &["10.0.0.1 02:00:00:00:00:01"] } else { &[] };
        assert_eq!(shown(&table), expect, "{state:#x}");
    }
}

#[test]
fn a_neighbour_comes_changes_and_goes() {
    let mut table = table(&[(NEWNEIGH, v4(1, 2, ETH))]);
    assert!(table.changed().is_some());
    table.apply(NEWNEIGH, &v4(1, 4, ETH));
    assert_eq!(table.changed(), None);
    table.apply(NEWNEIGH, &v4(1, 2, OTHER));
    assert_eq!(table.changed().unwrap().0, [([10, 0, 0, 1].into(), Mac(OTHER))]);
    table.apply(NEWNEIGH, &v4(1, 0x20, OTHER));
    assert_eq!(table.changed().unwrap().0, []);
    table.apply(NEWNEIGH, &v4(1, 2, OTHER));
    table.apply(DELNEIGH, &v4(1, 2, OTHER));
    assert_eq!(shown(&table), [""; 0]);
}

#[test]
fn both_families_and_nothing_else() {
    let v6 = [0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9];
    let messages = [
        neigh(AF_INET6, 2, 2, &[attr(NDA_DST, &v6), attr(NDA_LLADDR, &ETH)]),
        // A bridge's forwarding table, an IPv4 address of the wrong length, no Ethernet, zero, broadcast.
        neigh(7, 2, 2, &[attr(NDA_DST, &[10, 0, 0, 2]), attr(NDA_LLADDR, &ETH)]),
        neigh(AF_INET, 2, 2, &[attr(NDA_DST, &v6), attr(NDA_LLADDR, &ETH)]),
        neigh(AF_INET, 2, 2, &[attr(NDA_DST, &[10, 0, 0, 3]), attr(NDA_LLADDR, &[10, 0, 0, 4])]),
        neigh(AF_INET, 2, 2, &[attr(NDA_LLADDR, &ETH)]),
        neigh(AF_INET, 2, 2, &[attr(NDA_DST, &[10, 0, 0, 5])]),
        v4(6, 2, [0; 6]),
        v4(7, 2, [0xff; 6]),
    ];
    assert_eq!(shown(&table(&messages.map(|body| (NEWNEIGH, body)))), ["fd00::9 02:00:00:00:00:01"]);
}

#[test]
fn own_addresses_are_those_of_their_interface() {
    let mut table = table(&[
        (NEWADDR, own(AF_INET, 2, &[attr(IFA_ADDRESS, &[10, 0, 0, 9]), attr(IFA_LOCAL, &[10, 0, 0, 1])])),
        (NEWADDR, own(AF_INET6, 2, &[attr(IFA_ADDRESS, &[0xfd; 16])])),
        (NEWADDR, own(AF_INET, 1, &[attr(IFA_LOCAL, &[127, 0, 0, 1])])),
        (NEWLINK, link(1, 772, &[0; 6])),
        (NEWLINK, link(2, 1, &ETH)),
        (NEWLINK, link(3, 1, &OTHER)),
        (NEWLINK, link(4, 1, &OTHER)),
        (NEWLINK, link(5, 65534, &ETH)),
        (NEWLINK, link(6, 1, &[1; 20])),
    ]);
    let v6 = IpAddr::from([0xfd; 16]);
    let [eth, other] = [Mac(ETH), Mac(OTHER)];
    let expect = [format!("10.0.0.1 {eth}"), format!("{v6} {eth}"), eth.to_string(), other.to_string()];
    assert_eq!(shown(&table), expect);

    table.changed();
    table.apply(DELADDR, &own(AF_INET, 2, &[attr(IFA_LOCAL, &[10, 0, 0, 1])]));
    assert_eq!(table.changed().unwrap().0, [(v6, Mac(ETH))]);
    table.apply(NEWNEIGH, &v4(1, 2, OTHER));
    table.apply(DELLINK, &link(2, 1, &ETH));
    assert_eq!(table.changed().unwrap(), (vec![], vec![Mac(OTHER)]));
    // Another interface with the same index inherits nothing.
    table.apply(NEWLINK, &link(2, 1, &ETH));
    assert_eq!(table.changed().unwrap(), (vec![], vec![Mac(ETH), Mac(OTHER)]));
}

#[test]
fn one_neighbour_at_two_interfaces_is_listed_once() {
    let second = neigh(AF_INET, 3, 2, &[attr(NDA_DST, &[10, 0, 0, 1]), attr(NDA_LLADDR, &ETH)]);
    let mut table = table(&[(NEWNEIGH, v4(1, 2, ETH)), (NEWNEIGH, second)]);
    assert_eq!(shown(&table).len(), 1);
    table.apply(DELNEIGH, &v4(1, 2, ETH));
    assert_eq!(shown(&table).len(), 1);
}

#[test]
fn a_flood_finds_no_room() {
    let mut table = Table::new(MAX);
    for i in 0..100 {
        table.apply(NEWNEIGH, &v4(i, 2, ETH));
        table.apply(NEWADDR, &own(AF_INET, 2, &[attr(IFA_LOCAL, &[10, 0, 1, i])]));
        table.apply(NEWLINK, &link(i + 10, 1, &[2, 0, 0, 0, 1, i]));
    }
    let sizes = [table.neighbours.len(), table.addresses.len(), table.interfaces.len()];
    assert_eq!(sizes, [MAX; 3]);
    // The entries that found room are still updated.
    table.apply(NEWNEIGH, &v4(1, 2, OTHER));
    assert_eq!(table.neighbours[&(2, [10, 0, 0, 1].into())], Mac(OTHER));
    assert!(table.is_full() && !table.has_room_again());
    for i in 0..4 {
        table.apply(DELNEIGH, &v4(i, 2, ETH));
        table.apply(DELLINK, &link(i + 10, 1, &ETH));
        table.apply(DELADDR, &own(AF_INET, 2, &[attr(IFA_LOCAL, &[10, 0, 1, i])]));
    }
    assert!(table.has_room_again());
}

proptest! {
    #[test]
    fn any_bytes_are_taken_or_not(
        messages in proptest::collection::vec((16u16..32, proptest::collection::vec(any::<u8>(), 0..80)), 0..40),
    ) {
        let table = table(&messages);
        let (neighbours, own) = table.snapshot();
        prop_assert!(neighbours.len() <= 2 * MAX && own.len() <= MAX);
        prop_assert!(neighbours.iter().map(|(_, mac)| mac).chain(&own).all(|mac| mac.is_host()));
    }

    #[test]
    fn a_cut_message_is_no_other(at in 0usize..40) {
        let whole = v4(1, 2, ETH);
        let table = table(&[(NEWNEIGH, whole[..at.min(whole.len())].to_vec())]);
        let expect = usize::from(at >= NDMSG + 8 + 10);
        prop_assert_eq!(table.neighbours.len(), expect);
    }
}
