//! Moves, as other detectors ask for them.

use std::collections::VecDeque;
use std::net::IpAddr;

use arcstr::ArcStr;
use flow_model::mac::Mac;
use flow_model::object_ref::ObjectRef;
use flow_model::vip::ClaimSource;
use jiff::{SignedDuration, Timestamp};

use crate::vips::owners::Owners;

/// A VIP changed hands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Move {
    pub vip: IpAddr,
    /// `namespace/name` of the Services that had it.
    pub services: Vec<ObjectRef>,
    /// Nodes, or `MAC aa:bb:cc:dd:ee:ff` where the node is not known.
    pub from: ArcStr,
    pub to: ArcStr,
    pub at: Timestamp,
    pub source: ClaimSource,
    /// Resets of open connections through the VIP that followed within 2 s, on this node.
    pub resets: u64,
    /// Of a move on the wire.
    pub(super) macs: Option<(Mac, Mac)>,
}

/// A reset so soon after a move is the move's doing.
pub(super) const FOLLOWS: SignedDuration = SignedDuration::from_secs(2);

/// The newest moves of one VIP, oldest first.
#[derive(Debug, Default)]
pub(super) struct Moves(VecDeque<Move>);

impl Moves {
    /// A connection through the VIP was reset.
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

/// A name once known stays: the host may have gone since.
fn name(called: &mut ArcStr, mac: Mac, owners: &Owners) {
    if called.starts_with("MAC ")
        && let Some(node) = owners.of_mac(mac)
    {
        *called = node.clone();
    }
}
