//! One VIP: its claims, its moves, what was told of it.

use std::collections::{BTreeSet, VecDeque};
use std::net::IpAddr;

use arcstr::ArcStr;
use flow_model::finding::{Evidence, FindingKind, Severity};
use flow_model::input::AnnouncementSeen;
use flow_model::inventory::Service;
use flow_model::mac::Mac;
use flow_model::object_ref::ObjectRef;
use flow_model::output::Output;
use flow_model::record::{Announcement, Endpoint, Event, FlowRecord};
use flow_model::vip::{Claim, ClaimSource, Vip};
use jiff::{SignedDuration, Timestamp};

use crate::findings::{Findings, Raised};
use crate::vips::VipConfig;
use crate::vips::api::{Api, ByService, Passed};
use crate::vips::conflict::{Case, Conflict};
use crate::vips::flap::{self, Flap};
use crate::vips::moves::{Move, Moves};
use crate::vips::owners::Owners;
use crate::vips::wire::{Heard, Wire, within};

/// A change is told this often at most.
const TELL_EVERY: SignedDuration = SignedDuration::from_secs(1);
/// That a claimant is still there is told this often at most.
const STILL_EVERY: SignedDuration = SignedDuration::from_secs(10);
/// A finding that goes on without news is confirmed this often.
const CONFIRM_EVERY: SignedDuration = SignedDuration::from_secs(5);

/// What is known of one VIP.
#[derive(Debug)]
pub(super) struct Entry {
    ip: IpAddr,
    services: Vec<ObjectRef>,
    /// As a destination: with its Service and, where that has one only, its port.
    dst: Endpoint,
    /// The node whose own address it is.
    home: Option<ArcStr>,
    wire: Wire,
    api: Api,
    moves: Moves,
    /// Moves by the API since the agent started, and those on the wire.
    total: u64,
    pending: VecDeque<Output>,
    told: Option<Timestamp>,
    changed: bool,
    still: bool,
    flap: Option<Said>,
    conflict: Option<Said>,
}

/// What findings were told last.
#[derive(Debug)]
struct Said {
    severity: Severity,
    summary: String,
    count: u64,
    at: Timestamp,
    /// When it was last so.
    held: Timestamp,
    /// Moves before it began.
    base: u64,
}

