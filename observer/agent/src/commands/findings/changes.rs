//! What is new in the findings since they were asked for last.

use std::collections::BTreeMap;

use arcstr::ArcStr;
use flow_model::finding::{Finding, FindingKind, State};
use serde::Serialize;
use strum::{Display, IntoStaticStr};

/// What happened to a finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Display, IntoStaticStr)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub(super) enum Change {
    /// It was there at the first question.
    Present,
    New,
    /// Its sentence or its cause changed.
    Changed,
    Resolved,
}

/// Remembers the newest episode of each subject.
#[derive(Debug, Default)]
pub(super) struct Changes {
    known: BTreeMap<(ArcStr, FindingKind), Shown>,
    asked: bool,
}

#[derive(Debug, PartialEq, Eq)]
struct Shown {
    id: ArcStr,
    state: State,
    summary: String,
    cause: Option<String>,
}

impl Changes {
    /// Returns the findings that changed. The findings are in the order of the API: active ones first, then the newest.
    ///
    /// One that is missing now is not resolved, because its agent may be away for a moment.
    pub(super) fn since_last(&mut self, findings: Vec<Finding>) -> Vec<(Change, Finding)> {
        if !std::mem::replace(&mut self.asked, true) {
            let older_first = findings.iter().rev();
            self.known = older_first.map(|finding| (subject(finding), shown(finding))).collect();
            return findings.into_iter().map(|finding| (Change::Present, finding)).collect();
        }
        let mut newest = BTreeMap::new();
        let mut changes = Vec::new();
        for finding in findings {
            let (subject, now) = (subject(&finding), shown(&finding));
            if newest.contains_key(&subject) {
                continue;
            }
            changes.extend(change(self.known.get(&subject), &now).map(|change| (change, finding)));
            newest.insert(subject, now);
        }
        // What has been resolved for long is forgotten by the agents, too.
        self.known.retain(|_, shown| shown.state == State::Active);
        self.known.extend(newest);
        changes
    }
}

fn subject(finding: &Finding) -> (ArcStr, FindingKind) {
    (finding.subject.clone(), finding.kind)
}

fn shown(Finding { id, state, summary, cause, .. }: &Finding) -> Shown {
    Shown { id: id.clone(), state: *state, summary: summary.clone(), cause: cause.clone() }
}

fn change(before: Option<&Shown>, now: &Shown) -> Option<Change> {
    match (before.map(|shown| shown.state), now.state) {
        (None | Some(State::Resolved), State::Active) => Some(Change::New),
        (Some(State::Active), State::Active) => {
            // Answers of other nodes may give a joined episode another id.
            let text = |shown: &Shown| (shown.summary.clone(), shown.cause.clone());
            (before.map(text) != Some(text(now))).then_some(Change::Changed)
        }
        (Some(State::Active), State::Resolved) => Some(Change::Resolved),
        // It came and went between two questions.
        (None | Some(State::Resolved), State::Resolved) => {
            (before.map(|shown| &shown.id) != Some(&now.id)).then_some(Change::Resolved)
        }
    }
}

#[cfg(test)]
mod tests;
