//! The settings of the probes.

use std::path::PathBuf;

/// Sizes and switches that users may set.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Pairs the kernel can count between two drains.
    pub pair_entries: u32,
    /// Size of the event ring in bytes: a power of two of pages.
    pub ring_bytes: u32,
    /// Level of the programs' own log: 0 is off, 5 is trace.
    pub log_level: u8,
    /// Directory on a bpffs in which maps and attachments are pinned.
    pub pin_dir: Option<PathBuf>,
}

impl Default for Settings {
    fn default() -> Self {
        Self { pair_entries: 16_384, ring_bytes: 2 << 20, log_level: 0, pin_dir: None }
    }
}
