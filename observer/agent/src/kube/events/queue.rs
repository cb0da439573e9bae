//! Decides when Events are written: rate limits, growing intervals, and retries. Time is a parameter.

use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arcstr::ArcStr;
use flow_model::finding::State;
use lru::LruCache;

use crate::kube::events::pace::{Bucket, Limits};
use crate::kube::events::report::{About, EventState, Key, Outcome, Report};
use crate::kube::events::subject::{Object, Subject};

/// At most this many reports are pending. Findings are bounded by the same number.
const MAX_PENDING: usize = 1_000;
/// At most this many Events are remembered. An Event that is forgotten is found again by its name.
const MAX_EVENTS: NonZeroUsize = NonZeroUsize::new(4_000).unwrap();
/// The API server deletes an Event an hour after its last write, so an Event that is still true is written again
/// before.
const KEEP_ALIVE: Duration = Duration::from_mins(30);
/// The number of times that one report is tried.
const TRIES: u32 = 4;
const PAUSE_MIN: Duration = Duration::from_secs(1);
const PAUSE_MAX: Duration = Duration::from_secs(60);
/// The pause after a missing permission, which somebody may grant meanwhile.
const PAUSE_FORBIDDEN: Duration = Duration::from_mins(5);

struct Pending {
    report: Report,
    due: Instant,
    tries: u32,
}

struct Written {
    /// The id of the finding, and the object.
    finding: ArcStr,
    subject: Subject,
    about: About,
    state: EventState,
    at: Instant,
    gap: Duration,
}

/// Holds pending reports, one per Event and always the newest.
pub(super) struct Queue {
    limits: Limits,
    pending: HashMap<Key, Pending>,
    written: LruCache<Key, Written>,
    all: Bucket,
    objects: LruCache<(ArcStr, ArcStr), Bucket>,
    paused_until: Instant,
    failures: u32,
    /// The Event that is being written, with its state once it is, and how often that was tried.
    writing: Option<(Report, EventState)>,
    tries: u32,
}

