//! The Ethernet addresses of neighbours and of this node. It does no I/O: dumps and notifications are passed to it.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use flow_model::mac::Mac;

use crate::netlink::link_message::{ARPHRD_ETHER, LinkMessage};
use crate::netlink::neighbours::message::{Place, address, neighbour};
use crate::netlink::rtnetlink::{DELADDR, DELLINK, NEWADDR, NEWLINK};

/// `RTM_NEWNEIGH`.
pub(super) const NEWNEIGH: u16 = 28;
const DELNEIGH: u16 = 29;
/// `RTM_GETNEIGH`.
pub(super) const GETNEIGH: u16 = 30;

/// Neighbours in order, then this node's own Ethernet addresses, without duplicates.
pub(super) type Snapshot = (Vec<(IpAddr, Mac)>, Vec<Mac>);

/// Holds the Ethernet addresses that the kernel reports. Each of the three lists is bounded.
#[derive(Debug)]
pub(super) struct Table {
    max: usize,
    interfaces: BTreeMap<u32, Mac>,
    addresses: BTreeSet<Place>,
    neighbours: BTreeMap<Place, Mac>,
    /// An entry found no room.
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

    /// Handles a message of a dump or a notification; other messages are ignored.
    pub(super) fn apply(&mut self, kind: u16, body: &[u8]) {
        match kind {
            NEWLINK | DELLINK => {
                if let Some(link) = LinkMessage::decode(body) {
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

    /// Returns a snapshot if it may have changed since the last call.
    pub(super) fn changed(&mut self) -> Option<Snapshot> {
        std::mem::take(&mut self.changed).then(|| self.snapshot())
    }

    /// Is true when an entry found no room.
    pub(super) fn is_full(&self) -> bool {
        self.full
    }

    /// Is true when an entry found no room, but there is room now: a dump can bring it.
    pub(super) fn has_room_again(&self) -> bool {
        let most = self.interfaces.len().max(self.addresses.len()).max(self.neighbours.len());
        self.full && most <= self.max - self.max.div_ceil(8)
    }

    fn snapshot(&self) -> Snapshot {
        let own: BTreeSet<Mac> = self.interfaces.values().copied().collect();
        let at_own = |(interface, ip): &Place| Some((*ip, *self.interfaces.get(interface)?));
        let mut neighbours: Vec<_> = self.addresses.iter().filter_map(at_own).collect();
        neighbours.extend(self.neighbours.iter().map(|((_, ip), mac)| (*ip, *mac)));
        neighbours.sort_unstable();
        neighbours.dedup();
        (neighbours, own.into_iter().collect())
    }

    fn link(&mut self, link: &LinkMessage, there: bool) {
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

    /// Removes the addresses and neighbours of an interface. The kernel sends notifications for them as well, but a new
    /// interface with this index must not inherit any.
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

#[cfg(test)]
mod tests;
