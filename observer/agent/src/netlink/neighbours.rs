//! Follows the Ethernet addresses of neighbours and of this node.

mod message;
pub mod resolve;
mod table;
#[cfg(test)]
mod tests;

use std::time::Duration;

use flow_model::input::Input;
use nix::errno::Errno;
use nix::sys::socket::SockProtocol;
use tokio::sync::mpsc::Sender;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

pub(super) use self::message::{Place, address};
use self::table::{GETNEIGH, Table};
use crate::netlink::error::NetlinkError;
use crate::netlink::rtnetlink::{GETADDR, GETLINK};
use crate::netlink::socket::Socket;
use crate::netlink::wire::messages;

/// `RTMGRP_LINK | RTMGRP_NEIGH | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR`.
const GROUPS: u32 = 0x1 | 0x4 | 0x10 | 0x100;
/// Bytes the kernel queues, about a thousand changes. After more in one pause everything is read again.
const BUFFER: usize = 1 << 20;
/// Neighbours kept. It also limits the interfaces and the addresses of this node, each list for itself.
const MAX: usize = 16_384;
/// Time between two inputs, and between two reads of the queue.
const PAUSE: Duration = Duration::from_secs(1);
/// Notifications taken in one read.
const BATCH: usize = 8_192;

/// Holds the sizes and times that tests change.
#[derive(Clone, Copy)]
struct Limits {
    buffer: usize,
    max: usize,
    pause: Duration,
}

/// Sends the Ethernet addresses of all neighbours and of this node's interfaces to `tx` as [`Input::Neighbours`]: once
/// at the start, then when they have changed, at most once a second. This node's own addresses are among the
/// neighbours.
///
/// Ends with `cancel` or when the receiver is closed. Runs in the network namespace of the thread that first polls it.
/// Between two inputs changes wait in the kernel's buffer. When that overflows, everything is read again.
///
/// # Errors
/// Fails when netlink can't be opened or stops answering.
pub async fn follow(tx: Sender<Input>, cancel: CancellationToken) -> Result<(), NetlinkError> {
    follow_with(tx, cancel, Limits { buffer: BUFFER, max: MAX, pause: PAUSE }).await
}

async fn follow_with(
    tx: Sender<Input>,
    cancel: CancellationToken,
    limits: Limits,
) -> Result<(), NetlinkError> {
    // Subscribed before the first dump, so that changes during the dump are queued.
    let notifications = Socket::subscribe(SockProtocol::NetlinkRoute, GROUPS, limits.buffer)?;
    let requests = Socket::open(SockProtocol::NetlinkRoute)?;
    let table = Table::new(limits.max);
    let follower = Follower { notifications, requests, table, stale: true, warned: false, limits };
    tokio::select! {
        () = cancel.cancelled() => Ok(()),
        ended = follower.run(&tx) => ended,
    }
}

struct Follower {
    notifications: Socket,
    requests: Socket,
    table: Table,
    /// Everything must be read again.
    stale: bool,
    warned: bool,
    limits: Limits,
}

impl Follower {
    async fn run(mut self, tx: &Sender<Input>) -> Result<(), NetlinkError> {
        let mut last = None;
        loop {
            if self.stale || self.table.has_room_again() {
                self.read_all().await?;
            }
            if let Some(snapshot) = self.table.changed().filter(|snapshot| last.as_ref() != Some(snapshot)) {
                let (neighbours, own) = snapshot.clone();
                if tx.send(Input::Neighbours { neighbours, own }).await.is_err() {
                    return Ok(());
                }
                last = Some(snapshot);
            }
            let next = Instant::now() + self.limits.pause;
            self.wait(next).await?;
        }
    }

    /// Waits for a change, then until `next`, and takes the changes up to then.
    async fn wait(&mut self, next: Instant) -> Result<(), NetlinkError> {
        match self.notifications.receive().await {
            Ok(datagram) => handle(&mut self.table, datagram),
            Err(errno) => self.lost(errno)?,
        }
        sleep_until(next).await;
        for _ in 0..BATCH {
            match self.notifications.receive_now() {
                Ok(Some(datagram)) => handle(&mut self.table, datagram),
                Ok(None) => break,
                Err(errno) => self.lost(errno)?,
            }
        }
        Ok(())
    }

    /// Handles lost notifications. Those still queued are older than the next dump and would undo it.
    fn lost(&mut self, errno: Errno) -> Result<(), NetlinkError> {
        if !matches!(errno, Errno::ENOBUFS | Errno::EMSGSIZE) {
            return Err(NetlinkError::Io { what: "receiving neighbour changes", errno });
        }
        debug!("neighbour notifications were lost; reading all neighbours again");
        self.notifications.discard_queued();
        self.stale = true;
        Ok(())
    }

    /// Reads everything. A dump that is interrupted by changes need not start over, because the changes are queued.
    async fn read_all(&mut self) -> Result<(), NetlinkError> {
        let mut table = Table::new(self.limits.max);
        for (what, kind, header) in
            [("link", GETLINK, 16), ("address", GETADDR, 8), ("neighbour", GETNEIGH, 12)]
        {
            let apply = |kind, body: &[u8]| table.apply(kind, body);
            self.requests.stream(what, kind, &vec![0; header], apply).await?;
        }
        if table.is_full() && !std::mem::replace(&mut self.warned, true) {
            warn!(max = self.limits.max, "more neighbours than can be followed: some nodes may stay unnamed");
        }
        (self.table, self.stale) = (table, false);
        Ok(())
    }
}

fn handle(table: &mut Table, datagram: &[u8]) {
    messages(datagram).for_each(|message| table.apply(message.kind, message.body));
}
