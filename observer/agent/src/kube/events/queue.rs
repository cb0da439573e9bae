//! What is to be written, and when. Time is a parameter.

use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arcstr::ArcStr;
use flow_model::finding::{Finding, FindingKind, State};
use lru::LruCache;

use crate::kube::events::pace::{Bucket, Limits};
use crate::kube::events::subject::{Object, Subject};
use crate::kube::events::write::Outcome;

/// Reports that wait; findings are bounded by the same number.
const MAX_PENDING: usize = 1_000;
/// Events remembered. One that is forgotten is met again by its name.
const MAX_TOLD: NonZeroUsize = NonZeroUsize::new(4_000).unwrap();
/// An Event goes an hour after its last write; one that goes on unchanged is written again before.
const KEEP_ALIVE: Duration = Duration::from_mins(30);
/// Tries of one report.
const TRIES: u32 = 4;
const PAUSE_MIN: Duration = Duration::from_secs(1);
const PAUSE_MAX: Duration = Duration::from_secs(60);
/// After a refusal for want of permission: somebody may mend it.
const PAUSE_FORBIDDEN: Duration = Duration::from_mins(5);

/// Namespace and name of an Event.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Key {
    pub(super) namespace: ArcStr,
    pub(super) name: ArcStr,
}

/// The newest word on a finding, for one object.
#[derive(Clone, Debug)]
pub(super) struct Report {
    pub(super) key: Key,
    pub(super) finding: Arc<Finding>,
    pub(super) subject: Subject,
}

/// What an Event says since its last write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Told {
    /// The finding's own count then.
    pub(super) finding: u64,
    /// The Event's.
    pub(super) count: i32,
    pub(super) message: String,
}

struct Pending {
    report: Report,
    due: Instant,
    tries: u32,
}

struct Written {
    told: Told,
    at: Instant,
    gap: Duration,
}

/// Reports by when they are due; one per Event, always the newest.
pub(super) struct Queue {
    limits: Limits,
    pending: HashMap<Key, Pending>,
    written: LruCache<Key, Written>,
    all: Bucket,
    objects: LruCache<(ArcStr, ArcStr), Bucket>,
    paused_until: Instant,
    failures: u32,
    /// Tries of the report that is being written.
    tries: u32,
}

impl Report {
    pub(super) fn new(finding: Arc<Finding>, subject: Subject) -> Self {
        let Object { namespace, name, .. } = &subject.regarding;
        Self {
            key: Key { namespace: namespace.clone(), name: event_name(name, &finding.id) },
            finding,
            subject,
        }
    }
}

/// What the Event says: the finding's sentence, and its cause where the sentence has it not.
pub(super) fn message(finding: &Finding) -> String {
    const LONGEST: usize = 1_024;
    let Finding { summary, cause, .. } = finding;
    let text = match cause {
        Some(cause) if !summary.contains(cause.as_str()) => format!("{summary}. Cause: {cause}"),
        _ => summary.clone(),
    };
    text[..fitting(&text, LONGEST)].to_owned()
}

/// The length of the longest beginning that has whole characters and so many bytes at most.
fn fitting(text: &str, bytes: usize) -> usize {
    (0..=bytes.min(text.len())).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0)
}

/// Unique for the finding and the object, and a valid name whatever the object is called.
fn event_name(object: &str, id: &str) -> ArcStr {
    const LONGEST: usize = 253;
    let room = LONGEST.saturating_sub(id.len() + 1);
    let object = object[..fitting(object, room)].trim_end_matches(['-', '.']);
    arcstr::format!("{object}.{id}")
}

