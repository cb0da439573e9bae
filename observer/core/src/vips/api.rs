//! The announcers of one VIP according to the API, each object for itself.

mod missing;
mod statement;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use arcstr::ArcStr;
use flow_model::inventory::Announcer;
use flow_model::object_ref::ObjectRef;
use flow_model::vip::{ApiClaim, ClaimSource};
use jiff::Timestamp;

use crate::vips::config::VipConfig;
use crate::vips::owners::Owners;
use crate::vips::wire::within;

use self::missing::Missing;
pub(super) use self::statement::ApiStatement;

/// Announcers of each Service. Those of `None` stand for all Services that have no other.
pub(super) type ByService<'a> = BTreeMap<Option<&'a ObjectRef>, Vec<&'a Arc<Announcer>>>;

pub(super) fn by_service(announcers: &[Arc<Announcer>]) -> ByService<'_> {
    let mut out = ByService::new();
    for announcer in announcers {
        out.entry(announcer.service.as_ref()).or_default().push(announcer);
    }
    out
}

/// A source that names another node than before.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Handover {
    pub(super) source: ClaimSource,
    pub(super) service: Option<ObjectRef>,
    pub(super) from: ArcStr,
    pub(super) to: ArcStr,
}

/// Everything that the API reports about one VIP.
#[derive(Debug, Default)]
pub(super) struct Api {
    statements: Vec<ApiStatement>,
    /// The node that each source named last for a Service. It outlives an empty status, and the time between the
    /// deletion of one object and the creation of the next.
    last: BTreeMap<(ClaimSource, Option<ObjectRef>), ArcStr>,
    /// The time since which a Service has had several objects of a source of which it should have one.
    several: BTreeMap<(ClaimSource, ObjectRef), Timestamp>,
    missing: Missing,
}

impl Api {
    pub(super) fn claims(&self) -> Vec<ApiClaim> {
        self.statements.iter().map(ApiStatement::claim).collect()
    }

    /// Takes the objects that there are now, and returns what changed hands.
    pub(super) fn apply(
        &mut self,
        ip: IpAddr,
        services: &[ObjectRef],
        announcers: &ByService<'_>,
        owners: &Owners,
        now: Timestamp,
    ) -> Vec<Handover> {
        let of = |service| announcers.get(&service).into_iter().flatten().copied();
        let mut concerned: Vec<_> = services.iter().flat_map(|service| of(Some(service))).collect();
        let nobody_else = concerned.iter().all(|announcer| announcer.source.traits().each_at_own_address);
        if nobody_else && !services.is_empty() {
            concerned.extend(of(None));
        }
        let before = std::mem::take(&mut self.statements);
        for announcer in concerned {
            self.take(ip, announcer, &before, owners, now);
        }
        self.find_several(now);
        self.missing.update(&before, &self.statements, services, now);
        self.last.retain(|(_, service), _| service.as_ref().is_none_or(|service| services.contains(service)));
        self.handovers()
    }

    /// Returns Services with several objects of a source of which they should have one, since when, and the objects.
    pub(super) fn several(&self) -> impl Iterator<Item = (&ObjectRef, Timestamp, Vec<&ApiStatement>)> {
        self.several
            .iter()
            .map(|((source, service), since)| (service, *since, self.of_service(*source, service)))
    }

    /// Returns the objects that are gone without another in their place, and since when.
    pub(super) fn missing(&self) -> impl Iterator<Item = (&Announcer, Timestamp)> {
        self.missing.iter()
    }

    /// Compares with the host that claims the address on the wire.
    pub(super) fn compare(&mut self, claimant: Option<&ArcStr>, owners: &Owners, now: Timestamp) {
        for statement in &mut self.statements {
            let contradicts = match (&statement.node, claimant) {
                // Another name for the same host is no contradiction.
                (Some(node), Some(claimant)) => node != claimant && owners.is_node(node),
                _ => false,
            };
            let since = statement.contradicted.map_or(now, |since| since.min(now));
            statement.contradicted = contradicts.then_some(since);
        }
        self.several.values_mut().for_each(|since| *since = (*since).min(now));
        self.missing.not_after(now);
    }

