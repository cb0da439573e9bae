//! Reads the event ring.

use std::os::fd::AsRawFd;

use aya::maps::{MapData, RingBuf};
use observer_abi::Record;
use tokio::io::unix::AsyncFd;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use super::clock::Clock;
use super::convert;
use super::reasons::Reasons;
use crate::core::input::{Input, LostStage};

/// Records taken before others get their turn.
const BATCH: usize = 256;

/// Moves records from the ring to the engine until cancelled. A full queue makes the ring fill up, and the kernel
/// counts what it can't write: nothing is lost silently, and nothing blocks the kernel.
pub(super) async fn read(
    ring: RingBuf<MapData>,
    reasons: Reasons,
    engine: mpsc::Sender<Input>,
    cancel: CancellationToken,
) -> std::io::Result<()> {
    let mut ring = poll(ring)?;
    let mut warned = false;
    loop {
        let mut ready = tokio::select! {
            ready = ring.readable_mut() => ready?,
            () = cancel.cancelled() => return Ok(()),
        };
        loop {
            let batch = batch(ready.get_inner_mut(), &reasons, &mut warned);
            let more = batch.len() == BATCH;
            for input in batch {
                if engine.send(input).await.is_err() {
                    return Ok(());
                }
            }
            if !more {
                break;
            }
            tokio::task::yield_now().await;
        }
        ready.clear_ready();
    }
}

fn batch(ring: &mut RingBuf<MapData>, reasons: &Reasons, warned: &mut bool) -> Vec<Input> {
    let clock = Clock::read();
    let mut out = Vec::new();
    while out.len() < BATCH
        && let Some(item) = ring.next()
    {
        match Record::decode(&item) {
            Ok(record) => out.push(convert::input(&record, clock, reasons)),
            Err(error) => {
                if !std::mem::replace(warned, true) {
                    warn!(%error, "a ring record could not be decoded; further ones are only counted");
                }
                out.push(Input::Lost { stage: LostStage::Decode, count: 1 });
            }
        }
    }
    out
}

/// Registers the owner of a descriptor with the runtime.
pub(super) fn poll<T: AsRawFd>(owner: T) -> std::io::Result<AsyncFd<T>> {
    #![expect(unsafe_code, reason = "tokio can't check that the descriptor stays open")]
    // SAFETY: `owner` keeps its descriptor open and the same until it is dropped, and `AsyncFd` owns it.
    Ok(unsafe { AsyncFd::register(owner) }?)
}
