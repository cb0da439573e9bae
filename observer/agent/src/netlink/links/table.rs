//! The interfaces and the role of each. It does no I/O: dumps and notifications are passed to it.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};

use crate::netlink::link_message::LinkMessage;
use crate::netlink::links::link::{Because, Link, LinkEvent, Role, UplinkChoice};
use crate::netlink::neighbours::Place;

/// Holds the interfaces of this network namespace, and what was reported of them.
#[derive(Debug)]
pub(super) struct LinkTable {
    uplinks: UplinkChoice,
    links: BTreeMap<u32, LinkMessage>,
    /// Interfaces with a default route of the main table.
    default_routes: BTreeSet<u32>,
    /// Interfaces with a default route of a policy's or a VRF's table.
    other_defaults: BTreeSet<u32>,
    /// The addresses of this machine's interfaces.
    addresses: BTreeSet<Place>,
    /// The addresses of Nodes.
    node_addresses: BTreeSet<IpAddr>,
    reported: BTreeMap<u32, Link>,
    gone: Vec<LinkEvent>,
}

impl LinkTable {
    pub(super) fn new(uplinks: UplinkChoice) -> Self {
        Self {
            uplinks,
            links: BTreeMap::new(),
            default_routes: BTreeSet::new(),
            other_defaults: BTreeSet::new(),
            addresses: BTreeSet::new(),
            node_addresses: BTreeSet::new(),
            reported: BTreeMap::new(),
            gone: Vec::new(),
        }
    }

    /// Handles a new or changed interface. Returns true when a default route may have gone: the kernel sends no
    /// notification for the IPv4 routes that an interface loses by going down.
    pub(super) fn apply(&mut self, link: LinkMessage) -> bool {
        let went_down = self.links.get(&link.ifindex).is_some_and(|old| old.up && !link.up);
        let doubtful = went_down && self.has_default_route(link.ifindex);
        self.links.insert(link.ifindex, link);
        doubtful
    }

    /// Handles an interface that has gone. Returns true when it may have moved to another namespace. That turns the end
    /// that stays into a pod's, and the kernel sends no notification for it.
    pub(super) fn remove(&mut self, ifindex: u32) -> bool {
        self.links.remove(&ifindex);
        if let Some(link) = self.reported.remove(&ifindex) {
            self.gone.push(LinkEvent::Gone { ifindex, name: link.name });
        }
        self.links
            .values()
            .any(|link| link.peer == Some(ifindex) && !link.peer_elsewhere && !link.kind.is_empty())
    }

