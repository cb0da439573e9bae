//! Load-balancer addresses: which hosts announce them, on the wire and by the API.
//!
//! Each source is kept for itself. A move is a change of the host, never a repeated announcement. Moves that don't end,
//! and sources that contradict each other, become findings.

mod api;
mod config;
mod conflict;
mod entry;
mod findings;
mod flap;
mod host;
mod moves;
mod owners;
mod pace;
#[cfg(test)]
mod tests;
mod text;
mod wire;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::IpAddr;
use std::sync::Arc;

use arcstr::ArcStr;
use flow_model::finding::FindingSource;
use flow_model::input::{AnnouncementSeen, LostStage};
use flow_model::inventory::{Announcer, Inventory, Service};
use flow_model::mac::Mac;
use flow_model::output::Output;
use jiff::Timestamp;

use self::entry::Entry;
use self::owners::Owners;
use crate::detected::Detected;
use crate::subject::Subject;

pub use self::config::VipConfig;
pub use self::host::Host;
pub use self::moves::Move;

/// The VIPs as this node sees them. Feed it, hand what [`Vips::tick`] returns to
/// [`Findings`](crate::findings::Findings), then drain [`Vips::next_output`].
#[derive(Debug)]
pub struct Vips {
    node: ArcStr,
    config: VipConfig,
    owners: Owners,
    entries: BTreeMap<IpAddr, Entry>,
    outputs: VecDeque<Output>,
    /// The findings that ended since the last tick.
    ended: Detected,
    /// VIPs that are not followed, because there are too many.
    left_out: BTreeSet<IpAddr>,
}

impl Vips {
    /// Returns the VIPs of `config`. Others become known by [`Vips::apply`].
    #[must_use]
    pub fn new(node: ArcStr, config: VipConfig) -> Self {
        let owners = Owners::new(node.clone());
        let mut vips = Self {
            node,
            config,
            owners,
            entries: BTreeMap::new(),
            outputs: VecDeque::new(),
            ended: Detected::nothing(FindingSource::Vips),
            left_out: BTreeSet::new(),
        };
        vips.follow(&BTreeMap::new(), &[], Timestamp::MIN);
        vips
    }

    /// Takes a new snapshot of the cluster.
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

    /// Takes all neighbours of this node, and the addresses of its own interfaces.
    pub fn neighbours(&mut self, neighbours: &[(IpAddr, Mac)], own: &[Mac]) {
        self.owners.set_neighbours(neighbours, own);
        self.name_claimants();
    }

    /// Takes connections from `client` to an address, which passed an uplink of this node: if it is a VIP, and the client is
    /// another machine, this node receives what is sent to it.
    pub fn received(&mut self, client: IpAddr, ip: IpAddr, at: Timestamp) {
        if self.owners.is_own(client) {
            return;
        }
        if let (Some(entry), Some(mac)) = (self.entries.get_mut(&ip), self.owners.own_mac()) {
            entry.received(mac, &self.node, at);
            entry.emit(&self.node, at, &mut self.outputs);
        }
    }

    /// Takes a frame in which a host claims an address. That of a Node names the host.
    pub fn announcement(&mut self, seen: &AnnouncementSeen) {
        match self.entries.get_mut(&seen.ip) {
            Some(entry) if seen.mac.is_host() => {
                entry.announcement(seen, &self.owners, &self.config);
                entry.emit(&self.node, seen.time, &mut self.outputs);
            }
            Some(_) => {}
            None => {
                let known = seen.mac.is_host().then(|| self.owners.heard(seen.ip, seen.mac)).flatten();
                match known {
                    Some(true) => self.name_claimants(),
                    Some(false) => {}
                    None => self.outputs.push_back(Output::Unclaimed { count: 1 }),
                }
            }
        }
    }

    /// Counts a reset of an open connection through this VIP.
    pub fn reset(&mut self, vip: IpAddr, at: Timestamp) {
        if let Some(entry) = self.entries.get_mut(&vip) {
            entry.reset(at);
        }
    }

    /// Lets time pass: returns the findings that there are now, and emits what was held back.
    #[must_use]
    pub fn tick(&mut self, now: Timestamp) -> Detected {
        let mut detected = std::mem::replace(&mut self.ended, Detected::nothing(FindingSource::Vips));
        for entry in self.entries.values_mut() {
            entry.detect(&self.owners, &self.config, now, &mut detected);
            entry.emit(&self.node, now, &mut self.outputs);
        }
        detected
    }

    /// Returns the next effect, until there is none.
    pub fn next_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// Returns the remembered moves that are not older than `since`; of each VIP oldest first.
    pub fn moves_since(&self, since: Timestamp) -> impl Iterator<Item = &Move> {
        self.entries.values().flat_map(Entry::moves).filter(move |moved| moved.at >= since)
    }

    /// Returns the addresses that are followed.
    #[must_use]
    pub fn known(&self) -> BTreeSet<IpAddr> {
        self.entries.keys().copied().collect()
    }

    fn follow(
        &mut self,
        services: &BTreeMap<IpAddr, Vec<&Service>>,
        announcers: &[Arc<Announcer>],
        now: Timestamp,
    ) {
        let followed = self.choose(services);
        self.drop_all_but(&followed);
        let announcers = api::by_service(announcers);
        for ip in followed {
            let of_ip = services.get(&ip).map_or(&[][..], Vec::as_slice);
            let entry = self.entries.entry(ip).or_insert_with(|| Entry::new(ip));
            entry.apply(of_ip, &announcers, &self.owners, &self.config, now);
            entry.emit(&self.node, now, &mut self.outputs);
        }
    }

    /// Chooses the addresses that are followed. The others are lost, and each counts once while it stays out.
    fn choose(&mut self, services: &BTreeMap<IpAddr, Vec<&Service>>) -> BTreeSet<IpAddr> {
        // What the operator names comes first.
        let extra = self.config.extra.iter();
        let others = services.keys().filter(|ip| !self.config.extra.contains(ip));
        let mut all = extra.chain(others).copied();
        let followed = all.by_ref().take(self.config.max).collect();
        let left_out: BTreeSet<IpAddr> = all.collect();
        let count = left_out.difference(&self.left_out).count();
        if count != 0 {
            let count = u64::try_from(count).unwrap_or(u64::MAX);
            self.outputs.push_back(Output::Lost { stage: LostStage::Vips, count });
        }
        self.left_out = left_out;
        followed
    }

    fn drop_all_but(&mut self, followed: &BTreeSet<IpAddr>) {
        let (outputs, ended) = (&mut self.outputs, &mut self.ended);
        self.entries.retain(|ip, entry| {
            let stays = followed.contains(ip);
            if !stays {
                outputs.push_back(Output::VipGone(*ip));
                for kind in entry.raised() {
                    ended.end(kind, Subject::Vip(*ip), "no Service has this address any more");
                }
            }
            stays
        });
    }

    /// Names the hosts of claims that are older than what is known of them.
    fn name_claimants(&mut self) {
        for entry in self.entries.values_mut() {
            entry.name_claimants(&self.owners);
        }
    }
}
