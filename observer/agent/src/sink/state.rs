//! The read side of the sinks, which `http/` uses.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use arcstr::ArcStr;
use flow_model::agent_info::AgentInfo;
use flow_model::blind_spot::{BlindReason, BlindSpot, Unseen};
use flow_model::inventory::Inventory;
use flow_policy::query::Explainer;
use jiff::Timestamp;
use parking_lot::Mutex;

use crate::sink::SinkConfig;
use crate::sink::baseline::BaselineTable;
use crate::sink::findings::FindingStore;
use crate::sink::metrics::Metrics;
use crate::sink::pairs::PairTable;
use crate::sink::readiness::Readiness;
use crate::sink::sight::Sight;
use crate::sink::tail::Tail;
use crate::sink::vips::VipStore;

/// Holds what the writer and all readers share.
#[derive(Debug)]
pub struct Shared {
    pub tail: Arc<Tail>,
    pub metrics: Metrics,
    pub pairs: PairTable,
    pub baseline: BaselineTable,
    pub findings: FindingStore,
    pub vips: VipStore,
    pub readiness: Readiness,
    pub sight: Sight,
    node: ArcStr,
    started: Timestamp,
    cluster: Mutex<Arc<Cluster>>,
    info: Mutex<BTreeMap<String, String>>,
}

/// A snapshot of the cluster, indexed at the first question.
#[derive(Debug, Default)]
struct Cluster {
    inventory: Arc<Inventory>,
    explainer: OnceLock<Arc<Explainer>>,
}

impl Shared {
    /// Records a blind spot, and its number in the metrics; `None` when the place can be seen again.
    pub fn set_blind(&self, reason: BlindReason, place: &str, unseen: Option<Unseen>) {
        let places = match unseen {
            Some(Unseen { why, hides_pod, addresses }) => {
                self.sight.lose(BlindSpot { reason, place: place.to_owned(), why, hides_pod, addresses })
            }
            None => self.sight.regain(reason, place),
        };
        self.metrics.set_blind_spots(reason, places);
    }

    pub(super) fn new(config: &SinkConfig) -> Self {
        let findings = FindingStore::new(config.max_findings);
        let mut metrics = Metrics::new(&config.metrics);
        metrics.show_findings(findings.clone());
        let tail = Tail::new(&config.tail, config.node.clone(), config.started, metrics.tail_counters());
        Self {
            tail: Arc::new(tail),
            metrics,
            pairs: PairTable::new(config.max_pairs),
            baseline: BaselineTable::new(config.max_flows),
            findings,
            vips: VipStore::default(),
            readiness: Readiness::default(),
            sight: Sight::default(),
            node: config.node.clone(),
            started: config.started,
            cluster: Mutex::default(),
            info: Mutex::default(),
        }
    }

    /// Publishes how full the stores are. They are read by a weak handle, because the metrics are part of what is shared.
    pub(super) fn show_states(self: &Arc<Self>, config: &SinkConfig) {
        type Len = fn(&Shared) -> usize;
        let states: [(&'static str, usize, Len); 4] = [
            ("findings", config.max_findings, |shared| shared.findings.len()),
            ("pairs", config.max_pairs, |shared| shared.pairs.len()),
            ("baseline_flows", config.max_flows, |shared| shared.baseline.len()),
            ("tail_attempts", config.tail.max_records, |shared| shared.tail.attempts()),
        ];
        for (name, capacity, len) in states {
            let shared = Arc::downgrade(self);
            self.metrics.add_state(
                name,
                capacity,
                Box::new(move || shared.upgrade().map(|shared| len(&shared))),
            );
        }
    }

    /// Returns this node's name.
    #[must_use]
    pub fn node(&self) -> &ArcStr {
        &self.node
    }

    /// Returns what goes with answers, so that readers know what they cover.
    #[must_use]
    pub fn info_of_agent(&self) -> AgentInfo {
        let mut nodes: Vec<_> = self.inventory().nodes.iter().map(|node| node.name.clone()).collect();
        nodes.sort();
        AgentInfo { node: self.node.clone(), started: self.started, nodes }
    }

    /// Returns the newest snapshot of the cluster; empty at first.
    #[must_use]
    pub fn inventory(&self) -> Arc<Inventory> {
        Arc::clone(&self.cluster().inventory)
    }

    /// Returns what answers questions by the newest snapshot of the cluster. The first call for a snapshot waits for
    /// its index.
    #[must_use]
    pub fn explainer(&self) -> Arc<Explainer> {
        let cluster = self.cluster();
        let new = || Arc::new(Explainer::new(Arc::clone(&cluster.inventory)));
        Arc::clone(cluster.explainer.get_or_init(new))
    }

    fn cluster(&self) -> Arc<Cluster> {
        Arc::clone(&self.cluster.lock())
    }

    pub(super) fn set_inventory(&self, inventory: Arc<Inventory>) {
        let cluster = Arc::new(Cluster { inventory, explainer: OnceLock::new() });
        let old = std::mem::replace(&mut *self.cluster.lock(), cluster);
        // Not under the lock: freeing a large snapshot takes a while.
        drop(old);
    }

    /// Sets a line of `GET /` about this agent, such as `kernel` and `6.12.0`.
    pub fn set_info(&self, key: impl Into<String>, value: impl Into<String>) {
        self.info.lock().insert(key.into(), value.into());
    }

    /// Returns all lines that are set, sorted by key.
    #[must_use]
    pub fn info(&self) -> BTreeMap<String, String> {
        self.info.lock().clone()
    }
}
