//! Blind spots that hide pods: traffic that the agent can't see must not pass for silence.
//!
//! There is one finding for each node and reason. Interfaces come and go with their pods, and attaching to one that is
//! about to go may fail, so that a place counts only once it was blind for some seconds.

use std::collections::BTreeMap;
use std::net::IpAddr;

use arcstr::ArcStr;
use flow_identity::Identity;
use flow_model::blind_spot::{BlindReason, BlindSpot};
use flow_model::finding::{Evidence, FindingKind, FindingSource, Severity};
use flow_model::inventory::Pod;
use flow_model::object_ref::ObjectRef;
use jiff::{SignedDuration, Timestamp};

use crate::detected::{Detected, Raised};
use crate::subject::Subject;

/// The time for which a place was blind before it counts.
const SETTLE: SignedDuration = SignedDuration::from_secs(5);
/// Places of one reason that are evidence.
const PLACES: usize = 8;
/// Pods of one reason that the sentence names.
const NAMES: usize = 5;

/// The blind spots of one node. Feed it what is blind now, and ticks.
#[derive(Debug)]
pub struct BlindSpots {
    node: ArcStr,
    /// The time since when each is blind.
    since: BTreeMap<(BlindReason, String), (Timestamp, BlindSpot)>,
}

impl BlindSpots {
    /// Returns the state in which nothing is known to be blind.
    #[must_use]
    pub fn new(node: ArcStr) -> Self {
        Self { node, since: BTreeMap::new() }
    }

    /// Takes all that is blind now.
    pub fn set(&mut self, blind: Vec<BlindSpot>, now: Timestamp) {
        let mut before = std::mem::take(&mut self.since);
        for spot in blind.into_iter().filter(|spot| spot.hides_pod) {
            let key = (spot.reason, spot.place.clone());
            let since = before.remove(&key).map_or(now, |(since, _)| since);
            self.since.insert(key, (since, spot));
        }
    }

    /// Is true when a pod's address is behind an interface that can't be seen. Pods that are not followed don't count: that
    /// is a conclusion, which a known reason explains.
    #[must_use]
    pub fn hide(&self, ip: IpAddr) -> bool {
        let spots = self.since.values().map(|(_, spot)| spot);
        spots.filter(|spot| spot.reason != BlindReason::Unfollowed).any(|spot| spot.addresses.contains(&ip))
    }

    /// Lets time pass, and returns what hides pods now.
    #[must_use]
    pub fn tick(&self, identity: &Identity, now: Timestamp) -> Detected {
        let mut by_reason: BTreeMap<BlindReason, Vec<Place<'_>>> = BTreeMap::new();
        for (since, spot) in self.since.values() {
            if now.duration_since(*since).abs() >= SETTLE {
                let place = Place { since: *since, spot, pod: pod(spot, identity, now) };
                by_reason.entry(spot.reason).or_default().push(place);
            }
        }
        let raised = by_reason.iter().map(|(reason, places)| self.raised(*reason, places, now)).collect();
        Detected { raised, ..Detected::nothing(FindingSource::BlindSpots) }
    }

    fn raised(&self, reason: BlindReason, places: &[Place<'_>], now: Timestamp) -> Raised {
        let node = &self.node;
        let mut evidence: Vec<Evidence> = places.iter().take(PLACES).map(Place::evidence).collect();
        evidence.sort_by_key(|evidence| evidence.time);
        let more = places.len().saturating_sub(PLACES);
        if more > 0 {
            evidence.push(Evidence { time: now, text: format!("{more} further interfaces alike") });
        }
        let at = hidden(places);
        Raised {
            kind: FindingKind::BlindSpot,
            subject: Subject::Sight(node.clone(), reason),
            last_seen: now,
            severity: Severity::Warning,
            summary: format!("the agent on {node} may not see all traffic of {at}: {}", what(reason)),
            src: None,
            dst: None,
            vip: None,
            policies: Vec::new(),
            nodes: Vec::new(),
            cause: None,
            evidence,
            count: places.len() as u64,
        }
    }
}

/// A place that hides a pod.
struct Place<'a> {
    since: Timestamp,
    spot: &'a BlindSpot,
    /// The pod, where its address is known and names it.
    pod: Option<ObjectRef>,
}

impl Place<'_> {
    fn evidence(&self) -> Evidence {
        let why = &self.spot.why;
        let text = self.pod.as_ref().map_or_else(|| why.clone(), |pod| format!("{pod}: {why}"));
        Evidence { time: self.since, text }
    }
}

fn pod(spot: &BlindSpot, identity: &Identity, now: Timestamp) -> Option<ObjectRef> {
    let named = |ip: &IpAddr| identity.holder(*ip, now).named_pod();
    spot.addresses.iter().find_map(named).map(Pod::object_ref)
}

/// Returns which pods are hidden: by their names, where some are known.
fn hidden(places: &[Place<'_>]) -> String {
    let mut names: Vec<String> =
        places.iter().filter_map(|place| place.pod.as_ref()).map(ToString::to_string).collect();
    names.sort_unstable();
    names.truncate(NAMES);
    match (places, &names[..]) {
        ([Place { spot, .. }], [name])
            if matches!(spot.reason, BlindReason::Unfollowed | BlindReason::Unwitnessed) =>
        {
            format!("pod {name} at {}", spot.place)
        }
        ([Place { spot, .. }], [name]) => format!("pod {name} (behind {})", spot.place),
        ([Place { spot, .. }], _) => format!("the pod behind {}", spot.place),
        (_, []) => format!("pods behind {} interfaces", places.len()),
        _ => match places.len() - names.len() {
            0 => format!("pods {}", names.join(", ")),
            more => format!("pods {} and {more} more", names.join(", ")),
        },
    }
}

fn what(reason: BlindReason) -> &'static str {
    match reason {
        BlindReason::AttachFailed => "its programs can't be attached there",
        BlindReason::PlaceTaken => "another qdisc has the place of its programs",
        BlindReason::InFront => "another program runs before its own",
        BlindReason::Bypassed => "packets reach the pod past its programs",
        BlindReason::Unfollowed => "its programs are at the uplink only",
        BlindReason::Unwitnessed => "the kernel tracks connections that its programs did not see open",
        BlindReason::NoUplink => "no uplink is known",
        BlindReason::NoDrops => "drops are not reported",
        BlindReason::Counters => "the kernel's counters can't be read",
        BlindReason::EnforcerLog => "the enforcer's log can't be read",
    }
}
