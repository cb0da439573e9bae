//! Results of synthetic checks. Their number is that of the configuration's tables.

use arcstr::ArcStr;
use flow_model::input::CheckStep;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;
use strum::VariantArray;

use crate::sink::metrics::{Gauges, Label, label};

/// Seconds; a check may hold its connection for ten minutes.
const BUCKETS: [f64; 15] =
    [0.001, 0.005, 0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 600.0];

#[derive(Debug)]
pub(super) struct CheckSeries {
    up: Gauges,
    durations: Family<Label, Histogram, fn() -> Histogram>,
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
        registry.register(
            "check_up",
            "Whether the last run of a synthetic check went well; absent before the first",
            self.up.clone(),
        );
        registry.register(
            "check_duration_seconds",
            "Time that runs of a synthetic check took, failed ones too",
            self.durations.clone(),
        );
        registry.register(
            "check_failures",
            "Runs of a synthetic check that failed, by step",
            self.failures.clone(),
        );
    }

    /// Counts failures from zero, so that the first one is seen as one.
    pub(super) fn declare(&self, name: &str) {
        for step in CheckStep::VARIANTS {
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
