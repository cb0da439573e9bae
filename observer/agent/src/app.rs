//! Builds the agent's parts, connects them, and stops them in order. No other file knows all parts.

mod access;
mod api;
mod checks;
mod engine_task;
mod follow;
mod history;
mod keeping;
mod kube_events;
mod node_check;
mod review;
mod single_instance;
mod translate;

pub use single_instance::SingleInstance;

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use arcstr::ArcStr;
use flow_core::bursts::BurstConfig;
use flow_core::enforcement::EnforcementConfig;
use flow_core::engine::{Engine, EngineConfig};
use flow_core::findings::FindingsConfig;
use flow_core::floods::FloodConfig;
use flow_core::scans::ScanConfig;
use flow_core::vips::VipConfig;
use flow_model::inventory::Inventory;
use parking_lot::Mutex;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{Notify, mpsc, watch};
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use crate::config::Options;
use crate::netlink::links::Outlets;
use crate::probes::{self, HandOver, Hooks, btf, host};
use crate::sink::metrics::MetricsConfig;
use crate::sink::readiness::ReadinessGuard;
use crate::sink::state::Shared;
use crate::sink::tail::TailConfig;
use crate::sink::{SinkConfig, Sinks};
use crate::tasks::Tasks;

/// Inputs between the probes and the engine. While it is full the ring is not read; the kernel counts what the ring drops.
const ENGINE_QUEUE: usize = 4_096;
/// Readings of the maps that wait for the engine. While it is full they are not read, and the kernel goes on counting.
const COUNTED_QUEUE: usize = 4;
const LINK_QUEUE: usize = 1_024;
/// Time limit from the signal to the end of the process.
const SHUTDOWN: Duration = Duration::from_millis(1_500);

/// Runs the agent until SIGTERM or SIGINT.
///
/// # Errors
/// Fails when a part can't start, or a required part fails later.
pub async fn run(options: Options) -> anyhow::Result<()> {
    // Before everything else, so that a signal during the start is not lost.
    let (mut term, mut int) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let cancel = CancellationToken::new();
    let tasks = Tasks::new(&cancel);
    let agent = start(options, &tasks, &cancel);
    let started = tokio::select! {
        started = agent => started,
        _ = term.recv() => Ok(()),
        _ = int.recv() => Ok(()),
    };
    if started.is_ok() {
        tokio::select! {
            _ = term.recv() => info!("SIGTERM: stopping"),
            _ = int.recv() => info!("SIGINT: stopping"),
            () = cancel.cancelled() => {}
        }
    }
    let failed = cancel.is_cancelled();
    cancel.cancel();
    if tokio::time::timeout(SHUTDOWN, tasks.ended()).await.is_err() {
        warn!("some tasks did not end in time");
    }
    started?;
    anyhow::ensure!(!failed, "a required part failed; the log above says which");
    Ok(())
}

