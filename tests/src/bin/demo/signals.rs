//! SIGINT, SIGTERM and SIGHUP end the story; destructors then take the lab down.

use anyhow::{Context, Result};
use lab::wait;
use nix::sys::signal::{SigSet, Signal};

/// Must run before any other thread starts: they inherit the mask.
pub(crate) fn watch() -> Result<()> {
    let mut signals = SigSet::empty();
    for signal in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP] {
        signals.add(signal);
    }
    signals.thread_block().context("block signals")?;
    std::thread::spawn(move || {
        while signals.wait().is_ok() {
            wait::interrupt();
        }
    });
    Ok(())
}
