//! Answers questions.

use std::collections::HashSet;
use std::net::IpAddr;
use std::sync::Arc;

use flow_identity::{End as Backend, Passage, Way};
use flow_model::connection::{Connection, Party, Who};
use flow_model::decision::{Decision, Verdict};
use flow_model::inventory::Inventory;
use flow_model::network::Enforcer;

use crate::Plain;
use crate::query::combine::{self, Case};
use crate::query::directory::Directory;
use crate::query::error::QueryError;
use crate::query::notes;
use crate::query::question::{Answer, Query};
use crate::query::route::{End, Route};
use crate::query::side::{self, Side};
use crate::query::sources;
use crate::readings::is_same_pod;

/// Most connections that are judged for one question, so that it does not take long in a large cluster.
const MAX_CONNECTIONS: usize = 10_000;

/// Answers questions by one inventory.
#[derive(Debug)]
pub struct Explainer {
    plain: Plain,
    pub(super) directory: Directory,
}

impl Explainer {
    /// Indexes an inventory.
    #[must_use]
    pub fn new(inventory: Arc<Inventory>) -> Self {
        Self { directory: Directory::new(&inventory), plain: Plain::new(inventory) }
    }

    /// Returns the inventory that is judged by.
    #[must_use]
    pub fn inventory(&self) -> &Arc<Inventory> {
        self.plain.inventory()
    }

    /// Answers a question by the policies.
    ///
    /// # Errors
    /// Fails when one side does not exist, or when the port is not clear. A side that exists, but is not known well enough
    /// to judge, gives an unknown verdict.
    pub fn answer(&self, query: &Query) -> Result<Answer, QueryError> {
        let mut notes = Vec::new();
        let sides = self.directory.sources(&query.src, &mut notes)?;
        let own = sources::namespace(&sides);
        let routes = self.directory.routes(query, own, &mut notes)?;
        let verdict = self.judge(&sides, &routes, &mut notes);
        let [first, ..] = &*routes else { return Err(QueryError::NoPort(String::new())) };
        let what = match (&query.src, &*sides) {
            (crate::query::Target::Named { namespace, name }, _)
            | (crate::query::Target::Service { namespace, name }, _) => format!("{namespace}/{name}"),
            (crate::query::Target::Host(name), _) => name.to_string(),
            (_, [side, ..]) => side.label.clone(),
            (_, []) => String::new(),
        };
        Ok(Answer {
            src: side::label(&what, &sides).into(),
            dst: first.label().into(),
            service: first.service.as_ref().map(Into::into),
            verdict,
            notes,
        })
    }

    /// Judges every way of every client.
    fn judge(&self, sides: &[Side<'_>], routes: &[Route<'_>], notes: &mut Vec<String>) -> Verdict {
        let mut ways = Vec::new();
        for route in routes {
            let all = sides;
            let most = MAX_CONNECTIONS.checked_div(route.ends.len()).unwrap_or(MAX_CONNECTIONS);
            let sides = all.get(..most.max(1)).unwrap_or(all);
            let mut clients = Vec::new();
            for side in sides {
                let verdict = self.judge_route(side, route, notes);
                clients.push(Case { label: side.label.clone(), verdict });
            }
            let verdict = combine::agree(clients, combine::clients);
            let verdict = verdict.unwrap_or_else(|| combine::unknown("no client is known".to_owned()));
            let verdict = unless_cut(beyond(verdict, route), all, route);
            notes::of_way(notes, sides, route, verdict.decision);
            ways.push(Case { label: route.what.clone(), verdict });
        }
        let differ = |cases: &[Case]| format!("it depends on what is meant: {}", combine::each(cases));
        combine::agree(ways, differ).unwrap_or_else(|| combine::unknown("nothing is there".to_owned()))
    }

    fn judge_route(&self, src: &Side<'_>, route: &Route<'_>, notes: &mut Vec<String>) -> Verdict {
        if let Some(verdict) = self.judge_local_dns(src, route, notes) {
            return verdict;
        }
        self.judge_ends(src, route, notes)
    }

