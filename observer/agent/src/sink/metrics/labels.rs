//! Bounded labels for endpoints.

use std::fmt;

use arcstr::literal;
use flow_model::flow::Vantage;
use flow_model::object_ref::ObjectRef;
use flow_model::record::Endpoint;
use prometheus_client::encoding::{EncodeLabel, EncodeLabelSet, LabelSetEncoder};
use serde::{Deserialize, Serialize};
use strum::VariantNames;

use crate::sink::metrics::spec::{Label, Values};

/// Namespace and workload, as labels name them.
pub(super) type WorkloadName = ObjectRef;

/// The labels that distinguish pairs, in the order in which they are written.
pub(super) const PAIR: [Label; 6] = [
    Label::text("src_namespace", "the client's namespace; empty for nodes and outside"),
    Label::text("src_workload", "the client's workload, `_host` or `_external`"),
    Label::text("dst_namespace", "the server's namespace; empty for nodes and outside"),
    Label::text("dst_workload", "the server's workload, `_host` or `_external`"),
    Label::text(
        "dst_port",
        "the server's own port; a Service's port where the counter doesn't know the backend",
    ),
    Label { name: "vantage", values: Values::OneOfOrOther(<Vantage as VariantNames>::VARIANTS) },
];

/// The values of the labels in [`PAIR`].
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(super) struct PairKey {
    pub(super) src: WorkloadName,
    pub(super) dst: WorkloadName,
    pub(super) dst_port: u16,
    /// Is `None` for `_other`, which mixes them.
    pub(super) vantage: Option<Vantage>,
}

impl PairKey {
    pub(super) fn new(src: &Endpoint, dst: &Endpoint, vantage: Vantage) -> Self {
        Self { src: workload(src), dst: workload(dst), dst_port: dst.own_port(), vantage: Some(vantage) }
    }

    /// Returns the key of `_other`, for everything that has no key of its own.
    pub(super) fn other() -> Self {
        let other = literal!("_other");
        let name = ObjectRef::new(other.clone(), other);
        Self { src: name.clone(), dst: name, dst_port: 0, vantage: None }
    }

    pub(super) fn names(&self, workload: &WorkloadName) -> bool {
        self.src == *workload || self.dst == *workload
    }
}

/// Returns the owner, or the common name of nodes or of addresses outside the cluster.
pub(super) fn workload(endpoint: &Endpoint) -> WorkloadName {
    let unowned = || if endpoint.node.is_some() { literal!("_host") } else { literal!("_external") };
    endpoint.owner().unwrap_or_else(|| ObjectRef::cluster_scoped(unowned()))
}

impl EncodeLabelSet for &PairKey {
    fn encode(&self, encoder: &mut LabelSetEncoder) -> Result<(), fmt::Error> {
        let vantage = self.vantage.map_or("_other", Vantage::as_str);
        ("src_namespace", self.src.namespace.as_str()).encode(encoder.encode_label())?;
        ("src_workload", self.src.name.as_str()).encode(encoder.encode_label())?;
        ("dst_namespace", self.dst.namespace.as_str()).encode(encoder.encode_label())?;
        ("dst_workload", self.dst.name.as_str()).encode(encoder.encode_label())?;
        ("dst_port", u64::from(self.dst_port)).encode(encoder.encode_label())?;
        ("vantage", vantage).encode(encoder.encode_label())
    }
}

#[cfg(test)]
mod tests;
