//! The settings that define what counts as a flap and as a conflict, and how much is remembered.

use std::collections::BTreeSet;
use std::net::IpAddr;

use jiff::SignedDuration;

/// Defines what counts as a flap and as a conflict, and how much is remembered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VipConfig {
    /// VIPs that no Service names.
    pub extra: BTreeSet<IpAddr>,
    /// This many moves within `flap_window` are a flap.
    pub flap_moves: usize,
    pub flap_window: SignedDuration,
    /// Two hosts that take at least two turns each within this time claim the address at once.
    pub interleave_window: SignedDuration,
    /// A frame of the old host this soon after a move was queued before it.
    pub late: SignedDuration,
    /// Sources that contradict each other for longer than this are a conflict; sources that agree for longer end it.
    pub settle: SignedDuration,
    /// Without another turn for this long, two hosts no longer claim the address at once.
    pub quiet: SignedDuration,
    /// Claims and moves remembered per VIP.
    pub history: usize,
    /// VIPs followed.
    pub max: usize,
}

impl Default for VipConfig {
    fn default() -> Self {
        Self {
            extra: BTreeSet::new(),
            flap_moves: 3,
            flap_window: SignedDuration::from_mins(5),
            interleave_window: SignedDuration::from_secs(5),
            late: SignedDuration::from_millis(200),
            settle: SignedDuration::from_secs(10),
            quiet: SignedDuration::from_mins(1),
            history: 64,
            max: 4_096,
        }
    }
}
