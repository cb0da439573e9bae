//! `/metrics`: typed families with bounded labels.
//!
//! Counts per pair come from the kernel's exact counters through the engine, and the handshake histogram from the kernel's
//! own.

mod active;
mod agent;
mod bursts;
mod catalogue;
mod checks;
mod config;
mod enforcement;
mod handshakes;
mod http;
mod kept;
mod labels;
mod latent;
mod otlp;
mod outcomes;
mod pairs;
mod process;
mod resets;
mod series;
mod single_label;
mod spec;
mod states;
#[cfg(test)]
mod tests;
mod text;
mod vips;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use arcstr::ArcStr;
use flow_model::blind_spot::BlindReason;
use flow_model::decision::Decision;
use flow_model::finding::FindingKind;
use flow_model::flow::{Latencies, Vantage};
use flow_model::input::{CheckStep, LostStage};
use flow_model::object_ref::ObjectRef;
use flow_model::output::{DropUpdate, LatentCount, PairUpdate};
use flow_model::record::{Endpoint, Event, LagSince};
use flow_model::vip::{ClaimSource, Vip};
use jiff::{SignedDuration, Timestamp};
use parking_lot::Mutex;
use prometheus_client::encoding::text::{encode_eof, encode_registry};
use prometheus_client::registry::Registry;

use self::agent::AgentSeries;
use self::bursts::BurstSeries;
use self::checks::CheckSeries;
use self::enforcement::EnforcementSeries;
use self::handshakes::Handshakes;
use self::kept::Samples;
use self::labels::PairKey;
use self::latent::LatentSeries;
use self::resets::Reason;
use self::series::SeriesStore;
use self::vips::VipSeries;
use crate::sink::findings::FindingStore;
use crate::sink::tail::TailCounters;

pub use catalogue::document;
pub use config::MetricsConfig;
pub use http::{HttpCounters, Refused};
pub use kept::KeptMetrics;
pub use otlp::{OtlpCounters, OtlpRequest, OtlpResult};
pub use states::ReadEntries;
pub use text::Format;

/// The probe by which the reasons of resets are known.
const RESET_REASONS: &str = "reset_reasons";

/// Holds everything that `/metrics` publishes.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    /// Families whose samples the next agent goes on from.
    kept_registry: Registry,
    kept: Mutex<Samples>,
    series: Arc<Mutex<SeriesStore>>,
    latent: LatentSeries,
    bursts: BurstSeries,
    vips: VipSeries,
    max_series: usize,
    handshakes: Handshakes,
    agent: AgentSeries,
    checks: CheckSeries,
    enforcement: EnforcementSeries,
    http: HttpCounters,
    states: states::States,
    otlp: OtlpCounters,
}

impl Metrics {
    pub(super) fn new(config: &MetricsConfig) -> Self {
        let agent = AgentSeries::new();
        let otlp = OtlpCounters::new(agent.lost_at(LostStage::History));
        let mut metrics = Self {
            registry: Registry::default(),
            kept_registry: Registry::default(),
            kept: Mutex::default(),
            series: Arc::new(Mutex::new(SeriesStore::new(config))),
            latent: LatentSeries::default(),
            bursts: BurstSeries::new(config),
            vips: VipSeries::default(),
            max_series: config.max_series,
            handshakes: Handshakes::default(),
            agent,
            checks: CheckSeries::new(),
            enforcement: EnforcementSeries::new(),
            http: HttpCounters::default(),
            states: states::States::default(),
            otlp,
        };
        metrics.register();
        metrics
    }

    fn register(&mut self) {
        self.registry.register_collector(Box::new(process::ProcessCollector));
        let registry = self.registry.sub_registry_with_prefix("flow_observer");
        registry.register_collector(Box::new(pairs::PairCollector(Arc::clone(&self.series))));
        registry.register_collector(Box::new(self.latent.clone()));
        registry.register_collector(Box::new(self.bursts.clone()));
        registry.register_collector(Box::new(self.states.clone()));
        let registry = self.kept_registry.sub_registry_with_prefix("flow_observer");
        registry.register_collector(Box::new(self.vips.clone()));
        registry.register_collector(Box::new(self.handshakes.clone()));
        self.agent.register(registry);
        self.checks.register(registry);
        self.enforcement.register(registry);
        self.http.register(registry);
        self.otlp.register(registry);
    }

    /// Publishes the active findings of this store.
    pub(super) fn show_findings(&mut self, findings: FindingStore) {
        let registry = self.kept_registry.sub_registry_with_prefix("flow_observer");
        registry.register_collector(Box::new(active::ActiveFindings(findings)));
    }

    /// Returns the answer to a scrape, complete to the end marker.
    ///
    /// # Errors
    /// Fails when the encoder fails, which it does not on a `String`.
    pub fn encode(&self, format: Format) -> Result<String, std::fmt::Error> {
        let mut out = String::new();
        encode_registry(&mut out, &self.registry)?;
        out.push_str(&self.kept.lock().add_to(&self.others()?));
        encode_eof(&mut out)?;
        Ok(match format {
            Format::OpenMetrics => out,
            Format::Text => text::from_openmetrics(&out),
        })
    }

    /// Returns the counters for the next agent.
    pub(super) fn keep(&self) -> KeptMetrics {
        let kept = self.kept.lock();
        let others = self.others().unwrap_or_default();
        let samples = kept.after(&kept.add_to(&others));
        KeptMetrics { series: self.series.lock().keep(), bursts: self.bursts.keep(), samples }
    }

