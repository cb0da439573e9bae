//! The definition of a metric family: one value registers it and describes it in `docs/METRICS.md`.

use std::fmt;

use prometheus_client::encoding::{DescriptorEncoder, MetricEncoder};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::{Metric, Registry};

/// Describes one family. A family exists by its `Spec`, so that none can be published without a description.
#[derive(Clone, Copy, Debug)]
pub(super) struct Spec {
    /// The name without `flow_observer_` and without a counter's `_total`. Families of the process have their full
    /// name.
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    /// A sentence without a full stop, as the `HELP` line has it.
    pub(super) help: &'static str,
    /// Groups of labels, in the order in which they are written.
    pub(super) labels: &'static [&'static [Label]],
    /// The meaning of one step of the value: connections, seconds, packets.
    pub(super) unit: &'static str,
    /// Describes when the value rises or changes, and when series appear and disappear.
    pub(super) changes: &'static str,
    /// Describes what limits the number of series.
    pub(super) bound: &'static str,
}

/// The behaviour of the value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, strum::Display)]
#[strum(serialize_all = "lowercase")]
pub(super) enum Kind {
    Counter,
    Gauge,
    Histogram,
}

/// A label of a family.
#[derive(Clone, Copy, Debug)]
pub(super) struct Label {
    pub(super) name: &'static str,
    pub(super) values: Values,
}

/// The values that a label can have.
#[derive(Clone, Copy, Debug)]
pub(super) enum Values {
    /// Any one of these names.
    OneOf(&'static [&'static str]),
    /// Any one of these names, or `_other` for the series that holds the remainder.
    OneOfOrOther(&'static [&'static str]),
    /// Anything that fits this text.
    Text(&'static str),
}

impl Label {
    pub(super) const fn one_of(name: &'static str, values: &'static [&'static str]) -> Self {
        Self { name, values: Values::OneOf(values) }
    }

    pub(super) const fn text(name: &'static str, values: &'static str) -> Self {
        Self { name, values: Values::Text(values) }
    }
}

impl Spec {
    /// Registers the metric under this name. The registry adds the prefix.
    pub(super) fn register(&self, registry: &mut Registry, metric: impl Metric) {
        registry.register(self.name, self.help, metric);
    }

    /// Begins the family in the answer to a scrape.
    pub(super) fn encode<'a>(
        &'a self,
        encoder: &'a mut DescriptorEncoder<'_>,
    ) -> Result<MetricEncoder<'a>, fmt::Error> {
        let kind = match self.kind {
            Kind::Counter => MetricType::Counter,
            Kind::Gauge => MetricType::Gauge,
            Kind::Histogram => MetricType::Histogram,
        };
        encoder.encode_descriptor(self.name, &format!("{}.", self.help), None, kind)
    }

    /// Returns the name that queries use.
    pub(super) fn full_name(&self) -> String {
        let prefix = if self.name.starts_with("process_") { "" } else { "flow_observer_" };
        let suffix = if self.kind == Kind::Counter { "_total" } else { "" };
        format!("{prefix}{}{suffix}", self.name)
    }
}
