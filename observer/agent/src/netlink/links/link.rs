//! Interfaces as the rest of the agent sees them.

/// Selects the interfaces that count as uplinks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum UplinkChoice {
    /// Interfaces with a default route (any table, IPv4 or IPv6) or an address of a Node. They follow the routes and the
    /// addresses.
    #[default]
    Found,
    /// Interfaces of exactly these names, also when they appear later.
    Named(Vec<String>),
}

/// A change of an interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LinkEvent {
    /// The interface is new, or has changed; it is reported with its present state.
    Up(Link),
    /// The interface was deleted, or moved to another namespace. A later `Up` may use its index again.
    Gone {
        /// Its last index.
        ifindex: u32,
        /// Its last name.
        name: String,
    },
    /// Every interface that existed at the start has been reported. Sent once.
    Synced,
}

/// An interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// The kernel's number of the interface.
    pub ifindex: u32,
    /// Its present name; it can be renamed.
    pub name: String,
    /// Its role.
    pub role: Role,
    /// Is true from the time when it is an uplink, also after it has lost that role.
    pub was_uplink: bool,
    /// Is true when frames start with an Ethernet header. Otherwise (tun, PPP, WireGuard, IP tunnels) they start with
    /// the IP header.
    pub ethernet: bool,
    /// The bridge, bond or VRF it is a port of.
    pub master: Option<u32>,
    /// Is true for a bridge.
    pub bridge: bool,
    /// Is true for a port of a bridge.
    pub bridge_port: bool,
}

/// The role of an interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// The host's end of a pod's veth: the other end is in another network namespace.
    Pod,
    /// Leads out of the node.
    Uplink,
    /// A bridge with a pod as a port.
    Bridge,
    /// None of these.
    Other,
}
