//! The combination of several verdicts into one.

use flow_model::decision::{Decision, DirectionVerdict, Verdict};

use crate::agreement::agreed;

/// Holds the verdict on one of several connections that a question stands for.
#[derive(Clone, Debug)]
pub(super) struct Case {
    /// The property that distinguishes it from the others: a family, a backend, a source.
    pub(super) label: String,
    pub(super) verdict: Verdict,
}

/// Returns the first verdict if all decisions agree; else an unknown one, for which `differ` describes the difference.
pub(super) fn agree(cases: Vec<Case>, differ: impl FnOnce(&[Case]) -> String) -> Option<Verdict> {
    if cases.is_empty() {
        return None;
    }
    if agreed(cases.iter().map(|case| case.verdict.decision)).is_some() {
        return cases.into_iter().next().map(|case| case.verdict);
    }
    let explanation = differ(&cases);
    let direction =
        |of: fn(&Verdict) -> &DirectionVerdict| merge(cases.iter().map(|c| of(&c.verdict)), &explanation);
    let (ingress, egress) = (direction(|v| &v.ingress), direction(|v| &v.egress));
    Some(Verdict { decision: Decision::Unknown, ingress, egress, explanation })
}

/// Makes an answer without a connection to judge.
pub(super) fn unknown(explanation: String) -> Verdict {
    let direction = DirectionVerdict {
        decision: Decision::Unknown,
        policies: Vec::new(),
        rules: Vec::new(),
        nearest: None,
        explanation: explanation.clone(),
    };
    Verdict { decision: Decision::Unknown, ingress: direction.clone(), egress: direction, explanation }
}

/// Makes an answer that needs no policy.
pub(super) fn allowed(explanation: &str) -> Verdict {
    let direction = DirectionVerdict { decision: Decision::Allow, ..unknown(explanation.to_owned()).ingress };
    let explanation = format!("allowed: {explanation}");
    Verdict { decision: Decision::Allow, ingress: direction.clone(), egress: direction, explanation }
}

/// Describes each case: "IPv4: allowed by ...; IPv6: refused by ...".
pub(super) fn each(cases: &[Case]) -> String {
    let one = |case: &Case| format!("{}: {}", case.label, decided(&case.verdict));
    cases.iter().map(one).collect::<Vec<_>>().join("; ")
}

/// Counts the cases by their decisions: "2 of 3 backends refuse it (data/db-1: refused by ...); 1 admits it (data/db-0: ...)".
pub(super) fn counted(cases: &[Case], what: &str) -> String {
    count(cases, what, |decision, one| match (decision, one) {
        (Decision::Deny, true) => "refuses it",
        (Decision::Deny, false) => "refuse it",
        (Decision::Allow, true) => "admits it",
        (Decision::Allow, false) => "admit it",
        (Decision::Unknown, true) => "is not known",
        (Decision::Unknown, false) => "are not known",
    })
}

/// Counts the clients by their decisions: "2 of 3 pods are refused (web/a-1: refused by ...); 1 is allowed (web/a-0: ...)".
pub(super) fn clients(cases: &[Case]) -> String {
    count(cases, "pods", |decision, one| match (decision, one) {
        (Decision::Deny, true) => "is refused",
        (Decision::Deny, false) => "are refused",
        (Decision::Allow, true) => "is allowed",
        (Decision::Allow, false) => "are allowed",
        (Decision::Unknown, true) => "is not known",
        (Decision::Unknown, false) => "are not known",
    })
}

fn count(cases: &[Case], what: &str, verb: impl Fn(Decision, bool) -> &'static str) -> String {
    let mut parts = Vec::new();
    for decision in [Decision::Deny, Decision::Unknown, Decision::Allow] {
        let mut of = cases.iter().filter(|case| case.verdict.decision == decision);
        let Some(Case { label, verdict }) = of.next() else { continue };
        let count = 1 + of.count();
        let total = if parts.is_empty() { format!(" of {} {what}", cases.len()) } else { String::new() };
        let why = decided(verdict);
        // The verb says already that it is not known.
        let why = why.strip_prefix("not known: ").unwrap_or(&why);
        parts.push(format!("{count}{total} {} ({label}: {why})", verb(decision, count == 1)));
    }
    parts.join("; ")
}

/// Returns the explanation, preceded by the decision where it doesn't begin with that itself.
fn decided(verdict: &Verdict) -> String {
    let name = match verdict.decision {
        Decision::Allow => "allowed",
        Decision::Deny => "refused",
        Decision::Unknown => "not known",
    };
    let Verdict { explanation, .. } = verdict;
    if explanation.starts_with(name) { explanation.clone() } else { format!("{name}: {explanation}") }
}

fn merge<'a>(all: impl Iterator<Item = &'a DirectionVerdict>, why: &str) -> DirectionVerdict {
    let mut merged: Option<DirectionVerdict> = None;
    for one in all {
        let Some(merged) = &mut merged else {
            merged = Some(one.clone());
            continue;
        };
        if merged.decision != one.decision {
            (merged.decision, merged.explanation) = (Decision::Unknown, why.to_owned());
            merged.nearest = None;
        }
        add(&mut merged.policies, &one.policies);
        add(&mut merged.rules, &one.rules);
    }
    merged.unwrap_or_else(|| unknown(why.to_owned()).ingress)
}

fn add<T: Clone + PartialEq>(to: &mut Vec<T>, from: &[T]) {
    for one in from {
        if !to.contains(one) {
            to.push(one.clone());
        }
    }
}
