//! Interfaces as the rest of the agent sees them.

/// Selects the interfaces that count as uplinks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum UplinkChoice {
    /// Interfaces that carry traffic to other machines, for one of the reasons of [`Because`]. They follow the routes, the
    /// addresses and the tunnels.
    #[default]
    Found,
    /// Those that are found, and interfaces of these names.
    Also(Vec<String>),
    /// Interfaces of exactly these names, also when they appear later.
    Named(Vec<String>),
}

impl UplinkChoice {
    /// Reads the names of `--uplink`. Where all have a plus, they are added to what is found; else they replace it.
    #[must_use]
    pub fn parse(names: &[String]) -> Self {
        let bare = || names.iter().map(|name| name.strip_prefix('+').unwrap_or(name).to_owned()).collect();
        if names.is_empty() {
            Self::Found
        } else if names.iter().all(|name| name.starts_with('+')) {
            Self::Also(bare())
        } else {
            Self::Named(bare())
        }
    }

    /// Returns the names that the operator gave.
    pub(super) fn names(&self) -> &[String] {
        match self {
            Self::Found => &[],
            Self::Also(names) | Self::Named(names) => names,
        }
    }
}

/// The reason why an interface is an uplink.
#[derive(Clone, Copy, Debug, PartialEq, Eq, strum::Display)]
pub enum Because {
    /// `--uplink` names it.
    #[strum(serialize = "it is configured")]
    Named,
    /// A default route of the main table leaves by it.
    #[strum(serialize = "it has a default route")]
    DefaultRoute,
    /// An address of a Node is on it, or one that flannel uses.
    #[strum(serialize = "it has an address of the Node")]
    NodeAddress,
    /// A default route of another table leaves by it.
    #[strum(serialize = "it has a default route of a policy or a VRF")]
    OtherDefaultRoute,
    /// A VXLAN device sends by it.
    #[strum(serialize = "a VXLAN device sends by it")]
    Underlay,
    /// It is a port of a bridge that is an uplink.
    #[strum(serialize = "it is a port of a bridge that is an uplink")]
    Port,
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
    /// The reason why it is an uplink, if it is one.
    pub because: Option<Because>,
    /// Is true from the time when it is an uplink, also after it has lost that role.
    pub was_uplink: bool,
    /// Is true when frames start with an Ethernet header. Otherwise (tun, PPP, WireGuard, IP tunnels) they start with
    /// the IP header.
    pub ethernet: bool,
    /// The kernel's number of the network namespace of the pod behind it.
    pub namespace: Option<u32>,
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
