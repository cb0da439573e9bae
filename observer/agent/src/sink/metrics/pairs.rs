//! The families with pair labels, encoded from a copy of the series.

use std::fmt;
use std::sync::Arc;

use flow_model::decision::Decision;
use flow_model::flow::{Outcome, Phase, Side};
use jiff::Timestamp;
use parking_lot::Mutex;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, MetricEncoder, NoLabelSet};
use strum::VariantNames;

use crate::sink::metrics::labels::{PAIR, PairKey};
use crate::sink::metrics::series::{Series, SeriesStore};
use crate::sink::metrics::spec::{Kind, Label, Spec};

const BOUND: &str = "`--max-series` pairs and `_other`";

const SYN: Spec = Spec {
    name: "tcp_syn",
    kind: Kind::Counter,
    help: "Connection attempts started, by their first SYN",
    labels: &[&PAIR],
    unit: "connection attempts",
    changes: "when a client sends the first SYN of a connection. A pair without any has no series.",
    bound: BOUND,
};
const SYN_RETRANSMITS: Spec = Spec {
    name: "tcp_syn_retransmits",
    kind: Kind::Counter,
    help: "SYNs repeated because no answer came",
    labels: &[&PAIR],
    unit: "packets",
    changes: "when a client repeats a SYN. A pair without any has no series.",
    bound: BOUND,
};
const RST: Spec = Spec {
    name: "tcp_rst",
    kind: Kind::Counter,
    help: "TCP resets, by who sent them and how far the connection was",
    labels: &[
        &PAIR,
        &[
            Label::one_of("by", <Side as VariantNames>::VARIANTS),
            Label::one_of("phase", <Phase as VariantNames>::VARIANTS),
            Label::text(
                "reason",
                "the kernel's reason, such as `no_socket`; empty where it isn't known, see docs/RESETS.md",
            ),
        ],
    ],
    unit: "packets",
    changes: "with each RST, counted once per node; half a second later where the kernel gives reasons and this one has none. \
        `orphan` is a connection whose SYN this node never saw, and which was not in the connection table when the agent \
        started. Combinations that never occurred have no series.",
    bound: "six series, and six for each of the kernel's reasons that occurred, for each of `--max-series` pairs and for `_other`",
};
const ATTEMPTS: Spec = Spec {
    name: "connection_attempts",
    kind: Kind::Counter,
    help: "Connection attempts ended, by outcome and by the verdict of the policies",
    labels: &[
        &PAIR,
        &[
            Label::one_of("outcome", <Outcome as VariantNames>::VARIANTS),
            Label::one_of("verdict", <Decision as VariantNames>::VARIANTS),
        ],
    ],
    unit: "connection attempts",
    changes: "when an attempt is answered by a SYN-ACK (`established`), a RST (`refused`) or an ICMP error (`rejected`), or 5 s \
        after its last SYN (`unanswered`). A verdict's outcomes all start at 0 with the first attempt under it, those of `deny` \
        with the first under `allow`.",
    bound: "twelve series for each of `--max-series` pairs and for `_other`",
};
const DROPS: Spec = Spec {
    name: "drops",
    kind: Kind::Counter,
    help: "Packets that the kernel dropped before they arrived, by reason",
    labels: &[&PAIR, &[Label::text("reason", "the kernel's name, such as `NETFILTER_DROP`")]],
    unit: "packets",
    changes: "with each dropped packet. Needs the probe `drops`.",
    bound: "the kernel's reasons for each of `--max-series` pairs and for `_other`",
};
const PAIR_SERIES: Spec = Spec {
    name: "pair_series",
    kind: Kind::Gauge,
    help: "Pairs that have series of their own; past the limit, new ones are counted in _other",
    labels: &[],
    unit: "pairs",
    changes: "when a pair appears or its series expire; at most `--max-series`",
    bound: "one series",
};

pub(super) const FAMILIES: [Spec; 6] = [SYN, SYN_RETRANSMITS, RST, ATTEMPTS, DROPS, PAIR_SERIES];

/// Reads the series at each scrape.
#[derive(Debug)]
pub(super) struct PairCollector(pub(super) Arc<Mutex<SeriesStore>>);

type Rows = [(PairKey, Series)];

impl Collector for PairCollector {
    fn encode(&self, mut encoder: DescriptorEncoder) -> fmt::Result {
        // Copied, so that the writer does not wait for the encoding.
        let (rows, len) = {
            let mut store = self.0.lock();
            (store.snapshot(Timestamp::now()), store.len())
        };
        syns(&rows, &mut encoder)?;
        resets(&rows, &mut encoder)?;
        attempts(&rows, &mut encoder)?;
        drops(&rows, &mut encoder)?;
        PAIR_SERIES.encode(&mut encoder)?.encode_gauge(&u64::try_from(len).unwrap_or(u64::MAX))
    }
}

fn syns(rows: &Rows, encoder: &mut DescriptorEncoder) -> fmt::Result {
    let mut family = SYN.encode(encoder)?;
    for (key, series) in rows {
        sample(&mut family, &key, series.syn.get())?;
    }
    let mut family = SYN_RETRANSMITS.encode(encoder)?;
    for (key, series) in rows {
        sample(&mut family, &key, series.syn_retransmits.get())?;
    }
    Ok(())
}

fn resets(rows: &Rows, encoder: &mut DescriptorEncoder) -> fmt::Result {
    let mut family = RST.encode(encoder)?;
    for (key, series) in rows {
        for (side, phase, reason, count) in series.resets.published() {
            let more = [("by", side.as_str()), ("phase", phase.as_str()), ("reason", reason)];
            sample(&mut family, &(key, more), count)?;
        }
    }
    Ok(())
}

fn attempts(rows: &Rows, encoder: &mut DescriptorEncoder) -> fmt::Result {
    let mut family = ATTEMPTS.encode(encoder)?;
    for (key, series) in rows {
        for (outcome, verdict, count) in series.outcomes.published() {
            let more = [("outcome", outcome.as_str()), ("verdict", verdict.as_str())];
            counter(&mut family, &(key, more), count)?;
        }
    }
    Ok(())
}

fn drops(rows: &Rows, encoder: &mut DescriptorEncoder) -> fmt::Result {
    let mut family = DROPS.encode(encoder)?;
    for (key, series) in rows {
        for (reason, count) in &series.drops {
            sample(&mut family, &(key, [("reason", reason.as_str())]), *count)?;
        }
    }
    Ok(())
}

/// Encodes a sample unless it is zero: most pairs never see most of the combinations.
fn sample(family: &mut MetricEncoder, labels: &impl EncodeLabelSet, count: u64) -> fmt::Result {
    if count == 0 { Ok(()) } else { counter(family, labels, count) }
}

fn counter(family: &mut MetricEncoder, labels: &impl EncodeLabelSet, count: u64) -> fmt::Result {
    family.encode_family(labels)?.encode_counter::<NoLabelSet, _, u64>(&count, None)
}
