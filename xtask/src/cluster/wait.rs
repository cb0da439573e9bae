//! Waiting for conditions, which a signal ends.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

/// Between two looks at a condition.
const PAUSE: Duration = Duration::from_millis(100);

/// Set by SIGINT, SIGTERM and SIGHUP.
#[derive(Clone, Debug)]
pub(super) struct Interrupt(Arc<AtomicBool>);

impl Interrupt {
    /// Catches the signals from now on, for as long as this process runs. It is called once, before there is anything to
    /// clean up; until then a signal ends the process at once.
    pub(super) fn catch() -> Result<Self> {
        let flag = Arc::new(AtomicBool::new(false));
        for signal in [SIGINT, SIGTERM, SIGHUP] {
            signal_hook::flag::register(signal, Arc::clone(&flag)).context("signals can't be caught")?;
        }
        Ok(Self(flag))
    }

    /// Fails once a signal came.
    pub(super) fn check(&self) -> Result<()> {
        if self.0.load(Ordering::Relaxed) {
            bail!("interrupted");
        }
        Ok(())
    }

    /// Waits until the condition holds.
    ///
    /// # Errors
    /// When it doesn't hold in time, or a signal came; `what` names it.
    pub(super) fn until(&self, what: &str, seconds: u64, mut holds: impl FnMut() -> bool) -> Result<()> {
        let end = Instant::now() + Duration::from_secs(seconds);
        while !holds() {
            self.check()?;
            if Instant::now() > end {
                bail!("{what}: not within {seconds} s");
            }
            thread::sleep(PAUSE);
        }
        self.check()
    }
}
