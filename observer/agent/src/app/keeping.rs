//! Keeps what the agent knows in a directory, and takes over what the agent before kept there.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use arcstr::ArcStr;
use flow_core::engine::{Engine, KeptEngine};
use flow_model::finding::Finding;
use flow_model::input::PairDelta;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tracing::{info, warn};

use crate::probes::JournalSettings;
use crate::sink::{KeptCounts, Sinks};
use crate::state::{StateDir, StateFile};

/// The shortest time between two writings of a file.
const EVERY: Duration = Duration::from_secs(1);
/// Writing takes at most one part of the time in this number.
const SHARE: u32 = 50;

/// The counts, and the newest entry of the journal that is in them.
#[derive(Debug, Serialize, Deserialize)]
struct Counts {
    handled: u64,
    #[serde(flatten)]
    counts: KeptCounts,
    /// What was handled and has no names yet.
    #[serde(default)]
    waiting: Vec<PairDelta>,
}

#[derive(Serialize)]
struct Keeping<E> {
    engine: E,
    findings: Vec<Arc<Finding>>,
}

#[derive(Deserialize)]
struct Kept {
    engine: KeptEngine,
    findings: Vec<Arc<Finding>>,
}

/// Owns the directory.
pub(super) struct Keeper {
    state: StateDir,
    handled: u64,
    saved: Arc<AtomicU64>,
    counts_due: Instant,
    findings_due: Instant,
    warned: bool,
}

impl Keeper {
    /// Opens the directory of the setting. Without one, or where it can't be used, the next agent begins at zero.
    pub(super) fn open(dir: Option<&Path>, node: &ArcStr) -> Option<Self> {
        let dir = dir?;
        let state = StateDir::open(dir, node.clone()).inspect_err(|error| {
            warn!(dir = %dir.display(), %error, "no state is kept: counters and findings begin anew with each agent");
        });
        let now = Instant::now();
        Some(Self {
            state: state.ok()?,
            handled: 0,
            saved: Arc::default(),
            counts_due: now,
            findings_due: now,
            warned: false,
        })
    }

    /// Takes over what the agent before kept.
    pub(super) fn restore(&mut self, engine: &mut Engine, sinks: &mut Sinks) {
        let now = Timestamp::now();
        if let Some(Counts { handled, counts, waiting }) = self.state.read(StateFile::Counts) {
            self.handled = handled;
            self.saved.store(handled, Ordering::Release);
            sinks.restore(counts);
            engine.restore_waiting(waiting, now);
            info!("counters go on from those of the agent before");
        }
        // Also where the agent before was killed before it wrote its counters.
        if self.journal().is_ahead() {
            sinks.await_counts();
        }
        if let Some(Kept { engine: kept, findings }) = self.state.read(StateFile::Findings) {
            info!(findings = findings.len(), "findings go on from those of the agent before");
            engine.restore(kept, now);
            sinks.restore_findings(findings, now);
        }
    }

    /// Returns the settings of the journal of what is not in the counts yet.
    pub(super) fn journal(&self) -> JournalSettings {
        JournalSettings { path: self.state.journal(), handled: self.handled, saved: Arc::clone(&self.saved) }
    }

    /// Notes the newest entry of the journal that the engine has handled.
    pub(super) fn handled(&mut self, seq: u64) {
        self.handled = self.handled.max(seq);
    }

    /// Writes what is due.
    pub(super) fn tick(&mut self, engine: &Engine, sinks: &Sinks) {
        let now = Instant::now();
        if now >= self.findings_due {
            self.write_findings(engine, sinks);
            self.findings_due = next(now);
        }
        let now = Instant::now();
        if now >= self.counts_due {
            self.write_counts(engine, sinks);
            self.counts_due = next(now);
        }
    }

    /// Writes everything.
    pub(super) fn finish(&mut self, engine: &Engine, sinks: &Sinks) {
        self.write_findings(engine, sinks);
        self.write_counts(engine, sinks);
    }

    fn write_findings(&mut self, engine: &Engine, sinks: &Sinks) {
        let keeping = Keeping { engine: engine.keep(), findings: sinks.keep_findings() };
        let written = self.state.write(StateFile::Findings, &keeping);
        self.or_warn(&written);
    }

    fn write_counts(&mut self, engine: &Engine, sinks: &Sinks) {
        let counts = Counts { handled: self.handled, counts: sinks.keep(), waiting: engine.waiting_counts() };
        let written = self.state.write(StateFile::Counts, &counts);
        if self.or_warn(&written) {
            self.saved.store(self.handled, Ordering::Release);
        }
    }

    fn or_warn(&mut self, written: &io::Result<()>) -> bool {
        if let Err(error) = written
            && !std::mem::replace(&mut self.warned, true)
        {
            warn!(%error, "the state can't be written; this is logged once");
        }
        written.is_ok()
    }
}

/// Returns when a file that took the time since `begun` is due again.
fn next(begun: Instant) -> Instant {
    let now = Instant::now();
    now + EVERY.max(SHARE * now.duration_since(begun))
}
