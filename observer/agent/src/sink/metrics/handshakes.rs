//! `handshake_seconds`: how long servers take to answer.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use flow_model::flow::{LATENCY_BOUNDS_US, Latencies, Vantage};
use parking_lot::Mutex;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, NoLabelSet};
use strum::{VariantArray, VariantNames};

use crate::sink::metrics::spec::{Kind, Label, Spec};

const SECONDS: Spec = Spec {
    name: "handshake_seconds",
    kind: Kind::Histogram,
    help: "Time from the first SYN to the SYN-ACK of established connections",
    labels: &[&[Label::one_of("vantage", <Vantage as VariantNames>::VARIANTS)]],
    unit: "seconds",
    changes: "with each connection that is established. The kernel counts them, so that none is missing, except those whose \
        answer left by an interface that is not followed. Starts at 0.",
    bound: "one histogram per vantage",
};

const VANTAGES: &[Vantage] = <Vantage as VariantArray>::VARIANTS;

pub(super) const FAMILIES: [Spec; 1] = [SECONDS];

/// The histograms, one per vantage.
#[derive(Clone, Debug, Default)]
pub(super) struct Handshakes(Arc<Mutex<[Latencies; VANTAGES.len()]>>);

impl Handshakes {
    pub(super) fn add(&self, vantage: Vantage, more: &Latencies) {
        let all = &mut self.0.lock()[vantage as usize];
        all.buckets.iter_mut().zip(more.buckets).for_each(|(all, more)| *all += more);
        all.sum += more.sum;
    }
}

impl Collector for Handshakes {
    fn encode(&self, mut encoder: DescriptorEncoder) -> fmt::Result {
        let all = *self.0.lock();
        let mut family = SECONDS.encode(&mut encoder)?;
        for (vantage, Latencies { buckets, sum }) in VANTAGES.iter().zip(all) {
            let bounds = LATENCY_BOUNDS_US.iter().map(|us| Duration::from_micros(*us).as_secs_f64());
            let buckets: Vec<_> = bounds.chain([f64::INFINITY]).zip(buckets).collect();
            let count = buckets.iter().map(|(_, n)| n).sum();
            let labels = [("vantage", vantage.as_str())];
            let mut histogram = family.encode_family(&labels)?;
            histogram.encode_histogram::<NoLabelSet>(sum.as_secs_f64(), count, &buckets, None)?;
        }
        Ok(())
    }
}
