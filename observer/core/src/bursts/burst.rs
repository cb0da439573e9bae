//! The life of one burst: suspected, raised, calm, over.

use jiff::{SignedDuration, Timestamp};

use crate::bursts::BurstConfig;
use crate::bursts::cause::{self, AFTER, Cause, Causes, Kind};
use crate::bursts::server::{Client, Server};
use crate::bursts::watch::{Clients, Watch};
use crate::bursts::window::Counts;

/// How often a burst that goes on is looked at more closely, and told.
const EVERY: SignedDuration = SignedDuration::from_secs(1);

/// The window that held most.
#[derive(Clone, Debug)]
pub(super) struct Peak {
    pub(super) counts: Counts,
    pub(super) clients: Clients,
    /// Its newest reset.
    pub(super) at: Timestamp,
    /// The client whose resets stand out where those of all don't.
    pub(super) focus: Option<Client>,
}

#[derive(Debug)]
pub(super) struct Burst {
    detected: Timestamp,
    /// Its first reset.
    pub(super) started: Timestamp,
    pub(super) total: u64,
    pub(super) peak: Peak,
    pub(super) cause: Option<Cause>,
    /// When something of the cause's kind happened last.
    renewed: Timestamp,
    /// Until then the cause may change.
    settles: Timestamp,
    /// The peak by which the cause was found, once that has settled.
    level: Option<u64>,
    pub(super) raised: bool,
    /// It is in the metric, with its cause.
    counted: bool,
    calm: Option<Timestamp>,
    /// What was told last: when, and of how many resets.
    told: Option<(Timestamp, u64)>,
}

/// What a burst is judged by.
#[derive(Clone, Copy, Debug)]
pub(super) struct Level {
    /// More than usual.
    pub(super) over: bool,
    /// Usual, once what the burst taught is counted in.
    pub(super) learnt: bool,
    /// The server has not been watched for long.
    pub(super) young: bool,
    /// Resets in the window now.
    pub(super) count: u64,
}

/// What to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Wait,
    Tell,
    /// And why, in words; `learn` if it belongs to what is usual.
    End {
        learn: bool,
        because: String,
    },
}

impl Burst {
    pub(super) fn new(peak: Peak, started: Timestamp, now: Timestamp) -> Self {
        Self {
            detected: now,
            started,
            total: peak.counts.total(),
            peak,
            cause: None,
            renewed: started,
            settles: now.saturating_add(AFTER).unwrap_or(now),
            level: None,
            raised: false,
            counted: false,
            calm: None,
            told: None,
        }
    }

    /// One more reset; with the window as it is now, if that is more than usual.
    pub(super) fn add(&mut self, peak: Option<Peak>) {
        self.total += 1;
        if let Some(peak) = peak.filter(|peak| peak.counts.total() > self.peak.counts.total()) {
            self.peak = peak;
        }
    }

    /// Looks for the cause while it may still be told, and for a new one when the burst doubles.
    pub(super) fn look(&mut self, server: &Server, watch: &Watch, causes: &dyn Causes, now: Timestamp) {
        if let Some(level) = self.level
            && self.peak.counts.total() > level.saturating_mul(2)
        {
            self.started = watch.rate.surge(now, Some(level as f64)).unwrap_or(self.started);
            self.settles = now.saturating_add(AFTER).unwrap_or(now);
            self.level = None;
        }
        if self.level.is_none() {
            self.explain(cause::likeliest(server, &watch.scene(), self.started, causes));
        } else if let Some(cause) = &self.cause
            && self.is_due(now)
        {
            let since = self.renewed;
            let newest = cause::newest(cause.kind, server, &watch.scene(), since, causes);
            self.renewed = newest.unwrap_or(since).clamp(since, now.max(since));
        }
        if now > self.settles {
            self.level.get_or_insert(self.peak.counts.total());
        }
    }

    pub(super) fn step(&mut self, level: Level, config: &BurstConfig, now: Timestamp) -> Step {
        if self.raised { self.go_on(level, config, now) } else { self.begin(level, config, now) }
    }

    /// Its cause, once: what is counted does not change any more.
    pub(super) fn take_countable(&mut self, now: Timestamp, ends: bool) -> Option<Option<Kind>> {
        let kind = self.cause.as_ref().map(|cause| cause.kind);
        let stands = ends || now > self.settles || kind == Some(Kind::VipMove);
        let count = self.raised && !self.counted && stands;
        self.counted |= count;
        count.then_some(kind)
    }

    pub(super) fn tell(&mut self, now: Timestamp) {
        self.raised = true;
        self.told = Some((now, self.total));
    }

    /// The clock was set: all it knows of times is the present.
    pub(super) fn restart(&mut self, now: Timestamp) {
        let settled = self.level.is_some();
        (self.detected, self.started, self.peak.at, self.renewed) = (now, now, now, now);
        self.settles = if settled { now } else { now.saturating_add(AFTER).unwrap_or(now) };
        self.calm = self.calm.map(|_| now);
        self.told = self.told.map(|(_, total)| (now, total));
    }

    fn explain(&mut self, found: Option<Cause>) {
        let Some(found) = found.filter(|found| self.cause.as_ref() != Some(found)) else { return };
        if self.cause.as_ref().is_none_or(|cause| cause.kind != found.kind) {
            // A burst that grew for another reason is another one.
            self.counted = false;
        }
        self.renewed = self.renewed.max(found.at);
        self.told = None;
        self.cause = Some(found);
    }

    /// At the agent's start a habit looks like a burst. A burst has a cause, or it passes; a habit goes on.
    fn begin(&self, level: Level, config: &BurstConfig, now: Timestamp) -> Step {
        let patience = config.length().saturating_mul(2);
        if self.cause.is_some() || !level.young {
            Step::Tell
        } else if now.duration_since(self.detected) < patience {
            Step::Wait
        } else if level.count.saturating_mul(2) < self.peak.counts.total() {
            Step::Tell
        } else {
            Step::End { learn: true, because: String::new() }
        }
    }

    fn go_on(&mut self, level: Level, config: &BurstConfig, now: Timestamp) -> Step {
        if level.over {
            self.calm = None;
        } else if now.duration_since(*self.calm.get_or_insert(now)) >= config.quiet {
            let because = format!("it has been calm for {} s", config.quiet.as_secs());
            return Step::End { learn: self.cause.is_none(), because };
        }
        if level.learnt && now.duration_since(self.renewed.max(self.detected)) >= config.habit_after {
            let because = "it goes on as it is, and is taken for a habit".to_owned();
            return Step::End { learn: true, because };
        }
        let is_news = self.told.is_none_or(|(_, total)| total != self.total && self.is_due(now));
        if is_news { Step::Tell } else { Step::Wait }
    }

    fn is_due(&self, now: Timestamp) -> bool {
        self.told.is_none_or(|(told, _)| now.duration_since(told).abs() >= EVERY)
    }
}
