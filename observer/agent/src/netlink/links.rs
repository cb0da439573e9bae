//! Interfaces as they come, change and go, and what each is for.

use nix::errno::Errno;
use nix::sys::socket::SockProtocol;
use tokio::sync::mpsc::Sender;
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use crate::netlink::NetlinkError;
use crate::netlink::link_table::{LinkTable, RawLink};
use crate::netlink::routes::{self, DELROUTE, NEWROUTE, Route};
use crate::netlink::socket::{RECEIVE_BUFFER, Socket};
use crate::netlink::wire::{Message, messages};

const NEWLINK: u16 = 16;
const DELLINK: u16 = 17;
const GETLINK: u16 = 18;
/// `RTMGRP_LINK | RTMGRP_IPV4_ROUTE | RTMGRP_IPV6_ROUTE`.
const GROUPS: u32 = 0x1 | 0x40 | 0x400;
/// An empty `ifinfomsg` and `IFLA_EXT_MASK = RTEXT_FILTER_SKIP_STATS`: counters are most of a dump.
const LINK_REQUEST: [u32; 6] = [0, 0, 0, 0, u32::from_ne_bytes(EXT_MASK_HEADER), 1 << 3];
const EXT_MASK_HEADER: [u8; 4] = {
    let (len, kind) = (8u16.to_ne_bytes(), 29u16.to_ne_bytes());
    [len[0], len[1], kind[0], kind[1]]
};
/// Datagrams handled before their changes are told, so that a storm can't hold them back.
const BATCH: usize = 64;

/// Which interfaces count as uplinks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum UplinkChoice {
    /// Those with a default route (main table, IPv4 or IPv6), as the routes change.
    #[default]
    DefaultRoute,
    /// Exactly those of these names, also when they appear later.
    Named(Vec<String>),
}

/// What happened to an interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LinkEvent {
    /// New, or something of it changed; told again with what it is now.
    Up(Link),
    /// Deleted, or moved to another namespace. Its index may be used again by an `Up` that follows.
    Gone {
        /// The index it had.
        ifindex: u32,
        /// The name it had.
        name: String,
    },
    /// Every interface that existed at the start has been told; sent once.
    Synced,
}

/// An interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// The kernel's number for it.
    pub ifindex: u32,
    /// Its name now; it can be renamed.
    pub name: String,
    /// What it is for.
    pub role: Role,
    /// Frames start with an Ethernet header; else (tun, PPP, WireGuard, IP tunnels) with the IP header.
    pub ethernet: bool,
    /// The bridge, bond or VRF it is a port of.
    pub master: Option<u32>,
    /// It is a bridge.
    pub bridge: bool,
}

/// What an interface is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// The host's end of a pod's veth: the other end is in another network namespace.
    Pod,
    /// Leads out of the node.
    Uplink,
    /// A bridge with a pod as a port.
    Bridge,
    /// Neither.
    Other,
}

/// Tells every interface and its changes to `tx`, until `cancel` or until nobody listens.
///
/// Runs in the network namespace of the thread that first polls it. A full `tx` holds it back: notifications wait in
/// the kernel's buffer, and when that overflows everything is dumped again and only the differences are told.
///
/// # Errors
/// When netlink can't be opened or stops to answer.
pub async fn follow(
    config: UplinkChoice,
    tx: Sender<LinkEvent>,
    cancel: CancellationToken,
) -> Result<(), NetlinkError> {
    follow_with(config, tx, cancel, RECEIVE_BUFFER).await
}

async fn follow_with(
    config: UplinkChoice,
    tx: Sender<LinkEvent>,
    cancel: CancellationToken,
    buffer: usize,
) -> Result<(), NetlinkError> {
    // Subscribed before the first dump: what changes meanwhile is queued, not lost.
    let notifications = Socket::subscribe(SockProtocol::NetlinkRoute, GROUPS, buffer)?;
    let requests = Socket::open(SockProtocol::NetlinkRoute)?;
    let follower =
        Follower { notifications, requests, table: LinkTable::new(config), stale: Stale::default() };
    tokio::select! {
        () = cancel.cancelled() => Ok(()),
        ended = follower.run(&tx) => ended,
    }
}