    /// Says whether counts of the agent before are still missing in the series of pairs.
    pub(super) fn set_incomplete(&self, incomplete: bool) {
        self.series.lock().set_incomplete(incomplete);
    }

    /// Goes on with the counters of the agent before.
    pub(super) fn restore(&self, kept: KeptMetrics) {
        self.series.lock().restore(kept.series);
        self.bursts.restore(kept.bursts);
        *self.kept.lock() = kept.samples;
    }

    fn others(&self) -> Result<String, std::fmt::Error> {
        let mut out = String::new();
        encode_registry(&mut out, &self.kept_registry)?;
        Ok(out)
    }

    /// Publishes whether a probe is attached.
    pub fn set_probe_attached(&self, probe: &str, attached: bool) {
        if probe == RESET_REASONS {
            self.series.lock().set_has_reasons(attached);
        }
        self.agent.set_probe_attached(probe, attached);
    }

    /// Publishes the number of places that can't be seen for a reason.
    pub fn set_blind_spots(&self, reason: BlindReason, places: usize) {
        self.agent.set_blind_spots(reason, places);
    }

    /// Publishes the number of interfaces observed in a role: `pod` or `uplink`.
    pub fn set_interfaces_followed(&self, role: &str, count: usize) {
        self.agent.set_interfaces_followed(role, count);
    }

    /// Publishes the number of entries in a kernel map.
    pub fn set_map_entries(&self, map: &str, entries: usize) {
        self.agent.set_map_entries(map, entries);
    }

    /// Publishes how full a bounded state is.
    pub fn set_state(&self, name: &'static str, entries: usize, capacity: usize) {
        self.states.set(name, entries, capacity);
    }

    /// Adds a bounded state whose entries are read at each scrape.
    pub fn add_state(&self, name: &'static str, capacity: usize, read: ReadEntries) {
        self.states.add(name, capacity, read);
    }

    /// Counts drops outside the namespaces of this node and its pods.
    pub fn add_unattributed_drops(&self, namespace: &str, count: u64) {
        self.agent.add_unattributed_drops(namespace, count);
    }

    /// Publishes whether the agent has all objects of a kind; `None` removes a kind that the source doesn't have.
    pub fn set_cluster_synced(&self, kind: &str, synced: Option<bool>) {
        self.agent.set_cluster_synced(kind, synced);
    }

    /// Counts what was lost at a stage. The tail counts [`LostStage::Client`] by itself.
    pub fn add_lost(&self, stage: LostStage, count: u64) {
        self.agent.add_lost(stage, count);
    }

    /// Publishes the number of Kubernetes Events that wait to be written.
    pub fn set_events_pending(&self, count: usize) {
        self.agent.set_events_pending(count);
    }

    pub(super) fn set_cluster_objects(&self, objects: &[(ArcStr, u64)]) {
        self.agent.set_cluster_objects(objects);
    }

    /// Adds the time that handshakes took.
    pub fn add_handshakes(&self, vantage: Vantage, more: &Latencies) {
        self.handshakes.add(vantage, more);
    }

    pub(super) fn add_pair(&self, update: &PairUpdate, now: Timestamp) {
        let key = update.pair.as_ref().map(|(pair, src, dst)| PairKey::new(src, dst, pair.vantage));
        self.series.lock().add(key, &update.counts, update.verdict, now);
    }

    /// Counts the reason of a reset, if the record tells one.
    pub(super) fn add_reason(&self, event: &Event, now: Timestamp) {
        if let Some(told) = Reason::of(event) {
            self.series.lock().explain(told, now);
        }
    }

    pub(super) fn add_drops(&self, update: DropUpdate, now: Timestamp) {
        let key = update.pair.as_ref().map(|(src, dst, vantage)| PairKey::new(src, dst, *vantage));
        self.series.lock().add_drops(key, update.reason, update.count, now);
    }

    pub(super) fn set_findings(&self, active: impl IntoIterator<Item = (FindingKind, usize)>) {
        self.agent.set_findings(active);
    }

    pub(super) fn set_latent_denials(&self, counts: Vec<LatentCount>) {
        self.latent.replace(counts, self.max_series);
    }

    pub(super) fn add_burst(&self, dst: &Endpoint, cause: &ArcStr, now: Timestamp) {
        self.bursts.add(dst, cause, now);
    }

    /// Creates the failure counters of a synthetic check before its first result.
    pub fn declare_check(&self, name: &str) {
        self.checks.declare(name);
    }

    pub(super) fn observe_check(&self, name: &ArcStr, failed: Option<CheckStep>, duration_us: u64) {
        self.checks.observe(name, failed, Duration::from_micros(duration_us).as_secs_f64());
    }

    pub(super) fn observe_enforcement_lag(&self, since: LagSince, lag: SignedDuration) {
        self.enforcement.observe(since, lag);
    }

    pub(super) fn set_usual_lag(&self, since: LagSince, lag: SignedDuration) {
        self.enforcement.set_usual(since, lag);
    }

    pub(super) fn count_lagging(&self, since: LagSince, verdict: Decision, attempts: u64) {
        self.enforcement.count(since, verdict, attempts);
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
        self.agent.tail.clone()
    }

    pub(crate) fn otlp_counters(&self) -> OtlpCounters {
        self.otlp.clone()
    }

    pub(crate) fn http_counters(&self) -> HttpCounters {
        self.http.clone()
    }
}
