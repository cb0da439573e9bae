//! Follows interfaces as they come, change and go, and finds the role of each.

mod link;
mod table;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use flow_model::inventory::Inventory;
use nix::errno::Errno;
use nix::sys::socket::SockProtocol;
use tokio::sync::mpsc::Sender;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

pub use self::link::{Because, Link, LinkEvent, Role, UplinkChoice};
use self::table::LinkTable;
use crate::netlink::error::NetlinkError;
use crate::netlink::link_message::LinkMessage;
use crate::netlink::neighbours::address;
use crate::netlink::nodes::Nodes;
use crate::netlink::routes::{self, DELROUTE, NEWROUTE, Route};
use crate::netlink::rtnetlink::{DELADDR, DELLINK, GETADDR, GETLINK, NEWADDR, NEWLINK};
use crate::netlink::socket::{RECEIVE_BUFFER, Socket};
use crate::netlink::wire::{Message, messages};

/// `RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV4_ROUTE | RTMGRP_IPV6_IFADDR | RTMGRP_IPV6_ROUTE`.
const GROUPS: u32 = 0x1 | 0x10 | 0x40 | 0x100 | 0x400;
/// An empty `ifinfomsg` and `IFLA_EXT_MASK = RTEXT_FILTER_SKIP_STATS`: counters are most of a dump.
const LINK_REQUEST: [u32; 6] = [0, 0, 0, 0, u32::from_ne_bytes(EXT_MASK_HEADER), 1 << 3];
const EXT_MASK_HEADER: [u8; 4] = {
    let (len, kind) = (8u16.to_ne_bytes(), 29u16.to_ne_bytes());
    [len[0], len[1], kind[0], kind[1]]
};
/// Datagrams handled before their changes are reported, so that a storm can't hold them back.
const BATCH: usize = 64;

/// Where the interfaces are reported.
#[derive(Debug)]
pub struct Outlets {
    /// Every interface and its changes.
    pub events: Sender<LinkEvent>,
    /// The uplinks that carry Ethernet frames.
    pub ethernet: watch::Sender<BTreeSet<u32>>,
}

/// Reports every interface and its changes, until `cancel` or until the receiver of events is closed. The interfaces that
/// have an address of a Node in `cluster` lead to other nodes.
///
/// Runs in the network namespace of the thread that first polls it. While the queue of events is full, notifications wait in the
/// kernel's buffer. When that overflows, everything is dumped again and only the differences are sent.
///
/// # Errors
/// Fails when netlink can't be opened or stops answering.
pub async fn follow(
    config: UplinkChoice,
    cluster: watch::Receiver<Arc<Inventory>>,
    to: Outlets,
    cancel: CancellationToken,
) -> Result<(), NetlinkError> {
    follow_with(config, cluster, to, cancel, RECEIVE_BUFFER).await
}

async fn follow_with(
    config: UplinkChoice,
    cluster: watch::Receiver<Arc<Inventory>>,
    Outlets { events: tx, ethernet }: Outlets,
    cancel: CancellationToken,
    buffer: usize,
) -> Result<(), NetlinkError> {
    // Subscribed before the first dump, so that changes during the dump are queued.
    let notifications = Socket::subscribe(SockProtocol::NetlinkRoute, GROUPS, buffer)?;
    let requests = Socket::open(SockProtocol::NetlinkRoute)?;
    let follower = Follower {
        notifications,
        requests,
        table: LinkTable::new(config),
        stale: Stale::default(),
        nodes: Nodes::new(cluster),
        logged: BTreeMap::new(),
        ethernet,
    };
    tokio::select! {
        () = cancel.cancelled() => Ok(()),
        ended = follower.run(&tx) => ended,
    }
}

/// Marks what must be dumped again.
#[derive(Clone, Copy, Default)]
struct Stale {
    links: bool,
    routes: bool,
    addresses: bool,
}

impl Stale {
    const ALL: Self = Self { links: true, routes: true, addresses: true };
}

struct Follower {
    notifications: Socket,
    requests: Socket,
    table: LinkTable,
    stale: Stale,
    nodes: Nodes,
    /// The uplinks as they were logged last.
    logged: BTreeMap<u32, Because>,
    /// The uplinks that carry Ethernet frames.
    ethernet: watch::Sender<BTreeSet<u32>>,
}

impl Follower {
    async fn run(mut self, tx: &Sender<LinkEvent>) -> Result<(), NetlinkError> {
        self.stale = Stale::ALL;
        self.refresh().await?;
        for name in self.table.missing_uplinks() {
            warn!(uplink = name, "the uplink does not exist yet; it is followed once it appears");
        }
        if !self.report(tx).await || !send_all(tx, vec![LinkEvent::Synced]).await {
            return Ok(());
        }
        loop {
            self.wait().await?;
            self.refresh().await?;
            if !self.report(tx).await {
                return Ok(());
            }
        }
    }

