//! Who has which Ethernet address: pure, fed by dumps and notifications.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use flow_model::mac::Mac;

use crate::netlink::link_table::RawLink;
use crate::netlink::wire::{attributes, u16_at, u32_at};

const NEWLINK: u16 = 16;
const DELLINK: u16 = 17;
/// `RTM_GETLINK`.
pub(super) const GETLINK: u16 = 18;
const NEWADDR: u16 = 20;
const DELADDR: u16 = 21;
/// `RTM_GETADDR`.
pub(super) const GETADDR: u16 = 22;
const NEWNEIGH: u16 = 28;
const DELNEIGH: u16 = 29;
/// `RTM_GETNEIGH`.
pub(super) const GETNEIGH: u16 = 30;
const AF_INET: u8 = 2;
const AF_INET6: u8 = 10;
/// `sizeof(struct ndmsg)`.
const NDMSG: usize = 12;
/// `sizeof(struct ifaddrmsg)`.
const IFADDRMSG: usize = 8;
const NDA_DST: u16 = 1;
const NDA_LLADDR: u16 = 2;
const IFA_ADDRESS: u16 = 1;
const IFA_LOCAL: u16 = 2;
const ARPHRD_ETHER: u16 = 1;
/// `NUD_REACHABLE | NUD_STALE | NUD_DELAY | NUD_PROBE | NUD_PERMANENT`: a neighbour that is or was there.
const USABLE: u16 = 0x02 | 0x04 | 0x08 | 0x10 | 0x80;

/// Neighbours in order, then this node's own Ethernet addresses; nothing twice.
pub(super) type Picture = (Vec<(IpAddr, Mac)>, Vec<Mac>);

/// An address at an interface.
type Place = (u32, IpAddr);

/// What the kernel knows of Ethernet addresses, each of the three lists bounded.
#[derive(Debug)]
pub(super) struct Table {
    max: usize,
    interfaces: BTreeMap<u32, Mac>,
    addresses: BTreeSet<Place>,
    neighbours: BTreeMap<Place, Mac>,
    /// Something found no room.
    full: bool,
    changed: bool,
}

impl Table {
    pub(super) fn new(max: usize) -> Self {
        Self {
            max,
            interfaces: BTreeMap::new(),
            addresses: BTreeSet::new(),
            neighbours: BTreeMap::new(),
            full: false,
            changed: true,
        }
    }

    /// Takes a message of a dump or a notification; others are passed over.
    pub(super) fn apply(&mut self, kind: u16, body: &[u8]) {
        match kind {
            NEWLINK | DELLINK => {
                if let Some(link) = RawLink::decode(body) {
                    self.link(&link, kind == NEWLINK);
                }
            }
            NEWADDR | DELADDR => {
                if let Some(place) = address(body) {
                    self.address(place, kind == NEWADDR);
                }
            }
            NEWNEIGH | DELNEIGH => {
                if let Some((place, mac)) = neighbour(body) {
                    self.neighbour(place, mac.filter(|_| kind == NEWNEIGH));
                }
            }
            _ => {}
        }
    }

    /// The picture, if it may have changed since this was last asked.
    pub(super) fn changed(&mut self) -> Option<Picture> {
        std::mem::take(&mut self.changed).then(|| self.picture())
    }

    /// Something found no room.
    pub(super) fn is_full(&self) -> bool {
        self.full
    }

    /// Something found no room, but by now much has gone: a dump may bring it.
    pub(super) fn has_room_again(&self) -> bool {
        let most = self.interfaces.len().max(self.addresses.len()).max(self.neighbours.len());
        self.full && most <= self.max - self.max.div_ceil(8)
    }

    fn picture(&self) -> Picture {
        let own: BTreeSet<Mac> = self.interfaces.values().copied().collect();
        let at_own = |(interface, ip): &Place| Some((*ip, *self.interfaces.get(interface)?));
        let mut neighbours: Vec<_> = self.addresses.iter().filter_map(at_own).collect();
        neighbours.extend(self.neighbours.iter().map(|((_, ip), mac)| (*ip, *mac)));
        neighbours.sort_unstable();
        neighbours.dedup();
        (neighbours, own.into_iter().collect())
    }

