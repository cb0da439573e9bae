//! The interfaces and the role of each. It does no I/O: dumps and notifications are passed to it.

use std::collections::{BTreeMap, BTreeSet};

use crate::netlink::link_message::LinkMessage;
use crate::netlink::links::link::{Link, LinkEvent, Role, UplinkChoice};

/// Holds the interfaces of this network namespace, and what was reported of them.
#[derive(Debug)]
pub(super) struct LinkTable {
    uplinks: UplinkChoice,
    links: BTreeMap<u32, LinkMessage>,
    /// Interfaces with a default route of the main table.
    default_routes: BTreeSet<u32>,
    /// Interfaces with a default route of a policy's or a VRF's table.
    other_defaults: BTreeSet<u32>,
    node_links: BTreeSet<u32>,
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
            node_links: BTreeSet::new(),
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

    /// Sets the interfaces that have an address of a Node.
    pub(super) fn set_node_links(&mut self, ifindexes: BTreeSet<u32>) {
        self.node_links = ifindexes;
    }

    /// Is true when a default route leaves by this interface.
    pub(super) fn has_default_route(&self, ifindex: u32) -> bool {
        self.default_routes.contains(&ifindex) || self.other_defaults.contains(&ifindex)
    }

    /// Returns the configured uplinks that do not exist.
    pub(super) fn missing_uplinks(&self) -> Vec<&str> {
        let UplinkChoice::Named(names) = &self.uplinks else { return Vec::new() };
        let present = |name: &&String| self.links.values().any(|link| link.name == **name);
        names.iter().filter(|name| !present(name)).map(String::as_str).collect()
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
        let role = self.role(raw, pod_bridges);
        // The uplink of a node that is itself a container is a veth, and looks like a pod's while it has no default route.
        let was_uplink = self.reported.get(&raw.ifindex).is_some_and(|before| before.was_uplink);
        Link {
            ifindex: raw.ifindex,
            name: raw.name.clone(),
            role,
            was_uplink: was_uplink || role == Role::Uplink,
            ethernet: raw.has_ethernet_header(),
            master: raw.master,
            bridge: raw.kind == "bridge",
            bridge_port: raw.master.is_some_and(|master| bridges.contains(&master)),
        }
    }

    /// Checks for an uplink first: a node that is itself a container (kind, k3d) has a veth as its uplink.
    fn role(&self, raw: &LinkMessage, pod_bridges: &BTreeSet<u32>) -> Role {
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

    fn is_uplink(&self, raw: &LinkMessage) -> bool {
        self.is_chosen(raw) || self.carries_uplink(raw)
    }

    fn is_chosen(&self, raw: &LinkMessage) -> bool {
        match &self.uplinks {
            UplinkChoice::Found => {
                let ifindex = &raw.ifindex;
                let leads_out = self.default_routes.contains(ifindex) || self.node_links.contains(ifindex);
                // A policy may send traffic to a pod, e.g. a VPN's. That leads out of the node only from there.
                let by_policy = self.other_defaults.contains(ifindex) && !self.leads_to_pods(raw);
                (leads_out || by_policy) && raw.may_lead_out()
            }
            UplinkChoice::Named(names) => names.contains(&raw.name),
        }
    }

    /// Is true for a port through which a bridge that is an uplink leads out. With br_netfilter the bridge itself sees
    /// packets only after DNAT. The ports of containers are pods'.
    fn carries_uplink(&self, raw: &LinkMessage) -> bool {
        let bridge = raw.master.and_then(|master| self.links.get(&master));
        let is_out = bridge.is_some_and(|bridge| bridge.kind == "bridge" && self.is_chosen(bridge));
        is_out && !raw.is_pod() && raw.may_lead_out()
    }

    fn leads_to_pods(&self, raw: &LinkMessage) -> bool {
        let has_pod = || self.links.values().any(|link| link.master == Some(raw.ifindex) && link.is_pod());
        raw.is_pod() || (raw.kind == "bridge" && has_pod())
    }
}

#[cfg(test)]
mod tests;