async fn start(options: Options, tasks: &Tasks, cancel: &CancellationToken) -> anyhow::Result<()> {
    checks::validate(&options)?;
    let node = ArcStr::from(node_name(&options)?);
    let instance = SingleInstance::claim()?;
    let listener = listen(&options).await?;
    let api = api::Api::default();
    let access = access::settings(&options, listener.local_addr()?, &api).await?;
    for check in host::checks() {
        check.log();
    }
    let (inventory, inventories) = watch::channel(Arc::new(Inventory::default()));
    let (mut sinks, shared) = Sinks::new(&sink_config(&options, node.clone()));
    let attaching = shared.readiness.guard("interfaces");
    follow::cluster(&options, &api, inventory, &shared, tasks, cancel).await?;
    node_check::follow(node.clone(), inventories.clone(), tasks, cancel);
    kube_events::start(&options, &api, &mut sinks, &shared, inventories.clone(), tasks, cancel).await?;

    history::start(&options, &mut sinks, &shared, tasks, cancel)?;

    host::raise_memory_lock();
    let types = btf::KernelTypes::read().map_err(|e| e.to_string());
    let mut loaded =
        probes::load(&probe_settings(&options), types).context("the probes could not be loaded")?;
    crate::memory::give_back();
    let mode = options.attach.resolve(host::has_tcx());
    shared.set_info("node", node.as_str());
    shared.set_info("attach", format!("{mode:?}").to_lowercase());

    let (engine_tx, engine_rx) = mpsc::channel(ENGINE_QUEUE);
    let (mut engine, look) =
        (Engine::configured(node.clone(), engine_config(&options)), Arc::new(Notify::new()));
    let mut keeper = keeping::Keeper::open(options.state_dir.as_deref(), &node);
    if let Some(keeper) = &mut keeper {
        keeper.restore(&mut engine, &mut sinks);
    }
    let journal = keeper.as_ref().map(keeping::Keeper::journal);
    let recorder = recorder(&options, &node)?;
    if recorder.is_some() {
        // A recording is read like the tail, but later.
        shared.tail.add_reader();
    }
    let stage = engine_task::Stage::new(engine, sinks, recorder, Arc::clone(&look))
        .enforced_by(options.enforcer)
        .kept_by(keeper);
    follow::vips(probes::Vips::new(&mut loaded)?, &options.vip, inventories.clone(), tasks, cancel);
    let (counted_tx, counted_rx) = mpsc::channel(COUNTED_QUEUE);
    tasks.spawn(engine_task::run(stage, engine_rx, counted_rx, inventories.clone()));
    follow::ports(probes::Ports::new(&mut loaded)?, inventories.clone(), tasks, cancel);
    let flows = loaded.flows();
    let (link_tx, link_rx) = mpsc::channel(LINK_QUEUE);
    show_queue(&shared, "inputs_queue", &engine_tx);
    show_queue(&shared, "counts_queue", &counted_tx);
    show_queue(&shared, "links_queue", &link_tx);
    let own_pods = follow::own_pods(node.clone(), inventories.clone(), tasks, cancel);
    let cluster_known = follow::known(&options, inventories.clone(), tasks);
    let hand_over = HandOver { counted: counted_tx, journal, cluster_known };
    let in_sight = probes::InSight::default();
    let (seeds, pods) = ((Arc::clone(&flows), tasks.clone()), (own_pods, in_sight.clone()));
    let hooks = hooks(&shared, attaching, seeds, pods, inventories.clone(), hand_over);
    probes::spawn(loaded, mode, link_rx, &engine_tx, hooks, tasks, cancel)?;
    let (ethernet, uplinks) = watch::channel(BTreeSet::new());
    follow::links(&options, inventories.clone(), Outlets { events: link_tx, ethernet }, tasks, cancel);
    checks::start(options.check, &inventories, &shared, &engine_tx, tasks, cancel);
    follow::neighbours(engine_tx.clone(), tasks, cancel);
    follow::resolution(Arc::clone(&shared), inventories, uplinks, tasks, cancel);
    follow::enforcer_log(options.enforcer_log, Arc::clone(&shared), engine_tx.clone(), tasks, cancel);
    follow::table_full(engine_tx.clone(), tasks, cancel);
    follow::sight(Arc::clone(&shared), engine_tx.clone(), tasks, cancel);
    let witness = follow::witness(&flows, in_sight, &shared);
    follow::connections(flows, witness, look, engine_tx, tasks, cancel);

    info!(%node, listen = %listener.local_addr()?, attach = ?mode, "flow-observer {} runs", env!("CARGO_PKG_VERSION"));
    let server = crate::http::serve_with(listener, shared, access, cancel.clone());
    let failed = cancel.clone();
    tasks.spawn(async move {
        let _until_the_end = instance;
        if let Err(error) = server.await {
            error!(%error, "the HTTP server failed");
            failed.cancel();
        }
    });
    Ok(())
}

/// Publishes how much waits in a queue. A weak handle doesn't keep it open.
fn show_queue<T: Send + 'static>(shared: &Shared, name: &'static str, queue: &mpsc::Sender<T>) {
    let capacity = queue.max_capacity();
    let queue = queue.downgrade();
    let waiting = move || queue.upgrade().map(|queue| capacity - queue.capacity());
    shared.metrics.add_state(name, capacity, Box::new(waiting));
}

