//! `/metrics`: typed families with bounded labels.
//!
//! Counts per pair come from the kernel's exact counters through the engine; the handshake histogram comes from records,
//! so it misses what `events_lost_total` says was lost.

mod active;
mod bursts;
mod checks;
mod http;
mod labels;
mod latent;
mod outcomes;
mod pairs;
mod process;
mod series;
#[cfg(test)]
mod tests;
mod text;
mod vips;

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use arcstr::ArcStr;
use flow_model::finding::FindingKind;
use flow_model::flow::Vantage;
use flow_model::input::{CheckStep, LostStage};
use flow_model::object_ref::ObjectRef;
use flow_model::output::{DropUpdate, LatentCount, PairUpdate};
use flow_model::record::Endpoint;
use flow_model::vip::{ClaimSource, Vip};
use jiff::{SignedDuration, Timestamp};
use parking_lot::Mutex;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;
use strum::VariantArray;

use self::bursts::BurstSeries;
use self::checks::CheckSeries;
use self::labels::PairKey;
use self::latent::LatentSeries;
use self::series::SeriesStore;
use self::vips::VipSeries;
use crate::sink::findings::FindingStore;
use crate::sink::tail::TailCounters;

pub use http::{HttpCounters, Refused};
pub use text::Format;

/// Seconds. A handshake in a node takes tens of microseconds; a repeated SYN costs one second.
const HANDSHAKE_BUCKETS: [f64; 14] =
    [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 2.5, 5.0];

/// Bounds of the series with pair labels.
#[derive(Clone, Debug)]
pub struct MetricsConfig {
    /// Sets of pair labels; new ones past it fold into `_other`.
    pub max_series: usize,
    /// How long series outlive their workload, so that a scrape still sees the last increments.
    pub departed_grace: SignedDuration,
    /// Series without an update for this long go.
    pub idle: SignedDuration,
}

impl Default for MetricsConfig {
    fn default() -> Self {
        Self {
            max_series: 2_000,
            departed_grace: SignedDuration::from_mins(15),
            idle: SignedDuration::from_hours(24),
        }
    }
}

