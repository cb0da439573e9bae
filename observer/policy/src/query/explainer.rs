//! From a question to an answer.

use std::net::IpAddr;
use std::sync::Arc;

use flow_identity::{Identity, masquerades};
use flow_model::connection::{Connection, Party, Who};
use flow_model::decision::Verdict;
use flow_model::inventory::Inventory;
use jiff::Timestamp;

use crate::Plain;
use crate::query::combine::{self, Case};
use crate::query::names::Names;
use crate::query::route::{End, Route, Side};
use crate::query::service::Fronts;
use crate::query::{Answer, Query, QueryError, Target};

/// An inventory has no past and no future here: whoever has an address has it now.
const NOW: Timestamp = Timestamp::MAX;

/// Answers questions by one inventory.
#[derive(Debug)]
pub struct Explainer {
    plain: Plain,
    identity: Identity,
    pub(super) names: Names,
    pub(super) fronts: Fronts,
}

impl Explainer {
    /// Indexes an inventory.
    #[must_use]
    pub fn new(inventory: Arc<Inventory>) -> Self {
        let mut identity = Identity::new();
        identity.apply(Arc::clone(&inventory), NOW);
        Self {
            identity,
            names: Names::new(&inventory),
            fronts: Fronts::new(&inventory),
            plain: Plain::new(inventory),
        }
    }

    /// What is judged by.
    #[must_use]
    pub fn inventory(&self) -> &Arc<Inventory> {
        self.plain.inventory()
    }

    /// What the policies say.
    ///
    /// # Errors
    /// When one side isn't there or has finished, or when the port isn't said well enough. What is there, but not known
    /// well enough to judge, is answered with an unknown verdict.
    pub fn answer(&self, query: &Query) -> Result<Answer, QueryError> {
        let mut notes = Vec::new();
        let src = self.source(&query.src, &mut notes)?;
        let route = self.route(query, &mut notes)?;
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
                "{} backends were judged; what is said is of {} where they agree",
                cases.len(),
                first.label
            ));
        }
        combine::agree(cases, combine::backends).unwrap_or_else(|| combine::unknown(no_way(src, route)))
    }

    /// `None` when the two sides have no address family in common.
    fn judge_end(&self, src: &Side<'_>, end: &End<'_>, route: &Route<'_>) -> Option<Verdict> {
        let direct = self.judge_families(src, end)?;
        let Some(service) = route.masquerading().filter(|_| matches!(src.who, Who::External)) else {
            return Some(direct);
        };
        let mut cases = vec![Case { label: "from the client's own address".to_owned(), verdict: direct }];
        for node in self.masquerades() {
            let Some(verdict) = self.judge_families(&node, end) else { continue };
            // One that differs is enough.
            if verdict.decision != cases[0].verdict.decision {
                cases.push(Case { label: format!("from {}", node.label), verdict });
                break;
            }
        }
        combine::agree(cases, |cases| {
            let each = combine::each(cases);
            format!(
                "a node may put its own address in place of the client's (externalTrafficPolicy of Service {service} is Cluster): {each}"
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

    fn masquerades(&self) -> impl Iterator<Item = Side<'_>> {
        masquerades(self.inventory()).map(|(node, ip)| Side {
            label: format!("node {node}"),
            remark: None,
            who: Who::Node(node),
            pod: None,
            ips: vec![ip],
        })
    }

    pub(super) fn at(&self, ip: IpAddr) -> Side<'_> {
        let who = self.identity.party(ip, NOW).who;
        let (label, remark, pod) = match who {
            Who::Pod(pod) => (format!("{}/{}", pod.namespace, pod.name), None, Some(pod)),
            Who::Node(node) => (ip.to_string(), Some(format!("node {node}")), None),
            Who::External => (ip.to_string(), Some("outside the cluster".to_owned()), None),
            Who::Unknown(_) => (ip.to_string(), None, None),
        };
        Side { label, remark, who, pod, ips: vec![ip.to_canonical()] }
    }

    fn source(&self, target: &Target, notes: &mut Vec<String>) -> Result<Side<'_>, QueryError> {
        match target {
            Target::Ip(ip) => Ok(self.at(*ip)),
            Target::Pod { namespace, name } => self.named_pod(namespace, name),
            Target::Service { namespace, name } => self.pod_behind(namespace, name, notes),
            Target::Named { namespace, name } => {
                if self.names.pod(namespace, name).is_some() {
                    return self.named_pod(namespace, name);
                }
                if let Some(side) = self.workload(namespace, name, notes) {
                    return Ok(side);
                }
                match self.names.service(namespace, name) {
                    Some(_) => self.pod_behind(namespace, name, notes),
                    None => Err(self.names.missing("pod", namespace, name)),
                }
            }
        }
    }
}

/// One address of each side per family that both have. A side whose addresses aren't known has any.
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
