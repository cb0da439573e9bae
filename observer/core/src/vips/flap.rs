//! `vip_flap`: a VIP that keeps moving.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use arcstr::ArcStr;
use flow_model::finding::Evidence;
use flow_model::object_ref::ObjectRef;
use flow_model::vip::ClaimSource;
use jiff::Timestamp;

use crate::vips::config::VipConfig;
use crate::vips::host::Host;
use crate::vips::moves::{FOLLOWS, Move, Moves};
use crate::vips::owners::Owners;
use crate::vips::text;
use crate::vips::wire::within;

/// Moves of one source within the window, oldest first.
#[derive(Debug)]
pub(super) struct Flap<'a> {
    pub(super) source: ClaimSource,
    pub(super) moves: Vec<&'a Move>,
    /// There may have been more moves than are remembered.
    pub(super) cut: bool,
}

/// Returns the flap that there is now. Each source is looked at for itself, the most trusted first: what several
/// sources show is the same move, and must not count twice.
pub(super) fn find<'a>(moves: &'a Moves, config: &VipConfig, now: Timestamp) -> Option<Flap<'a>> {
    if moves.len() < config.flap_moves.max(1) {
        return None;
    }
    let mut by_source: BTreeMap<ClaimSource, Vec<&Move>> = BTreeMap::new();
    for moved in moves.iter().filter(|moved| within(now, moved.at, config.flap_window)) {
        by_source.entry(moved.source).or_default().push(moved);
    }
    by_source.into_iter().find_map(|(source, moves)| {
        let cut = moves.len() >= config.history;
        let lasting = without_late(moves, config);
        (lasting.len() >= config.flap_moves.max(1)).then_some(Flap { source, moves: lasting, cut })
    })
}

/// Leaves out moves that late frames only seem to show. A frame that the old host had queued seems to take the address
/// back, and the new host's next frame seems to move it again: in truth that is one move.
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
    /// Returns the nodes that had the address in turn.
    pub(super) fn nodes(&self, owners: &Owners) -> BTreeSet<ArcStr> {
        let names = self.hosts().filter_map(Host::name);
        names.filter(|name| owners.is_node(name)).cloned().collect()
    }

    pub(super) fn summary(&self, ip: IpAddr, services: &[ObjectRef], config: &VipConfig) -> String {
        let mut hosts: Vec<&Host> = Vec::new();
        for host in self.hosts() {
            if !hosts.contains(&host) {
                hosts.push(host);
            }
        }
        let back = self.moves.iter().any(|moved| Some(&&moved.to) == hosts.first());
        format!(
            "{} moved {} {}{} times in {}{}{}",
            text::vip(ip, services),
            text::between(&hosts, back),
            if self.cut { "at least " } else { "" },
            self.moves.len(),
            text::span(config.flap_window),
            self.source.traits().according_to,
            self.resets(),
        )
    }

    pub(super) fn evidence(&self) -> Vec<Evidence> {
        let text = |moved: &Move| match (&moved.to, moved.macs) {
            (Host::Named(to), Some((_, mac))) => format!("{} -> {to} (MAC {mac})", moved.from),
            _ => format!("{} -> {}", moved.from, moved.to),
        };
        self.moves.iter().map(|moved| Evidence { time: moved.at, text: text(moved) }).collect()
    }

    fn hosts(&self) -> impl Iterator<Item = &Host> {
        self.moves.iter().flat_map(|moved| [&moved.from, &moved.to])
    }

    /// Returns the part of the sentence about the connections that the moves reset.
    fn resets(&self) -> String {
        match self.moves.iter().map(|moved| moved.resets).sum::<u64>() {
            0 => String::new(),
            1 => format!("; 1 reset of an open connection followed within {}", text::span(FOLLOWS)),
            n => {
                format!("; {n} resets of open connections followed within {} of a move", text::span(FOLLOWS))
            }
        }
    }
}
