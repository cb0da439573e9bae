//! `vip_conflict`: hosts that claim the address at once, and objects of the API that contradict the wire.

use std::collections::BTreeSet;
use std::net::IpAddr;

use arcstr::ArcStr;
use flow_model::finding::{Evidence, Severity};
use flow_model::object_ref::ObjectRef;
use flow_model::vip::ClaimSource;
use jiff::Timestamp;

use crate::vips::api::{Api, ApiStatement};
use crate::vips::config::VipConfig;
use crate::vips::flap::Flap;
use crate::vips::host::Host;
use crate::vips::owners::Owners;
use crate::vips::text;
use crate::vips::wire::{Contest, Wire, within};

/// The largest number of claims on the wire that are shown as evidence, beside what the API reports.
const CLAIMS: usize = 6;

/// Describes what is wrong with the announcers of one VIP.
#[derive(Debug)]
pub(super) struct Conflict {
    pub(super) severity: Severity,
    reasons: Vec<String>,
    pub(super) evidence: Vec<Evidence>,
    /// The nodes that claim the address, or that objects name.
    pub(super) nodes: BTreeSet<ArcStr>,
    /// The object that did not follow the moves of a flap: it is probably the cause of the flap.
    pub(super) stuck: Option<String>,
}

/// Holds what the judgement is based on.
pub(super) struct Case<'a> {
    pub(super) wire: &'a Wire,
    pub(super) api: &'a Api,
    pub(super) flap: Option<&'a Flap<'a>>,
    pub(super) owners: &'a Owners,
    pub(super) config: &'a VipConfig,
    pub(super) now: Timestamp,
}

impl Conflict {
    pub(super) fn summary(&self, ip: IpAddr, services: &[ObjectRef]) -> String {
        format!("{}: {}", text::vip(ip, services), self.reasons.join("; "))
    }
}

