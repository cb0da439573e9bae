//! Starts the sources: the cluster, the node's interfaces, its neighbours and its open connections.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;

use anyhow::Context as _;
use arcstr::ArcStr;
use flow_model::blind_spot::{BlindReason, Unseen};
use flow_model::input::Input;
use flow_model::inventory::Inventory;
use observer_abi::MAX_VIPS;
use parking_lot::Mutex;
use tokio::sync::{Notify, mpsc, watch};
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use crate::app::api::Api;
use crate::config::{ClusterSource, EnforcerLogChoice, Options};
use crate::kube::server::{self, Hooks, Patience, Sync};
use crate::netlink::NetlinkError;
use crate::netlink::connections::{self as open_connections, Listing, Opened, Source};
use crate::netlink::conntrack::pressure;
use crate::netlink::enforcer_log::EnforcerLog;
use crate::netlink::links::{self as node_links, UplinkChoice};
use crate::netlink::neighbours::resolve;
use crate::netlink::{neighbours as node_neighbours, sock_diag};
use crate::probes::{Flows, InSight, OwnPods, Ports, Vips, Witness};
use crate::sink::readiness::ReadinessGuard;
use crate::sink::state::Shared;
use crate::tasks::{Tasks, blocking};

/// The name of the probe that reads the enforcer's log.
const ENFORCER_LOG: &str = "enforcer_log";

/// Follows the cluster source and writes each change to `inventory`.
///
/// # Errors
/// Fails when the source can't be read at the start.
pub(super) async fn cluster(
    options: &Options,
    api: &Api,
    inventory: watch::Sender<Arc<Inventory>>,
    shared: &Arc<Shared>,
    tasks: &Tasks,
    cancel: &CancellationToken,
) -> anyhow::Result<()> {
    match &options.cluster {
        ClusterSource::Kube => {
            let access = api.access(options).await.context("--cluster kube")?;
            let waiting = shared.readiness.guard("cluster");
            server::spawn(&access, patience(options), inventory, kube_hooks(shared, waiting), tasks, cancel);
            Ok(())
        }
        ClusterSource::None => Ok(()),
        ClusterSource::Dir(path) => {
            let (_, follower) = crate::kube::directory::spawn(path, inventory, cancel.clone())
                .with_context(|| format!("--cluster dir:{}", path.display()))?;
            shared.metrics.set_cluster_synced("dir", Some(true));
            tasks.spawn(follower);
            Ok(())
        }
    }
}

/// Returns a token that is cancelled when the first snapshot of the cluster is there.
pub(super) fn known(
    options: &Options,
    mut inventories: watch::Receiver<Arc<Inventory>>,
    tasks: &Tasks,
) -> CancellationToken {
    let known = CancellationToken::new();
    // The other sources were read at once, or have nothing.
    if !matches!(options.cluster, ClusterSource::Kube) {
        known.cancel();
        return known;
    }
    let first = known.clone();
    tasks.spawn(async move {
        // Fails when the source ends, with the agent.
        if inventories.changed().await.is_ok() {
            first.cancel();
        }
    });
    known
}

fn patience(options: &Options) -> Patience {
    Patience { retry: options.kube_retry.unsigned_abs(), silence: options.kube_silence.unsigned_abs() }
}

fn kube_hooks(shared: &Arc<Shared>, waiting: ReadinessGuard) -> Hooks {
    let shared = Arc::clone(shared);
    let sync = move |kind: &'static str, sync: &Sync| {
        let synced = match sync {
            Sync::Synced => Some(true),
            Sync::Absent => None,
            Sync::Stale(_) => Some(false),
        };
        shared.metrics.set_cluster_synced(kind, synced);
        let stale = if let Sync::Stale(stale) = sync { Some(stale.why.clone()) } else { None };
        shared.readiness.set_stale(kind, stale);
    };
    let ready = move || {
        drop(waiting);
        // Reading the lists needs more memory than keeping their objects.
        crate::memory::give_back();
    };
    Hooks { sync: Box::new(sync), ready: Box::new(ready) }
}

/// Keeps the kernel's set of addresses whose announcements get records up to date: `extra`, the VIPs of Services, and the
/// addresses of Nodes where there is room.
pub(super) fn vips(
    mut kernel: Vips,
    extra: &[IpAddr],
    inventories: watch::Receiver<Arc<Inventory>>,
    tasks: &Tasks,
    cancel: &CancellationToken,
) {
    let extra: BTreeSet<_> = extra.iter().map(IpAddr::to_canonical).collect();
    on_each(inventories, tasks, cancel, move |inventory| {
        let mut known = vips_of_services(inventory);
        known.extend(&extra);
        let room = usize::try_from(MAX_VIPS).unwrap_or(usize::MAX).saturating_sub(known.len());
        known.extend(node_addresses(inventory).take(room.min(MAX_NODE_ADDRESSES)));
        if let Err(error) = kernel.set(&known) {
            warn!(%error, "announcements of some VIPs are not reported");
        }
    });
}