    /// Returns the statements that the wire has contradicted for longer than a move takes.
    pub(super) fn contradicted(
        &self,
        config: &VipConfig,
        now: Timestamp,
    ) -> impl Iterator<Item = &ApiStatement> {
        let lasting = move |since| !within(now, since, config.settle);
        self.comparable().filter(move |statement| statement.contradicted.is_some_and(lasting))
    }

    /// Returns the statements that have to agree with the wire.
    pub(super) fn comparable(&self) -> impl Iterator<Item = &ApiStatement> {
        self.statements.iter().filter(|statement| statement.is_comparable())
    }

    fn take(
        &mut self,
        ip: IpAddr,
        announcer: &Arc<Announcer>,
        before: &[ApiStatement],
        owners: &Owners,
        now: Timestamp,
    ) {
        let named = announcer.nodes.iter().map(|node| owners.named(node));
        // The balancer of k3s answers at each node's own address.
        let everywhere = !announcer.source.traits().each_at_own_address;
        let here = |node: &ArcStr| everywhere || owners.of_ip(ip) == Some(node);
        let mut nodes: Vec<Option<ArcStr>> = named.filter(here).map(Some).collect();
        if announcer.nodes.is_empty() {
            nodes.push(None);
        }
        for node in nodes {
            let known = before.iter().find(|statement| statement.is_same(announcer, node.as_ref()));
            let (seen, contradicted) = known.map_or((now, None), |known| (known.seen, known.contradicted));
            self.statements.push(ApiStatement { announcer: Arc::clone(announcer), node, seen, contradicted });
        }
    }

    fn find_several(&mut self, now: Timestamp) {
        let mut objects: BTreeMap<(ClaimSource, ObjectRef), usize> = BTreeMap::new();
        for statement in self.statements.iter().filter(|s| s.announcer.source.traits().one_per_service) {
            if let Some(service) = statement.service() {
                *objects.entry((statement.announcer.source, service.clone())).or_default() += 1;
            }
        }
        let before = std::mem::take(&mut self.several);
        let several = objects.into_iter().filter(|(_, count)| *count > 1);
        self.several = several
            .map(|(key, _)| (before.get(&key).copied().unwrap_or(now), key))
            .map(|(t, k)| (k, t))
            .collect();
    }

    fn of_service(&self, source: ClaimSource, service: &ObjectRef) -> Vec<&ApiStatement> {
        let wanted = |s: &&ApiStatement| s.announcer.source == source && s.service() == Some(service);
        self.statements.iter().filter(wanted).collect()
    }

    fn handovers(&mut self) -> Vec<Handover> {
        let mut of: BTreeMap<(ClaimSource, Option<ObjectRef>), Vec<&ApiStatement>> = BTreeMap::new();
        for statement in self.statements.iter().filter(|s| s.announcer.source.traits().shows_moves) {
            let Announcer { source, service, .. } = &*statement.announcer;
            of.entry((*source, service.clone())).or_default().push(statement);
        }
        let mut out = Vec::new();
        for (key, statements) in of {
            let Some(to) = in_force(&statements) else { continue };
            let from = self.last.insert(key.clone(), to.clone()).filter(|from| from != to);
            out.extend(from.map(|from| Handover { source: key.0, service: key.1, from, to: to.clone() }));
        }
        out
    }
}

/// Returns the node that all objects name, else the one that the newest names. `leaseTransitions` alone would not do:
/// it also counts a lease that its holder took again.
fn in_force<'a>(statements: &[&'a ApiStatement]) -> Option<&'a ArcStr> {
    let named = || statements.iter().filter_map(|s| Some((s.node.as_ref()?, s.announcer.since)));
    let newest = named().map(|(_, since)| since).max()?;
    let mut candidates = named().filter(|(_, since)| *since == newest).map(|(node, _)| node);
    let first = candidates.next()?;
    candidates.all(|node| node == first).then_some(first)
}
