//! Reads the event ring, and from time to time the newest claims of VIPs that have no record.

use std::io;
use std::os::fd::{AsRawFd, RawFd};
use std::time::Duration;

use aya::maps::{MapData, RingBuf};
use flow_model::input::Input;
use observer_abi::Record;
use tokio::io::unix::AsyncFdReadyMutGuard;
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;
use tracing::warn;

use crate::probes::claims::{Claims, NewestClaims};
use crate::probes::clock::{Clock, monotonic_ns};
use crate::probes::convert;
use crate::probes::faults::Faults;
use crate::probes::held_resets::HeldResets;
use crate::probes::hooks::Complete;
use crate::probes::owners::HeldOwners;
use crate::probes::poll::poll;
use crate::probes::reasons::Reasons;

/// The shortest time between two reads. The kernel wakes the reader only after it has read everything, so that the records of
/// this time cost one wake-up together. A record that comes after a longer silence is read at once.
const PAUSE: Duration = Duration::from_millis(5);
/// Records taken before other tasks get their turn.
const BATCH: usize = 256;
/// The longest time that the last claimant of a VIP may stay unreported when claimants come faster than records.
const CLAIMS_EVERY: Duration = Duration::from_millis(500);
/// Time between two looks for what records wait for.
const HELD_EVERY: Duration = Duration::from_millis(10);

/// Turns ring records into inputs of the engine.
pub struct RingReader {
    ring: RingBuf<MapData>,
    reasons: Reasons,
    claims: Claims,
    /// Is absent where the kernel gives no reasons for resets.
    resets: Option<HeldResets>,
    /// Is absent where sockets can't be followed.
    owners: Option<HeldOwners>,
    /// Time of the newest record read.
    newest_ns: u64,
    faults: Faults,
    /// Whether it was logged that claims can't be read.
    warned: bool,
}

impl AsRawFd for RingReader {
    fn as_raw_fd(&self) -> RawFd {
        self.ring.as_raw_fd()
    }
}

/// The reason why reading stopped.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stopped {
    /// The ring is empty.
    Empty,
    /// Everything that was in the ring at the start is read; there is more.
    CaughtUp,
    /// The engine takes no more inputs.
    Closed,
}

impl RingReader {
    pub(super) fn new(ring: RingBuf<MapData>, reasons: Reasons, claims: Claims) -> Self {
        Self {
            ring,
            reasons,
            claims,
            resets: None,
            owners: None,
            newest_ns: 0,
            faults: Faults::default(),
            warned: false,
        }
    }

    /// Makes resets wait for their reason.
    pub(super) fn hold_resets(&mut self, resets: HeldResets) {
        self.resets = Some(resets);
    }

    /// Makes attempts of the node wait until it is known whose they are.
    pub(super) fn hold_owners(&mut self, owners: HeldOwners) {
        self.owners = Some(owners);
    }

    /// Adds what other programs noted about a record. Nothing is returned while that has to be waited for.
    fn complete(&mut self, record: &Record, input: Input) -> Option<Input> {
        let input = match &mut self.owners {
            Some(owners) => owners.complete(record, input)?,
            None => input,
        };
        self.explain(record, input)
    }

    /// Adds the reason of a RST.
    fn explain(&mut self, record: &Record, input: Input) -> Option<Input> {
        match &mut self.resets {
            Some(resets) => resets.complete(record, input),
            None => Some(input),
        }
    }

    /// Returns some records as inputs, and whether the ring may have more. A record that can't be decoded is counted.
    pub fn batch(&mut self) -> (Vec<Input>, bool) {
        let clock = Clock::read();
        let mut out = Vec::new();
        let mut more = true;
        for _ in 0..BATCH {
            let Some(item) = self.ring.next() else {
                more = false;
                break;
            };
            let decoded = Record::decode(&item);
            drop(item);
            let Some(record) = self.faults.check(decoded) else { continue };
            self.newest_ns = self.newest_ns.max(record.time_ns());
            if self.claims.accept(&record) {
                let input = convert::input(&record, clock, &self.reasons);
                out.extend(self.complete(&record, input));
            }
        }
        out.extend(self.faults.take());
        (out, more)
    }

    /// Reads the newest claims of the known VIPs.
    ///
    /// # Errors
    /// Fails when the kernel does not let the map be read in batches.
    pub fn newest_claims(&self) -> io::Result<NewestClaims> {
        self.claims.newest()
    }

    /// Returns those of the claims that no record has reported since they were read.
    pub fn missed_claims(&mut self, newest: &NewestClaims) -> Vec<Input> {
        self.claims.missed(newest, Clock::read())
    }

