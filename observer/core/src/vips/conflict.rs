//! `vip_conflict`: hosts that claim the address at once, and an API that says something else than the wire.

use std::collections::BTreeSet;
use std::net::IpAddr;

use arcstr::ArcStr;
use flow_model::finding::{Evidence, Severity};
use flow_model::object_ref::ObjectRef;
use flow_model::vip::ClaimSource;
use jiff::Timestamp;

use crate::vips::api::{Api, Word};
use crate::vips::flap::Flap;
use crate::vips::owners::Owners;
use crate::vips::wire::{Contest, Wire, within};
use crate::vips::{VipConfig, words};

/// Claims on the wire shown as evidence, beside what the API says.
const CLAIMS: usize = 6;

/// What there is to say against one VIP's announcers.
#[derive(Debug)]
pub(super) struct Conflict {
    pub(super) severity: Severity,
    reasons: Vec<String>,
    pub(super) evidence: Vec<Evidence>,
    /// The nodes that claim the address, or are said to have it.
    pub(super) nodes: BTreeSet<ArcStr>,
    /// Which object did not follow the moves of a flap: it may well be why there is one.
    pub(super) stuck: Option<String>,
}

/// What the judgement rests on.
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
        format!("{}: {}", words::vip(ip, services), self.reasons.join("; "))
    }
}