impl Queue {
    pub(super) fn new(limits: Limits, now: Instant) -> Self {
        Self {
            limits,
            pending: HashMap::new(),
            written: LruCache::new(MAX_TOLD),
            all: Bucket::new(limits.all, now),
            objects: LruCache::new(MAX_TOLD),
            paused_until: now,
            failures: 0,
            tries: 0,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.pending.is_empty()
    }

    /// What the Event says already, if it was written.
    pub(super) fn told(&self, report: &Report) -> Option<Told> {
        self.written.peek(&report.key).map(|written| written.told.clone())
    }

    /// Takes a word on a finding; returns how many reports are lost by it.
    pub(super) fn note(&mut self, report: Report, now: Instant) -> u64 {
        if let Some(pending) = self.pending.get_mut(&report.key) {
            pending.report = report;
            return 0;
        }
        let due = match self.written.get(&report.key) {
            None if report.finding.state == State::Resolved => return 0,
            None => now,
            Some(written) if !written.is_news(&report.finding, now) => return 0,
            Some(written) => written.at + written.gap,
        };
        if self.pending.len() >= MAX_PENDING {
            return 1;
        }
        self.pending.insert(report.key.clone(), Pending { report, due, tries: 0 });
        0
    }

    /// When there may be something to write; `None` while nothing waits.
    pub(super) fn next_due(&self, now: Instant) -> Option<Instant> {
        let first = self.pending.values().map(|pending| self.due(pending, now)).min()?;
        Some(first.max(self.paused_until).max(self.all.ready_at(now)))
    }

    /// What is due; it counts as being written until [`Queue::finished`].
    pub(super) fn next(&mut self, now: Instant) -> Option<Report> {
        let due = self.pending.values().map(|pending| (self.due(pending, now), pending));
        let (due, first) = due.min_by_key(|(due, pending)| (*due, pending.due))?;
        if due.max(self.paused_until) > now || !self.all.take(now) {
            return None;
        }
        let key = first.report.key.clone();
        let Pending { report, tries, .. } = self.pending.remove(&key)?;
        self.tries = tries + 1;
        let limit = self.limits.object;
        self.objects.get_or_insert_mut(object_of(&report), || Bucket::new(limit, now)).take(now);
        Some(report)
    }

    /// How writing went; returns how many reports are lost by it.
    pub(super) fn finished(&mut self, report: Report, outcome: Outcome, now: Instant) -> u64 {
        match outcome {
            Outcome::Written(told) => {
                self.failures = 0;
                self.keep(report.key, told, now);
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

    fn keep(&mut self, key: Key, told: Told, now: Instant) {
        let Limits { shortest, longest, .. } = self.limits;
        let gap = match self.written.peek(&key) {
            Some(before) if now.duration_since(before.at) <= longest * 2 => (before.gap * 2).min(longest),
            _ => shortest,
        };
        if let Some(pending) = self.pending.get_mut(&key) {
            pending.due = now + gap;
        }
        self.written.put(key, Written { told, at: now, gap });
    }

    /// Tries again, unless it was tried often enough. A newer word goes in place of the one tried in vain.
    fn again(&mut self, report: Report, now: Instant) -> u64 {
        let newer = self.pending.remove(&report.key).map(|pending| pending.report);
        if self.tries >= TRIES {
            return 1;
        }
        let report = newer.unwrap_or(report);
        self.pending.insert(report.key.clone(), Pending { report, due: now, tries: self.tries });
        0
    }

    fn due(&self, pending: &Pending, now: Instant) -> Instant {
        let object = self.objects.peek(&object_of(&pending.report));
        pending.due.max(object.map_or(pending.due, |bucket| bucket.ready_at(now)))
    }
}

impl Written {
    fn is_news(&self, finding: &Finding, now: Instant) -> bool {
        let counted = finding.kind != FindingKind::LatentDenial && finding.count > self.told.finding;
        let over = finding.state == State::Resolved;
        let stale = !over && now.duration_since(self.at) >= KEEP_ALIVE;
        counted || stale || (!over && message(finding) != self.told.message)
    }
}

fn object_of(report: &Report) -> (ArcStr, ArcStr) {
    let Object { namespace, name, .. } = &report.subject.regarding;
    (namespace.clone(), name.clone())
}

fn pause(failures: u32) -> Duration {
    PAUSE_MIN.saturating_mul(1 << failures.saturating_sub(1).min(10)).min(PAUSE_MAX)
}
