//! MetalLB, and a web server on every node behind one of its addresses.

use anyhow::{Result, ensure};
use lab::real::{CLIENT, Cluster, PATIENCE};
use lab::wait;

use super::{NAMESPACE, SOON, VIP, address};

const WEB: &str = include_str!("../manifests/web.yaml");
const POOL: &str = include_str!("../manifests/pool.yaml");

/// Installs the agents and MetalLB, unless they are there.
pub(super) fn ensure(cluster: &Cluster) -> Result<()> {
    cluster.ensure_agents()?;
    if is_there(cluster) { Ok(()) } else { install(cluster) }
}

fn is_there(cluster: &Cluster) -> bool {
    cluster.kubectl(&format!("-n {NAMESPACE} get service web")).is_ok()
}

/// Its resources appear after the agents have started.
pub(super) fn added(cluster: &Cluster) -> Result<()> {
    ensure!(!is_there(cluster), "MetalLB is there already: this needs a new cluster");
    install(cluster)?;
    let (service, _) = address::new(cluster, "known", "192.0.2.209")?;
    service.finish()
}

fn install(cluster: &Cluster) -> Result<()> {
    cluster.kubectl(&format!("apply -f {}/metallb.yaml", cluster.dir().display()))?;
    cluster.rolled_out("metallb-system", "deployment/controller")?;
    cluster.rolled_out("metallb-system", "daemonset/speaker")?;
    // The webhook answers some time after its pod is Ready.
    wait::until("MetalLB's webhook", PATIENCE, || cluster.apply(POOL).ok())?;
    cluster.apply(WEB)?;
    cluster.rolled_out(NAMESPACE, "deployment/web")?;
    // It may move at first, as its backends become ready one after the other. MetalLB may lose its status object then.
    cluster.wait_claimant(VIP, SOON, |_| true)?;
    reachable(cluster)
}

/// Waits until a host on the LAN gets an answer from the address.
pub(super) fn reachable(cluster: &Cluster) -> Result<()> {
    let dial = address::dial(cluster, &format!("{VIP}:80"));
    wait::until("the address to answer", SOON, || cluster.on(CLIENT, &dial).ok()).map(drop)
}