    fn link(&mut self, link: &RawLink, there: bool) {
        let mac = link.address.first_chunk().map(|bytes| Mac(*bytes));
        let mac = mac
            .filter(|mac| there && link.arphrd == ARPHRD_ETHER && link.address.len() == 6 && mac.is_host());
        let before = self.interfaces.get(&link.ifindex).copied();
        match mac {
            Some(_) if before.is_none() && self.interfaces.len() >= self.max => self.full = true,
            Some(mac) => drop(self.interfaces.insert(link.ifindex, mac)),
            None => drop(self.interfaces.remove(&link.ifindex)),
        }
        self.changed |= self.interfaces.get(&link.ifindex).copied() != before;
        if !there {
            self.forget(link.ifindex);
        }
    }

    /// The kernel says so of each address and neighbour too; an interface that is used again must not inherit any.
    fn forget(&mut self, interface: u32) {
        let before = self.addresses.len() + self.neighbours.len();
        self.addresses.retain(|place| place.0 != interface);
        self.neighbours.retain(|place, _| place.0 != interface);
        self.changed |= self.addresses.len() + self.neighbours.len() != before;
    }

    fn address(&mut self, place: Place, there: bool) {
        self.changed |= match there {
            false => self.addresses.remove(&place),
            true if self.addresses.len() < self.max => self.addresses.insert(place),
            true => {
                self.full |= !self.addresses.contains(&place);
                false
            }
        };
    }

    fn neighbour(&mut self, place: Place, mac: Option<Mac>) {
        let before = self.neighbours.get(&place).copied();
        match mac {
            Some(_) if before.is_none() && self.neighbours.len() >= self.max => self.full = true,
            Some(mac) => drop(self.neighbours.insert(place, mac)),
            None => drop(self.neighbours.remove(&place)),
        }
        self.changed |= self.neighbours.get(&place).copied() != before;
    }
}

/// A neighbour, with its Ethernet address while that is usable. `None` for an entry of a bridge's forwarding table,
/// which comes in the same messages.
fn neighbour(body: &[u8]) -> Option<(Place, Option<Mac>)> {
    let (family, interface, state) = (*body.first()?, u32_at(body, 4)?, u16_at(body, 8)?);
    let (mut at, mut mac) = (None, None);
    for (kind, value) in attributes(body.get(NDMSG..)?) {
        match kind {
            NDA_DST => at = ip(family, value),
            NDA_LLADDR => mac = <[u8; 6]>::try_from(value).ok().map(Mac),
            _ => {}
        }
    }
    let mac = mac.filter(|mac| state & USABLE != 0 && mac.is_host());
    Some(((interface, at?), mac))
}

/// An address of this node. `IFA_ADDRESS` is the other end where there is one, and then `IFA_LOCAL` is ours.
fn address(body: &[u8]) -> Option<Place> {
    let (family, interface) = (*body.first()?, u32_at(body, 4)?);
    let (mut local, mut address) = (None, None);
    for (kind, value) in attributes(body.get(IFADDRMSG..)?) {
        match kind {
            IFA_LOCAL => local = ip(family, value),
            IFA_ADDRESS => address = ip(family, value),
            _ => {}
        }
    }
    Some((interface, local.or(address)?))
}

fn ip(family: u8, value: &[u8]) -> Option<IpAddr> {
    match family {
        AF_INET => <[u8; 4]>::try_from(value).ok().map(IpAddr::from),
        AF_INET6 => <[u8; 16]>::try_from(value).ok().map(IpAddr::from),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

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

    /// 10.0.0.`host` at interface 2.
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

    /// `ip mac` of each, then the own ones.
    fn shown(table: &Table) -> Vec<String> {
        let (neighbours, own) = table.picture();
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
        // Another interface with the same index has none of it.
        table.apply(NEWLINK, &link(2, 1, &ETH));
        assert_eq!(table.changed().unwrap(), (vec![], vec![Mac(ETH), Mac(OTHER)]));
    }

    #[test]
    fn one_neighbour_at_two_interfaces_is_told_once() {
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
        // Those that are in go on to be followed.
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
            let (neighbours, own) = table.picture();
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
}
