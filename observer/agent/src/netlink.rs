//! What the kernel says over netlink: interfaces, default routes, neighbours, pod-facing prefixes, conntrack entries.
//!
//! Only the attributes needed are decoded, so that a kernel that grows an attribute can't make a link unreadable,
//! and the kernel's receive buffer is the only queue: when it overflows we are told, dump again and reconcile.

pub mod connections;
pub mod conntrack;
mod error;
mod link_table;
pub mod links;
pub mod neighbours;
pub mod routes;
mod socket;
pub mod sockets;
#[cfg(test)]
mod testing;
mod wire;

pub use error::NetlinkError;
