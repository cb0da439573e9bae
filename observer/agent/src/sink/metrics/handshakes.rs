//! `handshake_seconds`: how long servers take to answer.

use std::time::Duration;

use flow_model::flow::Vantage;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;
use strum::{VariantArray, VariantNames};

use crate::sink::metrics::single_label::{LabelSet, label};
use crate::sink::metrics::spec::{Kind, Label, Spec};

/// Seconds. A handshake in a node takes tens of microseconds; a repeated SYN costs one second.
const BUCKETS: [f64; 14] =
    [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 2.5, 5.0];

const SECONDS: Spec = Spec {
    name: "handshake_seconds",
    kind: Kind::Histogram,
    help: "Time from the first SYN to the SYN-ACK of established connections",
    labels: &[&[Label::one_of("vantage", <Vantage as VariantNames>::VARIANTS)]],
    unit: "seconds",
    changes: "with each record of an established connection. Records that `flow_observer_events_lost_total` counts as lost are \
        missing here. Starts at 0.",
    bound: "one histogram per vantage",
};

pub(super) const FAMILIES: [Spec; 1] = [SECONDS];

/// The histograms, one per vantage.
#[derive(Debug)]
pub(super) struct Handshakes(Family<LabelSet, Histogram, fn() -> Histogram>);

impl Handshakes {
    pub(super) fn new() -> Self {
        let family: Family<_, _, fn() -> Histogram> =
            Family::new_with_constructor(|| Histogram::new(BUCKETS));
        for vantage in <Vantage as VariantArray>::VARIANTS {
            drop(family.get_or_create(&label("vantage", vantage.as_str())));
        }
        Self(family)
    }

    pub(super) fn register(&self, registry: &mut Registry) {
        SECONDS.register(registry, self.0.clone());
    }

    pub(super) fn observe(&self, vantage: Vantage, latency_us: u64) {
        let latency = Duration::from_micros(latency_us).as_secs_f64();
        self.0.get_or_create(&label("vantage", vantage.as_str())).observe(latency);
    }
}
