//! What filters look at in a record or a finding.

use std::borrow::Cow;

use arcstr::ArcStr;
use flow_model::decision::Decision;
use flow_model::finding::{Finding, FindingKind};
use flow_model::object_ref::ObjectRef;
use flow_model::record::{Endpoint, Event, FlowVerdict, PolicyChange};

/// What filters look at. What is missing matches no filter.
#[derive(Debug, Default)]
pub(super) struct Facts<'a> {
    pub(super) src: Option<&'a Endpoint>,
    pub(super) dst: Option<&'a Endpoint>,
    pub(super) verdict: Option<Decision>,
    /// The policies that decided, or the policy that changed.
    pub(super) policies: Cow<'a, [ObjectRef]>,
    reason: Option<ArcStr>,
    cause: Option<&'a str>,
    /// The texts of a finding. Its reasons have no field.
    texts: Vec<&'a str>,
}

impl<'a> Facts<'a> {
    /// Returns the facts of a record.
    pub(super) fn of_event(event: &'a Event) -> Self {
        let (src, dst) = event.endpoints().unzip();
        let facts = Self { src, dst, reason: event.reason(), ..Self::default() };
        match event {
            Event::Attempt(attempt) => {
                Self { cause: attempt.cause.map(Into::into), ..facts.judged(attempt.verdict.as_deref()) }
            }
            Event::Drop(drop) => facts.judged(drop.verdict.as_deref()),
            Event::Reset(reset) => Self { cause: reset.cause.map(Into::into), ..facts },
            Event::PolicyChange(change) => Self { policies: changed(change).into(), ..facts },
            Event::Announcement(_) | Event::Check(_) | Event::Lost(_) | Event::Memory(_) => facts,
        }
    }

    fn judged(self, verdict: Option<&'a FlowVerdict>) -> Self {
        let Some(FlowVerdict { decision, policies, .. }) = verdict else { return self };
        Self { verdict: Some(*decision), policies: policies.as_slice().into(), ..self }
    }

    /// Returns the facts of a finding.
    pub(super) fn of_finding(finding: &'a Finding) -> Self {
        let evidence = finding.evidence.iter().map(|evidence| evidence.text.as_str());
        Self {
            src: finding.src.as_ref(),
            dst: finding.dst.as_ref(),
            verdict: verdict_of(finding.kind),
            policies: finding.policies.as_slice().into(),
            reason: None,
            cause: finding.cause.as_deref(),
            texts: evidence.chain([finding.summary.as_str()]).collect(),
        }
    }

    /// Is true when the server has the port, as the client used it or after DNAT.
    pub(super) fn has_port(&self, wanted: impl Fn(u16) -> bool) -> bool {
        self.dst.is_some_and(|dst| wanted(dst.port) || dst.backend_port.is_some_and(wanted))
    }

    /// Is true for the reason of a record, in upper or lower case, and for a word of a finding's texts.
    pub(super) fn has_reason(&self, wanted: &str) -> bool {
        self.reason.as_ref().is_some_and(|reason| reason.eq_ignore_ascii_case(wanted))
            || self.texts.iter().any(|text| has_word(text, wanted))
    }

    /// Is true for the cause of a record, a part of the cause of a finding, and a word of a finding's texts.
    pub(super) fn has_cause(&self, wanted: &str) -> bool {
        let part = |cause: &str| cause.to_lowercase().contains(&wanted.to_lowercase());
        self.cause.is_some_and(part) || self.texts.iter().any(|text| has_word(text, wanted))
    }
}

/// Returns the policy that changed. Labels of namespaces and pods change, too.
fn changed(PolicyChange { object, namespace, name, .. }: &PolicyChange) -> Vec<ObjectRef> {
    if matches!(object.as_str(), "Namespace" | "Pod") {
        return Vec::new();
    }
    vec![ObjectRef::new(namespace.clone().unwrap_or_default(), name.clone())]
}

/// Returns the decision that every finding of a kind is about.
fn verdict_of(kind: FindingKind) -> Option<Decision> {
    match kind {
        FindingKind::PolicyDenied | FindingKind::LatentDenial => Some(Decision::Deny),
        FindingKind::ServiceRefused
        | FindingKind::Unanswered
        | FindingKind::EnforcementMismatch
        | FindingKind::VipFlap
        | FindingKind::VipConflict
        | FindingKind::RstBurst
        | FindingKind::SynFlood
        | FindingKind::PortScan
        | FindingKind::BlindSpot => None,
    }
}

/// Is true when the word stands in the text. Names of reasons have underscores.
fn has_word(text: &str, word: &str) -> bool {
    text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').any(|part| part.eq_ignore_ascii_case(word))
}
