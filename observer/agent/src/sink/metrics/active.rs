//! `active_findings`: what is found now, with the names that an alert needs.

use std::collections::BTreeMap;
use std::fmt;

use arcstr::ArcStr;
use flow_model::finding::{Finding, FindingKind, Severity, State};
use flow_model::object_ref::joined;
use flow_model::record::Endpoint;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;
use strum::VariantNames;

use crate::sink::findings::FindingStore;
use crate::sink::metrics::labels::{WorkloadName, workload};
use crate::sink::metrics::spec::{Kind, Label, Spec};

const ACTIVE: Spec = Spec {
    name: "active_findings",
    kind: Kind::Gauge,
    help: "Active findings, by kind and subject",
    labels: &[&[
        Label::one_of("kind", FindingKind::VARIANTS),
        Label::text("src_namespace", "empty where the finding has no client"),
        Label::text("src_workload", "as in pairs"),
        Label::text("dst_namespace", "empty where the finding has no server"),
        Label::text("dst_workload", "as in pairs"),
        Label::text("dst_port", "the server's own port; empty where the finding has no server"),
        Label::text("policy", "`namespace/name` of the policies, joined with `, `"),
        Label::text("vip", "the address; empty for findings that are not about one"),
        Label::one_of("severity", Severity::VARIANTS),
    ]],
    unit: "findings",
    changes: "when a finding appears, changes its policies or severity, or is resolved; its series disappears then",
    bound: "the findings kept, at most 1,000",
};

pub(super) const FAMILIES: [Spec; 1] = [ACTIVE];

/// Reads the findings at each scrape. The store bounds the number of series.
#[derive(Debug)]
pub(super) struct ActiveFindings(pub(super) FindingStore);

/// The subject of a finding. A side that it doesn't have is empty.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Subject {
    kind: FindingKind,
    src: WorkloadName,
    dst: WorkloadName,
    dst_port: ArcStr,
    /// The policies, joined with commas: a series per policy would make two alerts of one refusal.
    policy: String,
    vip: ArcStr,
    severity: Severity,
}

impl Subject {
    fn new(finding: &Finding) -> Self {
        let name = |side: &Option<Endpoint>| side.as_ref().map(workload).unwrap_or_default();
        Self {
            kind: finding.kind,
            src: name(&finding.src),
            dst: name(&finding.dst),
            dst_port: finding.dst.as_ref().map_or(ArcStr::new(), |dst| arcstr::format!("{}", dst.own_port())),
            policy: joined(&finding.policies),
            vip: finding.vip.clone().unwrap_or_default(),
            severity: finding.severity,
        }
    }

    fn labels(&self) -> [(&'static str, &str); 9] {
        [
            ("kind", self.kind.as_str()),
            ("src_namespace", &self.src.namespace),
            ("src_workload", &self.src.name),
            ("dst_namespace", &self.dst.namespace),
            ("dst_workload", &self.dst.name),
            ("dst_port", &self.dst_port),
            ("policy", &self.policy),
            ("vip", &self.vip),
            ("severity", self.severity.as_str()),
        ]
    }
}

impl Collector for ActiveFindings {
    fn encode(&self, mut encoder: DescriptorEncoder) -> fmt::Result {
        let mut rows: BTreeMap<Subject, u64> = BTreeMap::new();
        for finding in self.0.all().iter().filter(|finding| finding.state == State::Active) {
            *rows.entry(Subject::new(finding)).or_default() += 1;
        }
        let mut family = ACTIVE.encode(&mut encoder)?;
        for (subject, count) in &rows {
            family.encode_family(&subject.labels())?.encode_gauge(count)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
