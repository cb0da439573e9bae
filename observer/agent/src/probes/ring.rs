//! Reads the event ring, and beside it the newest claims of VIPs that found no record.

use std::io;
use std::os::fd::{AsRawFd, RawFd};
use std::time::Duration;

use aya::maps::{MapData, RingBuf};
use flow_model::input::{Input, LostStage};
use observer_abi::Record;
use tokio::io::unix::AsyncFd;
use tokio::sync::mpsc;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use crate::probes::clock::{Clock, monotonic_ns};
use crate::probes::convert;
use crate::probes::reasons::Reasons;
use crate::probes::tasks::Complete;
use crate::probes::vips::Claims;

/// Records taken before others get their turn.
const BATCH: usize = 256;
/// How long the last claimant of a VIP may stay untold when claimants come faster than records.
const CLAIMS_EVERY: Duration = Duration::from_millis(500);

/// The ring, and what is needed to make inputs of it.
pub(super) struct Reader {
    ring: RingBuf<MapData>,
    reasons: Reasons,
    claims: Claims,
    /// Time of the newest record read.
    newest_ns: u64,
    warned: bool,
}

impl AsRawFd for Reader {
    fn as_raw_fd(&self) -> RawFd {
        self.ring.as_raw_fd()
    }
}

/// Where reading stopped.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stopped {
    Empty,
    /// Everything that was there when it began is read; there is more.
    Caught,
    /// Nobody wants more.
    Closed,
}

impl Reader {
    pub(super) fn new(ring: RingBuf<MapData>, reasons: Reasons, claims: Claims) -> Self {
        Self { ring, reasons, claims, newest_ns: 0, warned: false }
    }

    /// Some records as inputs, and whether the ring may have more.
    pub(super) fn batch(&mut self) -> (Vec<Input>, bool) {
        let clock = Clock::read();
        let mut out = Vec::new();
        for _ in 0..BATCH {
            let Some(item) = self.ring.next() else { return (out, false) };
            match Record::decode(&item) {
                Ok(record) => {
                    self.newest_ns = self.newest_ns.max(record.header().time_ns);
                    if self.claims.hand(&record) {
                        out.push(convert::input(&record, clock, &self.reasons));
                    }
                }
                Err(error) => {
                    if !std::mem::replace(&mut self.warned, true) {
                        warn!(%error, "a ring record could not be decoded; further ones are only counted");
                    }
                    out.push(Input::Lost { stage: LostStage::Decode, count: 1 });
                }
            }
        }
        (out, true)
    }

    pub(super) fn claims(&mut self) -> &mut Claims {
        &mut self.claims
    }

    /// Hands over what was written before now, and what else fits.
    async fn drain(&mut self, engine: &mpsc::Sender<Input>, complete: &Complete) -> Stopped {
        let now = monotonic_ns();
        loop {
            let (batch, more) = self.batch();
            for mut input in batch {
                complete(&mut input);
                if engine.send(input).await.is_err() {
                    return Stopped::Closed;
                }
            }
            if !more {
                return Stopped::Empty;
            }
            if self.newest_ns > now {
                return Stopped::Caught;
            }
            tokio::task::yield_now().await;
        }
    }

    /// Hands over the claimants that no record named. The ring is read between looking and telling, so that what it has of
    /// earlier claimants is told first.
    async fn reconcile(&mut self, engine: &mpsc::Sender<Input>, complete: &Complete) -> Stopped {
        let newest = match self.claims.read() {
            Ok(newest) => newest,
            Err(error) => {
                if !std::mem::replace(&mut self.warned, true) {
                    warn!(%error, "the newest claims of VIPs can't be read; this is logged once");
                }
                return Stopped::Empty;
            }
        };
        let stopped = self.drain(engine, complete).await;
        for input in self.claims.missed(&newest, Clock::read()) {
            if engine.send(input).await.is_err() {
                return Stopped::Closed;
            }
        }
        stopped
    }
}

/// Moves records from the ring to the engine until cancelled. A full queue makes the ring fill up, and the kernel
/// counts what it can't write: nothing is lost silently, and nothing blocks the kernel.
pub(super) async fn read(
    reader: Reader,
    complete: Complete,
    engine: mpsc::Sender<Input>,
    cancel: CancellationToken,
) -> io::Result<()> {
    let mut reader = poll(reader)?;
    let mut tick = tokio::time::interval(CLAIMS_EVERY);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let ready = tokio::select! {
            ready = reader.readable_mut() => Some(ready?),
            _ = tick.tick() => None,
            () = cancel.cancelled() => return Ok(()),
        };
        let stopped = match ready {
            Some(mut ready) => {
                let stopped = ready.get_inner_mut().drain(&engine, &complete).await;
                if stopped == Stopped::Empty {
                    ready.clear_ready();
                }
                stopped
            }
            None => reader.get_mut().reconcile(&engine, &complete).await,
        };
        if stopped == Stopped::Closed {
            return Ok(());
        }
    }
}

/// Registers the owner of a descriptor with the runtime.
pub(super) fn poll<T: AsRawFd>(owner: T) -> io::Result<AsyncFd<T>> {
    #![expect(unsafe_code, reason = "tokio can't check that the descriptor stays open")]
    // SAFETY: `owner` keeps its descriptor open and the same until it is dropped, and `AsyncFd` owns it.
    Ok(unsafe { AsyncFd::register(owner) }?)
}
