//! The life of one subject, episode after episode. This is the state machine of findings; nothing else changes a state.
//!
//! | state | what happens | next state |
//! |---|---|---|
//! | not remembered | an attempt fails, or a detector reports it | active: an episode begins, with its own id, start, count and cause |
//! | active | an attempt fails, or a detector reports it | active: the count, the example and the sentence follow |
//! | active | an attempt succeeds | settling |
//! | settling | an attempt fails after that success | active |
//! | active, settling | it has settled; nothing fails for long; the policies allow it; its detector reports it no more; it is part of a scan; there are too many findings | over, with the time and the reason |
//! | over | an attempt fails, or a detector reports it | active: *another* episode begins, whose `previous` is this one |
//! | any | an attempt that was made before the end of an episode becomes known after | the same, and it counts in none |
//! | over | success, or other policies | over, unchanged |
//! | over | an hour passes | not remembered |
//!
//! The cause is what was true at the start of the episode. The first one that is known stays, and is not replaced by the
//! reason of the end.

mod reported;

use std::net::IpAddr;

use arcstr::ArcStr;
use flow_model::finding::{
    Cause, Finding, FindingChange, FindingKind, FindingSource, FindingUpdate, Severity,
};
use flow_model::record::Attempt;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use self::reported::LastReported;
use crate::detected::Raised;
use crate::findings::classify::Failure;
use crate::findings::config::FindingsConfig;
use crate::findings::episode::{Ending, Episode, Number};
use crate::findings::lagging::Earlier;
use crate::subject::FindingKey;

/// An attempt becomes known this long after it was made, at most: it was held back, or its SYN was repeated. A larger
/// difference shows that the clock was set back.
const LATE: SignedDuration = SignedDuration::from_secs(60);

/// Time in which an agent's detectors find again what still lasts: the connection table has been read, and announcers have
/// announced.
const TAKE_OVER: SignedDuration = SignedDuration::from_secs(60);

/// A subject and its newest episode.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Entry {
    node: ArcStr,
    episode: Episode,
    stage: Stage,
    /// The end of the newest episode that is over.
    past: Option<Timestamp>,
    /// What was emitted last of this episode.
    last: Option<LastReported>,
    /// Something may differ from what was emitted last.
    changed: bool,
    /// The agent before reported it, and the detectors of this one have until then to find it again.
    #[serde(default)]
    kept_until: Option<Timestamp>,
}

/// The states of an episode.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Stage {
    Active,
    /// It works since that time, and is over if that lasts.
    Settling(Timestamp),
    Over,
}

impl Entry {
    /// Begins the first episode of a subject. Its number is at least `floor`.
    pub(super) fn new(key: &FindingKey, node: &ArcStr, floor: Number, start: Timestamp) -> Self {
        let episode = Episode::first(key, node, floor, start);
        Self {
            node: node.clone(),
            episode,
            stage: Stage::Active,
            past: None,
            last: None,
            changed: true,
            kept_until: None,
        }
    }

    pub(super) fn finding(&self) -> &Finding {
        self.episode.finding()
    }

    pub(super) fn episode(&self) -> &Episode {
        &self.episode
    }

    pub(super) fn is_active(&self) -> bool {
        self.stage != Stage::Over
    }

    /// Returns the newest attempt of an episode that goes on.
    pub(super) fn example(&self) -> Option<&Attempt> {
        self.episode.example().filter(|_| self.is_active())
    }

    /// Adds one more failure, and those before it that were too early to be one. Returns the change if it must be emitted
    /// at once.
    pub(super) fn failed(
        &mut self,
        time: Timestamp,
        attempt: &Attempt,
        failure: Failure,
        earlier: Option<Earlier>,
    ) -> Option<FindingChange> {
        if self.is_of_the_past(time) {
            return None;
        }
        self.continue_or_begin(time);
        // What was seen before the end of an episode belongs to none.
        let past = self.past;
        if let Some(earlier) = earlier.filter(|earlier| past.is_none_or(|end| earlier.since() >= end)) {
            self.episode.began_with(&earlier);
        }
        if matches!(self.stage, Stage::Settling(since) if since <= time) {
            self.stage = Stage::Active;
        }
        self.change(|episode| episode.failed(time, attempt, failure))
    }

    /// Takes what a detector finds now. Returns the change if it must be emitted at once.
    pub(super) fn raised(&mut self, now: Timestamp, raised: Raised) -> Option<FindingChange> {
        self.kept_until = None;
        self.continue_or_begin(now);
        self.change(|episode| episode.raised(raised))
    }