impl Queue {
    pub(super) fn new(limits: Limits, now: Instant) -> Self {
        Self {
            limits,
            pending: HashMap::new(),
            written: LruCache::new(MAX_EVENTS),
            all: Bucket::new(limits.all, now),
            objects: LruCache::new(MAX_EVENTS),
            paused_until: now,
            failures: 0,
            writing: None,
            tries: 0,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.pending.is_empty()
    }

    /// Returns the number of reports that wait to be written.
    pub(super) fn len(&self) -> usize {
        self.pending.len() + usize::from(self.writing.is_some())
    }

    /// Returns the state of the Event, if it was written.
    pub(super) fn written(&self, report: &Report) -> Option<EventState> {
        self.written.peek(&report.key).map(|written| written.state.clone())
    }

    /// Takes the newest state of a finding. Returns how many reports are lost by it. Its end makes Events of its own.
    pub(super) fn note(&mut self, report: Report, now: Instant) -> u64 {
        match report.finding.state {
            State::Active => self.take(report, now),
            State::Resolved => self.note_end(&report, now),
        }
    }

    /// Takes the end of a finding, which may have Events on several pods of a workload. Nothing is written about what ended
    /// before anything was.
    fn note_end(&mut self, report: &Report, now: Instant) -> u64 {
        let lacks = self.state(&report.key).is_some_and(|state| state.lacks(report));
        self.forget_pending(report);
        // The last count follows at once, or it would come long after the end.
        let lost = if lacks { self.insert(report.clone(), now) } else { 0 };
        let end = |subject| Report::new(Arc::clone(&report.finding), subject).of_end();
        let ends: Vec<Report> = self.subjects(&report.finding.id).into_iter().map(end).collect();
        ends.into_iter().fold(lost, |lost, end| lost + self.take(end, now))
    }

    /// Drops what is pending of this report, and of the finding's Events that were never written.
    fn forget_pending(&mut self, report: &Report) {
        let mut pending = std::mem::take(&mut self.pending);
        pending.retain(|key, other| {
            other.report.finding.id != report.finding.id || (*key != report.key && self.state(key).is_some())
        });
        self.pending = pending;
    }

    /// Returns the objects that have an Event of this finding.
    fn subjects(&self, id: &str) -> Vec<Subject> {
        let of_finding = |written: &&Written| written.finding == id && written.about == About::Finding;
        let written = self.written.iter().map(|(_, written)| written).filter(of_finding);
        let writing = self.writing.as_ref().map(|(report, _)| report);
        let writing = writing.filter(|report| report.finding.id == id && report.about == About::Finding);
        let writing = writing.filter(|report| !self.written.contains(&report.key));
        written.map(|w| w.subject.clone()).chain(writing.map(|report| report.subject.clone())).collect()
    }

    /// Returns the state that an Event has, or will have once it is written.
    fn state(&self, key: &Key) -> Option<&EventState> {
        let writing = self.writing.as_ref().filter(|(report, _)| report.key == *key).map(|(_, state)| state);
        writing.or_else(|| self.written.peek(key).map(|written| &written.state))
    }

    fn take(&mut self, report: Report, now: Instant) -> u64 {
        if let Some(pending) = self.pending.get_mut(&report.key) {
            pending.report = report;
            return 0;
        }
        let due = match self.written.get(&report.key) {
            None => now,
            Some(written) if !written.is_outdated(&report, now) => return 0,
            Some(written) => written.at + written.gap,
        };
        self.insert(report, due)
    }

    fn insert(&mut self, report: Report, due: Instant) -> u64 {
        if self.pending.len() >= MAX_PENDING {
            return 1;
        }
        self.pending.insert(report.key.clone(), Pending { report, due, tries: 0 });
        0
    }

    /// Returns when there may be something to write, while something is pending.
    pub(super) fn next_due(&self, now: Instant) -> Option<Instant> {
        let first = self.pending.values().map(|pending| self.due(pending, now)).min()?;
        Some(first.max(self.paused_until))
    }

    /// Returns what is due: first reports and ends before repetitions. It counts as being written until
    /// [`Queue::finished`].
    pub(super) fn next(&mut self, now: Instant) -> Option<Report> {
        let due = self.pending.values().filter(|pending| self.due(pending, now) <= now);
        let first = due.min_by_key(|pending| (self.is_repetition(&pending.report), pending.due))?;
        if self.paused_until > now {
            return None;
        }
        let key = first.report.key.clone();
        let Pending { report, tries, .. } = self.pending.remove(&key)?;
        self.all.take(now);
        self.tries = tries + 1;
        self.writing = Some((report.clone(), EventState::first(&report, String::new())));
        let limit = self.limits.object;
        self.objects.get_or_insert_mut(object_of(&report), || Bucket::new(limit, now)).take(now);
        Some(report)
    }

    /// Takes the outcome of a write. Returns how many reports are lost by it.
    pub(super) fn finished(&mut self, report: Report, outcome: Outcome, now: Instant) -> u64 {
        self.writing = None;
        match outcome {
            Outcome::Written(state) => {
                self.failures = 0;
                self.keep(report, state, now);
                0
            }
            Outcome::Gone => 0,
            Outcome::Invalid => 1,
            Outcome::Forbidden => {
                self.paused_until = now + PAUSE_FORBIDDEN;
                1
            }
            Outcome::Failed => {
                self.failures = self.failures.saturating_add(1);
                self.paused_until = now + pause(self.failures);
                self.again(report, now)
            }
        }
    }

    fn keep(&mut self, report: Report, state: EventState, now: Instant) {
        let Report { key, about, finding, subject } = report;
        let Limits { shortest, longest, .. } = self.limits;
        let gap = match self.written.peek(&key) {
            Some(before) if now.duration_since(before.at) <= longest * 2 => (before.gap * 2).min(longest),
            _ => shortest,
        };
        let goes_on = |pending: &&mut Pending| pending.report.finding.state == State::Active;
        if let Some(pending) = self.pending.get_mut(&key).filter(goes_on) {
            pending.due = now + gap;
        }
        let finding = finding.id.clone();
        self.written.put(key, Written { finding, subject, about, state, at: now, gap });
    }

    /// Tries again, unless it was tried often enough. A newer report replaces the one that failed.
    fn again(&mut self, report: Report, now: Instant) -> u64 {
        let newer = self.pending.remove(&report.key).map(|pending| pending.report);
        let is_new = !self.written.contains(&report.key);
        if is_new && self.pending.remove(&report.clone().of_end().key).is_some() {
            // It ended meanwhile.
            return 0;
        }
        if self.tries >= TRIES {
            return 1;
        }
        let report = newer.unwrap_or(report);
        self.pending.insert(report.key.clone(), Pending { report, due: now, tries: self.tries });
        0
    }

    /// Returns when a report may be written. Repetitions leave half of each burst to what was not reported yet.
    fn due(&self, pending: &Pending, now: Instant) -> Instant {
        let repetition = self.is_repetition(&pending.report);
        let ready = |bucket: &Bucket| bucket.ready_at(now, if repetition { bucket.reserve() } else { 0 });
        let object = self.objects.peek(&object_of(&pending.report)).map_or(now, ready);
        pending.due.max(ready(&self.all)).max(object)
    }

    fn is_repetition(&self, report: &Report) -> bool {
        self.written.contains(&report.key)
    }
}

impl Written {
    /// Is true where the Event lacks something, or would expire although the finding goes on.
    fn is_outdated(&self, report: &Report, now: Instant) -> bool {
        let active = report.finding.state == State::Active;
        let expires = active && now.duration_since(self.at) >= KEEP_ALIVE;
        expires || self.state.lacks(report)
    }
}

fn object_of(report: &Report) -> (ArcStr, ArcStr) {
    let Object { namespace, name, .. } = &report.subject.regarding;
    (namespace.clone(), name.clone())
}

fn pause(failures: u32) -> Duration {
    PAUSE_MIN.saturating_mul(1 << failures.saturating_sub(1).min(10)).min(PAUSE_MAX)
}
