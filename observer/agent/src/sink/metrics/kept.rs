//! What the next agent takes over, so that no counter falls when an agent is replaced.
//!
//! The series of pairs and bursts are kept as they are. Of all others the published samples are kept, and the next agent adds
//! them to its own.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

use super::bursts;
use super::series::KeptSeries;

/// Samples of the agents before that this one does not publish: at most so many are handed on.
const MAX_UNSEEN: usize = 1_000;

/// The counters of an agent.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct KeptMetrics {
    pub(super) series: KeptSeries,
    pub(super) bursts: Vec<(bursts::Key, bursts::Slot)>,
    pub(super) samples: Samples,
}

/// Samples of counters and histograms, by name and labels as they are published.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Samples(BTreeMap<String, f64>);

impl Samples {
    /// Returns the text with these samples added to those of counters and histograms.
    pub(super) fn add_to(&self, text: &str) -> String {
        if self.0.is_empty() {
            return text.to_owned();
        }
        let mut out = String::with_capacity(text.len());
        for (line, sample) in samples(text) {
            match sample.and_then(|(name, value)| Some((name, value + self.0.get(name)?))) {
                Some((name, sum)) => writeln!(out, "{name} {sum}").unwrap_or(()),
                None => writeln!(out, "{line}").unwrap_or(()),
            }
        }
        out
    }

    /// Returns the samples of a text that was published, and of these some that it doesn't have.
    pub(super) fn after(&self, text: &str) -> Self {
        let published: HashMap<&str, f64> = samples(text).filter_map(|(_, sample)| sample).collect();
        let unseen =
            self.0.iter().filter(|(name, _)| !published.contains_key(name.as_str())).take(MAX_UNSEEN);
        let unseen = unseen.map(|(name, value)| (name.clone(), *value));
        Self(published.iter().map(|(name, value)| ((*name).to_owned(), *value)).chain(unseen).collect())
    }
}

/// Returns the lines of a text, and the samples in those of counters and histograms.
fn samples(text: &str) -> impl Iterator<Item = (&str, Option<(&str, f64)>)> {
    let mut adds_up = false;
    text.lines().map(move |line| {
        if line.starts_with("# TYPE ") {
            adds_up = line.ends_with(" counter") || line.ends_with(" histogram");
        }
        let sample = line.rsplit_once(' ').filter(|_| adds_up && !line.starts_with('#'));
        (line, sample.and_then(|(name, value)| Some((name, value.parse().ok()?))))
    })
}

#[cfg(test)]
mod tests;
