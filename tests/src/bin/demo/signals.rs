//! SIGINT, SIGTERM and SIGHUP end the story; destructors then take the lab down.

use anyhow::{Context, Result};
use lab::wait;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

/// Handlers rather than a blocked mask: children would inherit the mask, and the agent must hear its SIGTERM.
pub(crate) fn watch() -> Result<()> {
    let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP]).context("handle signals")?;
    std::thread::spawn(move || signals.forever().for_each(|_| wait::interrupt()));
    Ok(())
}
