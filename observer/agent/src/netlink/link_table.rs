//! Which interfaces there are and what each is for: pure, fed by dumps and notifications.

use std::collections::{BTreeMap, BTreeSet};

use crate::netlink::links::{Link, LinkEvent, Role, UplinkChoice};
use crate::netlink::wire::{attribute, attributes, text, u16_at, u32_at};

const IFLA_ADDRESS: u16 = 1;
const IFLA_IFNAME: u16 = 3;
const IFLA_LINK: u16 = 5;
const IFLA_MASTER: u16 = 10;
const IFLA_LINKINFO: u16 = 18;
const IFLA_LINK_NETNSID: u16 = 37;
const IFLA_INFO_KIND: u16 = 1;
/// `sizeof(struct ifinfomsg)`.
const IFINFOMSG: usize = 16;
const ARPHRD_ETHER: u16 = 1;
const ARPHRD_LOOPBACK: u16 = 772;
const IFF_UP: u32 = 1;

/// What one `RTM_NEWLINK` says, as far as we care.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct RawLink {
    pub(super) ifindex: u32,
    pub(super) name: String,
    /// `veth`, `bridge`, ...; empty for hardware.
    pub(super) kind: String,
    pub(super) arphrd: u16,
    pub(super) up: bool,
    pub(super) master: Option<u32>,
    /// The veth's other end, in whichever namespace.
    pub(super) peer: Option<u32>,
    pub(super) peer_elsewhere: bool,
    pub(super) address: Vec<u8>,
}

impl RawLink {
    /// Decodes the body of an `RTM_NEWLINK` or `RTM_DELLINK`. `None` for bridge-port messages, which describe
    /// the same interface a second time with less in it.
    pub(super) fn decode(body: &[u8]) -> Option<Self> {
        if *body.first()? != 0 {
            return None;
        }
        let mut link = Self {
            ifindex: u32_at(body, 4)?,
            arphrd: u16_at(body, 2)?,
            up: u32_at(body, 8)? & IFF_UP != 0,
            ..Self::default()
        };
        for (kind, value) in attributes(body.get(IFINFOMSG..)?) {
            match kind {
                IFLA_IFNAME => link.name = text(value),
                IFLA_ADDRESS => link.address = value.to_vec(),
                IFLA_MASTER => link.master = u32_at(value, 0).filter(|&master| master != 0),
                IFLA_LINK => link.peer = u32_at(value, 0).filter(|&peer| peer != 0),
                IFLA_LINK_NETNSID => link.peer_elsewhere = true,
                IFLA_LINKINFO => link.kind = attribute(value, IFLA_INFO_KIND).map(text).unwrap_or_default(),
                _ => {}
            }
        }
        (link.ifindex != 0).then_some(link)
    }

    /// A pair of interfaces with one end here and the other in a pod's namespace. No name is looked at: every
    /// CNI has its own pattern.
    fn is_pod(&self) -> bool {
        matches!(self.kind.as_str(), "veth" | "netkit") && self.peer_elsewhere
    }

    /// Same ifindex, but another interface: an index is used again after its owner went.
    fn replaces(&self, old: &Self) -> bool {
        self.kind != old.kind || self.address != old.address || self.peer != old.peer
    }

    fn has_ethernet_header(&self) -> bool {
        matches!(self.arphrd, ARPHRD_ETHER | ARPHRD_LOOPBACK)
    }
}

/// The interfaces of this network namespace, and what of them was told.
#[derive(Debug)]
pub(super) struct LinkTable {
    uplinks: UplinkChoice,
    links: BTreeMap<u32, RawLink>,
    default_routes: BTreeSet<u32>,
    told: BTreeMap<u32, Link>,
    gone: Vec<LinkEvent>,
}

impl LinkTable {
    pub(super) fn new(uplinks: UplinkChoice) -> Self {
        Self {
            uplinks,
            links: BTreeMap::new(),
            default_routes: BTreeSet::new(),
            told: BTreeMap::new(),
            gone: Vec::new(),
        }
    }

    /// A new or changed interface. True when a default route may have gone silently: the kernel does not notify
    /// the IPv4 routes that an interface loses by going down.
    pub(super) fn apply(&mut self, link: RawLink) -> bool {
        let went_down = self.links.get(&link.ifindex).is_some_and(|old| old.up && !link.up);
        let doubtful = went_down && self.default_routes.contains(&link.ifindex);
        self.links.insert(link.ifindex, link);
        doubtful
    }

    /// An interface went. True when it may only have moved to another namespace, which turns the end that stays
    /// into a pod's without a word about it.
    pub(super) fn remove(&mut self, ifindex: u32) -> bool {
        self.links.remove(&ifindex);
        if let Some(link) = self.told.remove(&ifindex) {
            self.gone.push(LinkEvent::Gone { ifindex, name: link.name });
        }
        self.links
            .values()
            .any(|link| link.peer == Some(ifindex) && !link.peer_elsewhere && !link.kind.is_empty())
    }

    /// Everything there is, after a dump.
    pub(super) fn reset(&mut self, links: Vec<RawLink>) {
        let new: BTreeMap<u32, RawLink> = links.into_iter().map(|link| (link.ifindex, link)).collect();
        let stale: Vec<u32> = self
            .links
            .iter()
            .filter(|(ifindex, old)| new.get(ifindex).is_none_or(|link| link.replaces(old)))
            .map(|(&ifindex, _)| ifindex)
            .collect();
        for ifindex in stale {
            self.remove(ifindex);
        }
        self.links = new;
    }

    /// The interfaces that default routes leave by.
    pub(super) fn set_default_routes(&mut self, ifindexes: BTreeSet<u32>) {
        self.default_routes = ifindexes;
    }

