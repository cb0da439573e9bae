//! Findings: what a human should act on. This is the only place that decides what is news.
//!
//! A finding is one episode of a kind and subject; `entry` has its states. Attempts are read one by one; every other
//! detector hands over all that it finds now ([`Findings::report`]). Findings compares that with what it emitted last,
//! limits the rate of updates, and ends what works again, what the policies allow now, what its detector no longer finds,
//! and what stopped.

mod attempts;
mod classify;
mod config;
mod entry;
mod episode;
mod kept;
mod lagging;
mod latent;
mod parties;
mod sentence;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use arcstr::ArcStr;
use flow_model::finding::{FindingChange, FindingSource, FindingUpdate, Severity};
use jiff::Timestamp;

use self::entry::Entry;
use self::episode::{Ending, Number};
use self::lagging::Lagging;
use crate::detected::{Detected, Ended, Raised};
use crate::subject::FindingKey;

pub use self::config::FindingsConfig;
pub use self::kept::KeptFindings;
pub use self::latent::latent_denials;

/// The findings of one node. Feed it, then drain [`Findings::next_output`].
#[derive(Debug)]
pub struct Findings {
    node: ArcStr,
    config: FindingsConfig,
    entries: BTreeMap<FindingKey, Entry>,
    /// Contradictions that were too early for a finding.
    lagging: Lagging,
    outputs: VecDeque<FindingUpdate>,
    /// Findings of detectors that found no room. They stay out while they are raised and the table is full of findings
    /// that matter as much: otherwise they would push each other out at every report.
    left_out: BTreeSet<FindingKey>,
    /// No episode of a subject that was forgotten has this number or a larger one: a subject that comes back gets a new id.
    floor: Number,
    crowded_out: u64,
}

impl Findings {
    /// Returns an empty set of findings for the node of this name.
    #[must_use]
    pub fn new(node: ArcStr, config: FindingsConfig) -> Self {
        Self {
            node,
            config,
            entries: BTreeMap::new(),
            lagging: Lagging::default(),
            outputs: VecDeque::new(),
            left_out: BTreeSet::new(),
            floor: Number::MIN,
            crowded_out: 0,
        }
    }

    /// Takes all that one detector finds now. Its findings that are not raised any more resolve.
    pub fn report(&mut self, detected: Detected, now: Timestamp) {
        let Detected { source, raised, ended } = detected;
        let current: BTreeSet<FindingKey> = raised.iter().map(Raised::key).collect();
        self.end_others(source, &current, ended, now);
        self.left_out.retain(|key| source_of(key) != source || current.contains(key));
        for raised in raised {
            let key = raised.key();
            debug_assert_eq!(source_of(&key), source, "another detector would end this finding");
            if self.left_out.contains(&key) && !self.has_room(raised.severity) {
                continue;
            }
            self.left_out.remove(&key);
            self.update(key, now, |entry| entry.raised(now, raised));
        }
    }

    /// Lets time pass: what has stopped resolves, pending updates are emitted, and what resolved long ago is forgotten.
    pub fn tick(&mut self, now: Timestamp) {
        for entry in self.entries.values_mut() {
            match entry.has_stopped(now, &self.config) {
                Some(why) => self.outputs.push_back(entry.end(now, &why)),
                None => self.outputs.extend(entry.take_update(now)),
            }
        }
        self.lagging.forget(now, self.config.quiet);
        let keep = self.config.keep;
        for (_, forgotten) in self.entries.extract_if(.., |_, entry| entry.is_over(now, keep)) {
            self.floor = self.floor.max(forgotten.episode().number().successor());
        }
    }

    /// Returns the next finding that appeared, changed or was resolved.
    pub fn next_output(&mut self) -> Option<FindingUpdate> {
        self.outputs.pop_front()
    }

    /// Returns how many findings were forgotten early, because there were too many, since the last call.
    pub fn take_crowded_out(&mut self) -> u64 {
        std::mem::take(&mut self.crowded_out)
    }

    fn end_others(
        &mut self,
        source: FindingSource,
        current: &BTreeSet<FindingKey>,
        ended: Vec<Ended>,
        now: Timestamp,
    ) {
        let because = |Ended { kind, subject, because }| (FindingKey { kind, subject }, because);
        let mut reasons: BTreeMap<FindingKey, String> = ended.into_iter().map(because).collect();
        for (key, entry) in &mut self.entries {
            if source_of(key) == source && entry.is_active() && !current.contains(key) && !entry.is_kept(now)
            {
                let why = reasons.remove(key).map_or(Ending::NotReported(source), Ending::Reported);
                self.outputs.push_back(entry.end(now, &why));
            }
        }
    }

    /// Changes a finding, which begins now if its subject is new, and emits it if `change` calls for that at once.
    fn update(
        &mut self,
        key: FindingKey,
        now: Timestamp,
        change: impl FnOnce(&mut Entry) -> Option<FindingChange>,
    ) {
        if !self.entries.contains_key(&key) {
            self.make_room(now);
        }
        let entry = self.entries.entry(key);
        let entry = entry.or_insert_with_key(|key| Entry::new(key, &self.node, self.floor, now));
        if let Some(change) = change(entry) {
            self.outputs.push_back(entry.emit(change, now));
        }
    }

    fn is_full(&self) -> bool {
        self.entries.len() >= self.config.max.max(1)
    }

    /// Is true where a finding of this severity can be added without removing an active one that matters as much.
    fn has_room(&self, severity: Severity) -> bool {
        let gives_way = |entry: &Entry| !entry.is_active() || entry.finding().severity < severity;
        !self.is_full() || self.entries.values().any(gives_way)
    }

    fn make_room(&mut self, now: Timestamp) {
        while self.is_full() {
            let first = self.entries.iter().min_by_key(|(_, entry)| entry.rank()).map(|(key, _)| key.clone());
            let Some((key, mut entry)) = first.and_then(|key| self.entries.remove_entry(&key)) else {
                return;
            };
            self.crowded_out += 1;
            self.floor = self.floor.max(entry.episode().number().successor());
            if entry.is_active() {
                // Readers would otherwise keep it as active for ever.
                self.outputs.push_back(entry.end(now, &Ending::CrowdedOut));
                if source_of(&key) != FindingSource::Attempts {
                    self.left_out.insert(key);
                }
            }
        }
    }
}

fn source_of(key: &FindingKey) -> FindingSource {
    key.kind.traits().source
}
