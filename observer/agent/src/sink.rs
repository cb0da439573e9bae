//! Receives the engine's outputs and keeps them for readers: the live tail, metrics, the pair table, findings and VIPs.
//!
//! A single task writes ([`Sinks::emit`]); `http/` reads through [`Shared`]. A reader never makes the writer wait
//! longer than it takes to copy a few cursors under a lock.

pub mod baseline;
pub mod findings;
pub mod history;
pub mod metrics;
pub mod pairs;
pub mod readiness;
pub mod sight;
pub mod state;
pub mod tail;
#[cfg(test)]
pub(crate) mod testing;
pub mod vips;

use std::sync::Arc;

use arcstr::ArcStr;
use flow_core::engine::StateSize;
use flow_model::blind_spot::BlindReason;
use flow_model::finding::{Finding, FindingUpdate};
use flow_model::flow::Outcome;
use flow_model::input::LostStage;
use flow_model::output::{Output, Sight};
use flow_model::record::{Attempt, Event, FlowRecord};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;

use self::findings::{Feed, Journal};
use self::history::{Entry, History};
use self::metrics::KeptMetrics;
use self::pairs::PairRows;
use self::readiness::ReadinessGuard;

pub use metrics::MetricsConfig;
pub use state::Shared;
pub use tail::TailConfig;

/// Bounds of everything that the sinks keep.
#[derive(Clone, Debug)]
pub struct SinkConfig {
    /// This node's name, for the `lost` records that the tail writes itself.
    pub node: ArcStr,
    /// The start of the agent: nothing is remembered from before.
    pub started: Timestamp,
    pub tail: TailConfig,
    pub metrics: MetricsConfig,
    /// Rows of `/api/v1/pairs`. Beyond it, new rows replace the least recently updated ones.
    pub max_pairs: usize,
    /// Flows of `/api/v1/snapshot`. Beyond it, new flows replace the least recently seen ones.
    pub max_flows: usize,
    /// Findings of `/api/v1/findings`, active and resolved.
    pub max_findings: usize,
}

impl SinkConfig {
    /// Returns the defaults for a node of this name, and an agent that starts now.
    #[must_use]
    pub fn new(node: ArcStr) -> Self {
        Self {
            node,
            started: Timestamp::now(),
            tail: TailConfig::default(),
            metrics: MetricsConfig::default(),
            max_pairs: 20_000,
            max_flows: 20_000,
            max_findings: 1_000,
        }
    }
}

/// The counts of an agent.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct KeptCounts {
    metrics: KeptMetrics,
    pairs: PairRows,
}

/// The writing side of the sinks. There is one, and the engine's task owns it.
#[derive(Debug)]
pub struct Sinks {
    shared: Arc<Shared>,
    journal: Journal,
    feed: Option<Feed>,
    history: Option<History>,
    awaiting_counts: Option<ReadinessGuard>,
}

impl Sinks {
    /// Returns empty sinks and the handle for their readers.
    #[must_use]
    pub fn new(config: &SinkConfig) -> (Self, Arc<Shared>) {
        let shared = Arc::new(Shared::new(config));
        shared.show_states(config);
        (
            Self {
                shared: Arc::clone(&shared),
                journal: Journal::new(),
                feed: None,
                history: None,
                awaiting_counts: None,
            },
            shared,
        )
    }

    /// Publishes how full the engine's states are.
    pub fn set_sizes(&self, sizes: &[StateSize]) {
        for size in sizes {
            self.shared.metrics.set_state(size.name, size.entries, size.capacity);
        }
    }

    /// Returns a queue of this length that receives every update of a finding, also those that only confirm it.
    /// Updates that don't fit are counted as lost at stage `kube_events`. A second call replaces the first reader.
    pub fn feed_findings(&mut self, queue: usize) -> mpsc::Receiver<Arc<Finding>> {
        let (feed, findings) = Feed::new(queue);
        self.feed = Some(feed);
        findings
    }

    /// Returns a queue of this length that receives what a log engine keeps. What doesn't fit is counted as lost. A second
    /// call replaces the first reader.
    pub fn feed_history(&mut self, queue: usize) -> mpsc::Receiver<Entry> {
        let (history, entries) = History::new(queue, self.shared.metrics.otlp_counters());
        self.history = Some(history);
        entries
    }