fn node_name(options: &Options) -> anyhow::Result<String> {
    if let Some(name) = &options.node_name {
        return Ok(name.clone());
    }
    let name = nix::unistd::gethostname().context("the host has no name; give --node-name")?;
    Ok(name.to_string_lossy().into_owned())
}

async fn listen(options: &Options) -> anyhow::Result<TcpListener> {
    let address = options.listen;
    TcpListener::bind(address).await.with_context(|| {
        format!(
            "can't listen on {address}; is another agent running on this node? --listen takes another address"
        )
    })
}

fn probe_settings(options: &Options) -> probes::Settings {
    probes::Settings {
        pair_entries: options.pair_map_entries,
        ring_bytes: options.ring_bytes,
        log_level: options.probe_log as u8,
        pin_dir: options.pin_dir.clone(),
    }
}

fn sink_config(options: &Options, node: ArcStr) -> SinkConfig {
    SinkConfig {
        tail: TailConfig { max_records: options.tail_records, ..TailConfig::default() },
        metrics: MetricsConfig { max_series: options.max_series, ..MetricsConfig::default() },
        ..SinkConfig::new(node)
    }
}

fn engine_config(options: &Options) -> EngineConfig {
    EngineConfig {
        enforcement: EnforcementConfig { grace: options.enforcement_grace },
        findings: FindingsConfig { quiet: options.resolve_after, ..FindingsConfig::default() },
        vips: VipConfig {
            extra: options.vip.iter().map(IpAddr::to_canonical).collect(),
            flap_moves: options.flap_moves,
            flap_window: options.flap_window,
            ..VipConfig::default()
        },
        bursts: BurstConfig {
            floor: options.burst_floor,
            window: options.burst_window,
            ..BurstConfig::default()
        },
        floods: FloodConfig { rate: options.flood_rate, ..FloodConfig::default() },
        scans: ScanConfig { targets: options.scan_targets, ..ScanConfig::default() },
    }
}

fn hooks(
    shared: &Arc<Shared>,
    attaching: ReadinessGuard,
    (flows, seeding): (Arc<Mutex<probes::Flows>>, Tasks),
    (own_pods, in_sight): (probes::OwnPods, probes::InSight),
    inventories: watch::Receiver<Arc<Inventory>>,
    hand_over: HandOver,
) -> Hooks {
    let [attached, blind, followed, entries, unattributed, handshakes] =
        std::array::from_fn(|_| Arc::clone(shared));
    Hooks {
        own_pods,
        in_sight,
        synced: Box::new(move |pod_links| {
            // In a task of its own, so that a long table does not hold up new interfaces.
            seeding.spawn(async move {
                probes::seed(flows, pod_links).await;
                drop(attaching);
            });
        }),
        attached: Box::new(move |probe, yes| attached.metrics.set_probe_attached(probe, yes)),
        blind: Arc::new(move |reason, place, unseen| blind.set_blind(reason, place, unseen)),
        followed: Box::new(move |role, n| followed.metrics.set_interfaces_followed(role, n)),
        complete: translate::completer(inventories),
        publish: probes::Publish {
            entries: Arc::new(move |map, n, capacity| {
                entries.metrics.set_map_entries(map, n);
                let state = if map == "pairs" { "pairs_map" } else { map };
                entries.metrics.set_state(state, n, capacity);
            }),
            unattributed: Arc::new(move |place, n| unattributed.metrics.add_unattributed_drops(place, n)),
            handshakes: Arc::new(move |vantage, n| handshakes.metrics.add_handshakes(vantage, n)),
        },
        readers: shared.tail.readers(),
        hand_over,
    }
}

fn recorder(options: &Options, node: &ArcStr) -> anyhow::Result<Option<engine_task::Recorder>> {
    options.record.as_ref().map(|path| engine_task::Recorder::create(path, node)).transpose()
}
