//! What the API says of one VIP, each object for itself.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use arcstr::ArcStr;
use flow_model::inventory::Announcer;
use flow_model::object_ref::ObjectRef;
use flow_model::vip::{ApiClaim, ClaimSource};
use jiff::Timestamp;

use crate::vips::VipConfig;
use crate::vips::owners::Owners;
use crate::vips::wire::within;

/// Announcers of each Service; those of `None` stand for all Services that have no other.
pub(super) type ByService<'a> = BTreeMap<Option<&'a ObjectRef>, Vec<&'a Arc<Announcer>>>;

pub(super) fn by_service(announcers: &[Arc<Announcer>]) -> ByService<'_> {
    let mut out = ByService::new();
    for announcer in announcers {
        out.entry(announcer.service.as_ref()).or_default().push(announcer);
    }
    out
}

/// One object, and one node that it names.
#[derive(Debug)]
pub(super) struct Word {
    pub(super) announcer: Arc<Announcer>,
    /// `None`: its status is empty.
    pub(super) node: Option<ArcStr>,
    /// Since when this agent knows that it says so.
    pub(super) seen: Timestamp,
    /// Since when the wire has contradicted it without a break.
    pub(super) contradicted: Option<Timestamp>,
}

impl Word {
    pub(super) fn object(&self) -> ObjectRef {
        ObjectRef::new(self.announcer.namespace.clone(), self.announcer.name.clone())
    }

    /// `None` where the object does not say which Service it is about.
    pub(super) fn service(&self) -> Option<&ObjectRef> {
        self.announcer.service.as_ref()
    }

    fn same(&self, announcer: &Announcer, node: Option<&ArcStr>) -> bool {
        let Announcer { source, namespace, name, .. } = &*self.announcer;
        (*source, namespace, name) == (announcer.source, &announcer.namespace, &announcer.name)
            && self.node.as_ref() == node
    }

    fn claim(&self) -> ApiClaim {
        ApiClaim {
            source: self.announcer.source,
            object: self.object(),
            node: self.node.clone(),
            since: self.announcer.since,
        }
    }
}

/// A source named another node than before.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Passed {
    pub(super) source: ClaimSource,
    pub(super) service: Option<ObjectRef>,
    pub(super) from: ArcStr,
    pub(super) to: ArcStr,
}

/// All that the API says of one VIP.
#[derive(Debug, Default)]
pub(super) struct Api {
    words: Vec<Word>,
    /// The node that each source named last for a Service; it outlives an empty status, and an object's absence between the
    /// deletion of the old one and the creation of the new.
    last: BTreeMap<(ClaimSource, Option<ObjectRef>), ArcStr>,
    /// Since when Services have several objects of the one kind that there should be one of.
    several: BTreeMap<ObjectRef, Timestamp>,
}

impl Api {
    pub(super) fn claims(&self) -> Vec<ApiClaim> {
        self.words.iter().map(Word::claim).collect()
    }

    /// Takes what there is now; tells what changed hands.
    pub(super) fn apply(
        &mut self,
        ip: IpAddr,
        services: &[ObjectRef],
        announcers: &ByService<'_>,
        owners: &Owners,
        now: Timestamp,
    ) -> Vec<Passed> {
        let of = |service| announcers.get(&service).into_iter().flatten().copied();
        let mut concerned: Vec<_> = services.iter().flat_map(|service| of(Some(service))).collect();
        let nobody_else = concerned.iter().all(|announcer| announcer.source == ClaimSource::Ingress);
        if nobody_else && !services.is_empty() {
            concerned.extend(of(None));
        }
        let before = std::mem::take(&mut self.words);
        for announcer in concerned {
            self.take(ip, announcer, &before, owners, now);
        }
        self.count_objects(services, now);
        self.last.retain(|(_, service), _| service.as_ref().is_none_or(|service| services.contains(service)));
        self.passed()
    }

    /// Since when a Service has had several L2 statuses, and which.
    pub(super) fn several(&self) -> impl Iterator<Item = (&ObjectRef, Timestamp, Vec<&Word>)> {
        self.several.iter().map(|(service, since)| (service, *since, self.statuses(service)))
    }