    /// Replaces all interfaces after a dump.
    pub(super) fn reset(&mut self, links: Vec<LinkMessage>) {
        let new: BTreeMap<u32, LinkMessage> = links.into_iter().map(|link| (link.ifindex, link)).collect();
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

    /// Sets the interfaces that default routes leave by: those of the main table, and those of other tables.
    pub(super) fn set_default_routes(&mut self, main: BTreeSet<u32>, other: BTreeSet<u32>) {
        (self.default_routes, self.other_defaults) = (main, other);
    }

    /// Sets the addresses of this machine's interfaces, and those of Nodes.
    pub(super) fn set_addresses(&mut self, own: BTreeSet<Place>, nodes: BTreeSet<IpAddr>) {
        (self.addresses, self.node_addresses) = (own, nodes);
    }

    /// Is true when a default route leaves by this interface.
    pub(super) fn has_default_route(&self, ifindex: u32) -> bool {
        self.default_routes.contains(&ifindex) || self.other_defaults.contains(&ifindex)
    }

    /// Returns the configured uplinks that do not exist.
    pub(super) fn missing_uplinks(&self) -> Vec<&str> {
        let present = |name: &&String| self.links.values().any(|link| link.name == **name);
        self.uplinks.names().iter().filter(|name| !present(name)).map(String::as_str).collect()
    }

    /// Returns what changed since the last call. An interface that has gone comes before one that took its index.
    pub(super) fn changes(&mut self) -> Vec<LinkEvent> {
        let mut events = std::mem::take(&mut self.gone);
        let pod_bridges: BTreeSet<u32> =
            self.links.values().filter(|link| link.is_pod()).filter_map(|link| link.master).collect();
        let bridges: BTreeSet<u32> =
            self.links.values().filter(|link| link.kind == "bridge").map(|link| link.ifindex).collect();
        for raw in self.links.values() {
            let link = self.describe(raw, &pod_bridges, &bridges);
            if self.reported.get(&link.ifindex) != Some(&link) {
                self.reported.insert(link.ifindex, link.clone());
                events.push(LinkEvent::Up(link));
            }
        }
        events
    }

    fn describe(&self, raw: &LinkMessage, pod_bridges: &BTreeSet<u32>, bridges: &BTreeSet<u32>) -> Link {
        let because = self.because(raw);
        let role = role(raw, because.is_some(), pod_bridges);
        // The uplink of a node that is itself a container is a veth, and looks like a pod's while it has no default route.
        let was_uplink = self.reported.get(&raw.ifindex).is_some_and(|before| before.was_uplink);
        Link {
            ifindex: raw.ifindex,
            name: raw.name.clone(),
            role,
            because,
            was_uplink: was_uplink || role == Role::Uplink,
            ethernet: raw.has_ethernet_header(),
            namespace: raw.namespace.filter(|_| role == Role::Pod),
            master: raw.master,
            bridge: raw.kind == "bridge",
            bridge_port: raw.master.is_some_and(|master| bridges.contains(&master)),
        }
    }

    /// Returns the first reason why an interface is an uplink.
    fn because(&self, raw: &LinkMessage) -> Option<Because> {
        self.chosen(raw).or_else(|| self.carries_uplink(raw).then_some(Because::Port))
    }

    fn chosen(&self, raw: &LinkMessage) -> Option<Because> {
        if self.uplinks.names().contains(&raw.name) {
            return Some(Because::Named);
        }
        let finds = !matches!(self.uplinks, UplinkChoice::Named(_));
        self.found(raw).filter(|_| finds && raw.may_lead_out())
    }

    fn found(&self, raw: &LinkMessage) -> Option<Because> {
        // A policy or a tunnel may send traffic to a pod, e.g. a VPN's. That leads out of the node only from there.
        let leads_out = || !self.leads_to_pods(raw);
        if self.default_routes.contains(&raw.ifindex) {
            Some(Because::DefaultRoute)
        } else if self.has_address(raw.ifindex, |address| self.node_addresses.contains(address)) {
            Some(Because::NodeAddress)
        } else if self.other_defaults.contains(&raw.ifindex) && leads_out() {
            Some(Because::OtherDefaultRoute)
        } else {
            (self.is_underlay(raw.ifindex) && leads_out()).then_some(Because::Underlay)
        }
    }

    /// Is true for an interface by which a VXLAN device sends: it is bound to it, or to an address of it.
    fn is_underlay(&self, ifindex: u32) -> bool {
        let sends_by = |tunnel: &LinkMessage| {
            let from = |local| self.has_address(ifindex, |address| *address == local);
            tunnel.underlay == Some(ifindex) || (tunnel.underlay.is_none() && tunnel.local.is_some_and(from))
        };
        // The numbers of one that came from another namespace belong there.
        let mut tunnels = self.links.values().filter(|link| link.kind == "vxlan" && !link.peer_elsewhere);
        tunnels.any(sends_by)
    }

    fn has_address(&self, ifindex: u32, wanted: impl Fn(&IpAddr) -> bool) -> bool {
        let first = (ifindex, IpAddr::V4(Ipv4Addr::UNSPECIFIED));
        let of_link = self.addresses.range(first..).take_while(|(index, _)| *index == ifindex);
        of_link.map(|(_, address)| address).any(wanted)
    }

    /// Is true for a port through which a bridge that is an uplink leads out. With br_netfilter the bridge itself sees
    /// packets only after DNAT. The ports of containers are pods'. The members of a bond need no look: it sees all their
    /// packets itself.
    fn carries_uplink(&self, raw: &LinkMessage) -> bool {
        let bridge = raw.master.and_then(|master| self.links.get(&master));
        let is_out = bridge.is_some_and(|bridge| bridge.kind == "bridge" && self.chosen(bridge).is_some());
        is_out && !raw.is_pod() && raw.may_lead_out()
    }

    fn leads_to_pods(&self, raw: &LinkMessage) -> bool {
        let has_pod = || self.links.values().any(|link| link.master == Some(raw.ifindex) && link.is_pod());
        raw.is_pod() || (raw.kind == "bridge" && has_pod())
    }
}

/// Checks for an uplink first: a node that is itself a container (kind, k3d) has a veth as its uplink.
fn role(raw: &LinkMessage, is_uplink: bool, pod_bridges: &BTreeSet<u32>) -> Role {
    if is_uplink {
        Role::Uplink
    } else if raw.is_pod() {
        Role::Pod
    } else if raw.kind == "bridge" && pod_bridges.contains(&raw.ifindex) {
        Role::Bridge
    } else {
        Role::Other
    }
}

#[cfg(test)]
mod tests;
