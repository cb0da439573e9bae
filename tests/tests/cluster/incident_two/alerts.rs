//! What somebody on call is sent about an address that moves.

use std::time::Duration;

use anyhow::{Context as _, Result};
use lab::real::{Cluster, Monitor, PATIENCE};
use lab::wait;

use super::{NAMESPACE, SOON, VIP, address, moves};

const BURSTS: &str = "FlowObserverResetsAfterVipMove";
const FLAP: &str = "FlowObserverVipFlapping";
/// MetalLB writes its status in its own time, which isn't shortened as that of the rules is.
const CONFLICT: &str = "FlowObserverVipConflict";
/// The alert begins with the third move within its window; some of the moves may take longer.
const MOST: usize = 8;
/// A burst is over when its window, and the time that it has to be calm for, have passed.
const CALM: Duration = Duration::from_secs(90);

/// One move resets open connections; then the address goes to and fro.
pub(super) fn flapping(cluster: &Cluster) -> Result<()> {
    // Resets that follow those of another scenario closely belong to its burst, and no alert begins.
    cluster.wait_no_finding(NAMESPACE, ("rst_burst", "active"), CALM)?;
    let monitor = Monitor::start(cluster)?;
    // The first time it is a single move: one that is repeated at once would be a flap from the start.
    let before = address::settled(cluster, VIP)?;
    let clients = address::connected(cluster, VIP)?;
    let excluded = moves::excluded(cluster, &before)?;
    cluster.wait_finding(NAMESPACE, ("rst_burst", "active"), SOON, |_| true)?;
    // On a busy machine the old holder announces it once more: that is a flap, whose alert stands for the bursts at once.
    let first = wait::until("the first alert", PATIENCE, || {
        [BURSTS, FLAP].into_iter().find(|name| notified(&monitor, name))
    })
    .with_context(|| format!("{:#?}\n{:#?}", monitor.notified(), cluster.vip(VIP)))?;
    address::settled(cluster, VIP)?;
    excluded.finish()?;
    for _ in 0..MOST {
        if notified(&monitor, FLAP) {
            break;
        }
        to_and_fro(cluster)?;
    }
    wait::until(&format!("alert {FLAP}"), SOON, || notified(&monitor, FLAP).then_some(()))
        .with_context(|| format!("{:#?}", monitor.notified()))?;
    drop(clients);
    match first {
        BURSTS => monitor.notified_exactly(&[BURSTS, FLAP], &[CONFLICT])?,
        _ => monitor.notified_exactly(&[FLAP], &[BURSTS, CONFLICT])?,
    }
    cluster.wait_claimant(VIP, SOON, |_| true).map(drop)
}

fn notified(monitor: &Monitor<'_>, name: &str) -> bool {
    monitor.notified().iter().any(|alert| alert.name == name)
}

/// The announcing node is excluded, and taken back.
fn to_and_fro(cluster: &Cluster) -> Result<()> {
    let before = cluster.wait_claimant(VIP, SOON, |_| true)?;
    let moved = address::moves(cluster, VIP)?;
    let excluded = moves::excluded(cluster, &before)?;
    cluster.wait_claimant(VIP, SOON, |node| node != before)?;
    excluded.finish()?;
    wait::until("the address to return", SOON, || {
        (address::moves(cluster, VIP).ok()? >= moved + 2).then_some(())
    })
}