    /// Compares with the claimant on the wire.
    pub(super) fn compare(&mut self, claimant: Option<&ArcStr>, owners: &Owners, now: Timestamp) {
        for word in &mut self.words {
            let contradicts = match (&word.node, claimant) {
                // Another name for the same host is no contradiction.
                (Some(node), Some(claimant)) => node != claimant && owners.is_node(node),
                _ => false,
            };
            word.contradicted = contradicts.then(|| word.contradicted.map_or(now, |since| since.min(now)));
        }
        self.several.values_mut().for_each(|since| *since = (*since).min(now));
    }

    /// Words that the wire has contradicted for longer than it takes to settle; without those that a better one of the same
    /// Service replaces.
    pub(super) fn contradicted(&self, config: &VipConfig, now: Timestamp) -> impl Iterator<Item = &Word> {
        let lasting = move |since| !within(now, since, config.settle);
        self.comparable().filter(move |word| word.contradicted.is_some_and(lasting))
    }

    /// Words that should agree with the wire.
    pub(super) fn comparable(&self) -> impl Iterator<Item = &Word> {
        let lasting = |source| matches!(source, ClaimSource::L2Status | ClaimSource::Lease);
        self.words.iter().filter(move |word| match word.announcer.source {
            ClaimSource::L2Status | ClaimSource::Lease => true,
            // It tells of a moment, an object of now.
            ClaimSource::Event => {
                let of_service = |other: &&Word| other.service() == word.service();
                !self.words.iter().filter(of_service).any(|other| lasting(other.announcer.source))
            }
            ClaimSource::Ingress | ClaimSource::Wire => false,
        })
    }

    fn take(
        &mut self,
        ip: IpAddr,
        announcer: &Arc<Announcer>,
        before: &[Word],
        owners: &Owners,
        now: Timestamp,
    ) {
        let named = announcer.nodes.iter().map(|node| owners.named(node));
        // The balancer of k3s answers at each node's own address.
        let here = |node: &ArcStr| announcer.source != ClaimSource::Ingress || owners.of_ip(ip) == Some(node);
        let mut nodes: Vec<Option<ArcStr>> = named.filter(here).map(Some).collect();
        if announcer.nodes.is_empty() {
            nodes.push(None);
        }
        for node in nodes {
            let known = before.iter().find(|word| word.same(announcer, node.as_ref()));
            let (seen, contradicted) = known.map_or((now, None), |word| (word.seen, word.contradicted));
            self.words.push(Word { announcer: Arc::clone(announcer), node, seen, contradicted });
        }
    }

    fn count_objects(&mut self, services: &[ObjectRef], now: Timestamp) {
        let several: Vec<&ObjectRef> =
            services.iter().filter(|service| self.statuses(service).len() > 1).collect();
        let since = |service: &&ObjectRef| self.several.get(*service).copied().unwrap_or(now);
        self.several = several.iter().map(|service| ((*service).clone(), since(service))).collect();
    }

    fn statuses(&self, service: &ObjectRef) -> Vec<&Word> {
        let status = |word: &&Word| word.announcer.source == ClaimSource::L2Status;
        self.words.iter().filter(status).filter(|word| word.service() == Some(service)).collect()
    }

    fn passed(&mut self) -> Vec<Passed> {
        let mut of: BTreeMap<(ClaimSource, Option<ObjectRef>), Vec<&Word>> = BTreeMap::new();
        for word in self.words.iter().filter(|word| word.announcer.source != ClaimSource::Ingress) {
            of.entry((word.announcer.source, word.announcer.service.clone())).or_default().push(word);
        }
        let mut out = Vec::new();
        for (key, words) in of {
            let Some(to) = in_force(&words) else { continue };
            let from = self.last.insert(key.clone(), to.clone()).filter(|from| from != to);
            out.extend(from.map(|from| Passed { source: key.0, service: key.1, from, to: to.clone() }));
        }
        out
    }
}

/// The node that all objects name, else the one that the newest names. A lease that its holder took anew is no move, so
/// `leaseTransitions` alone says nothing: it counts that too.
fn in_force<'a>(words: &[&'a Word]) -> Option<&'a ArcStr> {
    let named = || words.iter().filter_map(|word| Some((word.node.as_ref()?, word.announcer.since)));
    let newest = named().map(|(_, since)| since).max()?;
    let mut candidates = named().filter(|(_, since)| *since == newest).map(|(node, _)| node);
    let first = candidates.next()?;
    candidates.all(|node| node == first).then_some(first)
}
