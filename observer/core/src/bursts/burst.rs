//! The life of one burst: suspected, certain, calm, over.

use jiff::{SignedDuration, Timestamp};

use crate::bursts::cause::{self, AFTER, Cause, Causes, Kind};
use crate::bursts::config::BurstConfig;
use crate::bursts::server::{Client, Server};
use crate::bursts::watch::{Clients, Watch};
use crate::bursts::window::Counts;
use crate::detected::Raised;

/// The interval at which a burst that goes on is checked for a newer cause.
const CHECK_EVERY: SignedDuration = SignedDuration::from_secs(1);
/// The interval at which the finding is written anew while more resets come. A changed cause is written at once, and
/// so is one that has settled. The text costs more than everything else that a burst does in a tick.
const WRITE_EVERY: SignedDuration = SignedDuration::from_secs(1);

/// The window that held most.
#[derive(Clone, Debug)]
pub(super) struct Peak {
    pub(super) counts: Counts,
    pub(super) clients: Clients,
    /// Its newest reset.
    pub(super) at: Timestamp,
    /// The client whose resets stand out where those of all clients don't.
    pub(super) focus: Option<Client>,
}

#[derive(Debug)]
pub(super) struct Burst {
    detected: Timestamp,
    /// Its first reset.
    pub(super) started: Timestamp,
    /// Its newest reset.
    pub(super) newest: Timestamp,
    pub(super) total: u64,
    pub(super) peak: Peak,
    pub(super) cause: Option<Cause>,
    /// The time at which something of the cause's kind last happened.
    renewed: Timestamp,
    /// Until then the cause may change.
    settles: Timestamp,
    /// The peak by which the cause was found, once that has settled.
    level: Option<u64>,
    /// It is a burst, and neither a habit nor a passing suspicion.
    pub(super) certain: bool,
    /// It is in the metric, with its cause.
    counted: bool,
    calm: Option<Timestamp>,
    checked: Timestamp,
    /// Its finding, and when that was written.
    written: Option<(Timestamp, Raised)>,
}

/// The facts by which a burst is judged.
#[derive(Clone, Copy, Debug)]
pub(super) struct Level {
    /// There are more resets than usual.
    pub(super) over: bool,
    /// The resets are usual, once what the burst taught is counted in.
    pub(super) learnt: bool,
    /// The server has not been watched for long.
    pub(super) young: bool,
    /// Resets in the window now.
    pub(super) count: u64,
}

/// The present judgement on a suspected or certain burst.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Judgement {
    /// It may still be a habit.
    Suspected,
    Burst,
    /// It is over, and why. `learn` is true where its resets belong to what is usual.
    Over {
        learn: bool,
        because: String,
    },
}

impl Burst {
    pub(super) fn new(peak: Peak, started: Timestamp, now: Timestamp) -> Self {
        Self {
            detected: now,
            started,
            newest: now,
            total: peak.counts.total(),
            peak,
            cause: None,
            renewed: started,
            settles: now.saturating_add(AFTER).unwrap_or(now),
            level: None,
            certain: false,
            counted: false,
            calm: None,
            checked: now,
            written: None,
        }
    }

    /// Adds one more reset, with the window as it is now if that holds more than usual.
    pub(super) fn add(&mut self, peak: Option<Peak>, now: Timestamp) {
        self.total += 1;
        self.newest = now;
        if let Some(peak) = peak.filter(|peak| peak.counts.total() > self.peak.counts.total()) {
            self.peak = peak;
        }
    }

    /// Looks for the cause while it may still change, and for a new one when the burst doubles.
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
            && now.duration_since(self.checked).abs() >= CHECK_EVERY
        {
            let since = self.renewed;
            let newest = cause::newest(cause.kind, server, &watch.scene(), since, causes);
            self.renewed = newest.unwrap_or(since).clamp(since, now.max(since));
            self.checked = now;
        }
        if now > self.settles {
            self.level.get_or_insert(self.peak.counts.total());
        }
    }

    pub(super) fn judge(&mut self, level: Level, config: &BurstConfig, now: Timestamp) -> Judgement {
        if self.certain {
            return self.go_on(level, config, now);
        }
        let judgement = self.begin(level, config, now);
        self.certain = judgement == Judgement::Burst;
        judgement
    }

    /// Returns its finding, which `write` writes anew if that is due.
    pub(super) fn finding(&mut self, now: Timestamp, write: impl FnOnce(&Self) -> Raised) -> Raised {
        let is_new = |at: Timestamp| now.duration_since(at).abs() < WRITE_EVERY;
        match &self.written {
            Some((at, raised))
                if raised.cause.is_some() == self.is_settled(now)
                    && (raised.count == self.total || is_new(*at)) =>
            {
                raised.clone()
            }
            _ => {
                let raised = write(self);
                self.written = Some((now, raised.clone()));
                raised
            }
        }
    }

    /// Is true when the first cause can't change any more: nothing is nearer than a move of the VIP, or than what the resets
    /// themselves tell.
    pub(super) fn is_settled(&self, now: Timestamp) -> bool {
        let near = |cause: &Cause| matches!(cause.kind, Kind::VipMove | Kind::NotTranslated);
        now > self.settles || self.cause.as_ref().is_some_and(near)
    }

    /// Is true once, when the cause that the metric counts can't change any more.
    pub(super) fn take_settled(&mut self, now: Timestamp, ends: bool) -> bool {
        let settled = self.certain && !self.counted && (ends || self.is_settled(now));
        self.counted |= settled;
        settled
    }

    /// Forgets all times but the present: the clock was set.
    pub(super) fn restart(&mut self, now: Timestamp) {
        let settled = self.level.is_some();
        (self.detected, self.started, self.peak.at, self.renewed) = (now, now, now, now);
        (self.newest, self.checked) = (now, now);
        self.settles = if settled { now } else { now.saturating_add(AFTER).unwrap_or(now) };
        self.calm = self.calm.map(|_| now);
    }

    fn explain(&mut self, found: Option<Cause>) {
        let Some(found) = found.filter(|found| self.cause.as_ref() != Some(found)) else { return };
        if self.cause.as_ref().is_none_or(|cause| cause.kind != found.kind) {
            // A burst that grew for another reason is another burst.
            self.counted = false;
        }
        self.renewed = self.renewed.max(found.at);
        self.written = None;
        self.cause = Some(found);
    }

    /// At the agent's start a habit looks like a burst. A burst has a cause, or it passes; a habit goes on.
    fn begin(&self, level: Level, config: &BurstConfig, now: Timestamp) -> Judgement {
        let patience = config.length().saturating_mul(2);
        if self.cause.is_some() || !level.young {
            Judgement::Burst
        } else if now.duration_since(self.detected) < patience {
            Judgement::Suspected
        } else if level.count.saturating_mul(2) < self.peak.counts.total() {
            Judgement::Burst
        } else {
            Judgement::Over { learn: true, because: String::new() }
        }
    }

    fn go_on(&mut self, level: Level, config: &BurstConfig, now: Timestamp) -> Judgement {
        if level.over {
            self.calm = None;
        } else if now.duration_since(*self.calm.get_or_insert(now)) >= config.quiet {
            let because = format!("it has been calm for {} s", config.quiet.as_secs());
            return Judgement::Over { learn: self.cause.is_none(), because };
        }
        if level.learnt && now.duration_since(self.renewed.max(self.detected)) >= config.habit_after {
            let because = "it goes on as it is, and is taken for a habit".to_owned();
            return Judgement::Over { learn: true, because };
        }
        Judgement::Burst
    }
}
