//! Series on the history that is sent to a log engine.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use strum::{IntoStaticStr, VariantArray, VariantNames};

use crate::sink::metrics::single_label::{LabelSet, label};
use crate::sink::metrics::spec::{Kind, Label, Spec};

/// The end of a record of the history.
#[derive(Clone, Copy, Debug, PartialEq, Eq, IntoStaticStr, VariantArray, VariantNames)]
#[strum(serialize_all = "snake_case")]
pub enum OtlpResult {
    /// The endpoint took it.
    Delivered,
    /// The endpoint did not want it, and won't later.
    Rejected,
    /// Too many waited.
    QueueFull,
    /// The agent ended before it was delivered.
    Shutdown,
}

/// The end of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, IntoStaticStr, VariantArray, VariantNames)]
#[strum(serialize_all = "snake_case")]
pub enum OtlpRequest {
    /// The endpoint took the records, or most of them.
    Ok,
    /// It was not reached, or wants them later.
    Failed,
    /// It refused them for good.
    Refused,
}

const RECORDS: Spec = Spec {
    name: "otlp_records",
    kind: Kind::Counter,
    help: "Records of the history, by what became of them",
    labels: &[&[Label::one_of("result", <OtlpResult as VariantNames>::VARIANTS)]],
    unit: "records",
    changes: "when the OTLP endpoint takes a record, or one is lost; [HISTORY.md](HISTORY.md) explains each. Starts at 0.",
    bound: "one series per result",
};
const REQUESTS: Spec = Spec {
    name: "otlp_requests",
    kind: Kind::Counter,
    help: "Requests to the OTLP endpoint, by what became of them",
    labels: &[&[Label::one_of("result", <OtlpRequest as VariantNames>::VARIANTS)]],
    unit: "requests",
    changes: "with each request. `failed` ones are sent again. Starts at 0.",
    bound: "one series per result",
};
const QUEUE: Spec = Spec {
    name: "otlp_queue_bytes",
    kind: Kind::Gauge,
    help: "Size of the records that wait for the OTLP endpoint, with 64 bytes for each record",
    labels: &[],
    unit: "bytes",
    changes: "when a record comes or is sent. The batch that is being sent is not in it. 0 without an endpoint.",
    bound: "one series",
};
const LIMIT: Spec = Spec {
    name: "otlp_queue_limit_bytes",
    kind: Kind::Gauge,
    help: "The most that may wait for the OTLP endpoint",
    labels: &[],
    unit: "bytes",
    changes: "never; `--otlp-queue-bytes`, or 0 without an endpoint",
    bound: "one series",
};

pub(super) const FAMILIES: [Spec; 4] = [RECORDS, REQUESTS, QUEUE, LIMIT];

/// Counters that the sender of the history keeps up to date.
#[derive(Clone, Debug)]
pub struct OtlpCounters {
    /// The size of what waits.
    pub queue_bytes: Gauge,
    /// The most that may wait.
    pub limit_bytes: Gauge,
    records: Family<LabelSet, Counter>,
    requests: Family<LabelSet, Counter>,
    /// What is lost, among all other losses of the agent.
    lost: Counter,
}

impl OtlpCounters {
    /// Returns counters of which the losses count here too.
    #[must_use]
    pub fn new(lost: Counter) -> Self {
        let (records, requests) = (Family::default(), Family::default());
        for result in <OtlpResult as VariantArray>::VARIANTS {
            drop(records.get_or_create(&label("result", result.into())));
        }
        for result in <OtlpRequest as VariantArray>::VARIANTS {
            drop(requests.get_or_create(&label("result", result.into())));
        }
        Self { queue_bytes: Gauge::default(), limit_bytes: Gauge::default(), records, requests, lost }
    }

    /// Counts records with this end.
    pub fn count(&self, result: OtlpResult, records: u64) {
        self.records.get_or_create(&label("result", result.into())).inc_by(records);
        if result != OtlpResult::Delivered {
            self.lost.inc_by(records);
        }
    }

    /// Counts a request with this end.
    pub fn request(&self, result: OtlpRequest) {
        self.requests.get_or_create(&label("result", result.into())).inc();
    }

    /// Returns the number of records with this end.
    #[cfg(test)]
    pub(crate) fn counted(&self, result: OtlpResult) -> u64 {
        self.records.get_or_create(&label("result", result.into())).get()
    }

    pub(super) fn register(&self, registry: &mut Registry) {
        RECORDS.register(registry, self.records.clone());
        REQUESTS.register(registry, self.requests.clone());
        QUEUE.register(registry, self.queue_bytes.clone());
        LIMIT.register(registry, self.limit_bytes.clone());
    }
}
