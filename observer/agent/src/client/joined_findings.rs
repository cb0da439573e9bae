//! Findings of several agents, joined: several nodes may report the same episode.
//!
//! Nodes that learn of an episode in different minutes give it different ids, and a node may see the end of one where
//! another sees none. So episodes of a subject are joined by the time in which they went on:
//!
//! - What is active on several nodes is one episode. It takes its text, its cause and its count from these alone, never
//!   from an episode that has ended, and so it has no end.
//! - What has ended on one node while it goes on elsewhere only adds its node to that.
//! - Other episodes that have ended are joined if they overlap.
//!
//! The result does not depend on the order of the answers.

mod episode;

use std::cmp::Reverse;
use std::collections::BTreeMap;

use arcstr::ArcStr;
use flow_model::finding::{Finding, FindingKind, State};

use self::episode::Episode;

/// Returns one finding per episode: active ones first, then by time, newest first.
pub(crate) fn join(findings: impl IntoIterator<Item = Finding>) -> Vec<Finding> {
    let mut subjects: BTreeMap<(ArcStr, FindingKind), Vec<Finding>> = BTreeMap::new();
    for finding in findings {
        subjects.entry((finding.subject.clone(), finding.kind)).or_default().push(finding);
    }
    let mut joined: Vec<_> = subjects.into_values().flat_map(of_subject).collect();
    joined.sort_by_key(|finding| {
        (finding.state == State::Resolved, Reverse(finding.last_seen), finding.id.clone())
    });
    joined
}

/// Joins what the nodes report of one subject.
fn of_subject(mut reports: Vec<Finding>) -> Vec<Finding> {
    reports.sort_by(episode::order);
    let (active, over): (Vec<_>, Vec<_>) = reports.into_iter().partition(|f| f.state == State::Active);
    let mut episodes = Vec::new();
    active.into_iter().for_each(|report| add(&mut episodes, report, |_, _| true));
    over.into_iter().for_each(|report| add(&mut episodes, report, Episode::overlaps));
    let ids = episodes.iter().flat_map(|episode| {
        let known = (episode.id().clone(), episode.is_active());
        episode.ids().map(move |id| (id.clone(), known.clone()))
    });
    let ids: BTreeMap<ArcStr, (ArcStr, bool)> = ids.collect();
    let joined = episodes.into_iter().map(Episode::join);
    joined.map(|finding| Finding { previous: previous(&finding, &ids), ..finding }).collect()
}

/// Adds a report to the episode of its id, else to the first one that it belongs to, else begins another.
fn add(episodes: &mut Vec<Episode>, report: Finding, belongs: impl Fn(&Episode, &Finding) -> bool) {
    let by_id = episodes.iter().position(|episode| episode.ids().any(|id| *id == report.id));
    let at = by_id.or_else(|| episodes.iter().position(|episode| belongs(episode, &report)));
    match at.and_then(|at| episodes.get_mut(at)) {
        Some(episode) => episode.add(report),
        None => episodes.push(Episode::new(report)),
    }
}

/// Returns the id that the earlier episode has here, where other nodes' names for it differ. An episode that goes on
/// somewhere is no earlier one.
fn previous(finding: &Finding, ids: &BTreeMap<ArcStr, (ArcStr, bool)>) -> Option<ArcStr> {
    let previous = finding.previous.as_ref()?;
    match ids.get(previous) {
        Some((id, is_active)) => (!is_active && *id != finding.id).then(|| id.clone()),
        None => Some(previous.clone()),
    }
}

#[cfg(test)]
mod tests;
