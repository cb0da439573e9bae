//! Families with one label.

use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;

/// The one label of the smaller families. Each family has its own name for it, which stands where the value is set.
pub(super) type LabelSet = [(&'static str, String); 1];
pub(super) type Gauges = Family<LabelSet, Gauge>;

pub(super) fn gauge(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

pub(super) fn label(name: &'static str, value: &str) -> LabelSet {
    [(name, value.to_owned())]
}