    /// Whether a default route leaves by it.
    pub(super) fn has_default_route(&self, ifindex: u32) -> bool {
        self.default_routes.contains(&ifindex)
    }

    /// Uplinks asked for by name that are not there.
    pub(super) fn missing_uplinks(&self) -> Vec<&str> {
        let UplinkChoice::Named(names) = &self.uplinks else { return Vec::new() };
        let present = |name: &&String| self.links.values().any(|link| link.name == **name);
        names.iter().filter(|name| !present(name)).map(String::as_str).collect()
    }

    /// What changed since the last call. An interface that went comes before one that took its index.
    pub(super) fn changes(&mut self) -> Vec<LinkEvent> {
        let mut events = std::mem::take(&mut self.gone);
        let pod_bridges: BTreeSet<u32> =
            self.links.values().filter(|link| link.is_pod()).filter_map(|link| link.master).collect();
        for raw in self.links.values() {
            let link = self.describe(raw, &pod_bridges);
            if self.told.get(&link.ifindex) != Some(&link) {
                self.told.insert(link.ifindex, link.clone());
                events.push(LinkEvent::Up(link));
            }
        }
        events
    }

    fn describe(&self, raw: &RawLink, pod_bridges: &BTreeSet<u32>) -> Link {
        Link {
            ifindex: raw.ifindex,
            name: raw.name.clone(),
            role: self.role(raw, pod_bridges),
            ethernet: raw.has_ethernet_header(),
            master: raw.master,
            bridge: raw.kind == "bridge",
        }
    }

    /// Uplink comes first: a node that is itself a container (kind, k3d) has a veth as its uplink.
    fn role(&self, raw: &RawLink, pod_bridges: &BTreeSet<u32>) -> Role {
        if self.is_uplink(raw) {
            Role::Uplink
        } else if raw.is_pod() {
            Role::Pod
        } else if raw.kind == "bridge" && pod_bridges.contains(&raw.ifindex) {
            Role::Bridge
        } else {
            Role::Other
        }
    }

    fn is_uplink(&self, raw: &RawLink) -> bool {
        match &self.uplinks {
            UplinkChoice::DefaultRoute => {
                self.has_default_route(raw.ifindex) && raw.arphrd != ARPHRD_LOOPBACK
            }
            UplinkChoice::Named(names) => names.contains(&raw.name),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn raw(ifindex: u32, name: &str, kind: &str) -> RawLink {
        let address = vec![2, 0, 0, 0, 0, u8::try_from(ifindex).unwrap()];
        RawLink {
            ifindex,
            name: name.into(),
            kind: kind.into(),
            arphrd: ARPHRD_ETHER,
            up: true,
            address,
            ..RawLink::default()
        }
    }

    fn pod(ifindex: u32, master: Option<u32>) -> RawLink {
        RawLink { peer_elsewhere: true, peer: Some(2), master, ..raw(ifindex, "veth", "veth") }
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
        let mut table = LinkTable::new(UplinkChoice::DefaultRoute);
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
        let mut table = LinkTable::new(UplinkChoice::DefaultRoute);
        table.apply(pod(5, None));
        table.set_default_routes([5].into());
        assert_eq!(roles(&table.changes()), [(5, Some(Role::Uplink))]);
        table.set_default_routes([].into());
        assert_eq!(roles(&table.changes()), [(5, Some(Role::Pod))]);
    }

    #[test]
    fn named_uplinks_are_exactly_those() {
        let mut table = LinkTable::new(UplinkChoice::Named(vec!["eth1".into()]));
        table.apply(raw(2, "eth0", ""));
        table.set_default_routes([2].into());
        assert_eq!(table.missing_uplinks(), ["eth1"]);
        table.apply(raw(3, "eth1", ""));
        assert_eq!(table.missing_uplinks(), [""; 0]);
        assert_eq!(roles(&table.changes()), [(2, Some(Role::Other)), (3, Some(Role::Uplink))]);
    }

    #[test]
    fn an_index_used_again_is_another_interface() {
        let mut table = LinkTable::new(UplinkChoice::DefaultRoute);
        table.apply(pod(5, None));
        table.changes();
        table.remove(5);
        table.apply(pod(5, None));
        assert_eq!(roles(&table.changes()), [(5, None), (5, Some(Role::Pod))]);
        // The same, unseen: found by the dump after an overrun.
        table.reset(vec![RawLink { address: vec![9; 6], ..pod(5, None) }]);
        assert_eq!(roles(&table.changes()), [(5, None), (5, Some(Role::Pod))]);
        table.reset(vec![]);
        assert_eq!(roles(&table.changes()), [(5, None)]);
    }

    #[test]
    fn a_peer_that_leaves_asks_for_a_second_look() {
        let mut table = LinkTable::new(UplinkChoice::DefaultRoute);
        table.apply(RawLink { peer: Some(6), ..raw(5, "a", "veth") });
        table.apply(RawLink { peer: Some(5), ..raw(6, "b", "veth") });
        assert!(table.remove(6));
        assert!(!table.remove(5));
    }

    #[test]
    fn a_default_route_is_doubted_when_its_interface_goes_down() {
        let mut table = LinkTable::new(UplinkChoice::DefaultRoute);
        table.apply(raw(2, "eth0", ""));
        table.set_default_routes([2].into());
        assert!(!table.apply(raw(2, "eth0", "")));
        assert!(table.apply(RawLink { up: false, ..raw(2, "eth0", "") }));
    }

    proptest! {
        #[test]
        fn any_bytes_decode_or_not(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            if let Some(link) = RawLink::decode(&bytes) {
                prop_assert_ne!(link.ifindex, 0);
            }
        }
    }
}