/// Keeps the kernel's set of the ports that servers listen on up to date.
pub(super) fn ports(
    mut kernel: Ports,
    inventories: watch::Receiver<Arc<Inventory>>,
    tasks: &Tasks,
    cancel: &CancellationToken,
) {
    on_each(inventories, tasks, cancel, move |inventory| {
        if let Err(error) = kernel.set(server_ports(inventory)) {
            warn!(%error, "which side sent the reset of a connection whose start was not seen may be guessed from its ports");
        }
    });
}

/// Keeps the addresses of this node's pods that have a network of their own.
pub(super) fn own_pods(
    node: ArcStr,
    inventories: watch::Receiver<Arc<Inventory>>,
    tasks: &Tasks,
    cancel: &CancellationToken,
) -> OwnPods {
    let addresses = OwnPods::default();
    let kept = Arc::clone(&addresses);
    on_each(inventories, tasks, cancel, move |inventory| {
        let own = inventory.pods.iter();
        let own = own.filter(|pod| pod.node.as_ref() == Some(&node) && !pod.host_network && !pod.finished);
        let ips = own.flat_map(|pod| pod.ips.iter().chain(&pod.attached_ips)).map(IpAddr::to_canonical);
        *kept.lock() = ips.collect();
    });
    addresses
}

/// Calls `f` with the inventory now, and with each that comes.
fn on_each(
    mut inventories: watch::Receiver<Arc<Inventory>>,
    tasks: &Tasks,
    cancel: &CancellationToken,
    mut f: impl FnMut(&Inventory) + Send + 'static,
) {
    let cancel = cancel.clone();
    tasks.spawn(async move {
        loop {
            f(&inventories.borrow_and_update());
            let changed = tokio::select! {
                changed = inventories.changed() => changed.is_ok(),
                () = cancel.cancelled() => false,
            };
            if !changed {
                return;
            }
        }
    });
}

/// Returns the TCP ports of Services, their backends and containers.
fn server_ports(inventory: &Inventory) -> BTreeSet<u16> {
    let tcp = |protocol: &str| protocol.eq_ignore_ascii_case("TCP");
    let services = inventory.services.iter();
    let services = services.flat_map(|service| {
        let ports = service.ports.iter().filter(move |port| tcp(&port.protocol));
        let backends = service.backends.iter().filter(move |backend| tcp(&backend.protocol));
        ports
            .flat_map(|port| std::iter::once(port.port).chain(port.node_port))
            .chain(backends.map(|backend| backend.port))
    });
    let containers = inventory.pods.iter().flat_map(|pod| pod.ports.iter());
    let containers = containers.filter(|port| tcp(&port.protocol)).map(|port| port.port);
    services.chain(containers).collect()
}

/// Addresses of Nodes whose announcements are followed as well: they tell which node has which Ethernet address.
const MAX_NODE_ADDRESSES: usize = 256;

fn node_addresses(inventory: &Inventory) -> impl Iterator<Item = IpAddr> {
    inventory.nodes.iter().flat_map(|node| node.ips.iter().map(IpAddr::to_canonical))
}

fn vips_of_services(inventory: &Inventory) -> BTreeSet<IpAddr> {
    inventory.services.iter().flat_map(|service| service.vips.iter().copied()).collect()
}

/// Follows the node's interfaces. The agent stops when that fails: without them it sees no traffic.
pub(super) fn links(
    options: &Options,
    inventories: watch::Receiver<Arc<Inventory>>,
    to: node_links::Outlets,
    tasks: &Tasks,
    cancel: &CancellationToken,
) {
    let choice = UplinkChoice::parse(&options.uplink);
    let cancel = cancel.clone();
    tasks.spawn(async move {
        if let Err(error) = node_links::follow(choice, inventories, to, cancel.clone()).await {
            error!(%error, "interfaces can't be followed");
            cancel.cancel();
        }
    });
}

/// Tells the engine what can't be seen, at each change.
pub(super) fn sight(shared: Arc<Shared>, to: mpsc::Sender<Input>, tasks: &Tasks, cancel: &CancellationToken) {
    let cancel = cancel.clone();
    tasks.spawn(async move {
        loop {
            tokio::select! {
                () = shared.sight.changed() => {}
                () = cancel.cancelled() => return,
            }
            if to.send(Input::Blind { spots: shared.sight.list() }).await.is_err() {
                return;
            }
        }
    });
}

/// Follows the Ethernet addresses of neighbours. Without them, claimants that no Node names are shown as addresses.
pub(super) fn neighbours(to: mpsc::Sender<Input>, tasks: &Tasks, cancel: &CancellationToken) {
    let following = node_neighbours::follow(to, cancel.clone());
    tasks.spawn(async move {
        if let Err(error) = following.await {
            warn!(%error, "neighbours can't be read: nodes that announce VIPs are not named");
        }
    });
}

