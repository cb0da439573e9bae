//! Asks the kernel for the Ethernet addresses of Nodes that this node has never spoken to.
//!
//! A host claims a VIP by its Ethernet address. Only a neighbour entry for a Node's own address gives that host a name, and
//! there is none for a Node to which this one has sent nothing.
//!
//! The kernel itself asks, by ARP or neighbour discovery, as it does before the first packet to an address. It is requested
//! by `RTM_NEWNEIGH` with `NTF_USE`, without a link-layer address and without a state. That can't harm entries that exist:
//!
//! - The request has `NLM_F_EXCL`, with which `neigh_add` answers `EEXIST` for an entry that it finds, and leaves it alone in
//!   whatever state it is. The flag is needed: without it, `NTF_USE` takes `NUD_PERMANENT` from an entry (`__neigh_update`:
//!   `new = old & ~NUD_PERMANENT`), and the kernel then asks for an address that an operator or a network plugin has set.
//!   <https://github.com/torvalds/linux/blob/v6.12/net/core/neighbour.c>
//! - The new entry is `NUD_INCOMPLETE`, and `NUD_FAILED` if nobody answers. A packet for it waits and asks again, as
//!   without this request (`__neigh_event_send`).
//! - New entries push others out of a full table only (`neigh_alloc`: from `gc_thresh2` on, 512 by default). Where a node
//!   has `MAX_ENTRIES` or more, none are added.
//! - The request waits for the kernel's lock of all network configuration, so it is made on a thread that may block.
//!
//! An entry that has failed exists as well, and stays as it is. It is mended by the next packet in either direction.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use flow_model::inventory::{Inventory, Node};
use flow_model::mac::Mac;
use nix::errno::Errno;
use nix::sys::socket::SockProtocol;
use tokio::sync::watch;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;
use tracing::debug;

use crate::netlink::error::NetlinkError;
use crate::netlink::neighbours::message::{NDMSG, Place, neighbour, wanted};
use crate::netlink::neighbours::table::{GETNEIGH, NEWNEIGH};
use crate::netlink::routes;
use crate::netlink::socket::Socket;
use crate::tasks::blocking;

/// Time between two looks at whether a name is needed.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// The longest pause before addresses are asked for: all agents of a network see the same claim at once.
const SPREAD: Duration = Duration::from_secs(2);
/// Time between two addresses: 8 a second.
const BETWEEN: Duration = Duration::from_millis(125);
/// The time for which an address is not asked for again.
const AGAIN: Duration = Duration::from_mins(1);
/// Addresses looked at in one pass.
const MAX_ADDRESSES: usize = 64;
/// Half of the entries from which on the kernel pushes out old ones (`gc_thresh2`, 512 by default).
/// <https://docs.kernel.org/networking/ip-sysctl.html>
const MAX_ENTRIES: usize = 256;

/// The kernel's entries: usable ones with their Ethernet address.
type Entries = BTreeMap<Place, Option<Mac>>;

/// What decides which addresses are asked for.
pub struct Sources {
    /// Is true while names are needed.
    pub is_needed: Box<dyn Fn() -> bool + Send + Sync>,
    /// The Nodes.
    pub cluster: watch::Receiver<Arc<Inventory>>,
    /// The interfaces on which addresses may be asked for.
    pub uplinks: watch::Receiver<BTreeSet<u32>>,
}

/// Asks the kernel for the Ethernet addresses of Nodes while they are needed, until `cancel`. It asks only for addresses
/// that this machine reaches by an uplink without a gateway, of Nodes that have no usable entry there.
///
/// Runs in the network namespace of the thread that first polls it.
///
/// # Errors
/// Fails when netlink can't be opened or stops answering, and without CAP_NET_ADMIN.
pub async fn follow(sources: Sources, cancel: CancellationToken) -> Result<(), NetlinkError> {
    let resolver = Resolver { requests: Socket::open(SockProtocol::NetlinkRoute)?, tried: BTreeMap::new() };
    tokio::select! {
        () = cancel.cancelled() => Ok(()),
        ended = resolver.run(sources, SPREAD) => ended,
    }
}

