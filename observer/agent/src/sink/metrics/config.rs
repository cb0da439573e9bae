//! The bounds of `/metrics`.

use jiff::SignedDuration;

/// Bounds of the series with pair labels.
#[derive(Clone, Debug)]
pub struct MetricsConfig {
    /// Pairs with series of their own. Beyond it, new pairs are counted together in `_other`.
    pub max_series: usize,
    /// The time for which series stay after their workload is gone, so that a scrape still sees the last increments.
    pub departed_grace: SignedDuration,
    /// Series without an update for this long are removed.
    pub idle: SignedDuration,
}

impl Default for MetricsConfig {
    fn default() -> Self {
        Self {
            max_series: 2_000,
            departed_grace: SignedDuration::from_mins(15),
            idle: SignedDuration::from_hours(24),
        }
    }
}