/// What is to be said now.
struct Saying {
    kind: FindingKind,
    severity: Severity,
    summary: String,
    count: u64,
    cause: Option<String>,
    evidence: Vec<Evidence>,
    nodes: BTreeSet<ArcStr>,
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
            told: None,
            changed: true,
            still: false,
            flap: None,
            conflict: None,
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
        let passed = self.api.apply(self.ip, &names, announcers, owners, now);
        self.changed |= self.services != names || self.api.claims() != before;
        self.services = names;
        for passed in passed {
            self.passed(passed, config, now);
        }
    }

    pub(super) fn announcement(&mut self, seen: &AnnouncementSeen, owners: &Owners, config: &VipConfig) {
        let node = owners.of_mac(seen.mac).cloned();
        let claim = Claim { mac: seen.mac, node, since: seen.time, last_seen: seen.time };
        let home = self.home.clone();
        // Claims by the node that has it are no news, whichever interface they name.
        let at_home = |claim: &Claim| home.is_some() && (claim.node.is_none() || claim.node == home);
        match self.wire.hear(seen, claim, at_home, config) {
            Heard::First => self.record(seen, owners, None),
            Heard::Moved { from } => {
                self.moved(seen, from, owners, config);
                self.record(seen, owners, Some(from));
            }
            Heard::Replaced => self.changed = true,
            Heard::Same => self.still = true,
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
            self.changed |= claim.node.is_some();
        }
        self.moves.name(owners);
    }

    /// Hands over what happened: records before the picture that they lead to.
    pub(super) fn drain(&mut self, node: &ArcStr, outputs: &mut VecDeque<Output>) {
        for mut output in self.pending.drain(..) {
            if let Output::Record(record) = &mut output {
                record.node = node.clone();
            }
            outputs.push_back(output);
        }
    }

    /// Tells the picture if it has changed and was not told just now.
    pub(super) fn tell(&mut self, now: Timestamp, outputs: &mut VecDeque<Output>) {
        let lately = |every| self.told.is_some_and(|told| now.duration_since(told).abs() < every);
        if (self.changed && !lately(TELL_EVERY)) || (self.still && !lately(STILL_EVERY)) {
            (self.told, self.changed, self.still) = (Some(now), false, false);
            outputs.push_back(Output::Vip(self.picture()));
        }
    }

    /// Raises and lowers its findings.
    pub(super) fn judge(
        &mut self,
        owners: &Owners,
        config: &VipConfig,
        findings: &mut Findings,
        now: Timestamp,
    ) {
        let claimant = self.wire.claim().and_then(|claim| claim.node.clone());
        self.api.compare(claimant.as_ref(), owners, now);
        let flap = flap::find(&self.moves, config, now);
        let case = Case { wire: &self.wire, api: &self.api, flap: flap.as_ref(), owners, config, now };
        let conflict = case.find();
        let cause = conflict.as_ref().and_then(|conflict| conflict.stuck.clone());
        let flap = flap.map(|flap| self.flap(&flap, cause, owners, config));
        let conflict = conflict.map(|conflict| self.conflict(conflict));
        self.say_flap(flap, config, findings, now);
        self.say_conflict(conflict, config, findings, now);
    }

    fn picture(&self) -> Vip {
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
        self.changed = true;
        let announcement = Announcement {
            ip: self.ip,
            mac: seen.mac,
            claimant: owners.of_mac(seen.mac).cloned(),
            previous: from.map(|mac| owners.call(mac)),
            r#move: from.is_some(),
            how: seen.how,
            services: self.services.clone(),
        };
        let event = Event::Announcement(announcement);
        // The node is filled in by [`Entry::drain`].
        self.pending.push_back(Output::Record(FlowRecord { time: seen.time, node: ArcStr::new(), event }));
    }

    fn moved(&mut self, seen: &AnnouncementSeen, from: Mac, owners: &Owners, config: &VipConfig) {
        let moved = Move {
            vip: self.ip,
            services: self.services.clone(),
            from: owners.call(from),
            to: owners.call(seen.mac),
            at: seen.time,
            source: ClaimSource::Wire,
            macs: Some((from, seen.mac)),
            resets: 0,
        };
        self.remember(moved, None, config);
    }

    fn passed(&mut self, passed: Passed, config: &VipConfig, now: Timestamp) {
        let Passed { source, service, from, to } = passed;
        let services = self.services.clone();
        let moved = Move { vip: self.ip, services, from, to, at: now, source, macs: None, resets: 0 };
        self.remember(moved, service, config);
        self.changed = true;
    }

    /// Of a VIP that several Services share, each has moved.
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

    fn flap(&self, flap: &Flap<'_>, cause: Option<String>, owners: &Owners, config: &VipConfig) -> Saying {
        let seen = u64::try_from(flap.moves.len()).unwrap_or(u64::MAX);
        let base = self.flap.as_ref().map_or(self.total.saturating_sub(seen), |said| said.base);
        Saying {
            kind: FindingKind::VipFlap,
            severity: Severity::Warning,
            summary: flap.summary(self.ip, &self.services, config),
            count: self.total.saturating_sub(base),
            cause,
            evidence: flap.evidence(),
            nodes: flap.nodes(owners),
        }
    }

    fn conflict(&self, conflict: Conflict) -> Saying {
        Saying {
            kind: FindingKind::VipConflict,
            severity: conflict.severity,
            summary: conflict.summary(self.ip, &self.services),
            count: u64::try_from(conflict.evidence.len()).unwrap_or(u64::MAX),
            cause: None,
            evidence: conflict.evidence,
            nodes: conflict.nodes,
        }
    }

    fn say_flap(
        &mut self,
        saying: Option<Saying>,
        config: &VipConfig,
        findings: &mut Findings,
        now: Timestamp,
    ) {
        if let Some(saying) = saying {
            let mut said = self.flap.take();
            self.say(saying, &mut said, findings, now);
            self.flap = said;
        } else if self.flap.take().is_some() {
            let window = crate::vips::words::span(config.flap_window);
            let why = format!("fewer than {} moves in {window}", config.flap_moves);
            lower(self.ip, FindingKind::VipFlap, &why, findings, now);
        }
    }

    fn say_conflict(
        &mut self,
        saying: Option<Saying>,
        config: &VipConfig,
        findings: &mut Findings,
        now: Timestamp,
    ) {
        let mut said = self.conflict.take();
        match (saying, &said) {
            (Some(saying), _) => self.say(saying, &mut said, findings, now),
            // While the address moves, its sources may agree for a moment.
            (None, Some(known)) if !within(now, known.held, config.settle) => {
                said = None;
                let why = "the announcers contradict each other no more";
                lower(self.ip, FindingKind::VipConflict, why, findings, now);
            }
            (None, _) => {}
        }
        self.conflict = said;
    }

    fn say(&self, saying: Saying, said: &mut Option<Said>, findings: &mut Findings, now: Timestamp) {
        let Saying { kind, severity, summary, count, cause, evidence, nodes } = saying;
        let known = said.as_ref().filter(|said| {
            (said.severity, said.count) == (severity, count)
                && said.summary == summary
                && within(now, said.at, CONFIRM_EVERY)
        });
        let at = known.map_or(now, |said| said.at);
        let base = said.as_ref().map_or(self.total.saturating_sub(count), |said| said.base);
        let is_news = known.is_none();
        *said = Some(Said { severity, summary: summary.clone(), count, at, held: now, base });
        if is_news {
            let raised = Raised {
                kind,
                subject: subject(self.ip),
                severity,
                summary,
                src: None,
                dst: Some(self.dst.clone()),
                vip: Some(arcstr::format!("{}", self.ip)),
                policies: Vec::new(),
                nodes: nodes.into_iter().collect(),
                cause,
                evidence,
                count,
            };
            findings.raise(raised, now);
        }
    }
}

/// The address is a VIP no more.
pub(super) fn forget(ip: IpAddr, findings: &mut Findings, now: Timestamp) {
    for kind in [FindingKind::VipFlap, FindingKind::VipConflict] {
        lower(ip, kind, "no Service has this address any more", findings, now);
    }
}

fn lower(ip: IpAddr, kind: FindingKind, why: &str, findings: &mut Findings, now: Timestamp) {
    let subject = subject(ip);
    let subject: Vec<&str> = subject.iter().map(ArcStr::as_str).collect();
    findings.lower(kind, &subject, Some(why.to_owned()), now);
}

fn subject(ip: IpAddr) -> Vec<ArcStr> {
    vec![arcstr::literal!("vip"), arcstr::format!("{ip}")]
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
