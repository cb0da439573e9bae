//! Waiting for conditions, until a signal ends all waiting. Nothing here sleeps for longer than a poll interval.

use std::sync::Once;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use signal_hook::low_level::emulate_default_handler;

/// The time that a condition gets by default; the machine may be emulated.
pub const DEADLINE: Duration = Duration::from_secs(20);

const POLL: Duration = Duration::from_millis(25);

static INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// Makes every wait fail after SIGINT, SIGTERM or SIGHUP, so that destructors remove the lab. A second signal ends the
/// process at once.
///
/// These are handlers rather than a blocked mask: children would inherit the mask, and the agent must receive SIGTERM.
///
/// # Errors
/// Fails when signals can't be caught.
pub fn heed_signals() -> Result<()> {
    static HEEDED: Once = Once::new();
    let mut result = Ok(());
    HEEDED.call_once(|| result = heed());
    result
}

fn heed() -> Result<()> {
    let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP]).context("signals can't be caught")?;
    thread::spawn(move || {
        for signal in signals.forever() {
            if interrupted() {
                emulate_default_handler(signal).unwrap_or_default();
            }
            INTERRUPTED.store(true, Ordering::SeqCst);
        }
    });
    Ok(())
}

/// Is true after a signal to stop.
#[must_use]
pub fn interrupted() -> bool {
    INTERRUPTED.load(Ordering::SeqCst)
}

/// Polls until `probe` gives a value.
///
/// # Errors
/// Fails after `deadline`, with `what` in the message, and when interrupted.
pub fn until<T>(what: &str, deadline: Duration, mut probe: impl FnMut() -> Option<T>) -> Result<T> {
    let end = Instant::now() + deadline;
    loop {
        if let Some(value) = probe() {
            return Ok(value);
        }
        if interrupted() {
            bail!("interrupted while waiting for {what}");
        }
        if Instant::now() >= end {
            bail!("waited {deadline:?} for {what}");
        }
        thread::sleep(POLL);
    }
}
