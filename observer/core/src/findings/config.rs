//! The settings that define when findings begin and end.

use jiff::SignedDuration;

/// Defines when findings begin and end, and how many are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FindingsConfig {
    /// Without new evidence for this long, a finding resolves.
    pub quiet: SignedDuration,
    /// After a success without another failure for this long, a finding resolves.
    pub settle: SignedDuration,
    /// The time for which resolved findings are kept.
    pub keep: SignedDuration,
    /// The largest number of findings that are kept, active and resolved.
    pub max: usize,
}

impl Default for FindingsConfig {
    fn default() -> Self {
        Self {
            quiet: SignedDuration::from_mins(10),
            settle: SignedDuration::from_secs(10),
            keep: SignedDuration::from_hours(1),
            max: 1_000,
        }
    }
}
