//! `latent_denials`: open connections that today's policies would refuse.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use arcstr::literal;
use flow_model::object_ref::ObjectRef;
use flow_model::output::LatentCount;
use parking_lot::Mutex;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;

use crate::sink::metrics::labels::{PAIR, PairKey};
use crate::sink::metrics::spec::{Kind, Label, Spec};

const DENIALS: Spec = Spec {
    name: "latent_denials",
    kind: Kind::Gauge,
    help: "Open connections that the current policies would refuse",
    labels: &[&PAIR, &[Label::text("policy", "`namespace/name` of the policy that would refuse them")]],
    unit: "connections",
    changes: "when policies, labels or the connection table change. A pair without such connections has no series.",
    bound: "`--max-series` series and `_other`",
};

pub(super) const FAMILIES: [Spec; 1] = [DENIALS];

/// Holds the newest list. Series that are not in it disappear: no connection is open any more that would be refused.
#[derive(Clone, Debug, Default)]
pub(super) struct LatentSeries {
    series: Arc<Mutex<HashMap<(PairKey, ObjectRef), u64>>>,
}

impl LatentSeries {
    /// Past `max`, pairs fold into `_other`.
    pub(super) fn replace(&self, counts: Vec<LatentCount>, max: usize) {
        let mut series: HashMap<(PairKey, ObjectRef), u64> = HashMap::new();
        for LatentCount { src, dst, vantage, policy, count } in counts {
            let mut key = (PairKey::new(&src, &dst, vantage), policy);
            if series.len() >= max && !series.contains_key(&key) {
                key = (PairKey::other(), ObjectRef::cluster_scoped(literal!("_other")));
            }
            let sum = series.entry(key).or_default();
            *sum = sum.saturating_add(count);
        }
        *self.series.lock() = series;
    }
}

impl Collector for LatentSeries {
    fn encode(&self, mut encoder: DescriptorEncoder) -> fmt::Result {
        let rows: Vec<_> =
            self.series.lock().iter().map(|((key, policy), n)| (key.clone(), policy.clone(), *n)).collect();
        let mut family = DENIALS.encode(&mut encoder)?;
        for (key, policy, count) in &rows {
            family.encode_family(&(key, [("policy", policy.to_string())]))?.encode_gauge(count)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