/// Asks the kernel for the Ethernet addresses of Nodes while a host that holds a VIP has no name, and the agent is ready.
pub(super) fn resolution(
    shared: Arc<Shared>,
    cluster: watch::Receiver<Arc<Inventory>>,
    uplinks: watch::Receiver<BTreeSet<u32>>,
    tasks: &Tasks,
    cancel: &CancellationToken,
) {
    let is_needed = move || shared.vips.has_unnamed() && shared.readiness.pending().is_empty();
    let sources = resolve::Sources { is_needed: Box::new(is_needed), cluster, uplinks };
    let following = resolve::follow(sources, cancel.clone());
    tasks.spawn(async move {
        if let Err(error) = following.await {
            warn!(%error, "the kernel can't be asked for Nodes' Ethernet addresses: hosts that hold VIPs may stay unnamed");
        }
    });
}

/// Follows whether the table of tracked connections is full, which drops new connections.
pub(super) fn table_full(to: mpsc::Sender<Input>, tasks: &Tasks, cancel: &CancellationToken) {
    let cancel = cancel.clone();
    tasks.spawn(async move {
        tokio::select! {
            () = pressure::follow(to) => {}
            () = cancel.cancelled() => {}
        }
    });
}

/// Reads the enforcer's log, if one is chosen. Without it, records lack what the enforcer logged. Nothing waits for it:
/// the kernel may have to load a module first.
pub(super) fn enforcer_log(
    choice: EnforcerLogChoice,
    shared: Arc<Shared>,
    to: mpsc::Sender<Input>,
    tasks: &Tasks,
    cancel: &CancellationToken,
) {
    let EnforcerLogChoice::Group(group) = choice else { return };
    let cancel = cancel.clone();
    tasks.spawn(async move {
        let read = read_enforcer_log(group, &shared, &to);
        let error = tokio::select! {
            ended = read => match ended {
                Ok(()) => return,
                Err(error) => error,
            },
            () = cancel.cancelled() => return,
        };
        let why = format!(
            "what the enforcer logs is not read, and missing from refusals: {error}. Nothing else depends on it, and it is \
             not tried again; restart the agent once the group is free, or set --enforcer-log"
        );
        warn!("{why}");
        shared.metrics.set_probe_attached(ENFORCER_LOG, false);
        let place = format!("group {group}");
        shared.set_blind(BlindReason::EnforcerLog, &place, Some(Unseen::elsewhere(why)));
        // The engine may have ended meanwhile.
        to.send(Input::EnforcerLog { read: false }).await.ok();
    });
}

async fn read_enforcer_log(
    group: u16,
    shared: &Shared,
    to: &mpsc::Sender<Input>,
) -> Result<(), NetlinkError> {
    let log = blocking(move || EnforcerLog::open(group)).await?;
    info!(group, "the enforcer's log is read");
    shared.metrics.set_probe_attached(ENFORCER_LOG, true);
    if to.send(Input::EnforcerLog { read: true }).await.is_err() {
        return Ok(());
    }
    log.follow(to).await
}

/// Returns the witness of connections that no hook sees. It is silent about pods whose traffic is known to be hidden.
pub(super) fn witness(flows: &Arc<Mutex<Flows>>, in_sight: InSight, shared: &Arc<Shared>) -> Witness {
    let [known, blind] = std::array::from_fn(|_| Arc::clone(shared));
    let explained = move |ip| known.sight.list().iter().any(|spot| spot.explains(ip));
    let report = move |reason, place: &str, unseen| blind.set_blind(reason, place, unseen);
    Witness::new(Arc::clone(flows), in_sight, Box::new(explained), Arc::new(report))
}

/// Follows the open connections. Without them there are no latent denials; everything else works.
pub(super) fn connections(
    flows: Arc<Mutex<Flows>>,
    mut witness: Witness,
    look: Arc<Notify>,
    to: mpsc::Sender<Input>,
    tasks: &Tasks,
    cancel: &CancellationToken,
) {
    // Sockets include connections older than the agent. Where their namespaces can't be entered, the probes know the rest.
    let tracker = Arc::clone(&flows);
    let otherwise = move || match sock_diag::established() {
        Ok(open) => Ok(Listing { open, all: true }),
        Err(_) => tracker.lock().list().map(|open| Listing { open, all: false }),
    };
    let source = Source::Conntrack { otherwise: Some(Box::new(otherwise)) };
    let keep = Box::new(move |opened: &Opened<'_>| {
        opened.tuples.iter().for_each(|tuple| flows.lock().keep(tuple));
        witness.look(opened);
    });
    let following = open_connections::follow(source, Default::default(), keep, look, to, cancel.clone());
    tasks.spawn(async move {
        if let Err(error) = following.await {
            warn!(%error, "open connections can't be read: latent denials are not reported");
        }
    });
}
