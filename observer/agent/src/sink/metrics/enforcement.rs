//! How long the policies take to be enforced, and what contradicted them meanwhile.

use std::sync::atomic::AtomicU64;

use flow_model::decision::Decision;
use flow_model::record::LagSince;
use jiff::SignedDuration;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;
use strum::{VariantArray, VariantNames};

use crate::sink::metrics::single_label::{LabelSet, label};
use crate::sink::metrics::spec::{Kind, Label, Spec};

/// Seconds. Enforcers work in rounds of seconds; a change is measured for ten minutes.
const BUCKETS: [f64; 12] = [0.25, 0.5, 1.0, 2.0, 5.0, 10.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0];
/// The verdicts that an attempt can contradict.
const VERDICTS: [Decision; 2] = [Decision::Allow, Decision::Deny];

const SINCE: Label = Label::one_of("since", <LagSince as VariantNames>::VARIANTS);

const LAG: Spec = Spec {
    name: "policy_enforcement_lag_seconds",
    kind: Kind::Histogram,
    help: "Time that enforcement on this node took, at least, after a pod got its address or a policy changed",
    labels: &[&[SINCE]],
    unit: "seconds",
    changes: "15 s after the first attempt that proves a change enforced, if nothing contradicted it since. The value is the time \
        of the last attempt that contradicted the verdict. Where none did, it is the time of the first that agrees, if that was \
        within 5 s: a later one says little about when enforcement began. Changes that no attempt meets within ten minutes, and \
        those that are never enforced, are missing. Starts at 0.",
    bound: "two histograms",
};
const ATTEMPTS: Spec = Spec {
    name: "policy_enforcement_lag_attempts",
    kind: Kind::Counter,
    help: "Attempts that contradicted the verdict while enforcement lagged no longer than is usual on this node",
    labels: &[&[SINCE, Label::one_of("verdict", &["allow", "deny"])]],
    unit: "attempts",
    changes: "with each record that has `enforcement_lag`: with `verdict=\"deny\"` a refused connection was established, with \
        `verdict=\"allow\"` a firewall stopped an allowed one. Starts at 0.",
    bound: "four series",
};

const USUAL: Spec = Spec {
    name: "policy_enforcement_usual_lag_seconds",
    kind: Kind::Gauge,
    help: "Time after a pod got its address or a policy changed in which a contradiction of the verdict is taken as lag",
    labels: &[&[SINCE]],
    unit: "seconds",
    changes: "when a lag is measured. It is `--enforcement-grace` until 8 are.",
    bound: "two series",
};

pub(super) const FAMILIES: [Spec; 3] = [LAG, ATTEMPTS, USUAL];

/// Holds the measurements and the attempts.
#[derive(Debug)]
pub(super) struct EnforcementSeries {
    lags: Family<LabelSet, Histogram, fn() -> Histogram>,
    attempts: Family<[(&'static str, String); 2], Counter>,
    usual: Family<LabelSet, Gauge<f64, AtomicU64>>,
}

impl EnforcementSeries {
    pub(super) fn new() -> Self {
        let lags: Family<_, _, fn() -> Histogram> = Family::new_with_constructor(|| Histogram::new(BUCKETS));
        let attempts = Family::default();
        for since in <LagSince as VariantArray>::VARIANTS {
            drop(lags.get_or_create(&label("since", since.as_str())));
            for verdict in VERDICTS {
                drop(attempts.get_or_create(&of(*since, verdict)));
            }
        }
        Self { lags, attempts, usual: Family::default() }
    }

    pub(super) fn register(&self, registry: &mut Registry) {
        LAG.register(registry, self.lags.clone());
        ATTEMPTS.register(registry, self.attempts.clone());
        USUAL.register(registry, self.usual.clone());
    }

    pub(super) fn observe(&self, since: LagSince, lag: SignedDuration) {
        self.lags.get_or_create(&label("since", since.as_str())).observe(lag.as_secs_f64());
    }

    pub(super) fn set_usual(&self, since: LagSince, lag: SignedDuration) {
        self.usual.get_or_create(&label("since", since.as_str())).set(lag.as_secs_f64());
    }

    pub(super) fn count(&self, since: LagSince, verdict: Decision, attempts: u64) {
        self.attempts.get_or_create(&of(since, verdict)).inc_by(attempts);
    }
}

fn of(since: LagSince, verdict: Decision) -> [(&'static str, String); 2] {
    [("since", since.as_str().to_owned()), ("verdict", verdict.as_str().to_owned())]
}
