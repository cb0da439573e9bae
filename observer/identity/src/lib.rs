//! Names for addresses, at the time that a packet was seen.
//!
//! Pods come and go and their addresses are used again, so "which pod is 10.42.0.9" has an answer only together with a
//! time. [`Identity`] takes each snapshot of the cluster, remembers who held which address when, and forgets a pod five
//! minutes after it lost its address. [`Identity::resolve`] is the one rule from a flow's addresses to its two sides,
//! the Service between them and the connections that the flow may be after DNAT. Records, verdicts, findings,
//! explanations and audits all read its [`Resolved`].

mod access;
mod attached;
mod behind;
mod entry;
mod host_port;
mod identity;
mod known_service;
mod local_dns;
mod names;
mod networks;
mod nodes;
mod passage;
mod resolve;
mod services;
mod tenures;
mod workloads;

#[cfg(test)]
mod tests;

pub use access::Access;
pub use behind::{Behind, End};
pub use host_port::HostPort;
pub use identity::{Holder, Identity};
pub use known_service::KnownService;
pub use local_dns::LocalAnswer;
pub use passage::Passage;
pub use resolve::{Possible, Resolved, Way};
pub use tenures::RETENTION;
