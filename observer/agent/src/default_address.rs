//! Where an agent serves its API unless a setting or its pod says otherwise.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

/// The port.
pub(crate) const PORT: u16 = 9477;
/// The address: only this host reaches it.
pub(crate) const ADDRESS: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), PORT);
