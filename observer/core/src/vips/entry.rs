//! A VIP: its claims, its moves, and its findings.

use std::collections::VecDeque;
use std::net::IpAddr;

use arcstr::ArcStr;
use flow_model::finding::FindingKind;
use flow_model::input::AnnouncementSeen;
use flow_model::inventory::Service;
use flow_model::mac::Mac;
use flow_model::object_ref::ObjectRef;
use flow_model::output::Output;
use flow_model::record::{Announcement, Endpoint, Event, FlowRecord};
use flow_model::vip::{Claim, ClaimSource, Vip};
use jiff::Timestamp;

use crate::detected::Detected;
use crate::vips::api::{Api, ByService, Handover};
use crate::vips::config::VipConfig;
use crate::vips::conflict::Case;
use crate::vips::findings::{About, Ongoing};
use crate::vips::flap;
use crate::vips::host::Host;
use crate::vips::moves::{Move, Moves};
use crate::vips::owners::Owners;
use crate::vips::pace::Pace;
use crate::vips::wire::{ClaimChange, Wire};

/// Everything that is known about one VIP.
#[derive(Debug)]
pub(super) struct Entry {
    ip: IpAddr,
    services: Vec<ObjectRef>,
    /// The VIP as a destination: with its Service and, where that has one port only, the port.
    dst: Endpoint,
    /// The node whose own address it is.
    home: Option<ArcStr>,
    wire: Wire,
    api: Api,
    moves: Moves,
    /// All moves since the agent started, on the wire and by the API.
    total: u64,
    pending: VecDeque<Output>,
    /// Decides when the snapshot of the VIP is emitted.
    pace: Pace,
    ongoing: Ongoing,
}

impl Entry {
    pub(super) fn new(ip: IpAddr) -> Self {
        Self {
            ip,
            services: Vec::new(),
            dst: Endpoint::bare(ip, 0),
            home: None,
            wire: Wire::default(),
            api: Api::default(),
            moves: Moves::default(),
            total: 0,
            pending: VecDeque::new(),
            pace: Pace::default(),
            ongoing: Ongoing::default(),
        }
    }

    pub(super) fn apply(
        &mut self,
        services: &[&Service],
        announcers: &ByService<'_>,
        owners: &Owners,
        config: &VipConfig,
        now: Timestamp,
    ) {
        let mut names: Vec<ObjectRef> = services.iter().map(|service| service.object_ref()).collect();
        names.sort_unstable();
        self.dst = destination(self.ip, services);
        self.home = owners.of_ip(self.ip).cloned();
        let before = self.api.claims();
        let handovers = self.api.apply(self.ip, &names, announcers, owners, now);
        if self.services != names || self.api.claims() != before {
            self.pace.changed();
        }
        self.services = names;
        for handover in handovers {
            self.handed_over(handover, config, now);
        }
    }

    pub(super) fn announcement(&mut self, seen: &AnnouncementSeen, owners: &Owners, config: &VipConfig) {
        let node = owners.of_mac(seen.mac).cloned();
        let claim = Claim { mac: seen.mac, node, since: seen.time, last_seen: seen.time, received: false };
        let home = self.home.clone();
        // A node that claims its own address by another interface has not moved it.
        let at_home = |claim: &Claim| home.is_some() && (claim.node.is_none() || claim.node == home);
        match self.wire.claimed(seen, claim, at_home, config) {
            ClaimChange::First => self.record(seen, owners, None),
            ClaimChange::Moved { from } => {
                self.moved(seen, from, owners, config);
                self.record(seen, owners, Some(from));
            }
            ClaimChange::Replaced => self.pace.changed(),
            ClaimChange::Same => self.pace.seen_again(),
        }
    }

    /// Takes a connection to the address that came to this node by an uplink.
    pub(super) fn received(&mut self, mac: Mac, node: &ArcStr, at: Timestamp) {
        let claim = Claim { mac, node: Some(node.clone()), since: at, last_seen: at, received: true };
        if self.wire.received(claim) {
            self.pace.changed();
        }
    }

    pub(super) fn moves(&self) -> impl Iterator<Item = &Move> {
        self.moves.iter()
    }

    pub(super) fn reset(&mut self, at: Timestamp) {
        self.moves.reset(at);
    }

    pub(super) fn name_claimants(&mut self, owners: &Owners) {
        for claim in self.wire.claims_mut().filter(|claim| claim.node.is_none()) {
            claim.node = owners.of_mac(claim.mac).cloned();
            if claim.node.is_some() {
                self.pace.changed();
            }
        }
        self.moves.name(owners);
    }

