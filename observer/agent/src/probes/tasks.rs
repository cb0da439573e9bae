//! The probes' tasks: follow links, read the ring, drain the counters, sweep the handshakes.

use std::sync::Arc;
use std::time::Duration;

use aya::Ebpf;
use flow_model::input::Input;
use tokio::sync::mpsc;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{error, warn};

use crate::netlink::links::{LinkEvent, Role};
use crate::probes::attach::{AttachMode, Attacher};
use crate::probes::clock::Clock;
use crate::probes::drain::Drain;
use crate::probes::held::Held;
use crate::probes::load::Loaded;
use crate::probes::reasons::Reasons;
use crate::probes::ring::Reader;
use crate::probes::seed::Seed;
use crate::probes::sweep::Sweep;
use crate::probes::{ProbeError, ring};

const DRAIN_EVERY: Duration = Duration::from_millis(500);

/// See [`Hooks::complete`].
pub type Complete = Arc<dyn Fn(&mut Input) + Send + Sync>;

/// What the tasks tell the rest of the agent about themselves. Called from one task each.
pub struct Hooks {
    /// The first dump of links is done and every one of them is attached.
    pub synced: Box<dyn FnOnce() + Send>,
    /// Whether a probe works: `pods`, `uplinks`, `drops`.
    pub attached: Box<dyn Fn(&'static str, bool) + Send>,
    /// Interfaces followed, by role.
    pub followed: Box<dyn Fn(&'static str, usize) + Send>,
    /// Completes what the kernel's hooks alone can't tell of a record. Called for each, and must not block.
    pub complete: Complete,
    /// Entries of a map.
    pub entries: Arc<dyn Fn(&'static str, usize) + Send + Sync>,
}

/// Starts the tasks. They end when cancelled, and everything is detached when they have ended.
///
/// # Errors
/// When a map is missing or of another type.
pub fn spawn(
    loaded: Loaded,
    mode: AttachMode,
    links: mpsc::Receiver<LinkEvent>,
    engine: &mpsc::Sender<Input>,
    hooks: Hooks,
    tasks: &TaskTracker,
    cancel: &CancellationToken,
) -> Result<(), ProbeError> {
    let Loaded { mut ebpf, ring, claims, reasons, drops } = loaded;
    let drain = Drain::new(&mut ebpf)?;
    let (sweep, held) = (Sweep::new(&mut ebpf)?, Held::new(&mut ebpf)?);
    let seed = Seed::new(&mut ebpf)?;
    let attacher = Attacher::from_ebpf(ebpf, mode)?;
    let Hooks { synced, attached, followed, complete, entries } = hooks;
    attached("drops", drops.is_ok());
    tasks.spawn(follow(attacher, links, seed, synced, attached, followed, cancel.clone()));
    let reader = Reader::new(ring, reasons.clone(), claims);
    let reading = ring::read(reader, Arc::clone(&complete), engine.clone(), cancel.clone());
    let stop = cancel.clone();
    tasks.spawn(async move {
        if let Err(error) = reading.await {
            error!(%error, "the event ring can't be read");
            stop.cancel();
        }
    });
    tasks.spawn(count((drain, sweep, held), reasons, complete, engine.clone(), entries, cancel.clone()));
    Ok(())
}

async fn follow(
    mut attacher: Attacher,
    mut links: mpsc::Receiver<LinkEvent>,
    seed: Seed,
    synced: Box<dyn FnOnce() + Send>,
    attached: Box<dyn Fn(&'static str, bool) + Send>,
    followed: Box<dyn Fn(&'static str, usize) + Send>,
    cancel: CancellationToken,
) {
    let mut first = Some((seed, synced));
    attached("pods", true);
    attached("uplinks", true);
    loop {
        let event = tokio::select! {
            event = links.recv() => event,
            () = cancel.cancelled() => None,
        };
        match event {
            None => break,
            Some(LinkEvent::Up(link)) => {
                if let Err(error) = attacher.up(&link) {
                    warn!(%error, "interface not followed");
                    attached(if link.role == Role::Uplink { "uplinks" } else { "pods" }, false);
                }
            }
            Some(LinkEvent::Gone { ifindex, .. }) => attacher.gone(ifindex),
            Some(LinkEvent::Synced) => {
                if let Some((seed, synced)) = first.take() {
                    // Aside, so that a long table does not hold up new interfaces.
                    let seeding = seed.run(attacher.pod_links());
                    tokio::spawn(async move {
                        seeding.await;
                        synced();
                    });
                }
            }
        }
        let (pods, uplinks) = attacher.followed();
        followed("pod", pods);
        followed("uplink", uplinks);
    }
}

async fn count(
    (mut drain, mut sweep, mut held): (Drain, Sweep, Held),
    reasons: Reasons,
    complete: Complete,
    engine: mpsc::Sender<Input>,
    entries: Arc<dyn Fn(&'static str, usize) + Send + Sync>,
    cancel: CancellationToken,
) {
    let mut tick = tokio::time::interval(DRAIN_EVERY);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut warned = false;
    loop {
        // One last drain after the cancellation, so that a stop loses nothing that was counted.
        let last = tokio::select! {
            _ = tick.tick() => false,
            () = cancel.cancelled() => true,
        };
        let names = reasons.clone();
        let done = tokio::task::spawn_blocking(move || {
            let drained = drain.take(&names);
            let swept = sweep.run(Clock::read(), &names);
            let stranded = held.take(Clock::read(), last);
            ((drain, sweep, held), [drained, swept, stranded])
        });
        let Ok((parts, results)) = done.await else { return };
        (drain, sweep, held) = parts;
        entries("pairs", drain.pairs_seen);
        entries("handshakes", sweep.entries);
        let mut or_warn = |result: Result<Vec<Input>, ProbeError>| {
            result.unwrap_or_else(|error| {
                if !std::mem::replace(&mut warned, true) {
                    warn!(%error, "counters could not be read; this is logged once");
                }
                Vec::new()
            })
        };
        for mut input in results.into_iter().flat_map(&mut or_warn) {
            complete(&mut input);
            if engine.send(input).await.is_err() {
                return;
            }
        }
        if last {
            return;
        }
    }
}

/// Prints what the probes log. Only called when asked for.
pub(super) fn forward_log(ebpf: &mut Ebpf) {
    match aya_log::EbpfLogger::init(ebpf) {
        Ok(logger) => {
            tokio::spawn(async move {
                let Ok(mut logger) = ring::poll(logger) else { return };
                while let Ok(mut ready) = logger.readable_mut().await {
                    ready.get_inner_mut().flush();
                    ready.clear_ready();
                }
            });
        }
        Err(error) => warn!(%error, "the probes' log can't be read"),
    }
}