    /// Sends what changed. False when the receiver is closed.
    async fn report(&mut self, tx: &Sender<LinkEvent>) -> bool {
        let events = self.table.changes();
        events.iter().for_each(|event| log(&mut self.logged, event));
        self.ethernet.send_if_modified(|uplinks| {
            events.iter().fold(false, |modified, event| note_ethernet(uplinks, event) | modified)
        });
        send_all(tx, events).await
    }

    /// Waits for a notification, then takes those that are queued.
    async fn wait(&mut self) -> Result<(), NetlinkError> {
        let received = tokio::select! {
            received = self.notifications.receive() => received,
            () = self.nodes.changed() => {
                self.stale.addresses = true;
                return Ok(());
            }
        };
        match received {
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

    /// Handles lost notifications. Those still queued are older than the next dump and would undo it.
    fn lost(&mut self, errno: Errno) -> Result<(), NetlinkError> {
        if !matches!(errno, Errno::ENOBUFS | Errno::EMSGSIZE) {
            return Err(NetlinkError::Io { what: "receiving link changes", errno });
        }
        debug!("link notifications were lost; reading all interfaces again");
        self.notifications.discard_queued();
        self.stale = Stale::ALL;
        Ok(())
    }

    async fn refresh(&mut self) -> Result<(), NetlinkError> {
        let stale = std::mem::take(&mut self.stale);
        if stale.links {
            let request: Vec<u8> = LINK_REQUEST.iter().flat_map(|word| word.to_ne_bytes()).collect();
            let decode = |kind, body: &[u8]| (kind == NEWLINK).then(|| LinkMessage::decode(body)).flatten();
            self.table.reset(self.requests.dump("link", GETLINK, &request, decode).await?);
        }
        if stale.routes {
            let routes = routes::dump(&mut self.requests).await?;
            let (main, other) = routes::default_route_links(&routes);
            self.table.set_default_routes(main, other);
        }
        if stale.addresses {
            let decode = |kind, body: &[u8]| (kind == NEWADDR).then(|| address(body)).flatten();
            let addresses = self.requests.dump("address", GETADDR, &[0; 8], decode).await?;
            self.table.set_addresses(addresses.into_iter().collect(), self.nodes.addresses.clone());
        }
        Ok(())
    }
}

/// Logs which interfaces become uplinks, and why, and which are none any more.
fn log(logged: &mut BTreeMap<u32, Because>, event: &LinkEvent) {
    match event {
        LinkEvent::Up(Link { ifindex, name, because: Some(because), .. }) => {
            if logged.insert(*ifindex, *because) != Some(*because) {
                info!(uplink = name, "{name} is an uplink: {because}");
            }
        }
        LinkEvent::Up(Link { ifindex, name, .. }) | LinkEvent::Gone { ifindex, name } => {
            if logged.remove(ifindex).is_some() {
                info!(uplink = name, "{name} is no uplink any more");
            }
        }
        LinkEvent::Synced => {}
    }
}

/// Keeps the uplinks that carry Ethernet frames. Returns whether they have changed.
fn note_ethernet(uplinks: &mut BTreeSet<u32>, event: &LinkEvent) -> bool {
    match event {
        LinkEvent::Up(Link { ifindex, role: Role::Uplink, ethernet: true, .. }) => uplinks.insert(*ifindex),
        LinkEvent::Up(Link { ifindex, .. }) | LinkEvent::Gone { ifindex, .. } => uplinks.remove(ifindex),
        LinkEvent::Synced => false,
    }
}

fn handle(table: &mut LinkTable, stale: &mut Stale, datagram: &[u8]) {
    for message in messages(datagram) {
        match message.kind {
            NEWLINK => {
                stale.routes |= LinkMessage::decode(message.body).is_some_and(|link| table.apply(link));
            }
            DELLINK => {
                stale.links |=
                    LinkMessage::decode(message.body).is_some_and(|link| table.remove(link.ifindex));
            }
            NEWADDR | DELADDR => stale.addresses = true,
            NEWROUTE | DELROUTE => stale.routes |= concerns_defaults(table, message),
            _ => {}
        }
    }
}

/// Is true when a default route changed, or one that a default route may depend on was deleted: the kernel deletes
/// routes through a lost gateway or source address without a notification.
fn concerns_defaults(table: &LinkTable, message: Message<'_>) -> bool {
    Route::decode(message.body).is_some_and(|route| {
        let dependent = || route.ifindexes.iter().any(|&ifindex| table.has_default_route(ifindex));
        route.is_default() || (message.kind == DELROUTE && dependent())
    })
}

/// Sends events. False when the receiver is closed.
async fn send_all(tx: &Sender<LinkEvent>, events: Vec<LinkEvent>) -> bool {
    for event in events {
        if tx.send(event).await.is_err() {
            return false;
        }
    }
    true
}
