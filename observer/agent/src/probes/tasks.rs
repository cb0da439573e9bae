//! The probes' tasks: follow links, read the ring, collect from the maps.

use std::sync::Arc;
use std::time::Duration;

use flow_model::input::Input;
use parking_lot::Mutex;
use tokio::sync::mpsc;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{error, warn};

use crate::netlink::links::{LinkEvent, Role};
use crate::probes::attach::{AttachMode, Attacher};
use crate::probes::collector::Collector;
use crate::probes::error::ProbeError;
use crate::probes::hooks::{Complete, Hooks};
use crate::probes::load::Loaded;
use crate::probes::seed::Lasting;
use crate::probes::{ring, seed};

const COLLECT_EVERY: Duration = Duration::from_millis(500);

/// Starts the tasks. They end when cancelled, and every program is detached when they have ended.
///
/// # Errors
/// Fails when a map is missing or of another type.
pub fn spawn(
    mut loaded: Loaded,
    mode: AttachMode,
    links: mpsc::Receiver<LinkEvent>,
    engine: &mpsc::Sender<Input>,
    lasting: Arc<Mutex<Lasting>>,
    hooks: Hooks,
    tasks: &TaskTracker,
    cancel: &CancellationToken,
) -> Result<(), ProbeError> {
    let collector = Collector::new(&mut loaded)?;
    let Loaded { ebpf, reader, drops, .. } = loaded;
    let attacher = Attacher::new(ebpf, mode)?;
    let Hooks { synced, attached, followed, complete, entries, unattributed } = hooks;
    let first = First { drops, lasting, synced };
    tasks.spawn(follow(attacher, links, first, attached, followed, cancel.clone()));
    let reading = ring::read(reader, Arc::clone(&complete), engine.clone(), cancel.clone());
    let stop = cancel.clone();
    tasks.spawn(async move {
        if let Err(error) = reading.await {
            error!(%error, "the event ring can't be read");
            stop.cancel();
        }
    });
    tasks.spawn(collect(collector, complete, engine.clone(), entries, unattributed, cancel.clone()));
    Ok(())
}

/// What waits for the first dump of links.
struct First {
    drops: Result<(), String>,
    lasting: Arc<Mutex<Lasting>>,
    synced: Box<dyn FnOnce() + Send>,
}

impl First {
    /// Attaches the drop probe: the role of every interface is known now, by which it tells this node's drops from others.
    /// Returns whether it is attached.
    fn attach_drops(&mut self, attacher: &mut Attacher) -> bool {
        let attached = self.drops.clone().and_then(|()| attacher.attach_drops().map_err(|e| e.to_string()));
        attached.inspect_err(|why| warn!("drops are not reported: {why}")).is_ok()
    }

    /// Fills in older connections. It does so in a task of its own, so that a long table does not hold up new interfaces.
    fn seed(self, attacher: &Attacher) {
        let seeding = seed::run(self.lasting, attacher.pod_links());
        tokio::spawn(async move {
            seeding.await;
            (self.synced)();
        });
    }
}

async fn follow(
    mut attacher: Attacher,
    mut links: mpsc::Receiver<LinkEvent>,
    first: First,
    attached: Box<dyn Fn(&'static str, bool) + Send>,
    followed: Box<dyn Fn(&'static str, usize) + Send>,
    cancel: CancellationToken,
) {
    let mut first = Some(first);
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
                if let Some(mut first) = first.take() {
                    attached("drops", first.attach_drops(&mut attacher));
                    first.seed(&attacher);
                }
            }
        }
        let (pods, uplinks) = attacher.followed();
        followed("pod", pods);
        followed("uplink", uplinks);
    }
}

/// Sends what the maps hold, at intervals.
async fn collect(
    mut collector: Collector,
    complete: Complete,
    engine: mpsc::Sender<Input>,
    entries: Arc<dyn Fn(&'static str, usize) + Send + Sync>,
    unattributed: Arc<dyn Fn(&'static str, u64) + Send + Sync>,
    cancel: CancellationToken,
) {
    let mut tick = tokio::time::interval(COLLECT_EVERY);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut warned = false;
    loop {
        // One last time after the cancellation, so that a stop loses nothing that was counted.
        let last = tokio::select! {
            _ = tick.tick() => false,
            () = cancel.cancelled() => true,
        };
        let collecting =
            tokio::task::spawn_blocking(move || (collector.all(last), collector.unattributed(), collector));
        let Ok((results, drops, back)) = collecting.await else { return };
        collector = back;
        collector.entries().into_iter().for_each(|(map, count)| entries(map, count));
        drops.into_iter().for_each(|(namespace, count)| unattributed(namespace, count));
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
