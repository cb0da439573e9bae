//! Near misses: what may have been meant.

use std::collections::BTreeSet;

use arcstr::ArcStr;
use flow_model::inventory::Labels;
use flow_model::policies::{Operator, Requirement, Selector};

/// The least likeness of a near miss; below it a name is a different one.
const ALIKE: f64 = 0.75;
/// Most suggestions given, and how much less alike than the best one they may be.
const MOST: usize = 3;
const MARGIN: f64 = 0.1;

/// Returns labels (`key`, value) that would repair the first requirement that none of `candidates` satisfies.
pub(super) fn labels<'a>(
    selector: &Selector,
    candidates: impl Iterator<Item = &'a Labels> + Clone,
) -> Vec<(ArcStr, ArcStr)> {
    let unmet = |r: &&Requirement| !candidates.clone().any(|labels| r.admits(labels.get(&r.key)));
    let Some(Requirement { key, operator: Operator::In(values) }) = selector.requirements.iter().find(unmet)
    else {
        return Vec::new();
    };
    let Some(value) = values.first() else { return Vec::new() };
    let of_key: BTreeSet<_> = candidates.clone().filter_map(|labels| labels.get(key)).collect();
    let near = names(value, of_key.iter().copied());
    if !near.is_empty() {
        return near.into_iter().map(|value| (key.clone(), value)).collect();
    }
    let all = candidates.flat_map(|labels| labels.iter());
    let same_value: BTreeSet<_> = all.filter(|(_, other)| *other == value).map(|(key, _)| key).collect();
    let keys = same_value.into_iter().map(|key| (key.clone(), value.clone()));
    keys.take(MOST).collect()
}

/// Returns the `candidates` that look almost like `wanted`, the likeliest first.
pub(super) fn names<'a>(wanted: &str, candidates: impl Iterator<Item = &'a ArcStr>) -> Vec<ArcStr> {
    let mut scored: Vec<_> = candidates.map(|name| (alike(wanted, name), name)).collect();
    scored.retain(|(score, _)| *score >= ALIKE);
    scored.sort_by(|a, b| b.0.total_cmp(&a.0).then_with(|| a.1.cmp(b.1)));
    scored.dedup_by(|a, b| a.1 == b.1);
    let best = scored.first().map_or(0.0, |(score, _)| *score);
    let near = scored.into_iter().take_while(|(score, _)| *score >= best - MARGIN);
    near.take(MOST).map(|(_, name)| name.clone()).collect()
}

/// Rates the likeness of two names. One that contains all parts of the other counts as much as a typing error.
fn alike(a: &str, b: &str) -> f64 {
    let parts = |s: &str| -> BTreeSet<String> { s.split(['-', '.', '_', '/']).map(Into::into).collect() };
    let (left, right) = (parts(a), parts(b));
    let inside = left.is_subset(&right) || right.is_subset(&left);
    let score = strsim::jaro_winkler(a, b);
    if inside { score.max(0.9) } else { score }
}

/// Returns "; did you mean a or b?", or nothing.
pub(super) fn question(names: &[String]) -> String {
    match names {
        [] => String::new(),
        [one] => format!("; did you mean {one}?"),
        [most @ .., last] => format!("; did you mean {} or {last}?", most.join(", ")),
    }
}