impl Case<'_> {
    /// The conflict that there is now.
    pub(super) fn find(&self) -> Option<Conflict> {
        let contest = self.wire.contest(self.config, self.now);
        let stuck: Vec<&Word> = self.api.comparable().filter(|word| self.is_stuck(word)).collect();
        let wrong: Vec<&Word> = self.api.contradicted(self.config, self.now).collect();
        let wrong: Vec<&Word> = wrong.into_iter().filter(|word| !is_one_of(word, &stuck)).collect();
        let several = self.several();
        let in_several = |word: &&&Word| several.iter().any(|(_, objects)| is_one_of(word, objects));

        let mut reasons: Vec<String> = Vec::new();
        reasons.extend(contest.map(|(contest, turns)| self.contest(contest, turns)));
        reasons.extend(several.iter().map(|(service, objects)| self.objects(service, objects, &stuck)));
        let stuck_texts: Vec<String> = stuck.iter().map(|word| throughout(word)).collect();
        reasons.extend(stuck_texts.iter().cloned());
        reasons.extend(wrong.iter().filter(|word| !in_several(word)).map(|word| self.wrong(word)));
        if reasons.is_empty() {
            return None;
        }
        let concerned = stuck.iter().chain(&wrong).chain(several.iter().flat_map(|(_, objects)| objects));
        let concerned: Vec<&Word> = concerned.copied().collect();
        let nodes = self.nodes(contest.map(|(contest, _)| contest), &concerned);
        let evidence = self.evidence(concerned.into_iter());
        let severity = if contest.is_some() { Severity::Critical } else { Severity::Warning };
        Some(Conflict { severity, reasons, evidence, nodes, stuck: stuck_texts.into_iter().next() })
    }

    /// It named one node while the address kept moving: a live announcer would have written anew.
    fn is_stuck(&self, word: &Word) -> bool {
        let object = matches!(word.announcer.source, ClaimSource::L2Status | ClaimSource::Lease);
        let Some(flap) = self.flap.filter(|flap| object && flap.source == ClaimSource::Wire) else {
            return false;
        };
        let named = word.node.as_ref().is_some_and(|node| self.owners.is_node(node));
        named && flap.moves.iter().filter(|moved| moved.at >= word.seen).count() >= self.config.flap_moves
    }

    /// Services with several L2 statuses, for longer than a move takes: that is one more and then one less.
    fn several(&self) -> Vec<(&ObjectRef, Vec<&Word>)> {
        let lasting = |since| !within(self.now, since, self.config.settle);
        let several = self.api.several().filter(|(_, since, _)| lasting(*since));
        several.map(|(service, _, objects)| (service, objects)).collect()
    }

    fn contest(&self, contest: &Contest, turns: bool) -> String {
        let hosts = contest.hosts.map(|mac| self.owners.call(mac));
        if turns {
            return format!("claimed by {} at once", words::list(&hosts));
        }
        format!("{} still answers for it although {} announced it", hosts[0], hosts[1])
    }

    fn objects(&self, service: &ObjectRef, objects: &[&Word], stuck: &[&Word]) -> String {
        let object = |word: &&Word| match &word.node {
            Some(node) => format!("{} ({node})", word.object()),
            None => format!("{} (empty)", word.object()),
        };
        let named: Vec<String> = objects.iter().map(object).collect();
        let mut text =
            format!("{service} has {} ServiceL2Status objects: {}", objects.len(), words::list(&named));
        let stale = objects.iter().filter(|word| word.contradicted.is_some() && !is_one_of(word, stuck));
        let remedies: Vec<String> = stale.filter_map(|word| words::remedy(word)).collect();
        match self.wire.claim().map(|claim| self.owners.call(claim.mac)) {
            Some(host) => text.push_str(&format!("; {host} announces it")),
            None => text.push_str("; who announces it is not known: nobody was heard"),
        }
        if !remedies.is_empty() {
            text.push_str(&format!(": `{}` mends it", remedies.join("; ")));
        }
        text
    }

    fn wrong(&self, word: &Word) -> String {
        let host = self.wire.claim().map(|claim| self.owners.call(claim.mac)).unwrap_or_default();
        let node = word.node.as_deref().unwrap_or_default();
        let text = format!("{} says {node}, but {host} announces it", words::object(word));
        mended(text, word)
    }

    fn nodes(&self, contest: Option<&Contest>, concerned: &[&Word]) -> BTreeSet<ArcStr> {
        let rivals = contest.into_iter().flat_map(|contest| contest.hosts);
        let claimants = rivals.chain(self.wire.claim().map(|claim| claim.mac));
        let named = concerned.iter().filter_map(|word| word.node.as_ref());
        let named = named.filter(|node| self.owners.is_node(node));
        claimants.filter_map(|mac| self.owners.of_mac(mac)).chain(named).cloned().collect()
    }

    fn evidence<'w>(&self, concerned: impl Iterator<Item = &'w Word>) -> Vec<Evidence> {
        let claims = self.wire.turns().rev().take(CLAIMS).map(|(time, mac)| (*time, *mac));
        let mut claims: Vec<_> = claims.collect();
        // Without a move there are no turns.
        if claims.is_empty() {
            claims.extend(self.wire.claim().map(|claim| (claim.since, claim.mac)));
        }
        let claim = |(time, mac)| {
            let host = self.owners.of_mac(mac).map(|node| format!("{node} (MAC {mac})"));
            Evidence { time, text: format!("{} claims it", host.unwrap_or_else(|| format!("MAC {mac}"))) }
        };
        let mut evidence: Vec<Evidence> = claims.into_iter().map(claim).collect();
        for word in concerned {
            let node = word.node.as_deref().unwrap_or("no node");
            let text = format!("{} says {node}", words::object(word));
            let time = word.announcer.since.unwrap_or(word.seen);
            if !evidence.iter().any(|known| known.text == text) {
                evidence.push(Evidence { time, text });
            }
        }
        evidence.sort_by_key(|evidence| evidence.time);
        evidence
    }
}

fn throughout(word: &Word) -> String {
    let node = word.node.as_deref().unwrap_or_default();
    mended(format!("{} has said {node} throughout", words::object(word)), word)
}

fn mended(text: String, word: &Word) -> String {
    match words::remedy(word) {
        Some(command) => format!("{text}: `{command}` mends it"),
        None => text,
    }
}

fn is_one_of(word: &Word, words: &[&Word]) -> bool {
    words.iter().any(|other| std::ptr::eq(*other, word))
}