    /// Takes over what the agent before knew. Its detectors had seen what those of this agent can't have seen yet.
    pub(super) fn take_over(&mut self, now: Timestamp) {
        self.kept_until = Some(now + TAKE_OVER);
        if !self.changed
            && let Some(last) = &mut self.last
        {
            // Another build may have other fingerprints.
            *last = LastReported::new(&self.episode.to_finding(), now);
        }
    }

    /// Is true while the detectors of this agent may not have found again what that before reported.
    pub(super) fn is_kept(&self, now: Timestamp) -> bool {
        self.kept_until.is_some_and(|until| now < until)
    }

    /// Is true for an attempt that was made before an episode ended, and became known after.
    fn is_of_the_past(&self, time: Timestamp) -> bool {
        self.past.is_some_and(|end| time < end && end.duration_since(time) <= LATE)
    }

    /// Is true where all that failed in this episode is of this source, since that time.
    pub(super) fn is_only_of(&self, source: IpAddr, since: Timestamp) -> bool {
        self.is_active() && self.episode.is_only_of(source, since)
    }

    /// Notes that an attempt succeeded.
    pub(super) fn succeeded(&mut self, time: Timestamp) {
        if self.stage == Stage::Active && time > self.finding().last_seen {
            self.stage = Stage::Settling(time);
        }
    }

    /// Replaces the newest example, which the policies still refuse, but for another reason.
    pub(super) fn refused_otherwise(&mut self, attempt: Attempt) {
        self.changed |= self.episode.refused_otherwise(attempt);
    }

    /// Adds what brought the episode about, if it has just begun.
    pub(super) fn explain_beginning(&mut self, cause: Option<Cause>) {
        if self.last.is_none() {
            self.episode.explain(cause);
        }
    }

    /// Returns why the episode is over, if it is: it works again, or nobody tried for long enough. What a detector reports
    /// as a whole may be silent for days, and lasts until it is no longer reported.
    pub(super) fn has_stopped(&self, now: Timestamp, config: &FindingsConfig) -> Option<Ending> {
        let Finding { kind, last_seen, .. } = self.finding();
        if !self.is_active() || kind.traits().source != FindingSource::Attempts {
            return None;
        }
        match self.stage {
            Stage::Settling(since) if now.duration_since(since) >= config.settle => Some(match kind {
                FindingKind::EnforcementMismatch => Ending::Enforced(since),
                _ => Ending::Works(since),
            }),
            _ => (now.duration_since(*last_seen) >= config.quiet).then_some(Ending::Quiet(config.quiet)),
        }
    }

    /// Ends the episode, and returns the update that says so.
    pub(super) fn end(&mut self, now: Timestamp, why: &Ending) -> FindingUpdate {
        self.stage = Stage::Over;
        self.episode.end(now, why);
        self.past = self.finding().ended;
        self.emit(FindingChange::Resolved, now)
    }

    /// Is true where the episode ended long ago, so that the subject may be forgotten.
    pub(super) fn is_over(&self, now: Timestamp, keep: SignedDuration) -> bool {
        self.finding().ended.is_some_and(|at| now.duration_since(at) > keep)
    }

    /// Returns the pending update, if there is one and the rate allows it.
    pub(super) fn take_update(&mut self, now: Timestamp) -> Option<FindingUpdate> {
        let last = self.last.as_mut().filter(|last| self.changed && last.allows_update(now))?;
        let change = last.change(&self.episode.to_finding());
        if change.is_none() {
            self.changed = false;
            last.checked(now);
        }
        change.map(|change| self.emit(change, now))
    }

    /// Returns the finding, which counts as emitted.
    pub(super) fn emit(&mut self, change: FindingChange, now: Timestamp) -> FindingUpdate {
        let finding = self.episode.to_finding();
        self.last = Some(LastReported::new(&finding, now));
        self.changed = false;
        FindingUpdate { change, finding }
    }

    /// Orders findings by who gives way first: resolved ones, then by severity, then those seen longest ago.
    pub(super) fn rank(&self) -> (bool, Severity, Timestamp) {
        let Finding { severity, last_seen, ended, .. } = self.finding();
        ended.map_or((true, *severity, *last_seen), |at| (false, Severity::Info, at))
    }

    /// Begins another episode, if the newest is over.
    fn continue_or_begin(&mut self, start: Timestamp) {
        if self.stage == Stage::Over {
            self.episode = self.episode.next(self.node.clone(), start);
            (self.stage, self.last) = (Stage::Active, None);
        }
    }

    fn change(&mut self, change: impl FnOnce(&mut Episode)) -> Option<FindingChange> {
        let severity = self.finding().severity;
        change(&mut self.episode);
        self.changed = true;
        match &self.last {
            None => Some(FindingChange::Appeared),
            Some(_) => (self.finding().severity != severity).then_some(FindingChange::Updated),
        }
    }
}
