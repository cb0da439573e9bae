//! The settings that define when attempts are a scan.

use jiff::SignedDuration;

/// Defines when the attempts of one source are a scan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ScanConfig {
    /// With fewer closed targets (address and port) than this within the window nothing is raised.
    pub targets: usize,
    /// The time within which the targets are tried.
    pub window: SignedDuration,
    /// A scan is over when there were fewer targets for this long.
    pub quiet: SignedDuration,
    /// Targets that were not tried for this long are new when they are tried again.
    pub keep: SignedDuration,
    /// Sources that are kept with several targets. The one whose last attempt is the oldest gives way.
    pub max_sources: usize,
    /// The newest targets of a source that are kept, at least as many as `targets`.
    pub max_targets: usize,
}

impl Default for ScanConfig {
    fn default() -> Self {
        Self {
            targets: 20,
            window: SignedDuration::from_mins(1),
            quiet: SignedDuration::from_mins(1),
            keep: SignedDuration::from_mins(5),
            max_sources: 1_024,
            max_targets: 128,
        }
    }
}

impl ScanConfig {
    pub(super) fn targets(&self) -> usize {
        self.targets.max(2)
    }

    /// Returns how many targets of a source are kept: enough to see that most of them are closed.
    pub(super) fn max_targets(&self) -> usize {
        self.max_targets.max(self.targets().saturating_mul(2))
    }
}
