//! Latent denials: open connections that the current policies would refuse.

use std::collections::BTreeMap;

use flow_model::finding::{Evidence, FindingKind, FindingSource, Severity};
use jiff::Timestamp;

use crate::detected::{Detected, Raised};
use crate::facts::LatentGroup;
use crate::findings::sentence;
use crate::subject::{FindingKey, FlowSubject};

/// Returns the findings of all open connections that the current policies would refuse.
#[must_use]
pub fn latent_denials(groups: &[LatentGroup], now: Timestamp) -> Detected {
    let mut by_key: BTreeMap<FindingKey, Vec<&LatentGroup>> = BTreeMap::new();
    for group in groups {
        let key = FlowSubject::new(&group.src, &group.dst, true).of_kind(FindingKind::LatentDenial);
        by_key.entry(key).or_default().push(group);
    }
    let raised = by_key.into_iter().filter_map(|(key, groups)| raised(key, &groups, now));
    Detected { raised: raised.collect(), ..Detected::nothing(FindingSource::OpenConnections) }
}

fn raised(
    FindingKey { kind, subject }: FindingKey,
    groups: &[&LatentGroup],
    now: Timestamp,
) -> Option<Raised> {
    // The group with the oldest connection gives the example.
    let example = groups.iter().min_by_key(|group| group.since)?;
    let open = groups.iter().map(|group| group.open).fold(0, u64::saturating_add);
    let evidence = groups.iter().flat_map(|group| {
        let text = |tuple| Evidence { time: group.since, text: sentence::open_connection(group, tuple) };
        group.examples.iter().map(text)
    });
    Some(Raised {
        kind,
        subject,
        last_seen: now,
        severity: Severity::Warning,
        summary: sentence::latent(example, open),
        src: Some(example.src.clone()),
        dst: Some(example.dst.clone()),
        vip: None,
        policies: example.verdict.policies.clone(),
        nodes: Vec::new(),
        cause: example.cause.clone(),
        evidence: evidence.collect(),
        count: open,
    })
}
