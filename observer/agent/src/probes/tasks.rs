//! The probes' tasks: follow links, read the ring, collect from the maps.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use flow_model::blind_spot::{BlindReason, Unseen};
use flow_model::input::Input;
use parking_lot::Mutex;
use tokio::sync::mpsc;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{error, info, warn};

use crate::netlink::links::LinkEvent;
use crate::probes::attach::{AttachMode, Attacher};
use crate::probes::bypass::Bypasses;
use crate::probes::collector::Collector;
use crate::probes::error::ProbeError;
use crate::probes::established::Followed;
use crate::probes::following::Following;
use crate::probes::held_resets::HeldResets;
use crate::probes::hooks::{Blind, Complete, Hooks, Publish};
use crate::probes::load::Loaded;
use crate::probes::reset_reasons::{self, ResetReasons};
use crate::probes::ring;

const COLLECT_EVERY: Duration = Duration::from_millis(500);
/// Time between two tries to attach where it failed, and two looks at who else is attached.
const CHECK_EVERY: Duration = Duration::from_secs(10);

/// Starts the tasks. They end when cancelled, and every program is detached when they have ended.
///
/// # Errors
/// Fails when a map is missing or of another type.
pub fn spawn(
    mut loaded: Loaded,
    mode: AttachMode,
    links: mpsc::Receiver<LinkEvent>,
    engine: &mpsc::Sender<Input>,
    hooks: Hooks,
    tasks: &TaskTracker,
    cancel: &CancellationToken,
) -> Result<(), ProbeError> {
    let mut collector = Collector::new(&mut loaded)?;
    let bypasses = Bypasses::new(&mut loaded.ebpf)?;
    if let Some(works) = loaded.accept_queues {
        (hooks.attached)("accept_queues", works);
    }
    if let Some(reasons) = reset_reasons(&mut loaded, &hooks)? {
        collector.explain_resets(Arc::clone(&reasons));
        loaded.reader.hold_resets(HeldResets::new(reasons));
    }
    let mut each = Followed::new(&mut loaded)?;
    // Before anything is attached: a recording has everything from the start on.
    each.set(*hooks.readers.borrow() > 0)?;
    tasks.spawn(each.follow(hooks.readers.clone(), cancel.clone()));
    let Loaded { ebpf, reader, drops, .. } = loaded;
    let attacher = Attacher::new(ebpf, mode)?;
    let Hooks { synced, attached, blind, followed, complete, publish, .. } = hooks;
    let first = First { drops, synced };
    let following = Following::new(attacher, bypasses, attached, Arc::clone(&blind));
    tasks.spawn(follow(following, links, first, followed, cancel.clone()));
    let reading = ring::read(reader, Arc::clone(&complete), engine.clone(), cancel.clone());
    let stop = cancel.clone();
    tasks.spawn(async move {
        if let Err(error) = reading.await {
            error!(%error, "the event ring can't be read");
            stop.cancel();
        }
    });
    tasks.spawn(collect(collector, complete, engine.clone(), publish, blind, cancel.clone()));
    Ok(())
}

/// Attaches the probe of sent resets, where the kernel gives their reasons.
fn reset_reasons(loaded: &mut Loaded, hooks: &Hooks) -> Result<Option<Arc<Mutex<ResetReasons>>>, ProbeError> {
    let types = match &loaded.types {
        Ok(types) => types,
        Err(why) => {
            info!("resets are reported without reasons: {why}");
            return Ok(None);
        }
    };
    if let Err(missing) = types.resets {
        info!("resets are reported without reasons: {missing}");
        return Ok(None);
    }
    let attached = reset_reasons::attach(&mut loaded.ebpf);
    (hooks.attached)("reset_reasons", attached.is_ok());
    let program = match attached {
        Ok(program) => program,
        Err(error) => {
            warn!(%error, "resets are reported without reasons");
            return Ok(None);
        }
    };
    let mut reasons = ResetReasons::new(&mut loaded.ebpf, types, program)?;
    reasons.tick();
    Ok(Some(Arc::new(Mutex::new(reasons))))
}

/// What waits for the first dump of links.
struct First {
    drops: Result<(), String>,
    synced: Box<dyn FnOnce(BTreeSet<u32>) + Send>,
}

impl First {
    /// Attaches the drop probe: the role of every interface is known now, by which it tells this node's drops from others.
    fn attach_drops(&self, attacher: &mut Attacher) -> Result<(), String> {
        self.drops.clone().and_then(|()| attacher.attach_drops().map_err(|e| e.to_string()))
    }
}

async fn follow(
    mut following: Following,
    mut links: mpsc::Receiver<LinkEvent>,
    first: First,
    followed: Box<dyn Fn(&'static str, usize) + Send>,
    cancel: CancellationToken,
) {
    let mut first = Some(first);
    let mut tick = tokio::time::interval(CHECK_EVERY);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    following.report();
    loop {
        tokio::select! {
            event = links.recv() => match event {
                None => break,
                Some(LinkEvent::Up(link)) => following.up(link).await,
                Some(LinkEvent::Gone { ifindex, name }) => following.gone(ifindex, &name),
                Some(LinkEvent::Synced) => {
                    if let Some(first) = first.take() {
                        let drops = first.attach_drops(&mut following.attacher);
                        following.drops(&drops);
                        following.check().await;
                        (first.synced)(following.attacher.pod_links());
                    }
                }
            },
            _ = tick.tick(), if first.is_none() => following.check().await,
            () = cancel.cancelled() => break,
        }
        let (pods, uplinks) = following.attacher.followed();
        followed("pod", pods);
        followed("uplink", uplinks);
        if first.is_none() {
            following.uplinks(uplinks);
        }
    }
}

/// Sends what the maps hold, at intervals.
async fn collect(
    mut collector: Collector,
    complete: Complete,
    engine: mpsc::Sender<Input>,
    publish: Publish,
    blind: Blind,
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
        let publish = publish.clone();
        let collecting = tokio::task::spawn_blocking(move || {
            let results = collector.all(last);
            collector.publish(&publish);
            (results, collector)
        });
        let Ok((results, back)) = collecting.await else { return };
        collector = back;
        let failed = results.iter().find_map(|result| result.as_ref().err()).map(ToString::to_string);
        let late =
            |error| format!("counts are late or incomplete: {error}; if it stays so, restart the agent");
        blind(BlindReason::Counters, "maps", failed.map(late).map(Unseen::elsewhere));
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