    pub(super) fn judge_ends(&self, src: &Side<'_>, route: &Route<'_>, notes: &mut Vec<String>) -> Verdict {
        let ends = self.ends_for(src, route);
        let judged = ends.iter().filter_map(|end| {
            let verdict = self.judge_end(src, end, route, notes)?;
            Some(Case { label: end.side.label.clone(), verdict })
        });
        let cases: Vec<_> = judged.collect();
        let what = if route.service.is_some() { "backends" } else { "pods" };
        if let [first, _, ..] = &*cases {
            notes::add(
                notes,
                format!(
                    "{} {what} were judged; where they agree, the explanation is that of {}",
                    cases.len(),
                    first.label
                ),
            );
        }
        combine::agree(cases, |cases| combine::counted(cases, what))
            .unwrap_or_else(|| combine::unknown(no_way(src, route)))
    }

    /// Returns the places where this client's connection may end, in the order of the route.
    fn ends_for<'r>(&self, src: &Side<'_>, route: &'r Route<'_>) -> Vec<&'r End<'r>> {
        let ends = route.ends.iter().take(MAX_CONNECTIONS);
        let Some(behind) = route.behind() else { return ends.collect() };
        let client = Party { ip: src.ips.first().copied(), who: src.who };
        let reached: HashSet<_> = behind.ends_for(client).map(|end| (end.ip, end.port)).collect();
        let is_reached = |end: &&End<'_>| end.side.ips.iter().any(|ip| reached.contains(&(*ip, end.port)));
        ends.filter(is_reached).collect()
    }

    /// Judges the connections to one end. Returns `None` when the two sides have no address family in common.
    fn judge_end(
        &self,
        src: &Side<'_>,
        end: &End<'_>,
        route: &Route<'_>,
        notes: &mut Vec<String>,
    ) -> Option<Verdict> {
        if let (Way::Straight, Some(a), Some(b)) = (route.way, src.pod, end.side.pod)
            && is_same_pod(a, b)
        {
            return Some(combine::allowed("a pod can't block itself"));
        }
        let v4 = route.address.map(|ip| ip.is_ipv4());
        let mut cases = Vec::new();
        for (from, to) in families(&src.ips, &end.side.ips) {
            let is_v4 = to.or(from).is_none_or(|ip| ip.is_ipv4());
            if v4.is_some_and(|v4| v4 != is_v4) {
                continue;
            }
            let passages = self.passages(Party { ip: from, who: src.who }, (to, end), route);
            notes::of_passages(notes, (src, end), route, &passages);
            let verdict = self.judge_passages(&passages, src, route)?;
            if let (Decision::Allow, Some(Passage { leaving, arriving })) =
                (verdict.decision, passages.first())
            {
                self.plain.surprises(leaving, arriving).into_iter().for_each(|note| notes::add(notes, note));
            }
            cases.push(Case { label: if is_v4 { "IPv4" } else { "IPv6" }.to_owned(), verdict });
        }
        combine::agree(cases, |cases| format!("it depends on the address family: {}", combine::each(cases)))
    }

    fn passages<'a>(
        &'a self,
        client: Party<'a>,
        (to, end): (Option<IpAddr>, &End<'a>),
        route: &Route<'a>,
    ) -> Vec<Passage<'a>> {
        let dst = Party { ip: to, who: end.side.who };
        let straight = Connection { src: client, dst, protocol: end.protocol, port: end.port };
        match (route.way, to) {
            (Way::Behind(behind), Some(ip)) => {
                let end = Backend { ip, port: end.port, pod: end.side.pod, party: dst, node: end.node };
                behind.passages_to(client, end).collect()
            }
            (Way::HostPort(host_port), _) => host_port.passages(client).collect(),
            (Way::Straight | Way::Behind(_) | Way::Beyond(_), _) => {
                self.directory.identity.straight(straight).collect()
            }
        }
    }

    /// Judges a connection from each address under which the client may arrive.
    fn judge_passages(&self, passages: &[Passage<'_>], src: &Side<'_>, route: &Route<'_>) -> Option<Verdict> {
        let mut cases: Vec<Case> = Vec::new();
        for Passage { leaving, arriving } in passages {
            let verdict = self.plain.judge_between(leaving, arriving);
            let label = match arriving.src.who {
                Who::Node(node) if !matches!(src.who, Who::Node(_)) => format!("from node {node}"),
                Who::Node(_) => {
                    arriving.src.ip.map_or_else(|| "from its node".to_owned(), |ip| format!("from {ip}"))
                }
                _ => "from the client's own address".to_owned(),
            };
            // One different decision is enough.
            if cases.iter().all(|case| case.verdict.decision != verdict.decision) {
                cases.push(Case { label, verdict });
            }
        }
        combine::agree(cases, |cases| match route.behind() {
            Some(behind) if behind.may_masquerade() => format!(
                "a node may put its own address in place of the client's (externalTrafficPolicy of Service {} is Cluster): {}",
                behind.service().object_ref(),
                combine::each(cases)
            ),
            _ => format!("the client's node may send under several addresses: {}", combine::each(cases)),
        })
    }

    pub(super) fn enforcer(&self) -> Enforcer {
        self.plain.enforcer()
    }

    pub(super) fn plain(&self) -> &Plain {
        &self.plain
    }
}