    /// Emits what happened, and then the snapshot to which that leads, if it is due.
    pub(super) fn emit(&mut self, node: &ArcStr, now: Timestamp, outputs: &mut VecDeque<Output>) {
        for mut output in self.pending.drain(..) {
            if let Output::Record(record) = &mut output {
                record.node = node.clone();
            }
            outputs.push_back(output);
        }
        if self.pace.take(now) {
            outputs.push_back(Output::Vip(self.snapshot()));
        }
    }

    /// Adds the findings that there are now.
    pub(super) fn detect(&mut self, owners: &Owners, config: &VipConfig, now: Timestamp, out: &mut Detected) {
        let claimant = self.wire.announced().and_then(|claim| claim.node.clone());
        self.api.compare(claimant.as_ref(), owners, now);
        let flap = flap::find(&self.moves, config, now);
        let case = Case { wire: &self.wire, api: &self.api, flap: flap.as_ref(), owners, config, now };
        let conflict = case.find();
        let cause = conflict.as_ref().and_then(|conflict| conflict.stuck.clone());
        let about = About { ip: self.ip, services: &self.services, dst: &self.dst, config, now };
        self.ongoing.flap(&about, flap.as_ref(), (self.total, cause), owners, out);
        self.ongoing.conflict(&about, conflict, out);
    }

    /// Returns the kinds of findings that are raised about this VIP.
    pub(super) fn raised(&self) -> impl Iterator<Item = FindingKind> {
        self.ongoing.kinds()
    }

    fn snapshot(&self) -> Vip {
        Vip {
            ip: self.ip,
            services: self.services.clone(),
            claimant: self.wire.claim().cloned(),
            history: self.wire.claims().iter().cloned().collect(),
            moves: self.wire.moves,
            api: self.api.claims(),
        }
    }

    fn record(&mut self, seen: &AnnouncementSeen, owners: &Owners, from: Option<Mac>) {
        self.pace.changed();
        let announcement = Announcement {
            ip: self.ip,
            mac: seen.mac,
            claimant: owners.of_mac(seen.mac).cloned(),
            previous: from.map(|mac| arcstr::format!("{}", owners.host(mac))),
            r#move: from.is_some(),
            how: seen.how,
            services: self.services.clone(),
        };
        let event = Event::Announcement(announcement);
        // The node is filled in by [`Entry::emit`].
        self.pending.push_back(Output::Record(FlowRecord { time: seen.time, node: ArcStr::new(), event }));
    }

    fn moved(&mut self, seen: &AnnouncementSeen, from: Mac, owners: &Owners, config: &VipConfig) {
        let moved = Move {
            vip: self.ip,
            services: self.services.clone(),
            from: owners.host(from),
            to: owners.host(seen.mac),
            at: seen.time,
            source: ClaimSource::Wire,
            macs: Some((from, seen.mac)),
            resets: 0,
        };
        self.remember(moved, None, config);
    }

    fn handed_over(&mut self, handover: Handover, config: &VipConfig, now: Timestamp) {
        let Handover { source, service, from, to } = handover;
        let (vip, services) = (self.ip, self.services.clone());
        let (from, to) = (Host::Named(from), Host::Named(to));
        let moved = Move { vip, services, from, to, at: now, source, macs: None, resets: 0 };
        self.remember(moved, service, config);
        self.pace.changed();
    }

    /// Remembers a move and counts it. Each of several Services that share the VIP has moved.
    fn remember(&mut self, moved: Move, service: Option<ObjectRef>, config: &VipConfig) {
        let (vip, source) = (self.ip, moved.source);
        self.moves.push(moved, config.history);
        self.total = self.total.saturating_add(1);
        let mut services: Vec<Option<ObjectRef>> = match service {
            Some(service) => vec![Some(service)],
            None => self.services.iter().cloned().map(Some).collect(),
        };
        if services.is_empty() {
            services.push(None);
        }
        self.pending.extend(services.into_iter().map(|service| Output::VipMoved { vip, service, source }));
    }
}

fn destination(ip: IpAddr, services: &[&Service]) -> Endpoint {
    let Some(service) = services.iter().min_by_key(|service| (&service.namespace, &service.name)) else {
        return Endpoint::bare(ip, 0);
    };
    let port = match &service.ports[..] {
        [only] if services.len() == 1 => only.port,
        _ => 0,
    };
    let namespace = Some(service.namespace.clone());
    Endpoint { service: Some(service.object_ref()), namespace, ..Endpoint::bare(ip, port) }
}
