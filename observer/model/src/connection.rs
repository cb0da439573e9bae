//! A connection as policies see it: after DNAT, at one backend.

use std::net::IpAddr;

use arcstr::ArcStr;

use crate::inventory::Pod;
use crate::policies::Protocol;

/// Open connections followed at a time. Further ones are counted as lost and not judged.
pub const MAX_CONNECTIONS: usize = 262_144;

/// A connection to be judged.
#[derive(Clone, Copy, Debug)]
pub struct Connection<'a> {
    pub src: Party<'a>,
    pub dst: Party<'a>,
    pub protocol: Protocol,
    /// At the destination, after DNAT.
    pub port: u16,
}

/// A side of a connection.
#[derive(Clone, Copy, Debug)]
pub struct Party<'a> {
    /// The address used; `None` when it isn't known, e.g. of a pod that has none yet.
    pub ip: Option<IpAddr>,
    pub who: Who<'a>,
}

/// The owner of an address.
#[derive(Clone, Copy, Debug)]
pub enum Who<'a> {
    /// A pod with a network of its own.
    Pod(&'a Pod),
    /// A node, or a pod in its network.
    Node(&'a ArcStr),
    /// Neither a pod nor a node of this cluster.
    External,
    /// Possibly a pod that is not known. The text is the reason why it is not.
    Unknown(&'static str),
}
