//! The read side of the sinks: what `http/` is given.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use arcstr::ArcStr;

use super::baseline::BaselineTable;
use super::metrics::Metrics;
use super::pairs::PairTable;
use super::readiness::Readiness;
use super::tail::Tail;
use super::{SinkConfig, lock};
use crate::core::inventory::Inventory;

/// Shared by the writer and all readers.
#[derive(Debug)]
pub struct Shared {
    pub tail: Arc<Tail>,
    pub metrics: Metrics,
    pub pairs: PairTable,
    pub baseline: BaselineTable,
    pub readiness: Readiness,
    node: ArcStr,
    inventory: Mutex<Arc<Inventory>>,
    info: Mutex<BTreeMap<String, String>>,
}

impl Shared {
    pub(super) fn new(config: &SinkConfig) -> Self {
        let metrics = Metrics::new(&config.metrics);
        let tail = Tail::new(&config.tail, config.node.clone(), metrics.tail_counters());
        Self {
            tail: Arc::new(tail),
            metrics,
            pairs: PairTable::new(config.max_pairs),
            baseline: BaselineTable::new(config.max_flows),
            readiness: Readiness::default(),
            node: config.node.clone(),
            inventory: Mutex::default(),
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
        Arc::clone(&lock(&self.inventory))
    }

    pub(super) fn set_inventory(&self, inventory: Arc<Inventory>) {
        let old = std::mem::replace(&mut *lock(&self.inventory), inventory);
        drop(old);
    }

    /// Sets a line of what `GET /` says about this agent, e.g. `kernel` and `6.12.0`.
    pub fn set_info(&self, key: impl Into<String>, value: impl Into<String>) {
        lock(&self.info).insert(key.into(), value.into());
    }

    /// All lines set, sorted by key.
    #[must_use]
    pub fn info(&self) -> BTreeMap<String, String> {
        lock(&self.info).clone()
    }
}
