//! Results of synthetic checks. Their number is that of the configuration's tables.

use arcstr::ArcStr;
use flow_model::input::CheckStep;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;
use strum::{VariantArray, VariantNames};

use crate::sink::metrics::single_label::{Gauges, LabelSet, label};
use crate::sink::metrics::spec::{Kind, Label, Spec};

/// Seconds; a check may hold its connection for ten minutes.
const BUCKETS: [f64; 15] =
    [0.001, 0.005, 0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 600.0];

const CHECK: Label = Label::text("check", "the check's name in the configuration");
const BOUND: &str = "the checks of the configuration, at most 64";

const UP: Spec = Spec {
    name: "check_up",
    kind: Kind::Gauge,
    help: "Whether the last run of a synthetic check succeeded; absent before the first",
    labels: &[&[CHECK]],
    unit: "1 or 0",
    changes: "with each run",
    bound: BOUND,
};
const DURATION: Spec = Spec {
    name: "check_duration_seconds",
    kind: Kind::Histogram,
    help: "Time that runs of a synthetic check took, failed ones included",
    labels: &[&[CHECK]],
    unit: "seconds",
    changes: "with each run. The time that a connection is held is part of it.",
    bound: BOUND,
};
const FAILURES: Spec = Spec {
    name: "check_failures",
    kind: Kind::Counter,
    help: "Runs of a synthetic check that failed, by step",
    labels: &[&[CHECK, Label::one_of("step", <CheckStep as VariantNames>::VARIANTS)]],
    unit: "runs",
    changes: "when a run fails. Starts at 0 for each step.",
    bound: "four series for each check of the configuration, at most 64",
};

pub(super) const FAMILIES: [Spec; 3] = [UP, DURATION, FAILURES];

/// Holds the results by check.
#[derive(Debug)]
pub(super) struct CheckSeries {
    up: Gauges,
    durations: Family<LabelSet, Histogram, fn() -> Histogram>,
    failures: Family<[(&'static str, String); 2], Counter>,
}

impl CheckSeries {
    pub(super) fn new() -> Self {
        Self {
            up: Family::default(),
            durations: Family::new_with_constructor(|| Histogram::new(BUCKETS)),
            failures: Family::default(),
        }
    }

    pub(super) fn register(&self, registry: &mut Registry) {
        UP.register(registry, self.up.clone());
        DURATION.register(registry, self.durations.clone());
        FAILURES.register(registry, self.failures.clone());
    }

    /// Counts failures from zero, so that the first one is seen as one.
    pub(super) fn declare(&self, name: &str) {
        for step in <CheckStep as VariantArray>::VARIANTS {
            drop(self.failures.get_or_create(&at(name, *step)));
        }
    }

    pub(super) fn observe(&self, name: &ArcStr, failed: Option<CheckStep>, seconds: f64) {
        self.up.get_or_create(&label("check", name)).set(failed.is_none().into());
        self.durations.get_or_create(&label("check", name)).observe(seconds);
        if let Some(step) = failed {
            self.failures.get_or_create(&at(name, step)).inc();
        }
    }
}

fn at(name: &str, step: CheckStep) -> [(&'static str, String); 2] {
    [("check", name.to_owned()), ("step", step.as_str().to_owned())]
}