/// The one label of the smaller families; each family has its own name for it, set where its value is.
type Label = [(&'static str, String); 1];
type Gauges = Family<Label, Gauge>;

/// Everything published.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    series: Arc<Mutex<SeriesStore>>,
    latent: LatentSeries,
    bursts: BurstSeries,
    vips: VipSeries,
    max_series: usize,
    findings: Gauges,
    handshakes: Family<Label, Histogram, fn() -> Histogram>,
    lost: Family<Label, Counter>,
    tail: TailCounters,
    probes: Gauges,
    interfaces: Gauges,
    maps: Gauges,
    objects: Gauges,
    synced: Gauges,
    object_kinds: Mutex<BTreeSet<ArcStr>>,
    checks: CheckSeries,
    http: HttpCounters,
}

impl Metrics {
    pub(super) fn new(config: &MetricsConfig) -> Self {
        let mut metrics = Self {
            registry: Registry::default(),
            series: Arc::new(Mutex::new(SeriesStore::new(config))),
            latent: LatentSeries::default(),
            bursts: BurstSeries::new(config),
            vips: VipSeries::default(),
            max_series: config.max_series,
            findings: Family::default(),
            handshakes: Family::new_with_constructor(|| Histogram::new(HANDSHAKE_BUCKETS)),
            lost: Family::default(),
            tail: TailCounters::default(),
            probes: Family::default(),
            interfaces: Family::default(),
            maps: Family::default(),
            objects: Family::default(),
            synced: Family::default(),
            object_kinds: Mutex::default(),
            checks: CheckSeries::new(),
            http: HttpCounters::default(),
        };
        metrics.start_at_zero();
        metrics.register();
        metrics
    }

    /// Series that exist from the start, so that their first increment is seen as one.
    fn start_at_zero(&mut self) {
        for stage in LostStage::VARIANTS {
            drop(self.lost.get_or_create(&label("stage", stage.as_str())));
        }
        self.set_findings(FindingKind::VARIANTS.iter().map(|kind| (*kind, 0)));
        self.tail.lost = self.lost.get_or_create_owned(&label("stage", LostStage::Client.as_str()));
        for vantage in Vantage::VARIANTS {
            drop(self.handshakes.get_or_create(&label("vantage", vantage.as_str())));
        }
    }

    fn register(&mut self) {
        self.registry.register_collector(Box::new(process::ProcessCollector));
        let registry = self.registry.sub_registry_with_prefix("flow_observer");
        registry.register_collector(Box::new(pairs::PairCollector(Arc::clone(&self.series))));
        registry.register_collector(Box::new(self.latent.clone()));
        registry.register_collector(Box::new(self.bursts.clone()));
        registry.register_collector(Box::new(self.vips.clone()));
        registry.register("findings", "Active findings, by kind", self.findings.clone());
        registry.register(
            "handshake_seconds",
            "Time from the first SYN to the SYN-ACK of established connections",
            self.handshakes.clone(),
        );
        registry.register(
            "events_lost",
            "Events that could not be delivered or attributed, by stage",
            self.lost.clone(),
        );
        registry.register("probe_attached", "Whether a probe is at work", self.probes.clone());
        registry.register("interfaces_followed", "Network interfaces observed", self.interfaces.clone());
        registry.register("map_entries", "Entries in the kernel maps", self.maps.clone());
        registry.register("cluster_objects", "Kubernetes objects known", self.objects.clone());
        registry.register(
            "cluster_synced",
            "Whether the objects of a kind have been read completely",
            self.synced.clone(),
        );
        registry.register("tail_clients", "Readers of the live tail", self.tail.clients.clone());
        self.checks.register(registry);
        self.http.register(registry);
        let build = Gauges::default();
        build.get_or_create(&label("version", env!("CARGO_PKG_VERSION"))).set(1);
        registry.register("build_info", "The version of this agent; always 1", build);
    }

    /// Publishes the active findings of this store.
    pub(super) fn show_findings(&mut self, findings: FindingStore) {
        let registry = self.registry.sub_registry_with_prefix("flow_observer");
        registry.register_collector(Box::new(active::ActiveFindings(findings)));
    }

    /// What a scrape is answered, complete to the end marker.
    ///
    /// # Errors
    /// When the encoder fails, which it does not on a `String`.
    pub fn encode(&self, format: Format) -> Result<String, std::fmt::Error> {
        let mut out = String::new();
        prometheus_client::encoding::text::encode(&mut out, &self.registry)?;
        Ok(match format {
            Format::OpenMetrics => out,
            Format::Text => text::from_openmetrics(&out),
        })
    }

    /// Says whether a probe is attached.
    pub fn set_probe_attached(&self, probe: &str, attached: bool) {
        self.probes.get_or_create(&label("probe", probe)).set(attached.into());
    }

    /// Number of interfaces observed in a role: `pod` or `uplink`.
    pub fn set_interfaces_followed(&self, role: &str, count: usize) {
        self.interfaces.get_or_create(&label("role", role)).set(gauge(count));
    }

    /// Entries in a kernel map.
    pub fn set_map_entries(&self, map: &str, entries: usize) {
        self.maps.get_or_create(&label("map", map)).set(gauge(entries));
    }

    /// Says whether what is known of a kind is what the source has; `None` for a kind that the source doesn't have.
    pub fn set_cluster_synced(&self, kind: &str, synced: Option<bool>) {
        match synced {
            Some(synced) => drop(self.synced.get_or_create(&label("kind", kind)).set(synced.into())),
            None => drop(self.synced.remove(&label("kind", kind))),
        }
    }

    /// Counts what was lost on the way. The tail counts [`LostStage::Client`] by itself.
    pub fn add_lost(&self, stage: LostStage, count: u64) {
        self.lost.get_or_create(&label("stage", stage.as_str())).inc_by(count);
    }

    pub(super) fn set_cluster_objects(&self, objects: &[(ArcStr, u64)]) {
        let mut known = self.object_kinds.lock();
        for kind in known.iter().filter(|kind| objects.iter().all(|(k, _)| k != *kind)) {
            self.objects.get_or_create(&label("kind", kind)).set(0);
        }
        for (kind, count) in objects {
            let count = i64::try_from(*count).unwrap_or(i64::MAX);
            self.objects.get_or_create(&label("kind", kind)).set(count);
            known.insert(kind.clone());
        }
    }

    pub(super) fn observe_handshake(&self, vantage: Vantage, latency_us: u64) {
        let latency = Duration::from_micros(latency_us).as_secs_f64();
        self.handshakes.get_or_create(&label("vantage", vantage.as_str())).observe(latency);
    }

    pub(super) fn add_pair(&self, update: &PairUpdate, now: Timestamp) {
        let key = update.pair.as_ref().map(|(pair, src, dst)| PairKey::new(src, dst, pair.vantage));
        self.series.lock().add(key, &update.counts, update.verdict, now);
    }

    pub(super) fn add_drops(&self, update: DropUpdate, now: Timestamp) {
        let key = update.pair.as_ref().map(|(src, dst, vantage)| PairKey::new(src, dst, *vantage));
        self.series.lock().add_drops(key, update.reason, update.count, now);
    }

    pub(super) fn set_findings(&self, active: impl IntoIterator<Item = (FindingKind, usize)>) {
        for (kind, count) in active {
            self.findings.get_or_create(&label("kind", kind.as_str())).set(gauge(count));
        }
    }

    pub(super) fn set_latent_denials(&self, counts: Vec<LatentCount>) {
        self.latent.replace(counts, self.max_series);
    }

    pub(super) fn add_burst(&self, dst: &Endpoint, cause: &ArcStr, now: Timestamp) {
        self.bursts.add(dst, cause, now);
    }

    /// Announces a synthetic check before its first result.
    pub fn declare_check(&self, name: &str) {
        self.checks.declare(name);
    }

    pub(super) fn observe_check(&self, name: &ArcStr, failed: Option<CheckStep>, duration_us: u64) {
        self.checks.observe(name, failed, Duration::from_micros(duration_us).as_secs_f64());
    }

    pub(super) fn set_vip(&self, vip: &Vip) {
        self.vips.put(vip);
    }

    pub(super) fn remove_vip(&self, ip: IpAddr) {
        self.vips.remove(ip);
    }

    pub(super) fn add_vip_move(&self, vip: IpAddr, service: Option<ObjectRef>, source: ClaimSource) {
        self.vips.moved(vip, service, source);
    }

    pub(super) fn add_unclaimed(&self, count: u64) {
        self.vips.add_unknown(count);
    }

    pub(super) fn depart(&self, workloads: &[ObjectRef], now: Timestamp) {
        self.bursts.depart(workloads, now);
        self.series.lock().depart(workloads, now);
    }

    pub(crate) fn tail_counters(&self) -> TailCounters {
        self.tail.clone()
    }

    pub(crate) fn http_counters(&self) -> HttpCounters {
        self.http.clone()
    }
}

fn gauge(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

fn label(name: &'static str, value: &str) -> Label {
    [(name, value.to_owned())]
}