    /// Takes one output of the engine. `now` drives expiry and must not run backwards.
    pub fn emit(&mut self, output: Output, now: Timestamp) {
        let Shared { metrics, pairs, baseline, vips, .. } = &*self.shared;
        match output {
            Output::Record(record) => self.record(record, now),
            Output::Pair(update) => {
                metrics.add_pair(&update, now);
                pairs.update(update);
            }
            Output::Drops(update) => metrics.add_drops(update, now),
            Output::RstBurst { dst, cause } => metrics.add_burst(&dst, &cause, now),
            Output::Lost { stage, count } => metrics.add_lost(stage, count),
            Output::ClusterObjects(objects) => metrics.set_cluster_objects(&objects),
            Output::Cluster(inventory) => {
                baseline.set_inventory(&inventory);
                self.shared.set_inventory(inventory);
            }
            Output::Finding(update) => self.finding(update, now),
            Output::LatentDenials(counts) => metrics.set_latent_denials(counts),
            Output::EnforcementLag { since, lag } => metrics.observe_enforcement_lag(since, lag),
            Output::UsualLag { since, lag } => metrics.set_usual_lag(since, lag),
            Output::Check { name, step, duration_us } => metrics.observe_check(&name, step, duration_us),
            Output::Vip(vip) => {
                metrics.set_vip(&vip);
                vips.put(vip, now);
            }
            Output::VipGone(ip) => {
                metrics.remove_vip(ip);
                vips.remove(ip);
            }
            Output::VipMoved { vip, service, source } => {
                if let Some(history) = &self.history {
                    history.moved(now, vip, service.as_ref(), source);
                }
                metrics.add_vip_move(vip, service, source);
            }
            Output::Unclaimed { count } => metrics.add_unclaimed(count),
            Output::OpenFlows(flows) => baseline.set_open(flows, now),
            Output::Sight(Sight { ip, unseen }) => {
                self.shared.set_blind(BlindReason::Unfollowed, &ip.to_string(), unseen);
            }
            Output::Departed(workloads) => metrics.depart(&workloads, now),
        }
    }

    /// Returns the counts for the next agent.
    #[must_use]
    pub fn keep(&self) -> KeptCounts {
        KeptCounts { metrics: self.shared.metrics.keep(), pairs: self.shared.pairs.snapshot() }
    }

    /// Goes on with the counts of the agent before.
    pub fn restore(&self, kept: KeptCounts) {
        self.shared.metrics.restore(kept.metrics);
        self.shared.pairs.restore(kept.pairs);
    }

    /// Notes that counts of the agent before are still missing, until [`Self::complete`]. The agent is not ready meanwhile.
    pub fn await_counts(&mut self) {
        self.shared.metrics.set_incomplete(true);
        self.awaiting_counts = Some(self.shared.readiness.guard("counts"));
    }

    /// Notes that no counts of the agent before are missing.
    pub fn complete(&mut self) {
        if self.awaiting_counts.take().is_some() {
            self.shared.metrics.set_incomplete(false);
        }
    }

    /// Returns the findings for the next agent.
    #[must_use]
    pub fn keep_findings(&self) -> Vec<Arc<Finding>> {
        self.shared.findings.all()
    }

    /// Goes on with the findings of the agent before.
    pub fn restore_findings(&self, kept: Vec<Arc<Finding>>, now: Timestamp) {
        let Shared { findings, metrics, .. } = &*self.shared;
        kept.into_iter().for_each(|finding| findings.put(finding, now));
        metrics.set_findings(findings.active());
    }

    fn record(&mut self, record: FlowRecord, now: Timestamp) {
        if let Event::Attempt(attempt) = &record.event {
            self.attempt(attempt, record.time);
        }
        self.shared.metrics.add_reason(&record.event, now);
        self.shared.tail.push(&record);
        if let Some(history) = &self.history {
            history.record(record);
        }
    }

    fn attempt(&mut self, attempt: &Attempt, time: Timestamp) {
        let Shared { metrics, baseline, .. } = &*self.shared;
        if let (Some(lag), Some(verdict)) = (attempt.enforcement_lag, &attempt.verdict) {
            metrics.count_lagging(lag.since, verdict.decision, attempt.count);
        }
        if attempt.outcome == Outcome::Established {
            baseline.observe(attempt, time);
        }
    }

    fn finding(&mut self, FindingUpdate { change, finding }: FindingUpdate, now: Timestamp) {
        let Shared { findings, metrics, .. } = &*self.shared;
        let finding = Arc::new(finding);
        findings.put(Arc::clone(&finding), now);
        if change.changes_state() {
            metrics.set_findings(findings.active());
        }
        self.journal.log(change, &finding, now);
        if let Some(history) = &self.history {
            history.finding(change, &finding);
        }
        if let Some(feed) = &self.feed
            && !feed.offer(finding)
        {
            metrics.add_lost(LostStage::KubeEvents, 1);
        }
    }
}