/// Makes an allowed connection unknown that goes on to a place that nothing here knows.
fn beyond(verdict: Verdict, route: &Route<'_>) -> Verdict {
    match (&route.beyond, verdict.decision) {
        (Some(why), Decision::Allow) => combine::unknown(format!("not known: {why}")),
        _ => verdict,
    }
}

/// Makes a verdict unknown that is not about all connections, because there are too many.
fn unless_cut(verdict: Verdict, sides: &[Side<'_>], route: &Route<'_>) -> Verdict {
    let all = sides.len().saturating_mul(route.ends.len());
    match verdict.decision {
        _ if all <= MAX_CONNECTIONS => verdict,
        Decision::Unknown => verdict,
        decision => combine::unknown(format!(
            "not known: these are {all} connections, of which {MAX_CONNECTIONS} at most are judged, and the policies {} those",
            if decision == Decision::Allow { "allow" } else { "refuse" }
        )),
    }
}

/// Returns one address of each side per family that both have. A side whose addresses aren't known may have any.
fn families(src: &[IpAddr], dst: &[IpAddr]) -> Vec<(Option<IpAddr>, Option<IpAddr>)> {
    let of = |ips: &[IpAddr], v4: bool| ips.iter().copied().find(|ip| ip.is_ipv4() == v4);
    let both = [true, false].into_iter();
    match (src.is_empty(), dst.is_empty()) {
        (true, true) => vec![(None, None)],
        (true, false) => both.filter_map(|v4| Some((None, Some(of(dst, v4)?)))).collect(),
        (false, true) => both.filter_map(|v4| Some((Some(of(src, v4)?), None))).collect(),
        (false, false) => both.filter_map(|v4| Some((Some(of(src, v4)?), Some(of(dst, v4)?)))).collect(),
    }
}

fn no_way(src: &Side<'_>, route: &Route<'_>) -> String {
    if route.ends.is_empty() {
        return format!("{} has no backends: there is nothing to judge, and nobody to answer", route.label());
    }
    let family = |ips: &[IpAddr]| if ips.iter().any(IpAddr::is_ipv4) { "IPv4" } else { "IPv6" };
    let dst = route.ends.iter().flat_map(|end| end.side.ips.iter().copied()).collect::<Vec<_>>();
    format!(
        "no address family is common to both: {} has only {} and {} only {}",
        src.label,
        family(&src.ips),
        route.label(),
        family(&dst)
    )
}
