//! `vip_flap`: a VIP that keeps changing hands.

use std::collections::BTreeSet;
use std::net::IpAddr;

use arcstr::ArcStr;
use flow_model::finding::Evidence;
use flow_model::object_ref::ObjectRef;
use flow_model::vip::ClaimSource;
use jiff::Timestamp;

use crate::vips::moves::{FOLLOWS, Move, Moves};
use crate::vips::owners::Owners;
use crate::vips::wire::within;
use crate::vips::{VipConfig, words};

/// Where moves are looked for; the wire knows best. The same move is not counted twice.
const SOURCES: [ClaimSource; 4] =
    [ClaimSource::Wire, ClaimSource::L2Status, ClaimSource::Lease, ClaimSource::Event];

/// Moves of one source within the window, oldest first.
#[derive(Debug)]
pub(super) struct Flap<'a> {
    pub(super) source: ClaimSource,
    pub(super) moves: Vec<&'a Move>,
    /// There may have been more.
    pub(super) cut: bool,
}

/// The flap that there is now.
pub(super) fn find<'a>(moves: &'a Moves, config: &VipConfig, now: Timestamp) -> Option<Flap<'a>> {
    if moves.len() < config.flap_moves.max(1) {
        return None;
    }
    SOURCES.into_iter().find_map(|source| {
        let recent = moves.iter().filter(|m| m.source == source && within(now, m.at, config.flap_window));
        let moves_of: Vec<&Move> = recent.collect();
        let cut = moves_of.len() >= config.history;
        let lasting = without_late(moves_of, config);
        (lasting.len() >= config.flap_moves.max(1)).then_some(Flap { source, moves: lasting, cut })
    })
}

/// A frame that the old claimant had queued seems to take the address back, and the new one's next frame to move it again:
/// that is one move.
fn without_late<'a>(moves: Vec<&'a Move>, config: &VipConfig) -> Vec<&'a Move> {
    let mut out: Vec<&'a Move> = Vec::with_capacity(moves.len());
    for moved in moves {
        let back = |last: &&&Move| last.from == moved.to && last.to == moved.from;
        if out.last().filter(back).is_some_and(|last| within(moved.at, last.at, config.late)) {
            out.pop();
        } else {
            out.push(moved);
        }
    }
    out
}

impl Flap<'_> {
    /// The nodes that had the address in turn.
    pub(super) fn nodes(&self, owners: &Owners) -> BTreeSet<ArcStr> {
        let parties = self.moves.iter().flat_map(|moved| [&moved.from, &moved.to]);
        parties.filter(|name| owners.is_node(name)).cloned().collect()
    }

    pub(super) fn summary(&self, ip: IpAddr, services: &[ObjectRef], config: &VipConfig) -> String {
        let mut parties: Vec<&ArcStr> = Vec::new();
        for name in self.moves.iter().flat_map(|moved| [&moved.from, &moved.to]) {
            if !parties.contains(&name) {
                parties.push(name);
            }
        }
        let back = self.moves.iter().any(|moved| Some(&&moved.to) == parties.first());
        format!(
            "{} moved {} {}{} times in {}{}{}",
            words::vip(ip, services),
            words::between(&parties, back),
            if self.cut { "at least " } else { "" },
            self.moves.len(),
            words::span(config.flap_window),
            words::according_to(self.source),
            self.resets(),
        )
    }

    /// What the moves did.
    fn resets(&self) -> String {
        match self.moves.iter().map(|moved| moved.resets).sum::<u64>() {
            0 => String::new(),
            1 => format!("; 1 reset of an open connection followed within {}", words::span(FOLLOWS)),
            n => {
                format!("; {n} resets of open connections followed within {} of a move", words::span(FOLLOWS))
            }
        }
    }

    pub(super) fn evidence(&self) -> Vec<Evidence> {
        let text = |moved: &Move| match moved.macs {
            Some((_, to)) if !moved.to.starts_with("MAC ") => {
                format!("{} -> {} (MAC {to})", moved.from, moved.to)
            }
            _ => format!("{} -> {}", moved.from, moved.to),
        };
        self.moves.iter().map(|moved| Evidence { time: moved.at, text: text(moved) }).collect()
    }
}
