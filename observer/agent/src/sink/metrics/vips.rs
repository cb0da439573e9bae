//! `vip_moves`, `vip_announcer` and `announcements_unknown`.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use arcstr::ArcStr;
use flow_model::object_ref::ObjectRef;
use flow_model::vip::{ClaimSource, Vip};
use parking_lot::Mutex;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, NoLabelSet};
use strum::VariantNames;

use crate::sink::metrics::spec::{Kind, Label, Spec};

const VIP: [Label; 3] = [
    Label::text("vip", "the address"),
    Label::text("service_namespace", "the Service's namespace; empty for an address of `--vip`"),
    Label::text("service", "the Service's name; empty for an address of `--vip`"),
];
const SOURCE: Label = Label::one_of("source", ClaimSource::VARIANTS);
const BOUND: &str =
    "Services with load-balancer addresses, and their sources. Series disappear with the address.";

const MOVES: Spec = Spec {
    name: "vip_moves",
    kind: Kind::Counter,
    help: "Changes of the host that announces a VIP, by the source that reports them",
    labels: &[&VIP, &[SOURCE]],
    unit: "moves",
    changes: "when the announcer changes according to the source. Every node that sees a move counts it: take the highest, not \
        the sum. Starts at 0.",
    bound: BOUND,
};
const ANNOUNCER: Spec = Spec {
    name: "vip_announcer",
    kind: Kind::Gauge,
    help: "The host that announces a VIP, by the source that reports it; 1 for the current one",
    labels: &[
        &VIP,
        &[
            Label::text("node", "the announcing node; empty where it is not known"),
            Label::text("mac", "its Ethernet address; empty for sources in the API"),
            SOURCE,
        ],
    ],
    unit: "1",
    changes: "when the announcer changes: the old series disappears and a new one appears",
    bound: BOUND,
};
const UNKNOWN: Spec = Spec {
    name: "announcements_unknown",
    kind: Kind::Counter,
    help: "Claims of addresses that are not known VIPs",
    labels: &[],
    unit: "announcements",
    changes: "when a host announces an address that neither a Service nor `--vip` names",
    bound: "one series",
};

pub(super) const FAMILIES: [Spec; 3] = [MOVES, ANNOUNCER, UNKNOWN];

/// Holds the series of the known VIPs, which disappear with their VIP. The engine bounds the number of VIPs.
#[derive(Clone, Debug, Default)]
pub(super) struct VipSeries {
    inner: Arc<Mutex<Inner>>,
}

#[derive(Clone, Debug, Default)]
struct Inner {
    vips: BTreeMap<IpAddr, Series>,
    unknown: u64,
}

#[derive(Clone, Debug, Default)]
struct Series {
    /// The moves, by Service (empty for a VIP without) and source.
    moves: BTreeMap<(ObjectRef, ClaimSource), u64>,
    announcers: BTreeSet<Announcer>,
}

/// The current announcer of an address, according to one source.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Announcer {
    service: ObjectRef,
    node: ArcStr,
    mac: String,
    source: ClaimSource,
}

impl VipSeries {
    /// Replaces the series of a VIP. Only the counts of moves stay.
    pub(super) fn put(&self, vip: &Vip) {
        let mut inner = self.inner.lock();
        let series = inner.vips.entry(vip.ip).or_default();
        series.announcers = announcers(vip);
        let services = services(vip);
        series.moves.retain(|(service, _), _| services.contains(service));
        // From the start, so that the first move is seen as one.
        let sources = vip.api.iter().map(|claim| claim.source).filter(|source| source.traits().shows_moves);
        for source in sources.chain([ClaimSource::Wire]) {
            for service in &services {
                series.moves.entry((service.clone(), source)).or_default();
            }
        }
    }

    pub(super) fn moved(&self, vip: IpAddr, service: Option<ObjectRef>, source: ClaimSource) {
        if let Some(series) = self.inner.lock().vips.get_mut(&vip) {
            let sum = series.moves.entry((service.unwrap_or_default(), source)).or_default();
            *sum = sum.saturating_add(1);
        }
    }

    pub(super) fn remove(&self, vip: IpAddr) {
        self.inner.lock().vips.remove(&vip);
    }

    pub(super) fn add_unknown(&self, count: u64) {
        let mut inner = self.inner.lock();
        inner.unknown = inner.unknown.saturating_add(count);
    }
}

impl Collector for VipSeries {
    fn encode(&self, mut encoder: DescriptorEncoder) -> fmt::Result {
        let Inner { vips, unknown } = self.inner.lock().clone();
        let mut family = MOVES.encode(&mut encoder)?;
        for (vip, series) in &vips {
            for ((service, source), count) in &series.moves {
                let labels = [
                    ("vip", vip.to_string()),
                    ("service_namespace", service.namespace.to_string()),
                    ("service", service.name.to_string()),
                    ("source", source.as_str().to_owned()),
                ];
                family.encode_family(&labels)?.encode_counter::<NoLabelSet, _, u64>(count, None)?;
            }
        }
        let mut family = ANNOUNCER.encode(&mut encoder)?;
        for (vip, series) in &vips {
            for Announcer { service, node, mac, source } in &series.announcers {
                let labels = [
                    ("vip", vip.to_string()),
                    ("service_namespace", service.namespace.to_string()),
                    ("service", service.name.to_string()),
                    ("node", node.to_string()),
                    ("mac", mac.clone()),
                    ("source", source.as_str().to_owned()),
                ];
                family.encode_family(&labels)?.encode_gauge(&1_i64)?;
            }
        }
        let mut family = UNKNOWN.encode(&mut encoder)?;
        family.encode_counter::<NoLabelSet, _, u64>(&unknown, None)
    }
}

/// Returns the Services of a VIP. The empty name stands for a VIP without one.
fn services(vip: &Vip) -> BTreeSet<ObjectRef> {
    if vip.services.is_empty() {
        BTreeSet::from([ObjectRef::default()])
    } else {
        vip.services.iter().cloned().collect()
    }
}

fn announcers(vip: &Vip) -> BTreeSet<Announcer> {
    let wire = vip
        .claimant
        .iter()
        .filter(|claim| !claim.received)
        .map(|claim| (ClaimSource::Wire, claim.node.clone().unwrap_or_default(), claim.mac.to_string()));
    // An object without a node names no announcer.
    let api = vip.api.iter().filter_map(|claim| Some((claim.source, claim.node.clone()?, String::new())));
    let services = services(vip);
    wire.chain(api)
        .flat_map(|(source, node, mac)| {
            let announcer = move |service: &ObjectRef| Announcer {
                service: service.clone(),
                node: node.clone(),
                mac: mac.clone(),
                source,
            };
            services.iter().map(announcer).collect::<Vec<_>>()
        })
        .collect()
}

#[cfg(test)]
mod tests;
