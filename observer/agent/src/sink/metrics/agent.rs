//! Series on the agent itself: losses, probes, objects read, readers.

use std::collections::BTreeSet;

use arcstr::ArcStr;
use flow_model::blind_spot::BlindReason;
use flow_model::finding::FindingKind;
use flow_model::input::LostStage;
use parking_lot::Mutex;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use strum::{VariantArray, VariantNames};

use crate::sink::metrics::single_label::{Gauges, LabelSet, gauge, label};
use crate::sink::metrics::spec::{Kind, Label, Spec};
use crate::sink::tail::TailCounters;

const FINDINGS_BY_KIND: Spec = Spec {
    name: "findings",
    kind: Kind::Gauge,
    help: "Active findings, by kind",
    labels: &[&[Label::one_of("kind", <FindingKind as VariantNames>::VARIANTS)]],
    unit: "findings",
    changes: "when a finding appears or is resolved. Starts at 0.",
    bound: "one series per kind",
};
const EVENTS_LOST: Spec = Spec {
    name: "events_lost",
    kind: Kind::Counter,
    help: "Events that could not be delivered or attributed, by stage",
    labels: &[&[Label::one_of("stage", <LostStage as VariantNames>::VARIANTS)]],
    unit: "events",
    changes: "when something is lost at a stage; [events-lost](runbooks/events-lost.md) explains each. Starts at 0.",
    bound: "one series per stage",
};
const EVENTS_PENDING: Spec = Spec {
    name: "events_pending",
    kind: Kind::Gauge,
    help: "Kubernetes Events that wait to be written",
    labels: &[],
    unit: "Events",
    changes: "when a finding has news for its Event, and when that is written. Repetitions wait for up to 5 min as a rule, so only a \
              number that keeps growing is bad. Always 0 without `--cluster kube`.",
    bound: "one series",
};
const PROBE_ATTACHED: Spec = Spec {
    name: "probe_attached",
    kind: Kind::Gauge,
    help: "Whether a probe is attached",
    labels: &[&[Label::text(
        "probe",
        "`pods`, `uplinks`, `drops`, `reset_reasons` (only where the kernel has them: Linux 6.10), `accept_queues`, `sockets` (both only with BTF), `enforcer_log`",
    )]],
    unit: "1 or 0",
    changes: "when a probe is attached; 0 while it can't be attached to one of its interfaces, or another program runs before it there. `enforcer_log` is 0 where the enforcer's log can't be read, and has no series with `--enforcer-log off`.",
    bound: "one series per probe",
};
const BLIND_SPOTS: Spec = Spec {
    name: "blind_spots",
    kind: Kind::Gauge,
    help: "Places that the agent can't see, by reason",
    labels: &[&[Label::one_of("reason", <BlindReason as VariantNames>::VARIANTS)]],
    unit: "places",
    changes: "when a place becomes blind or can be seen again; `/readyz` says which and why. 0 where all is well.",
    bound: "one series per reason",
};
const INTERFACES: Spec = Spec {
    name: "interfaces_followed",
    kind: Kind::Gauge,
    help: "Network interfaces observed",
    labels: &[&[Label::text("role", "`pod`, `uplink`")]],
    unit: "interfaces",
    changes: "when interfaces come and go, as pods do",
    bound: "one series per role",
};
const MAP_ENTRIES: Spec = Spec {
    name: "map_entries",
    kind: Kind::Gauge,
    help: "Entries in the kernel maps",
    labels: &[&[Label::text("map", "`pairs`, `handshakes`")]],
    unit: "entries",
    changes: "with each reading of the map. `pairs` is the number drained in one reading, at most `--pair-map-entries`.",
    bound: "one series per map",
};
const UNATTRIBUTED: Spec = Spec {
    name: "drops_unattributed",
    kind: Kind::Counter,
    help: "Dropped packets that are not reported, because they belong neither to this node nor to its pods, or to nobody known",
    labels: &[&[Label::text("namespace", "`other`, `unknown`")]],
    unit: "packets",
    changes: "with each packet that the kernel drops in a network namespace that is neither the node's own nor a pod's (`other`: \
              another node on the same kernel, a container outside the cluster, a pod whose interface is neither veth nor \
              netkit, a namespace inside a pod), or whose namespace can't be found or leads to an interface of the node whose \
              role is not known yet (`unknown`). Starts at 0.",
    bound: "two series",
};
const OBJECTS: Spec = Spec {
    name: "cluster_objects",
    kind: Kind::Gauge,
    help: "Kubernetes objects known",
    labels: &[&[Label::text("kind", "a kind of Kubernetes object, such as `Pod`")]],
    unit: "objects",
    changes: "with each new snapshot of the cluster. A kind that disappears stays at 0.",
    bound: "one series per kind that the source has",
};
const SYNCED: Spec = Spec {
    name: "cluster_synced",
    kind: Kind::Gauge,
    help: "Whether the objects of a kind have been read completely",
    labels: &[&[Label::text("kind", "a kind of Kubernetes object, or `dir` for a directory")]],
    unit: "1 or 0",
    changes: "when a kind has been read, or can't be read. A kind that the server doesn't have has no series.",
    bound: "one series per kind that the agent reads",
};
const TAIL_CLIENTS: Spec = Spec {
    name: "tail_clients",
    kind: Kind::Gauge,
    help: "Readers of the live tail",
    labels: &[],
    unit: "streams",
    changes: "when a stream of `/api/v1/flows` opens or ends; at most 64",
    bound: "one series",
};
const BUILD_INFO: Spec = Spec {
    name: "build_info",
    kind: Kind::Gauge,
    help: "The version of this agent; always 1",
    labels: &[&[Label::text("version", "the release")]],
    unit: "1",
    changes: "never",
    bound: "one series",
};