    /// Sends what was written before now, and what else fits.
    async fn drain(&mut self, engine: &mpsc::Sender<Input>, complete: &Complete) -> Stopped {
        let now = monotonic_ns();
        loop {
            let (batch, more) = self.batch();
            if send(batch, engine, complete).await == Stopped::Closed {
                return Stopped::Closed;
            }
            if !more {
                return Stopped::Empty;
            }
            if self.newest_ns > now {
                return Stopped::CaughtUp;
            }
            tokio::task::yield_now().await;
        }
    }

    /// Waits until it is worth looking for what records wait for; for ever while none waits.
    fn next_look(&self) -> impl Future<Output = ()> + use<> {
        let waiting = self.resets.as_ref().is_some_and(HeldResets::is_waiting)
            || self.owners.as_ref().is_some_and(HeldOwners::is_waiting);
        async move { if waiting { tokio::time::sleep(HELD_EVERY).await } else { std::future::pending().await } }
    }

    /// Sends what waits no longer; at the end all of it.
    async fn release(&mut self, end: bool, engine: &mpsc::Sender<Input>, complete: &Complete) -> Stopped {
        let now = if end { u64::MAX } else { monotonic_ns() };
        let owned = self.owners.as_mut().map(|owners| owners.due(now)).unwrap_or_default();
        let mut due: Vec<Input> =
            owned.into_iter().filter_map(|(record, input)| self.explain(&record, input)).collect();
        due.extend(self.resets.as_mut().map(|resets| resets.due(now)).unwrap_or_default());
        send(due, engine, complete).await
    }

    /// Does what is due at intervals. A full ring must not keep resets waiting, so those that wait no longer come first.
    async fn tick(&mut self, engine: &mpsc::Sender<Input>, complete: &Complete) -> Stopped {
        if let Some(resets) = &self.resets {
            resets.tick();
        }
        if let Some(owners) = &self.owners {
            owners.tick();
        }
        match self.release(false, engine, complete).await {
            Stopped::Closed => Stopped::Closed,
            Stopped::Empty | Stopped::CaughtUp => self.reconcile(engine, complete).await,
        }
    }

    /// Sends the claims that no record reported. The ring is read between reading the map and sending, so that its
    /// records of earlier claimants come first.
    async fn reconcile(&mut self, engine: &mpsc::Sender<Input>, complete: &Complete) -> Stopped {
        let newest = match self.newest_claims() {
            Ok(newest) => newest,
            Err(error) => {
                if !std::mem::replace(&mut self.warned, true) {
                    warn!(%error, "the newest claims of VIPs can't be read; this is logged once");
                }
                return Stopped::Empty;
            }
        };
        let stopped = self.drain(engine, complete).await;
        for input in self.missed_claims(&newest) {
            if engine.send(input).await.is_err() {
                return Stopped::Closed;
            }
        }
        stopped
    }
}

/// Sends inputs to the engine. `Empty` if it took all.
async fn send(inputs: Vec<Input>, engine: &mpsc::Sender<Input>, complete: &Complete) -> Stopped {
    for mut input in inputs {
        complete(&mut input);
        if engine.send(input).await.is_err() {
            return Stopped::Closed;
        }
    }
    Stopped::Empty
}

/// The reason why the reader wakes up.
enum Woken<'a> {
    Ready(AsyncFdReadyMutGuard<'a, RingReader>),
    Tick,
    Look,
    Cancelled,
}

/// Moves records from the ring to the engine until cancelled. A full queue makes the ring fill up, and the kernel
/// counts the records that it can't write. So no loss goes unreported, and nothing blocks the kernel.
pub(super) async fn read(
    reader: RingReader,
    complete: Complete,
    engine: mpsc::Sender<Input>,
    cancel: CancellationToken,
) -> io::Result<()> {
    let mut reader = poll(reader)?;
    let mut tick = tokio::time::interval(CLAIMS_EVERY);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut next = Instant::now();
    loop {
        let look = reader.get_ref().next_look();
        let woken = tokio::select! {
            ready = reader.readable_mut() => Woken::Ready(ready?),
            _ = tick.tick() => Woken::Tick,
            () = look => Woken::Look,
            () = cancel.cancelled() => Woken::Cancelled,
        };
        let stopped = match woken {
            Woken::Ready(mut ready) => {
                tokio::time::sleep_until(next).await;
                let began = Instant::now();
                let stopped = ready.get_inner_mut().drain(&engine, &complete).await;
                if stopped == Stopped::Empty {
                    ready.clear_ready();
                    next = began + PAUSE;
                }
                stopped
            }
            Woken::Tick => reader.get_mut().tick(&engine, &complete).await,
            Woken::Look => reader.get_mut().release(false, &engine, &complete).await,
            Woken::Cancelled => {
                reader.get_mut().release(true, &engine, &complete).await;
                return Ok(());
            }
        };
        if stopped == Stopped::Closed {
            return Ok(());
        }
    }
}
