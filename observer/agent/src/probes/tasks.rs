//! The probes' tasks: follow links, read the ring, collect from the maps.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use flow_model::input::Input;
use parking_lot::Mutex;
use tokio::sync::mpsc;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use crate::netlink::links::LinkEvent;
use crate::probes::attach::{AttachMode, Attacher};
use crate::probes::bypass::Bypasses;
use crate::probes::collecting::{Before, Reports, collect};
use crate::probes::collector::Collector;
use crate::probes::error::ProbeError;
use crate::probes::established::Followed;
use crate::probes::following::Following;
use crate::probes::held_resets::HeldResets;
use crate::probes::hidden::Hidden;
use crate::probes::hooks::Hooks;
use crate::probes::load::Loaded;
use crate::probes::owners::{self, HeldOwners, Owners};
use crate::probes::reset_reasons::{self, ResetReasons};
use crate::probes::ring;
use crate::tasks::Tasks;

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
    tasks: &Tasks,
    cancel: &CancellationToken,
) -> Result<(), ProbeError> {
    let mut collector = Collector::new(&mut loaded)?;
    let bypasses = Bypasses::new(&mut loaded.ebpf)?;
    let hidden = Hidden::new(&mut loaded.ebpf, Arc::clone(&hooks.own_pods))?;
    if let Some(works) = loaded.accept_queues {
        (hooks.attached)("accept_queues", works);
    }
    if let Some(reasons) = reset_reasons(&mut loaded, &hooks)? {
        collector.explain_resets(Arc::clone(&reasons));
        loaded.reader.hold_resets(HeldResets::new(reasons));
    }
    if let Some(owners) = owners(&mut loaded, &hooks)? {
        collector.name_owners(Arc::clone(&owners));
        loaded.reader.hold_owners(HeldOwners::new(owners));
    }
    let mut each = Followed::new(&mut loaded)?;
    // Before anything is attached: a recording has everything from the start on.
    each.set(*hooks.readers.borrow() > 0)?;
    tasks.spawn(each.follow(hooks.readers.clone(), cancel.clone()));
    let Loaded { ebpf, reader, drops, pins, .. } = loaded;
    let attacher = Attacher::new(ebpf, mode, pins.clone())?;
    let Hooks { synced, attached, blind, followed, complete, publish, hand_over, in_sight, .. } = hooks;
    let all_attached = CancellationToken::new();
    let taken_over = all_attached.clone();
    let synced = Box::new(move |links| {
        taken_over.cancel();
        synced(links);
    });
    let first = First { drops, synced };
    let following = Following::new(attacher, bypasses, (hidden, in_sight), attached, Arc::clone(&blind));
    tasks.spawn(follow(following, links, first, followed, cancel.clone()));
    let reading = ring::read(reader, Arc::clone(&complete), engine.clone(), cancel.clone());
    let stop = cancel.clone();
    tasks.spawn(async move {
        if let Err(error) = reading.await {
            error!(%error, "the event ring can't be read");
            stop.cancel();
        }
    });
    let reports = Reports { complete, publish, blind, warned: false };
    let before = Before { pins, all_attached };
    tasks.spawn(collect(collector, reports, before, hand_over, cancel.clone()));
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

/// Attaches the probe of sockets, where the kernel's types tell how to read them.
fn owners(loaded: &mut Loaded, hooks: &Hooks) -> Result<Option<Arc<Mutex<Owners>>>, ProbeError> {
    let known = match &loaded.types {
        Ok(types) => types.sockets.and(types.namespaces).map_err(|missing| missing.to_string()),
        Err(why) => Err(why.clone()),
    };
    if let Err(missing) = known {
        info!("pods in the node's own network are not told from the node: {missing}");
        return Ok(None);
    }
    let attached = owners::attach(&mut loaded.ebpf);
    (hooks.attached)("sockets", attached.is_ok());
    if let Err(error) = attached {
        warn!(%error, "pods in the node's own network are not told from the node");
        return Ok(None);
    }
    let mut owners = Owners::new(&mut loaded.ebpf)?;
    owners.tick();
    Ok(Some(Arc::new(Mutex::new(owners))))
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
                        following.attacher.forget_others();
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
