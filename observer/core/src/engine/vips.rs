//! Announcers of VIPs, and the resets that follow their moves.

use std::net::IpAddr;

use jiff::Timestamp;

use crate::bursts::{Surroundings, VipMove};
use crate::engine::Engine;

impl Engine {
    /// Reports what VIPs and resets show. VIPs come first: a burst looks for the move that brought it about.
    pub(super) fn watch_vips(&mut self, now: Timestamp) {
        let detected = self.vips.tick(now);
        self.findings.report(detected, now);
        let vips = &self.vips;
        let moves = |vip: Option<IpAddr>, since| {
            let of_vip = vips.moves_since(since).filter(|m| vip.is_none_or(|vip| m.vip == vip));
            let named = of_vip.map(|m| VipMove {
                at: m.at,
                vip: m.vip,
                services: m.services.clone(),
                from: Some(arcstr::format!("{}", m.from)),
                to: Some(arcstr::format!("{}", m.to)),
            });
            named.collect()
        };
        let surroundings = Surroundings {
            inventory: self.identity.inventory(),
            history: &self.history,
            endpoints: &self.endpoints,
            moves: &moves,
        };
        let detected = self.bursts.tick(&surroundings, now);
        self.findings.report(detected, now);
        self.outputs.extend(std::iter::from_fn(|| self.bursts.next_output()));
        self.drain_vips();
    }

    pub(super) fn drain_vips(&mut self) {
        self.outputs.extend(std::iter::from_fn(|| self.vips.next_output()));
    }
}
