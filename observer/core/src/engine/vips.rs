//! Who announces VIPs, and which resets follow.

use std::net::IpAddr;

use jiff::Timestamp;

use crate::bursts::{Surroundings, VipMove};
use crate::engine::Engine;

impl Engine {
    /// Moves first: a burst looks for the one that brought it about.
    pub(super) fn watch_vips(&mut self, now: Timestamp) {
        self.vips.tick(&mut self.findings, now);
        let vips = &self.vips;
        let moves = |vip: Option<IpAddr>, since| {
            let of_vip = vips.moves_since(since).filter(|m| vip.is_none_or(|vip| m.vip == vip));
            let named = of_vip.map(|m| VipMove {
                at: m.at,
                vip: m.vip,
                services: m.services.clone(),
                from: Some(m.from.clone()),
                to: Some(m.to.clone()),
            });
            named.collect()
        };
        let surroundings = Surroundings {
            inventory: self.identity.inventory(),
            history: &self.history,
            endpoints: &self.endpoints,
            moves: &moves,
        };
        self.bursts.tick(&surroundings, &mut self.findings, now);
        self.outputs.extend(std::iter::from_fn(|| self.bursts.next_output()));
        self.drain_vips();
    }

    pub(super) fn drain_vips(&mut self) {
        self.outputs.extend(std::iter::from_fn(|| self.vips.next_output()));
    }
}
