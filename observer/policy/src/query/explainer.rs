//! Answers questions.

use std::net::IpAddr;
use std::sync::Arc;

use flow_model::connection::{Connection, Party, Who};
use flow_model::decision::Verdict;
use flow_model::inventory::Inventory;

use crate::Plain;
use crate::query::combine::{self, Case};
use crate::query::directory::Directory;
use crate::query::error::QueryError;
use crate::query::question::{Answer, Query};
use crate::query::route::{End, Route};
use crate::query::side::Side;

/// Answers questions by one inventory.
#[derive(Debug)]
pub struct Explainer {
    plain: Plain,
    directory: Directory,
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
    /// Fails when one side does not exist or has finished, or when the port is not clear. A side that exists, but is
    /// not known well enough to judge, gives an unknown verdict.
    pub fn answer(&self, query: &Query) -> Result<Answer, QueryError> {
        let mut notes = Vec::new();
        let src = self.directory.source(&query.src, &mut notes)?;
        let route = self.directory.route(query, &mut notes)?;
        let verdict = self.judge_route(&src, &route, &mut notes);
        let (dst, service) = (route.label(), route.service_label());
        Ok(Answer {
            src: src.to_string().into(),
            dst: dst.into(),
            service: service.map(Into::into),
            verdict,
            notes,
        })
    }

    fn judge_route(&self, src: &Side<'_>, route: &Route<'_>, notes: &mut Vec<String>) -> Verdict {
        let judged = route.ends.iter().filter_map(|end| {
            let verdict = self.judge_end(src, end, route)?;
            Some(Case { label: end.side.label.clone(), verdict })
        });
        let cases: Vec<_> = judged.collect();
        if let [first, _, ..] = &*cases {
            notes.push(format!(
                "{} backends were judged; where they agree, the explanation is that of {}",
                cases.len(),
                first.label
            ));
        }
        combine::agree(cases, combine::backends).unwrap_or_else(|| combine::unknown(no_way(src, route)))
    }

    /// Judges a connection to one end, from each address under which the client may arrive. Returns `None` when the two
    /// sides have no address family in common.
    fn judge_end(&self, src: &Side<'_>, end: &End<'_>, route: &Route<'_>) -> Option<Verdict> {
        let direct = self.judge_families(src, end)?;
        let Some(behind) = route.behind else { return Some(direct) };
        let mut cases = vec![Case { label: "from the client's own address".to_owned(), verdict: direct }];
        for source in behind.sources(Party { ip: src.ips.first().copied(), who: src.who }).skip(1) {
            let Who::Node(node) = source.who else { continue };
            let node = Side::node(node, source.ip);
            let Some(verdict) = self.judge_families(&node, end) else { continue };
            // One different decision is enough.
            if verdict.decision != cases[0].verdict.decision {
                cases.push(Case { label: format!("from {}", node.label), verdict });
                break;
            }
        }
        combine::agree(cases, |cases| {
            format!(
                "a node may put its own address in place of the client's (externalTrafficPolicy of Service {} is Cluster): {}",
                behind.service().object_ref(),
                combine::each(cases)
            )
        })
    }

    fn judge_families(&self, src: &Side<'_>, end: &End<'_>) -> Option<Verdict> {
        let cases = families(&src.ips, &end.side.ips).into_iter().map(|(from, to)| {
            let (src, dst) = (Party { ip: from, who: src.who }, Party { ip: to, who: end.side.who });
            let verdict = self.plain.judge(&Connection { src, dst, protocol: end.protocol, port: end.port });
            let v4 = to.or(from).is_none_or(|ip| ip.is_ipv4());
            Case { label: if v4 { "IPv4" } else { "IPv6" }.to_owned(), verdict }
        });
        combine::agree(cases.collect(), |cases| {
            format!("it depends on the address family: {}", combine::each(cases))
        })
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
