//! The moves of VIPs from host to host.

use std::collections::VecDeque;
use std::net::IpAddr;

use flow_model::mac::Mac;
use flow_model::object_ref::ObjectRef;
use flow_model::vip::ClaimSource;
use jiff::{SignedDuration, Timestamp};

use crate::vips::host::Host;
use crate::vips::owners::Owners;

/// A move of a VIP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Move {
    pub vip: IpAddr,
    /// The Services that had it.
    pub services: Vec<ObjectRef>,
    pub from: Host,
    pub to: Host,
    pub at: Timestamp,
    pub source: ClaimSource,
    /// Resets of open connections through the VIP that followed within 2 s, on this node.
    pub resets: u64,
    /// The Ethernet addresses, of a move on the wire.
    pub(super) macs: Option<(Mac, Mac)>,
}

/// A reset this soon after a move is attributed to the move.
pub(super) const FOLLOWS: SignedDuration = SignedDuration::from_secs(2);

/// The newest moves of one VIP, oldest first.
#[derive(Debug, Default)]
pub(super) struct Moves(VecDeque<Move>);

impl Moves {
    /// Counts a reset of a connection through the VIP.
    pub(super) fn reset(&mut self, at: Timestamp) {
        let follows =
            |moved: &&mut Move| (SignedDuration::ZERO..=FOLLOWS).contains(&at.duration_since(moved.at));
        if let Some(moved) = self.0.iter_mut().rev().find(follows) {
            moved.resets += 1;
        }
    }

    pub(super) fn push(&mut self, moved: Move, max: usize) {
        while self.0.len() >= max.max(1) {
            self.0.pop_front();
        }
        self.0.push_back(moved);
    }

    pub(super) fn iter(&self) -> impl DoubleEndedIterator<Item = &Move> {
        self.0.iter()
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Names hosts that have become known since.
    pub(super) fn name(&mut self, owners: &Owners) {
        for moved in &mut self.0 {
            if let Some((from, to)) = moved.macs {
                name(&mut moved.from, from, owners);
                name(&mut moved.to, to, owners);
            }
        }
    }
}

/// Names a host. A name that is known stays: the host may be gone by now.
fn name(host: &mut Host, mac: Mac, owners: &Owners) {
    if host.name().is_none() {
        *host = owners.host(mac);
    }
}