struct Resolver {
    requests: Socket,
    /// The time at which each address was last looked at.
    tried: BTreeMap<IpAddr, Instant>,
}

impl Resolver {
    async fn run(mut self, mut sources: Sources, spread: Duration) -> Result<(), NetlinkError> {
        loop {
            if (sources.is_needed)() {
                let uplinks = sources.uplinks.borrow_and_update().clone();
                let cluster = Arc::clone(&sources.cluster.borrow_and_update());
                let chosen = self.choose(&cluster.nodes, &uplinks).await?;
                if !chosen.is_empty() {
                    sleep(spread.mul_f32(fastrand::f32())).await;
                }
                for place in chosen {
                    if !(sources.is_needed)() {
                        break;
                    }
                    self = self.ask(place).await?;
                    sleep(BETWEEN).await;
                }
            }
            sleep(LOOK_EVERY).await;
        }
    }

    /// Returns where to ask for Nodes that have no name yet, in random order.
    async fn choose(
        &mut self,
        nodes: &[Arc<Node>],
        uplinks: &BTreeSet<u32>,
    ) -> Result<Vec<Place>, NetlinkError> {
        let entries = self.entries().await?;
        if entries.len() >= MAX_ENTRIES {
            return Ok(Vec::new());
        }
        let now = Instant::now();
        self.tried.retain(|_, at| now.duration_since(*at) < AGAIN);
        let mut addresses: Vec<IpAddr> = unknown(nodes, &entries, uplinks)
            .filter(|ip| !self.tried.contains_key(ip))
            .take(MAX_ADDRESSES)
            .collect();
        fastrand::shuffle(&mut addresses);
        self.tried.extend(addresses.iter().map(|ip| (*ip, now)));
        let places =
            addresses.into_iter().filter_map(|ip| Some((routes::direct(&mut self.requests, ip)?, ip)));
        Ok(places.filter(|place| uplinks.contains(&place.0) && !entries.contains_key(place)).collect())
    }

    async fn entries(&mut self) -> Result<Entries, NetlinkError> {
        let mut entries = Entries::new();
        let each = |_, body: &[u8]| {
            if entries.len() < MAX_ENTRIES {
                entries.extend(neighbour(body));
            }
        };
        self.requests.stream("neighbour", GETNEIGH, &[0; NDMSG], each).await?;
        Ok(entries)
    }

    /// Lets the kernel ask for one address.
    async fn ask(mut self, place: Place) -> Result<Self, NetlinkError> {
        let (resolver, answer) = blocking(move || {
            let answer = solicit(&mut self.requests, place);
            (self, answer)
        })
        .await;
        match answer {
            Err(errno @ (Errno::EPERM | Errno::EACCES)) => {
                return Err(NetlinkError::Io { what: "asking for a neighbour", errno });
            }
            // Somebody else was first, the interface has gone, or the table is full.
            Err(errno) => {
                debug!(address = %place.1, %errno, "the kernel does not ask for this Node's address");
            }
            Ok(()) => debug!(address = %place.1, "the kernel asks for this Node's Ethernet address"),
        }
        Ok(resolver)
    }
}

/// Lets the kernel ask for one address, unless it has an entry for it.
fn solicit(requests: &mut Socket, place: Place) -> Result<(), Errno> {
    requests.create(NEWNEIGH, &wanted(place))
}

/// Returns the addresses of Nodes whose Ethernet address is not known at any of the uplinks.
fn unknown<'a>(
    nodes: &'a [Arc<Node>],
    entries: &Entries,
    uplinks: &BTreeSet<u32>,
) -> impl Iterator<Item = IpAddr> + use<'a> {
    let at_uplinks = entries.iter().filter(|((at, _), mac)| uplinks.contains(at) && mac.is_some());
    let known: BTreeSet<IpAddr> = at_uplinks.map(|((_, ip), _)| *ip).collect();
    let addresses = |node: &'a Arc<Node>| node.ips.iter().map(IpAddr::to_canonical);
    nodes.iter().filter(move |node| !addresses(node).any(|ip| known.contains(&ip))).flat_map(addresses)
}

#[cfg(test)]
mod tests;