/// What must be asked for again.
#[derive(Clone, Copy, Default)]
struct Stale {
    links: bool,
    routes: bool,
}

struct Follower {
    notifications: Socket,
    requests: Socket,
    table: LinkTable,
    stale: Stale,
}

impl Follower {
    async fn run(mut self, tx: &Sender<LinkEvent>) -> Result<(), NetlinkError> {
        self.stale = Stale { links: true, routes: true };
        self.refresh().await?;
        for name in self.table.missing_uplinks() {
            warn!(uplink = name, "the uplink does not exist yet; it is followed once it appears");
        }
        if !tell(tx, self.table.changes()).await || !tell(tx, vec![LinkEvent::Synced]).await {
            return Ok(());
        }
        loop {
            self.wait().await?;
            self.refresh().await?;
            if !tell(tx, self.table.changes()).await {
                return Ok(());
            }
        }
    }

    /// Waits for a notification, then takes what else is there.
    async fn wait(&mut self) -> Result<(), NetlinkError> {
        match self.notifications.receive().await {
            Ok(datagram) => handle(&mut self.table, &mut self.stale, datagram),
            Err(errno) => self.lost(errno)?,
        }
        for _ in 0..BATCH {
            match self.notifications.receive_now() {
                Ok(Some(datagram)) => handle(&mut self.table, &mut self.stale, datagram),
                Ok(None) => break,
                Err(errno) => self.lost(errno)?,
            }
        }
        Ok(())
    }

    /// Notifications were lost: what is still queued is older than the dump to come and would undo it.
    fn lost(&mut self, errno: Errno) -> Result<(), NetlinkError> {
        if !matches!(errno, Errno::ENOBUFS | Errno::EMSGSIZE) {
            return Err(NetlinkError::Io { what: "receiving link changes", errno });
        }
        debug!("link notifications were lost; reading all interfaces again");
        self.notifications.discard_queued();
        self.stale = Stale { links: true, routes: true };
        Ok(())
    }

    async fn refresh(&mut self) -> Result<(), NetlinkError> {
        let stale = std::mem::take(&mut self.stale);
        if stale.links {
            let request: Vec<u8> = LINK_REQUEST.iter().flat_map(|word| word.to_ne_bytes()).collect();
            let decode = |kind, body: &[u8]| (kind == NEWLINK).then(|| RawLink::decode(body)).flatten();
            self.table.reset(self.requests.dump("link", GETLINK, &request, decode).await?);
        }
        if stale.routes {
            let routes = routes::dump(&mut self.requests).await?;
            self.table.set_default_routes(routes::default_route_links(&routes));
        }
        Ok(())
    }
}

fn handle(table: &mut LinkTable, stale: &mut Stale, datagram: &[u8]) {
    for message in messages(datagram) {
        match message.kind {
            NEWLINK => stale.routes |= RawLink::decode(message.body).is_some_and(|link| table.apply(link)),
            DELLINK => {
                stale.links |= RawLink::decode(message.body).is_some_and(|link| table.remove(link.ifindex));
            }
            NEWROUTE | DELROUTE => stale.routes |= concerns_defaults(table, message),
            _ => {}
        }
    }
}

/// A default route changed, or one that a default route may depend on went: the kernel drops routes through a lost
/// gateway or source address without naming them.
fn concerns_defaults(table: &LinkTable, message: Message<'_>) -> bool {
    Route::decode(message.body).is_some_and(|route| {
        let dependent = || route.ifindexes.iter().any(|&ifindex| table.has_default_route(ifindex));
        route.is_default() || (message.kind == DELROUTE && dependent())
    })
}

/// False when nobody listens any more.
async fn tell(tx: &Sender<LinkEvent>, events: Vec<LinkEvent>) -> bool {
    for event in events {
        if tx.send(event).await.is_err() {
            return false;
        }
    }
    true
}

#[cfg(test)]
mod tests;