impl Case<'_> {
    /// Returns the conflict that there is now.
    pub(super) fn find(&self) -> Option<Conflict> {
        let contest = self.wire.contest(self.config, self.now);
        let stuck: Vec<&ApiStatement> =
            self.api.comparable().filter(|statement| self.is_stuck(statement)).collect();
        let wrong: Vec<&ApiStatement> = self.api.contradicted(self.config, self.now).collect();
        let wrong: Vec<&ApiStatement> =
            wrong.into_iter().filter(|statement| !is_one_of(statement, &stuck)).collect();
        let several = self.several();
        let in_several =
            |statement: &&&ApiStatement| several.iter().any(|(_, objects)| is_one_of(statement, objects));

        let mut reasons: Vec<String> = Vec::new();
        reasons.extend(contest.map(|(contest, turns)| self.contest(contest, turns)));
        reasons.extend(several.iter().map(|(service, objects)| self.objects(service, objects, &stuck)));
        let stuck_texts: Vec<String> = stuck.iter().map(|statement| throughout(statement)).collect();
        reasons.extend(stuck_texts.iter().cloned());
        reasons.extend(
            wrong.iter().filter(|statement| !in_several(statement)).map(|statement| self.wrong(statement)),
        );
        reasons.extend(self.missing());
        if reasons.is_empty() {
            return None;
        }
        let concerned = stuck.iter().chain(&wrong).chain(several.iter().flat_map(|(_, objects)| objects));
        let concerned: Vec<&ApiStatement> = concerned.copied().collect();
        let nodes = self.nodes(contest.map(|(contest, _)| contest), &concerned);
        let evidence = self.evidence(concerned.into_iter());
        let severity = if contest.is_some() { Severity::Critical } else { Severity::Warning };
        Some(Conflict { severity, reasons, evidence, nodes, stuck: stuck_texts.into_iter().next() })
    }

    /// Is true where the object named one node while the address kept moving. A live announcer would have updated it.
    fn is_stuck(&self, statement: &ApiStatement) -> bool {
        let Some(flap) = self.flap.filter(|flap| flap.source == ClaimSource::Wire) else {
            return false;
        };
        let named = statement.node.as_ref().is_some_and(|node| self.owners.is_node(node));
        named
            && flap.moves.iter().filter(|moved| moved.at >= statement.seen).count() >= self.config.flap_moves
    }

    /// Returns Services with several objects where there should be one, for longer than a move takes. During a move
    /// there is one more for a moment.
    fn several(&self) -> Vec<(&ObjectRef, Vec<&ApiStatement>)> {
        let lasting = |since| !within(self.now, since, self.config.settle);
        let several = self.api.several().filter(|(_, since, _)| lasting(*since));
        several.map(|(service, _, objects)| (service, objects)).collect()
    }

    /// Returns what is gone, where a host answers for the address long after that. Before, the address may be withdrawn,
    /// e.g. because its Service has no backend.
    fn missing(&self) -> impl Iterator<Item = String> {
        let claim = self.wire.announced();
        self.api.missing().filter_map(move |(announcer, since)| {
            let claim = claim.filter(|claim| claim.last_seen.duration_since(since) > self.config.settle)?;
            let (kind, service, host) =
                (&announcer.kind, announcer.service.as_ref()?, self.owners.host(claim.mac));
            Some(format!("{service} has had no {kind} since {since:.0}, but {host} announces it"))
        })
    }

    fn contest(&self, contest: &Contest, turns: bool) -> String {
        let hosts = contest.hosts.map(|mac| self.owners.host(mac));
        if turns {
            return format!("claimed by {} at once", text::list(&hosts));
        }
        format!("{} still answers for it although {} announced it", hosts[0], hosts[1])
    }

    fn objects(&self, service: &ObjectRef, objects: &[&ApiStatement], stuck: &[&ApiStatement]) -> String {
        let object = |statement: &&ApiStatement| match &statement.node {
            Some(node) => format!("{} ({node})", statement.object()),
            None => format!("{} (empty)", statement.object()),
        };
        let named: Vec<String> = objects.iter().map(object).collect();
        let kind = objects.first().map_or("", |statement| &statement.announcer.kind);
        let mut text = format!("{service} has {} {kind} objects: {}", objects.len(), text::list(&named));
        let stale = objects
            .iter()
            .filter(|statement| statement.contradicted.is_some() && !is_one_of(statement, stuck));
        let remedies: Vec<String> = stale.filter_map(|statement| text::remedy(statement)).collect();
        match self.wire.announced().map(|claim| self.owners.host(claim.mac)) {
            Some(host) => text.push_str(&format!("; {host} announces it")),
            None => text.push_str("; who announces it is not known: nobody was heard"),
        }
        if !remedies.is_empty() {
            text.push_str(&format!(": `{}` mends it", remedies.join("; ")));
        }
        text
    }

    fn wrong(&self, statement: &ApiStatement) -> String {
        let host =
            self.wire.announced().map(|claim| self.owners.host(claim.mac).to_string()).unwrap_or_default();
        let node = statement.node.as_deref().unwrap_or_default();
        let text = format!("{} says {node}, but {host} announces it", text::object(statement));
        mended(text, statement)
    }

    fn nodes(&self, contest: Option<&Contest>, concerned: &[&ApiStatement]) -> BTreeSet<ArcStr> {
        let rivals = contest.into_iter().flat_map(|contest| contest.hosts);
        let claimants = rivals.chain(self.wire.announced().map(|claim| claim.mac));
        let named = concerned.iter().filter_map(|statement| statement.node.as_ref());
        let named = named.filter(|node| self.owners.is_node(node));
        claimants.filter_map(|mac| self.owners.of_mac(mac)).chain(named).cloned().collect()
    }

    fn evidence<'w>(&self, concerned: impl Iterator<Item = &'w ApiStatement>) -> Vec<Evidence> {
        let claims = self.wire.turns().rev().take(CLAIMS).map(|(time, mac)| (*time, *mac));
        let mut claims: Vec<_> = claims.collect();
        // Without a move there are no turns.
        if claims.is_empty() {
            claims.extend(self.wire.announced().map(|claim| (claim.since, claim.mac)));
        }
        let claim = |(time, mac)| {
            let text = match self.owners.host(mac) {
                Host::Named(node) => format!("{node} (MAC {mac}) claims it"),
                unnamed => format!("{unnamed} claims it"),
            };
            Evidence { time, text }
        };
        let mut evidence: Vec<Evidence> = claims.into_iter().map(claim).collect();
        for statement in concerned {
            let node = statement.node.as_deref().unwrap_or("no node");
            let text = format!("{} says {node}", text::object(statement));
            let time = statement.announcer.since.unwrap_or(statement.seen);
            if !evidence.iter().any(|known| known.text == text) {
                evidence.push(Evidence { time, text });
            }
        }
        evidence.sort_by_key(|evidence| evidence.time);
        evidence
    }
}

fn throughout(statement: &ApiStatement) -> String {
    let node = statement.node.as_deref().unwrap_or_default();
    mended(format!("{} has said {node} throughout", text::object(statement)), statement)
}

fn mended(text: String, statement: &ApiStatement) -> String {
    match text::remedy(statement) {
        Some(command) => format!("{text}: `{command}` mends it"),
        None => text,
    }
}

fn is_one_of(statement: &ApiStatement, statements: &[&ApiStatement]) -> bool {
    statements.iter().any(|other| std::ptr::eq(*other, statement))
}
