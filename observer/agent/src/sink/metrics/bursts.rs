//! `rst_bursts_total`: bursts of resets, by server and cause.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use arcstr::{ArcStr, literal};
use flow_model::record::Endpoint;
use jiff::{SignedDuration, Timestamp};
use parking_lot::Mutex;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, NoLabelSet};
use serde::{Deserialize, Serialize};

use crate::sink::metrics::config::MetricsConfig;
use crate::sink::metrics::labels::{WorkloadName, workload};
use crate::sink::metrics::spec::{Kind, Label, Spec};

const BURSTS: Spec = Spec {
    name: "rst_bursts",
    kind: Kind::Counter,
    help: "Bursts of resets of established connections and of those whose start was not seen (orphans), by server and likeliest cause",
    labels: &[&[
        Label::text("dst_namespace", "the server's namespace"),
        Label::text("dst_workload", "the server's workload"),
        Label::text("cause", "`vip_move`, `policy_change`, `endpoint_change`, `not_translated`, `unknown`"),
    ]],
    unit: "bursts",
    changes: "when a burst begins: more resets than `--burst-floor` within `--burst-window`, and more than is usual for the \
        server. The first scrape that has a series shows 0. Series expire as those of pairs do.",
    bound: "`--max-series` series, and `_other` for each cause",
};

pub(super) const FAMILIES: [Spec; 1] = [BURSTS];

/// A server and a cause.
pub(super) type Key = (WorkloadName, ArcStr);

/// Holds the bursts counted so far.
#[derive(Clone, Debug)]
pub(super) struct BurstSeries {
    slots: Arc<Mutex<HashMap<Key, Slot>>>,
    max: usize,
    grace: SignedDuration,
    idle: SignedDuration,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) struct Slot {
    count: u64,
    /// A scrape has shown zero. Prometheus sees an increase only of a series that it knew before.
    begun: bool,
    updated: Timestamp,
    departed: Option<Timestamp>,
}

impl BurstSeries {
    pub(super) fn new(config: &MetricsConfig) -> Self {
        let (max, grace, idle) = (config.max_series, config.departed_grace, config.idle);
        Self { slots: Arc::default(), max, grace, idle }
    }

    /// Counts a burst. Beyond the bound, servers are counted together in `_other`, by cause.
    pub(super) fn add(&self, dst: &Endpoint, cause: &ArcStr, now: Timestamp) {
        let mut slots = self.slots.lock();
        let mut key = (workload(dst), cause.clone());
        if slots.len() >= self.max && !slots.contains_key(&key) {
            key.0 = WorkloadName::new(literal!("_other"), literal!("_other"));
        }
        let new = Slot { count: 0, begun: false, updated: now, departed: None };
        let slot = slots.entry(key).or_insert(new);
        (slot.count, slot.updated, slot.departed) = (slot.count.saturating_add(1), now, None);
    }

    /// Starts the grace of the series of these workloads, and removes the series that have expired.
    pub(super) fn depart(&self, workloads: &[WorkloadName], now: Timestamp) {
        let mut slots = self.slots.lock();
        for (_, slot) in slots.iter_mut().filter(|((of, _), _)| workloads.contains(of)) {
            slot.departed.get_or_insert(now);
        }
        slots.retain(|_, slot| {
            let over = |since: Timestamp, after| now.duration_since(since) > after;
            !over(slot.updated, self.idle) && !slot.departed.is_some_and(|at| over(at, self.grace))
        });
    }

    /// Returns the counts for the next agent.
    pub(super) fn keep(&self) -> Vec<(Key, Slot)> {
        self.slots.lock().iter().map(|(key, slot)| (key.clone(), *slot)).collect()
    }

    /// Goes on with the counts of the agent before.
    pub(super) fn restore(&self, kept: Vec<(Key, Slot)>) {
        *self.slots.lock() = kept.into_iter().take(self.max).collect();
    }

    /// Returns the rows of a scrape, in the order of the labels. A series begins with zero.
    fn rows(&self) -> Vec<(Key, u64)> {
        let mut slots = self.slots.lock();
        let shown = |slot: &mut Slot| if std::mem::replace(&mut slot.begun, true) { slot.count } else { 0 };
        let mut rows: Vec<_> = slots.iter_mut().map(|(key, slot)| (key.clone(), shown(slot))).collect();
        rows.sort();
        rows
    }
}

impl Collector for BurstSeries {
    fn encode(&self, mut encoder: DescriptorEncoder) -> fmt::Result {
        let mut family = BURSTS.encode(&mut encoder)?;
        for ((server, cause), count) in &self.rows() {
            let labels = [
                ("dst_namespace", server.namespace.as_str()),
                ("dst_workload", server.name.as_str()),
                ("cause", cause.as_str()),
            ];
            family.encode_family(&labels)?.encode_counter::<NoLabelSet, _, u64>(count, None)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
