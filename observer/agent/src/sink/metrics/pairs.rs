//! The families with pair labels, encoded from a copy of the series.

use std::fmt;
use std::sync::Arc;

use flow_model::flow::{Phase, Side};
use jiff::Timestamp;
use parking_lot::Mutex;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;
use strum::VariantArray;

use crate::sink::metrics::labels::PairKey;
use crate::sink::metrics::series::{Series, SeriesStore};

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
        let help = "Sets of pair labels published; past the limit, new ones fold into _other.";
        let mut family = encoder.encode_descriptor("pair_series", help, None, MetricType::Gauge)?;
        family.encode_gauge(&u64::try_from(len).unwrap_or(u64::MAX))
    }
}

fn syns(rows: &Rows, encoder: &mut DescriptorEncoder) -> fmt::Result {
    let mut family = counters(encoder, "tcp_syn", "Connection attempts started, by their first SYN.")?;
    for (key, series) in rows {
        sample(&mut family, &key, series.syn.get())?;
    }
    let mut family = counters(encoder, "tcp_syn_retransmits", "SYNs repeated for want of an answer.")?;
    for (key, series) in rows {
        sample(&mut family, &key, series.syn_retransmits.get())?;
    }
    Ok(())
}

fn resets(rows: &Rows, encoder: &mut DescriptorEncoder) -> fmt::Result {
    let help = "TCP resets, by who sent them and how far the connection was.";
    let mut family = counters(encoder, "tcp_rst", help)?;
    for (key, series) in rows {
        for (side, phases) in Side::VARIANTS.iter().zip(series.rst) {
            for (phase, count) in Phase::VARIANTS.iter().zip(phases) {
                let more = [("by", side.as_str()), ("phase", phase.as_str())];
                sample(&mut family, &(key, more), count.get())?;
            }
        }
    }
    Ok(())
}

fn attempts(rows: &Rows, encoder: &mut DescriptorEncoder) -> fmt::Result {
    let help = "Connection attempts ended, by outcome and by what the policies say of them.";
    let mut family = counters(encoder, "connection_attempts", help)?;
    for (key, series) in rows {
        for (outcome, verdict, count) in series.outcomes.published() {
            let more = [("outcome", outcome.as_str()), ("verdict", verdict.as_str())];
            counter(&mut family, &(key, more), count)?;
        }
    }
    Ok(())
}

fn drops(rows: &Rows, encoder: &mut DescriptorEncoder) -> fmt::Result {
    let mut family =
        counters(encoder, "drops", "Packets freed by the kernel before they arrived, by reason.")?;
    for (key, series) in rows {
        for (reason, count) in &series.drops {
            sample(&mut family, &(key, [("reason", reason.as_str())]), *count)?;
        }
    }
    Ok(())
}

fn counters<'a>(
    encoder: &'a mut DescriptorEncoder<'_>,
    name: &'a str,
    help: &str,
) -> Result<MetricEncoder<'a>, fmt::Error> {
    encoder.encode_descriptor(name, help, None, MetricType::Counter)
}

/// Zeros are left out: most pairs never see most of the combinations.
fn sample(family: &mut MetricEncoder, labels: &impl EncodeLabelSet, count: u64) -> fmt::Result {
    if count == 0 { Ok(()) } else { counter(family, labels, count) }
}

fn counter(family: &mut MetricEncoder, labels: &impl EncodeLabelSet, count: u64) -> fmt::Result {
    family.encode_family(labels)?.encode_counter::<NoLabelSet, _, u64>(&count, None)
}
