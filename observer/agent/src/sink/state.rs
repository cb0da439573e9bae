//! The read side of the sinks: what `http/` is given.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use arcstr::ArcStr;
use flow_model::inventory::Inventory;
use flow_policy::query::Explainer;
use parking_lot::Mutex;

use crate::sink::SinkConfig;
use crate::sink::baseline::BaselineTable;
use crate::sink::findings::FindingStore;
use crate::sink::metrics::Metrics;
use crate::sink::pairs::PairTable;
use crate::sink::readiness::Readiness;
use crate::sink::tail::Tail;
use crate::sink::vips::VipStore;

/// Shared by the writer and all readers.
#[derive(Debug)]
pub struct Shared {
    pub tail: Arc<Tail>,
    pub metrics: Metrics,
    pub pairs: PairTable,
    pub baseline: BaselineTable,
    pub findings: FindingStore,
    pub vips: VipStore,
    pub readiness: Readiness,
    node: ArcStr,
    cluster: Mutex<Arc<Cluster>>,
    info: Mutex<BTreeMap<String, String>>,
}

/// A picture of the cluster, indexed when somebody asks.
#[derive(Debug, Default)]
struct Cluster {
    inventory: Arc<Inventory>,
    explainer: OnceLock<Arc<Explainer>>,
}

impl Shared {
    pub(super) fn new(config: &SinkConfig) -> Self {
        let findings = FindingStore::new(config.max_findings);
        let mut metrics = Metrics::new(&config.metrics);
        metrics.show_findings(findings.clone());
        let tail = Tail::new(&config.tail, config.node.clone(), metrics.tail_counters());
        Self {
            tail: Arc::new(tail),
            metrics,
            pairs: PairTable::new(config.max_pairs),
            baseline: BaselineTable::new(config.max_flows),
            findings,
            vips: VipStore::default(),
            readiness: Readiness::default(),
            node: config.node.clone(),
            cluster: Mutex::default(),
            info: Mutex::default(),
        }
    }

    /// This node's name.
    #[must_use]
    pub fn node(&self) -> &ArcStr {
        &self.node
    }

    /// The newest picture of the cluster; empty at first.
    #[must_use]
    pub fn inventory(&self) -> Arc<Inventory> {
        Arc::clone(&self.cluster().inventory)
    }

    /// Answers questions by the newest picture of the cluster. The first one who asks of a picture waits for its index.
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
        // Not under the lock: a large picture takes a while to go.
        drop(old);
    }

    /// Sets a line of what `GET /` says about this agent, e.g. `kernel` and `6.12.0`.
    pub fn set_info(&self, key: impl Into<String>, value: impl Into<String>) {
        self.info.lock().insert(key.into(), value.into());
    }

    /// All lines set, sorted by key.
    #[must_use]
    pub fn info(&self) -> BTreeMap<String, String> {
        self.info.lock().clone()
    }
}
