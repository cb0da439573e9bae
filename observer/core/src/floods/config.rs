//! The settings that define when SYNs are a flood.

use jiff::SignedDuration;

/// Defines when the SYNs that a server gets are a flood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FloodConfig {
    /// SYNs a second that become no connections. With fewer nothing is raised.
    pub rate: u32,
    /// A flood is over when there were fewer for this long.
    pub quiet: SignedDuration,
    /// Servers that are kept. The one whose last SYN is the oldest gives way.
    pub max_servers: usize,
    /// Sources that are told apart for each server.
    pub max_sources: usize,
}

impl Default for FloodConfig {
    fn default() -> Self {
        Self { rate: 100, quiet: SignedDuration::from_secs(30), max_servers: 256, max_sources: 256 }
    }
}

impl FloodConfig {
    /// The seconds over which SYNs are counted.
    pub(super) const WINDOW: i64 = 10;
    /// SYNs of the last seconds are not counted yet: they may still be answered, or repeated.
    pub(super) const SETTLE: i64 = 2;

    /// Returns the number of SYNs in the window that make a flood.
    pub(super) fn floor(&self) -> i64 {
        i64::from(self.rate.max(1)) * Self::WINDOW
    }
}
