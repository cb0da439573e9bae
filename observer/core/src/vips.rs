//! Load-balancer addresses: who announces them, on the wire and by the API.
//!
//! Each source is kept for itself. A move is a change of claimant, never a repeated announcement; what the sources
//! say against each other, and moves that don't end, become findings.

mod api;
mod conflict;
mod entry;
mod flap;
mod moves;
mod owners;
#[cfg(test)]
mod tests;
mod wire;
mod words;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::IpAddr;
use std::sync::Arc;

use arcstr::ArcStr;
use flow_model::input::AnnouncementSeen;
use flow_model::inventory::{Announcer, Inventory, Service};
use flow_model::mac::Mac;
use flow_model::output::Output;
use jiff::{SignedDuration, Timestamp};

use self::entry::Entry;
use self::owners::Owners;
use crate::findings::Findings;

pub use self::moves::Move;
pub use flow_model::vip::{ApiClaim, Claim, ClaimSource, Vip};

/// What counts as a flap and as a conflict, and how much is remembered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VipConfig {
    /// VIPs that no Service names.
    pub extra: BTreeSet<IpAddr>,
    /// So many moves within `flap_window` are a flap.
    pub flap_moves: usize,
    pub flap_window: SignedDuration,
    /// Two claimants that take at least two turns each within this time claim it at once.
    pub interleave_window: SignedDuration,
    /// A frame of the old claimant this soon after a move was queued before it.
    pub late: SignedDuration,
    /// How long sources may contradict each other before that is a conflict, and agree before it is none.
    pub settle: SignedDuration,
    /// Without another turn for this long, two claimants have come to terms.
    pub quiet: SignedDuration,
    /// Claims and moves remembered per VIP.
    pub history: usize,
    /// VIPs followed.
    pub max: usize,
}

impl Default for VipConfig {
    fn default() -> Self {
        Self {
            extra: BTreeSet::new(),
            flap_moves: 3,
            flap_window: SignedDuration::from_mins(5),
            interleave_window: SignedDuration::from_secs(5),
            late: SignedDuration::from_millis(200),
            settle: SignedDuration::from_secs(10),
            quiet: SignedDuration::from_mins(1),
            history: 64,
            max: 4_096,
        }
    }
}

/// The VIPs as this node sees them. Feed it, let it [`Vips::tick`], then drain [`Vips::next_output`].
#[derive(Debug)]
pub struct Vips {
    node: ArcStr,
    config: VipConfig,
    owners: Owners,
    entries: BTreeMap<IpAddr, Entry>,
    outputs: VecDeque<Output>,
    gone: Vec<IpAddr>,
    left_out: usize,
}

impl Vips {
    /// Knows the VIPs of `config` only, until it is shown a cluster.
    #[must_use]
    pub fn new(node: ArcStr, config: VipConfig) -> Self {
        let owners = Owners::new(node.clone());
        let mut vips = Self {
            node,
            config,
            owners,
            entries: BTreeMap::new(),
            outputs: VecDeque::new(),
            gone: Vec::new(),
            left_out: 0,
        };
        vips.follow(&BTreeMap::new(), &[], Timestamp::MIN);
        vips
    }

    /// A new picture of the cluster.
    pub fn apply(&mut self, inventory: &Inventory, now: Timestamp) {
        self.owners.set_nodes(&inventory.nodes);
        let mut services: BTreeMap<IpAddr, Vec<&Service>> = BTreeMap::new();
        for service in &inventory.services {
            for ip in &service.vips {
                let of_ip = services.entry(*ip).or_default();
                // An address may be listed twice.
                if !of_ip.iter().any(|known| std::ptr::eq(*known, &raw const **service)) {
                    of_ip.push(service);
                }
            }
        }
        self.follow(&services, &inventory.announcers, now);
        self.name_claimants();
    }

    /// All neighbours of this node, and the addresses of its own interfaces.
    pub fn neighbours(&mut self, neighbours: &[(IpAddr, Mac)], own: &[Mac]) {
        self.owners.set_neighbours(neighbours, own);
        self.name_claimants();
    }

    /// A host claimed an address.
    pub fn announcement(&mut self, seen: &AnnouncementSeen) {
        match self.entries.get_mut(&seen.ip) {
            Some(entry) if seen.mac.is_host() => {
                entry.announcement(seen, &self.owners, &self.config);
                entry.drain(&self.node, &mut self.outputs);
                entry.tell(seen.time, &mut self.outputs);
            }
            Some(_) => {}
            None => self.outputs.push_back(Output::Unclaimed { count: 1 }),
        }
    }

    /// An open connection through this VIP was reset.
    pub fn reset(&mut self, vip: IpAddr, at: Timestamp) {
        if let Some(entry) = self.entries.get_mut(&vip) {
            entry.reset(at);
        }
    }

    /// Time passes: findings come and go, and what was held back is told.
    pub fn tick(&mut self, findings: &mut Findings, now: Timestamp) {
        for ip in std::mem::take(&mut self.gone) {
            entry::forget(ip, findings, now);
        }
        for entry in self.entries.values_mut() {
            entry.judge(&self.owners, &self.config, findings, now);
            entry.tell(now, &mut self.outputs);
        }
    }

    /// The next effect, until there is none.
    pub fn next_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// Moves remembered that are not older than this; of each VIP oldest first.
    pub fn moves_since(&self, since: Timestamp) -> impl Iterator<Item = &Move> {
        self.entries.values().flat_map(Entry::moves).filter(move |moved| moved.at >= since)
    }

    /// The addresses that are followed.
    #[must_use]
    pub fn known(&self) -> BTreeSet<IpAddr> {
        self.entries.keys().copied().collect()
    }

    /// Addresses that are not followed, because there are too many.
    #[must_use]
    pub fn left_out(&self) -> usize {
        self.left_out
    }

    fn follow(
        &mut self,
        services: &BTreeMap<IpAddr, Vec<&Service>>,
        announcers: &[Arc<Announcer>],
        now: Timestamp,
    ) {
        // What the operator names comes first.
        let extra = self.config.extra.iter();
        let others = services.keys().filter(|ip| !self.config.extra.contains(ip));
        let all: Vec<IpAddr> = extra.chain(others).copied().collect();
        let followed: BTreeSet<IpAddr> = all.iter().take(self.config.max).copied().collect();
        self.left_out = all.len() - followed.len();
        self.drop_all_but(&followed);
        let announcers = api::by_service(announcers);
        for ip in followed {
            let of_ip = services.get(&ip).map_or(&[][..], Vec::as_slice);
            let entry = self.entries.entry(ip).or_insert_with(|| Entry::new(ip));
            entry.apply(of_ip, &announcers, &self.owners, &self.config, now);
            entry.drain(&self.node, &mut self.outputs);
            entry.tell(now, &mut self.outputs);
        }
    }

    fn drop_all_but(&mut self, followed: &BTreeSet<IpAddr>) {
        let (outputs, gone) = (&mut self.outputs, &mut self.gone);
        self.entries.retain(|ip, _| {
            let stays = followed.contains(ip);
            if !stays {
                outputs.push_back(Output::VipGone(*ip));
                gone.push(*ip);
            }
            stays
        });
    }

    /// Claims may be older than what is known of their hosts.
    fn name_claimants(&mut self) {
        for entry in self.entries.values_mut() {
            entry.name_claimants(&self.owners);
        }
    }
}
