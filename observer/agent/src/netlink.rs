//! Reads the kernel's state over netlink: interfaces, default routes, neighbours, pod-facing prefixes, connections, and
//! the packets that the policies' enforcer logs.
//!
//! Messages are decoded by hand. Only the attributes needed are read, so that a kernel with a new attribute can't make
//! a link unreadable, as happens to decoders of whole messages. The kernel's receive buffer is the only queue: when it
//! overflows, the kernel reports that, and the state is dumped again and compared.

pub mod connections;
pub mod conntrack;
pub mod enforcer_log;
mod error;
mod link_message;
pub mod links;
pub mod neighbours;
mod nodes;
pub mod peer;
pub mod routes;
mod rtnetlink;
pub mod sock_diag;
mod socket;
#[cfg(test)]
pub(crate) mod testing;
pub mod traffic_control;
mod wire;

pub use error::NetlinkError;