pub(super) const FINDINGS: [Spec; 1] = [FINDINGS_BY_KIND];
pub(super) const FAMILIES: [Spec; 11] = [
    EVENTS_LOST,
    EVENTS_PENDING,
    UNATTRIBUTED,
    PROBE_ATTACHED,
    BLIND_SPOTS,
    INTERFACES,
    MAP_ENTRIES,
    OBJECTS,
    SYNCED,
    TAIL_CLIENTS,
    BUILD_INFO,
];

/// Gauges and counters that have one label or none.
#[derive(Debug, Default)]
pub(super) struct AgentSeries {
    findings: Gauges,
    lost: Family<LabelSet, Counter>,
    events_pending: Gauge,
    unattributed: Family<LabelSet, Counter>,
    pub(super) tail: TailCounters,
    probes: Gauges,
    blind: Gauges,
    interfaces: Gauges,
    maps: Gauges,
    objects: Gauges,
    synced: Gauges,
    object_kinds: Mutex<BTreeSet<ArcStr>>,
}

impl AgentSeries {
    /// Creates the series whose labels are known, so that their first increment is seen as one.
    pub(super) fn new() -> Self {
        let mut series = Self::default();
        for stage in <LostStage as VariantArray>::VARIANTS {
            drop(series.lost.get_or_create(&label("stage", stage.as_str())));
        }
        ["other", "unknown"].iter().for_each(|namespace| series.add_unattributed_drops(namespace, 0));
        <BlindReason as VariantArray>::VARIANTS.iter().for_each(|reason| series.set_blind_spots(*reason, 0));
        series.set_findings(<FindingKind as VariantArray>::VARIANTS.iter().map(|kind| (*kind, 0)));
        series.tail.lost = series.lost_at(LostStage::Client);
        series
    }

    pub(super) fn register(&self, registry: &mut Registry) {
        FINDINGS_BY_KIND.register(registry, self.findings.clone());
        EVENTS_LOST.register(registry, self.lost.clone());
        EVENTS_PENDING.register(registry, self.events_pending.clone());
        UNATTRIBUTED.register(registry, self.unattributed.clone());
        PROBE_ATTACHED.register(registry, self.probes.clone());
        BLIND_SPOTS.register(registry, self.blind.clone());
        INTERFACES.register(registry, self.interfaces.clone());
        MAP_ENTRIES.register(registry, self.maps.clone());
        OBJECTS.register(registry, self.objects.clone());
        SYNCED.register(registry, self.synced.clone());
        TAIL_CLIENTS.register(registry, self.tail.clients.clone());
        let build = Gauges::default();
        build.get_or_create(&label("version", env!("CARGO_PKG_VERSION"))).set(1);
        BUILD_INFO.register(registry, build);
    }

    pub(super) fn set_findings(&self, active: impl IntoIterator<Item = (FindingKind, usize)>) {
        for (kind, count) in active {
            self.findings.get_or_create(&label("kind", kind.as_str())).set(gauge(count));
        }
    }

    pub(super) fn set_events_pending(&self, count: usize) {
        self.events_pending.set(gauge(count));
    }

    /// Returns the counter of what is lost at a stage.
    pub(super) fn lost_at(&self, stage: LostStage) -> Counter {
        self.lost.get_or_create_owned(&label("stage", stage.as_str()))
    }

    pub(super) fn add_lost(&self, stage: LostStage, count: u64) {
        self.lost.get_or_create(&label("stage", stage.as_str())).inc_by(count);
    }

    pub(super) fn add_unattributed_drops(&self, namespace: &str, count: u64) {
        self.unattributed.get_or_create(&label("namespace", namespace)).inc_by(count);
    }

    pub(super) fn set_probe_attached(&self, probe: &str, attached: bool) {
        self.probes.get_or_create(&label("probe", probe)).set(attached.into());
    }

    pub(super) fn set_blind_spots(&self, reason: BlindReason, places: usize) {
        self.blind.get_or_create(&label("reason", reason.as_str())).set(gauge(places));
    }

    pub(super) fn set_interfaces_followed(&self, role: &str, count: usize) {
        self.interfaces.get_or_create(&label("role", role)).set(gauge(count));
    }

    pub(super) fn set_map_entries(&self, map: &str, entries: usize) {
        self.maps.get_or_create(&label("map", map)).set(gauge(entries));
    }

    pub(super) fn set_cluster_synced(&self, kind: &str, synced: Option<bool>) {
        match synced {
            Some(synced) => drop(self.synced.get_or_create(&label("kind", kind)).set(synced.into())),
            None => drop(self.synced.remove(&label("kind", kind))),
        }
    }

    /// Publishes the number of objects of each kind. A kind that is missing now stays, with 0.
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
}
